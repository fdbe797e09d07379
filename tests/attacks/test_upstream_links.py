"""Ways in are added and taken away by the person of the account alone, right after a sign-in; the last one stays."""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event

from idp.store import Store
from idp.store.database import hashed
from idp.store.identities import IdentityStore, Key, LinkedIdentity
from idp.store.users import NewUser
from idp.store.ways_in import Offered
from tests.store.conftest import migrated, opened
from tests.support.authorize import ask, signed_in
from tests.support.crowd import at_once
from tests.support.idp_server import ServerUnderTest, TimedServer
from tests.support.races import meet_before
from tests.support.relying_party import Browser, Page
from tests.support.services import Bench
from tests.support.upstream import Person, WayBack, elsewhere, first_party, press, sandboxed_timed_server, somebody


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory, signing_keys: Path) -> Iterator[TimedServer]:
    with sandboxed_timed_server(tmp_path_factory.mktemp("links"), keys_from=signing_keys) as (running, _):
        assert isinstance(running, TimedServer)
        yield running


def links_of(stage: ServerUnderTest, user_id: str) -> list[str]:
    return sorted(each.key.upstream for each in stage.store.identities.list_of(user_id))


def account_of(browser: Browser) -> Page:
    page = browser.open("/account")
    assert page.id == "account-page", page.text[:200]
    return page


def begin_link(browser: Browser, name: str, person: Person | None = None) -> WayBack:
    """From the button on the account page to the provider's answer, not yet delivered."""
    away = press(account_of(browser), name, prefix="link")
    return away.leave({"person": "new", **(person or somebody(name)).fields})


def linked_person(stage: TimedServer, *names: str) -> tuple[NewUser, Browser, dict[str, Person]]:
    """Somebody with a password and these ways in besides, signed in just now."""
    user = stage.add_user()
    browser, people = signed_in(stage, user.username), {name: somebody(name) for name in names}
    for name, person in people.items():
        assert begin_link(browser, name, person).go(browser).status_code == 303
    assert links_of(stage, user.id) == sorted(names)
    return user, browser, people


# --- Adding


@pytest.mark.asvs("7.5.1")
def test_a_way_in_is_only_added_right_after_a_sign_in(stage: TimedServer) -> None:
    user = stage.add_user()
    browser = signed_in(stage, user.username)
    url, fields = account_of(browser).fields("link-google")
    stage.forward(301)
    assert account_of(browser).soup.find(id="link-google") is None
    answer = browser.post(url, data=fields)
    assert (answer.status_code, answer.headers["Location"]) == (303, "/account"), "not on to the provider"
    assert links_of(stage, user.id) == []


@pytest.mark.asvs("7.5.1")
def test_a_link_that_was_begun_in_time_is_not_finished_by_a_stale_session(stage: TimedServer) -> None:
    """The state has lived for less than ten minutes, but the session it began in is another person's or too old."""
    user = stage.add_user()
    browser = signed_in(stage, user.username)
    stage.forward(299)
    back = begin_link(browser, "google")
    stage.forward(599)
    assert back.go(browser).headers["Location"].startswith("/account?linked="), "14:58 minutes after the sign-in"
    other = stage.add_user()
    browser = signed_in(stage, other.username)
    stage.forward(299)
    back = begin_link(browser, "github")
    stage.forward(602)
    assert back.go(browser).status_code == 400
    assert links_of(stage, other.id) == []


@pytest.mark.asvs("3.5.1")
def test_a_link_is_begun_by_the_form_of_the_account_page_alone(stage: TimedServer) -> None:
    """Linking CSRF: the attacker's account at a provider becomes a way into the victim's account here."""
    user = stage.add_user()
    browser = signed_in(stage, user.username)
    url, fields = account_of(browser).fields("link-google")
    without = {name: value for name, value in fields.items() if name != "csrf_token"}
    stranger = account_of(signed_in(stage, stage.add_user().username)).fields("link-google")[1]
    for answer in (
        browser.get(url, params=fields),
        browser.post(url, data=without),
        browser.post(url, data=fields | {"csrf_token": stranger["csrf_token"]}),
        browser.post(url, data=fields, headers={"Sec-Fetch-Site": "cross-site"}),
    ):
        assert answer.status_code in {400, 405}
        assert "Location" not in answer.headers
    assert links_of(stage, user.id) == []


