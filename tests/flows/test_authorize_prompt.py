"""`prompt`, `max_age`, `login_hint`, `ui_locales`: when a person is asked, and what the ID token says of it."""

from typing import Any

import pytest

from tests.support.authorize import Asked, ask, signed_in, third_party, trusted_party
from tests.support.idp_server import ServerUnderTest, TimedServer
from tests.support.relying_party import Browser, claims_of

CORE = ("OpenID Connect Core", "3.1.2.1", "MUST")


def id_token_of(asked: Asked) -> dict[str, Any]:
    answer = asked.client.redeem(asked.callback)
    assert answer.status_code == 200, answer.text
    return claims_of(answer.json()["id_token"])


# --- prompt=none


@pytest.mark.spec(*CORE)
@pytest.mark.parametrize("mode", ["query", "fragment", "form_post"])
def test_prompt_none_without_a_session_is_login_required(server: ServerUnderTest, browser: Browser, mode: str) -> None:
    assert ask(third_party(server), browser, prompt="none", response_mode=mode).callback.error == "login_required"


@pytest.mark.spec(*CORE)
def test_prompt_none_without_a_consent_is_consent_required(server: ServerUnderTest) -> None:
    client, browser = third_party(server), signed_in(server, server.add_user().username)
    assert ask(client, browser, prompt="none", scope="openid email").callback.error == "consent_required"
    client.sign_in(browser, scope="openid email")
    assert ask(client, browser, prompt="none", scope="openid email").callback.error is None
    assert ask(client, browser, prompt="none", scope="openid email phone").callback.error == "consent_required"


@pytest.mark.spec(*CORE)
def test_prompt_none_with_a_session_too_old_is_login_required(timed: TimedServer) -> None:
    client, browser = trusted_party(timed), signed_in(timed, timed.add_user().username)
    timed.forward(100)
    assert ask(client, browser, prompt="none", max_age="50").callback.error == "login_required"
    assert ask(client, browser, prompt="none", max_age="0").callback.error == "login_required"
    assert ask(client, browser, prompt="none", max_age="200").callback.error is None


@pytest.mark.spec(*CORE)
@pytest.mark.parametrize("other", ["login", "consent", "select_account", "login consent"])
@pytest.mark.parametrize("first", [True, False])
def test_prompt_none_stands_alone(server: ServerUnderTest, other: str, first: bool) -> None:
    client, browser = trusted_party(server), signed_in(server, server.add_user().username)
    prompt = f"none {other}" if first else f"{other} none"
    assert ask(client, browser, prompt=prompt).callback.error == "invalid_request"


def test_prompt_none_leaves_no_interaction_behind(server: ServerUnderTest, browser: Browser) -> None:
    asked = ask(third_party(server), browser, prompt="none")
    assert "Set-Cookie" not in asked.response.headers


# --- What each prompt asks, in order

PROMPTS: list[Any] = [
    pytest.param("login", ["login-page"], id="login"),
    pytest.param("consent", ["consent-page"], id="consent"),
    pytest.param("select_account", ["select-account-page"], id="select_account"),
    pytest.param("login consent", ["login-page", "consent-page"], id="login consent"),
    pytest.param("consent login", ["login-page", "consent-page"], id="consent login"),
    pytest.param("select_account login", ["login-page"], id="select_account login: signing in is a choice"),
    pytest.param("select_account consent", ["select-account-page", "consent-page"], id="select_account consent"),
    pytest.param("login select_account consent", ["login-page", "consent-page"], id="all"),
    pytest.param("login login", ["login-page"], id="login twice"),
]


@pytest.mark.spec(*CORE)
@pytest.mark.parametrize("first_party", [True, False], ids=["first party", "third party"])
@pytest.mark.parametrize(("prompt", "pages"), PROMPTS)
def test_each_prompt_is_obeyed_although_session_and_consent_are_there(
    server: ServerUnderTest, prompt: str, pages: list[str], first_party: bool
) -> None:
    client, user = third_party(server, first_party=first_party), server.add_user()
    browser = Browser(server)
    client.sign_in(browser, user.username)
    assert ask(client, browser).callback.error is None, "nothing is asked without a prompt"
    asked, seen = ask(client, browser, prompt=prompt), []
    while asked.response.status_code == 200:
        seen.append(asked.page.id)
        press = {"consent-page": "allow", "select-account-page": "continue"}.get(str(asked.page.id))
        asked = asked.then(asked.page.submit(press)) if press else asked.log_in(user.username)
    assert seen == pages
    assert id_token_of(asked)["sub"] == user.id


