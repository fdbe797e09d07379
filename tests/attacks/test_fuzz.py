"""A bounded storm of odd requests: none is a fault of ours, and every answer carries the security headers."""

import base64
import http.client
import json
import random
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

import pytest

from idp.cli.demo_data import save_playground_client
from tests.support.authorize import signed_in, trusted_party
from tests.support.idp_server import ServerUnderTest, running_server
from tests.support.relying_party import RelyingParty

SEED, REQUESTS, EACH_CONNECTION = 20_260, 1500, 25
SECURITY_HEADERS = {
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cross-origin-resource-policy": "same-origin",
}
PATHS = [
    "/", "/login", "/logout", "/logout/posted/{}", "/consent", "/select-account", "/authorize", "/authorize/{}",
    "/authorize/posted/{}", "/token", "/userinfo", "/introspect", "/revoke", "/jwks", "/health", "/static/{}", "/{}",
    "/.well-known/openid-configuration", "/.well-known/oauth-authorization-server", "/playground",
    "/playground/callback", "/playground/result", "/playground/do",
]  # fmt: skip
METHODS = ["GET"] * 6 + ["POST"] * 8 + ["HEAD", "OPTIONS", "PUT", "DELETE", "PATCH", "TRACE", "PROPFIND", "get"]
PARAMETERS = [
    "client_id", "redirect_uri", "response_type", "response_mode", "scope", "state", "nonce", "prompt", "max_age",
    "claims", "resource", "code_challenge", "code_challenge_method", "id_token_hint", "ui_locales", "login_hint",
    "acr_values", "request", "request_uri", "interaction", "username", "password", "csrf_token", "decision", "choice",
    "grant_type", "code", "code_verifier", "refresh_token", "client_secret", "client_assertion", "token", "lang",
    "client_assertion_type", "token_type_hint", "access_token", "post_logout_redirect_uri", "cancel", "walk", "account",
]  # fmt: skip
TEXTS = [
    "", " ", "a", "0", "-1", "1e309", "9" * 30, "9" * 5000, "null", "true", "[]", "{}", "[" * 3000, "../../etc/passwd",
    "\0", "\r\nX: y", "\t", "\x7f", "\x1b[2J", "é", "\u202e", "😀" * 40, "\ufeff", "%", "%00", "%zz", "%ED%A0%80",
    "' OR 1=1--", "{{7*7}}", "<script>", "javascript:alert(1)", "//evil.example", "\\\\evil", "fr", "en-GB", "S256",
    "openid", "openid profile email", "code", "none", "login", "authorization_code", "refresh_token", "query",
    "fragment", "form_post", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer", "x" * 300, "x" * 7000,
    '{"userinfo":{"email":null}}', '{"id_token":{"sub":{"value":1}}}', '{"userinfo":{"\\ud800":{}}}', "A" * 43,
    "http://localhost:abc/", "http://[::1", "https://client.example.com/callback", "²", "٣", "１２",
]  # fmt: skip
HEADERS = [
    ("Accept-Language", ["", "fr", "*", "x" * 500, "fr;q=nan", "en;q=-1, fr;q=2", "é", ",,,;;;==", "fr-\x80"]),
    ("Origin", ["null", "", "https://client.example.com", "https://" + "a" * 4000, "é", "http://[", "x\ty"]),
    ("Cookie", ["idp_session=", "idp_session=x; idp_session=y", "idp_form=.eJx.y.z", "idp_form=" + "x" * 4000, "=;=;",
                "idp_form=\xff\xfe", 'idp_session="\\377"', "; " * 500]),
    ("If-None-Match", ["*", '"x"', "W/", '"' * 99]),
    ("Range", ["bytes=0-", "bytes=-1", "bytes=9-1", "x" * 50]),
    ("Accept", ["", "*/*", "text/html;q=x", "application/json"]),
    ("X-Forwarded-For", ["", "1.1.1.1", "x" * 900, "::ffff:1.2.3.4", "fe80::1%x", ",,,"]),
    ("Sec-Fetch-Site", ["cross-site", "same-origin", "none", "é"]),
    ("Access-Control-Request-Method", ["POST", "", "x"]),
    ("Content-Encoding", ["gzip", "x"]),
    ("If-Modified-Since", ["yesterday", "Thu, 01 Jan 1970 00:00:00 GMT", "9" * 40]),
    ("User-Agent", ["", "\x80\xff", "x" * 1000]),
    ("X-Request-Id", ["x\x7f", "a" * 500]),
    ("DPoP", ["x"]),
]  # fmt: skip
TYPES = ["application/x-www-form-urlencoded"] * 6 + [
    "", "application/json", "text/plain", "multipart/form-data", "multipart/form-data; boundary=x", "é/é",
    "application/x-www-form-urlencoded; charset=utf-7", "application/x-www-form-urlencoded; charset=nonsense",
    "application/x-www-form-urlencoded;" * 9,
]  # fmt: skip
RAW_BODIES = [
    b"", b"\xff\xfe", b"&&&===", b"%", b"a" * 70_000, b"\0" * 100, b'{"grant_type":"x"}', b"a=1&" * 500,
    b"%ED%A0%80=%FF",
    b"--x\r\nContent-Disposition: form-data; name=\"csrf_token\"\r\n\r\nx\r\n--x--\r\n", b"--x\r\n\r\n", b"--x" * 500,
    b"code=%00&grant_type=authorization_code", b"\x1f\x8b\x08\x00\x00\x00",
]  # fmt: skip


