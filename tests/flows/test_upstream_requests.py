"""What travels to a provider, what is said of the sign-in afterwards, and which providers a request offers at all."""

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from sqlalchemy import select

from idp.accounts.linking import TOKENS_PURPOSE
from idp.jose.encryption import DecryptionFailed, SecretBox
from idp.store.tables import identities
from tests.support.accounts import PASSWORD
from tests.support.authorize import Asked, ask, signed_in
from tests.support.federation import ODD_CLIENT, Federation
from tests.support.idp_server import ServerUnderTest
from tests.support.relying_party import Browser, Page, RelyingParty, claims_of
from tests.support.upstream import (
    CONNECTIONS,
    Elsewhere,
    elsewhere,
    first_party,
    follow_link,
    press,
    sandboxed_timed_server,
    sign_in_with,
    somebody,
    users_of,
)

CORE = "OpenID Connect Core"
LOGIN = "login-page"
every_connection = pytest.mark.parametrize("name", CONNECTIONS)

SCOPES = {
    "google": {"openid", "email", "profile"},
    "facebook": {"public_profile", "email"},
    "discord": {"identify", "email"},
    "apple": {"name", "email"},
    "github": {"user:email"},
    "microsoft": {"openid", "email", "profile"},
    "acme": {"openid", "email", "profile"},
}
WITH_ID_TOKEN = {"google", "apple", "microsoft", "acme"}
WITH_PKCE = {"google", "discord", "github", "microsoft", "acme"}
LOGIN_HINTS = {"google": "login_hint", "github": "login", "microsoft": "login_hint", "acme": "login_hint"}
LANGUAGES = {"google": "hl", "facebook": "locale", "acme": "ui_locales"}
ASKS_FOR_ACCOUNT = {"google", "github", "microsoft", "acme"}
FRESH = {"apple": {}, "microsoft": {"prompt": "login"}, "acme": {"prompt": "login", "max_age": "0"}}
UNPROVEN = sorted(CONNECTIONS.keys() - FRESH.keys())
HOUR = 3600


@pytest.fixture(scope="module")
def server(federation: Federation) -> ServerUnderTest:
    return federation.server


@pytest.fixture(scope="module")
def party(server: ServerUnderTest) -> RelyingParty:
    return first_party(server)


def leave(party: RelyingParty, name: str, browser: Browser | None = None, **request: Any) -> tuple[Asked, Elsewhere]:
    asked = ask(party, browser or Browser(party.server), **request)
    assert asked.page.id == LOGIN, asked.page.text[:300]
    return asked, press(asked.page, name)


def essential_acr(value: str) -> str:
    return json.dumps({"id_token": {"acr": {"essential": True, "values": [value]}}})


def claims_after(asked: Asked) -> dict[str, Any]:
    answer = asked.client.redeem(asked.callback)
    assert answer.status_code == 200, answer.text
    return claims_of(answer.json()["id_token"])


def offered(page: Page) -> set[str]:
    """The names of the connections whose buttons are on a page."""
    buttons = page.soup.select("button[id^='continue-with-']")
    return {str(button["id"]).removeprefix("continue-with-") for button in buttons}


def force(asked: Asked, name: str) -> Asked:
    """Post the start of a connection that the page does not offer, with all that its form would have."""
    _, fields = asked.page.fields("cancel")
    fields.pop("cancel", None)
    return asked.then(asked.browser.post(f"/upstream/{name}", data=fields))


def check_forced(asked: Asked, name: str) -> None:
    """The person stays here, and is told why."""
    forced = force(asked, name)
    assert (forced.page.status, forced.page.id) == (403, "trouble-page")
    assert forced.page.soup.find(id="try-again") is None
    assert follow_link(forced, "another-way").page.id == LOGIN


# --- The authorization request ---------------------------------------------------------------------------------------


