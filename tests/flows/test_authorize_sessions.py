"""Browser sessions: their cookie, their limits, and that nothing old or foreign opens one."""

from pathlib import Path

import pytest
import requests

from tests.support.accounts import PASSWORD
from tests.support.authorize import ask, signed_in, trusted_party
from tests.support.idp_server import ServerUnderTest, TimedServer, running_server, timed_server
from tests.support.relying_party import Browser, Page, claims_of

COOKIE = "idp_session"


def session_cookie(browser: Browser) -> str:
    return str(browser.http.cookies.get(COOKIE))


def is_signed_in(server: ServerUnderTest, cookie: str) -> bool:
    client = trusted_party(server)
    params, _ = client.request(prompt="none")
    answer = requests.get(server.url("/authorize"), params=params, cookies={COOKIE: cookie}, timeout=15,
                          allow_redirects=False)  # fmt: skip
    return client.callback(answer, params).error is None


# --- Fixation


@pytest.mark.asvs("7.2.4")
def test_the_session_id_changes_at_every_sign_in_and_the_old_one_is_dead(server: ServerUnderTest) -> None:
    user, client = server.add_user(), trusted_party(server)
    browser = signed_in(server, user.username)
    cookies = [session_cookie(browser)]
    for _ in range(2):
        assert ask(client, browser, prompt="login").log_in(user.username).callback.error is None
        cookies.append(session_cookie(browser))
    assert len(set(cookies)) == 3
    assert [is_signed_in(server, cookie) for cookie in cookies] == [False, False, True]


@pytest.mark.asvs("7.2.4")
def test_signing_in_as_another_person_ends_the_session_of_the_first(server: ServerUnderTest) -> None:
    ada, ben, client = server.add_user(), server.add_user(), trusted_party(server)
    browser = signed_in(server, ada.username)
    before = session_cookie(browser)
    first = claims_of(client.redeem(ask(client, browser).callback).json()["id_token"])
    second = client.redeem(ask(client, browser, prompt="login").log_in(ben.username).callback).json()
    assert not is_signed_in(server, before)
    assert claims_of(second["id_token"])["sid"] != first["sid"]


@pytest.mark.asvs("7.2.4")
def test_a_session_cookie_planted_beforehand_is_never_signed_in(server: ServerUnderTest) -> None:
    user, planted = server.add_user(), "planted-by-somebody-else-0123456789abcdefgh"
    page = Browser(server).open("/login")
    page.browser.http.cookies.set(COOKIE, planted)
    response = page.submit("login", username=user.username, password=PASSWORD)
    assert response.status_code == 303
    assert response.cookies[COOKIE] != planted
    assert not is_signed_in(server, planted)


@pytest.mark.asvs("7.2.2")
@pytest.mark.parametrize("cookie", ["", "x", "a" * 129, "a" * 4000, "' OR 1=1 --", "%00"])
def test_rubbish_in_the_cookie_is_nobody(server: ServerUnderTest, cookie: str) -> None:
    client = trusted_party(server)
    params, _ = client.request(prompt="none")
    headers = {"Cookie": f"{COOKIE}={cookie}; idp_form=x.y.z"}
    url = server.url("/authorize")
    answer = requests.get(url, params=params, headers=headers, timeout=15, allow_redirects=False)
    assert client.callback(answer, params).error == "login_required"


@pytest.mark.asvs("7.2.3")
def test_session_ids_are_long_random_and_stored_as_hashes(server: ServerUnderTest) -> None:
    from sqlalchemy import select

    from idp.store.database import hashed
    from idp.store.tables import sessions

    cookies = {session_cookie(signed_in(server, server.add_user().username)) for _ in range(5)}
    assert len(cookies) == 5
    assert all(len(cookie) >= 43 for cookie in cookies), "32 random bytes at least"
    with server.store.database.reading() as connection:
        rows = [row._mapping for row in connection.execute(select(sessions))]
    stored = {str(value) for row in rows for value in row.values()}
    assert not cookies & stored
    assert {hashed(cookie) for cookie in cookies} <= stored


# --- Limits


@pytest.mark.asvs("7.3.1")
def test_a_session_ends_when_it_is_not_used(timed: TimedServer) -> None:
    client, browser = trusted_party(timed), signed_in(timed, timed.add_user().username)
    for _ in range(3):
        timed.forward(timed.settings.session_idle_lifetime - 30)
        assert ask(client, browser, prompt="none").callback.error is None, "use keeps it alive"
    timed.forward(timed.settings.session_idle_lifetime + 1)
    assert ask(client, browser, prompt="none").callback.error == "login_required"


@pytest.mark.asvs("7.3.2")
def test_a_session_ends_after_its_absolute_lifetime_whatever_its_use(tmp_path: Path, signing_keys: Path) -> None:
    limits = {"session_idle_lifetime": "400", "session_absolute_lifetime": "1000"}
    with timed_server(tmp_path, keys_from=signing_keys, **limits) as timed:
        client, browser = trusted_party(timed), signed_in(timed, timed.add_user().username)
        for _ in range(3):
            timed.forward(300)
            assert ask(client, browser, prompt="none").callback.error is None
        timed.forward(101)
        assert ask(client, browser, prompt="none").callback.error == "login_required"


