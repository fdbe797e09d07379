"""Attacks on the pages of leaving: forged links, forms from elsewhere, half a sign-in, old sessions, others' data."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import unquote

import pytest

from idp.accounts.deletion import PURPOSE
from idp.jose.encryption import SecretBox
from idp.store.users import NewUser
from tests.support.accounts import PASSWORD
from tests.support.authorize import signed_in, trusted_party
from tests.support.factors import give_app
from tests.support.idp_server import TimedServer, timed_server
from tests.support.leaving import ask_deletion, do_deletions
from tests.support.relying_party import TIMEOUT, Browser, Page

PAGES = ("/account/delete", "/account/data", "/keep-account")
DELAY = 14 * 86_400


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory, signing_keys: Path) -> Iterator[TimedServer]:
    with timed_server(tmp_path_factory.mktemp("leaving"), keys_from=signing_keys) as server:
        yield server


@pytest.fixture(scope="module")
def abrupt(tmp_path_factory: pytest.TempPathFactory, signing_keys: Path) -> Iterator[TimedServer]:
    with timed_server(tmp_path_factory.mktemp("abrupt"), keys_from=signing_keys, deletion_delay="0") as server:
        yield server


def deletes_at(stage: TimedServer, user: NewUser) -> int | None:
    found = stage.store.users.find(user.id)
    assert found is not None
    return found.deletes_at


def undo_link(stage: TimedServer, user: NewUser) -> str:
    links = stage.mails(str(user.email))[-1].links
    return next(link for link in links if "/keep-account" in link)


def token_of(stage: TimedServer, user: NewUser) -> str:
    return unquote(undo_link(stage, user).partition("token=")[2])


# --- Forms from elsewhere


@pytest.mark.asvs("3.5.1")
@pytest.mark.parametrize("path", PAGES)
@pytest.mark.parametrize("headers", [{}, {"Sec-Fetch-Site": "cross-site"}, {"Origin": "https://evil.example"}])
def test_a_form_of_another_site_does_nothing(stage: TimedServer, path: str, headers: dict[str, str]) -> None:
    user = stage.add_user()
    browser = signed_in(stage, user.username)
    form = {"understood": "1", "choice": "keep"}
    answer = browser.post(path, data=form, headers=headers)
    assert answer.status_code in {400, 403}
    assert deletes_at(stage, user) is None
    assert "account-data" not in answer.headers.get("Content-Disposition", "")


@pytest.mark.asvs("3.5.1")
def test_a_right_form_that_comes_across_sites_does_nothing(stage: TimedServer) -> None:
    user = stage.add_user()
    browser = signed_in(stage, user.username)
    _, fields = browser.open("/account/delete").fields("delete-account")
    answer = browser.post("/account/delete", data=fields, headers={"Sec-Fetch-Site": "same-site"})
    assert answer.status_code in {400, 403}
    assert deletes_at(stage, user) is None


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_nothing_is_done_or_given_by_an_address_alone(stage: TimedServer, method: str) -> None:
    user = stage.add_user()
    browser = signed_in(stage, user.username)
    for path in ("/account/delete?understood=1", "/account/data?download=1", "/keep-account?choice=keep"):
        answer = browser.http.request(method, stage.url(path), allow_redirects=False, timeout=TIMEOUT)
        assert "Content-Disposition" not in answer.headers
    assert deletes_at(stage, user) is None


@pytest.mark.parametrize(
    ("path", "button"), [("/account/delete", "delete-account"), ("/account/data", "download-data")]
)
def test_a_form_that_was_shown_to_somebody_else_does_nothing(stage: TimedServer, path: str, button: str) -> None:
    """In another tab the browser has changed hands."""
    first, second = stage.add_user(), stage.add_user()
    browser = signed_in(stage, first.username)
    form = browser.open(path)
    login = browser.open("/login?to=account&again=1")
    browser.follow(login.submit("login", username=second.username, password=PASSWORD))
    answer = form.submit(button)
    assert answer.status_code == 303
    assert deletes_at(stage, second) is None
    assert deletes_at(stage, first) is None


# --- Half a sign-in, old sessions


@pytest.mark.asvs("7.5.3")
@pytest.mark.parametrize(
    ("path", "button"), [("/account/delete", "delete-account"), ("/account/data", "download-data")]
)
def test_whoever_has_a_second_factor_gives_it_first(stage: TimedServer, path: str, button: str) -> None:
    user = stage.add_user()
    browser = signed_in(stage, user.username)
    form = browser.open(path)
    give_app(stage, user)
    page = browser.page(form.submit(button))
    assert page.soup.find(id=button) is None
    assert page.soup.find(id="sign-in-again") is not None
    assert deletes_at(stage, user) is None


@pytest.mark.asvs("7.4.2")
def test_after_the_deletion_no_session_token_or_code_is_of_any_use(abrupt: TimedServer) -> None:
    user, party, browser = abrupt.add_user(), trusted_party(abrupt), Browser(abrupt)
    tokens = party.redeem(party.sign_in(browser, user.username, scope="openid offline_access", prompt="consent")).json()
    unused = party.sign_in(browser, user.username)
    cookies = dict(browser.http.cookies)
    page = browser.page(browser.open("/account/delete").submit("delete-account"))
    assert "are deleted" in page.text
    thief = Browser(abrupt)
    thief.http.cookies.update(cookies)
    assert thief.open("/account/data").id == "login-page"
    assert party.refresh(tokens["refresh_token"]).json()["error"] == "invalid_grant"
    assert party.redeem(unused).json()["error"] == "invalid_grant"
    assert party.userinfo(tokens["access_token"]).status_code == 401


@pytest.mark.asvs("7.4.2")
def test_a_code_made_at_the_very_moment_of_the_deletion_is_of_no_use(stage: TimedServer) -> None:
    """A request that had read the account before it was to go, and wrote its grant after all grants were revoked."""
    user, party, browser = stage.add_user(), trusted_party(stage), Browser(stage)
    callback = party.sign_in(browser, user.username, scope="openid offline_access", prompt="consent")
    tokens = party.redeem(party.sign_in(browser, scope="openid offline_access", prompt="consent")).json()
    assert stage.store.removal.schedule(user.id, deletes_at=stage.now + DELAY)
    assert party.redeem(callback).json()["error"] == "invalid_grant"
    assert party.userinfo(tokens["access_token"]).status_code == 401
    assert party.refresh(tokens["refresh_token"]).json()["error"] == "invalid_grant"


def test_whoever_asks_many_times_at_the_same_instant_is_deleted_once(abrupt: TimedServer) -> None:
    user = abrupt.add_user()
    form = signed_in(abrupt, user.username).open("/account/delete")
    with ThreadPoolExecutor(6) as pool:
        answers = [each.result() for each in [pool.submit(form.submit, "delete-account") for _ in range(6)]]
    assert {answer.status_code for answer in answers} <= {200, 303, 400}
    assert [mail.template for mail in abrupt.mails(str(user.email))] == ["account_deletion"]
    assert abrupt.store.users.find(user.id) is None


# --- The link


@pytest.mark.asvs("7.2.1")
@pytest.mark.parametrize(
    "token",
    [
        "",
        ".",
        "x",
        "{id}",
        "{id}.",
        "{id}.{forged}",
        "{id}.{other}",
        "{id}.{mac}x",
        "{id}.{mac}\x00",
        "{other_id}.{mac}",
        "{id}é.{mac}",
        "\ud83d.{mac}",
        "{id}." + "A" * 100_000,
        "\x00" * 40,
    ],
    ids=range(14),
)
def test_a_forged_link_undoes_nothing(stage: TimedServer, token: str) -> None:
    user, other = stage.add_user(), stage.add_user()
    ask_deletion(stage, user)
    ask_deletion(stage, other)
    values = {
        "id": user.id,
        "other_id": other.id,
        "mac": token_of(stage, user).rpartition(".")[2],
        "other": token_of(stage, other).rpartition(".")[2],
        "forged": SecretBox("another secret key").derive(PURPOSE, user.id, str(deletes_at(stage, user))),
    }
    text = token.format(**values).encode("utf-8", "surrogatepass")
    browser = Browser(stage)
    answer = browser.get("/keep-account", params={"token": text[:4000]})
    assert answer.status_code in {404, 414, 400}
    good = Page(browser, browser.get(undo_link(stage, user)))
    _, fields = good.fields("keep")
    assert browser.post("/keep-account", data=fields | {"token": text}).status_code in {404, 413, 400}
    assert deletes_at(stage, user) is not None
    assert deletes_at(stage, other) is not None


def test_the_address_in_the_mail_is_that_of_the_issuer_whatever_the_request_says(stage: TimedServer) -> None:
    user = stage.add_user()
    browser = signed_in(stage, user.username)
    form = browser.open("/account/delete")
    url, fields = form.fields("delete-account")
    headers = {"X-Forwarded-Host": "evil.example", "Forwarded": "host=evil.example", "X-Forwarded-Proto": "https"}
    assert browser.post(url, data=fields, headers=headers).status_code == 200
    mail = stage.mails(str(user.email))[-1]
    assert "evil.example" not in mail.text + mail.html
    assert all(link.startswith(stage.issuer) for link in mail.links)


def test_a_link_that_comes_after_the_end_brings_nobody_back(stage: TimedServer) -> None:
    user = stage.add_user()
    ask_deletion(stage, user)
    link = undo_link(stage, user)
    page = Browser(stage).open(link)
    stage.forward(DELAY + 1)
    try:
        do_deletions(stage)
        answer = page.submit("keep")
        assert answer.status_code == 404
        assert "gone already" in answer.text
        assert stage.store.users.find(user.id) is None
    finally:
        stage.forward(-DELAY - 1)


def test_the_link_gives_away_neither_who_it_is_nor_a_session(stage: TimedServer) -> None:
    user = stage.add_user()
    ask_deletion(stage, user)
    browser = Browser(stage)
    page = browser.open(undo_link(stage, user))
    for known in (user.username, str(user.email), "Lovelace"):
        assert known not in page.text
    answer = page.submit("keep")
    assert "idp_session" not in answer.headers.get("Set-Cookie", "")


# --- Other people's


def test_the_file_has_nothing_of_anybody_else(stage: TimedServer) -> None:
    other, user = stage.add_user(), stage.add_user()
    signed_in(stage, other.username)
    text = signed_in(stage, user.username).open("/account/data").submit("download-data").text
    for theirs in (other.id, other.username, str(other.email)):
        assert theirs not in text


@pytest.mark.parametrize("name", ["user", "user_id", "account", "sub"])
def test_no_parameter_says_whose_data_it_is(stage: TimedServer, name: str) -> None:
    other, user = stage.add_user(), stage.add_user()
    browser = signed_in(stage, user.username)
    url, fields = browser.open("/account/data").fields("download-data")
    answer = browser.post(f"{url}?{name}={other.username}", data=fields)
    assert answer.json()["account"]["username"] == user.username


def test_repeated_and_odd_fields_are_no_trouble(stage: TimedServer) -> None:
    user = stage.add_user()
    browser = signed_in(stage, user.username)
    url, fields = browser.open("/account/delete").fields("delete-account")
    pairs = [
        *fields.items(),
        ("account", "somebody else"),
        ("understood", "\x00"),
        ("x" * 3000, "\ud800".encode("utf-8", "surrogatepass")),
    ]
    assert browser.post(url, data=pairs).status_code < 500


def test_keeping_ones_account_keeps_nobody_elses(stage: TimedServer) -> None:
    """In another tab the browser has changed hands."""
    first, second = stage.add_user(), stage.add_user()
    browser = Browser(stage)
    for user in (first, second):
        ask_deletion(stage, user)
    browser.follow(browser.open("/login").submit("login", username=first.username, password=PASSWORD))
    form = browser.open("/keep-account")
    login = browser.open("/login?to=account&again=1")
    browser.follow(login.submit("login", username=second.username, password=PASSWORD))
    form.submit("keep")
    assert deletes_at(stage, first) is not None
    assert deletes_at(stage, second) is not None
