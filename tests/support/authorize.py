"""Asking at `/authorize` and reading what comes back: a page for the person, or an answer to the client."""

from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

import requests

from tests.support.accounts import PASSWORD
from tests.support.idp_server import ServerUnderTest
from tests.support.relying_party import Browser, Callback, Page, RelyingParty

Overrides = str | None


@dataclass
class Asked:
    """One request and where it led, redirects within the server followed."""

    client: RelyingParty
    browser: Browser
    params: dict[str, str]
    verifier: str
    response: requests.Response

    @property
    def page(self) -> Page:
        return Page(self.browser, self.response)

    @property
    def callback(self) -> Callback:
        return self.client.callback(self.response, self.params, self.verifier)

    def then(self, response: requests.Response) -> "Asked":
        """The same request after the person has done something."""
        return Asked(self.client, self.browser, self.params, self.verifier, self.browser.follow(response))

    def log_in(self, username: str, password: str = PASSWORD) -> "Asked":
        assert self.page.id == "login-page", self.page.text[:300]
        return self.then(self.page.submit("login", username=username, password=password))


def ask(client: RelyingParty, browser: Browser, *, method: str = "GET", **overrides: Overrides) -> Asked:
    """Send a request that is valid but for the overrides."""
    params, verifier = client.request(**overrides)
    first = browser.post("/authorize", data=params) if method == "POST" else browser.get("/authorize", params=params)
    return Asked(client, browser, params, verifier, browser.follow(first))


def ask_with(client: RelyingParty, browser: Browser, pairs: list[tuple[str, str]], **overrides: Overrides) -> Asked:
    """Send a valid request with further pairs behind, so that a parameter can come twice."""
    params, verifier = client.request(**overrides)
    query = urlencode([*params.items(), *pairs])
    return Asked(client, browser, params, verifier, browser.follow(browser.get(f"/authorize?{query}")))


def signed_in(server: ServerUnderTest, username: str, browser: Browser | None = None) -> Browser:
    """A browser in which this person is signed in, without any client."""
    browser = browser or Browser(server)
    response = browser.open("/login").submit("login", username=username, password=PASSWORD)
    assert (response.status_code, response.headers["Location"]) == (303, "/"), response.text[:300]
    return browser


def trusted_party(server: ServerUnderTest, **changes: Any) -> RelyingParty:
    """A first-party client: nobody is asked for consent."""
    return RelyingParty(server, server.add_client(first_party=True, **changes))


def third_party(server: ServerUnderTest, **changes: Any) -> RelyingParty:
    return RelyingParty(server, server.add_client(**changes))