class Fuzzer:
    """Requests from one seed. `known`: values that mean something to this server, so that checks go deep."""

    def __init__(self, seed: int, known: dict[str, list[str]], cookie: str) -> None:
        self.random, self.known, self.cookie = random.Random(seed), known, cookie

    def one(self) -> tuple[str, str, list[tuple[str, str]], bytes | None]:
        """Method, target, headers, body."""
        pick = self.random.choice
        method, path = pick(METHODS), pick(PATHS).format(quote(self.text("code")[:500], safe=pick(["", "/%", "/"])))
        headers = [(name, pick(values)) for name, values in self.random.sample(HEADERS, self.random.randrange(4))]
        if self.random.random() < 0.3:
            headers = [*(pair for pair in headers if pair[0] != "Cookie"), ("Cookie", self.cookie)]
        if self.random.random() < 0.5:
            headers.append(("Authorization", self.authorization()))
        query = urlencode(self.pairs())[:6000] if self.random.random() < 0.5 else ""
        body = None
        if method not in {"GET", "HEAD"} or self.random.random() < 0.1:
            headers.append(("Content-Type", pick(TYPES)))
            body = pick(RAW_BODIES) if self.random.random() < 0.2 else urlencode(self.pairs()).encode()
        return method, f"{path}?{query}" if query else path, headers, body

    def pairs(self) -> list[tuple[str, str]]:
        names = self.random.sample(PARAMETERS, self.random.randrange(1, 12))
        whole = self.random.random()
        if whole < 0.3:  # a sound request with one thing changed
            names = ["client_id", "redirect_uri", "response_type", "scope", "code_challenge", "code_challenge_method"]
        elif whole < 0.5:
            names = ["grant_type", "client_id", "client_secret", "code", "refresh_token", "redirect_uri", "scope"]
        pairs = [(name, self.text(name) if self.random.random() < 0.3 else self.sound(name)) for name in names]
        extra = self.random.choice(PARAMETERS)
        return [*pairs, (extra, self.text(extra))]

    def sound(self, name: str) -> str:
        return self.random.choice(self.known.get(name) or TEXTS)

    def text(self, name: str) -> str:
        roll = self.random.random()
        if roll < 0.15:
            return self.jwt()
        if roll < 0.3:
            return "".join(chr(self.random.choice([self.random.randrange(128), self.random.randrange(0xD7FF)]))
                           for _ in range(self.random.randrange(40)))  # fmt: skip
        return self.sound(name) if roll < 0.45 else self.random.choice(TEXTS)

    def jwt(self) -> str:
        """Three parts, some of them nonsense, or a real token that is damaged somewhere."""
        real = self.random.choice(self.known["token"])
        if self.random.random() < 0.4:
            at = self.random.randrange(len(real))
            return real[:at] + self.random.choice([".", "", "A", "=", "é", "\n"]) + real[at + 1 :]
        heads: list[Any] = [{}, {"alg": "none"}, {"alg": "HS256"}, {"alg": 1}, {"alg": "RS256", "kid": []}, [], "x",
                            {"alg": "RS256", "kid": "x" * 99, "crit": ["b"]}, {"alg": "RS256", "jwk": {"kty": "x"}},
                            None, {"alg": "RS256", "typ": "at+jwt", "kid": 1}, {"alg": "ES256", "zip": 1}]  # fmt: skip
        parts = [
            json.dumps(self.random.choice(heads)),
            self.random.choice(['{"exp":1e400}', '{"sub":[]}', "[[", "\xff"]),
        ]
        encoded = [base64.urlsafe_b64encode(part.encode()).decode().rstrip("=") for part in parts]
        return ".".join(
            [*encoded, self.random.choice(["", "AAAA", "=", "é", "A" * 300]), *self.random.choice([[], ["x"]])]
        )

    def authorization(self) -> str:
        pair = self.random.choice(
            [":", "", "x", "é:é", "\0:\0", ":" * 9, "a:%zz", "%:%", "x" * 3000 + ":", *self.known["basic"]]
        )
        basic = base64.b64encode(pair.encode("utf-8")).decode()
        return self.random.choice([
            f"Basic {basic}", f"basic  {basic}", "Basic", "Basic =", "Basic \xff", "Basic " + basic[:-1], "Basic /w==",
            "Bearer", "Bearer ", f"Bearer {self.jwt()}", f"Bearer {self.random.choice(self.known['token'])}",
            "Bearer a b", "DPoP x", "Digest username=x", "Negotiate", "", "é", "Basic " + "A" * 5000,
        ])  # fmt: skip


