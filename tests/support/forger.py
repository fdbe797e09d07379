"""An OpenID Connect provider that says whatever a test wants: metadata, ID tokens and answers that no honest one sends.

Owns one small HTTP server on loopback, and the walk to our callback without a page in between: the forger is never
visited by the browser, because all that a person could do there is decided by the test.
"""

import json
import secrets
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, parse_qsl, urlencode, urlsplit

import requests

from idp.jose.algorithms import PairedKey
from tests.jose.tokens import forge
from tests.support.assertions import make_key, public_jwk
from tests.support.authorize import Asked, ask
from tests.support.relying_party import Browser, Page, RelyingParty

CLIENT_ID = "our-client"
CLIENT_SECRET = "the-secret-that-must-never-be-logged"  # of a provider that exists in tests only
KID = "forger-1"
Write = Callable[[BaseHTTPRequestHandler], None]


@dataclass(frozen=True)
class Seen:
    """A request that came."""

    method: str
    path: str
    headers: dict[str, str]
    form: dict[str, str] = field(default_factory=dict)


class Forger:
    """`answers`: path → what writes the answer; `metadata`: path of an issuer → changes of its metadata (None removes);
    `tokens`: code → what the token endpoint answers, text or a JSON value."""

    def __init__(self) -> None:
        self.key: PairedKey = make_key("RS256")
        self.answers: dict[str, Write] = {}
        self.metadata: dict[str, dict[str, Any]] = {}
        self.tokens: dict[str, Any] = {}
        self.userinfo: dict[str, Any] = {}
        self.seen: list[Seen] = []
        self.closing = threading.Event()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler_of(self))
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        self._thread.start()

    @property
    def host(self) -> str:
        return f"127.0.0.1:{self._server.server_address[1]}"

    @property
    def origin(self) -> str:
        return f"http://{self.host}"

    @property
    def jwks(self) -> dict[str, Any]:
        """Without `alg`, as Microsoft's are: what may be used is for others to say."""
        return {"keys": [public_jwk(self.key, kid=KID, use="sig")]}

    def close(self) -> None:
        self.closing.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(5)

    def connection(self, name: str, path: str = "", **options: str) -> dict[str, str]:
        """The variables of a connection to the issuer at this path, as `make_settings` takes them."""
        values = {"kind": "oidc", "issuer": self.origin + path, "client_id": CLIENT_ID, "client_secret": CLIENT_SECRET}
        return {f"upstream_{name.replace('-', '_')}_{option}": text for option, text in (values | options).items()}

    def describe(self, path: str) -> dict[str, Any]:
        """The metadata of the issuer at this path."""
        issuer = self.origin + path
        honest = {
            "issuer": issuer,
            "authorization_endpoint": f"{issuer}/authorize",
            "token_endpoint": f"{issuer}/token",
            "jwks_uri": f"{self.origin}/jwks",
            "userinfo_endpoint": f"{issuer}/userinfo",
            "id_token_signing_alg_values_supported": ["RS256"],
            "code_challenge_methods_supported": ["S256"],
        }
        changed = honest | self.metadata.get(path, {})
        return {name: value for name, value in changed.items() if value is not None}

    def claims(self, begun: "Begun", path: str = "", **changes: Any) -> dict[str, Any]:
        """What an honest ID token for this sign-in says; a claim given as None is left out."""
        now = int(time.time())
        honest = {
            "iss": self.origin + path,
            "sub": f"s-{secrets.token_hex(8)}",
            "aud": CLIENT_ID,
            "iat": now,
            "exp": now + 300,
            "nonce": begun.params["nonce"],
            "email": f"f{secrets.token_hex(6)}@example.net",
            "email_verified": True,
            "name": "Mallory Forger",
        }
        return {name: value for name, value in (honest | changes).items() if value is not None}

    def sign(self, payload: Any, *, key: Any = None, **header: Any) -> str:
        """An ID token with these claims (or this text as its payload); header members given as None are left out."""
        head = {"alg": "RS256", "typ": "JWT", "kid": KID} | header
        return forge({name: value for name, value in head.items() if value is not None}, payload, key or self.key)

    def issue_code(self, answer: Any) -> str:
        """A code for which the token endpoint gives this answer: text as it is, anything else as JSON."""
        code = secrets.token_urlsafe(12)
        self.tokens[code] = answer
        return code

    def issue(self, id_token: object) -> str:
        """A code for an ordinary token response with this ID token."""
        return self.issue_code({"access_token": "at-" + secrets.token_hex(8), "token_type": "Bearer",
                                "expires_in": 300, "id_token": id_token})  # fmt: skip

    def paths(self) -> list[str]:
        return [seen.path for seen in self.seen]


