"""The second factor in a sign-in and in a request: who is asked, when, and what the client is told of it."""

import re

import pyotp
import pytest

from idp.protocol.identity import Session
from idp.protocol.names import ACR_TWO_FACTORS
from tests.support.accounts import PASSWORD
from tests.support.authorize import ask, signed_in, third_party, trusted_party
from tests.support.factors import add_passkey, answer_factor, give_app, give_codes, options_on, with_app
from tests.support.idp_server import ServerUnderTest, TimedServer
from tests.support.relying_party import Browser, Callback, Page, RelyingParty, claims_of


def log_in(browser: Browser, username: str, to: str = "") -> Page:
    """The page that follows the right password."""
    page = browser.open(f"/login?to={to}&again=1" if to else "/login")
    return browser.page(page.submit("login", username=username, password=PASSWORD))


def id_token(client: RelyingParty, callback: Callback) -> dict[str, object]:
    answer = client.redeem(callback)
    assert answer.status_code == 200, answer.text
    return claims_of(answer.json()["id_token"])


def session_of(browser: Browser) -> Session:
    server = browser.server
    found = server.store.sessions.find(browser.http.cookies["idp_session"], now=server.now, idle_lifetime=3600)
    assert found is not None
    return found[0]


# --- Who is asked, and what is said of it


@pytest.mark.asvs("6.3.3")
@pytest.mark.spec("RFC 8176", "2", "MUST")
def test_whoever_has_an_app_is_asked_for_its_code_and_the_tokens_say_so(server: ServerUnderTest) -> None:
    (user, app), client, browser = with_app(server), trusted_party(server), Browser(server)
    asked = ask(client, browser).log_in(user.username)
    assert asked.page.id == "second-factor-page"
    done = asked.then(answer_factor(asked.page, app.code()))
    claims = id_token(client, done.callback)
    assert (claims["acr"], claims["amr"]) == ("aal2", ["pwd", "otp", "mfa"])


def test_whoever_has_none_is_not_asked_and_the_tokens_do_not_boast(server: ServerUnderTest) -> None:
    user, client = server.add_user(), trusted_party(server)
    claims = id_token(client, ask(client, Browser(server)).log_in(user.username).callback)
    assert (claims["acr"], claims["amr"]) == ("aal1", ["pwd"])


def test_a_sign_in_without_a_client_asks_as_well(server: ServerUnderTest) -> None:
    user, app = with_app(server)
    browser = Browser(server)
    page = log_in(browser, user.username)
    assert page.id == "second-factor-page"
    assert "idp_session" not in browser.http.cookies
    assert browser.page(answer_factor(page, app.code())).response.url == server.url("/")
    assert browser.open("/account").id == "account-page"


def test_a_wrong_code_shows_the_page_again_and_the_request_survives(server: ServerUnderTest) -> None:
    (user, app), client = with_app(server), trusted_party(server)
    asked = ask(client, Browser(server)).log_in(user.username)
    again = asked.then(answer_factor(asked.page, app.wrong_code()))
    assert (again.page.id, again.page.soup.find(id="code-error") is not None) == ("second-factor-page", True)
    assert again.then(answer_factor(again.page, app.code())).callback.code


@pytest.mark.parametrize("typed", ["", " ", "12345", "abcdef", "１２", "0" * 400, "\0" * 6, "é" * 6, "1 2 3 4 5 6 7"])
def test_odd_codes_are_wrong_codes(server: ServerUnderTest, typed: str) -> None:
    user, _app = with_app(server)
    answer = answer_factor(log_in(Browser(server), user.username), typed)
    assert answer.status_code == 200
    assert "idp_session" not in answer.cookies


def test_a_code_may_be_typed_in_groups_and_in_full_width_digits(server: ServerUnderTest) -> None:
    user, app = with_app(server)
    code = app.code()
    wide = "".join(chr(ord(digit) + 0xFEE0) for digit in code)
    assert answer_factor(log_in(Browser(server), user.username), f" {wide[:3]} {wide[3:]} ").status_code == 303


def test_the_recovery_code_stands_in_for_the_app_once_and_its_owner_is_told(server: ServerUnderTest) -> None:
    user, _app = with_app(server)
    codes = give_codes(server, user, 4)
    page = log_in(Browser(server), user.username)
    written = "-".join(codes[0][start : start + 4] for start in range(0, 24, 4)).lower()
    done = page.submit("use-recovery-code", recovery_code=written)
    assert (done.status_code, "idp_session" in done.cookies) == (303, True)
    second = log_in(Browser(server), user.username).submit("use-recovery-code", recovery_code=written)
    assert "idp_session" not in second.cookies
    told = [mail.text for mail in server.mails(f"{user.username}@example.com") if mail.template == "factor_changed"]
    assert len(told) == 2, "one was used, and few are left"