@pytest.mark.spec(*CORE)
@pytest.mark.asvs("7.5.1")
def test_prompt_login_authenticates_again_each_time_even_from_the_history(timed: TimedServer) -> None:
    client, user = trusted_party(timed), timed.add_user()
    browser, times = Browser(timed), []
    params, verifier = client.request(prompt="login")
    for _ in range(3):
        response = browser.follow(browser.get("/authorize", params=params))
        asked = Asked(client, browser, params, verifier, response).log_in(user.username)
        times.append(id_token_of(asked)["auth_time"])
        timed.forward(30)
    assert times[0] + 30 <= times[1]
    assert times[1] + 30 <= times[2]


@pytest.mark.spec(*CORE)
def test_reloading_the_sign_in_page_of_prompt_login_is_no_sign_in(server: ServerUnderTest) -> None:
    client, browser = trusted_party(server), signed_in(server, server.add_user().username)
    asked = ask(client, browser, prompt="login")
    assert browser.open(asked.response.url).id == "login-page"
    resumed = browser.open(f"/authorize/{asked.page.fields('login')[1]['interaction']}")
    assert resumed.id == "login-page"


@pytest.mark.spec(*CORE)
def test_a_sign_in_for_one_request_does_not_satisfy_prompt_login_of_another(server: ServerUnderTest) -> None:
    client, user = trusted_party(server), server.add_user()
    browser = signed_in(server, user.username)
    one, two = (ask(client, browser, prompt="login") for _ in range(2))
    assert one.log_in(user.username).callback.error is None
    assert browser.open(two.response.url).id == "login-page"


@pytest.mark.spec(*CORE)
def test_without_prompt_login_the_earlier_sign_in_stands(timed: TimedServer) -> None:
    client, user = trusted_party(timed), timed.add_user()
    before = timed.now
    browser = signed_in(timed, user.username)
    timed.forward(1000)
    claims = id_token_of(ask(client, browser))
    assert before <= claims["auth_time"] < before + 500
    assert claims["iat"] >= before + 1000
    assert all(isinstance(claims[name], int) for name in ("auth_time", "iat", "exp"))


# --- select_account


@pytest.mark.spec(*CORE)
def test_select_account_lets_another_person_in(server: ServerUnderTest) -> None:
    client, ada, ben = trusted_party(server), server.add_user(), server.add_user()
    browser = signed_in(server, ada.username)
    asked = ask(client, browser, prompt="select_account")
    assert ada.username in asked.page.text
    asked = asked.then(asked.page.submit("switch")).log_in(ben.username)
    assert id_token_of(asked)["sub"] == ben.id
    assert id_token_of(ask(client, browser))["sub"] == ben.id, "the session is now Ben's"


@pytest.mark.spec(*CORE)
def test_who_turns_back_from_switching_must_sign_in_all_the_same(server: ServerUnderTest) -> None:
    client, browser = trusted_party(server), signed_in(server, server.add_user().username)
    asked = ask(client, browser, prompt="select_account")
    switching = asked.then(asked.page.submit("switch"))
    assert switching.page.id == "login-page"
    assert browser.open(switching.response.url).id == "login-page"


# --- max_age


