"""The page on which a person is chosen, the same for every stand-in."""

import re
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs

import pytest
import requests

from idp.sandbox.connections import KINDS
from tests.sandbox.conftest import MakeVisitor
from tests.sandbox.visitor import AUTHORIZE, CALLBACK, Visitor, asked_of

if TYPE_CHECKING:
    from tests.support.chromium import Pages

every_kind = pytest.mark.parametrize("kind", KINDS)


def page_of(visitor: Visitor, **asked: str | None) -> str:
    answer = requests.get(visitor.url(**asked), timeout=30)
    assert answer.status_code == 200
    return answer.text


def people_on(page: str) -> list[str]:
    return re.findall(r'name="person" value="([^"]+)" id="person-\1"', page)


@every_kind
def test_the_page_says_that_it_is_a_stand_in_and_offers_people(visitor: MakeVisitor, kind: str) -> None:
    page = page_of(visitor(kind))
    label = {"github": "GitHub", "oidc": "Acme"}.get(kind, kind.title())
    assert f"A stand-in for <strong>{label}</strong>. Nothing leaves this machine." in page
    assert '<div id="sandbox-page"' in page
    assert people_on(page)[:4] == ["new", "known", "no-email", "unverified"]
    assert ("person-relay" in page) == (kind == "apple")
    assert 'id="cancel"' in page
    assert ('value="bad_signature"' in page) == (kind in ("google", "apple", "microsoft", "oidc"))
    assert ('value="wrong_iss_parameter"' in page) == (kind in ("google", "github", "oidc"))


def test_the_page_tells_what_was_asked_and_shows_whom_the_application_expects(visitor: MakeVisitor) -> None:
    asked = {"login_hint": "ada@example.com", "prompt": "login", "max_age": "60", "hl": "fr", "ui_locales": "fr en"}
    page = page_of(visitor("google"), **asked)
    assert asked_of(page).items() >= asked.items()
    assert '<input id="login-hint" value="ada@example.com" readonly>' in page
    for name, value in asked.items():
        assert f'<tr><th scope="row">{name}</th><td>{value}</td></tr>' in page


def test_what_was_asked_cannot_break_out_of_the_page(visitor: MakeVisitor) -> None:
    evil = "</script><script>alert(1)</script>\"'><img src=x>"
    page = page_of(visitor("oidc"), login_hint=evil, state=evil)
    assert "<script>alert" not in page
    assert "<img" not in page
    assert asked_of(page)["state"] == evil


def test_the_page_lets_the_browser_load_nothing_from_elsewhere(visitor: MakeVisitor) -> None:
    answer = requests.get(visitor("google").url(), timeout=30)
    assert answer.headers["Content-Security-Policy"].startswith(
        "default-src 'none'; style-src 'self'; script-src 'self'"
    )
    assert answer.headers["Cache-Control"] == "no-store"
    for path in re.findall(r'(?:href|src)="(/[^"]+)"', answer.text):
        assert requests.get(visitor("google").origin + path, timeout=30).status_code == 200


@every_kind
@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        pytest.param({"client_id": "somebody-else"}, "client_id", id="unknown application"),
        pytest.param({"client_id": None}, "client_id", id="no application"),
        pytest.param({"redirect_uri": "https://evil.example/"}, "redirect_uri", id="redirect_uri elsewhere"),
        pytest.param({"redirect_uri": "http://localhost.evil.example/"}, "redirect_uri", id="redirect_uri look-alike"),
        pytest.param({"redirect_uri": "http://192.168.0.1/"}, "redirect_uri", id="redirect_uri in the network"),
        pytest.param({"redirect_uri": "javascript:alert(1)"}, "redirect_uri", id="redirect_uri of another scheme"),
        pytest.param({"redirect_uri": None}, "redirect_uri", id="no redirect_uri"),
        pytest.param({"response_type": "token"}, "response_type", id="implicit flow"),
        pytest.param({"code_challenge_method": "S512"}, "code_challenge_method", id="unknown PKCE method"),
    ],
)
def test_a_request_that_cannot_be_trusted_is_refused_on_a_page(
    visitor: MakeVisitor, kind: str, changed: dict[str, str | None], reason: str
) -> None:
    for answer in (
        requests.get(visitor(kind).url(**changed), timeout=30),
        visitor(kind).post("new", asked=changed),
    ):
        assert answer.status_code == 400
        assert f"{reason}" in re.findall(r'<p id="reason">(.*?)</p>', answer.text)[0]
        assert "Location" not in answer.headers