@every_connection
@pytest.mark.asvs("10.2.3")
def test_no_more_is_asked_for_than_a_sign_in_needs(party: RelyingParty, name: str) -> None:
    _, there = leave(party, name)
    asked = there.asked
    assert set(asked.pop("scope").split()) == SCOPES[name]
    needed = {"response_type", "client_id", "redirect_uri", "state"}
    needed |= {"nonce"} if name in WITH_ID_TOKEN else set()
    needed |= {"code_challenge", "code_challenge_method"} if name in WITH_PKCE else set()
    needed |= {"response_mode"} if name == "apple" else set()
    needed |= {LANGUAGES[name]} if name in LANGUAGES else set()
    assert asked.keys() == needed
    assert asked["response_type"] == "code"
    assert asked["redirect_uri"] == f"{party.server.issuer}/upstream/{name}/callback"


@every_connection
@pytest.mark.spec("RFC 6749", "10.10", "MUST")
@pytest.mark.asvs("10.2.1")
def test_state_nonce_and_challenge_are_random_and_new_each_time(party: RelyingParty, name: str) -> None:
    seen: dict[str, set[str]] = {"state": set(), "nonce": set(), "code_challenge": set()}
    for _ in range(3):
        _, there = leave(party, name)
        for parameter, values in seen.items():
            if parameter in there.asked:
                values.add(there.asked[parameter])
    assert all(len(value) >= 43 for values in seen.values() for value in values), "256 bits each"
    assert len(seen["state"]) == 3
    assert len(seen["nonce"]) == (3 if name in WITH_ID_TOKEN else 0)
    assert len(seen["code_challenge"]) == (3 if name in WITH_PKCE else 0)


@pytest.mark.parametrize("name", sorted(WITH_PKCE))
@pytest.mark.spec("RFC 9700", "2.1.1", "MUST")
@pytest.mark.asvs("10.2.1")
def test_pkce_goes_with_every_request_where_the_provider_takes_it(
    federation: Federation, party: RelyingParty, name: str
) -> None:
    asked, there = leave(party, name)
    assert there.asked["code_challenge_method"] == "S256"
    assert asked.then(there.choose(somebody(name))).callback.code, "the stand-in has verified it"


@pytest.mark.parametrize("name", sorted(WITH_PKCE))
@pytest.mark.spec("RFC 7636", "4.6", "MUST")
@pytest.mark.asvs("10.1.2")
def test_a_code_that_was_made_for_another_sign_in_is_of_no_use(party: RelyingParty, name: str) -> None:
    _, attackers = leave(party, name)
    stolen = attackers.way_back(somebody(name)).params["code"]
    asked, there = leave(party, name)
    own = there.way_back(somebody(name))
    injected = own.params | {"code": stolen}
    injured = asked.then(asked.browser.get(own.url.partition("?")[0], params=injected))
    assert (injured.page.status, injured.page.id) == (400, "trouble-page")
    assert "idp_session" not in asked.browser.http.cookies


@every_connection
def test_the_login_hint_travels_where_the_provider_has_a_place_for_it(party: RelyingParty, name: str) -> None:
    _, there = leave(party, name, login_hint="grace@example.org")
    found = {parameter for parameter, value in there.asked.items() if value == "grace@example.org"}
    assert found == ({LOGIN_HINTS[name]} if name in LOGIN_HINTS else set())


@every_connection
def test_the_language_travels_where_the_provider_has_a_place_for_it(party: RelyingParty, name: str) -> None:
    _, there = leave(party, name, ui_locales="fr")
    found = {parameter for parameter, value in there.asked.items() if re.fullmatch(r"fr(_FR)?", value)}
    assert found == ({LANGUAGES[name]} if name in LANGUAGES else set())


@pytest.mark.parametrize(
    ("wished", "chosen", "sent"),
    [
        ("de", "", "de"),
        ("pt-BR fr", "", "pt-BR"),
        ("fr-CH en", "", "fr"),
        ("de", "fr", "fr"),
        ("de&x=1", "", "en"),
        ("d" * 3000, "", "en"),
    ],
)
def test_a_language_that_we_do_not_have_travels_all_the_same_unless_the_person_has_chosen_one(
    party: RelyingParty, wished: str, chosen: str, sent: str
) -> None:
    browser = Browser(party.server)
    if chosen:
        browser.open(f"/login?lang={chosen}")
    assert press(ask(party, browser, ui_locales=wished).page, "google").asked["hl"] == sent


