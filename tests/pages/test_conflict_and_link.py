"""The e-mail is known already: nobody is merged, the person signs in the old way, is asked, and the request goes on."""

import secrets
from collections.abc import Iterator
from pathlib import Path

import pytest

from idp.store.passkeys import Passkey
from idp.store.users import NewUser
from tests.pages.people_elsewhere import (
    csrf_token,
    events_of,
    later,
    links_of,
    newcomer,
    owner_of,
    running_stage,
)
from tests.support.accounts import PASSWORD
from tests.support.authorize import Asked, ask, signed_in
from tests.support.idp_server import TimedServer
from tests.support.relying_party import Browser, Page, claims_of
from tests.support.upstream import CONNECTIONS, Person, first_party, new_email, press, sign_in_with, somebody

ARRIVAL_SECONDS = 900


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory, signing_keys: Path) -> Iterator[TimedServer]:
    with running_stage(tmp_path_factory.mktemp("conflict"), signing_keys) as server:
        yield server


def meet(
    stage: TimedServer, name: str, user: NewUser | None = None, *, browser: Browser | None = None, **changes: str
) -> tuple[Asked, Person]:
    """A client's request in which somebody arrives over this provider with the e-mail of a person here."""
    person = somebody(name, email=str((user or stage.add_user()).email), **changes)
    return sign_in_with(first_party(stage), browser or Browser(stage), name, person), person


def meet_without_client(browser: Browser, name: str, user: NewUser) -> Page:
    page = browser.page(press(browser.open("/login"), name).choose(somebody(name, email=str(user.email))))
    check_conflict(page)
    return page


def check_conflict(page: Page) -> None:
    assert (page.id, page.status) == ("conflict-page", 409), page.text[:300]


def has(page: Page, control: str) -> bool:
    return page.soup.find(id=control) is not None


def old_way(asked: Asked) -> Asked:
    return asked.then(asked.browser.get(str(asked.page.soup.find(id="way-password")["href"])))  # type: ignore[index]


def sub_of(asked: Asked) -> str:
    tokens = asked.client.redeem(asked.callback).json()
    return str(claims_of(tokens["id_token"])["sub"])


def decide_by_hand(asked: Asked, choice: str) -> Asked:
    """The form of the page with an answer that it does not offer."""
    _, values = asked.page.fields(None)
    return asked.then(asked.browser.post("/conflict", data=values | {"choice": choice}))


# --- The way through


@pytest.mark.parametrize("name", [name for name in CONNECTIONS if name != "google"])  # which links by itself here
def test_after_the_old_way_in_the_two_are_linked_and_the_client_gets_its_code(stage: TimedServer, name: str) -> None:
    user = stage.add_user()
    asked, person = meet(stage, name, user)
    check_conflict(asked.page)
    assert owner_of(stage, name, person) is None
    asked = old_way(asked).log_in(user.username)
    assert asked.page.id == "link-page"
    assert str(user.email) in asked.page.text
    asked = asked.then(asked.page.submit("link"))
    assert sub_of(asked) == user.id
    assert events_of(stage, user)[-1] == ("identity.linked", name, "after_sign_in")
    again = sign_in_with(first_party(stage), Browser(stage), name, person)
    assert sub_of(again) == user.id


def test_whoever_does_not_link_gets_their_code_and_is_asked_again_the_next_time(stage: TimedServer) -> None:
    user = stage.add_user()
    asked, person = meet(stage, "github", user)
    asked = old_way(asked).log_in(user.username)
    asked = asked.then(asked.page.submit("skip"))
    assert sub_of(asked) == user.id
    assert events_of(stage, user)[-1] == ("identity.link_refused", "github", "declined")
    check_conflict(sign_in_with(first_party(stage), Browser(stage), "github", person).page)


