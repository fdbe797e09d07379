"""Signing in with other providers in tests: a server with the stand-ins behind it, and a person who chooses there.

Owns the walk over the stand-in's page. The server is real, and so is every HTTP request between the two.
"""

import json
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urljoin, urlsplit

import requests
from bs4 import BeautifulSoup, Tag

from idp.protocol.identity import User
from idp.sandbox.connections import load_apple_key, sandbox_environment
from idp.sandbox.servers import Sandbox
from tests.support.authorize import Asked, ask
from tests.support.idp_server import ServerUnderTest, running_server, timed_server
from tests.support.relying_party import TIMEOUT, Browser, Page, RelyingParty

# the name of the connection → the kind of its provider
CONNECTIONS = {
    "google": "google",
    "facebook": "facebook",
    "discord": "discord",
    "apple": "apple",
    "github": "github",
    "microsoft": "microsoft",
    "acme": "oidc",
}


@contextmanager
def open_sandbox(folder: Path) -> Iterator[tuple[Sandbox, dict[str, str]]]:
    """All stand-ins on free ports, and the variables that make a server use them (lower case, without IDP_)."""
    key = load_apple_key(folder)
    with Sandbox([0] * 7, key) as sandbox:
        environment = sandbox_environment(sandbox.origins, key)
        yield sandbox, {name.removeprefix("IDP_").lower(): value for name, value in environment.items()}


def like(environment: dict[str, str], connection: str, name: str, **options: str) -> dict[str, str]:
    """The variables of a further connection `name`, which is like this one but for the options."""
    prefix, spelled = f"upstream_{connection}_", name.replace("-", "_")
    same = {key.removeprefix(prefix): value for key, value in environment.items() if key.startswith(prefix)}
    chosen = {"kind": CONNECTIONS[connection]} | same | options
    return {f"upstream_{spelled}_{option}": value for option, value in chosen.items()}


@contextmanager
def sandboxed_server(folder: Path, *, keys_from: Path, **changes: Any) -> Iterator[tuple[ServerUnderTest, Sandbox]]:
    """gunicorn with two workers and every provider, each a stand-in."""
    with (
        open_sandbox(folder / "sandbox") as (sandbox, environment),
        running_server(folder, keys_from=keys_from, **(environment | changes)) as server,
    ):
        yield server, sandbox


@contextmanager
def sandboxed_timed_server(
    folder: Path, *, keys_from: Path, **changes: str
) -> Iterator[tuple[ServerUnderTest, Sandbox]]:
    """One process with settings of this test's own; the stand-ins' clocks stay at the true time."""
    with (
        open_sandbox(folder / "sandbox") as (sandbox, environment),
        timed_server(folder, keys_from=keys_from, **environment | changes) as server,
    ):
        yield server, sandbox


def new_subject(name: str) -> str:
    """A subject of the shape that this provider gives out, of somebody nobody knows yet."""
    number = 10**17 + secrets.randbelow(9 * 10**17)
    return str(number % 10**9) if name == "github" else str(number)


def new_email() -> str:
    return f"p{secrets.token_hex(6)}@example.org"


@dataclass
class Person:
    """Somebody at a provider."""

    sub: str
    email: str = ""
    name: str = "Grace Hopper"
    email_verified: str = "true"

    @property
    def fields(self) -> dict[str, str]:
        return {"sub": self.sub, "email": self.email, "name": self.name, "email_verified": self.email_verified}


def somebody(connection: str, **changes: Any) -> Person:
    return Person(**({"sub": new_subject(connection), "email": new_email()} | changes))


