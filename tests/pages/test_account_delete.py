"""Deleting one's account: asked for after a fresh sign-in, undone by link or sign-in, carried out when it is due."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from idp.store.users import NewUser
from tests.pages.people_elsewhere import later
from tests.support.accounts import PASSWORD
from tests.support.authorize import ask, signed_in, third_party, trusted_party
from tests.support.idp_server import TimedServer, timed_server
from tests.support.leaving import ask_deletion, do_deletions
from tests.support.relying_party import Browser, Page

DELAY = 14 * 86_400


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory, signing_keys: Path) -> Iterator[TimedServer]:
    with timed_server(tmp_path_factory.mktemp("leaving"), keys_from=signing_keys) as server:
        yield server


@pytest.fixture(scope="module")
def abrupt(tmp_path_factory: pytest.TempPathFactory, signing_keys: Path) -> Iterator[TimedServer]:
    """A server where a deletion cannot be undone."""
    with timed_server(tmp_path_factory.mktemp("abrupt"), keys_from=signing_keys, deletion_delay="0") as server:
        yield server


def events_of(server: TimedServer, user_id: str) -> list[str]:
    return [row["event"] for row in reversed(server.store.audit_events.list(user_id=user_id))]


def log_in(browser: Browser, user: NewUser) -> Page:
    return browser.page(browser.open("/login").submit("login", username=user.username, password=PASSWORD))


def mails(server: TimedServer, user: NewUser) -> list[str]:
    return [mail.template for mail in server.mails(str(user.email))]


# --- Asking


@pytest.mark.asvs("7.4.3")
def test_whoever_asks_is_signed_out_everywhere_and_applications_lose_their_access(stage: TimedServer) -> None:
    user, party, elsewhere = stage.add_user(), trusted_party(stage), Browser(stage)
    tokens = party.redeem(party.sign_in(elsewhere, user.username, scope="openid offline_access", prompt="consent"))
    assert tokens.status_code == 200, tokens.text
    browser, page = ask_deletion(stage, user)
    assert "will be deleted on" in page.text
    assert "idp_session" not in browser.http.cookies
    for each in (browser, elsewhere):
        assert each.open("/account").id == "login-page"
    refreshed = party.refresh(tokens.json()["refresh_token"])
    assert (refreshed.status_code, refreshed.json()["error"]) == (400, "invalid_grant")
    assert party.userinfo(tokens.json()["access_token"]).status_code == 401


def test_a_mail_says_when_it_is_and_how_to_undo_it(stage: TimedServer) -> None:
    user = stage.add_user()
    ask_deletion(stage, user)
    mail = stage.mails(str(user.email))[-1]
    assert mail.template == "account_deletion"
    assert any(link.startswith(f"{stage.issuer}/keep-account?token=") for link in mail.links)


def test_somebody_without_an_address_is_told_that_a_sign_in_undoes_it(stage: TimedServer) -> None:
    _browser, page = ask_deletion(stage, stage.add_user(email=None, email_verified=False))
    assert "Until then you can sign in to keep it." in page.text


def test_without_the_tick_nothing_happens(stage: TimedServer) -> None:
    user = stage.add_user()
    browser = signed_in(stage, user.username)
    _url, fields = browser.open("/account/delete").fields("delete-account")
    del fields["understood"]
    page = browser.page(browser.post("/account/delete", data=fields))
    assert page.id == "account-delete-page"
    assert "Tick the box" in page.text
    assert page.soup.select_one("#error-summary a[href='#understood']") is not None
    assert stage.store.users.find(user.id).deletes_at is None  # type: ignore[union-attr]


@pytest.mark.asvs("7.5.1")
def test_it_needs_a_sign_in_of_the_last_five_minutes_and_leads_back(stage: TimedServer) -> None:
    user = stage.add_user()
    browser = signed_in(stage, user.username)
    form = browser.open("/account/delete")
    with later(stage, 301):
        page = browser.open("/account/delete")
        assert page.soup.find(id="delete-account") is None
        assert browser.page(form.submit("delete-account")).soup.find(id="sign-in-again") is not None
        assert stage.store.users.find(user.id).deletes_at is None  # type: ignore[union-attr]
        again = browser.open(str(page.soup.find(id="sign-in-again")["href"]))  # type: ignore[index]
        page = browser.page(again.submit("login", username=user.username, password=PASSWORD))
        assert page.id == "account-delete-page"
        assert page.soup.find(id="delete-account") is not None


# --- Undoing


def test_a_sign_in_offers_to_keep_the_account_and_keeping_it_opens_everything_again(stage: TimedServer) -> None:
    user = stage.add_user()
    ask_deletion(stage, user)
    browser = Browser(stage)
    page = log_in(browser, user)
    assert page.soup.find(id="keep-account") is not None
    page = browser.open("/account")
    assert page.id == "keep-account-page"
    assert "will be deleted on" in page.text
    page = browser.page(page.submit("keep"))
    assert page.id == "account-page"
    assert stage.store.users.find(user.id).deletes_at is None  # type: ignore[union-attr]
    assert events_of(stage, user.id)[-1] == "user.deletion_undone"
    with later(stage, DELAY + 1):
        do_deletions(stage)
    assert stage.store.users.find(user.id) is not None


def test_an_application_is_told_nothing_until_the_account_is_kept(stage: TimedServer) -> None:
    user, party = stage.add_user(), third_party(stage)
    ask_deletion(stage, user)
    asked = ask(party, Browser(stage)).log_in(user.username)
    assert asked.page.id == "keep-account-page"
    assert ask(party, asked.browser, prompt="none").callback.error == "interaction_required"
    asked = asked.then(asked.page.submit("keep"))
    assert asked.page.id == "consent-page"
    assert party.redeem(asked.then(asked.page.submit("allow")).callback).status_code == 200


def test_whoever_does_not_keep_it_goes_back_to_the_application_without_access(stage: TimedServer) -> None:
    user, party = stage.add_user(), third_party(stage)
    ask_deletion(stage, user)
    asked = ask(party, Browser(stage)).log_in(user.username)
    assert asked.then(asked.page.submit("leave")).callback.error == "access_denied"
    assert stage.store.users.find(user.id).deletes_at is not None  # type: ignore[union-attr]


def test_whoever_does_not_keep_it_can_sign_out_and_still_download_their_data(stage: TimedServer) -> None:
    user = stage.add_user()
    ask_deletion(stage, user)
    browser = Browser(stage)
    log_in(browser, user)
    data = browser.open("/account/data").submit("download-data")
    assert data.json()["account"]["deletes_at"] is not None
    assert browser.open("/account/delete").soup.find(id="keep") is not None
    page = browser.page(browser.open("/keep-account").submit("leave"))
    assert page.id == "logout-page"


@pytest.mark.parametrize("signed_in_elsewhere", [False, True])
def test_the_link_undoes_it_by_a_press_of_the_button_and_signs_nobody_in(
    stage: TimedServer, signed_in_elsewhere: bool
) -> None:
    user = stage.add_user()
    ask_deletion(stage, user)
    link = next(each for each in stage.mails(str(user.email))[-1].links if "keep-account" in each)
    browser = signed_in(stage, stage.add_user().username) if signed_in_elsewhere else Browser(stage)
    for _ in range(3):  # programs that read the mail follow its links
        page = browser.open(link)
        assert page.id == "keep-account-page"
    assert str(user.email) not in page.text
    assert stage.store.users.find(user.id).deletes_at is not None  # type: ignore[union-attr]
    page = browser.page(page.submit("keep"))
    assert "Your account stays" in page.text
    assert stage.store.users.find(user.id).deletes_at is None  # type: ignore[union-attr]
    assert browser.open("/account").id == ("account-page" if signed_in_elsewhere else "login-page")
    assert browser.open(link).status == 404


def test_an_old_link_undoes_no_later_deletion(stage: TimedServer) -> None:
    user = stage.add_user()
    ask_deletion(stage, user)
    old = stage.mails(str(user.email))[-1].links
    browser = Browser(stage)
    log_in(browser, user)
    browser.open("/keep-account").submit("keep")
    with later(stage, 5):
        ask_deletion(stage, user)
        assert browser.open(next(each for each in old if "keep-account" in each)).status == 404


# --- When it is due


def test_when_it_is_due_everything_is_gone_and_the_name_is_free_again(stage: TimedServer) -> None:
    user = stage.add_user()
    ask_deletion(stage, user)
    with later(stage, DELAY - 60):
        do_deletions(stage)
        assert stage.store.users.find(user.id) is not None
    with later(stage, DELAY + 1):
        assert do_deletions(stage) > 0
        assert do_deletions(stage) == 0
        assert stage.store.users.find(user.id) is None
        page = log_in(Browser(stage), user)
        assert "do not go together" in page.text
    assert events_of(stage, user.id)[-1:] in ([], ["sign_in.failed"])
    assert mails(stage, user) == ["account_deletion"]
    assert "were deleted on" in stage.mails(str(user.email))[-1].text
    assert "being" not in stage.mails(str(user.email))[-1].subject
    stage.add_user(user.username)


def test_the_last_mail_is_in_the_language_of_the_person(stage: TimedServer) -> None:
    user = stage.add_user(profile={"locale": "fr-CA"})
    ask_deletion(stage, user)
    with later(stage, DELAY + 1):
        do_deletions(stage)
    assert 'lang="fr"' in stage.mails(str(user.email))[-1].html


def test_what_happened_stays_in_the_audit_trail_under_a_pseudonym(stage: TimedServer) -> None:
    user = stage.add_user()
    ask_deletion(stage, user)
    with later(stage, DELAY + 1):
        do_deletions(stage)
    removed = stage.store.audit_events.list(events=["user.removed"], limit=1)[0]
    assert removed["user_id"] != user.id
    assert events_of(stage, removed["user_id"]) == ["sign_in.succeeded", "user.deletion_asked", "user.removed"]
    rows = stage.store.audit_events.list(user_id=removed["user_id"])
    assert [row["address"] for row in rows] == [None] * 3


def test_without_a_delay_the_account_is_gone_at_once_and_the_page_says_so_before(abrupt: TimedServer) -> None:
    user = abrupt.add_user()
    page = signed_in(abrupt, user.username).open("/account/delete")
    assert "cannot be undone" in page.text
    page = page.browser.page(page.submit("delete-account"))
    assert "are deleted" in page.text
    assert abrupt.store.users.find(user.id) is None
    assert mails(abrupt, user) == ["account_deletion"]
    assert not any("keep-account" in link for link in abrupt.mails(str(user.email))[-1].links)
    assert page.browser.open("/account").id == "login-page"
