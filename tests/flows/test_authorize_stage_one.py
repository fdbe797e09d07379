"""`/authorize` before the redirect URI is trusted: a page with status 400 at that very address, never a redirect."""

import http.client
from typing import Any

import pytest
import requests

from tests.support.authorize import ask, ask_with, signed_in, third_party, trusted_party
from tests.support.idp_server import ServerUnderTest
from tests.support.relying_party import ABSENT, Browser, Page

UNTRUSTED: list[Any] = [
    pytest.param({"client_id": ABSENT}, id="RFC 6749 §4.1.2.1 client_id missing"),
    pytest.param({"client_id": ""}, id="RFC 6749 §3.1 client_id empty"),
    pytest.param({"client_id": "nobody"}, id="RFC 6749 §4.1.2.1 client_id unknown"),
    pytest.param({"client_id": "a\x00b"}, id="client_id with NUL"),
    pytest.param({"client_id": "x" * 5000}, id="client_id of 5 KB"),
    pytest.param({"client_id": "' OR 1=1 --"}, id="client_id of SQL"),
    pytest.param({"redirect_uri": "https://evil.example/callback"}, id="RFC 9700 §4.1 unregistered host"),
    pytest.param({"redirect_uri": "https://client.example.com/callback/"}, id="RFC 9700 §4.1 trailing slash"),
    pytest.param({"redirect_uri": "https://client.example.com/Callback"}, id="RFC 9700 §4.1 case"),
    pytest.param({"redirect_uri": "https://client.example.com:444/callback"}, id="RFC 9700 §4.1 port"),
    pytest.param({"redirect_uri": "https://client.example.com/callback?x=1"}, id="RFC 9700 §4.1 extra query"),
    pytest.param({"redirect_uri": "https://client.example.com/callback#x"}, id="RFC 6749 §3.1.2 fragment"),
    pytest.param({"redirect_uri": "javascript:alert(1)"}, id="javascript"),
    pytest.param({"redirect_uri": "https://client.example.com/callback\x00"}, id="redirect_uri with NUL"),
    pytest.param({"redirect_uri": "/callback"}, id="relative"),
]


def assert_is_error_page(page: Page, url: str) -> None:
    assert (page.status, page.id) == (400, "error-page"), page.text[:300]
    assert "Location" not in page.response.headers
    assert page.response.url.partition("?")[0] == url
    assert all(script["src"].startswith("/static/") and not script.text for script in page.soup.find_all("script"))
    assert page.response.headers["Cache-Control"] == "no-store"
    assert page.response.headers["X-Frame-Options"] == "DENY"


@pytest.mark.spec("RFC 6749", "4.1.2.1", "MUST NOT")
@pytest.mark.spec("RFC 9700", "4.1", "MUST")
@pytest.mark.asvs("10.4.1")
@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize("overrides", UNTRUSTED)
def test_an_untrusted_request_is_answered_by_a_page_at_authorize_itself(
    server: ServerUnderTest, browser: Browser, overrides: dict[str, str | None], method: str
) -> None:
    asked = ask(third_party(server), browser, method=method, **overrides)
    assert_is_error_page(asked.page, server.url("/authorize"))


@pytest.mark.spec("RFC 6749", "4.1.2.1", "MUST NOT")
@pytest.mark.parametrize("prompt", ["none", ABSENT])
def test_even_with_a_session_and_without_a_prompt_no_untrusted_uri_is_redirected_to(
    server: ServerUnderTest, prompt: str | None
) -> None:
    browser = signed_in(server, server.add_user().username)
    asked = ask(trusted_party(server), browser, redirect_uri="https://evil.example/callback", prompt=prompt)
    assert_is_error_page(asked.page, server.url("/authorize"))


