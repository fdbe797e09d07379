"""Signing in with each provider, over real HTTP: people who are new, return, have an address already, or refuse.

Then what is peculiar to each of them. The stand-ins speak the originals' wire formats and verify what they are sent.
"""

import json
from dataclasses import replace
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
import requests

from idp.protocol.identity import User
from tests.support.authorize import Asked, ask
from tests.support.federation import ODD_CLIENT, STAFF_DOMAIN, TENANT, Federation
from tests.support.idp_server import ServerUnderTest
from tests.support.relying_party import TIMEOUT, Browser, Page, RelyingParty, claims_of
from tests.support.upstream import (
    CONNECTIONS,
    Elsewhere,
    Person,
    WayBack,
    first_party,
    follow_link,
    press,
    sign_in_with,
    somebody,
    users_of,
)

CORE = "OpenID Connect Core"
PERSONAL_TENANT = "9188040d-6c67-4c5b-b112-36a304b66dad"
LABELS = {name: name.title() for name in CONNECTIONS} | {"github": "GitHub"}
SCOPE = "openid profile email"
PASSWORD_WAY, LOGIN = "way-password", "login-page"
every_connection = pytest.mark.parametrize("name", CONNECTIONS)

# connection → what its ID token or profile makes of a person called Grace Hopper whose address it has confirmed
EXPECTED: dict[str, dict[str, Any]] = {
    "google": {"email_verified": True, "given_name": "Grace", "family_name": "Hopper"},
    "facebook": {"email_verified": False, "given_name": "Grace", "family_name": "Hopper"},
    "discord": {"email_verified": True},
    "apple": {"email_verified": True, "given_name": "Grace", "family_name": "Hopper"},
    "github": {"email_verified": True},
    "microsoft": {"email_verified": True},
    "acme": {"email_verified": True, "given_name": "Grace", "family_name": "Hopper"},
}


@pytest.fixture(scope="module")
def server(federation: Federation) -> ServerUnderTest:
    return federation.server


@pytest.fixture(scope="module")
def party(server: ServerUnderTest) -> RelyingParty:
    return first_party(server)


def arrive(party: RelyingParty, connection: str, person: Person | None, **said: Any) -> Asked:
    """From the client's request over this provider, as this person, to where it leads. `said`: as `Elsewhere.choose`
    takes it."""
    browser = Browser(party.server)
    asked = ask(party, browser, scope=SCOPE)
    return asked.then(press(asked.page, connection).choose(person, **said))


def claims_after(asked: Asked) -> dict[str, Any]:
    """The ID token that the client gets in the end."""
    answer = asked.client.redeem(asked.callback)
    assert answer.status_code == 200, answer.text
    return claims_of(answer.json()["id_token"])


def only_user(server: ServerUnderTest, connection: str, person: Person) -> User:
    found = users_of(server, connection, person)
    assert len(found) == 1
    return found[0]


def events_of(server: ServerUnderTest, user: User) -> list[tuple[str, str | None]]:
    """The audit events of a person, the oldest first: (event, why)."""
    events = reversed(server.store.audit_events.list(user_id=user.id))
    return [(event["event"], json.loads(event["detail"]).get("why")) for event in events]


def check_refused(asked: Asked, status: int, sentence: str) -> Page:
    """A page that says why, nobody signed in, and the client's request still waiting."""
    page = asked.page
    assert (page.status, page.id) == (status, "trouble-page"), page.text[:300]
    assert sentence in page.text
    assert "idp_session" not in asked.browser.http.cookies
    return page


# --- Every provider --------------------------------------------------------------------------------------------------


@every_connection
@pytest.mark.asvs("6.8.1", "10.5.2")
def test_somebody_new_gets_an_account_and_the_client_gets_its_tokens(party: RelyingParty, name: str) -> None:
    person = somebody(name)
    claims = claims_after(sign_in_with(party, Browser(party.server), name, person, scope=SCOPE))
    user = only_user(party.server, name, person)
    assert claims["sub"] == user.id
    assert (claims["acr"], claims["amr"]) == ("federated", ["fed"])
    expected = {"name": "Grace Hopper", "email": person.email} | EXPECTED[name]
    assert {claim: claims.get(claim) for claim in expected} == expected
    assert events_of(party.server, user)[:2] == [("user.added", None), ("identity.linked", "sign_up")]
    assert party.server.store.users.has_password(user.id) is False


