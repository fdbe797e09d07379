"""`prompt=create` (Initiating User Registration via OpenID Connect 1.0): the form of a new account comes first."""

from pathlib import Path

import pytest
import requests

from tests.support.accounts import PASSWORD
from tests.support.authorize import ask, signed_in, third_party, trusted_party
from tests.support.idp_server import ServerUnderTest, timed_server
from tests.support.newcomers import newcomer
from tests.support.relying_party import Browser, claims_of

SPEC = "Initiating User Registration via OpenID Connect"


def prompts_of(server: ServerUnderTest) -> list[str]:
    found = requests.get(server.url("/.well-known/openid-configuration"), timeout=30).json()
    return list(found["prompt_values_supported"])


@pytest.mark.spec(SPEC, "4.1", "MUST")
@pytest.mark.parametrize("prompt", ["create", "create consent"])
def test_the_form_is_shown_at_once(server: ServerUnderTest, browser: Browser, prompt: str) -> None:
    assert ask(third_party(server), browser, prompt=prompt).page.id == "sign-up-page"


@pytest.mark.spec(SPEC, "4.1", "MUST")
def test_it_is_shown_to_whoever_is_signed_in_too_and_the_new_person_answers(server: ServerUnderTest) -> None:
    client, ada = trusted_party(server), server.add_user()
    browser = signed_in(server, ada.username)
    grace = newcomer(server, browser)
    asked = ask(client, browser, prompt="create")
    page = grace.begin(asked.page)
    answer = asked.then(page.submit("confirm", code=grace.mail.code))
    assert claims_of(client.redeem(answer.callback).json()["id_token"])["sub"] == grace.user_id


def test_whoever_has_an_account_signs_in_instead(server: ServerUnderTest, browser: Browser) -> None:
    client, ada = trusted_party(server), server.add_user()
    asked = ask(client, browser, prompt="create")
    login = asked.then(asked.page.submit("to-login"))
    assert login.page.id == "login-page"
    answer = login.then(login.page.submit("login", username=ada.username, password=PASSWORD))
    assert claims_of(client.redeem(answer.callback).json()["id_token"])["sub"] == ada.id


def test_whoever_is_signed_in_and_has_an_account_chooses_which(server: ServerUnderTest) -> None:
    client, ada = trusted_party(server), server.add_user()
    browser = signed_in(server, ada.username)
    asked = ask(client, browser, prompt="create")
    chosen = asked.then(asked.page.submit("to-login"))
    assert chosen.page.id == "select-account-page"
    answer = chosen.then(chosen.page.submit("continue"))
    assert claims_of(client.redeem(answer.callback).json()["id_token"])["sub"] == ada.id


def test_the_form_has_a_way_to_the_sign_in_of_a_request_without_it(server: ServerUnderTest, browser: Browser) -> None:
    client, ada = trusted_party(server), server.add_user()
    asked = ask(client, browser)
    form = browser.open(str(asked.page.soup.select_one("#to-sign-up")["href"]))  # type: ignore[index]
    login = asked.then(form.submit("to-login"))
    answer = login.then(login.page.submit("login", username=ada.username, password=PASSWORD))
    assert answer.callback.code


@pytest.mark.parametrize("prompt", ["create login", "select_account create", "none create"])
def test_it_excludes_values_that_want_an_account_or_no_page(
    server: ServerUnderTest, browser: Browser, prompt: str
) -> None:
    assert ask(third_party(server), browser, prompt=prompt).callback.error == "invalid_request"


def test_with_consent_the_new_person_is_asked_for_it(server: ServerUnderTest, browser: Browser) -> None:
    client, grace = trusted_party(server), newcomer(server, browser)
    asked = ask(client, browser, prompt="create consent")
    page = grace.begin(asked.page)
    assert asked.then(page.submit("confirm", code=grace.mail.code)).page.id == "consent-page"


def test_a_role_that_demands_a_second_factor_is_asked_for_it_after_the_form(tmp_path: Path, signing_keys: Path) -> None:
    with timed_server(tmp_path, keys_from=signing_keys) as server:
        client, grace = trusted_party(server, require_second_factor=True), newcomer(server)
        asked = ask(client, grace.browser, prompt="create")
        page = grace.begin(asked.page)
        assert asked.then(page.submit("confirm", code=grace.mail.code)).page.id not in {"sign-up-page", "login-page"}


@pytest.mark.spec(SPEC, "4.2", "MUST")
def test_it_is_announced_where_anybody_may_make_an_account(server: ServerUnderTest) -> None:
    assert "create" in prompts_of(server)


@pytest.mark.spec(SPEC, "4.2", "MUST")
@pytest.mark.parametrize(
    "settings", [{"sign_up": "closed"}, {"sign_up": "invitation"}, {"local_passwords": "false"}], ids=str
)
def test_it_is_neither_announced_nor_known_elsewhere(
    tmp_path: Path, signing_keys: Path, settings: dict[str, str]
) -> None:
    with timed_server(tmp_path, keys_from=signing_keys, **settings) as server:
        assert "create" not in prompts_of(server)
        assert ask(third_party(server), Browser(server), prompt="create").callback.error == "invalid_request"