def test_an_account_without_a_password_names_its_provider_and_is_linked_through_it(stage: TimedServer) -> None:
    _, first, user = newcomer(stage, "discord")
    asked = sign_in_with(first_party(stage), Browser(stage), "github", somebody("github", email=first.email))
    check_conflict(asked.page)
    assert not has(asked.page, "way-password")
    asked = asked.then(press(asked.page, "discord", prefix="way").choose(first))
    assert asked.page.id == "link-page"
    asked = asked.then(asked.page.submit("link"))
    assert sub_of(asked) == user.id
    assert set(links_of(stage, user)) == {"discord", "github"}


def test_a_trusted_provider_that_hands_out_the_address_links_without_a_page(stage: TimedServer) -> None:
    email = f"ada{stage.add_user().username}@gmail.com"
    user = stage.add_user(email=email)
    asked, _ = meet(stage, "google", user)
    assert sub_of(asked) == user.id
    assert events_of(stage, user) == [("identity.linked", "google", "vouched")]


def test_a_trusted_provider_that_does_not_hand_out_the_address_asks(stage: TimedServer) -> None:
    """Google has confirmed somebody@example.com once; who has it now, it does not know."""
    user = stage.add_user()
    asked, person = meet(stage, "google", user)
    check_conflict(asked.page)
    assert not has(asked.page, "link-account")
    assert owner_of(stage, "google", person) is None
    assert events_of(stage, user) == [("identity.link_refused", "google", "not_its_address")]


def test_where_a_yes_is_enough_it_is_asked_for_and_the_code_comes(stage: TimedServer) -> None:
    user = stage.add_user()
    asked, _ = meet(stage, "acme", user)
    check_conflict(asked.page)
    assert links_of(stage, user) == []
    asked = asked.then(asked.page.submit("link-account"))
    claims = claims_of(asked.client.redeem(asked.callback).json()["id_token"])
    assert (claims["sub"], claims["acr"], claims["amr"]) == (user.id, "federated", ["fed"])
    assert events_of(stage, user) == [
        ("identity.link_refused", "acme", "asked"),
        ("identity.linked", "acme", "confirmed"),
    ]


def test_an_address_that_was_never_confirmed_here_can_be_taken_by_who_proved_it(stage: TimedServer) -> None:
    trap = stage.add_user(email_verified=False)
    for name in ("google", "discord"):
        asked, person = meet(stage, name, trap)
        check_conflict(asked.page)
        assert has(asked.page, "start-new")
        assert not has(asked.page, "link-account")
    asked = asked.then(asked.page.submit("start-new"))
    victim = owner_of(stage, "discord", person)
    assert victim is not None
    assert sub_of(asked) == victim.id != trap.id
    assert victim.email == trap.email
    assert links_of(stage, trap) == []
    assert events_of(stage, trap)[-1] == ("email.lost", "discord", "took_address")


def test_the_client_is_told_when_the_person_cancels(stage: TimedServer) -> None:
    asked, _ = meet(stage, "github")
    asked = asked.then(asked.page.submit("cancel"))
    assert asked.callback.error == "access_denied"
    assert asked.callback.params["state"] == asked.params["state"]


def test_without_a_client_it_ends_on_the_account_page(stage: TimedServer) -> None:
    user, browser = stage.add_user(), Browser(stage)
    page = browser.page(press(browser.open("/login"), "acme").choose(somebody("acme", email=str(user.email))))
    check_conflict(page)
    assert not has(page, "cancel")
    page = browser.page(page.submit("link-account"))
    assert page.id == "account-page"
    assert links_of(stage, user) == ["acme"]


def test_the_link_page_works_without_a_client_too(stage: TimedServer) -> None:
    user, browser, person = stage.add_user(), Browser(stage), somebody("github")
    page = browser.page(press(browser.open("/login"), "github").choose(Person(person.sub, str(user.email))))
    page = browser.open(str(page.soup.find(id="way-password")["href"]))  # type: ignore[index]
    browser.page(page.submit("login", username=user.username, password=PASSWORD))
    page = browser.open("/link")
    assert page.id == "link-page"
    assert browser.page(page.submit("link")).id == "account-page"
    assert links_of(stage, user) == ["github"]
    assert browser.open("/link").id == "account-page", "there is nothing left to link"