@every_connection
def test_an_account_that_a_provider_made_knows_whether_its_address_is_confirmed(party: RelyingParty, name: str) -> None:
    confirmed, unconfirmed = somebody(name), somebody(name, email_verified="false")
    for person in (confirmed, unconfirmed):
        assert arrive(party, name, person).callback.code
    user = only_user(party.server, name, confirmed)
    assert (user.email, user.claims.get("email_verified")) == ((confirmed.email, EXPECTED[name]["email_verified"]))
    other = only_user(party.server, name, unconfirmed)
    assert other.claims.get("email_verified") is not True
    assert other.email == (None if name == "facebook" else unconfirmed.email)


@every_connection
@pytest.mark.spec(CORE, "5.7", "MUST")
@pytest.mark.asvs("6.8.1", "10.5.2")
def test_somebody_who_returns_is_the_same_person_whatever_else_has_changed(party: RelyingParty, name: str) -> None:
    person = somebody(name)
    first = claims_after(arrive(party, name, person))
    moved = replace(person, email=f"moved-{person.email}", name="Grace Brewster Murray")
    second = claims_after(arrive(party, name, moved))
    assert second["sub"] == first["sub"]
    assert second.get("email") == first.get("email"), "the address here changes by no provider's word"
    assert len(users_of(party.server, name, person)) == 1


@every_connection
def test_somebody_else_with_the_same_name_at_the_same_provider_is_another_person(
    party: RelyingParty, name: str
) -> None:
    subs = {claims_after(arrive(party, name, somebody(name)))["sub"] for _ in range(2)}
    assert len(subs) == 2


@every_connection
def test_the_profile_is_brought_up_to_date_when_somebody_returns(party: RelyingParty, name: str) -> None:
    person = somebody(name)
    assert arrive(party, name, person).callback.code
    claims = claims_after(arrive(party, name, replace(person, name="Amazing Grace")))
    assert claims["name"] == ("Grace Hopper" if name == "apple" else "Amazing Grace")  # Apple tells it once
    if "given_name" in EXPECTED[name] and name != "apple":
        assert (claims["given_name"], claims["family_name"]) == ("Amazing", "Grace")


@every_connection
def test_what_the_person_edited_here_stays_whatever_the_provider_says_later(party: RelyingParty, name: str) -> None:
    person, users = somebody(name), party.server.store.users
    assert arrive(party, name, person).callback.code
    user, edited = only_user(party.server, name, person), {"name": "Rear Admiral", "website": "https://grace.example"}
    before = {claim: user.claims.get(claim) for claim in edited}
    assert users.refresh_profile(user.id, before, edited, now=party.server.now)
    for again in ("Amazing Grace", "Grace Murray"):
        claims = claims_after(arrive(party, name, replace(person, name=again)))
        assert {claim: claims.get(claim) for claim in edited} == edited


@every_connection
def test_the_profile_stays_as_it_was_taken_first_when_the_policy_says_so(party: RelyingParty, name: str) -> None:
    once, person = f"{name}-once", somebody(name)
    first = claims_after(arrive(party, once, person))
    second = claims_after(arrive(party, once, replace(person, name="Grace Murray")))
    profile = {claim for claim in first if claim not in {"iat", "exp", "nonce", "at_hash", "sid", "auth_time"}}
    assert {"name", "email"} < profile
    assert {claim: second.get(claim) for claim in profile} == {claim: first[claim] for claim in profile}


# --- The e-mail is known already -------------------------------------------------------------------------------------


