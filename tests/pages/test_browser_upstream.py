"""Signing in with other providers in Chromium: from a client's `/authorize` to tokens, over the stand-ins' pages.

The server is at localhost and the stand-ins are at 127.0.0.1, which are different sites for a browser: cookies, forms
and redirects between the two meet the rules that they will meet between a deployment and a provider. Every page of
every test is watched: nothing may be refused by the security policy, and no script may fail.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit

import pytest
from playwright.sync_api import Page, Request, expect
from sqlalchemy import update

from idp.store.tables import sessions
from tests.deployment.test_caddy import CADDYFILE
from tests.pages.visits import ClientSite, client_site, complaints_of, sign_in, width
from tests.support.chromium import DESKTOP, Pages
from tests.support.idp_server import ServerUnderTest, running_server
from tests.support.machine import ProgramMissing, find_free_port
from tests.support.relying_party import RelyingParty, claims_of
from tests.support.services import Bench
from tests.support.upstream import Person, open_sandbox, sandboxed_server, somebody, users_of

EXPECTED = re.compile(r"the server responded with a status of (400|403|405|409|502|503)")  # pages that say why not
SCRIPTS = [pytest.param(True, id="with JavaScript"), pytest.param(False, id="without JavaScript")]
SCREENS = [
    pytest.param({"viewport": (360, 740), "colour_scheme": "dark", "locale": "fr-FR"}, id="phone, dark, French"),
    pytest.param({"viewport": DESKTOP, "javascript": False}, id="desktop, without JavaScript"),
]
both_ways = pytest.mark.parametrize("javascript", SCRIPTS)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, signing_keys: Path) -> Iterator[ServerUnderTest]:
    """gunicorn with two worker processes, and every provider as a stand-in."""
    with sandboxed_server(tmp_path_factory.mktemp("upstream"), keys_from=signing_keys) as (running, _):
        yield running


@pytest.fixture(scope="module")
def site() -> Iterator[ClientSite]:
    with client_site() as running:
        yield running


@pytest.fixture
def open_page(browser_page: Pages) -> Iterator["Watched"]:
    watched = Watched(browser_page)
    yield watched
    assert watched.complaints == []


class Watched:
    """Makes pages, and hears what the console and the scripts of each say, those of further tabs too."""

    def __init__(self, pages: Pages) -> None:
        self._pages = pages
        self._said: list[list[str]] = []

    def __call__(self, **options: Any) -> Page:
        page = self._pages(**options)
        self._said.append(complaints_of(page))
        page.context.on("page", lambda tab: self._said.append(complaints_of(tab)))
        return page

    @property
    def complaints(self) -> list[str]:
        return [line for said in self._said for line in said if not EXPECTED.search(line)]


@dataclass
class Asked:
    """A request of a client, and what came of it."""

    party: RelyingParty
    site: ClientSite
    params: dict[str, str]
    verifier: str

    @property
    def url(self) -> str:
        return f"{self.party.server.url('/authorize')}?{urlencode(self.params)}"

    @property
    def answers(self) -> list[dict[str, str]]:
        return [params for _, _, params in self.site.received if params.get("state") == self.params["state"]]

    def claims(self, page: Page) -> dict[str, Any]:
        """The browser is back at the client, which redeems its code: the claims of the ID token."""
        expect(page.locator("h1")).to_have_text("Back at the client")
        (answer,) = self.answers
        assert "code" in answer, answer
        form = {
            "grant_type": "authorization_code",
            "code": answer["code"],
            "redirect_uri": self.site.callback,
            "code_verifier": self.verifier,
        }
        response = self.party.post("/token", form)
        assert response.status_code == 200, response.text
        return claims_of(response.json()["id_token"])


@dataclass
class Application:
    """A client with a web site of its own."""

    party: RelyingParty
    site: ClientSite

    def ask(self, page: Page | None = None, **overrides: str | None) -> Asked:
        """Send the person to the server."""
        params, verifier = self.party.request(**{"scope": "openid profile email", **overrides})
        asked = Asked(self.party, self.site, params, verifier)
        if page is not None:
            page.goto(asked.url)
        return asked


@pytest.fixture
def application(server: ServerUnderTest, site: ClientSite) -> Application:
    """One that asks nobody for consent."""
    return make_application(server, site, first_party=True)


def make_application(server: ServerUnderTest, site: ClientSite, **changes: Any) -> Application:
    options = {"client_name": "Holiday Planner", "redirect_uris": (site.callback,), "claims_in_id_token": True}
    return Application(RelyingParty(server, server.add_client(**options | changes)), site)


def press(page: Page, provider: str, prefix: str = "continue-with") -> None:
    """Press a provider's button, and arrive there."""
    page.click(f"#{prefix}-{provider}")
    arrived(page)