@every_connection
def test_select_account_travels_where_the_provider_understands_it(party: RelyingParty, name: str) -> None:
    _, there = leave(party, name, prompt="select_account")
    assert there.asked.get("prompt") == ("select_account" if name in ASKS_FOR_ACCOUNT else None)


@pytest.mark.parametrize("name", sorted(ASKS_FOR_ACCOUNT))
def test_use_another_account_asks_the_provider_for_another_account(party: RelyingParty, name: str) -> None:
    browser = Browser(party.server)
    first = claims_after(sign_in_with(party, browser, name, somebody(name)))
    asked = ask(party, browser, prompt="select_account")
    assert asked.page.id == "select-account-page"
    asked = asked.then(asked.page.submit("switch"))
    there = press(asked.page, name)
    assert there.asked["prompt"] == "select_account"
    assert claims_after(asked.then(there.choose(somebody(name))))["sub"] != first["sub"]


@pytest.mark.parametrize("name", sorted(ASKS_FOR_ACCOUNT))
def test_without_a_wish_no_prompt_travels(party: RelyingParty, name: str) -> None:
    assert "prompt" not in leave(party, name, prompt="consent")[1].asked


def test_the_client_id_and_nothing_of_the_secret_is_in_the_address(party: RelyingParty) -> None:
    _, there = leave(party, "acme-odd")
    assert there.asked["client_id"] == ODD_CLIENT
    assert "s3cret" not in there.response.url


# --- Fresh sign-ins --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", sorted(FRESH))
@pytest.mark.parametrize("wish", [{"prompt": "login"}, {"max_age": "300"}, {"max_age": "0"}], ids=str)
@pytest.mark.spec(CORE, "3.1.2.1", "MUST")
@pytest.mark.asvs("6.8.4")
def test_a_fresh_sign_in_is_demanded_of_the_provider_and_its_time_is_kept(
    party: RelyingParty, name: str, wish: dict[str, str]
) -> None:
    asked, there = leave(party, name, None, **wish)
    assert {"prompt", "max_age"} & there.asked.keys() == FRESH[name].keys()
    assert {parameter: there.asked[parameter] for parameter in FRESH[name]} == FRESH[name]
    proved_at = party.server.now - 5
    claims = claims_after(asked.then(there.choose(somebody(name), claims={"auth_time": proved_at})))
    assert (claims["auth_time"], claims["acr"], claims["amr"]) == (proved_at, "federated", ["fed"])


@pytest.mark.parametrize("name", sorted(FRESH))
@pytest.mark.parametrize("wish", [{"prompt": "login"}, {"max_age": "600"}], ids=str)
@pytest.mark.parametrize("said", [HOUR, None], ids=["an hour ago", "not said"])
@pytest.mark.spec(CORE, "3.1.2.1", "MUST")
@pytest.mark.asvs("6.8.4")
def test_a_sign_in_that_is_not_fresh_is_refused(
    party: RelyingParty, name: str, wish: dict[str, str], said: int | None
) -> None:
    person = somebody(name)
    asked, there = leave(party, name, None, **wish)
    claims = {"auth_time": None if said is None else party.server.now - said}
    refused = asked.then(there.choose(person, claims=claims))
    assert (refused.page.status, refused.page.id) == (403, "trouble-page"), refused.page.text[:300]
    assert "cannot confirm anew who you are" in refused.page.text
    assert refused.page.soup.find(id="try-again") is None
    assert "idp_session" not in asked.browser.http.cookies
    assert users_of(party.server, name, person) == []


