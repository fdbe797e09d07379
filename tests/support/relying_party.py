"""A relying party and a person's browser, over real HTTP: valid by default, so that a test overrides one parameter."""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any
from urllib.parse import parse_qsl, urljoin, urlsplit

import requests
from bs4 import BeautifulSoup, Tag

from idp.protocol.pkce import s256
from tests.support.accounts import PASSWORD
from tests.support.crowd import patiently
from tests.support.idp_server import RegisteredClient, ServerUnderTest

TIMEOUT = 30
ABSENT = None  # a parameter set to ABSENT is not sent


class Page:
    """An answer with a page, and what a person can do on it."""

    def __init__(self, browser: "Browser", response: requests.Response) -> None:
        self.browser, self.response = browser, response
        self.soup = BeautifulSoup(response.text, "html.parser")

    @property
    def status(self) -> int:
        return self.response.status_code

    @property
    def id(self) -> str | None:
        """Which page it is: the id of its container."""
        found = self.soup.select_one("main [id$='-page']")
        return str(found["id"]) if found is not None else None

    @property
    def text(self) -> str:
        return " ".join(self.soup.get_text(" ").split())

    def fields(self, control: str | None = None) -> tuple[str, dict[str, str]]:
        """Where the form goes that holds this control, and its fields with the control's own value."""
        element = self.soup.find(id=control) if control else None
        form = element.find_parent("form") if isinstance(element, Tag) else self.soup.select_one("main form")
        assert isinstance(form, Tag), f"no form with {control!r} on: {self.text[:300]}"
        values = {
            str(tag["name"]): str(tag.get("value", ""))
            for tag in form.find_all("input")
            if tag.get("name") and tag.get("type") not in {"submit", "button"}
        }
        if isinstance(element, Tag) and element.get("name"):
            values[str(element["name"])] = str(element.get("value", ""))
        return urljoin(self.response.url, str(form.get("action") or self.response.url)), values

    def submit(self, control: str | None = None, **changes: str) -> requests.Response:
        """Press a button; the answer as it comes, redirects not followed."""
        url, values = self.fields(control)
        return self.browser.post(url, data=values | changes)


class Browser:
    """Cookies and one step at a time: a redirect is seen before it is followed."""

    def __init__(self, server: ServerUnderTest, **headers: str) -> None:
        self.server = server
        self.http = requests.Session()
        self.http.trust_env = False
        self.http.headers.update({"Accept-Language": "en", "User-Agent": "TestBrowser/1.0", **headers})

    def get(self, url: str, **options: Any) -> requests.Response:
        return self.http.get(self._absolute(url), allow_redirects=False, timeout=TIMEOUT, **options)

    def post(self, url: str, **options: Any) -> requests.Response:
        return self.http.post(self._absolute(url), allow_redirects=False, timeout=TIMEOUT, **options)

    def follow(self, response: requests.Response) -> "requests.Response":
        """Follow redirects as long as they stay on the server; a redirect to a client is left as it is."""
        for _ in range(10):
            location = response.headers.get("Location")
            if response.status_code not in {301, 302, 303, 307, 308} or location is None:
                return response
            target = urljoin(response.url, location)
            if not target.startswith(self.server.issuer + "/"):
                return response
            response = self.get(target)
        raise AssertionError("too many redirects")

    def open(self, url: str) -> Page:
        return Page(self, self.follow(self.get(url)))

    def page(self, response: requests.Response) -> Page:
        """The page that a response leads to."""
        return Page(self, self.follow(response))

    def go_through(
        self,
        response: requests.Response,
        username: str | None = None,
        *,
        password: str = PASSWORD,
        decision: str = "allow",
    ) -> requests.Response:
        """Do what each page asks, as a person would, until an answer is for the client or asks nothing."""
        response = self.follow(response)
        for _ in range(6):
            page = Page(self, response)
            if page.id == "login-page":
                assert username is not None, "the person is not signed in, but must be"
                log_in = partial(page.submit, "login", username=username, password=password)
                response = self.follow(patiently(log_in))
            elif page.id == "select-account-page":
                response = self.follow(page.submit("continue"))
            elif page.id == "sign-up-page":
                response = self.follow(page.submit("to-login"))
            elif page.id == "consent-page":
                response = self.follow(page.submit(decision))
            else:
                break
        return response

    def _absolute(self, url: str) -> str:
        """A path is one below the issuer, which may have a path of its own."""
        return self.server.issuer + url if url.startswith("/") else urljoin(self.server.issuer + "/", url)


@dataclass
class Callback:
    """What came back to the client: where, and with which parameters."""

    url: str
    params: dict[str, str]
    request: Mapping[str, str] = field(default_factory=dict)
    verifier: str = ""

    @property
    def code(self) -> str:
        assert "code" in self.params, self.params
        return self.params["code"]

    @property
    def error(self) -> str | None:
        return self.params.get("error")