def arrived(page: Page) -> None:
    expect(page.locator("#sandbox-page")).to_be_visible()


def choose(page: Page, person: Person | None = None, *, control: str = "new", fault: str = "") -> None:
    """On the provider's page, be this person."""
    arrived(page)
    if fault:
        page.click("#faults summary")
        page.select_option("#fault", fault)
    if person is not None:
        page.click("#own summary")
        page.fill("#sub", person.sub)
        page.fill("#email", person.email)
        page.fill("#name", person.name)
        page.select_option("#email_verified", person.email_verified)
    leave(page, f"person-{control}")


def leave(page: Page, control: str) -> None:
    """Press this on the provider's page, and go on by hand where the answer cannot post itself."""
    is_scripted = bool(page.evaluate("matchMedia('(scripting: enabled)').matches"))
    page.click(f"#{control}")
    expect(page.locator("#person-new")).to_have_count(0)  # nowhere but on the page with the people
    page.wait_for_load_state()  # else there may be no form on the page yet
    if not is_scripted and page.locator("#form-post").count():
        page.click("#continue")


def grow_old(server: ServerUnderTest, user_id: str) -> None:
    """Let the sign-in of this person have been ten minutes ago."""
    change = update(sessions).where(sessions.c.user_id == user_id).values(auth_time=sessions.c.auth_time - 600)
    with server.store.database.writing() as writing:
        writing.execute(change)


def user_id_of(server: ServerUnderTest, provider: str, person: Person) -> str:
    (user,) = users_of(server, provider, person)
    return user.id


# --- There and back --------------------------------------------------------------------------------------------------


@pytest.mark.spec("OpenID Connect Core", "3.1.2.1", "MUST")
@pytest.mark.parametrize("screen", SCREENS)
def test_a_person_from_google_reaches_the_tokens_and_is_known_in_another_browser(
    open_page: Watched, server: ServerUnderTest, site: ClientSite, screen: dict[str, Any]
) -> None:
    application, person, page = make_application(server, site), somebody("google"), open_page(**screen)
    asked = application.ask(page, state=f"s & é {application.party.client.client_id}")
    assert width(page) == screen["viewport"][0]
    press(page, "google")
    assert width(page) == screen["viewport"][0]
    choose(page, person)
    expect(page.locator("#consent-page")).to_contain_text(person.email)
    page.click("#allow")
    claims = asked.claims(page)
    assert (claims["email"], claims["email_verified"], claims["name"]) == (person.email, True, "Grace Hopper")
    another = open_page(**screen)
    asked = application.ask(another)
    press(another, "google")
    choose(another, Person(person.sub, person.email, "Grace Brewster Hopper"))
    again = asked.claims(another)  # the consent is remembered with the person
    assert (again["sub"], again["name"]) == (claims["sub"], "Grace Brewster Hopper")


@both_ways
@pytest.mark.asvs("3.3.2")
def test_the_answer_that_apple_posts_from_its_own_site_reaches_the_browser_it_belongs_to(
    open_page: Watched, server: ServerUnderTest, application: Application, javascript: bool
) -> None:
    page, person = open_page(javascript=javascript), somebody("apple")
    sent: list[Request] = []
    page.context.on("request", lambda request: sent.append(request) if "/upstream/apple/" in request.url else None)
    asked = application.ask(page)
    press(page, "apple")
    assert urlsplit(page.url).hostname != urlsplit(server.issuer).hostname
    choose(page, person)
    assert asked.claims(page)["email"] == person.email
    posted, taken_up = sent
    assert (posted.method, urlsplit(posted.url).path) == ("POST", "/upstream/apple/callback")
    assert posted.all_headers()["sec-fetch-site"] == "cross-site"
    assert "cookie" not in posted.all_headers()
    assert (taken_up.method, "idp_form=" in taken_up.all_headers()["cookie"]) == ("GET", True)
    assert urlsplit(taken_up.url).query == ""