@pytest.mark.spec("RFC 6749", "3.1", "MUST NOT")
@pytest.mark.parametrize("name", ["client_id", "redirect_uri"])
def test_a_repeated_client_id_or_redirect_uri_is_a_page(server: ServerUnderTest, browser: Browser, name: str) -> None:
    client = third_party(server)
    params, _ = client.request()
    for value in (params[name], "https://evil.example/callback"):
        assert_is_error_page(ask_with(client, browser, [(name, value)]).page, server.url("/authorize"))


@pytest.mark.spec("RFC 6749", "3.1.2.3", "MUST")
def test_a_redirect_uri_may_be_left_out_only_when_one_alone_is_registered(
    server: ServerUnderTest, browser: Browser
) -> None:
    one = third_party(server)
    several = third_party(server, redirect_uris=("https://client.example.com/a", "https://client.example.com/b"))
    assert ask(one, browser, redirect_uri=ABSENT).page.id == "login-page"
    assert_is_error_page(ask(several, browser, redirect_uri=ABSENT).page, server.url("/authorize"))


@pytest.mark.spec("RFC 6749", "4.1.3", "MUST")
def test_a_redirect_uri_absent_here_is_absent_at_the_token_endpoint(server: ServerUnderTest) -> None:
    browser, client = signed_in(server, server.add_user().username), trusted_party(server)
    answer = client.redeem(ask(client, browser, redirect_uri=ABSENT).callback, redirect_uri=client.redirect_uri)
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_grant")
    assert client.redeem(ask(client, browser, redirect_uri=ABSENT).callback).status_code == 200


def test_a_disabled_client_is_unknown(server: ServerUnderTest, browser: Browser) -> None:
    assert_is_error_page(ask(third_party(server, disabled=True), browser).page, server.url("/authorize"))


@pytest.mark.spec("RFC 8252", "7.3", "MUST")
def test_an_app_on_loopback_gets_its_answer_at_the_port_it_chose(server: ServerUnderTest) -> None:
    client = trusted_party(server, public=True, redirect_uris=("http://127.0.0.1/cb", "http://localhost:3000/cb"))
    browser = Browser(server)
    asked = ask(client, browser, redirect_uri="http://127.0.0.1:51234/cb").log_in(server.add_user().username)
    assert asked.response.headers["Location"].startswith("http://127.0.0.1:51234/cb?code=")
    assert client.redeem(asked.callback).status_code == 200
    wrong = ask(client, browser, redirect_uri="http://localhost:3001/cb")
    assert_is_error_page(wrong.page, server.url("/authorize"))


@pytest.mark.spec("RFC 8252", "7.1", "MUST")
@pytest.mark.parametrize("uri", ["nextarget://callback", "com.example.app:/cb"])
def test_an_app_gets_its_answer_at_its_private_use_scheme(server: ServerUnderTest, uri: str) -> None:
    client = trusted_party(server, public=True, redirect_uris=(uri,))
    asked = ask(client, Browser(server)).log_in(server.add_user().username)
    assert asked.response.headers["Location"].startswith(f"{uri}?code=")
    assert client.redeem(asked.callback).status_code == 200


# --- Bytes that no browser sends


def send_raw(server: ServerUnderTest, target: bytes, body: bytes | None = None, **headers: str) -> tuple[int, str]:
    """One request with a target as it stands, which HTTP libraries would tidy up."""
    connection = http.client.HTTPConnection("127.0.0.1", server.settings.port, timeout=15)
    try:
        connection._validate_path = lambda url: None  # type: ignore[attr-defined]
        connection._encode_request = lambda request: request.encode("latin-1")  # type: ignore[attr-defined]
        connection.request("GET" if body is None else "POST", target.decode("latin-1"), body, headers)
        response = connection.getresponse()
        return response.status, response.read().decode("utf-8", "replace")
    finally:
        connection.close()


