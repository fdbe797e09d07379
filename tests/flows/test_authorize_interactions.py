"""A request that waits for a person: it survives what people do, belongs to one browser, and is answered once."""

import re
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from tests.support.accounts import PASSWORD
from tests.support.authorize import Asked, ask, signed_in, third_party, trusted_party
from tests.support.idp_server import ServerUnderTest, TimedServer, running_server
from tests.support.machine import find_free_port
from tests.support.relying_party import Browser, Page, claims_of


def interaction_of(page: Page) -> str:
    return page.fields()[1]["interaction"]


def assert_is_over(page: Page) -> None:
    assert (page.status, page.id) == (400, "error-page"), page.text[:300]
    assert "Location" not in page.response.headers
    assert "sign in from there again" in page.text, "it says how to start again"


# --- What people do


def test_a_request_survives_wrong_passwords_reloads_and_a_change_of_language(
    server: ServerUnderTest, browser: Browser
) -> None:
    client, user = trusted_party(server), server.add_user()
    asked = ask(client, browser)
    url = asked.response.url
    for password in ("wrong", "", PASSWORD + " ", PASSWORD.upper()):
        wrong = asked.then(asked.page.submit("login", username=user.username, password=password))
        assert (wrong.page.id, wrong.response.status_code) == ("login-page", 200)
        assert wrong.page.soup.select_one("#error-summary[role=alert]") is not None
        assert wrong.page.fields("login")[1]["username"] == user.username, "the name need not be typed again"
        assert not wrong.page.fields("login")[1]["password"], "the password is never sent back"
    assert browser.open(url).id == "login-page"
    french = browser.open(f"{url}&lang=fr")
    assert french.soup.html is not None
    assert french.soup.html["lang"] == "fr"
    asked = asked.then(french.submit("login", username=user.email or "", password=PASSWORD))
    assert client.redeem(asked.callback).status_code == 200


@pytest.mark.asvs("6.3.8")
def test_unknown_wrong_disabled_and_overlong_are_one_answer(server: ServerUnderTest, browser: Browser) -> None:
    disabled, user = server.add_user(), server.add_user()
    server.store.users.set_disabled(disabled.id, True, now=server.now)
    asked, answers = ask(trusted_party(server), browser), set()
    for name, password in [(f"no{user.username}", PASSWORD), (user.username, "wrong"), (disabled.username, PASSWORD),
                           ("x" * 5000, PASSWORD), (user.username, "x" * 5000), (f"{user.username}\x00b", PASSWORD),
                           ("' OR 1=1 --", "x"), (user.username, "\x00")]:  # fmt: skip
        page = asked.then(asked.page.submit("login", username=name, password=password)).page
        answers.add(page.soup.select_one("#error-summary").get_text(" ", strip=True))  # type: ignore[union-attr]
        assert page.status == 200
    assert len(answers) == 1


def test_a_missing_name_or_password_is_named(server: ServerUnderTest, browser: Browser) -> None:
    page = ask(trusted_party(server), browser).page
    page = Page(browser, page.submit("login", username="", password=""))
    links = [link["href"] for link in page.soup.select("#error-summary a")]
    assert links == ["#username", "#password"]


@pytest.mark.parametrize("spelling", [str.upper, lambda name: f"  {name} ", str.title])
def test_a_name_is_taken_as_people_type_it(server: ServerUnderTest, spelling: object) -> None:
    user = server.add_user()
    signed_in(server, spelling(user.username))  # type: ignore[operator]


def test_two_tabs_at_once_each_get_their_own_answer(server: ServerUnderTest, browser: Browser) -> None:
    one, two, user = third_party(server), third_party(server), server.add_user()
    first, second = ask(one, browser, scope="openid email"), ask(two, browser, scope="openid phone")
    assert interaction_of(first.page) != interaction_of(second.page)
    first = first.log_in(user.username)
    assert first.page.id == "consent-page"
    second_consent = browser.open(second.response.url)
    assert second_consent.id == "consent-page", "the sign-in in the other tab serves this one too"
    assert "Your phone number" in second_consent.text
    done = second.then(second_consent.submit("allow"))
    assert done.callback.params["state"] == second.params["state"]
    assert two.redeem(done.callback).status_code == 200
    finished = first.then(first.page.submit("allow"))
    assert finished.callback.params["state"] == first.params["state"]
    assert one.redeem(finished.callback).status_code == 200