@every_connection
@pytest.mark.asvs("6.8.1")
def test_a_known_email_is_a_question_and_after_the_password_the_two_can_be_linked(
    party: RelyingParty, name: str
) -> None:
    server, user = party.server, party.server.add_user()
    person = somebody(name, email=user.email)
    asked = arrive(party, name, person)
    assert (asked.page.status, asked.page.id) == (409, "conflict-page")
    assert str(user.email) in asked.page.text
    assert "idp_session" not in asked.browser.http.cookies
    assert users_of(server, name, person) == []
    names_ways = EXPECTED[name]["email_verified"]
    assert ("You can sign in to it with" in asked.page.text) is names_ways
    asked = follow_link(asked, PASSWORD_WAY).log_in(user.username)
    assert asked.page.id == "link-page", asked.page.text[:300]
    assert LABELS[name] in asked.page.text
    claims = claims_after(asked.then(asked.page.submit("link")))
    assert (claims["sub"], claims["acr"], claims["amr"]) == (user.id, "aal1", ["pwd"])
    again = claims_after(arrive(party, name, person))
    assert (again["sub"], again["acr"], again["amr"]) == (user.id, "federated", ["fed"])
    linked = ("identity.linked", "after_sign_in")
    assert [event for event in events_of(server, only_user(server, name, person)) if event == linked] == [linked]


@every_connection
def test_a_link_that_the_person_does_not_want_is_not_made_and_the_request_goes_on(
    party: RelyingParty, name: str
) -> None:
    user = party.server.add_user()
    person = somebody(name, email=user.email)
    asked = follow_link(arrive(party, name, person), PASSWORD_WAY).log_in(user.username)
    assert claims_after(asked.then(asked.page.submit("skip")))["sub"] == user.id
    assert users_of(party.server, name, person) == []
    assert arrive(party, name, person).page.id == "conflict-page", "nothing was remembered"


@every_connection
def test_an_account_without_a_password_is_entered_by_the_provider_that_it_has_and_then_linked(
    party: RelyingParty, name: str
) -> None:
    known = "github" if name == "google" else "google"
    owner = somebody(known)
    sub = claims_after(arrive(party, known, owner))["sub"]
    newcomer = somebody(name, email=owner.email)
    asked = arrive(party, name, newcomer)
    assert (asked.page.status, asked.page.id) == (409, "conflict-page")
    if EXPECTED[name]["email_verified"]:
        assert asked.page.soup.find(id=PASSWORD_WAY) is None, "that account has none"
        asked = asked.then(press(asked.page, known, prefix="way").choose(owner))
    else:
        assert asked.page.soup.find(id=f"way-{known}") is None, "nobody vouches that they may know"
        asked = follow_link(asked, PASSWORD_WAY)
        asked = asked.then(press(asked.page, known).choose(owner))
    assert asked.page.id == "link-page", asked.page.text[:300]
    assert claims_after(asked.then(asked.page.submit("link")))["sub"] == sub
    assert claims_after(arrive(party, name, newcomer))["sub"] == sub
    assert claims_after(arrive(party, known, owner))["sub"] == sub


@every_connection
def test_the_request_can_be_given_up_at_the_conflict(party: RelyingParty, name: str) -> None:
    user = party.server.add_user()
    asked = arrive(party, name, somebody(name, email=user.email))
    callback = asked.then(asked.page.submit("cancel")).callback
    assert (callback.error, callback.params["state"]) == ("access_denied", asked.params["state"])


# --- The person says no over there -----------------------------------------------------------------------------------


@every_connection
@pytest.mark.spec("RFC 6749", "4.1.2.1", "MUST")
def test_a_refusal_over_there_leads_back_to_the_choice_and_the_password_works(party: RelyingParty, name: str) -> None:
    user = party.server.add_user()
    asked = ask(party, Browser(party.server), scope=SCOPE)
    asked = asked.then(press(asked.page, name).cancel())
    assert (asked.page.status, asked.page.id) == (200, LOGIN)
    notice = asked.page.soup.select_one("[role=status]")
    assert notice is not None
    assert f"You did not continue with {LABELS[name]}" in notice.get_text()
    assert claims_after(asked.log_in(user.username))["sub"] == user.id


