"""Odd requests at the pages of sign-in with other providers: no fault of ours, no way out to elsewhere, no markup of
strangers, and nothing secret in the log."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, quote, urlsplit

import pytest
import requests
from bs4 import BeautifulSoup

from idp.sandbox.servers import Sandbox
from tests.attacks.raw import exchange, request_bytes
from tests.concurrency.conftest import check_no_fault
from tests.support.authorize import ask, signed_in
from tests.support.forger import check_nobody
from tests.support.idp_server import ServerUnderTest, timed_server
from tests.support.machine import find_free_port
from tests.support.relying_party import Browser
from tests.support.upstream import (
    CONNECTIONS,
    first_party,
    open_sandbox,
    press,
    sandboxed_server,
    somebody,
)

EVIL = "https://evil.example/"
PATHS = (
    "/upstream/google",
    "/upstream/google/callback",
    "/upstream/apple/callback",
    "/upstream/google/posted/x",
    "/upstream/nobody",
    "/upstream/nobody/callback",
    "/upstream/nobody/posted/x",
    "/upstream/",
    "/upstream/../account",
    "/upstream/%2e%2e/account",
    "/upstream/google%00/callback",
    "/upstream/%ff%fe/callback",
    "/upstream/google/callback/",
    "/conflict",
    "/link",
    "/account",
    "/account/unlink",
)
MARKUP = '"><script>alert(document.domain)</script><img src=x onerror=alert(1)>'
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "PROPFIND", "get")
QUERIES = (
    "",
    "state=a&state=b&code=c&code=d",
    "state=" + "x" * 3000 + "&code=" + "y" * 1000,
    "state=%ff%fe&code=%ed%a0%80",
    "state=%00&code=%00&iss=%00&error=%00",
    "state=a%0d%0aSet-Cookie:%20evil=1&error=b%0d%0aLocation:%20https://evil.example/",
    f"error={quote(MARKUP)}&error_description={quote(MARKUP)}&error_uri=javascript:alert(1)&state=x",
    f"to={quote(EVIL)}&interaction={quote(EVIL)}&pending={quote(EVIL)}&next={quote(EVIL)}&redirect_uri={quote(EVIL)}",
    "linked[]=google&linked=%ff&unlinked=" + quote(MARKUP) + "&declined=" + quote(EVIL),
    "&".join(f"p{number}=1" for number in range(300)),
    "interaction=%F0%9F%98%80&pending=%E2%80%AE&to=account&to=https://evil.example",
    "%%%&=&;&&=x",
)


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory, signing_keys: Path) -> Iterator[tuple[ServerUnderTest, Sandbox]]:
    """Two worker processes; at the end the log must hold no fault."""
    folder = tmp_path_factory.mktemp("requests")
    with sandboxed_server(folder, keys_from=signing_keys) as (running, sandbox):
        yield running, sandbox
        check_no_fault(running)


@pytest.fixture(scope="module")
def server(served: tuple[ServerUnderTest, Sandbox]) -> ServerUnderTest:
    return served[0]


def check_harmless(response: requests.Response, server: ServerUnderTest) -> None:
    """No fault, no stack trace, no markup that was sent, and no redirect to anywhere else."""
    assert response.status_code < 500 or response.status_code in {502, 503}, response.text[:300]
    assert "error-page" not in response.text or response.status_code < 500
    assert "Traceback" not in response.text
    assert "<script>alert" not in response.text
    assert "onerror=alert(1)>" not in response.text
    assert "evil" not in response.headers.get("Set-Cookie", "")
    location = response.headers.get("Location", "")
    assert "evil" not in urlsplit(location).netloc
    assert location.startswith("/") or location == "" or location.startswith((server.issuer + "/", "http://127.0.0.1:"))
    assert not location.startswith(("//", "/\\"))


# --- Anything at all


@pytest.mark.asvs("16.5.1")
@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("signed", [False, True])
def test_no_query_at_these_addresses_is_a_fault_or_a_way_out(server: ServerUnderTest, path: str, signed: bool) -> None:
    browser = signed_in(server, server.add_user().username) if signed else Browser(server)
    for query in QUERIES:
        for method in ("GET", "POST"):
            answer = browser.http.request(method, f"{server.issuer}{path}?{query}", allow_redirects=False, timeout=15)
            check_harmless(answer, server)


@pytest.mark.asvs("16.5.1")
@pytest.mark.parametrize("path", PATHS)
def test_no_method_or_body_at_these_addresses_is_a_fault(server: ServerUnderTest, path: str) -> None:
    browser = signed_in(server, server.add_user().username)
    for method in METHODS:
        answer = browser.http.request(method, server.issuer + path, allow_redirects=False, timeout=15)
        check_harmless(answer, server)
    bodies: tuple[tuple[str, bytes], ...] = (
        ("application/x-www-form-urlencoded", b"state=a&state=b"),
        ("application/x-www-form-urlencoded", b"state=%ff&code=\xff\xfe"),
        ("application/x-www-form-urlencoded", b"state=" + b"x" * 8192),
        ("application/x-www-form-urlencoded", b"&".join(b"p%d=1" % number for number in range(1000))),
        ("application/x-www-form-urlencoded; charset=utf-7", b"state=+AGE-"),
        ("application/json", b'{"state": "a", "code": {"$ne": null}}'),
        ("multipart/form-data; boundary=x", b"--x\r\nContent-Disposition: form-data; name=state\r\n\r\na\r\n--x--"),
        ("multipart/form-data", b"no boundary"),
        ("text/plain", b"state=a"),
        ("", b"state=a"),
    )
    for kind, body in bodies:
        answer = browser.post(path, data=body, headers={"Content-Type": kind})
        check_harmless(answer, server)
        assert answer.status_code in {303, 400, 404, 405, 413, 415}, (kind, answer.status_code)


@pytest.mark.parametrize(
    "query",
    [
        "state={state}&state=x&code=y",
        "state={state}&code=y&code=z",
        "state={state}&code=%ff",
        "state={state}&code=y&iss=a&iss=b",
    ],
)
def test_an_answer_with_a_parameter_twice_or_broken_is_refused_and_uses_nothing_up(
    server: ServerUnderTest, query: str
) -> None:
    asked = ask(first_party(server), Browser(server))
    back = press(asked.page, "google").leave({"person": "new", **somebody("google").fields})
    url = back.url.partition("?")[0]
    check_nobody(asked.browser, asked.browser.get(f"{url}?{query.format(state=back.params['state'])}"), 400)
    assert asked.then(back.go(asked.browser)).callback.code


@pytest.mark.parametrize("code", ["x" * 3000, "a b&c=d+%", "\x00", "é€😀", "\r\nX: y", "'; DROP TABLE users; --"])
@pytest.mark.parametrize("name", ["google", "facebook", "github", "acme"])
def test_a_code_of_any_kind_is_at_most_refused(server: ServerUnderTest, name: str, code: str) -> None:
    asked = ask(first_party(server), Browser(server))
    away = press(asked.page, name)
    params = {"state": away.asked["state"], "code": code}
    if name == "acme":
        params["iss"] = away.leave({"cancel": "1"}).params["iss"]
    check_nobody(asked.browser, asked.browser.get(away.asked["redirect_uri"], params=params), 400, 502)


@pytest.mark.asvs("16.5.1")
def test_lines_smuggled_into_a_path_or_a_host_split_no_answer(server: ServerUnderTest) -> None:
    for target in ("/upstream/google%0d%0aX-Evil:%201", "/upstream/google/callback?state=%0d%0aX-Evil:%201&error=x"):
        answer = exchange(server, request_bytes("GET", target))
        assert answer.status < 500
        assert answer.header("X-Evil") is None


# --- Ways out


@pytest.mark.asvs("3.7.2")
@pytest.mark.parametrize(
    "to",
    [
        EVIL,
        "//evil.example",
        "/\\evil.example",
        "https:evil.example",
        "javascript:alert(1)",
        "account@evil.example",
        "account/../..//evil.example",
        "ACCOUNT",
        "account\r\nX: y",
    ],
)
def test_a_sign_in_without_a_client_leads_home_or_to_the_account(server: ServerUnderTest, to: str) -> None:
    browser = Browser(server)
    page = browser.open(f"/login?to={quote(to)}")
    away = browser.http.get(
        page.submit("continue-with-google", to=to).headers["Location"], timeout=15, allow_redirects=False
    )
    form = {"person": "new", **somebody("google").fields}
    back = browser.http.post(away.url, data=form, timeout=15, allow_redirects=False).headers["Location"]
    assert browser.get(back).headers["Location"] in {"/", "/account"}
    assert browser.get(f"/login?to={quote(to)}&again=1").headers.get("Location", "/") in {"/", "/account"}


@pytest.mark.asvs("3.7.2")
def test_an_error_at_the_provider_is_not_repeated_on_our_page(server: ServerUnderTest) -> None:
    for error in ("access_denied", "server_error", MARKUP, "x" * 3000, "invalid_scope", ""):
        asked = ask(first_party(server), Browser(server))
        away = press(asked.page, "google")
        params = {"state": away.asked["state"], "error": error, "error_description": MARKUP, "error_uri": EVIL}
        answer = asked.browser.get(away.asked["redirect_uri"], params=params)
        page = asked.browser.page(answer)
        check_harmless(page.response, server)
        assert page.id in {"trouble-page", "login-page"}
        for text in ("alert(", "evil.example", "x" * 70):
            assert text not in page.response.text
        assert asked.log_in(server.add_user().username).callback.code if page.id == "login-page" else True


@pytest.mark.parametrize("user", [MARKUP, "[" * 3000, '{"name": 5}', '{"name": {"firstName": "<b>"}}', "{}", "null"])
def test_what_apple_posts_of_the_person_is_never_markup_nor_a_fault(server: ServerUnderTest, user: str) -> None:
    person = somebody("apple")
    asked = ask(first_party(server), Browser(server))
    back = press(asked.page, "apple").leave({"person": "new", **person.fields})
    assert back.form is not None
    answer = asked.browser.post(back.url, data=back.form | {"user": user})
    assert asked.then(answer).callback.code
    page = asked.browser.open("/account")
    check_harmless(page.response, server)
    assert not page.soup.select("main b, main script")


PICTURES = (
    "javascript:alert(1)",
    "data:text/html,<script>alert(1)</script>",
    "http://evil.example/p.png",
    "//evil.example/p.png",
    "https://",
    "https://evil.example/\r\nX: y",
    "https://evil.example/" + "x" * 5000,
    " https://evil.example/p.png",
    {"data": {"url": "javascript:alert(1)"}},
    ["https://evil.example/p.png"],
)


@pytest.mark.parametrize("picture", PICTURES)
def test_only_an_https_picture_is_taken_from_a_provider(server: ServerUnderTest, picture: Any) -> None:
    for name, profile in (
        ("acme", {"picture": picture, "name": MARKUP, "given_name": "x" * 5000, "locale": MARKUP * 9}),
        ("github", {"avatar_url": picture, "name": MARKUP, "login": MARKUP}),
        ("facebook", {"picture": {"data": {"url": picture}}, "name": MARKUP}),
        ("discord", {"avatar": picture, "global_name": MARKUP, "username": MARKUP}),
    ):
        person = somebody(name)
        party, browser = first_party(server, upstreams=(name,)), Browser(server)
        asked = ask(party, browser, scope="openid profile email")
        form = {"person": "new", **person.fields, "profile": json.dumps(profile)}
        landed = asked.then(press(asked.page, name).leave(form).go(browser))
        claims = party.userinfo(party.redeem(landed.callback).json()["access_token"]).json()
        assert "picture" not in claims, (name, claims["picture"])
        assert re.fullmatch(r"[A-Za-z0-9]{4,15}", claims["preferred_username"])
        for path in ("/account", "/"):
            page = browser.open(path)
            check_harmless(page.response, server)
            assert not page.soup.select("main script, main img[onerror]")


# --- Names that an operator gives


def test_a_label_is_text_and_nothing_else(tmp_path: Path, signing_keys: Path) -> None:
    label = "<script>alert(1)</script>%(provider)s {{ 7*7 }} \u202e"
    with open_sandbox(tmp_path / "sandbox") as (_, environment):
        changes = environment | {"upstream_google_label": label}
        with timed_server(tmp_path, keys_from=signing_keys, **changes) as server:
            asked = ask(first_party(server), Browser(server))
            text = asked.page.soup.find(id="continue-with-google")
            assert text is not None
            assert "<script>alert(1)</script>%(prov" in text.get_text()
            assert "49" not in text.get_text()
            for answer in (
                asked.response,
                press(asked.page, "google").cancel(),
                asked.browser.get("/upstream/google/callback?state=x"),
            ):
                shown = asked.browser.page(answer).response.text
                assert "<script>alert" not in shown
                assert "<script>alert" not in str(BeautifulSoup(shown, "html.parser").select("main script"))


# --- Where the answer comes to


@pytest.mark.asvs("10.2.2")
@pytest.mark.parametrize("path", ["", "/id"])
def test_the_redirect_uri_is_the_issuers_whatever_the_request_says(
    tmp_path: Path, signing_keys: Path, path: str
) -> None:
    with open_sandbox(tmp_path / "sandbox") as (_, environment):
        port = find_free_port()
        issuer = f"http://localhost:{port}{path}"
        changes = environment | {"issuer": issuer}
        with timed_server(tmp_path, keys_from=signing_keys, port=port, **changes) as server:
            headers = {
                "Host": "evil.example",
                "X-Forwarded-Host": "evil.example",
                "X-Forwarded-Proto": "gopher",
                "X-Forwarded-Prefix": "/evil",
                "Forwarded": "host=evil.example",
                "X-Original-Url": "/evil",
            }
            for name in CONNECTIONS:
                asked = ask(first_party(server, upstreams=(name,)), Browser(server))
                url, fields = asked.page.fields(f"continue-with-{name}")
                cookie = "; ".join(f"{key}={value}" for key, value in asked.browser.http.cookies.get_dict().items())
                answer = asked.browser.post(url, data=fields, headers={**headers, "Cookie": cookie})
                query = parse_qs(urlsplit(answer.headers["Location"]).query)
                assert query["redirect_uri"] == [f"{issuer}/upstream/{name}/callback"]
            evil = Browser(server)
            assert evil.get(f"/upstream/{name}/callback", headers={"Host": "evil.example"}).status_code == 400


# --- The log


@pytest.mark.asvs("16.2.5")
@pytest.mark.parametrize("name", CONNECTIONS)
def test_the_log_has_nothing_that_signs_anybody_in(served: tuple[ServerUnderTest, Sandbox], name: str) -> None:
    server, sandbox = served
    person = somebody(name)
    for fault in ("", "code_expired", "http_500", "malformed_json"):
        asked = ask(first_party(server), Browser(server))
        away = press(asked.page, name)
        back = away.leave({"person": "new", **person.fields, "fault": fault})
        answer = back.go(asked.browser)
        assert answer.status_code in {303, 400, 502, 503}
        log = server.log_text()
        for secret in (*away.asked.get("nonce", "-" * 40).split(), away.asked["state"], back.params["code"]):
            assert secret not in log
    desk = sandbox.desks[CONNECTIONS[name]]
    log = server.log_text()
    for token in (*desk.codes._codes, *desk.codes._tokens):
        assert token not in log
    for client in desk.clients.values():
        assert client.secret not in log
    assert person.email not in log
    assert person.sub not in log