def test_leaving_goes_back_to_the_client_without_an_answer(server: ServerUnderTest) -> None:
    (user, _app), client = with_app(server), trusted_party(server)
    asked = ask(client, Browser(server)).log_in(user.username)
    assert asked.then(asked.page.submit("cancel")).callback.error == "access_denied"


def test_somebody_else_may_sign_in_instead(server: ServerUnderTest) -> None:
    (user, _app), other, client = with_app(server), server.add_user(), trusted_party(server)
    asked = ask(client, Browser(server)).log_in(user.username)
    restarted = asked.then(asked.page.submit("restart"))
    claims = id_token(client, restarted.log_in(other.username).callback)
    assert claims["sub"] == other.id


# --- When a client, a role or a wish wants more


@pytest.mark.spec("RFC 9470", "4", "SHOULD")
def test_a_client_that_wishes_for_two_factors_gets_them_from_who_has_them(server: ServerUnderTest) -> None:
    (user, app), client = with_app(server), trusted_party(server)
    browser = Browser(server)
    device = log_in(browser, user.username)
    trusted = device.submit("verify", code=app.code(), trust="1")
    assert "idp_device" in trusted.cookies
    browser.http.cookies.set("idp_session", None)
    plain = ask(client, browser).log_in(user.username)
    assert id_token(client, plain.callback)["acr"] == "aal1", "this browser is trusted"
    wished = ask(client, browser, acr_values="aal2 aal1")
    assert wished.page.id == "second-factor-page"
    stepped = wished.then(answer_factor(wished.page, app.code(1)))
    claims = id_token(client, stepped.callback)
    assert (claims["acr"], claims["amr"]) == ("aal2", ["pwd", "otp", "mfa"])


@pytest.mark.spec("OpenID Connect Core", "3.1.2.1", "SHOULD")
def test_a_wish_is_not_held_against_who_has_no_factor_or_does_not_want_to(server: ServerUnderTest) -> None:
    user, client = server.add_user(), trusted_party(server)
    browser = signed_in(server, user.username)
    assert id_token(client, ask(client, browser, acr_values="aal2").callback)["acr"] == "aal1"
    give_app(server, user)
    asked = ask(client, browser, acr_values="aal2")
    claims = id_token(client, asked.then(asked.page.submit("skip")).callback)
    assert claims["acr"] == "aal1"


@pytest.mark.spec("OpenID Connect Core", "5.5.1.1", "MUST")
def test_an_essential_acr_is_met_or_nothing_is_answered(server: ServerUnderTest) -> None:
    user, client = server.add_user(), trusted_party(server)
    essential = '{"id_token": {"acr": {"essential": true, "values": ["aal2"]}}}'
    asked = ask(client, Browser(server), claims=essential).log_in(user.username)
    assert asked.page.id == "totp-page", "who has no factor sets one up"
    assert asked.page.soup.find(id="skip") is None
    assert asked.then(asked.page.submit("cancel")).callback.error == "access_denied"


@pytest.mark.spec("OpenID Connect Core", "3.1.2.6", "MUST")
def test_with_prompt_none_a_factor_that_is_due_is_interaction_required(server: ServerUnderTest) -> None:
    user, strict = server.add_user(), trusted_party(server, require_second_factor=True)
    browser = signed_in(server, user.username)
    assert ask(strict, browser, prompt="none").callback.error == "interaction_required"
    wish = ask(trusted_party(server), browser, prompt="none", acr_values="aal2")
    assert wish.callback.code, "a wish is no reason to refuse"


@pytest.mark.asvs("6.3.3")
def test_a_strict_client_makes_people_set_up_an_app_and_shows_recovery_codes_once(server: ServerUnderTest) -> None:
    user, client = server.add_user(), third_party(server, require_second_factor=True)
    asked = ask(client, Browser(server)).log_in(user.username)
    assert asked.page.id == "totp-page"
    secret = asked.page.soup.find(id="secret")
    assert secret is not None
    code = pyotp.TOTP(secret.get_text().replace(" ", "")).at(server.now)
    wrong = asked.then(asked.page.submit("confirm", code="000000" if code != "000000" else "111111"))
    assert wrong.page.soup.find(id="secret") == secret, "the same secret, so that the app need not be set up again"
    shown = wrong.then(wrong.page.submit("confirm", code=code))
    assert shown.page.id == "recovery-codes-page"
    codes = [each.get_text() for each in shown.page.soup.select("#codes code")]
    assert len(set(codes)) == 10
    assert all(re.fullmatch(r"([A-Z2-7]{4}-){5}[A-Z2-7]{4}", each) for each in codes)
    onward = shown.then(asked.browser.get(str(shown.page.soup.find(id="continue")["href"])))  # type: ignore[index]
    done = onward.then(onward.page.submit("allow"))
    assert id_token(client, done.callback)["acr"] == "aal2"
    assert {mail.template for mail in server.mails(f"{user.username}@example.com")} == {"factor_changed"}