@pytest.mark.spec("RFC 6749", "10.12", "MUST")
@pytest.mark.asvs("10.2.1")
def test_an_answer_that_the_attacker_prepared_links_nothing(stage: TimedServer) -> None:
    """Linking CSRF at the callback: the attacker begins to link in their browser, and the victim's opens the answer."""
    victim, attacker = stage.add_user(), stage.add_user()
    back = begin_link(signed_in(stage, attacker.username), "google")
    browser = signed_in(stage, victim.username)
    assert browser.page(back.go(browser)).id == "trouble-page"
    assert links_of(stage, victim.id) == []
    plain = press(ask(first_party(stage), Browser(stage)).page, "google").leave({"person": "new", "sub": "1" * 18})
    assert browser.page(plain.go(browser)).id == "trouble-page"
    assert links_of(stage, victim.id) == []


@pytest.mark.asvs("7.5.1")
def test_who_signs_in_meanwhile_gets_no_link_of_the_person_before(stage: TimedServer) -> None:
    first, second = stage.add_user(), stage.add_user()
    browser = signed_in(stage, first.username)
    back = begin_link(browser, "google")
    ask(first_party(stage), browser, prompt="login").log_in(second.username)
    assert back.go(browser).headers["Location"] == "/account"
    assert links_of(stage, first.id) == links_of(stage, second.id) == []


def test_a_link_form_that_was_shown_to_somebody_else_begins_nothing(stage: TimedServer) -> None:
    first, second = stage.add_user(), stage.add_user()
    browser = signed_in(stage, first.username)
    url, fields = account_of(browser).fields("link-google")
    ask(first_party(stage), browser, prompt="login").log_in(second.username)
    answer = browser.post(url, data=fields)
    assert (answer.status_code, answer.headers["Location"]) == (303, "/account")


def test_who_signs_out_meanwhile_links_nothing(stage: TimedServer) -> None:
    user = stage.add_user()
    browser = signed_in(stage, user.username)
    back = begin_link(browser, "google")
    browser.http.cookies.pop("idp_session")
    assert browser.page(back.go(browser)).id == "login-page"
    assert links_of(stage, user.id) == []


@pytest.mark.asvs("6.8.1")
def test_a_provider_account_of_somebody_else_is_not_taken_over_by_linking_it(stage: TimedServer) -> None:
    owner, _, people = linked_person(stage, "google")
    thief = stage.add_user()
    browser = signed_in(stage, thief.username)
    answer = begin_link(browser, "google", people["google"]).go(browser)
    page = browser.page(answer)
    assert (page.status, page.id) == (409, "trouble-page")
    assert (links_of(stage, owner.id), links_of(stage, thief.id)) == (["google"], [])
    assert owner.username not in page.response.text
    assert str(owner.email) not in page.response.text


# --- The question after a sign-in (`/link`)


def conflict_at_home(stage: TimedServer) -> tuple[NewUser, Browser]:
    """Without any client: somebody came over a provider with the address of an account, and was asked."""
    user, browser = stage.add_user(), Browser(stage)
    away = elsewhere(browser, browser.open("/login").submit("continue-with-google"))
    arrived = browser.page(away.choose(somebody("google", email=str(user.email))))
    assert arrived.id == "conflict-page", arrived.text[:300]
    return user, browser


def test_the_question_that_was_shown_to_one_person_is_not_answered_by_another(stage: TimedServer) -> None:
    user, browser = conflict_at_home(stage)
    signed_in_as(browser, user)
    for shown in (browser.open("/link"), account_of(browser)):
        url, fields = shown.fields("link" if shown.id == "link-page" else "link-waiting")
        other = stage.add_user()
        ask(first_party(stage), browser, prompt="login").log_in(other.username)
        browser.post(url, data=fields | {"choice": "link"})
        assert links_of(stage, other.id) == []
        ask(first_party(stage), browser, prompt="login").log_in(user.username)
    assert links_of(stage, user.id) == []


def signed_in_as(browser: Browser, user: NewUser) -> None:
    ask(first_party(browser.server), browser).log_in(user.username)