@pytest.mark.parametrize(("ago", "is_taken"), [(550, True), (720, False)])
@pytest.mark.spec(CORE, "3.1.2.1", "MUST")
def test_max_age_is_counted_from_the_moment_that_the_provider_names(
    party: RelyingParty, ago: int, is_taken: bool
) -> None:
    asked, there = leave(party, "acme", max_age="600")
    done = asked.then(there.choose(somebody("acme"), claims={"auth_time": party.server.now - ago}))
    assert ("Location" in done.response.headers) is is_taken


@pytest.mark.parametrize("said", ["in an hour", "now", True, -1.5e300, [1]])
def test_an_impossible_auth_time_is_not_believed(party: RelyingParty, said: Any) -> None:
    auth_time = party.server.now + HOUR if said == "in an hour" else said
    asked, there = leave(party, "acme")
    refused = asked.then(there.choose(somebody("acme"), claims={"auth_time": auth_time}))
    assert (refused.page.status, refused.page.id) == (502, "trouble-page")


@pytest.mark.parametrize("wish", [{"prompt": "login"}, {"max_age": "300"}, {"max_age": "0"}], ids=str)
@pytest.mark.spec(CORE, "3.1.2.1", "MUST")
@pytest.mark.asvs("6.8.4")
def test_providers_that_cannot_prove_freshness_are_not_offered_and_refused_when_forced(
    party: RelyingParty, wish: dict[str, str]
) -> None:
    asked = ask(party, Browser(party.server), **wish)
    assert offered(asked.page) & CONNECTIONS.keys() == FRESH.keys()
    notice = asked.page.soup.find(id="unproven")
    assert notice is not None
    assert all(label in notice.get_text() for label in ("Google", "Facebook", "Discord", "GitHub"))
    for name in UNPROVEN:
        check_forced(asked, name)


def test_a_clients_default_max_age_counts_like_a_max_age_that_it_sends(server: ServerUnderTest) -> None:
    asked = ask(first_party(server, default_max_age=HOUR), Browser(server))
    assert offered(asked.page) & CONNECTIONS.keys() == FRESH.keys()
    check_forced(asked, "google")


@pytest.mark.parametrize("name", UNPROVEN)
@pytest.mark.spec(CORE, "3.1.2.1", "MUST")
@pytest.mark.asvs("6.8.4")
def test_max_age_is_never_met_by_a_session_whose_moment_of_proof_nobody_knows(party: RelyingParty, name: str) -> None:
    browser = Browser(party.server)
    before = party.server.now
    claims = claims_after(sign_in_with(party, browser, name, somebody(name)))
    assert before <= claims["auth_time"] <= party.server.now, "the moment it vouched, which is all that is known"
    assert ask(party, browser).callback.code, "without max_age the session serves"
    assert ask(party, browser, max_age="1000000").page.id == LOGIN
    assert ask(party, browser, max_age="1000000", prompt="none").callback.error == "login_required"


@pytest.mark.parametrize("name", sorted(FRESH))
@pytest.mark.spec(CORE, "3.1.2.1", "MUST")
def test_max_age_is_measured_from_the_providers_auth_time(party: RelyingParty, name: str) -> None:
    browser, proved_at = Browser(party.server), party.server.now - 1000
    asked, there = leave(party, name, browser)
    assert claims_after(asked.then(there.choose(somebody(name), claims={"auth_time": proved_at})))["auth_time"] == (
        proved_at
    )
    assert claims_after(ask(party, browser, max_age="5000"))["auth_time"] == proved_at
    assert ask(party, browser, max_age="900").page.id == LOGIN


@pytest.mark.parametrize("name", ["google", "acme"])
def test_a_password_after_a_federated_sign_in_proves_anew_and_says_so(party: RelyingParty, name: str) -> None:
    server, user = party.server, party.server.add_user()
    asked = sign_in_with(party, Browser(server), name, somebody(name, email=user.email))
    asked = follow_link(asked, "way-password").log_in(user.username)
    assert asked.then(asked.page.submit("link")).callback.code
    asked = ask(party, asked.browser, max_age="100")
    assert claims_after(asked)["amr"] == ["pwd"]