# --- What the page tells


@pytest.mark.asvs("6.3.8")
@pytest.mark.parametrize("name", ["discord", "github", "acme"])
def test_the_ways_in_are_named_only_to_somebody_whose_provider_confirmed_the_address(
    stage: TimedServer, name: str
) -> None:
    """Otherwise anybody could ask of any address how its account signs in."""
    _, first, _ = newcomer(stage, "google")
    unproven = somebody(name, email=first.email, email_verified="false")
    page = sign_in_with(first_party(stage), Browser(stage), name, unproven).page
    check_conflict(page)
    assert has(page, "way-password"), "which is shown to everybody, and says nothing"
    assert not any(has(page, control) for control in ("way-google", "link-account", "start-new"))
    assert "Google" not in page.soup.select_one("main").get_text()  # type: ignore[union-attr]
    page = sign_in_with(first_party(stage), Browser(stage), name, somebody(name, email=first.email)).page
    assert has(page, "way-google")
    assert not has(page, "way-password")


def test_the_page_names_no_account_unless_a_yes_is_enough(stage: TimedServer) -> None:
    user = stage.add_user(profile={"name": "Hidden Name"})
    for name, is_named in (("github", False), ("acme", True)):
        asked, _ = meet(stage, name, user)
        assert ("Hidden Name" in asked.page.text) is is_named
        assert user.id not in asked.page.response.text


def test_a_passkey_is_a_way_in_that_is_named(stage: TimedServer) -> None:
    _, first, user = newcomer(stage, "discord")
    assert stage.store.passkeys.add(Passkey(user.id, f"credential of {user.id}", "its key", 0, "Phone"), now=stage.now)
    asked = sign_in_with(first_party(stage), Browser(stage), "github", somebody("github", email=first.email))
    assert has(asked.page, "way-discord")
    page = asked.browser.open(str(asked.page.soup.find(id="way-passkey")["href"]))  # type: ignore[index]
    assert page.id == "login-page"
    assert has(page, "passkey-form")


def test_an_account_that_has_no_way_in_leads_to_the_sign_in_page_and_to_no_empty_list(stage: TimedServer) -> None:
    user = NewUser(f"u_{secrets.token_hex(8)}", f"ada{secrets.token_hex(5)}", new_email(), email_verified=True)
    assert stage.store.users.add(user, now=stage.now)
    asked, _ = meet(stage, "github", user)
    check_conflict(asked.page)
    assert "You can sign in to it with" not in asked.page.text
    assert old_way(asked).page.id == "login-page"


def test_a_way_in_that_the_client_does_not_take_leads_over_the_account_page_to_the_link(stage: TimedServer) -> None:
    _, first, user = newcomer(stage, "discord")
    party, person = first_party(stage, upstreams=("github",)), somebody("github", email=first.email)
    browser = Browser(stage)
    page = sign_in_with(party, browser, "github", person).page
    check_conflict(page)
    assert has(page, "elsewhere")
    page = browser.open(str(page.soup.find(id="way-discord")["href"]))  # type: ignore[index]
    page = browser.page(press(page, "discord").choose(first))
    assert page.id == "account-page"
    assert browser.page(page.submit("link-waiting")).id == "account-page"
    assert set(links_of(stage, user)) == {"discord", "github"}
    assert sub_of(sign_in_with(party, Browser(stage), "github", person)) == user.id


# --- What is refused