@pytest.mark.asvs("7.5.1")
def test_the_question_is_answered_right_after_a_sign_in_or_not_at_all(stage: TimedServer) -> None:
    user, browser = conflict_at_home(stage)
    signed_in_as(browser, user)
    url, fields = browser.open("/link").fields("link")
    stage.forward(301)
    assert browser.post(url, data=fields | {"choice": "link"}).headers["Location"] == "/account"
    assert account_of(browser).soup.find(id="link-waiting") is None
    assert links_of(stage, user.id) == []


@pytest.mark.asvs("3.5.1")
def test_the_question_is_answered_by_our_own_form_in_the_browser_that_was_asked(stage: TimedServer) -> None:
    user, browser = conflict_at_home(stage)
    signed_in_as(browser, user)
    url, fields = browser.open("/link").fields("link")
    without = {name: value for name, value in fields.items() if name != "csrf_token"}
    assert browser.post(url, data=without).status_code == 400
    assert browser.post(url, data=fields, headers={"Sec-Fetch-Site": "cross-site"}).status_code == 400
    assert browser.get(url, params=fields).status_code == 200
    elsewhere_ = signed_in(stage, user.username)
    theirs = account_of(elsewhere_).fields("link-google")[1]["csrf_token"]
    answer = elsewhere_.post(url, data=fields | {"csrf_token": theirs})
    assert answer.headers["Location"] == "/account"
    assert links_of(stage, user.id) == []
    browser.post(url, data=fields | {"choice": "link"})
    assert links_of(stage, user.id) == ["google"]


def test_a_client_that_waits_is_not_made_to_link_who_has_not_signed_in_for_it(stage: TimedServer) -> None:
    """The question belongs to the sign-in of this very request: an old session does not answer it."""
    user, bystander = stage.add_user(), stage.add_user()
    browser = Browser(stage)
    asked = ask(first_party(stage), browser)
    arrived = asked.then(press(asked.page, "github").choose(somebody("github", email=str(user.email))))
    assert arrived.page.id == "conflict-page"
    interaction = arrived.page.fields("cancel")[1]["interaction"]
    ask(first_party(stage), browser, idp_hint="nobody").log_in(bystander.username)
    token = account_of(browser).fields("link-google")[1]["csrf_token"]
    form = {"csrf_token": token, "interaction": interaction, "choice": "link"}
    assert browser.post("/link", data=form).status_code == 303
    assert links_of(stage, bystander.id) == []


# --- Taking away


@pytest.mark.asvs("7.5.1")
def test_a_way_in_is_only_taken_away_right_after_a_sign_in(stage: TimedServer) -> None:
    user, browser, _ = linked_person(stage, "google")
    url, fields = account_of(browser).fields("unlink-google")
    stage.forward(301)
    assert browser.post(url, data=fields).headers["Location"] == "/account"
    assert links_of(stage, user.id) == ["google"]
    assert account_of(browser).soup.find(id="unlink-google") is None


@pytest.mark.asvs("3.5.1")
def test_a_way_in_is_only_taken_away_by_our_own_form(stage: TimedServer) -> None:
    user, browser, _ = linked_person(stage, "google")
    url, fields = account_of(browser).fields("unlink-google")
    without = {name: value for name, value in fields.items() if name != "csrf_token"}
    for answer in (
        browser.get(url, params=fields),
        browser.http.head(url, params=fields, timeout=15),
        browser.post(url, data=without),
        browser.post(url, data=fields, headers={"Sec-Fetch-Site": "cross-site"}),
    ):
        assert answer.status_code in {400, 405}
    assert links_of(stage, user.id) == ["google"]
    assert browser.post(url, data=fields).headers["Location"] == "/account?unlinked=google"
    assert links_of(stage, user.id) == []


@pytest.mark.asvs("8.2.2")
def test_nobody_takes_another_persons_way_in_away(stage: TimedServer) -> None:
    owner, browser, people = linked_person(stage, "google")
    key = account_of(browser).fields("unlink-google")[1]["key"]
    thief, theirs, _ = linked_person(stage, "github")
    url, fields = account_of(theirs).fields("unlink-github")
    made_up = hashed("\n".join(("google", "https://accounts.google.com", people["google"].sub)))
    for wrong in (key, made_up, "", "x", "google"):
        assert theirs.post(url, data=fields | {"key": wrong}).headers["Location"] == "/account"
    assert (links_of(stage, owner.id), links_of(stage, thief.id)) == (["google"], ["github"])
    assert people["google"].sub not in account_of(browser).response.text, "the page names no subject"