@pytest.mark.parametrize("host", ["localhost:8000", "127.0.0.1:8000", "[::1]:8000", "app.localhost"])
def test_every_address_of_this_machine_may_be_the_redirect_uri(visitor: MakeVisitor, host: str) -> None:
    answer = visitor("google").post("new", asked={"redirect_uri": f"http://{host}/back?kept=1"})
    assert answer.status_code == 303
    assert answer.headers["Location"].startswith(f"http://{host}/back?kept=1&code=")


@every_kind
def test_state_comes_back_as_it_was_and_not_at_all_when_there_was_none(visitor: MakeVisitor, kind: str) -> None:
    assert visitor(kind).choose(asked={"state": "a b&c=d"})["state"] == "a b&c=d"
    assert "state" not in visitor(kind).choose(asked={"state": None})


REFUSALS = {
    "google": {"error": "access_denied", "iss": "https://accounts.google.com"},
    "facebook": {
        "error": "access_denied",
        "error_code": "200",
        "error_description": "Permissions error",
        "error_reason": "user_denied",
    },
    "discord": {
        "error": "access_denied",
        "error_description": "The resource owner or authorization server denied the request",
    },
    "apple": {"error": "user_cancelled_authorize"},
    "github": {
        "error": "access_denied",
        "error_description": "The user has denied your application access.",
        "iss": "https://github.com/login/oauth",
    },
    "microsoft": {"error": "access_denied", "error_subcode": "cancel"},
    "oidc": {"error": "access_denied"},
}


@every_kind
@pytest.mark.parametrize("form", [{"cancel": "yes"}, {"person": "cancel"}, {"person": "new", "fault": "denied"}])
def test_somebody_who_refuses_is_told_in_the_providers_own_way(
    visitor: MakeVisitor, kind: str, form: dict[str, Any]
) -> None:
    visit = visitor(kind)
    back = visit.choose(**{"person": "", **form})
    assert back.items() >= REFUSALS[kind].items()
    assert back["state"] == visit.state
    assert "code" not in back


@every_kind
def test_a_new_person_is_another_one_every_time_and_is_offered_again_afterwards(
    visitor: MakeVisitor, kind: str
) -> None:
    before = set(people_on(page_of(visitor(kind))))
    visitor(kind).choose("new")
    visitor(kind).choose("new")
    after = [person for person in people_on(page_of(visitor(kind))) if person not in before]
    assert len(after) == 2
    assert "code" in visitor(kind).choose(after[0])


def test_the_person_called_known_is_listed_once(visitor: MakeVisitor) -> None:
    visitor("discord").choose("known")
    page = page_of(visitor("discord"))
    assert page.count("Kim Known") == 1
    assert page.count("demo@example.com") == 1


@pytest.mark.parametrize(
    "form",
    [
        pytest.param({"person": "nobody"}, id="unknown person"),
        pytest.param({"person": "relay"}, id="a person of Apple's"),
        pytest.param({"person": "new", "fault": "earthquake"}, id="unknown fault"),
        pytest.param({"person": "new", "fault": "bad_signature"}, id="a fault of id_tokens"),
        pytest.param({"person": "new", "fault_at": "keys"}, id="unknown place"),
        pytest.param({"person": "new", "claims": "[1]"}, id="claims that are no object"),
    ],
)
def test_what_is_not_on_the_page_cannot_be_posted(visitor: MakeVisitor, form: dict[str, str]) -> None:
    assert visitor("github").post(**form).status_code == 400  # type: ignore[arg-type]


