"""Host headers and paths that no browser sends: no answer derives from them, and none of them is a fault of ours."""

import json
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlencode

import pytest
import requests
from bs4 import BeautifulSoup

from tests.attacks.raw import exchange, request_bytes
from tests.support.idp_server import ServerUnderTest, running_server
from tests.support.machine import find_free_port
from tests.support.relying_party import Browser, RelyingParty

EVIL = "evil.example"
HOSTS = [
    EVIL, f"{EVIL}:99999", f"{EVIL}:x", f"user@{EVIL}", f"{EVIL}/path?", f"[{EVIL}", f"{EVIL}]", "[::1", "[::1]x", ":",
    "a b", "", "..", "\xe9vil", "xn--", f"{EVIL}\t", "%00", "<script>", "localhost, " + EVIL, "a" * 2000,
]  # fmt: skip
PATHS = [
    "/", "/login", "/logout", "/authorize", "/authorize/x", "/authorize/posted/x", "/consent", "/nothing", "/jwks",
    "/.well-known/openid-configuration", "/userinfo", "/health", "/static/x",
]  # fmt: skip


# --- The host


@pytest.mark.asvs("4.1.3")
@pytest.mark.parametrize("host", HOSTS, ids=[repr(host)[:24] for host in HOSTS])
def test_no_answer_derives_from_the_host_header(server: ServerUnderTest, host: str) -> None:
    for path in PATHS:
        answer = exchange(server, request_bytes("GET", path, host=host))
        assert 200 <= answer.status < 500, (path, answer.head)
        if host in (EVIL, f"{EVIL}:99999", f"user@{EVIL}"):
            assert EVIL.encode() not in answer.raw, path


@pytest.mark.asvs("4.1.3")
def test_no_answer_derives_from_what_proxies_say_of_the_host(server: ServerUnderTest) -> None:
    headers = {
        "Forwarded": f"host={EVIL};proto=https",
        "X-Forwarded-Host": EVIL,
        "X-Forwarded-Proto": "https",
        "X-Forwarded-Port": "99",
        "X-Forwarded-Prefix": f"/{EVIL}",
        "X-Original-URL": f"/{EVIL}",
        "X-Rewrite-URL": f"/{EVIL}",
        "Host": EVIL,
    }
    for path in PATHS:
        plain = requests.get(server.url(path), allow_redirects=False, timeout=15)
        answer = requests.get(server.url(path), headers=headers, allow_redirects=False, timeout=15)
        assert answer.status_code == plain.status_code
        assert EVIL not in answer.text + str(answer.headers)
    document = requests.get(server.url("/.well-known/openid-configuration"), headers=headers, timeout=15).json()
    assert document["issuer"] == server.issuer


@pytest.mark.spec("RFC 9112", "3.2.2", "MUST")
def test_an_absolute_target_is_answered_by_its_path_alone(server: ServerUnderTest) -> None:
    answer = exchange(server, request_bytes("GET", f"http://{EVIL}/login", host=EVIL))
    assert answer.status == 200
    assert EVIL.encode() not in answer.raw
    assert b'id="login-page"' in answer.raw


def test_a_request_without_a_host_or_with_two_is_no_fault_of_ours(server: ServerUnderTest) -> None:
    old = exchange(server, b"GET /login HTTP/1.0\r\n\r\n")
    assert old.status == 200
    assert exchange(server, request_bytes("GET", "/login", host=None)).status in {200, 400}
    twice = exchange(server, request_bytes("GET", "/login", f"Host: {EVIL}"))
    assert twice.status in {200, 400}
    assert EVIL.encode() not in twice.raw


def test_a_redirect_of_the_flow_stays_at_the_issuer_whatever_the_host_says(server: ServerUnderTest) -> None:
    params, _ = RelyingParty(server, server.add_client()).request()
    answer = exchange(server, request_bytes("GET", f"/authorize?{urlencode(params)}", host=EVIL))
    assert answer.status == 303
    assert str(answer.header("Location")).startswith("/login?interaction=")


# --- Paths


@pytest.mark.asvs("15.3.4")
@pytest.mark.parametrize(
    "path", ["//login", "/login//", "//evil.example/login", "/authorize//x", "///", "//", "/static//x", "/.//login"]
)
def test_doubled_slashes_are_never_a_redirect(server: ServerUnderTest, path: str) -> None:
    answer = exchange(server, request_bytes("GET", path))
    assert answer.status in {200, 404}
    assert answer.header("Location") is None
    assert answer.status == 404 or EVIL not in path