def test_a_client_may_send_people_straight_to_a_provider(open_page: Watched, application: Application) -> None:
    page, person = open_page(javascript=False), somebody("acme")
    asked = application.ask(page, idp_hint="acme")
    choose(page, person)  # no page of ours came before it
    assert asked.claims(page)["email"] == person.email


def test_a_client_may_let_people_choose_an_account_and_go_straight_to_a_provider(
    open_page: Watched, server: ServerUnderTest
) -> None:
    """The form that chooses ends at the provider, whatever the addresses of the client are."""
    party = RelyingParty(server, server.add_client(first_party=True))
    application = Application(party, ClientSite())
    page = open_page()
    page.goto(server.url("/login"))
    sign_in(page, server.add_user().username)
    expect(page.locator("#home-page")).to_be_visible()
    application.ask(page, prompt="select_account", idp_hint="google")
    expect(page.locator("#select-account-page")).to_be_visible()
    page.click("#switch")
    arrived(page)


def test_whoever_is_asked_for_consent_may_be_another_person_and_come_straight_from_the_hinted_provider(
    open_page: Watched, server: ServerUnderTest
) -> None:
    application, page = Application(RelyingParty(server, server.add_client()), ClientSite()), open_page()
    page.goto(server.url("/login"))
    sign_in(page, server.add_user().username)
    expect(page.locator("#home-page")).to_be_visible()
    application.ask(page, idp_hint="google")
    expect(page.locator("#consent-page")).to_be_visible()
    page.click("#switch")
    arrived(page)


# --- An e-mail that is known here ------------------------------------------------------------------------------------


@both_ways
@pytest.mark.asvs("6.8.1")
def test_a_known_address_leads_over_the_password_to_a_link_and_on_to_the_client_and_can_be_unlinked(
    open_page: Watched, server: ServerUnderTest, application: Application, javascript: bool
) -> None:
    page, user = open_page(javascript=javascript), server.add_user()
    person = somebody("google", email=str(user.email))
    asked = application.ask(page)
    press(page, "google")
    choose(page, person)
    expect(page.locator("#conflict-page")).to_contain_text(person.email)
    page.reload()
    expect(page.locator("#conflict-page")).to_contain_text(person.email)
    page.click("#way-password")
    sign_in(page, user.username)
    expect(page.locator("#link-page")).to_contain_text("Google")
    page.reload()
    page.click("#link")
    claims = asked.claims(page)
    assert (claims["sub"], claims["email"]) == (user.id, person.email)
    page.goto(server.url("/account"))
    expect(page.locator("#methods")).to_contain_text("Google")
    page.click("#unlink-google")
    expect(page.locator("#notice")).to_contain_text("Google is not linked any more")
    expect(page.locator("#methods")).not_to_contain_text("Google")
    assert users_of(server, "google", person) == []


def test_a_known_address_leads_over_the_other_provider_where_there_is_no_password(
    open_page: Watched, server: ServerUnderTest, application: Application
) -> None:
    page, known = open_page(javascript=False), somebody("acme")
    application.ask(page, idp_hint="acme")
    choose(page, known)
    expect(page.locator("h1")).to_have_text("Back at the client")
    page.context.clear_cookies()
    arriving = somebody("apple", email=known.email)
    asked = application.ask(page)
    press(page, "apple")
    choose(page, arriving)
    expect(page.locator("#conflict-page")).to_be_visible()
    assert page.locator("#way-password").count() == 0
    press(page, "acme", prefix="way")
    choose(page, known)
    page.click("#link")
    assert asked.claims(page)["sub"] == user_id_of(server, "apple", arriving)
    assert user_id_of(server, "acme", known) == user_id_of(server, "apple", arriving)


def test_whoever_cancels_at_the_question_goes_back_to_the_client(
    open_page: Watched, server: ServerUnderTest, application: Application
) -> None:
    page, user = open_page(), server.add_user()
    asked = application.ask(page)
    press(page, "google")
    choose(page, somebody("google", email=str(user.email)))
    page.click("#cancel")
    expect(page.locator("h1")).to_have_text("Back at the client")
    assert [answer["error"] for answer in asked.answers] == ["access_denied"]