def test_a_person_of_ones_own_has_what_was_filled_in_and_keeps_it(visitor: MakeVisitor) -> None:
    own = {"sub": "own-1", "email": "own@example.org", "name": "Own Person", "email_verified": "false"}
    visit = visitor("oidc")
    first = visit.profile(visit.tokens("new", **own)["access_token"]).json()
    assert first["sub"] == "own-1"
    assert (first["email"], first["email_verified"], first["name"]) == ("own@example.org", False, "Own Person")
    again = visit.profile(visit.tokens("own-1", name="Renamed")["access_token"]).json()
    assert (again["sub"], again["email"], again["name"]) == ("own-1", "own@example.org", "Renamed")
    by_sub = visit.profile(visit.tokens("new", sub="own-1")["access_token"]).json()
    assert by_sub == again, "the same sub is the same person"


@pytest.mark.parametrize(
    ("person", "form", "verified"),
    [
        ("new", {"email": "a@example.org"}, True),
        ("unverified", {"email": "a@example.org", "sub": "u1"}, False),
        ("unverified", {"email_verified": "true", "sub": "u2"}, True),
        ("no-email", {"email": "a@example.org", "sub": "u3"}, True),
    ],
)
def test_an_address_of_ones_own_is_as_verified_as_the_person_was(
    visitor: MakeVisitor, person: str, form: dict[str, str], verified: bool
) -> None:
    visit = visitor("oidc")
    assert visit.profile(visit.tokens(person, **form)["access_token"]).json()["email_verified"] is verified


def test_the_profile_can_be_given_further_members(visitor: MakeVisitor) -> None:
    visit = visitor("oidc")
    token = visit.tokens("new", profile='{"sub": "somebody-else", "locale": "fr"}')["access_token"]
    body = visit.profile(token).json()
    assert (body["sub"], body["locale"]) == ("somebody-else", "fr")


@pytest.mark.parametrize("javascript", [True, False], ids=["with JavaScript", "without JavaScript"])
def test_a_browser_brings_apples_answer_back_by_post(
    visitor: MakeVisitor, browser_page: "Pages", javascript: bool
) -> None:
    posted: list[dict[str, list[str]]] = []

    class Callback(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            length = int(self.headers["Content-Length"])
            posted.append(parse_qs(self.rfile.read(length).decode()))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Callback) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        visit = visitor("apple")
        page = browser_page(javascript=javascript)
        page.goto(visit.url(redirect_uri=f"http://localhost:{server.server_port}/callback"))
        page.click("#person-new")
        if not javascript:
            page.click("#continue")
        page.wait_for_url("**/callback")
        server.shutdown()
    assert posted[0]["state"] == [visit.state]
    assert {"code", "user"} <= posted[0].keys()


def test_a_browser_chooses_a_person_and_nothing_is_refused_by_the_policy(
    visitor: MakeVisitor, browser_page: "Pages"
) -> None:
    messages: list[str] = []
    page = browser_page()
    page.on("console", lambda message: messages.append(message.text))
    page.goto(visitor("google").url(login_hint="ada@example.com"))
    assert page.locator("main #sandbox-page").count() == 1
    assert page.locator("#faults").get_attribute("open") is None
    page.locator("#faults summary").click()
    page.select_option("#fault", "http_500")
    page.select_option("#fault_at", "userinfo")
    with page.expect_request(lambda request: request.url.startswith(CALLBACK)) as leaving:
        page.click("#person-known", no_wait_after=True)
    assert "code=" in leaving.value.url
    assert messages == []


def test_every_stand_in_has_its_original_address_in_its_path() -> None:
    assert set(AUTHORIZE) == set(KINDS)
