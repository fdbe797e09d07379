"""People with accounts at other providers, and what the tests of the account and conflict pages ask about them."""

import json
import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from idp.accounts.linking import Why
from idp.protocol.identity import User
from idp.store.database import hashed
from idp.store.identities import Key, LinkedIdentity
from idp.store.users import NewUser
from tests.support.idp_server import TimedServer
from tests.support.relying_party import Browser, Page
from tests.support.upstream import Person, press, sandboxed_timed_server, somebody

# Google links by itself, Acme after a yes, everybody else never
TRUST = {"upstream_google_trust_email": "link", "upstream_acme_trust_email": "ask"}


@contextmanager
def running_stage(folder: Path, keys_from: Path) -> Iterator[TimedServer]:
    with sandboxed_timed_server(folder, keys_from=keys_from, **TRUST) as (server, _):
        assert isinstance(server, TimedServer)
        yield server


@contextmanager
def later(server: TimedServer, seconds: int) -> Iterator[None]:
    """A visit to the future; the providers' clocks stay."""
    server.forward(seconds)
    try:
        yield
    finally:
        server.forward(-seconds)


def newcomer(server: TimedServer, name: str, person: Person | None = None) -> tuple[Browser, Person, User]:
    """Somebody whose only way in is this provider, signed in without any client."""
    browser, person = Browser(server), person or somebody(name)
    response = press(browser.open("/login"), name).choose(person)
    assert response.status_code == 303, response.text[:300]
    user = owner_of(server, name, person)
    assert user is not None
    return browser, person, user


def owner_of(server: TimedServer, name: str, person: Person) -> User | None:
    """Whom an account at a provider signs in."""
    for row in server.store.audit_events.list(events=("identity.linked",), limit=1000):
        for linked in server.store.identities.list_of(row["user_id"]):
            if (linked.key.upstream, linked.key.subject) == (name, person.sub):
                return server.store.users.find(linked.user_id)
    return None


def links_of(server: TimedServer, user: User | NewUser) -> list[str]:
    return [linked.key.upstream for linked in server.store.identities.list_of(user.id)]


def add_link(server: TimedServer, user: User | NewUser, upstream: str) -> Key:
    """A link that nobody signed in for, such as one of a connection that was taken away."""
    key, now = Key(upstream, "https://issuer.example", secrets.token_hex(8)), int(time.time())
    row = LinkedIdentity(key, user.id, Why.ACCOUNT_PAGE.value, linked_at=now, last_used_at=now)
    assert server.store.identities.add(row)
    return key


def form_key(key: Key) -> str:
    """What the account page's form calls a link."""
    return hashed("\n".join((key.upstream, key.issuer, key.subject)))


def events_of(server: TimedServer, user: User | NewUser) -> list[tuple[str, str | None, str | None]]:
    """(event, connection, why) of what concerns links, oldest first."""
    names = ("identity.linked", "identity.unlinked", "identity.link_refused", "identity.unlink_refused", "email.lost")
    rows = reversed(server.store.audit_events.list(user_id=user.id, events=names, limit=1000))
    details = [(row["event"], json.loads(row["detail"])) for row in rows]
    return [(event, detail.get("upstream"), detail.get("why")) for event, detail in details]


def csrf_token(page: Page) -> str:
    tag = page.soup.find("input", attrs={"name": "csrf_token"})
    assert tag is not None, page.text[:300]
    return str(tag["value"])
