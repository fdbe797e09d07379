"""Ways around the second factor, and guessing at it: with the right password of somebody who has one, and no more."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyotp
import pytest

from idp.accounts.second_factor import remove_factors
from idp.store.sign_in_failures import FREE_TRIES
from idp.store.users import NewUser
from tests.support.accounts import PASSWORD
from tests.support.authorize import Asked, ask, signed_in, trusted_party
from tests.support.factors import (
    add_passkey,
    answer_factor,
    give_app,
    give_codes,
    options_on,
    stored_passkey,
    with_app,
)
from tests.support.idp_server import ServerUnderTest, TimedServer, timed_server
from tests.support.relying_party import Browser, Page, RelyingParty, claims_of
from tests.support.upstream import first_party, press, sandboxed_timed_server, sign_in_with, somebody, users_of


def half_way(server: ServerUnderTest, user: NewUser, **changes: Any) -> tuple[Asked, RelyingParty]:
    """The page that asks for the factor, after the right password."""
    client = trusted_party(server, **changes)
    asked = ask(client, Browser(server)).log_in(user.username)
    assert asked.page.id in {"second-factor-page", "totp-page"}
    return asked, client


def log_in(browser: Browser, username: str) -> Page:
    return browser.page(browser.open("/login").submit("login", username=username, password=PASSWORD))


def copy_of(browser: Browser) -> Browser:
    """Somebody with the same cookies."""
    twin = Browser(browser.server)
    twin.http.cookies.update(browser.http.cookies)
    return twin


def is_nobody(browser: Browser) -> bool:
    return browser.open("/account").id == "login-page"


# --- Going around it


@pytest.mark.asvs("6.3.3", "6.3.4")
def test_a_half_done_sign_in_answers_no_client(server: ServerUnderTest) -> None:
    user, _app = with_app(server)
    asked, client = half_way(server, user)
    browser = asked.browser
    assert is_nobody(browser)
    assert ask(client, browser, prompt="none").callback.error == "login_required"
    assert ask(client, browser).page.id == "login-page", "another request begins anew"
    interaction = asked.page.fields("verify")[1]["interaction"]
    for path in (f"/authorize/{interaction}", f"/login?interaction={interaction}",
                 f"/consent?interaction={interaction}", f"/select-account?interaction={interaction}",
                 f"/link?interaction={interaction}"):  # fmt: skip
        page = browser.open(path)
        assert page.id == "second-factor-page", path
        assert "idp_session" not in browser.http.cookies


@pytest.mark.asvs("6.3.4")
@pytest.mark.parametrize("choice", ["skip", "confirm", "login", "trust", "decision", "choice"])
def test_no_button_of_another_page_is_a_way_past_it(server: ServerUnderTest, choice: str) -> None:
    user, _app = with_app(server)
    asked, _client = half_way(server, user)
    after = asked.then(asked.page.submit("verify", code="", **{choice: "1"}))
    assert after.page.id == "second-factor-page"
    assert is_nobody(asked.browser)


@pytest.mark.parametrize("strictness", ["client", "essential acr"])
def test_what_is_required_cannot_be_skipped(server: ServerUnderTest, strictness: str) -> None:
    user = server.add_user()
    browser = signed_in(server, user.username)
    give_app(server, user)
    claims = '{"id_token": {"acr": {"essential": true, "value": "aal2"}}}' if strictness != "client" else None
    client = trusted_party(server, require_second_factor=strictness == "client")
    asked = ask(client, browser, claims=claims)
    assert asked.page.soup.find(id="skip") is None
    assert asked.then(asked.page.submit("verify", skip="1")).page.id == "second-factor-page"


@pytest.mark.asvs("6.3.4")
def test_another_browser_cannot_finish_what_this_one_began(server: ServerUnderTest) -> None:
    user, app = with_app(server)
    asked, _client = half_way(server, user)
    url, fields = asked.page.fields("verify")
    thief = Browser(server)
    token = log_in(thief, server.add_user().username).browser.open("/login?to=account&again=1").fields("login")[1]
    answer = thief.post(url, data=fields | {"code": app.code(), "csrf_token": token["csrf_token"]})
    assert Page(thief, answer).id != "second-factor-page"
    assert "idp_session" not in answer.cookies
    assert asked.then(answer_factor(asked.page, app.code())).callback.code, "its owner still can"


def test_somebody_elses_code_is_no_code(server: ServerUnderTest) -> None:
    (victim, _), (_thief, own) = with_app(server), with_app(server)
    asked, _client = half_way(server, victim)
    assert asked.then(answer_factor(asked.page, own.code())).page.id == "second-factor-page"
    codes = give_codes(server, _thief)
    give_codes(server, victim)
    answer = asked.page.submit("verify", recovery_code=codes[0], code="")
    assert "idp_session" not in answer.cookies


def test_it_takes_its_password_along_when_that_is_changed_meanwhile(server: ServerUnderTest) -> None:
    user, app = with_app(server)
    asked, _client = half_way(server, user)
    server.store.users.set_password_hash(user.id, "another", now=server.now)
    assert asked.then(asked.page.submit("verify", code=app.code())).page.id == "login-page"
    assert is_nobody(asked.browser)


def test_it_is_over_after_ten_minutes(timed: TimedServer) -> None:
    user, app = with_app(timed)
    asked, _client = half_way(timed, user)
    timed.forward(601)
    assert asked.then(asked.page.submit("verify", code=app.code())).page.id == "login-page"


def test_back_after_the_end_repeats_nothing(server: ServerUnderTest) -> None:
    user, app = with_app(server)
    asked, _client = half_way(server, user)
    assert asked.then(answer_factor(asked.page, app.code())).callback.code
    again = asked.then(asked.page.submit("verify", code=app.code(1)))
    assert (again.response.status_code, again.page.id) == (400, "error-page")


@pytest.mark.asvs("7.4.3")
def test_sessions_of_before_the_first_factor_end_with_it(server: ServerUnderTest) -> None:
    user = server.add_user()
    old, mine = signed_in(server, user.username), signed_in(server, user.username)
    client = trusted_party(server)
    tokens = client.tokens(old)
    assert client.userinfo(tokens["access_token"]).status_code == 200
    page = mine.open("/account/totp")
    secret = page.soup.find(id="secret")
    assert secret is not None
    done = page.submit("confirm", code=pyotp.TOTP(secret.get_text().replace(" ", "")).at(server.now))
    assert Page(mine, done).id == "recovery-codes-page"
    assert is_nobody(old)
    assert client.userinfo(tokens["access_token"]).status_code == 401
    assert mine.open("/account").id == "account-page"
    assert claims_of(client.tokens(mine)["id_token"])["acr"] == "aal2"


@pytest.mark.asvs("6.3.4")
def test_a_sign_in_with_another_provider_is_no_way_around_it(tmp_path: Path, signing_keys: Path) -> None:
    with sandboxed_timed_server(tmp_path, keys_from=signing_keys, second_factor_roles="admin") as (server, _):
        client, person = first_party(server), somebody("google")
        assert sign_in_with(client, Browser(server), "google", person).callback.code
        (user,) = users_of(server, "google", person)
        app = give_app(server, user)
        asked = sign_in_with(client, Browser(server), "google", person)
        assert asked.page.id == "second-factor-page"
        assert is_nobody(asked.browser)
        done = asked.then(answer_factor(asked.page, app.code()))
        claims = claims_of(client.redeem(done.callback).json()["id_token"])
        assert (claims["acr"], claims["amr"]) == ("aal2", ["fed", "otp", "mfa"])
        browser = Browser(server)
        assert browser.page(press(browser.open("/login"), "google").choose(person)).id == "second-factor-page"
        server.store.totp.remove(user.id)
        assert server.store.users.set_roles(user.id, ("admin",), now=server.now)
        assert sign_in_with(client, Browser(server), "google", person).page.id == "totp-page"


@pytest.mark.asvs("6.4.4", "7.4.3")
def test_a_half_done_sign_in_from_before_a_reset_sets_up_nothing_after_it(strict: TimedServer) -> None:
    user, _app = with_app(strict, roles=("admin",))
    page = log_in(Browser(strict), user.username)
    assert remove_factors(strict.store, user.id, now=strict.now)
    strict.store.users.sign_out_everywhere(user.id, now=strict.now, why="factors reset")
    assert page.browser.open("/second-factor").id == "login-page"
    assert page.browser.page(page.submit("verify", code="000000")).id == "login-page"
    assert log_in(Browser(strict), user.username).id == "totp-page", "whoever signs in now is asked to"


def test_trust_is_neither_offered_nor_kept_where_it_would_spare_nothing(strict: TimedServer) -> None:
    user, app = with_app(strict, roles=("admin",))
    page = log_in(Browser(strict), user.username)
    assert page.soup.find(id="trust") is None
    assert page.submit("verify", code=app.code(), trust="1").status_code == 303
    assert strict.store.devices.list_trusted(user.id, now=strict.now) == []


@pytest.fixture(scope="module")
def strict(tmp_path_factory: pytest.TempPathFactory, signing_keys: Path) -> Iterator[TimedServer]:
    """A server that demands a second factor of everybody with one of two roles."""
    folder = tmp_path_factory.mktemp("strict")
    with timed_server(folder, keys_from=signing_keys, second_factor_roles="admin auditor") as server:
        yield server


@pytest.mark.asvs("6.3.3", "8.4.2")
def test_a_role_demands_a_factor_also_in_a_trusted_browser_and_of_sessions_that_are_there(strict: TimedServer) -> None:
    plain, client = strict.add_user(roles=("reader",)), trusted_party(strict)
    assert ask(client, Browser(strict)).log_in(plain.username).callback.code
    browser = signed_in(strict, plain.username)
    assert strict.store.users.set_roles(plain.id, ("reader", "auditor"), now=strict.now)
    assert ask(client, browser, prompt="none").callback.error == "interaction_required"
    assert ask(client, browser).page.id == "totp-page"
    app = give_app(strict, plain)
    assert strict.store.users.set_roles(plain.id, ("reader",), now=strict.now)
    trusting = log_in(Browser(strict), plain.username)
    assert trusting.submit("verify", code=app.code(), trust="1").status_code == 303
    assert strict.store.users.set_roles(plain.id, ("reader", "auditor"), now=strict.now)
    trusting.browser.http.cookies.set("idp_session", None)
    assert log_in(trusting.browser, plain.username).id == "second-factor-page"


def test_the_last_factor_of_a_role_that_needs_one_stays(strict: TimedServer) -> None:
    user = strict.add_user(roles=("admin",))
    app = give_app(strict, user)
    browser = Browser(strict)
    assert answer_factor(log_in(browser, user.username), app.code()).status_code == 303
    page = browser.open("/account/totp")
    token = page.fields("confirm")[1]["csrf_token"]
    for confirm in ("", "1"):
        answer = browser.post("/account/totp/remove", data={"csrf_token": token, "confirm": confirm})
        assert Page(browser, answer).soup.find(id="needed") is not None
    assert strict.store.totp.find(user.id) is not None


# --- Changing factors


CHANGES = ("/account/totp", "/account/totp/remove", "/account/recovery-codes", "/account/passkeys",
           "/account/passkeys/remove")  # fmt: skip


@pytest.mark.asvs("3.5.1")
@pytest.mark.parametrize("path", [*CHANGES, "/second-factor", "/login/passkey"])
def test_no_other_site_can_send_these_forms(server: ServerUnderTest, path: str) -> None:
    user = server.add_user()
    browser = signed_in(server, user.username)
    give_app(server, user)
    assert browser.post(path, data={"confirm": "1"}).status_code == 400
    token = browser.open("/login?to=account&again=1").fields("login")[1]["csrf_token"]
    forged = browser.post(path, data={"csrf_token": token}, headers={"Sec-Fetch-Site": "cross-site"})
    assert forged.status_code == 400
    assert server.store.totp.find(user.id) is not None


@pytest.mark.asvs("7.5.1", "6.3.4")
@pytest.mark.parametrize("path", CHANGES)
def test_factors_are_changed_only_by_a_fresh_session_that_has_given_one(timed: TimedServer, path: str) -> None:
    user = timed.add_user()
    browser = signed_in(timed, user.username)
    app, codes = give_app(timed, user), give_codes(timed, user)
    token = browser.open("/login?to=account&again=1").fields("login")[1]["csrf_token"]
    form = {"csrf_token": token, "confirm": "1", "code": app.code()}
    assert browser.post(path, data=form).headers["Location"].startswith("/second-factor")
    page = browser.open("/second-factor?to=account")
    assert answer_factor(page, app.code()).status_code == 303
    timed.forward(301)
    form["csrf_token"] = browser.open("/login?to=account&again=1").fields("login")[1]["csrf_token"]
    assert browser.post(path, data=form).headers["Location"].startswith("/login")
    assert timed.store.totp.find(user.id) is not None
    assert timed.store.recovery_codes.count_unused(user.id) == len(codes)
    assert Browser(timed).get(path).status_code in {303, 405}


def test_a_second_factor_alone_does_not_make_an_old_session_fresh(timed: TimedServer) -> None:
    user = timed.add_user()
    browser = signed_in(timed, user.username)
    app = give_app(timed, user)
    timed.forward(301)
    assert answer_factor(browser.open("/second-factor?to=account"), app.code()).status_code == 303
    assert browser.get("/account/totp").headers["Location"].startswith("/login")


def test_somebody_elses_passkey_cannot_be_removed(server: ServerUnderTest) -> None:
    victim, thief = server.add_user(), server.add_user()
    device = add_passkey(signed_in(server, victim.username))
    browser = signed_in(server, thief.username)
    add_passkey(browser)
    fields = browser.open("/account/passkeys").fields("remove-passkey-1")[1]
    fields |= {"key": stored_passkey(server, device).key, "confirm": "1"}
    browser.post("/account/passkeys/remove", data=fields)
    assert stored_passkey(server, device).user_id == victim.id


# --- Guessing and repeating


@pytest.mark.asvs("6.5.1")
@pytest.mark.spec("RFC 6238", "5.2", "MUST NOT")
def test_a_code_that_many_send_at_once_lets_one_in_whatever_the_worker(server: ServerUnderTest) -> None:
    user, app = with_app(server)
    pages = [log_in(Browser(server), user.username) for _ in range(FREE_TRIES - 1)]
    code = app.code()
    with ThreadPoolExecutor(len(pages)) as pool:
        answers = list(pool.map(lambda page: answer_factor(page, code), pages))
    assert sum("idp_session" in answer.cookies for answer in answers) == 1
    late = answer_factor(log_in(Browser(server), user.username), code)
    assert "idp_session" not in late.cookies, "nor later within its half minute"


def test_a_recovery_code_that_many_send_at_once_lets_one_in(server: ServerUnderTest) -> None:
    user, _app = with_app(server)
    (code,) = give_codes(server, user, 1)
    pages = [log_in(Browser(server), user.username) for _ in range(6)]
    with ThreadPoolExecutor(len(pages)) as pool:
        answers = list(pool.map(lambda page: page.submit("use-recovery-code", recovery_code=code), pages))
    assert sum("idp_session" in answer.cookies for answer in answers) == 1


@pytest.mark.asvs("6.6.3", "6.3.1")
def test_guesses_in_parallel_over_workers_are_held_up_and_the_owner_is_told(server: ServerUnderTest) -> None:
    user, app = with_app(server)
    (spare, *_) = give_codes(server, user)
    strangers = [Browser(server) for _ in range(4)]
    for stranger in strangers:
        stranger.http.headers["Accept-Language"] = "fr"
    pages = [log_in(stranger, user.username) for stranger in strangers]
    wrong = app.wrong_code()
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda page: answer_factor(page, wrong), pages * 5))
    assert sorted(answer.status_code for answer in answers) == [200] * FREE_TRIES + [429] * (20 - FREE_TRIES)
    right = answer_factor(pages[0], app.code())
    assert (right.status_code, "idp_session" in right.cookies) == (429, False), "the right code waits as well"
    told = [mail for mail in server.mails(f"{user.username}@example.com") if mail.template == "suspicious_sign_in"]
    assert [mail.subject for mail in told] == ["Somebody tries to sign in as you at idp"], "in the owner's language"
    freed = pages[1].submit("use-recovery-code", recovery_code=spare)
    assert "idp_session" in freed.cookies, "its owner has other ways in"


def test_a_stranger_without_the_password_cannot_make_anybody_wait(server: ServerUnderTest) -> None:
    user, app = with_app(server)
    browser = Browser(server)
    token = browser.open("/login").fields("login")[1]["csrf_token"]
    for _ in range(FREE_TRIES + 1):
        browser.post("/second-factor", data={"csrf_token": token, "code": "000000", "username": user.username})
    assert answer_factor(log_in(Browser(server), user.username), app.code()).status_code == 303


# --- Passkeys


@pytest.mark.asvs("6.7.2")
def test_a_passkeys_answer_is_taken_once_in_the_browser_it_was_made_for(server: ServerUnderTest) -> None:
    device = add_passkey(signed_in(server, server.add_user().username))
    browser, other = Browser(server), Browser(server)
    page, elsewhere = browser.open("/login"), other.open("/login")
    answer = device.get(options_on(page))
    assert "idp_session" not in elsewhere.submit("sign-in-with-passkey", credential=answer).cookies
    twin = Page(copy_of(browser), page.response)
    assert "idp_session" in page.submit("sign-in-with-passkey", credential=answer).cookies
    assert "idp_session" not in twin.submit("sign-in-with-passkey", credential=answer).cookies


def test_an_answer_for_one_purpose_is_none_for_another(server: ServerUnderTest) -> None:
    user = server.add_user()
    device = add_passkey(signed_in(server, user.username), verifies=False)
    page = log_in(Browser(server), user.username)
    answer = device.get(options_on(page))
    url, fields = page.browser.open("/login").fields("sign-in-with-passkey")
    refused = page.browser.post(url, data=fields | {"credential": answer})
    assert (Page(page.browser, refused).id, "idp_session" in refused.cookies) == ("login-page", False)
    unverified = page.browser.open("/login")
    alone = unverified.submit("sign-in-with-passkey", credential=device.get(options_on(unverified)))
    assert "idp_session" not in alone.cookies, "alone, its holder must have been verified"


@pytest.mark.spec("WebAuthn", "7.2", "SHOULD")
def test_a_copy_of_a_passkey_is_refused_and_its_owner_is_told(server: ServerUnderTest) -> None:
    user = server.add_user()
    device = add_passkey(signed_in(server, user.username), count=5)
    copy = replace(device)
    page = Browser(server).open("/login")
    assert "idp_session" in page.submit("sign-in-with-passkey", credential=device.get(options_on(page))).cookies
    page = Browser(server).open("/login")
    answer = page.submit("sign-in-with-passkey", credential=copy.get(options_on(page)))
    assert "idp_session" not in answer.cookies
    texts = [mail.text for mail in server.mails(f"{user.username}@example.com")]
    assert any("copy" in text for text in texts)


def test_whoever_is_disabled_does_not_sign_in_by_passkey_either(server: ServerUnderTest) -> None:
    user = server.add_user()
    device = add_passkey(signed_in(server, user.username))
    assert server.store.users.set_disabled(user.id, True, now=server.now)
    page = Browser(server).open("/login")
    answer = page.submit("sign-in-with-passkey", credential=device.get(options_on(page)))
    assert (answer.status_code, "idp_session" in answer.cookies) == (200, False)


@pytest.mark.parametrize("sent", ["", "{}", "\0", "[" * 16_000, "é" * 9000, '{"response":{"clientDataJSON":[]}}'])
def test_whatever_is_sent_as_a_passkey_is_no_fault(server: ServerUnderTest, sent: str) -> None:
    page = Browser(server).open("/login")
    answer = page.submit("sign-in-with-passkey", credential=sent)
    assert (answer.status_code, Page(page.browser, answer).id) == (200, "login-page")