# --- Ends


@pytest.mark.asvs("7.4.1")
def test_signing_out_kills_the_session_on_the_server(server: ServerUnderTest) -> None:
    browser = signed_in(server, server.add_user().username)
    stolen = session_cookie(browser)
    assert is_signed_in(server, stolen)
    page = browser.open("/logout")
    assert page.id == "logout-page"
    assert Page(browser, page.submit("logout")).id == "logged-out-page"
    assert session_cookie(browser) == "None"
    assert not is_signed_in(server, stolen)


@pytest.mark.asvs("7.4.1")
def test_signing_out_kills_the_session_on_every_instance(tmp_path: Path, signing_keys: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    shared = {"database_url": f"sqlite:///{tmp_path}/shared.sqlite3", "workers": "1",
              "secret_key": "a secret that both instances share, 0123456789"}  # fmt: skip
    with (
        running_server(tmp_path / "a", keys_from=signing_keys, **shared) as one,
        running_server(tmp_path / "b", keys_from=signing_keys, **shared) as other,
    ):
        browser = signed_in(one, one.add_user().username)
        stolen = session_cookie(browser)
        assert is_signed_in(one, stolen)
        assert is_signed_in(other, stolen)
        browser.open("/logout").submit("logout")
        assert not is_signed_in(other, stolen)


@pytest.mark.asvs("7.4.2")
def test_the_session_of_a_person_disabled_later_is_dead_at_once(server: ServerUnderTest) -> None:
    user, client = server.add_user(), trusted_party(server)
    browser = signed_in(server, user.username)
    server.store.users.set_disabled(user.id, True, now=server.now)
    assert ask(client, browser, prompt="none").callback.error == "login_required"
    asked = ask(client, browser)
    assert asked.page.id == "login-page"
    assert asked.log_in(user.username).page.id == "login-page", "and no new one is to be had"


@pytest.mark.asvs("7.4.2")
def test_a_person_disabled_between_sign_in_and_consent_gets_no_code(server: ServerUnderTest, browser: Browser) -> None:
    from tests.support.authorize import third_party

    user, client = server.add_user(), third_party(server)
    asked = ask(client, browser, scope="openid email").log_in(user.username)
    server.store.users.set_disabled(user.id, True, now=server.now)
    assert asked.then(asked.page.submit("allow")).page.id == "login-page"


@pytest.mark.asvs("7.4.3")
def test_signing_a_person_out_everywhere_ends_all_sessions(server: ServerUnderTest) -> None:
    user = server.add_user()
    cookies = [session_cookie(signed_in(server, user.username)) for _ in range(2)]
    server.store.users.sign_out_everywhere(user.id, now=server.now, why="asked to")
    assert [is_signed_in(server, cookie) for cookie in cookies] == [False, False]


@pytest.mark.asvs("7.5.1")
def test_signing_in_again_keeps_the_session_and_moves_auth_time(timed: TimedServer) -> None:
    user, client = timed.add_user(), trusted_party(timed)
    browser = signed_in(timed, user.username)
    before = claims_of(client.redeem(ask(client, browser).callback).json()["id_token"])
    timed.forward(500)
    asked = ask(client, browser, prompt="login").log_in(user.username)
    after = claims_of(client.redeem(asked.callback).json()["id_token"])
    assert after["sid"] == before["sid"]
    assert after["auth_time"] >= before["auth_time"] + 500


# --- Cookies


@pytest.mark.asvs("3.3.1", "3.3.2", "3.3.3", "3.3.4")
def test_cookies_are_host_only_secure_and_out_of_reach_of_scripts_over_https(
    tmp_path: Path, signing_keys: Path
) -> None:
    with timed_server(tmp_path, keys_from=signing_keys, issuer="https://id.example.com") as server:
        user, base = server.add_user(), f"http://127.0.0.1:{server.settings.port}"
        first = requests.get(f"{base}/login", timeout=15)
        form = first.headers["Set-Cookie"].partition(";")[0]
        page = Page(Browser(server), first)
        _, values = page.fields("login")
        answer = requests.post(f"{base}/login", data=values | {"username": user.username, "password": PASSWORD},
                               headers={"Cookie": form}, timeout=15, allow_redirects=False)  # fmt: skip
        assert answer.status_code == 303
        cookies = [*first.raw.headers.getlist("Set-Cookie"), *answer.raw.headers.getlist("Set-Cookie")]
        named = {cookie.partition("=")[0]: {part.strip() for part in cookie.split(";")[1:]} for cookie in cookies}
        assert set(named) == {"__Host-idp_form", "__Host-idp_session", "__Host-idp_device"}
        for attributes in named.values():
            assert {"Secure", "HttpOnly", "Path=/", "SameSite=Lax"} <= attributes
            assert not any(attribute.startswith("Domain") for attribute in attributes)


@pytest.mark.asvs("3.3.4")
def test_cookies_are_out_of_reach_of_scripts_over_http_too(server: ServerUnderTest) -> None:
    browser = Browser(server)
    page = browser.open("/login")
    response = page.submit("login", username=server.add_user().username, password=PASSWORD)
    for cookie in response.raw.headers.getlist("Set-Cookie"):
        assert "HttpOnly" in cookie
        assert "SameSite=Lax" in cookie