# --- Authentication contexts -----------------------------------------------------------------------------------------


@pytest.mark.spec(CORE, "5.5.1.1", "MUST")
@pytest.mark.asvs("6.8.4")
def test_an_essential_acr_of_a_password_hides_the_providers_and_refuses_them(party: RelyingParty) -> None:
    user = party.server.add_user()
    asked = ask(party, Browser(party.server), claims=essential_acr("aal1"))
    assert offered(asked.page) == set()
    assert asked.page.soup.find(id="password") is not None
    for name in CONNECTIONS:
        check_forced(asked, name)
    assert claims_after(asked.log_in(user.username))["acr"] == "aal1"


@pytest.mark.spec(CORE, "5.5.1.1", "MUST")
@pytest.mark.asvs("6.8.4")
def test_a_federated_session_does_not_meet_an_essential_acr_of_a_password(party: RelyingParty) -> None:
    browser = Browser(party.server)
    assert sign_in_with(party, browser, "acme", somebody("acme")).callback.code
    assert ask(party, browser, claims=essential_acr("aal1")).page.id == LOGIN
    assert ask(party, browser, claims=essential_acr("federated")).callback.code


@pytest.mark.spec(CORE, "5.5.1.1", "MUST")
def test_an_essential_acr_of_a_provider_hides_the_password_and_does_not_take_one(party: RelyingParty) -> None:
    user = party.server.add_user()
    asked = ask(party, Browser(party.server), claims=essential_acr("federated"))
    assert asked.page.soup.find(id="password") is None
    assert offered(asked.page) >= CONNECTIONS.keys()
    _, fields = asked.page.fields("cancel")
    fields.pop("cancel")
    posted = asked.then(asked.browser.post("/login", data=fields | {"username": user.username, "password": PASSWORD}))
    assert posted.page.id == LOGIN
    done = asked.then(press(asked.page, "github").choose(somebody("github")))
    assert claims_after(done)["acr"] == "federated"


def test_a_password_session_does_not_meet_an_essential_acr_of_a_provider(party: RelyingParty) -> None:
    browser = signed_in(party.server, party.server.add_user().username)
    assert ask(party, browser, claims=essential_acr("federated")).page.id == LOGIN


def test_a_voluntary_acr_hides_nothing(party: RelyingParty) -> None:
    page = ask(party, Browser(party.server), acr_values="aal1").page
    assert offered(page) >= CONNECTIONS.keys()


# --- Straight to one provider ----------------------------------------------------------------------------------------


@every_connection
@pytest.mark.parametrize("parameter", ["idp_hint", "kc_idp_hint"])
def test_a_hint_leads_straight_to_the_provider_and_back(party: RelyingParty, name: str, parameter: str) -> None:
    asked = ask(party, Browser(party.server), **{parameter: name})
    there = elsewhere(asked.browser, asked.response)
    assert asked.then(there.choose(somebody(name))).callback.code


def test_a_hint_is_followed_once(party: RelyingParty) -> None:
    asked = ask(party, Browser(party.server), idp_hint="google")
    there = elsewhere(asked.browser, asked.response)
    back = asked.then(
        asked.browser.get(urlsplit(str(asked.response.url)).path + "?" + urlsplit(asked.response.url).query)
    )
    assert back.page.id == LOGIN, "whoever goes back has the choice"
    assert asked.then(there.choose(somebody("google"))).callback.code


@pytest.mark.spec("RFC 8252", "8.6", "SHOULD NOT")
def test_an_app_that_another_may_pose_as_gets_no_code_of_a_hint_alone(server: ServerUnderTest) -> None:
    """The provider may have answered without a question, so here is the first page that names the application."""
    party = first_party(server, public=True, redirect_uris=("com.example.app:/cb",))
    asked = ask(party, Browser(server), idp_hint="google")
    asked = asked.then(elsewhere(asked.browser, asked.response).choose(somebody("google")))
    assert asked.page.id == "consent-page"
    assert asked.then(asked.page.submit("allow")).callback.code
    pressed = press(ask(party, Browser(server)).page, "google")
    assert "code=" in pressed.browser.follow(pressed.choose(somebody("google"))).headers["Location"]