# --- Trouble ---------------------------------------------------------------------------------------------------------


@pytest.mark.spec("RFC 6749", "4.1.2.1", "REQUIRED")
@pytest.mark.parametrize(
    ("provider", "javascript"),
    [
        pytest.param("google", True, id="google"),
        pytest.param("apple", True, id="apple"),
        pytest.param("apple", False, id="apple, without JavaScript"),
    ],
)
def test_whoever_refuses_over_there_is_back_at_the_choice_and_takes_another_provider(
    open_page: Watched, application: Application, provider: str, javascript: bool
) -> None:
    page, person = open_page(javascript=javascript), somebody("github")
    asked = application.ask(page)
    press(page, provider)
    leave(page, "cancel")
    expect(page.locator("#login-page [role=status]")).to_contain_text("You did not continue with")
    page.reload()
    press(page, "github")
    choose(page, person)
    assert asked.claims(page)["email"] == person.email


def test_after_trouble_at_the_provider_trying_again_leads_to_the_client(
    open_page: Watched, application: Application
) -> None:
    page, person = open_page(javascript=False), somebody("acme")
    asked = application.ask(page)
    press(page, "acme")
    choose(page, fault="http_500")
    expect(page.locator("#trouble-page")).to_contain_text("Acme does not answer at the moment")
    page.click("#try-again")
    choose(page, fault="wrong_nonce")
    expect(page.locator("#trouble-page")).to_contain_text("cannot be trusted")
    page.click("#another-way")
    press(page, "acme")
    choose(page, person)
    assert asked.claims(page)["email"] == person.email


# --- The account page ------------------------------------------------------------------------------------------------


@pytest.mark.asvs("7.5.1")
@pytest.mark.parametrize("screen", SCREENS)
def test_another_way_in_is_linked_on_the_account_page_only_after_a_fresh_sign_in(
    open_page: Watched, server: ServerUnderTest, screen: dict[str, Any]
) -> None:
    page, user, person = open_page(**screen), server.add_user(), somebody("apple")
    page.goto(server.url("/account"))
    sign_in(page, user.username)
    expect(page.locator("#account-page")).to_be_visible()
    grow_old(server, user.id)
    page.reload()
    assert page.locator("#offers").count() == 0
    page.click("#sign-in-again")
    sign_in(page, user.username)
    expect(page.locator("#account-page")).to_be_visible()
    press(page, "apple", prefix="link")
    choose(page, person)
    expect(page.locator("#notice")).to_contain_text("Apple")
    assert width(page) == screen["viewport"][0]
    page.reload()
    expect(page.locator("#methods")).to_contain_text("Apple")
    assert user_id_of(server, "apple", person) == user.id


def test_whoever_has_no_password_signs_in_again_with_their_provider_and_is_back_on_the_account_page(
    open_page: Watched, server: ServerUnderTest
) -> None:
    page, person, second = open_page(), somebody("google"), somebody("discord")
    page.goto(server.url("/account"))
    press(page, "google")
    choose(page, person)
    expect(page.locator("#methods")).to_contain_text("only way to sign in")
    grow_old(server, user_id_of(server, "google", person))
    page.reload()
    page.click("#sign-in-again")
    press(page, "google")
    choose(page, person)
    press(page, "discord", prefix="link")
    page.click("#cancel")
    expect(page.locator("#notice")).to_contain_text("nothing was linked")
    press(page, "discord", prefix="link")
    choose(page, second)
    expect(page.locator("#notice")).to_contain_text("Discord is linked")
    page.click("#unlink-google")
    expect(page.locator("#notice")).to_contain_text("Google is not linked any more")
    assert user_id_of(server, "discord", second)


def test_a_known_address_without_a_client_is_linked_on_the_account_page_after_the_sign_in(
    open_page: Watched, server: ServerUnderTest
) -> None:
    page, user = open_page(javascript=False), server.add_user()
    person = somebody("microsoft", email=str(user.email))
    page.goto(server.url("/login"))
    press(page, "microsoft")
    choose(page, person)
    page.click("#way-password")
    sign_in(page, user.username)
    page.click("#link-waiting")
    expect(page.locator("#methods")).to_contain_text("Microsoft")
    assert user_id_of(server, "microsoft", person) == user.id