def federated(stage: TimedServer, *names: str) -> tuple[str, Browser]:
    """Somebody without a password, whose ways in are these."""
    browser, first = Browser(stage), somebody(names[0])
    asked = ask(first_party(stage), browser)
    assert asked.then(press(asked.page, names[0]).choose(first)).callback.code
    for name in names[1:]:
        assert begin_link(browser, name).go(browser).status_code == 303
    found = stage.store.users.find_by_email(first.email)
    assert found is not None
    assert links_of(stage, found[0].id) == sorted(names)
    return found[0].id, browser


def test_the_last_way_in_stays(stage: TimedServer) -> None:
    user_id, browser = federated(stage, "google", "github")
    page = account_of(browser)
    github, google = page.fields("unlink-github"), page.fields("unlink-google")
    assert browser.post(github[0], data=github[1]).status_code == 303
    assert account_of(browser).soup.find(id="unlink-google") is None
    answer = browser.post(google[0], data=google[1])
    assert (answer.status_code, Page(browser, answer).id) == (409, "account-page")
    assert links_of(stage, user_id) == ["google"]


def test_of_the_last_two_ways_in_one_stays_when_two_tabs_take_both(
    stage: TimedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    user_id, browser = federated(stage, "google", "github")
    page = account_of(browser)
    forms = [page.fields(f"unlink-{name}") for name in ("google", "github")]
    cookies = browser.http.cookies.get_dict()
    meet_before(monkeypatch, IdentityStore, "remove_unless_last", callers=2)

    def press_unlink(index: int) -> int:
        tab = Browser(stage)
        tab.http.cookies.update(cookies)
        return tab.post(forms[index][0], data=forms[index][1]).status_code

    assert sorted(at_once(2, press_unlink)) == [303, 409]
    assert len(links_of(stage, user_id)) == 1


@pytest.fixture(scope="module")
def store(bench: Bench, database_kind: str) -> Iterator[Store]:
    with migrated(bench, database_kind) as url, opened(url) as store:
        yield store


@pytest.fixture
def unhurried(store: Store) -> Iterator[Store]:
    """Every SELECT is followed by a pause, in which another transaction can do what it likes, if nothing stops it."""

    def pause(_connection: Any, _cursor: Any, statement: str, *_rest: Any) -> None:
        if statement.lstrip().upper().startswith("SELECT"):
            time.sleep(0.1)

    event.listen(store.database.engine, "after_cursor_execute", pause)
    yield store
    event.remove(store.database.engine, "after_cursor_execute", pause)


def remove_both(store: Store, keys: list[Key], user_id: str) -> list[bool]:
    offered = Offered(True, frozenset(key.upstream for key in keys))
    return at_once(2, lambda index: store.identities.remove_unless_last(keys[index], user_id, offered))


def test_the_last_way_in_stays_at_the_same_instant_on_every_database(unhurried: Store) -> None:
    store = unhurried
    for attempt in range(4):
        user = NewUser(id=f"u_{attempt}", username=f"person{attempt}")
        assert store.users.add(user, now=1)
        keys = [Key(name, "https://issuer.example", str(attempt)) for name in ("one", "two")]
        for key in keys:
            assert store.identities.add(LinkedIdentity(key=key, user_id=user.id, linked_how="sign_up"))
        assert sorted(remove_both(store, keys, user.id)) == [False, True]
        assert len(store.identities.list_of(user.id)) == 1


def test_a_way_in_that_is_not_configured_any_more_does_not_count_as_one(store: Store) -> None:
    user = NewUser(id="u_odd", username="personodd")
    assert store.users.add(user, now=1)
    kept, gone = (Key(name, "https://issuer.example", "s") for name in ("kept", "gone"))
    for key in (kept, gone):
        assert store.identities.add(LinkedIdentity(key=key, user_id=user.id, linked_how="sign_up"))
    offered = Offered(True, frozenset({"kept"}))
    assert not store.identities.remove_unless_last(kept, user.id, offered)
    assert store.identities.remove_unless_last(gone, user.id, offered)
    assert [each.key for each in store.identities.list_of(user.id)] == [kept]