@pytest.mark.asvs("7.6.1")
@pytest.mark.spec(*CORE)
@pytest.mark.asvs("7.5.1")
@pytest.mark.parametrize(
    ("max_age", "elapsed", "again"),
    [
        pytest.param("0", 0, True, id="Core §3.1.2.1 max_age=0 equals prompt=login"),
        pytest.param("60", 50, False, id="within"),
        pytest.param("60", 75, True, id="beyond"),
        pytest.param("100000", 75, False, id="far within"),
    ],
)
def test_max_age_is_held_against_the_true_auth_time(
    timed: TimedServer, max_age: str, elapsed: int, again: bool
) -> None:
    client, user = trusted_party(timed), timed.add_user()
    browser = signed_in(timed, user.username)
    started = timed.now
    timed.forward(elapsed)
    asked = ask(client, browser, max_age=max_age)
    if not again:
        assert id_token_of(asked)["auth_time"] <= started
        return
    asked = asked.log_in(user.username)
    assert id_token_of(asked)["auth_time"] >= started + elapsed


@pytest.mark.spec("OpenID Connect Dynamic Client Registration", "2", "MUST")
def test_default_max_age_holds_when_the_request_says_nothing(timed: TimedServer) -> None:
    user = timed.add_user()
    client, browser = trusted_party(timed, default_max_age=60), signed_in(timed, user.username)
    timed.forward(100)
    assert ask(client, browser).page.id == "login-page"
    assert ask(client, browser, max_age="500").callback.error is None, "the request's own value wins"
    strict = trusted_party(timed, default_max_age=0)
    asked = ask(strict, browser)
    assert asked.page.id == "login-page"
    assert id_token_of(asked.log_in(user.username))["sub"] == user.id


@pytest.mark.spec("OpenID Connect Core", "3.1.2.1", "MUST")
def test_a_sign_in_that_takes_long_satisfies_max_age(timed: TimedServer) -> None:
    user, client, browser = timed.add_user(), third_party(timed), Browser(timed)
    asked = ask(client, browser, max_age="5", scope="openid email").log_in(user.username)
    assert asked.page.id == "consent-page"
    timed.forward(60)
    assert asked.then(asked.page.submit("allow")).callback.error is None, "one sign-in for this request is enough"


# --- Hints that are only hints


@pytest.mark.asvs("7.6.2")
@pytest.mark.spec(*CORE)
def test_login_hint_fills_in_the_name_and_signs_nobody_in(server: ServerUnderTest, browser: Browser) -> None:
    user = server.add_user()
    asked = ask(trusted_party(server), browser, login_hint=user.username)
    name = asked.page.soup.find(id="username")
    assert name is not None
    assert name["value"] == user.username
    asked = asked.then(asked.page.submit("login", password="wrong"))
    assert asked.page.id == "login-page"


def test_login_hint_is_escaped_and_cut(server: ServerUnderTest, browser: Browser) -> None:
    page = ask(trusted_party(server), browser, login_hint='"><script>alert(1)</script>' + "x" * 2000).page
    assert "<script>alert" not in page.response.text
    assert len(page.fields("login")[1]["username"]) == 320


@pytest.mark.spec("OpenID Connect Core", "3.1.2.1", "SHOULD")
@pytest.mark.parametrize(
    ("ui_locales", "accept", "expected"),
    [("fr", "en", "fr"), ("fr-CA en", "en", "fr"), ("tlh fr", "en", "fr"), ("tlh", "fr", "fr"), ("en", "fr", "en"),
     ("FR", "en", "fr"), (None, "fr-CH, en;q=0.5", "fr"), (None, "tlh", "en")],
)  # fmt: skip
def test_pages_speak_the_language_asked_for(
    server: ServerUnderTest, ui_locales: str | None, accept: str, expected: str
) -> None:
    browser = Browser(server, **{"Accept-Language": accept})
    client, user = third_party(server), server.add_user()
    asked = ask(client, browser, ui_locales=ui_locales, scope="openid email")
    assert asked.page.soup.html is not None
    assert asked.page.soup.html["lang"] == expected
    consent = asked.log_in(user.username).page
    assert (consent.id, consent.soup.html and consent.soup.html["lang"]) == ("consent-page", expected)


@pytest.mark.spec("OpenID Connect Core", "3.1.2.1", "MAY")
@pytest.mark.parametrize("display", ["page", "popup", "touch", "wap", "hologram"])
def test_every_display_shows_the_page(server: ServerUnderTest, browser: Browser, display: str) -> None:
    assert ask(trusted_party(server), browser, display=display).page.id == "login-page"