def test_two_tabs_that_both_submit_the_sign_in_form_both_go_on(server: ServerUnderTest, browser: Browser) -> None:
    client, user = trusted_party(server), server.add_user()
    tabs = [ask(client, browser) for _ in range(3)]
    assert [client.redeem(tab.log_in(user.username).callback).status_code for tab in tabs] == [200, 200, 200]


def test_refusing_in_one_tab_leaves_the_other(server: ServerUnderTest, browser: Browser) -> None:
    client, user = trusted_party(server), server.add_user()
    first, second = ask(client, browser), ask(client, browser)
    assert first.then(first.page.submit("cancel")).callback.error == "access_denied"
    assert second.log_in(user.username).callback.error is None


@pytest.mark.spec("RFC 9700", "4.12", "MUST")
def test_every_human_step_answers_a_post_with_303(server: ServerUnderTest, browser: Browser) -> None:
    client, user = third_party(server), server.add_user()
    asked = ask(client, browser, prompt="login consent", scope="openid email")
    answer = asked.page.submit("login", username=user.username, password=PASSWORD)
    assert answer.status_code == 303
    consent = asked.then(answer)
    answer = consent.page.submit("allow")
    assert answer.status_code == 303
    assert browser.get(answer.headers["Location"]).status_code == 303


# --- Once


@pytest.mark.asvs("10.4.2")
def test_after_the_code_was_issued_no_step_can_be_replayed(server: ServerUnderTest, browser: Browser) -> None:
    client, user = third_party(server), server.add_user()
    login = ask(client, browser, scope="openid email")
    login_url, login_page = login.response.url, login.page
    consent = login.log_in(user.username)
    consent_url, consent_page = consent.response.url, consent.page
    interaction = interaction_of(consent_page)
    assert consent.then(consent_page.submit("allow")).callback.code
    for url in (login_url, consent_url, f"/authorize/{interaction}", f"/select-account?interaction={interaction}"):
        assert_is_over(browser.open(url))
    assert_is_over(Page(browser, consent_page.submit("allow")))
    assert_is_over(Page(browser, consent_page.submit("deny")))
    assert_is_over(Page(browser, login_page.submit("login", username=user.username, password=PASSWORD)))


@pytest.mark.asvs("10.4.2")
@pytest.mark.asvs("2.3.4")
def test_resuming_one_interaction_many_times_at_one_instant_gives_one_code(server: ServerUnderTest) -> None:
    client, user, browser = trusted_party(server), server.add_user(), Browser(server)
    for _ in range(4):
        page = ask(client, browser, prompt="login").page
        resume = page.submit("login", username=user.username, password=PASSWORD).headers["Location"]
        cookies = dict(browser.http.cookies)

        def go_on(_: int, resume: str = resume, cookies: dict[str, str] = cookies) -> int:
            return Browser(server).get(resume, cookies=cookies).status_code

        with ThreadPoolExecutor(8) as pool:
            answers = list(pool.map(go_on, range(16)))
        assert sorted(answers) == [303] + [400] * 15


# --- One browser


@pytest.mark.asvs("7.2.1")
def test_a_foreign_browser_cannot_see_or_finish_a_request(server: ServerUnderTest, browser: Browser) -> None:
    client, user = third_party(server), server.add_user()
    asked = ask(client, browser, scope="openid email").log_in(user.username)
    interaction = interaction_of(asked.page)
    for foreign in (Browser(server), signed_in(server, server.add_user().username)):
        ask(client, foreign, prompt="login")  # it has an interaction of its own
        for path in ("/login?interaction=", "/consent?interaction=", "/select-account?interaction=", "/authorize/"):
            assert_is_over(foreign.open(path + interaction))
        own = ask(client, foreign, prompt="login").page
        for path in ("/consent", "/login", "/select-account"):
            _, values = own.fields("login")
            forged = values | {"interaction": interaction, "decision": "allow", "username": user.username,
                               "password": PASSWORD, "choice": "continue"}  # fmt: skip
            assert_is_over(Page(foreign, foreign.post(path, data=forged)))
    assert asked.then(asked.page.submit("allow")).callback.error is None, "and it is none the worse for it"