# --- Back, reload, tabs ----------------------------------------------------------------------------------------------


def test_going_back_to_choose_another_provider_does_no_harm(open_page: Watched, application: Application) -> None:
    page, person = open_page(), somebody("acme")
    asked = application.ask(page)
    press(page, "google")
    page.go_back()
    press(page, "facebook")
    page.reload()
    page.go_back()
    page.go_forward()
    page.go_back()
    press(page, "acme")
    choose(page, person)
    assert asked.claims(page)["email"] == person.email


@pytest.mark.asvs("10.2.1")
def test_going_back_after_the_end_and_choosing_again_signs_nobody_in(
    open_page: Watched, server: ServerUnderTest, application: Application
) -> None:
    page, person, other = open_page(), somebody("google"), somebody("google")
    asked = application.ask(page)
    press(page, "google")
    choose(page, person)
    asked.claims(page)
    page.go_back()
    choose(page, other)
    expect(page.locator("#trouble-page")).to_contain_text("cannot be continued")
    page.reload()
    expect(page.locator("#trouble-page")).to_contain_text("cannot be continued")
    assert len(asked.answers) == 1
    assert users_of(server, "google", other) == []
    page.goto(server.url("/account"))
    expect(page.locator("#person")).to_contain_text(person.email)


def test_the_page_of_trouble_may_be_loaded_anew_and_the_request_goes_on_from_the_page_before(
    open_page: Watched, application: Application
) -> None:
    page, person = open_page(), somebody("google")
    asked = application.ask(page)
    login_url = page.url
    press(page, "google")
    choose(page, fault="http_500")
    expect(page.locator("#try-again")).to_be_visible()
    page.reload()
    expect(page.locator("#trouble-page")).to_contain_text("cannot be continued")
    assert asked.answers == []
    page.goto(login_url)
    press(page, "google")
    choose(page, person)
    assert asked.claims(page)["email"] == person.email


def test_going_back_from_the_question_to_the_provider_and_choosing_again_does_no_harm(
    open_page: Watched, server: ServerUnderTest, application: Application
) -> None:
    page, user = open_page(), server.add_user()
    asked = application.ask(page)
    login_url = page.url
    press(page, "google")
    choose(page, somebody("google", email=str(user.email)))
    expect(page.locator("#conflict-page")).to_be_visible()
    page.go_back()
    choose(page, somebody("google"))
    expect(page.locator("#trouble-page")).to_be_visible()
    assert asked.answers == []
    page.goto(login_url)
    press(page, "google")
    choose(page, person := somebody("google"))
    assert asked.claims(page)["email"] == person.email


def test_going_back_to_the_question_after_the_link_changes_nothing(
    open_page: Watched, server: ServerUnderTest, application: Application
) -> None:
    page, user = open_page(), server.add_user()
    person = somebody("google", email=str(user.email))
    asked = application.ask(page)
    press(page, "google")
    choose(page, person)
    expect(page.locator("#conflict-page")).to_be_visible()
    conflict_url = page.url
    page.click("#way-password")
    sign_in(page, user.username)
    expect(page.locator("#link-page")).to_be_visible()
    link_url = page.url
    page.click("#link")
    asked.claims(page)
    for url in (conflict_url, link_url):
        page.goto(url)
        expect(page.locator("#error-page")).to_be_visible()
    assert len(asked.answers) == 1
    assert user_id_of(server, "google", person) == user.id


@pytest.mark.asvs("10.2.2")
def test_two_tabs_with_two_providers_finish_their_own_requests(open_page: Watched, application: Application) -> None:
    first = open_page(javascript=False)
    second = first.context.new_page()
    one, other = somebody("google"), somebody("apple")
    asked_first, asked_second = application.ask(first), application.ask(second)
    press(first, "google")
    press(second, "apple")
    choose(second, other)
    second_claims = asked_second.claims(second)
    choose(first, one)
    first_claims = asked_first.claims(first)
    assert (first_claims["email"], second_claims["email"]) == (one.email, other.email)
    assert (first_claims["nonce"], second_claims["nonce"]) == (
        asked_first.params["nonce"],
        asked_second.params["nonce"],
    )