@dataclass(frozen=True)
class Begun:
    """A sign-in on its way: the request that the browser would have taken to the provider."""

    asked: Asked
    browser: Browser
    url: str

    @property
    def params(self) -> dict[str, str]:
        return dict(parse_qsl(urlsplit(self.url).query))

    def answer(self, *, browser: Browser | None = None, **params: str | None) -> requests.Response:
        """Come back with these parameters and the right state; None leaves one out. Redirects are not followed."""
        values = {"state": self.params["state"]} | params
        query = urlencode({name: value for name, value in values.items() if value is not None})
        return (browser or self.browser).get(f"{self.params['redirect_uri']}?{query}")

    def land(self, **params: str | None) -> Asked:
        """The same, redirects within our server followed."""
        return self.asked.then(self.answer(browser=None, **params))


def press_away(party: RelyingParty, browser: Browser, connection: str, **overrides: str | None) -> Begun:
    """Ask for a sign-in, press the provider's button, and go no further than its address."""
    asked = ask(party, browser, method="GET", **overrides)
    response = asked.page.submit(f"continue-with-{connection}")
    assert response.status_code == 303, Page(browser, response).text[:300]
    return Begun(asked, browser, response.headers["Location"])


@contextmanager
def running_forger() -> Iterator[Forger]:
    forger = Forger()
    try:
        yield forger
    finally:
        forger.close()


def saying(body: bytes | str = b"", status: int = 200, **headers: str) -> Write:
    """Writes one whole answer; header names are given with underscores."""
    raw = body.encode(errors="surrogateescape") if isinstance(body, str) else body

    def write(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(status)
        for name, value in ({"Content_Type": "application/json", "Content_Length": str(len(raw))} | headers).items():
            handler.send_header(name.replace("_", "-"), value)
        handler.end_headers()
        handler.wfile.write(raw)

    return write


def check_nobody(browser: Browser, response: requests.Response, *statuses: int) -> Page:
    """A page says that it did not work, and nobody is signed in."""
    page = browser.page(response)
    assert (page.id, page.status in statuses) == ("trouble-page", True), f"{page.id} {page.status}: {page.text[:300]}"
    assert "idp_session" not in browser.http.cookies
    assert "Location" not in page.response.headers
    return page


def _handler_of(forger: Forger) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._answer({})

        def do_POST(self) -> None:
            raw = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            self._answer({name: values[0] for name, values in parse_qs(raw.decode(), keep_blank_values=True).items()})

        def _answer(self, form: dict[str, str]) -> None:
            path = self.path.partition("?")[0]
            forger.seen.append(Seen(self.command, path, dict(self.headers.items()), form))
            with suppress(OSError):  # whoever asked may have had enough
                (forger.answers.get(path) or _usual(forger, path, form))(self)

        def log_message(self, format: str, *args: Any) -> None:
            """Nothing: the tests read `seen`."""

    return Handler


def _usual(forger: Forger, path: str, form: dict[str, str]) -> Write:
    last = path.rpartition("/")[2]
    if path.endswith("/.well-known/openid-configuration"):
        return saying(json.dumps(forger.describe(path.removesuffix("/.well-known/openid-configuration"))))
    if last == "jwks":
        return saying(json.dumps(forger.jwks))
    if last == "token" and form.get("code") in forger.tokens:
        answer = forger.tokens[form["code"]]
        return saying(answer if isinstance(answer, str) else json.dumps(answer))
    if last == "userinfo":
        return saying(json.dumps(forger.userinfo))
    return saying(json.dumps({"error": "invalid_grant"}), 400 if last == "token" else 404)
