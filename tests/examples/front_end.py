"""A front end of NextAuth 4 in the tests: its cookies, and a person who signs in to it."""

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import requests
from bs4 import BeautifulSoup
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from joserfc import jwe
from joserfc.jwk import OctKey

from tests.support.idp_server import ServerUnderTest
from tests.support.relying_party import TIMEOUT, Browser

JWT = re.compile(r"eyJ[\w-]{10,}\.[\w-]+\.[\w-]+")  # an access token or ID token, but not an encrypted cookie


@dataclass(frozen=True)
class SessionCookie:
    """The encrypted session of NextAuth 4: opened and sealed as it does it, with the secret of the front end."""

    secret: str
    name: str = "next-auth.session-token"
    info: str = "NextAuth.js Generated Encryption Key"

    def open(self, cookies: Iterable[tuple[str, str | None]]) -> dict[str, Any]:
        """What is in the session, from all cookies of the browser."""
        pieces = sorted((name, value or "") for name, value in cookies if self.is_part(name))
        return dict(json.loads(jwe.decrypt_compact("".join(value for _, value in pieces), self._key).plaintext or b""))

    def seal(self, session: dict[str, Any]) -> str:
        return jwe.encrypt_compact({"alg": "dir", "enc": "A256GCM"}, json.dumps(session).encode(), self._key)

    def is_part(self, name: str) -> bool:
        return name == self.name or name.startswith(f"{self.name}.")

    @property
    def _key(self) -> OctKey:
        derived = HKDF(SHA256(), 32, salt=None, info=self.info.encode()).derive(self.secret.encode())
        return OctKey.import_key(derived)


@dataclass
class Visitor:
    """A browser at the front end, without JavaScript. `urls`: its processes; the first has the name it goes by."""

    server: ServerUnderTest
    cookie: SessionCookie
    urls: tuple[str, ...]
    browser: Browser = field(init=False)

    def __post_init__(self) -> None:
        self.browser = Browser(self.server)

    def get(self, path: str = "/") -> requests.Response:
        return self.browser.get(self.urls[0] + path)

    def post(self, path: str, data: dict[str, str], **headers: str) -> requests.Response:
        return self.browser.post(self.urls[0] + path, data=data, headers={"Origin": self.urls[0]} | headers)

    def begin(self) -> requests.Response:
        """Press "Sign in": the redirect to the server."""
        csrf = self.get("/api/auth/csrf").json()["csrfToken"]
        return self.post("/api/auth/signin/idp", {"csrfToken": csrf, "callbackUrl": self.urls[0] + "/"})

    def come_back(self, username: str) -> str:
        """Sign in at the server and allow what is asked: the URL that leads back to the front end, not yet opened."""
        answer = self.browser.go_through(self.begin(), username)
        return answer.headers["Location"]

    def sign_in(self, username: str) -> "Visitor":
        answer = self.browser.get(self.come_back(username))
        assert answer.headers["Location"] in {self.urls[0], self.urls[0] + "/"}, answer.headers
        return self

    @property
    def session(self) -> dict[str, Any]:
        return self.cookie.open((cookie.name, cookie.value) for cookie in self.browser.http.cookies)

    @property
    def session_cookies(self) -> dict[str, str]:
        cookies = self.browser.http.cookies
        return {cookie.name: cookie.value or "" for cookie in cookies if self.cookie.is_part(cookie.name)}

    def load_with_these_cookies(self, number: int) -> requests.Response:
        """A page load with the cookies that are there now; those it brings are not kept. Safe in threads."""
        url = f"{self.urls[number % len(self.urls)]}/orders?{number}"
        return requests.get(url, cookies=self.session_cookies, allow_redirects=False, timeout=TIMEOUT)

    def keep_cookies_of(self, answer: requests.Response) -> None:
        self.browser.http.cookies.update(answer.cookies)


def request_sent(answer: requests.Response) -> dict[str, str]:
    """The parameters of the authorization request that a redirect carries."""
    return dict(parse_qsl(urlsplit(answer.headers["Location"]).query))


def text_of(answer: requests.Response, control: str) -> str | None:
    """The text of an element of a page, or None when it is not there."""
    found = BeautifulSoup(answer.text, "html.parser").find(id=control)
    return None if found is None else found.get_text()