def test_a_question_in_one_tab_never_links_to_the_person_of_another_tab(
    open_page: Watched, server: ServerUnderTest
) -> None:
    first, user, somebody_else = open_page(), server.add_user(), server.add_user()
    second = first.context.new_page()
    person = somebody("google", email=str(user.email))
    first.goto(server.url("/login"))
    press(first, "google")
    choose(first, person)
    first.click("#way-password")
    sign_in(first, user.username)
    expect(first.locator("#waiting")).to_be_visible()
    second.goto(server.url("/login?to=account&again=1"))
    sign_in(second, somebody_else.username)
    expect(second.locator("#account-page")).to_be_visible()
    first.click("#link-waiting")
    expect(first.locator("#account-page")).to_contain_text(str(somebody_else.email))
    assert users_of(server, "google", person) == []


# --- What nobody clicked ---------------------------------------------------------------------------------------------


@pytest.mark.asvs("3.5.3")
def test_the_address_behind_a_providers_button_does_nothing_when_it_is_only_looked_at(
    open_page: Watched, application: Application
) -> None:
    page, person = open_page(), somebody("google")
    asked = application.ask(page)
    start = page.locator("form", has=page.locator("#continue-with-google")).get_attribute("action")
    assert start == "/upstream/google"
    interaction = page.url.partition("?")[2]
    for address in (start, f"{start}?{interaction}"):
        url = f"{application.party.server.issuer}{address}"
        for method in ("GET", "HEAD"):
            answer = page.request.fetch(url, method=method, max_redirects=0)
            assert (answer.status, answer.headers.get("location")) == (405, None)
            assert "set-cookie" not in answer.headers
    tab = page.context.new_page()
    tab.goto(f"{application.party.server.issuer}{start}")  # as a link in somebody's mail would
    expect(tab.locator("#error-page")).to_be_visible()
    press(page, "google")
    choose(page, person)
    assert asked.claims(page)["email"] == person.email


# --- https -----------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def https_server(
    bench: Bench, tmp_path_factory: pytest.TempPathFactory, signing_keys: Path
) -> Iterator[ServerUnderTest]:
    """The same behind Caddy, with an https issuer."""
    folder, https_port = tmp_path_factory.mktemp("upstream-https"), find_free_port()
    with open_sandbox(folder / "sandbox") as (_, environment):
        settings = {"issuer": f"https://localhost:{https_port}", "trusted_proxies": "127.0.0.1"}
        with running_server(folder, keys_from=signing_keys, **environment | settings) as running:
            variables = {
                "CADDY_SITE": "localhost",
                "CADDY_UPSTREAM": f"127.0.0.1:{running.settings.port}",
                "CADDY_HTTP_PORT": str(find_free_port()),
                "CADDY_HTTPS_PORT": str(https_port),
            }
            try:
                with (
                    bench.caddy(CADDYFILE, port=https_port, environment=variables) as caddy,
                    pytest.MonkeyPatch.context() as patch,
                ):
                    patch.setenv("REQUESTS_CA_BUNDLE", str(caddy.root_certificate))
                    yield running
            except ProgramMissing as missing:
                pytest.skip(str(missing))


@pytest.mark.asvs("3.3.1", "3.3.3")
@pytest.mark.parametrize(
    ("provider", "javascript"),
    [
        pytest.param("google", True, id="google"),
        pytest.param("apple", True, id="apple"),
        pytest.param("apple", False, id="apple, without JavaScript"),
    ],
)
def test_over_https_the_cookies_are_bound_to_the_host_and_find_their_way_back(
    open_page: Watched, https_server: ServerUnderTest, site: ClientSite, provider: str, javascript: bool
) -> None:
    application, person = make_application(https_server, site, first_party=True), somebody(provider)
    page = open_page(javascript=javascript, ignore_https_errors=True)
    asked = application.ask(page)
    press(page, provider)
    choose(page, person)
    assert asked.claims(page)["email"] == person.email
    cookies = {cookie["name"]: cookie for cookie in page.context.cookies(https_server.issuer)}
    assert cookies.keys() == {"__Host-idp_form", "__Host-idp_session", "__Host-idp_device"}
    assert all(each["secure"] and each["httpOnly"] and each["sameSite"] == "Lax" for each in cookies.values())