@pytest.mark.asvs("6.8.1")
@pytest.mark.parametrize(
    ("name", "email_verified", "choice"),
    [
        pytest.param("github", True, "link", id="link, but the connection is not trusted"),
        pytest.param("google", True, "link", id="link, but the provider does not hand out the address"),
        pytest.param("acme", False, "link", id="link, but the address was never confirmed here"),
        pytest.param("github", True, "new", id="a new account, but the address is confirmed here"),
        pytest.param("acme", True, "new", id="a new account, but the address is confirmed here, over a trusted one"),
        pytest.param("github", True, "", id="no answer"),
        pytest.param("github", True, "admin", id="an answer that there is not"),
    ],
)
def test_an_answer_that_the_rules_do_not_allow_changes_nothing(
    stage: TimedServer, name: str, email_verified: bool, choice: str
) -> None:
    user = stage.add_user(email_verified=email_verified)
    asked, person = meet(stage, name, user)
    asked = decide_by_hand(asked, choice)
    check_conflict(asked.page)
    found = stage.store.users.find(user.id)
    assert found is not None
    assert found.email == user.email
    assert (links_of(stage, user), owner_of(stage, name, person)) == ([], None)
    assert asked.browser.open("/account").id == "login-page", "nobody is signed in"
    asked = asked.then(asked.page.submit("cancel"))
    assert asked.callback.error == "access_denied", "and the request still waits"


def test_a_new_account_needs_a_provider_that_has_confirmed_the_address(stage: TimedServer) -> None:
    trap = stage.add_user(email_verified=False)
    asked, _ = meet(stage, "discord", trap, email_verified="false")
    assert not has(asked.page, "start-new")
    check_conflict(decide_by_hand(asked, "new").page)
    found = stage.store.users.find(trap.id)
    assert found is not None
    assert found.email == trap.email


@pytest.mark.asvs("10.1.2")
@pytest.mark.parametrize("path", ["/conflict", "/link"])
def test_an_arrival_is_nothing_in_another_browser(stage: TimedServer, path: str) -> None:
    """Somebody who learns the address of the page neither sees what waits, nor links it, nor uses it up."""
    user, other = stage.add_user(), stage.add_user()
    asked, person = meet(stage, "acme", user)
    attacker = signed_in(stage, other.username)
    page = attacker.open(asked.response.url.replace(f"{stage.issuer}/conflict", path))
    assert page.id in {"error-page", "account-page"}
    assert str(user.email) not in page.text
    _, values = asked.page.fields("link-account")
    form = values | {"csrf_token": csrf_token(attacker.open("/account")), "choice": "link"}
    assert attacker.page(attacker.post(path, data=form)).id in {"error-page", "account-page"}
    assert owner_of(stage, "acme", person) is None
    asked = asked.then(asked.page.submit("link-account"))
    assert sub_of(asked) == user.id


def test_an_answer_is_taken_once(stage: TimedServer) -> None:
    asked, _ = meet(stage, "acme")
    page = asked.page
    asked = asked.then(page.submit("link-account"))
    assert "code" in asked.callback.params
    assert asked.browser.page(page.submit("link-account")).id == "error-page"


def test_a_page_that_was_left_open_signs_nobody_in_a_second_time(stage: TimedServer) -> None:
    """A browser that people share: the back button after signing out."""
    browser, user = Browser(stage), stage.add_user()
    page = meet_without_client(browser, "acme", user)
    assert browser.page(page.submit("link-account")).id == "account-page"
    browser.open("/logout").submit()
    assert browser.page(page.submit("link-account")).id == "error-page"
    assert browser.open("/account").id == "login-page"


@pytest.mark.asvs("10.1.2")
def test_an_arrival_without_a_client_is_this_browsers_alone(stage: TimedServer) -> None:
    user, browser, attacker = stage.add_user(), Browser(stage), Browser(stage)
    page = meet_without_client(browser, "acme", user)
    assert attacker.open(page.response.url).id == "error-page"
    _, values = page.fields("link-account")
    form = values | {"csrf_token": csrf_token(attacker.open("/login"))}
    assert attacker.page(attacker.post("/conflict", data=form)).id == "error-page"
    assert attacker.open("/account").id == "login-page"
    assert links_of(stage, user) == []