@every_connection
def test_after_a_refusal_over_there_a_hint_leads_to_the_choice(party: RelyingParty, name: str) -> None:
    user = party.server.add_user()
    asked = ask(party, Browser(party.server), idp_hint=name)
    asked = asked.then(elsewhere(asked.browser, asked.response).cancel())
    assert asked.page.id == LOGIN
    assert "You did not continue with" in asked.page.text
    assert asked.log_in(user.username).callback.code


@pytest.mark.parametrize("hint", ["nobody", "", "GOOGLE", "google ", "https://evil.example", "../google", "x" * 3000])
def test_a_hint_that_fits_nothing_is_passed_over(party: RelyingParty, hint: str) -> None:
    assert ask(party, Browser(party.server), idp_hint=hint).page.id == LOGIN


def test_a_hint_to_a_provider_that_may_not_answer_is_passed_over(server: ServerUnderTest, party: RelyingParty) -> None:
    assert ask(party, Browser(server), idp_hint="google", prompt="login").page.id == LOGIN
    assert ask(party, Browser(server), idp_hint="google", claims=essential_acr("aal1")).page.id == LOGIN
    limited = first_party(server, upstreams=("github",))
    assert ask(limited, Browser(server), idp_hint="google").page.id == LOGIN


def test_a_hint_does_not_disturb_somebody_who_is_signed_in(party: RelyingParty) -> None:
    browser = signed_in(party.server, party.server.add_user().username)
    assert ask(party, browser, idp_hint="google").callback.code
    assert ask(party, Browser(party.server), idp_hint="google", prompt="none").callback.error == "login_required"


# --- Clients that are for some providers only ------------------------------------------------------------------------


@pytest.fixture(scope="module")
def limited(server: ServerUnderTest) -> RelyingParty:
    return first_party(server, upstreams=("google",))


@pytest.mark.asvs("6.8.4")
def test_a_client_for_one_provider_offers_it_alone_and_refuses_the_others(limited: RelyingParty) -> None:
    asked = ask(limited, Browser(limited.server))
    assert offered(asked.page) == {"google"}
    for name in sorted(CONNECTIONS.keys() - {"google"}):
        check_forced(asked, name)
    assert asked.then(press(asked.page, "google").choose(somebody("google"))).callback.code


@pytest.mark.parametrize("name", sorted(CONNECTIONS.keys() - {"google"}))
@pytest.mark.asvs("6.8.4")
def test_a_session_made_over_another_provider_asks_for_a_new_sign_in(
    party: RelyingParty, limited: RelyingParty, name: str
) -> None:
    browser = Browser(party.server)
    assert sign_in_with(party, browser, name, somebody(name)).callback.code
    assert ask(limited, browser, prompt="none").callback.error == "login_required"
    asked = ask(limited, browser)
    assert asked.page.id == LOGIN
    assert asked.then(press(asked.page, "google").choose(somebody("google"))).callback.code


def test_a_session_made_over_the_right_provider_or_by_password_serves(
    party: RelyingParty, limited: RelyingParty
) -> None:
    browser = Browser(party.server)
    assert sign_in_with(party, browser, "google", somebody("google")).callback.code
    assert ask(limited, browser).callback.code
    assert ask(limited, signed_in(party.server, party.server.add_user().username)).callback.code


def test_a_sign_in_begun_for_one_client_does_not_end_at_a_limited_one(
    party: RelyingParty, limited: RelyingParty
) -> None:
    """The way over a provider that the client does not take, with the `interaction` of the limited client put in."""
    browser = Browser(party.server)
    theirs, free = ask(limited, browser), ask(party, browser)
    _, fields = theirs.page.fields("cancel")
    free_url, free_fields = free.page.fields("continue-with-discord")
    swapped = free_fields | {"interaction": fields["interaction"]}
    answer = Page(browser, browser.follow(browser.post(free_url, data=swapped)))
    assert (answer.status, answer.id) == (403, "trouble-page")