def test_a_path_in_the_issuer_is_the_only_place(tmp_path: Path, signing_keys: Path) -> None:
    port = find_free_port()
    issuer = f"http://localhost:{port}/id"
    with running_server(tmp_path, keys_from=signing_keys, port=port, issuer=issuer, workers="1") as server:
        for path, status in [
            ("/id/login", 200), ("/id/nothing", 404), ("/login", 404), ("/idx/login", 404), ("//id/login", 404),
            ("/id", 200), ("/", 404), ("/health", 200), ("/id/health", 200),
            ("/.well-known/oauth-authorization-server/id", 200), ("/.well-known/oauth-authorization-server", 404),
        ]:  # fmt: skip
            for host in ("localhost", EVIL, "[::1"):
                answer = exchange(server, request_bytes("GET", path, host=host))
                assert (path, answer.status) == (path, status)
                assert EVIL.encode() not in answer.raw


# --- Language links


def language_links(html: str) -> list[str]:
    return [str(tag["href"]) for tag in BeautifulSoup(html, "html.parser").select("a.language")]


@pytest.mark.asvs("3.7.3")
@pytest.mark.parametrize(
    "target",
    ["/login", "/login?a=b", "/authorize", "/nothing", "//evil.example/x", "//evil.example/..%2f", "/%0d%0aX:%20y",
     "/%5c%5cevil.example", "/javascript:alert(1)", "/nothing?x=%22%3E%3Cscript%3E&lang=fr", "/nothing?lang=xx&lang=fr",
     "/nothing?%ED%A0%80=%FF"],
)  # fmt: skip
def test_language_links_are_relative_to_the_page_whatever_its_address(server: ServerUnderTest, target: str) -> None:
    answer = exchange(server, request_bytes("GET", target, host=EVIL))
    links = language_links(answer.raw.partition(b"\r\n\r\n")[2].decode())
    assert links
    for link in links:
        assert link.startswith("?")
        assert link.endswith(("lang=fr", "lang=en"))
        assert link.count("lang=") == 1


def test_a_language_link_leads_to_the_same_page_in_that_language(browser: Browser) -> None:
    page = browser.open("/login")
    (french,) = language_links(page.response.text)
    assert french == "?lang=fr"
    assert BeautifulSoup(browser.get(page.response.url + french).text, "html.parser").html["lang"] == "fr"  # type: ignore[index]


# --- What paths and parameters leave in the log


@pytest.fixture(scope="module", params=["json", "console"])
def logging_server(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, signing_keys: Path
) -> Iterator[ServerUnderTest]:
    changes = {"log_format": request.param, "workers": "1"}
    with running_server(tmp_path_factory.mktemp("log"), keys_from=signing_keys, **changes) as server:
        yield server


@pytest.mark.asvs("16.4.1")
def test_control_characters_never_reach_the_log_raw(logging_server: ServerUnderTest) -> None:
    nasty = "%1b%5b2J%07%00%0d%0a2026-01-01%20forged%c2%9b31m%e2%80%a8%e2%80%ae%7f%08"
    client = logging_server.add_client()
    targets = [
        f"/{nasty}", f"/authorize/{nasty}", f"/static/{nasty}", f"/authorize?client_id={nasty}",
        f"/authorize?client_id={client.client_id}&redirect_uri=https://x{nasty}",
        f"/authorize?client_id={client.client_id}&response_type={nasty}&{nasty}=1&state={nasty}",
        f"/logout?client_id={client.client_id}&post_logout_redirect_uri=https://x{nasty}",
        f"/logout?client_id={client.client_id}&post_logout_redirect_uri=https://x%c2%9b31m%e2%80%ae",
    ]  # fmt: skip
    for target in targets:
        assert exchange(logging_server, request_bytes("GET", target)).status < 500
    form = b"grant_type=authorization_code&client_id=%1b%5b2J%0aforged&client_secret=x"
    headers = ("Content-Type: application/x-www-form-urlencoded", f"Content-Length: {len(form)}")
    assert exchange(logging_server, request_bytes("POST", "/token", *headers, body=form)).status == 400
    text = logging_server.log_text()
    assert text.count("GET") >= len(targets)
    raw = {c for c in text if c != "\n" and not c.isprintable()}
    assert not raw, raw
    assert not [line for line in text.splitlines() if line.startswith("2026-01-01 forged")]
    if logging_server.settings.log_format == "json":
        lines = [json.loads(line) for line in text.splitlines() if line.startswith("{")]
        paths = [line["path"] for line in lines if line["event"] == "request"]
        assert len(paths) > len(targets)
        assert all(path.isascii() and path.isprintable() for path in paths), "nor when a line is read back"
