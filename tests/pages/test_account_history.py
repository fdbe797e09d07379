"""The history of an account: in plain words, the newest first, a page at a time, and of nobody else."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from idp.audit import Event
from idp.pages.account_history import PAGE
from idp.pages.event_texts import ALARMING, SENTENCES
from idp.store.users import NewUser
from tests.support.accounts import PASSWORD
from tests.support.authorize import signed_in, third_party
from tests.support.idp_server import TimedServer, timed_server
from tests.support.relying_party import Browser, Page

# Events that are about nobody, or about an address that nobody here has.
ABOUT_NOBODY = {
    *(
        event
        for event in Event
        if event.value.startswith(("client.", "api.", "keys.", "captcha.", "mail.", "upstream."))
    ),
    Event.SIGN_UP_STARTED,
    Event.USER_REMOVED,
}


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory, signing_keys: Path) -> Iterator[TimedServer]:
    with timed_server(tmp_path_factory.mktemp("history"), keys_from=signing_keys) as server:
        yield server


def history_of(browser: Browser, query: str = "") -> Page:
    page = browser.open(f"/account/history{query}")
    assert page.id == "account-history-page", page.text[:300]
    return page


def entries(page: Page) -> list[str]:
    return [" ".join(each.get_text(" ").split()) for each in page.soup.select("#events > li")]


def append(stage: TimedServer, user: NewUser, event: str, **detail: object) -> None:
    stage.store.audit_events.append(event, at=stage.now, user_id=user.id, detail=detail)


@pytest.mark.asvs("7.5.2")
def test_it_says_what_happened_where_from_and_with_which_application(stage: TimedServer) -> None:
    user = stage.add_user()
    Browser(stage).open("/login").submit("login", username=user.username, password="wrong")
    browser = signed_in(stage, user.username)
    third_party(stage).sign_in(browser, user.username)
    newest, *others = entries(history_of(browser))
    assert newest.startswith("An application was given access Test application")
    assert "from the network address 127.0.0.1" in newest
    assert any(text.startswith("Signed in") for text in others)
    assert any(text.startswith("A sign-in did not succeed wrong password") for text in others)


def test_nobody_sees_what_happened_to_others(stage: TimedServer) -> None:
    other, user = stage.add_user(), stage.add_user()
    append(stage, other, "password.changed")
    assert len(entries(history_of(signed_in(stage, user.username)))) == 1


def test_every_event_about_a_person_has_a_sentence() -> None:
    assert set(SENTENCES) | ABOUT_NOBODY == set(Event)
    assert not set(SENTENCES) & ABOUT_NOBODY
    assert set(SENTENCES) > ALARMING


def test_an_event_of_every_kind_can_be_shown(stage: TimedServer) -> None:
    user = stage.add_user()
    for event in Event:
        append(stage, user, event.value, why="odd", what="passkey_added", upstream="gone", name="<b>x", tries=3, by="x")
    append(stage, user, "event.of.a.newer.version")
    append(stage, user, "user.disabled", operator="root-of-the-machine")
    browser = signed_in(stage, user.username)
    page = history_of(browser)
    shown = entries(page)
    while (older := page.soup.find(id="older")) is not None:
        page = browser.open(str(older["href"]))
        shown += entries(page)
        assert "<b>x" not in page.response.text
    assert len(shown) == len(SENTENCES) + 2
    assert "The account was locked by the operator of this service" in shown[1]
    assert "root-of-the-machine" not in "".join(shown)


def test_pages_follow_each_other_without_gap_or_repetition(stage: TimedServer) -> None:
    user = stage.add_user()
    for number in range(2 * PAGE):
        append(stage, user, "factor.failed", tries=number)
    browser = signed_in(stage, user.username)
    first = history_of(browser)
    assert first.soup.find(id="newest") is None
    second = browser.open(str(first.soup.find(id="older")["href"]))  # type: ignore[index]
    third = browser.open(str(second.soup.find(id="older")["href"]))  # type: ignore[index]
    assert third.soup.find(id="older") is None
    assert [len(entries(page)) for page in (first, second, third)] == [PAGE, PAGE, 1]
    numbers = [text.split(" tries")[0].split()[-1] for page in (first, second, third) for text in entries(page)[:]]
    assert len(set(numbers)) >= 2 * PAGE - 1
    assert browser.open(str(third.soup.find(id="newest")["href"])).response.url == first.response.url  # type: ignore[index]


@pytest.mark.parametrize("before", ["", "-1", "x", "%00", "9" * 18, "9" * 400, "1e9", "%D9%A1", "0"])
def test_odd_addresses_show_a_page(stage: TimedServer, before: str) -> None:
    assert history_of(signed_in(stage, stage.add_user().username), f"?before={before}").status == 200


def test_it_is_in_french_too(stage: TimedServer) -> None:
    page = history_of(signed_in(stage, stage.add_user().username), "?lang=fr")
    assert page.soup.html["lang"] == "fr"  # type: ignore[index]


def test_whoever_is_not_signed_in_signs_in_first_and_comes_back(stage: TimedServer) -> None:
    user = stage.add_user()
    page = Browser(stage).open("/account/history")
    page = page.browser.page(page.submit("login", username=user.username, password=PASSWORD))
    assert page.id == "account-history-page"