@every_connection
def test_after_a_refusal_the_same_provider_may_be_chosen_again(party: RelyingParty, name: str) -> None:
    asked = ask(party, Browser(party.server), scope=SCOPE)
    asked = asked.then(press(asked.page, name).cancel())
    assert asked.then(press(asked.page, name).choose(somebody(name))).callback.code


# --- Google ----------------------------------------------------------------------------------------------------------


@pytest.mark.spec(CORE, "3.1.3.7", "MUST")
def test_google_may_write_its_issuer_with_or_without_the_scheme(party: RelyingParty) -> None:
    person = somebody("google")
    with_scheme = claims_after(arrive(party, "google", person))
    without = claims_after(arrive(party, "google", person, claims={"iss": "accounts.google.com"}))
    assert with_scheme["sub"] == without["sub"]


@pytest.mark.parametrize(
    "iss",
    [
        "http://accounts.google.com",
        "https://accounts.google.com/",
        "accounts.google.com.x",
        ["accounts.google.com"],
        {},
    ],
    ids=str,
)
@pytest.mark.spec(CORE, "3.1.3.7", "MUST")
def test_no_other_spelling_of_googles_issuer_is_taken(party: RelyingParty, iss: Any) -> None:
    asked = arrive(party, "google", somebody("google"), claims={"iss": iss})
    check_refused(asked, 502, "The answer of Google cannot be trusted")


@pytest.mark.parametrize("hd", [STAFF_DOMAIN], ids=["of the domain"])
def test_google_accounts_of_the_hosted_domain_may_sign_in(party: RelyingParty, hd: str) -> None:
    person = somebody("google", email=f"{somebody('google').email.partition('@')[0]}@{STAFF_DOMAIN}")
    assert arrive(party, "google-staff", person, claims={"hd": hd}).callback.code


@pytest.mark.parametrize(
    "hd",
    [None, "elsewhere.example", f"{STAFF_DOMAIN}.evil.example", [STAFF_DOMAIN], ""],
    ids=["a private account", "another domain", "a longer domain", "a list", "an empty one"],
)
def test_google_accounts_of_no_or_another_domain_are_refused_though_their_address_looks_right(
    party: RelyingParty, hd: Any
) -> None:
    person = somebody("google", email=f"{somebody('google').email.partition('@')[0]}@{STAFF_DOMAIN}")
    asked = arrive(party, "google-staff", person, claims={"hd": hd})
    page = check_refused(asked, 403, "Only some accounts of Google may sign in here")
    assert users_of(party.server, "google-staff", person) == []
    assert page.soup.find(id="try-again") is None
    assert follow_link(asked, "another-way").page.id == LOGIN


# --- Microsoft -------------------------------------------------------------------------------------------------------

WORK = "22222222-3333-4444-8555-666666666666"


@pytest.mark.parametrize(
    ("connection", "tid", "is_welcome"),
    [
        ("microsoft", PERSONAL_TENANT, True),
        ("microsoft", WORK, True),
        ("entra-work", WORK, True),
        ("entra-work", PERSONAL_TENANT, False),
        ("entra-home", PERSONAL_TENANT, True),
        ("entra-home", WORK, False),
        ("entra", TENANT, True),
        ("entra", WORK, False),
        ("entra", PERSONAL_TENANT, False),
    ],
)
@pytest.mark.spec(CORE, "3.1.3.7", "MUST")
@pytest.mark.asvs("6.8.1")
def test_only_the_tenants_that_are_configured_may_sign_in(
    party: RelyingParty, connection: str, tid: str, is_welcome: bool
) -> None:
    person = somebody("microsoft")
    issuer = f"https://login.microsoftonline.com/{tid}/v2.0"
    asked = arrive(party, connection, person, claims={"tid": tid, "iss": issuer})
    if is_welcome:
        assert asked.callback.code
        (linked,) = party.server.store.identities.list_of(only_user(party.server, connection, person).id)
        assert linked.key.issuer == issuer
    else:
        check_refused(asked, 502, "The answer of Microsoft cannot be trusted")
        assert users_of(party.server, connection, person) == []