@pytest.fixture(scope="module")
def target(tmp_path_factory: pytest.TempPathFactory, signing_keys: Path) -> Iterator[ServerUnderTest]:
    folder = tmp_path_factory.mktemp("fuzzed")
    with running_server(folder, keys_from=signing_keys, log_level="DEBUG") as server:
        save_playground_client(server.settings, server.store, now=server.now)
        yield server


def make_fuzzer(server: ServerUnderTest, seed: int) -> Fuzzer:
    party, user = trusted_party(server, always_issue_refresh_token=True), server.add_user()
    public = RelyingParty(server, server.add_client(public=True))
    browser = signed_in(server, user.username)
    tokens = party.tokens(browser, scope="openid email")
    codes = [party.sign_in(browser).code for _ in range(3)]
    interaction = browser.follow(party.start(browser, prompt="login")).url.partition("interaction=")[2]
    client_id, secret = party.client.client_id, str(party.client.secret)
    known = {
        "client_id": [client_id, public.client.client_id], "client_secret": [secret, "wrong"], "code": codes,
        "redirect_uri": [party.redirect_uri], "response_type": ["code"], "scope": ["openid", "openid  email "],
        "grant_type": ["authorization_code", "refresh_token"], "refresh_token": [tokens["refresh_token"]],
        "token": [tokens["access_token"], tokens["id_token"]], "id_token_hint": [tokens["id_token"]],
        "code_challenge": ["A" * 43], "code_challenge_method": ["S256"], "interaction": [interaction],
        "username": [user.username], "prompt": ["none", "login", "consent"], "basic": [f"{client_id}:{secret}"],
        "access_token": [tokens["access_token"]],
    }  # fmt: skip
    cookie = "; ".join(f"{one.name}={one.value}" for one in browser.http.cookies)
    return Fuzzer(seed, known, cookie)


def send(connection: http.client.HTTPConnection, request: tuple[str, str, list[tuple[str, str]], bytes | None]) -> Any:
    method, path, headers, body = request
    connection.putrequest(method, path, skip_accept_encoding=True)
    for name, value in headers:
        clean = value.replace("\n", "").replace("\r", "").replace("\0", "")  # those end the request at gunicorn
        connection.putheader(name, clean.encode("utf-8" if any(ord(c) > 255 for c in clean) else "latin-1"))
    if body is not None:
        connection.putheader("Content-Length", str(len(body)))
    connection.endheaders(body)
    answer = connection.getresponse()
    return answer, answer.read()


@pytest.mark.slow
@pytest.mark.asvs("16.5.1", "16.5.3", "3.4.4", "3.4.5", "3.4.6")
def test_no_odd_request_is_a_fault_of_ours_and_every_answer_has_the_security_headers(target: ServerUnderTest) -> None:
    fuzzer = make_fuzzer(target, SEED)
    seen: Counter[int] = Counter()
    connection = http.client.HTTPConnection("127.0.0.1", target.settings.port, timeout=20)
    with closing(connection):
        storm(fuzzer, connection, seen)
    log = target.log_text()
    assert "Traceback" not in log, log[log.index("Traceback") - 500 :][:3000]
    assert '"event": "unexpected"' not in log
    assert seen[0] < REQUESTS / 20, seen
    for status in (200, 303, 400, 401, 404, 405, 413):  # the storm reaches all of the server, not only its doors
        assert seen[status], seen


def storm(fuzzer: Fuzzer, connection: http.client.HTTPConnection, seen: Counter[int]) -> None:
    """Send all requests, many on one connection, and check each answer; `seen` counts them by status."""
    for number in range(REQUESTS):
        request = fuzzer.one()
        if number % EACH_CONNECTION == 0:
            connection.close()
        try:
            answer, body = send(connection, request)
        except (http.client.HTTPException, ConnectionError):
            connection.close()  # cut off in the middle of a body that is too long
            seen[0] += 1
            continue
        seen[answer.status] += 1
        what = f"request {number}: {request} -> {answer.status} {body[:300]!r}"
        assert answer.status < 500, what
        assert b"Traceback" not in body, what
        if answer.getheader("X-Request-Id") is None:  # gunicorn itself refused what is no HTTP
            assert answer.status in {400, 431}, what
            connection.close()
            continue
        check_headers(answer, request[1], what)


def check_headers(answer: http.client.HTTPResponse, path: str, what: str) -> None:
    found = {name.lower(): value for name, value in answer.getheaders()}
    for name, value in SECURITY_HEADERS.items():
        assert found.get(name) in {value, "cross-origin" if "access-control-allow-origin" in found else value}, what
    policy = found["content-security-policy"]
    assert "default-src 'none'" in policy, what
    assert "frame-ancestors 'none'" in policy, what
    assert "unsafe" not in policy, what
    assert "cache-control" in found or path.startswith("/static/"), what
    assert found.get("access-control-allow-origin") != "*", what
    assert "server" not in found, what