# --- Accounts: sign-up, tokens, disabled people, user names ----------------------------------------------------------


@contextmanager
def own_server(tmp_path: Path, keys: Path, **changes: str) -> Iterator[ServerUnderTest]:
    with sandboxed_timed_server(tmp_path, keys_from=keys, **changes) as (server, _):
        yield server


def test_with_sign_up_closed_for_a_connection_nobody_new_gets_an_account(
    server: ServerUnderTest, party: RelyingParty
) -> None:
    person = somebody("google")
    asked = sign_in_with(party, Browser(server), "google-closed", person)
    assert (asked.page.status, asked.page.id) == (403, "trouble-page")
    assert "There is no account for you here yet" in asked.page.text
    assert "idp_session" not in asked.browser.http.cookies
    assert users_of(server, "google-closed", person) == []
    assert server.store.users.find_by_email(person.email) is None
    assert sign_in_with(party, Browser(server), "google", person).callback.code, "the other connection is open"


def test_with_sign_up_closed_people_who_have_an_account_link_and_come_in(
    server: ServerUnderTest, party: RelyingParty
) -> None:
    user = server.add_user()
    person = somebody("google", email=user.email)
    asked = sign_in_with(party, Browser(server), "google-closed", person)
    assert asked.page.id == "conflict-page"
    asked = follow_link(asked, "way-password").log_in(user.username)
    assert asked.then(asked.page.submit("link")).callback.code
    assert claims_after(sign_in_with(party, Browser(server), "google-closed", person))["sub"] == user.id


def test_with_sign_up_closed_for_all_a_connection_may_open_it_for_its_own(tmp_path: Path, signing_keys: Path) -> None:
    with own_server(tmp_path, signing_keys, sign_up="closed", upstream_github_sign_up="open") as server:
        party = first_party(server)
        for name in CONNECTIONS:
            person = somebody(name)
            asked = sign_in_with(party, Browser(server), name, person)
            if name == "github":
                assert asked.callback.code
            else:
                assert (asked.page.status, asked.page.id) == (403, "trouble-page")
                assert users_of(server, name, person) == []


def stored_tokens(server: ServerUnderTest, connection: str, subject: str) -> Any:
    with server.store.database.reading() as reading:
        query = select(identities.c.tokens).where(identities.c.upstream == connection, identities.c.subject == subject)
        return reading.execute(query).scalar_one()


@every_connection
def test_a_providers_tokens_are_not_kept(party: RelyingParty, name: str) -> None:
    person = somebody(name)
    for _ in range(2):
        assert sign_in_with(party, Browser(party.server), name, person).callback.code
        assert stored_tokens(party.server, name, person.sub) is None


@every_connection
def test_tokens_that_are_to_be_kept_are_encrypted(federation: Federation, party: RelyingParty, name: str) -> None:
    server, person, connection = party.server, somebody(name), f"{name}-kept"
    box = SecretBox(server.settings.secret_key)
    seen = []
    for _ in range(2):
        assert sign_in_with(party, Browser(server), connection, person).callback.code
        sealed = stored_tokens(server, connection, person.sub)
        tokens = json.loads(box.decrypt(sealed, purpose=TOKENS_PURPOSE))
        assert tokens["access_token"] in federation.secrets()
        assert tokens.keys() <= {"access_token", "refresh_token", "expires_at", "scope"}
        assert tokens["access_token"] not in sealed
        seen.append(tokens["access_token"])
    assert seen[0] != seen[1], "those of the latest sign-in"
    with pytest.raises(DecryptionFailed):
        SecretBox("another secret key").decrypt(sealed, purpose=TOKENS_PURPOSE)
    with pytest.raises(DecryptionFailed):
        box.decrypt(sealed, purpose="upstream state")