@pytest.mark.asvs("1.1.1")
@pytest.mark.parametrize(
    "query",
    [
        pytest.param(b"client_id=%FF%FE", id="invalid UTF-8"),
        pytest.param(b"client_id=\xff\xfe", id="invalid UTF-8 bare"),
        pytest.param("client_id=é".encode(), id="UTF-8 bare"),
        pytest.param(b"client_id=%00", id="NUL"),
        pytest.param(b"client_id=%ED%A0%80", id="surrogate in UTF-8"),
        pytest.param(b"&".join(b"a%d=1" % n for n in range(200)), id="200 parameters"),
        pytest.param(b"%", id="a bare percent sign"),
        pytest.param(b"lang=%FF&client_id=%FF", id="an invalid language"),
    ],
)
def test_broken_bytes_in_the_query_are_a_clean_refusal(server: ServerUnderTest, query: bytes) -> None:
    status, text = send_raw(server, b"/authorize?" + query)
    assert status == 400
    assert "error-page" in text or "Bad Request" in text


@pytest.mark.parametrize("path", ["/login", "/consent", "/select-account", "/logout", "/"])
def test_broken_bytes_never_break_a_page(server: ServerUnderTest, path: str) -> None:
    for query in (b"?interaction=%FF", b"?interaction=\xff\xfe&lang=\xff", b"?interaction=%00"):
        status, _ = send_raw(server, path.encode() + query)
        assert status < 500, (path, query)


@pytest.mark.asvs("1.1.1")
@pytest.mark.parametrize(
    ("body", "content_type", "status"),
    [
        pytest.param(b"client_id=x", "application/json", 400, id="another content type"),
        pytest.param(b"client_id=x", "multipart/form-data; boundary=x", 400, id="multipart"),
        pytest.param(b"client_id=x", "", 400, id="no content type"),
        pytest.param(b"client_id=%FF", "application/x-www-form-urlencoded", 400, id="invalid UTF-8"),
        pytest.param(b"\x00\x01", "application/x-www-form-urlencoded", 400, id="NUL"),
        pytest.param(b"", "application/x-www-form-urlencoded", 400, id="empty"),
        pytest.param(b"state=" + b"a" * 1_000_000, "application/x-www-form-urlencoded", 413, id="1 MB"),
    ],
)
def test_a_broken_body_is_a_clean_refusal(server: ServerUnderTest, body: bytes, content_type: str, status: int) -> None:
    got, text = send_raw(server, b"/authorize", body, **{"Content-Type": content_type})
    assert got == status
    assert 'id="error-page"' in text


def test_a_request_line_beyond_measure_is_a_clean_refusal(server: ServerUnderTest) -> None:
    status, _ = send_raw(server, b"/authorize?state=" + b"a" * 100_000)
    assert 400 <= status < 500


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH"])
def test_other_methods_are_refused_with_a_page(server: ServerUnderTest, method: str) -> None:
    response = requests.request(method, server.url("/authorize"), timeout=15)
    assert response.status_code == 405
    assert {"GET", "POST"} <= set(response.headers["Allow"].split(", "))


@pytest.mark.asvs("4.1.1")
def test_the_issuer_never_comes_from_the_request(server: ServerUnderTest) -> None:
    forged = {"Host": "evil.example", "X-Forwarded-Host": "evil.example", "X-Forwarded-Proto": "https",
              "X-Forwarded-Prefix": "/evil", "Forwarded": "host=evil.example;proto=https"}  # fmt: skip
    client = trusted_party(server)
    browser = signed_in(server, server.add_user().username)
    params, _ = client.request()
    cookies = "; ".join(f"{cookie.name}={cookie.value}" for cookie in browser.http.cookies)
    answer = requests.get(server.url("/authorize"), params=params, headers=forged | {"Cookie": cookies},
                          timeout=15, allow_redirects=False)  # fmt: skip
    assert f"iss={server.issuer.replace(':', '%3A').replace('/', '%2F')}" in answer.headers["Location"]
    for path in ("/", "/login", "/authorize", "/nowhere", "/.well-known/openid-configuration"):
        response = requests.get(server.url(path), headers=forged, timeout=15, allow_redirects=False)
        assert "evil" not in response.text + str(response.headers), path
