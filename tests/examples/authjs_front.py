"""A front end with Auth.js beside the real server: registered as its recipe says, used over HTTP, its cookie opened."""

import base64
import io
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import requests
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from dotenv import dotenv_values
from joserfc import jwe
from joserfc.jwk import OctKey
from sqlalchemy import update

from idp.protocol.scopes import Api
from idp.recipes import RECIPES, Answers, make_facts, render
from idp.store.tables import refresh_tokens
from tests.examples.api_process import API, ExampleApi
from tests.support.idp_server import RegisteredClient, ServerUnderTest
from tests.support.relying_party import TIMEOUT, Browser

COOKIE = "authjs.session-token"
SECRET = "the-key-of-the-session-cookie-in-tests"
ALGORITHMS = ["dir", "A256CBC-HS512"]
LONGEST_COOKIE = 3900


@dataclass(frozen=True)
class FrontEnd:
    """Where it is, and the client that it is to the server."""

    server: ServerUnderTest
    client: RegisteredClient
    url: str

    def get(self, browser: Browser, path: str) -> requests.Response:
        """A page load with the cookies of the browser; a redirect is seen, not followed."""
        return browser.http.get(self.url + path, allow_redirects=False, timeout=TIMEOUT)

    def begin(self, browser: Browser) -> requests.Response:
        """Press "sign in" on the page that Auth.js brings: the redirect to the server."""
        csrf = self.get(browser, "/api/auth/csrf").json()["csrfToken"]
        form = {"csrfToken": csrf, "callbackUrl": self.url}
        target = f"{self.url}/api/auth/signin/idp"
        return browser.http.post(target, data=form, allow_redirects=False, timeout=TIMEOUT)

    def callback(self, browser: Browser, username: str | None) -> str:
        """Go through the pages of the server: the address at which the browser comes back."""
        asked = browser.get(self.begin(browser).headers["Location"])
        location = browser.go_through(asked, username).headers["Location"]
        assert location.startswith(f"{self.url}/api/auth/callback/idp?")
        return location

    def sign_in(self, browser: Browser, username: str | None) -> None:
        browser.http.get(self.callback(browser, username), allow_redirects=False, timeout=TIMEOUT)
        assert self.session(browser) is not None

    def leave(self, browser: Browser, process: str) -> requests.Response:
        """Sign out at this process; the cookies of the browser stay as they are."""
        cookies = dict(browser.http.cookies)
        return requests.post(f"{process}/sign-out", cookies=cookies, allow_redirects=False, timeout=TIMEOUT)

    def session(self, browser: Browser) -> dict[str, Any] | None:
        """What the encrypted cookie of the browser holds; None: nobody is signed in."""
        return read_session({each.name: each.value or "" for each in browser.http.cookies})

    def make_due(self, browser: Browser, renew_at: int = 0) -> str:
        """Turn the browser's cookie into one whose tokens are to be renewed then, or now, with an access token that is
        of no use any more; the refresh token in it."""
        session = self.session(browser)
        assert session is not None
        write_session(browser.http, aged(session, renew_at))
        return str(session["tokens"]["refresh_token"])


def add_front_end(server: ServerUnderTest, url: str, **changes: Any) -> FrontEnd:
    """Registered as `idp clients add --for authjs` does."""
    api = Api(API, "Orders", {"orders.read": "See your orders"})
    server.store.apis.save(api, now=server.now)
    settings = RECIPES["authjs"].settings
    assert settings is not None
    registered = dict(settings(Answers("Front end", urls=(url,), apis=(api,))))
    return FrontEnd(server, server.add_client(**(registered | changes)), url)


def environment_of(front: FrontEnd, api: ExampleApi) -> dict[str, str]:
    """What `idp clients add` prints into the recipe's env.local, and where the API is."""
    recipe = RECIPES["authjs"]
    facts = make_facts(
        recipe, front.server.issuer, client=front.client.metadata, secret=front.client.secret, random_secret=SECRET
    )
    [env] = [snippet.content for snippet in render(recipe, facts) if snippet.path == ".env.local"]
    values = {name: value or "" for name, value in dotenv_values(stream=io.StringIO(env)).items()}
    assert values["AUTH_URL"] == front.url
    return values | {"API_URL": f"http://127.0.0.1:{api.port}"}


def pass_the_grace_time(front: FrontEnd) -> None:
    """As if everything that was done with refresh tokens had been done a minute earlier."""
    with front.server.store.database.writing() as connection:
        connection.execute(update(refresh_tokens).values(used_at=refresh_tokens.c.used_at - 60))


def read_session(cookies: Mapping[str, str]) -> dict[str, Any] | None:
    """The pieces of Auth.js's cookie put together and decrypted with the front end's key."""
    pieces = sorted((name, value) for name, value in cookies.items() if name.startswith(COOKIE) and value)
    if not pieces:
        return None
    opened = jwe.decrypt_compact("".join(value for _, value in pieces), _key(), ALGORITHMS)
    return dict(json.loads(opened.plaintext or b""))


def aged(session: Mapping[str, Any], renew_at: int = 0) -> dict[str, Any]:
    """The session with tokens that are to be renewed then, or now, with an access token that is of no use any more."""
    tokens = session["tokens"] | {"renew_at": renew_at} | ({} if renew_at else {"access_token": "of-yesterday"})
    return dict(session) | {"tokens": tokens}


def cookies_for(session: Mapping[str, Any]) -> dict[str, str]:
    """The cookies that hold this session, encrypted and cut as Auth.js does it."""
    header = {"alg": "dir", "enc": "A256CBC-HS512"}
    value = jwe.encrypt_compact(header, json.dumps(session).encode(), _key(), ALGORITHMS)
    pieces = range(0, len(value), LONGEST_COOKIE)
    return {f"{COOKIE}.{number}": value[start : start + LONGEST_COOKIE] for number, start in enumerate(pieces)}


def write_session(http: requests.Session, session: Mapping[str, Any]) -> None:
    """Put this session into the browser, in place of the one that is there."""
    former = [each for each in http.cookies if each.name.startswith(COOKIE)]
    for cookie in former:
        http.cookies.clear(cookie.domain, cookie.path, cookie.name)
    for name, piece in cookies_for(session).items():
        http.cookies.set(name, piece, domain=former[0].domain, path="/")


def _key() -> OctKey:
    """How Auth.js makes the key of the cookie out of AUTH_SECRET."""
    info = f"Auth.js Generated Encryption Key ({COOKIE})"
    key = HKDF(SHA256(), 64, COOKIE.encode(), info.encode()).derive(SECRET.encode())
    return OctKey.import_key({"kty": "oct", "k": base64.urlsafe_b64encode(key).rstrip(b"=").decode()})