@pytest.mark.parametrize(
    "claims",
    [
        {"tid": WORK, "iss": f"https://login.microsoftonline.com/{TENANT}/v2.0"},
        {"tid": WORK, "iss": "https://login.microsoftonline.com/common/v2.0"},
        {"tid": WORK, "iss": f"https://sts.windows.net/{WORK}/"},
        {"tid": WORK, "iss": f"https://login.microsoftonline.com/{WORK}/v2.0/"},
        {"tid": "common", "iss": "https://login.microsoftonline.com/common/v2.0"},
        {"tid": f"{WORK}/../{TENANT}"},
    ],
    ids=["another tenant", "the template", "version 1", "a slash more", "no tenant's id", "a path"],
)
@pytest.mark.spec(CORE, "3.1.3.7", "MUST")
@pytest.mark.asvs("6.8.1")
def test_microsofts_issuer_must_be_that_of_the_tenant_it_names(party: RelyingParty, claims: dict[str, str]) -> None:
    asked = arrive(party, "microsoft", somebody("microsoft"), claims=claims)
    check_refused(asked, 502, "The answer of Microsoft cannot be trusted")


@pytest.mark.asvs("6.8.1")
def test_the_same_subject_in_another_tenant_is_another_person(party: RelyingParty) -> None:
    person = somebody("microsoft", email="")
    subs = set()
    for tid in (WORK, TENANT):
        issuer = f"https://login.microsoftonline.com/{tid}/v2.0"
        claims = {"tid": tid, "iss": issuer, "email": None}
        subs.add(claims_after(arrive(party, "microsoft", person, claims=claims))["sub"])
    assert len(subs) == 2


@pytest.mark.parametrize(
    ("said", "is_confirmed"),
    [(True, True), ("1", True), (1, True), ("true", True), (False, False), ("0", False), (None, False)],
)
def test_a_work_address_counts_as_confirmed_only_with_xms_edov(
    party: RelyingParty, said: Any, is_confirmed: bool
) -> None:
    person = somebody("microsoft")
    claims = {"tid": WORK, "iss": f"https://login.microsoftonline.com/{WORK}/v2.0", "xms_edov": said}
    assert arrive(party, "microsoft", person, claims=claims).callback.code
    user = only_user(party.server, "microsoft", person)
    assert (user.email, user.claims.get("email_verified") is True) == (person.email, is_confirmed)


# --- Facebook --------------------------------------------------------------------------------------------------------


def test_somebody_without_an_address_at_facebook_gets_an_account_without_one(party: RelyingParty) -> None:
    person = somebody("facebook", email="", email_verified="")
    claims = claims_after(arrive(party, "facebook", person, control="no-email"))
    assert claims["name"] == "Grace Hopper"
    assert not {"email", "email_verified"} & claims.keys()
    assert only_user(party.server, "facebook", person).email is None


def test_two_people_without_an_address_do_not_stand_in_each_others_way(party: RelyingParty) -> None:
    people = [somebody("facebook", email="", email_verified="") for _ in range(2)]
    asked = [arrive(party, "facebook", person, control="no-email") for person in people]
    assert len({claims_after(each)["sub"] for each in asked}) == 2


# --- Discord ---------------------------------------------------------------------------------------------------------


def test_a_snowflake_is_kept_digit_for_digit(party: RelyingParty) -> None:
    person = somebody("discord", sub="1180591620717411303")
    sub = claims_after(arrive(party, "discord", person))["sub"]
    neighbour = somebody("discord", sub="1180591620717411304")  # the same as a floating-point number
    assert claims_after(arrive(party, "discord", neighbour))["sub"] != sub
    (linked,) = party.server.store.identities.list_of(only_user(party.server, "discord", person).id)
    assert linked.key.subject == "1180591620717411303"