@pytest.mark.asvs("7.5.1")
def test_whoever_leaves_the_page_that_sets_up_an_app_open_gives_the_password_again(timed: TimedServer) -> None:
    user, client = timed.add_user(), trusted_party(timed, require_second_factor=True)
    asked = ask(client, Browser(timed)).log_in(user.username)
    assert asked.page.id == "totp-page"
    timed.forward(301)
    secret = asked.page.soup.find(id="secret")
    assert secret is not None
    code = pyotp.TOTP(secret.get_text().replace(" ", "")).at(timed.now)
    again = asked.then(asked.page.submit("confirm", code=code))
    assert again.page.id == "login-page"
    assert timed.store.totp.find(user.id) is None
    assert again.log_in(user.username).page.id == "totp-page"


def test_a_browser_that_is_trusted_is_not_asked_for_thirty_days(timed: TimedServer) -> None:
    user, app = with_app(timed)
    browser = Browser(timed)
    answer_factor_and_trust = log_in(browser, user.username).submit("verify", code=app.code(), trust="1")
    assert answer_factor_and_trust.status_code == 303
    trusted = browser.http.cookies["idp_device"]
    for after, expected in ((29 * 86_400, "home-page"), (2 * 86_400, "second-factor-page")):
        timed.forward(after)
        fresh = Browser(timed)
        fresh.http.cookies.set("idp_device", trusted)
        assert log_in(fresh, user.username).id == expected


def test_trust_in_a_browser_is_one_persons(server: ServerUnderTest) -> None:
    (one, app), (two, _app) = with_app(server), with_app(server)
    browser = Browser(server)
    log_in(browser, one.username).submit("verify", code=app.code(), trust="1")
    assert log_in(browser, two.username, "account").id == "second-factor-page"


# --- Sessions


@pytest.mark.asvs("7.2.4", "7.6.1")
def test_a_step_up_gives_the_session_a_new_cookie_and_makes_nothing_younger(timed: TimedServer) -> None:
    user, client = timed.add_user(), trusted_party(timed)
    browser = signed_in(timed, user.username)
    before = id_token(client, ask(client, browser).callback)
    app, old, ends = give_app(timed, user), browser.http.cookies["idp_session"], session_of(browser).expires_at
    timed.forward(1000)
    asked = ask(client, browser, acr_values="aal2")
    after = id_token(client, asked.then(answer_factor(asked.page, app.code())).callback)
    assert (after["acr"], after["auth_time"], after["sid"]) == ("aal2", before["auth_time"], before["sid"])
    assert browser.http.cookies["idp_session"] != old
    stale = Browser(timed)
    stale.http.cookies.set("idp_session", old)
    assert stale.open("/account").id == "login-page"
    assert session_of(browser).expires_at == ends, "its absolute end has not moved"


def test_discovery_says_what_can_be_asked_for(server: ServerUnderTest, browser: Browser) -> None:
    document = browser.get("/.well-known/openid-configuration").json()
    assert document["acr_values_supported"] == ["aal1", ACR_TWO_FACTORS]


# --- Passkeys


@pytest.mark.asvs("6.3.3")
def test_a_passkey_alone_is_two_factors(server: ServerUnderTest) -> None:
    user, client = server.add_user(), trusted_party(server, require_second_factor=True)
    device = add_passkey(signed_in(server, user.username))
    asked = ask(client, Browser(server))
    done = asked.then(asked.page.submit("sign-in-with-passkey", credential=device.get(options_on(asked.page))))
    claims = id_token(client, done.callback)
    assert (claims["sub"], claims["acr"], claims["amr"]) == (user.id, "aal2", ["hwk", "user", "mfa"])


def test_a_passkey_on_top_of_a_password(server: ServerUnderTest) -> None:
    user, client = server.add_user(), trusted_party(server)
    device = add_passkey(signed_in(server, user.username), verifies=False, is_synced=True)
    asked = ask(client, Browser(server)).log_in(user.username)
    done = asked.then(asked.page.submit("use-passkey", credential=device.get(options_on(asked.page))))
    claims = id_token(client, done.callback)
    assert (claims["acr"], claims["amr"]) == ("aal2", ["pwd", "swk", "mfa"])