@pytest.mark.parametrize("interaction", ["", "unknown", "../x", "%00", "a" * 500, "é"])
def test_an_unknown_interaction_is_a_page_and_no_error_of_ours(
    server: ServerUnderTest, browser: Browser, interaction: str
) -> None:
    for path in ("/consent?interaction=", "/select-account?interaction="):
        assert_is_over(browser.open(path + interaction))
    assert browser.open(f"/authorize/{interaction}").status in {400, 404}


def test_a_browser_that_keeps_no_cookies_is_told_so(server: ServerUnderTest, browser: Browser) -> None:
    page = ask(trusted_party(server), browser).page
    forgetful = Browser(server)
    answer = forgetful.post("/login", data=page.fields("login")[1] | {"username": "x", "password": "y"})
    assert_is_over(Page(forgetful, answer))


# --- Time


def test_an_interaction_expires_with_a_page_that_says_how_to_start_again(timed: TimedServer) -> None:
    client, user, browser = trusted_party(timed), timed.add_user(), Browser(timed)
    asked = ask(client, browser)
    timed.forward(timed.settings.interaction_lifetime - 60)
    assert browser.open(asked.response.url).id == "login-page"
    timed.forward(65)
    assert_is_over(browser.open(asked.response.url))
    assert_is_over(Page(browser, asked.page.submit("login", username=user.username, password=PASSWORD)))
    assert_is_over(browser.open(f"/authorize/{interaction_of(asked.page)}"))


def test_a_client_disabled_meanwhile_gets_no_answer(timed: TimedServer) -> None:
    from dataclasses import replace

    client, user, browser = trusted_party(timed), timed.add_user(), Browser(timed)
    asked = ask(client, browser)
    timed.store.clients.save(replace(client.client.metadata, disabled=True), now=timed.now)
    import time

    time.sleep(1.1)  # clients are cached for a second
    page = Page(browser, asked.page.submit("login", username=user.username, password=PASSWORD))
    assert (page.status, page.id) == (400, "error-page")


# --- Any worker, any instance


@pytest.mark.databases("sqlite", "postgresql")
def test_a_request_begun_on_one_instance_is_finished_on_another(
    fresh_database: str, tmp_path: Path, signing_keys: Path
) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    port = find_free_port()
    shared: dict[str, Any] = {"database_url": fresh_database, "issuer": f"http://localhost:{port}", "workers": "1",
              "secret_key": "a secret that both instances share, 0123456789"}  # fmt: skip
    with (
        running_server(tmp_path / "a", keys_from=signing_keys, port=str(port), **shared) as one,
        running_server(tmp_path / "b", keys_from=signing_keys, **shared) as other,
    ):
        client, user, browser = third_party(one), one.add_user(), Browser(one)
        here, there = f"http://localhost:{one.settings.port}", f"http://localhost:{other.settings.port}"
        asked = ask(client, browser, scope="openid email")
        turns = [there, here, there]
        for press, values in [("login", {"username": user.username, "password": PASSWORD}), ("allow", {})]:
            url, fields = asked.page.fields(press)
            answer = browser.post(url.replace(here, turns.pop()), data=fields | values)
            assert answer.status_code == 303, answer.text[:500]
            location = turns[-1] + answer.headers["Location"]
            final = browser.get(location)
            if "/consent" in final.headers.get("Location", ""):
                final = browser.get(there + final.headers["Location"])
            asked = Asked(client, browser, asked.params, asked.verifier, final)
        answer = client.redeem(asked.callback)
        browser.http.close()  # else the workers wait for it when they end
        assert claims_of(answer.json()["id_token"])["sub"] == user.id
        assert re.fullmatch(r"http://localhost:\d+", claims_of(answer.json()["id_token"])["iss"])


def test_with_redis_interactions_live_there_and_end_once(redis_url: str, tmp_path: Path, signing_keys: Path) -> None:
    with running_server(tmp_path, keys_from=signing_keys, redis_url=redis_url) as server:
        client, user, browser = third_party(server), server.add_user(), Browser(server)
        asked = ask(client, browser, scope="openid email").log_in(user.username)
        done = asked.then(asked.page.submit("allow"))
        assert client.redeem(done.callback).status_code == 200
        assert_is_over(Page(browser, asked.page.submit("allow")))