@pytest.mark.parametrize("number", [1180591620717411303, "12ab", "", None, ["1"], "١٢٣x"])
def test_an_id_that_is_no_snowflake_is_refused(party: RelyingParty, number: Any) -> None:
    asked = arrive(party, "discord", somebody("discord"), profile={"id": number})
    check_refused(asked, 502, "The answer of Discord cannot be trusted")


@pytest.mark.parametrize(
    ("avatar", "ending"),
    [
        ("a_1269e74af4df7417b13759eae50c83dc", "a_1269e74af4df7417b13759eae50c83dc.gif"),
        ("8342729096ea3675442027381ff50dfe", "8342729096ea3675442027381ff50dfe.png"),
        (None, None),
        ("../../evil", None),
        (7, None),
    ],
)
def test_a_discord_picture_is_made_of_id_and_hash(party: RelyingParty, avatar: Any, ending: str | None) -> None:
    person = somebody("discord")
    claims = claims_after(arrive(party, "discord", person, profile={"avatar": avatar}))
    expected = f"https://cdn.discordapp.com/avatars/{person.sub}/{ending}" if ending else None
    assert claims.get("picture") == expected


def test_a_discord_name_has_no_discriminator(party: RelyingParty) -> None:
    person = somebody("discord")
    claims = claims_after(arrive(party, "discord", person, profile={"username": "grace.h", "discriminator": "0"}))
    assert (claims["name"], claims["nickname"]) == ("Grace Hopper", "grace.h")
    assert claims["preferred_username"].startswith("graceh")
    assert "#" not in json.dumps(claims)


# --- Apple -----------------------------------------------------------------------------------------------------------


def apples_way_back(party: RelyingParty, person: Person | None = None, **said: Any) -> tuple[Asked, WayBack]:
    asked = ask(party, Browser(party.server), scope=SCOPE)
    there = press(asked.page, "apple")
    assert there.asked["response_mode"] == "form_post"
    return asked, there.way_back(person or somebody("apple"), **said)


@pytest.mark.spec("OAuth 2.0 Form Post Response Mode", "2", "MUST")
def test_apples_cross_site_post_without_cookies_is_taken_up_by_a_get_with_them(party: RelyingParty) -> None:
    asked, back = apples_way_back(party)
    assert back.form is not None
    elsewhere = requests.post(back.url, data=back.form, allow_redirects=False, timeout=TIMEOUT)
    assert elsewhere.status_code == 303
    location = elsewhere.headers["Location"]
    for value in (back.form["code"], back.form["state"], back.form["user"]):
        assert value not in location
    assert elsewhere.cookies.get_dict() == {}, "a browser would put them in the place of its own"
    assert asked.then(asked.browser.get(location)).callback.code


@pytest.mark.asvs("10.1.2", "10.2.1")
def test_apples_posted_answer_is_for_the_browser_that_asked_alone(party: RelyingParty) -> None:
    asked, back = apples_way_back(party)
    posted = requests.post(back.url, data=back.form, allow_redirects=False, timeout=TIMEOUT)
    thief = Browser(party.server)
    thief.open("/login")
    assert Page(thief, thief.get(posted.headers["Location"])).id == "trouble-page"
    assert "idp_session" not in thief.http.cookies
    assert asked.then(asked.browser.get(posted.headers["Location"])).callback.code, "the right one is not disturbed"


@pytest.mark.asvs("10.1.2")
def test_apples_posted_answer_signs_in_once(party: RelyingParty) -> None:
    asked, back = apples_way_back(party)
    posted = requests.post(back.url, data=back.form, allow_redirects=False, timeout=TIMEOUT)
    assert asked.browser.get(posted.headers["Location"]).status_code == 303
    again = Page(asked.browser, asked.browser.get(posted.headers["Location"]))
    assert (again.status, again.id) == (400, "trouble-page")
    assert "This sign-in cannot be continued" in again.text, "refused by us, before Apple is asked"