class RelyingParty:
    """A client's side of the flow. Overrides replace parameters; ABSENT leaves one out."""

    def __init__(self, server: ServerUnderTest, client: RegisteredClient, *, redirect_uri: str | None = None) -> None:
        self.server, self.client = server, client
        self.redirect_uri = redirect_uri or client.metadata.redirect_uris[0]

    # --- Authorization request

    def request(self, **overrides: str | None) -> tuple[dict[str, str], str]:
        """The parameters of a valid request, and its code_verifier."""
        verifier = secrets.token_urlsafe(48)
        params: dict[str, str | None] = {
            "client_id": self.client.client_id,
            "response_type": "code",
            "redirect_uri": self.redirect_uri,
            "scope": "openid",
            "state": secrets.token_urlsafe(8),
            "nonce": secrets.token_urlsafe(8),
            "code_challenge": s256(verifier),
            "code_challenge_method": "S256",
        }
        return {name: value for name, value in (params | overrides).items() if value is not None}, verifier

    def start(self, browser: Browser, *, method: str = "GET", **overrides: str | None) -> requests.Response:
        """Send a request; the first answer."""
        params, _ = self.request(**overrides)
        if method == "POST":
            return browser.post("/authorize", data=params)
        return browser.get("/authorize", params=params)

    def sign_in(
        self,
        browser: Browser,
        username: str | None = None,
        *,
        password: str = PASSWORD,
        decision: str = "allow",
        **overrides: str | None,
    ) -> Callback:
        """The whole walk: sign in when asked, choose the account, consent, and come back to the client."""
        params, verifier = self.request(**overrides)
        response = browser.go_through(
            browser.get("/authorize", params=params), username, password=password, decision=decision
        )
        return self.callback(response, params, verifier)

    def callback(self, response: requests.Response, params: Mapping[str, str], verifier: str = "") -> Callback:
        """Read what a response delivers to the client, in whatever response mode."""
        location = response.headers.get("Location")
        if location is not None:
            parts = urlsplit(location)
            values = dict(parse_qsl(parts.fragment or parts.query, keep_blank_values=True))
            return Callback(location, values, params, verifier)
        form = BeautifulSoup(response.text, "html.parser").find(id="form-post")
        assert isinstance(form, Tag), f"{response.status_code}: {response.text[:600]}"
        values = {str(tag["name"]): str(tag.get("value", "")) for tag in form.find_all("input") if tag.get("name")}
        return Callback(str(form["action"]), values, params, verifier)

    # --- Token requests

    def post(self, path: str, form: Mapping[str, Any], **options: Any) -> requests.Response:
        """POST a form to an endpoint, authenticated as the client is registered (secret or none)."""
        data = {name: value for name, value in form.items() if value is not None}
        method = self.client.metadata.token_endpoint_auth_method
        if "auth" not in options and "client_id" not in data and "client_assertion" not in data:
            if method == "client_secret_basic":
                options["auth"] = (self.client.client_id, self.client.secret)
            else:
                data["client_id"] = self.client.client_id
                if method == "client_secret_post":
                    data["client_secret"] = self.client.secret
        return requests.post(self.server.url(path), data=data, timeout=TIMEOUT, **options)

    def redeem(self, callback: Callback, **overrides: Any) -> requests.Response:
        form: dict[str, Any] = {
            "grant_type": "authorization_code",
            "code": callback.params.get("code"),
            "redirect_uri": callback.request.get("redirect_uri"),
            "code_verifier": callback.verifier if "code_challenge" in callback.request else None,
        }
        return self.post("/token", form | overrides)

    def tokens(self, browser: Browser, username: str | None = None, **overrides: Any) -> dict[str, Any]:
        """Sign in and redeem: the token response."""
        response = self.redeem(self.sign_in(browser, username, **overrides))
        assert response.status_code == 200, response.text
        return dict(response.json())

    def refresh(self, refresh_token: str, **overrides: Any) -> requests.Response:
        return self.post("/token", {"grant_type": "refresh_token", "refresh_token": refresh_token} | overrides)

    def userinfo(self, access_token: str) -> requests.Response:
        return requests.get(
            self.server.url("/userinfo"), headers={"Authorization": f"Bearer {access_token}"}, timeout=TIMEOUT
        )

    def introspect(self, token: str, **overrides: Any) -> requests.Response:
        return self.post("/introspect", {"token": token} | overrides)

    def revoke(self, token: str, **overrides: Any) -> requests.Response:
        return self.post("/revoke", {"token": token} | overrides)


def claims_of(token: str) -> dict[str, Any]:
    """The claims of a JWT, unverified."""
    return part_of(token, 1)


def header_of(token: str) -> dict[str, Any]:
    return part_of(token, 0)


def part_of(token: str, index: int) -> dict[str, Any]:
    import base64
    import json

    part = token.split(".")[index]
    return dict(json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))))
