"""Where a CAPTCHA is asked for beside sign-in: making an account, and a link for a new password."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.captcha.prover import prove
from tests.captcha.test_security_policy import WITHOUT, policy_of
from tests.support.idp_server import TimedServer, timed_server
from tests.support.newcomers import Newcomer
from tests.support.relying_party import Browser


@pytest.fixture(scope="module")
def asked(tmp_path_factory: pytest.TempPathFactory, signing_keys: Path) -> Iterator[TimedServer]:
    settings = {"captcha": "proof_of_work", "captcha_on": "sign_up,recovery"}
    with timed_server(tmp_path_factory.mktemp("places"), keys_from=signing_keys, **settings) as server:
        yield server


def test_an_account_is_begun_with_a_proof_and_not_without(asked: TimedServer) -> None:
    newcomer = Newcomer(asked, Browser(asked))
    page = newcomer.browser.page(newcomer.fill_in())
    assert page.soup.find(id="captcha-error") is not None
    assert asked.mails(newcomer.email) == []
    newcomer.begin(page, proof=prove(page))
    assert len(asked.mails(newcomer.email)) == 1


def test_without_a_proof_nobody_learns_which_user_names_are_taken(asked: TimedServer) -> None:
    taken, newcomer = asked.add_user(), Newcomer(asked, Browser(asked))
    page = newcomer.browser.page(newcomer.fill_in(username=taken.username))
    assert page.soup.find(id="captcha-error") is not None
    assert page.soup.find(id="username-error") is None


@pytest.mark.parametrize("is_known", [True, False])
def test_a_link_for_a_new_password_is_sent_with_a_proof_and_not_without(asked: TimedServer, is_known: bool) -> None:
    user, browser = asked.add_user(), Browser(asked)
    email = str(user.email) if is_known else "nobody@example.com"
    page = browser.open("/recover")
    url, fields = page.fields("captcha-answer")
    refused = browser.page(browser.post(url, data=fields | {"email": email}))
    assert refused.soup.find(id="captcha-error") is not None
    assert asked.mails(str(user.email)) == []
    browser.post(url, data=fields | {"email": email, "proof": prove(refused)})
    assert len(asked.mails(str(user.email))) == is_known


def test_a_proof_for_one_form_is_none_for_another(asked: TimedServer) -> None:
    newcomer = Newcomer(asked, Browser(asked))
    proof = prove(newcomer.browser.open("/recover"))
    page = newcomer.browser.page(newcomer.fill_in(proof=proof))
    assert page.soup.find(id="captcha-error") is not None
    assert asked.mails(newcomer.email) == []


@pytest.mark.asvs("3.4.3")
@pytest.mark.parametrize(("path", "asks"), [("/sign-up", True), ("/recover", True), ("/login", False)])
def test_only_the_pages_that_ask_for_it_may_load_it(asked: TimedServer, path: str, asks: bool) -> None:
    policy = policy_of(Browser(asked).get(path))
    assert policy == (WITHOUT | {"worker-src": "'self'"} if asks else WITHOUT)