class Elsewhere:
    """The browser on a provider's page."""

    def __init__(self, browser: Browser, response: requests.Response) -> None:
        self.browser, self.response = browser, response
        assert response.status_code == 200, f"{response.status_code}: {response.text[:500]}"
        self.soup = BeautifulSoup(response.text, "html.parser")

    @property
    def asked(self) -> dict[str, str]:
        """The authorization request as it arrived."""
        return dict(parse_qsl(urlsplit(self.response.url).query))

    def choose(
        self,
        person: Person | None = None,
        *,
        control: str = "new",
        fault: str = "",
        at: str = "token",
        claims: dict[str, Any] | None = None,
        profile: dict[str, Any] | None = None,
    ) -> requests.Response:
        """Be this person (or press another button) and come back: the answer of our server's callback, not followed."""
        return self.way_back(person, control=control, fault=fault, at=at, claims=claims, profile=profile).go(
            self.browser
        )

    def way_back(
        self,
        person: Person | None = None,
        *,
        control: str = "new",
        fault: str = "",
        at: str = "token",
        claims: dict[str, Any] | None = None,
        profile: dict[str, Any] | None = None,
    ) -> "WayBack":
        """The same without going there. `claims` and `profile`: further members, or other ones, of the ID token and of
        what the profile endpoint says."""
        fields = person.fields if person is not None else {}
        said = {"claims": json.dumps(claims or {}), "profile": json.dumps(profile or {})}
        return self.leave({"person": control, "fault": fault, "fault_at": at} | said | fields)

    def cancel(self) -> requests.Response:
        return self.leave({"cancel": "1"}).go(self.browser)

    def leave(self, form: dict[str, str]) -> "WayBack":
        """Where the provider sends the browser, without going there."""
        response = self.browser.http.post(self.response.url, data=form, allow_redirects=False, timeout=TIMEOUT)
        if "Location" in response.headers:
            return WayBack(urljoin(response.url, response.headers["Location"]), None)
        found = BeautifulSoup(response.text, "html.parser").find("form")
        assert isinstance(found, Tag), f"{response.status_code}: {response.text[:500]}"
        values = {str(tag["name"]): str(tag.get("value", "")) for tag in found.find_all("input") if tag.get("name")}
        return WayBack(str(found["action"]), values)


@dataclass
class WayBack:
    """A redirect to our callback, or (Apple) a form that is posted there."""

    url: str
    form: dict[str, str] | None

    @property
    def params(self) -> dict[str, str]:
        return self.form if self.form is not None else dict(parse_qsl(urlsplit(self.url).query))

    def go(self, browser: Browser) -> requests.Response:
        return browser.get(self.url) if self.form is None else browser.post(self.url, data=self.form)


def elsewhere(browser: Browser, response: requests.Response) -> Elsewhere:
    """Follow the redirect to a provider."""
    assert response.status_code == 303, f"{response.status_code}: {Page(browser, response).text[:400]}"
    return Elsewhere(browser, browser.http.get(response.headers["Location"], allow_redirects=False, timeout=TIMEOUT))


def press(page: Page, connection: str, *, prefix: str = "continue-with") -> Elsewhere:
    """Press a provider's button."""
    return elsewhere(page.browser, page.submit(f"{prefix}-{connection}"))


def sign_in_with(
    party: RelyingParty, browser: Browser, connection: str, person: Person | None = None, **overrides: Any
) -> Asked:
    """From the client's request to where the provider's answer leads, redirects within the server followed."""
    asked = ask(party, browser, **overrides)
    assert asked.page.id == "login-page", asked.page.text[:300]
    return asked.then(press(asked.page, connection).choose(person))


def follow_link(asked: Asked, control: str) -> Asked:
    """Follow a link of the page, redirects within the server too."""
    link = asked.page.soup.find(id=control)
    assert isinstance(link, Tag), f"no link {control!r} on: {asked.page.text[:400]}"
    return asked.then(asked.browser.get(str(link["href"])))


def first_party(server: ServerUnderTest, **changes: Any) -> RelyingParty:
    """A client that asks nobody for consent and reads claims from its ID token."""
    return RelyingParty(server, server.add_client(first_party=True, claims_in_id_token=True, **changes))


def users_of(server: ServerUnderTest, connection: str, person: Person) -> list[User]:
    """Who is known here by this account at a provider: one, or nobody."""
    from sqlalchemy import select

    from idp.store.tables import identities

    query = select(identities.c.user_id).where(identities.c.upstream == connection, identities.c.subject == person.sub)
    with server.store.database.reading() as reading:
        ids = list(reading.execute(query).scalars())
    return [user for each in ids if (user := server.store.users.find(each)) is not None]