def test_apple_tells_the_name_once_and_it_is_kept(party: RelyingParty) -> None:
    person = somebody("apple")
    asked, back = apples_way_back(party, person)
    assert json.loads(str(back.form and back.form["user"]))["name"] == {"firstName": "Grace", "lastName": "Hopper"}
    assert claims_after(asked.then(back.go(asked.browser)))["name"] == "Grace Hopper"
    asked, back = apples_way_back(party, person)
    assert "user" not in back.params
    claims = claims_after(asked.then(back.go(asked.browser)))
    assert (claims["name"], claims["given_name"]) == ("Grace Hopper", "Grace")


@pytest.mark.parametrize("user", ["{", "[]", '{"name": "x"}', '{"name": {"firstName": 7}}', "[" * 4000, "nul\0"])
def test_whatever_stands_in_apples_unsigned_name_is_a_name_or_nothing(party: RelyingParty, user: str) -> None:
    asked, back = apples_way_back(party)
    assert back.form is not None
    response = asked.then(WayBack(back.url, back.form | {"user": user}).go(asked.browser))
    if "\0" in user:
        assert response.page.status == 400
    else:
        assert "name" not in claims_after(response)


def test_a_name_in_apples_unsigned_field_changes_no_address(party: RelyingParty) -> None:
    person, victim = somebody("apple"), party.server.add_user()
    asked, back = apples_way_back(party, person)
    forged = json.dumps({"name": {"firstName": "Eve"}, "email": victim.email, "sub": victim.id, "email_verified": True})
    assert back.form is not None
    claims = claims_after(asked.then(WayBack(back.url, back.form | {"user": forged}).go(asked.browser)))
    assert (claims["name"], claims["email"]) == ("Eve", person.email)
    assert claims["sub"] != victim.id


def test_an_address_behind_apples_relay_is_an_address_like_any_other(party: RelyingParty) -> None:
    asked = arrive(party, "apple", None, control="relay")
    if asked.page.id == "conflict-page":
        pytest.fail("the relay person was linked by another test")
    claims = claims_after(asked)
    assert claims["email"].endswith("@privaterelay.appleid.com")
    assert claims["email_verified"] is True


def test_apple_refuses_a_secret_that_names_another_key(party: RelyingParty) -> None:
    asked = arrive(party, "apple-misconfigured", somebody("apple"))
    page = check_refused(asked, 400, "The sign-in with Apple did not work")
    assert page.soup.find(id="try-again") is not None


# --- GitHub ----------------------------------------------------------------------------------------------------------


def test_githubs_errors_are_errors_though_their_status_is_200(party: RelyingParty) -> None:
    check_refused(
        arrive(party, "github-misconfigured", somebody("github")), 400, "The sign-in with GitHub did not work"
    )


@pytest.mark.parametrize("number", ["583231", True, None, 1.5, [1]])
def test_an_id_that_is_no_number_is_refused(party: RelyingParty, number: Any) -> None:
    asked = arrive(party, "github", somebody("github"), profile={"id": number})
    check_refused(asked, 502, "The answer of GitHub cannot be trusted")


def test_a_login_name_that_changed_hands_is_another_person(party: RelyingParty) -> None:
    first, second = somebody("github"), somebody("github")
    subs = {
        claims_after(arrive(party, "github", person, profile={"login": "octocat"}))["sub"] for person in (first, second)
    }
    assert len(subs) == 2


# --- Any OpenID Connect provider -------------------------------------------------------------------------------------


def leave_for_acme(party: RelyingParty) -> tuple[Asked, Elsewhere]:
    asked = ask(party, Browser(party.server), scope=SCOPE)
    return asked, press(asked.page, "acme")


@pytest.mark.spec("RFC 6749", "2.3.1", "MUST")
def test_odd_characters_in_client_id_and_secret_are_form_encoded(party: RelyingParty) -> None:
    asked = ask(party, Browser(party.server), scope=SCOPE)
    there = press(asked.page, "acme-odd")
    assert there.asked["client_id"] == ODD_CLIENT
    assert asked.then(there.choose(somebody("acme"))).callback.code