@every_connection
def test_tokens_wait_encrypted_while_the_person_decides_and_are_kept_with_the_link(
    party: RelyingParty, name: str
) -> None:
    server, user, connection = party.server, party.server.add_user(), f"{name}-kept"
    person = somebody(name, email=user.email)
    asked = sign_in_with(party, Browser(server), connection, person)
    asked = follow_link(asked, "way-password").log_in(user.username)
    assert asked.then(asked.page.submit("link")).callback.code
    sealed = stored_tokens(server, connection, person.sub)
    assert "access_token" in SecretBox(server.settings.secret_key).decrypt(sealed, purpose=TOKENS_PURPOSE)


@every_connection
def test_a_disabled_person_is_turned_away(party: RelyingParty, name: str) -> None:
    server, person = party.server, somebody(name)
    assert sign_in_with(party, Browser(server), name, person).callback.code
    (user,) = users_of(server, name, person)
    server.store.users.set_disabled(user.id, True, now=server.now)
    asked = sign_in_with(party, Browser(server), name, person)
    assert (asked.page.status, asked.page.id) == (403, "trouble-page")
    assert "This account is disabled" in asked.page.text
    assert "idp_session" not in asked.browser.http.cookies
    server.store.users.set_disabled(user.id, False, now=server.now)
    assert sign_in_with(party, Browser(server), name, person).callback.code


def test_the_address_of_a_disabled_account_makes_no_second_account(party: RelyingParty) -> None:
    server, user = party.server, party.server.add_user()
    server.store.users.set_disabled(user.id, True, now=server.now)
    person = somebody("google", email=user.email)
    asked = sign_in_with(party, Browser(server), "google", person)
    assert (asked.page.status, asked.page.id) == (409, "conflict-page")
    assert asked.page.soup.find(id="link-account") is None
    assert asked.page.soup.find(id="start-new") is None
    assert users_of(server, "google", person) == []


@pytest.mark.parametrize(
    ("name", "pattern"),
    [
        ("Zoë Ångström", r"ZoeAngstrom\d{0,4}"),
        ("李小龍", r"user\d{4}"),
        ("Владимир Путник", r"user\d{4}"),
        ("محمد علي", r"user\d{4}"),
        ("Al", r"Al\d{4}"),
        ("Bartholomew Featherstonehaugh", r"BartholomewFeat|Bartholomew|BartholomewF?\d{4}"),
        ("😀😀😀😀", r"user\d{4}"),
        ("O'Brien-Ng 3rd", r"OBrienNg3rd\d{0,4}"),
    ],
)
def test_a_user_name_is_made_of_the_letters_and_digits_of_a_name(party: RelyingParty, name: str, pattern: str) -> None:
    person = somebody("google", name=name)
    assert sign_in_with(party, Browser(party.server), "google", person).callback.code
    (user,) = users_of(party.server, "google", person)
    assert re.fullmatch(r"[A-Za-z0-9]{4,15}", user.username)
    assert re.fullmatch(pattern, user.username)
    assert user.claims["name"] == name


def test_two_people_of_one_name_get_two_user_names(party: RelyingParty) -> None:
    people = [somebody("google", name="Joséphine Collision") for _ in range(4)]
    for person in people:
        assert sign_in_with(party, Browser(party.server), "google", person).callback.code
    names = {users_of(party.server, "google", person)[0].username for person in people}
    assert len(names) == 4
    assert all(re.fullmatch(r"[A-Za-z0-9]{4,15}", name) for name in names)


# --- Without a client ------------------------------------------------------------------------------------------------


@every_connection
def test_somebody_may_sign_in_without_any_client(server: ServerUnderTest, name: str) -> None:
    browser = Browser(server)
    there = press(browser.open("/login"), name)
    home = browser.page(there.choose(somebody(name)))
    assert home.response.url == f"{server.issuer}/"
    assert home.soup.find(id="open-account") is not None
