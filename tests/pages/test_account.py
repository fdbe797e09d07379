"""The account page: which ways in there are, another one linked, one unlinked, never the last, and only when fresh."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from idp.store.passkeys import Passkey
from tests.pages.people_elsewhere import (
    add_link,
    csrf_token,
    events_of,
    form_key,
    later,
    links_of,
    newcomer,
    owner_of,
    running_stage,
)
from tests.pages.test_factors import app_on
from tests.support.accounts import PASSWORD
from tests.support.authorize import ask, signed_in
from tests.support.idp_server import TimedServer
from tests.support.relying_party import Browser, Page
from tests.support.upstream import CONNECTIONS, Elsewhere, Person, first_party, press, sign_in_with, somebody

FRESH_SECONDS = 300


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory, signing_keys: Path) -> Iterator[TimedServer]:
    with running_stage(tmp_path_factory.mktemp("account"), signing_keys) as server:
        yield server


def account_of(browser: Browser) -> Page:
    page = browser.open("/account")
    assert page.id == "account-page", page.text[:300]
    return page


def has(page: Page, control: str) -> bool:
    return page.soup.find(id=control) is not None


def link_on_page(browser: Browser, name: str, person: object = None) -> Page:
    """Press "Link …" on the account page and come back."""
    return browser.page(press(account_of(browser), name, prefix="link").choose(person))  # type: ignore[arg-type]


# --- Getting there


def test_whoever_is_not_signed_in_signs_in_first_and_comes_back(stage: TimedServer) -> None:
    user = stage.add_user()
    browser = Browser(stage)
    page = browser.open("/account")
    assert page.id == "login-page"
    assert browser.page(page.submit("login", username=user.username, password=PASSWORD)).id == "account-page"


@pytest.mark.parametrize("name", CONNECTIONS)
def test_signing_in_over_a_provider_leads_back_too(stage: TimedServer, name: str) -> None:
    browser = Browser(stage)
    page = browser.page(press(browser.open("/account"), name).choose(somebody(name)))
    assert page.id == "account-page"
    assert len(page.soup.select("#methods > li")) == 1


def test_the_page_says_which_ways_in_there_are_and_nothing_that_is_nobodys_business(stage: TimedServer) -> None:
    user = stage.add_user()
    browser, person = signed_in(stage, user.username), somebody("discord")
    link_on_page(browser, "discord", person)
    add_link(stage, user, "retired")
    page = account_of(browser)
    assert has(page, "method-password")
    assert "Discord" in page.text
    assert person.email in page.text
    assert "Not offered any more" in page.text
    assert person.sub not in page.response.text
    assert not has(account_of(newcomer(stage, "github")[0]), "method-password")


@pytest.mark.parametrize("query", ["linked=<b>x", "unlinked=nobody", "declined=https://evil.example", "linked=%00"])
def test_the_address_puts_no_words_on_the_page(stage: TimedServer, query: str) -> None:
    browser = signed_in(stage, stage.add_user().username)
    page = browser.open(f"/account?{query}")
    assert page.status == 200
    assert not has(page, "notice")


# --- Linking


@pytest.mark.parametrize("name", CONNECTIONS)
def test_another_way_in_is_linked_and_signs_the_same_person_in(stage: TimedServer, name: str) -> None:
    user, person = stage.add_user(), somebody(name)
    page = link_on_page(signed_in(stage, user.username), name, person)
    assert page.id == "account-page"
    assert "is linked" in page.soup.find(id="notice").get_text()  # type: ignore[union-attr]
    assert events_of(stage, user) == [("identity.linked", name, "account_page")]
    (mail,) = [mail for mail in stage.mails(str(user.email)) if mail.template == "identity_linked"]
    label = {"github": "GitHub"}.get(name, name.title())
    assert mail.subject.startswith(f"{label} can now sign you in"), "as it stands on the button"
    party = first_party(stage)
    callback = sign_in_with(party, Browser(stage), name, person).callback
    assert party.redeem(callback).status_code == 200
    assert owner_of(stage, name, person) == stage.store.users.find(user.id)


def test_linking_an_account_that_has_another_address_changes_nothing_of_the_person(stage: TimedServer) -> None:
    user = stage.add_user()
    before = stage.store.users.find(user.id)
    link_on_page(signed_in(stage, user.username), "google", somebody("google", name="Somebody Else"))
    assert stage.store.users.find(user.id) == before


@pytest.mark.asvs("6.8.1")
def test_an_account_that_signs_somebody_else_in_is_not_linked(stage: TimedServer) -> None:
    _, person, owner = newcomer(stage, "github")
    user = stage.add_user()
    page = link_on_page(signed_in(stage, user.username), "github", person)
    assert (page.id, page.status) == ("trouble-page", 409)
    assert "linked to another account" in page.text
    assert str(owner.email) not in page.text
    assert owner_of(stage, "github", person) == owner
    assert links_of(stage, user) == []


def test_who_says_no_over_there_comes_back_to_their_account(stage: TimedServer) -> None:
    user = stage.add_user()
    browser = signed_in(stage, user.username)
    page = browser.page(press(account_of(browser), "acme", prefix="link").cancel())
    assert page.id == "account-page"
    assert "nothing was linked" in page.text
    assert links_of(stage, user) == []


def test_trouble_over_there_leads_back_to_the_account(stage: TimedServer) -> None:
    user = stage.add_user()
    browser = signed_in(stage, user.username)
    away = press(account_of(browser), "google", prefix="link")
    page = browser.page(away.choose(somebody("google"), fault="bad_signature"))
    assert (page.id, page.status) == ("trouble-page", 502)
    assert browser.open(str(page.soup.find(id="another-way")["href"])).id == "account-page"  # type: ignore[index]
    assert links_of(stage, user) == []


@pytest.mark.asvs("7.5.1", "10.1.2")
def test_a_link_that_one_person_began_is_never_given_to_another(stage: TimedServer) -> None:
    """They share a browser; the second signed in while the first was at the provider."""
    first, second, person = stage.add_user(), stage.add_user(), somebody("google")
    browser = signed_in(stage, first.username)
    away = press(account_of(browser), "google", prefix="link")
    browser.open("/logout").submit()
    signed_in(stage, second.username, browser)
    browser.page(away.choose(person))
    assert (links_of(stage, first), links_of(stage, second)) == ([], [])
    assert owner_of(stage, "google", person) is None


def test_nobody_links_anything_after_signing_out(stage: TimedServer) -> None:
    user, person = stage.add_user(), somebody("google")
    browser = signed_in(stage, user.username)
    away = press(account_of(browser), "google", prefix="link")
    browser.open("/logout").submit()
    assert browser.page(away.choose(person)).id == "login-page"
    assert links_of(stage, user) == []
    assert owner_of(stage, "google", person) is None


# --- Only after a fresh sign-in


@pytest.mark.asvs("7.5.1")
def test_five_minutes_after_the_sign_in_the_ways_in_cannot_be_changed(stage: TimedServer) -> None:
    user = stage.add_user()
    browser = signed_in(stage, user.username)
    link_on_page(browser, "discord", somebody("discord"))
    fresh = account_of(browser)
    (linked,) = stage.store.identities.list_of(user.id)
    with later(stage, FRESH_SECONDS + 2):
        page = account_of(browser)
        assert has(page, "sign-in-again")
        assert not any(has(page, control) for control in ("unlink-discord", "link-google"))
        # the forms of a page that was opened before, and forms made by hand
        assert browser.page(fresh.submit("unlink-discord")).id == "account-page"
        refused = fresh.submit("link-google")
        assert (refused.status_code, refused.headers["Location"]) == (303, "/account")
        form = {"csrf_token": csrf_token(fresh), "key": form_key(linked.key)}
        assert browser.page(browser.post("/account/unlink", data=form)).id == "account-page"
    assert stage.store.identities.list_of(user.id) == [linked]
    with later(stage, FRESH_SECONDS - 60):
        assert has(account_of(browser), "unlink-discord")


@pytest.mark.asvs("7.5.1")
def test_signing_in_again_makes_it_fresh(stage: TimedServer) -> None:
    user = stage.add_user()
    browser = signed_in(stage, user.username)
    with later(stage, FRESH_SECONDS + 2):
        page = browser.open(str(account_of(browser).soup.find(id="sign-in-again")["href"]))  # type: ignore[index]
        assert page.id == "login-page", "although there is a session"
        page = browser.page(page.submit("login", username=user.username, password=PASSWORD))
        assert page.id == "account-page"
        assert has(page, "link-google")


@pytest.mark.asvs("7.5.1", "6.8.4")
@pytest.mark.parametrize(("seconds_ago", "is_fresh"), [(FRESH_SECONDS + 30, False), (FRESH_SECONDS - 30, True)])
def test_a_provider_that_says_when_the_person_signed_in_there_is_taken_at_its_word(
    stage: TimedServer, seconds_ago: int, is_fresh: bool
) -> None:
    browser = Browser(stage)
    away = press(browser.open("/account"), "acme")
    page = browser.page(away.choose(somebody("acme"), claims={"auth_time": stage.now - seconds_ago}))
    assert page.id == "account-page"
    assert (has(page, "link-google"), has(page, "sign-in-again")) == (is_fresh, not is_fresh)


def signed_in_over(stage: TimedServer, name: str, person: Person, **claims: object) -> Browser:
    browser = Browser(stage)
    away = press(browser.open("/account"), name)
    assert asks_for_proof(away) is False, "for a first sign-in, one that the provider remembers is enough"
    assert browser.page(away.choose(person, claims=claims)).id == "account-page"
    return browser


def asks_for_proof(away: Elsewhere) -> bool:
    return away.asked.get("prompt") == "login" and away.asked.get("max_age") == "0"


@pytest.mark.asvs("7.5.1", "6.8.4")
def test_signing_in_again_over_a_provider_that_remembers_the_person_asks_it_for_a_new_proof(stage: TimedServer) -> None:
    person = somebody("acme")
    browser = signed_in_over(stage, "acme", person, auth_time=stage.now - 3600)
    page = browser.open("/account/totp")
    assert page.id == "login-page"
    away = press(page, "acme")
    assert asks_for_proof(away)
    assert browser.page(away.choose(person, claims={"auth_time": stage.now})).id == "totp-page"


@pytest.mark.asvs("7.5.1", "6.8.4")
def test_a_provider_that_does_not_prove_it_anew_when_asked_is_told_of_and_leads_nowhere(stage: TimedServer) -> None:
    person = somebody("acme")
    browser = signed_in_over(stage, "acme", person, auth_time=stage.now - 3600)
    away = press(browser.open("/account/totp"), "acme")
    refused = browser.page(away.choose(person, claims={"auth_time": stage.now - 3600}))
    assert (refused.id, refused.status) == ("trouble-page", 403)
    assert "cannot confirm anew who you are" in refused.text
    assert browser.open("/account/totp").id == "login-page"


@pytest.mark.parametrize("name", ["google", "acme"])
def test_a_provider_that_never_says_when_the_person_signed_in_there_is_taken_to_vouch_now(
    stage: TimedServer, name: str
) -> None:
    """Some cannot be asked; another could be, but has shown that it does not tell."""
    person = somebody(name)
    browser = signed_in_over(stage, name, person)
    with later(stage, FRESH_SECONDS + 2):
        page = browser.open("/account/totp")
        assert page.id == "login-page"
        away = press(page, name)
        assert not asks_for_proof(away)
        assert browser.page(away.choose(person)).id == "totp-page"


def test_the_provider_that_is_to_be_linked_is_not_asked_for_a_new_proof(stage: TimedServer) -> None:
    browser = signed_in(stage, stage.add_user().username)
    assert not asks_for_proof(press(account_of(browser), "acme", prefix="link"))


@pytest.mark.asvs("6.3.3")
def test_a_client_that_demands_a_factor_gets_it_from_who_came_over_a_provider_that_remembers_them(
    stage: TimedServer,
) -> None:
    client, person, claims = first_party(stage, require_second_factor=True), somebody("acme"), {"auth_time": 0}
    claims["auth_time"] = stage.now - 3600
    browser = signed_in_over(stage, "acme", person, **claims)
    asked = ask(client, browser)
    assert asked.page.id == "login-page", "a sign-in from before this request is too old to set up a factor with"
    asked = asked.then(press(asked.page, "acme").choose(person, claims=claims))
    assert asked.page.id == "totp-page"
    done = asked.then(asked.page.submit("confirm", code=app_on(asked.page).at(stage.now)))
    assert done.page.id == "recovery-codes-page"


@pytest.mark.parametrize(("back_after", "expected"), [(540, ["google"]), (605, [])])
def test_a_link_begun_in_time_may_take_ten_minutes_over_there(
    stage: TimedServer, back_after: int, expected: list[str]
) -> None:
    user = stage.add_user()
    browser = signed_in(stage, user.username)
    with later(stage, FRESH_SECONDS - 60):
        away = press(account_of(browser), "google", prefix="link")
    with later(stage, FRESH_SECONDS - 60 + back_after):
        browser.page(away.choose(somebody("google")))
    assert links_of(stage, user) == expected


def test_a_link_is_not_begun_without_a_form_of_ours(stage: TimedServer) -> None:
    user = stage.add_user()
    browser = signed_in(stage, user.username)
    for data in ({"link": "1"}, {"link": "1", "csrf_token": "guessed"}):
        assert browser.post("/upstream/google", data=data).status_code == 400
    (key,) = [add_link(stage, user, "google")]
    assert browser.post("/account/unlink", data={"key": form_key(key)}).status_code == 400
    form = {"key": form_key(key), "csrf_token": csrf_token(account_of(browser))}
    crossed = browser.post("/account/unlink", data=form, headers={"Sec-Fetch-Site": "cross-site"})
    assert crossed.status_code == 400
    assert links_of(stage, user) == ["google"]


# --- Unlinking


def test_a_way_in_is_unlinked_and_signs_nobody_in_any_more(stage: TimedServer) -> None:
    user, person = stage.add_user(), somebody("google")
    browser = signed_in(stage, user.username)
    link_on_page(browser, "google", person)
    page = browser.page(account_of(browser).submit("unlink-google"))
    assert "not linked any more" in page.text
    assert links_of(stage, user) == []
    assert events_of(stage, user)[-1] == ("identity.unlinked", "google", "account_page")
    told = [mail.text for mail in stage.mails(str(user.email)) if mail.template == "factor_changed"]
    assert ["unlinked" in text for text in told] == [True]
    _, _, somebody_new = newcomer(stage, "google", person)
    assert somebody_new.id != user.id


@pytest.mark.asvs("7.4.3")
def test_whoever_came_in_that_way_is_signed_out_and_the_one_who_unlinks_goes_on(stage: TimedServer) -> None:
    user, person = stage.add_user(), somebody("google")
    browser, elsewhere_signed_in = signed_in(stage, user.username), Browser(stage)
    link_on_page(browser, "google", person)
    press(elsewhere_signed_in.open("/login"), "google").choose(person)
    assert account_of(elsewhere_signed_in)
    browser.page(account_of(browser).submit("unlink-google"))
    assert elsewhere_signed_in.open("/account").id == "login-page"
    assert account_of(browser)


@pytest.mark.asvs("7.4.3")
def test_what_applications_were_granted_through_it_is_taken_back_also_what_outlives_a_sign_out(
    stage: TimedServer,
) -> None:
    user, person, party = stage.add_user(), somebody("google"), first_party(stage)
    browser = signed_in(stage, user.username)
    link_on_page(browser, "google", person)
    asked = sign_in_with(party, Browser(stage), "google", person, scope="openid offline_access")
    tokens = party.redeem(asked.callback).json()
    signed_out = Browser(stage)
    asked = sign_in_with(party, signed_out, "google", person, scope="openid offline_access")
    outliving = party.redeem(asked.callback).json()
    signed_out.open("/logout").submit()
    outliving = party.refresh(outliving["refresh_token"]).json()
    by_password = party.tokens(Browser(stage), user.username, scope="openid offline_access")
    browser.page(account_of(browser).submit("unlink-google"))
    for taken_back in (tokens, outliving):
        assert party.refresh(taken_back["refresh_token"]).json()["error"] == "invalid_grant"
        assert party.userinfo(taken_back["access_token"]).status_code == 401
    assert party.refresh(by_password["refresh_token"]).status_code == 200, "that came in another way"


def test_the_only_way_in_has_no_button_and_cannot_be_unlinked_without_one(stage: TimedServer) -> None:
    browser, _, user = newcomer(stage, "github")
    (linked,) = stage.store.identities.list_of(user.id)
    page = account_of(browser)
    assert "only way to sign in" in page.text
    assert not has(page, "unlink-github")
    form = {"csrf_token": csrf_token(page), "key": form_key(linked.key)}
    refused = browser.page(browser.post("/account/unlink", data=form))
    assert (refused.id, refused.status) == ("account-page", 409)
    assert "only way in that is left" in refused.text
    assert stage.store.passkeys.add(Passkey(user.id, f"credential of {user.id}", "its key", 0, "Phone"), now=stage.now)
    page = account_of(browser)
    assert "passkeys can be lost" in page.text
    assert "only way to sign in" not in page.text
    assert not has(page, "unlink-github")
    assert links_of(stage, user) == ["github"]
    assert events_of(stage, user)[-1] == ("identity.unlink_refused", "github", "last_way_in")


def test_a_connection_that_is_gone_is_no_way_in_but_can_be_unlinked(stage: TimedServer) -> None:
    browser, _, user = newcomer(stage, "github")
    add_link(stage, user, "retired")
    page = account_of(browser)
    assert not has(page, "unlink-github"), "nobody signs in with the other one"
    browser.page(page.submit("unlink-retired"))
    assert links_of(stage, user) == ["github"]


def test_two_accounts_at_one_provider_are_told_apart(stage: TimedServer) -> None:
    browser, person, user = newcomer(stage, "google")
    other = somebody("google")
    page = link_on_page(browser, "google", other)
    buttons = [str(tag["id"]) for tag in page.soup.select("#methods button")]
    assert len(set(buttons)) == 2
    page.submit(next(button for button in buttons if other.email in page.soup.find(id=button).get_text()))  # type: ignore[union-attr]
    assert [each.key.subject for each in stage.store.identities.list_of(user.id)] == [person.sub]


@pytest.mark.asvs("8.2.2")
def test_nobody_unlinks_for_somebody_else(stage: TimedServer) -> None:
    victim, user = stage.add_user(), stage.add_user()
    key = add_link(stage, victim, "google")
    browser = signed_in(stage, user.username)
    for named in (form_key(key), "", "guessed"):
        form = {"csrf_token": csrf_token(account_of(browser)), "key": named}
        assert browser.page(browser.post("/account/unlink", data=form)).id == "account-page"
    assert links_of(stage, victim) == ["google"]


# --- What waits


def test_an_arrival_that_met_this_account_waits_on_the_page_until_it_is_answered(stage: TimedServer) -> None:
    for control, expected, event in (
        ("link-waiting", ["github"], ("identity.linked", "github", "after_sign_in")),
        ("skip-waiting", [], ("identity.link_refused", "github", "declined")),
    ):
        user = stage.add_user()
        browser = Browser(stage)
        page = browser.page(press(browser.open("/login"), "github").choose(somebody("github", email=str(user.email))))
        assert (page.id, page.status) == ("conflict-page", 409)
        page = browser.open(str(page.soup.find(id="way-password")["href"]))  # type: ignore[index]
        page = browser.page(page.submit("login", username=user.username, password=PASSWORD))
        assert page.id == "account-page"
        assert has(page, "waiting")
        assert not has(account_of(signed_in(stage, user.username)), "waiting"), "in this browser alone"
        page = browser.page(page.submit(control))
        assert page.id == "account-page"
        assert not has(page, "waiting")
        assert links_of(stage, user) == expected
        assert events_of(stage, user)[-1] == event


def test_the_start_of_a_provider_is_left_alone_when_nobody_is_signed_in(stage: TimedServer) -> None:
    """The button "Link …" without a session is not a sign-in in disguise."""
    browser = Browser(stage)
    form = {"csrf_token": csrf_token(browser.open("/login")), "link": "1"}
    refused = browser.post("/upstream/google", data=form)
    assert (refused.status_code, refused.headers["Location"]) == (303, "/account")