def test_an_answer_is_given_by_a_form_of_ours(stage: TimedServer) -> None:
    user = stage.add_user()
    asked, _ = meet(stage, "acme", user)
    _, values = asked.page.fields("link-account")
    for changes in ({"csrf_token": ""}, {"csrf_token": "guessed"}):
        assert asked.browser.post("/conflict", data=values | changes).status_code == 400
    crossed = asked.browser.post("/conflict", data=values, headers={"Sec-Fetch-Site": "cross-site"})
    assert crossed.status_code == 400
    asked.browser.get("/conflict", params=values)
    assert links_of(stage, user) == []


def test_after_a_quarter_of_an_hour_the_person_starts_again(stage: TimedServer) -> None:
    user = stage.add_user()
    asked, _ = meet(stage, "acme", user)
    with later(stage, ARRIVAL_SECONDS + 1):
        assert asked.browser.page(asked.page.submit("link-account")).id == "error-page"
        assert asked.browser.open(asked.response.url).id == "error-page"
    assert links_of(stage, user) == []


def test_a_sign_in_that_took_too_long_goes_on_without_the_link(stage: TimedServer) -> None:
    user = stage.add_user()
    asked, person = meet(stage, "github", user)
    with later(stage, ARRIVAL_SECONDS + 1):
        asked = old_way(asked).log_in(user.username)
        assert "code" in asked.callback.params
    assert owner_of(stage, "github", person) is None


def test_when_the_address_has_become_free_the_person_signs_in_once_more(stage: TimedServer) -> None:
    user = stage.add_user()
    asked, person = meet(stage, "github", user)
    stage.store.removal.remove(user.id)
    asked = asked.then(asked.browser.get(asked.response.url))
    assert asked.page.id == "login-page"
    asked = asked.then(press(asked.page, "github").choose(person))
    assert sub_of(asked) not in {user.id, ""}


@pytest.mark.parametrize("path", ["/conflict", "/link"])
@pytest.mark.parametrize(
    "query", ["", "?pending=x", "?interaction=x", "?pending=%00&interaction=%ff", "?pending=a&pending=b"]
)
def test_an_address_without_what_waits_behind_it_is_a_page_and_no_fault(
    stage: TimedServer, path: str, query: str
) -> None:
    for browser in (Browser(stage), signed_in(stage, stage.add_user().username)):
        assert browser.open(path + query).id in {"error-page", "login-page", "account-page"}


# --- The link page


def test_nothing_is_linked_before_the_old_way_in_was_used(stage: TimedServer) -> None:
    asked, person = meet(stage, "github")
    interaction = asked.page.fields("cancel")[1]["interaction"]
    assert asked.then(asked.browser.get(f"/link?interaction={interaction}")).page.id == "login-page"
    form = {"interaction": interaction, "choice": "link", "csrf_token": csrf_token(asked.page)}
    assert asked.then(asked.browser.post("/link", data=form)).page.id == "login-page"
    assert owner_of(stage, "github", person) is None


@pytest.mark.asvs("7.5.1")
def test_a_session_from_before_is_no_old_way_in(stage: TimedServer) -> None:
    """Somebody else sits down at a browser in which this person is signed in, and brings an account of their own."""
    user = stage.add_user()
    browser = signed_in(stage, user.username)
    asked = ask(first_party(stage), browser, prompt="select_account")
    asked = asked.then(asked.page.submit("switch"))
    assert asked.page.id == "login-page"
    person = somebody("github", email=str(user.email))
    asked = asked.then(press(asked.page, "github").choose(person))
    check_conflict(asked.page)
    interaction = asked.page.fields("cancel")[1]["interaction"]
    asked = asked.then(asked.browser.get(f"/link?interaction={interaction}"))
    assert asked.page.id == "login-page"
    assert owner_of(stage, "github", person) is None