@pytest.mark.spec(CORE, "5.3.2", "MUST")
@pytest.mark.asvs("6.8.1")
@pytest.mark.parametrize("sub", ["somebody-else", None, 7, ""])
def test_userinfo_about_another_subject_is_refused(party: RelyingParty, sub: Any) -> None:
    person = somebody("acme")
    asked = arrive(party, "acme", person, profile={"sub": sub})
    check_refused(asked, 502, "The answer of Acme cannot be trusted")
    assert users_of(party.server, "acme", person) == []


def test_userinfo_cannot_replace_what_the_id_token_says(party: RelyingParty) -> None:
    person, victim = somebody("acme"), party.server.add_user()
    claims = {"email": person.email, "email_verified": False}
    asked = arrive(party, "acme", person, claims=claims, profile={"email": victim.email, "email_verified": True})
    assert claims_after(asked)["sub"] != victim.id
    assert only_user(party.server, "acme", person).email == person.email


@pytest.mark.spec("RFC 9207", "2.4", "MUST")
@pytest.mark.asvs("10.2.2")
@pytest.mark.parametrize("iss", [None, "", "https://another-provider.example", "http://127.0.0.1:1/"])
def test_an_answer_without_the_right_iss_parameter_is_refused(party: RelyingParty, iss: str | None) -> None:
    asked, there = leave_for_acme(party)
    person = somebody("acme")
    back = there.way_back(person)
    params = {name: value for name, value in back.params.items() if name != "iss"}
    query = params if iss is None else params | {"iss": iss}
    refused = asked.then(asked.browser.get(f"{back.url.partition('?')[0]}", params=query))
    check_refused(refused, 400, "This sign-in cannot be continued")
    assert users_of(party.server, "acme", person) == []


@pytest.mark.spec("RFC 9207", "2.4", "MUST")
@pytest.mark.asvs("10.2.2")
@pytest.mark.parametrize("name", ["google", "facebook", "discord", "github", "microsoft"])
def test_an_iss_parameter_of_somebody_else_is_refused_even_where_none_is_expected(
    party: RelyingParty, name: str
) -> None:
    asked = ask(party, Browser(party.server), scope=SCOPE)
    back = press(asked.page, name).way_back(somebody(name))
    base, _, query = back.url.partition("?")
    params = dict(parse_qsl(query)) | {"iss": "https://another-provider.example"}
    check_refused(asked.then(asked.browser.get(base, params=params)), 400, "This sign-in cannot be continued")


@pytest.mark.spec("RFC 9207", "2.4", "MUST")
@pytest.mark.parametrize(
    ("name", "iss"),
    [
        ("google", "https://accounts.google.com"),
        ("facebook", "https://www.facebook.com"),
        ("discord", "https://discord.com"),
        ("github", "https://github.com/login/oauth"),
    ],
)
def test_the_iss_parameter_that_a_provider_is_known_by_is_taken_whenever_it_sends_one(
    party: RelyingParty, name: str, iss: str
) -> None:
    asked, person = ask(party, Browser(party.server), scope=SCOPE), somebody(name)
    back = press(asked.page, name).way_back(person)
    assert back.params.get("iss") in {iss, None}
    answered = asked.then(asked.browser.get(back.url.partition("?")[0], params=back.params | {"iss": iss}))
    assert answered.callback.code
    (linked,) = party.server.store.identities.list_of(only_user(party.server, name, person).id)
    assert linked.key.issuer == iss.removesuffix("/login/oauth"), "whose people they are stays as it was"


def test_the_redirect_uri_of_each_connection_is_its_own(party: RelyingParty) -> None:
    asked = ask(party, Browser(party.server), scope=SCOPE)
    seen = {name: press(asked.page, name).asked["redirect_uri"] for name in [*CONNECTIONS, "acme-odd"]}
    assert seen == {name: f"{party.server.issuer}/upstream/{name}/callback" for name in seen}
    assert all(urlsplit(uri).query == "" for uri in seen.values())