@pytest.mark.asvs("10.1.2")
def test_the_question_is_answered_by_the_person_whom_it_was_put_to(stage: TimedServer) -> None:
    """The page of the first lies open in one tab, while the second signs in in another."""
    user, other = stage.add_user(), stage.add_user()
    asked, person = meet(stage, "github", user)
    asked = old_way(asked).log_in(user.username)
    question = asked.page
    assert question.id == "link-page"
    asked.browser.open("/logout").submit()
    signed_in(stage, other.username, asked.browser)
    asked.then(question.submit("link"))
    assert (links_of(stage, user), links_of(stage, other)) == ([], [])
    assert owner_of(stage, "github", person) is None


@pytest.mark.asvs("10.1.2")
def test_the_question_without_a_client_is_answered_by_the_person_whom_it_was_put_to_as_well(
    stage: TimedServer,
) -> None:
    user, other, browser = stage.add_user(), stage.add_user(), Browser(stage)
    meet_without_client(browser, "github", user)
    signed_in(stage, user.username, browser)
    question = browser.open("/link")
    assert question.id == "link-page"
    again = browser.open("/login?to=account&again=1")
    assert browser.page(again.submit("login", username=other.username, password=PASSWORD)).id == "account-page"
    browser.page(question.submit("link"))
    assert (links_of(stage, user), links_of(stage, other)) == ([], [])


@pytest.mark.asvs("3.5.1")
def test_a_link_is_made_by_a_form_of_ours(stage: TimedServer) -> None:
    user = stage.add_user()
    asked = old_way(meet(stage, "github", user)[0]).log_in(user.username)
    _, values = asked.page.fields("link")
    for changes in ({"csrf_token": ""}, {"csrf_token": "guessed"}):
        assert asked.browser.post("/link", data=values | changes).status_code == 400
    assert asked.browser.post("/link", data=values, headers={"Sec-Fetch-Site": "cross-site"}).status_code == 400
    asked.browser.get("/link", params=values)
    assert links_of(stage, user) == []
    assert asked.then(asked.page.submit("link")).callback.code


@pytest.mark.asvs("6.8.1")
def test_whoever_signs_in_with_another_account_is_not_asked_and_the_request_goes_on(stage: TimedServer) -> None:
    """The question is about the account with that address, so it is put to its person alone."""
    user, other = stage.add_user(), stage.add_user()
    asked, person = meet(stage, "github", user)
    asked = asked.then(old_way(asked).log_in(other.username).response)
    assert sub_of(asked) == other.id
    assert (links_of(stage, other), owner_of(stage, "github", person)) == ([], None)
    browser = Browser(stage)
    meet_without_client(browser, "github", user)
    signed_in(stage, other.username, browser)
    assert not has(browser.open("/account"), "waiting")
    assert browser.open("/link").id == "account-page"


def test_an_account_that_somebody_else_linked_meanwhile_is_theirs(stage: TimedServer) -> None:
    user, quicker = stage.add_user(), stage.add_user()
    asked, person = meet(stage, "github", user)
    asked = old_way(asked).log_in(user.username)
    page = signed_in(stage, quicker.username).open("/account")
    page.browser.page(press(page, "github", prefix="link").choose(person))
    refused = asked.then(asked.page.submit("link")).page
    assert (refused.id, refused.status) == ("trouble-page", 409)
    assert (links_of(stage, user), links_of(stage, quicker)) == ([], ["github"])
    assert events_of(stage, user)[-1] == ("identity.link_refused", "github", "another_persons")


def test_pressing_twice_links_once(stage: TimedServer) -> None:
    user = stage.add_user()
    asked, _ = meet(stage, "github", user)
    page = (asked := old_way(asked).log_in(user.username)).page
    first, second = page.submit("link"), page.submit("link")
    assert asked.then(first).callback.code
    assert second.status_code in {303, 400}
    assert links_of(stage, user) == ["github"]
    assert [event for event, _, _ in events_of(stage, user)].count("identity.linked") == 1
