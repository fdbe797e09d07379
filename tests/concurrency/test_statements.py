"""How many SQL statements a request costs. A number that grows here is a decision, never an accident.

Counted on SQLite in one process; BEGIN, COMMIT and the pool's own checks are not statements of ours. Clients and APIs
are read through a cache of one second, so these reads are counted apart.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
import requests
from sqlalchemy import Engine, event

from tests.support.idp_server import TimedServer
from tests.support.relying_party import Browser, RelyingParty

CACHED = ("FROM clients", "FROM apis", "FROM client_origins")


@dataclass
class Statements:
    """Statements of one request: ours by their first two or three words, and reads through the cache."""

    ours: list[str] = field(default_factory=list)
    cached: list[str] = field(default_factory=list)

    def note(self, statement: str) -> None:
        if statement.startswith(("BEGIN", "PRAGMA")):
            return
        words = " ".join(statement.split())
        (self.cached if any(name in words for name in CACHED) else self.ours).append(_headline(words))


def _headline(statement: str) -> str:
    """`SELECT sessions`, `UPDATE grants`, `INSERT refresh_tokens`."""
    verb, *rest = statement.split(" ")
    after = {"SELECT": "FROM", "INSERT": "INTO", "DELETE": "FROM"}.get(verb)
    return f"{verb} {rest[rest.index(after) + 1] if after else rest[0]}"


Counted = Callable[[Callable[[], requests.Response]], Statements]


@pytest.fixture
def counted() -> Iterator[Counted]:
    """`counted(request)`: the statements of that request. The server under test runs in this very process."""
    current: list[Statements] = []

    def before(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        if current:
            current[-1].note(statement)

    def count(send: Callable[[], requests.Response]) -> Statements:
        current.append(Statements())
        answer = send()
        statements = current.pop()
        assert answer.status_code in {200, 303}, answer.text
        assert len(statements.cached) <= 2
        return statements

    event.listen(Engine, "before_cursor_execute", before)
    yield count
    event.remove(Engine, "before_cursor_execute", before)


@dataclass
class Scene:
    """A person who is signed in and has consented, and their client."""

    client: RelyingParty
    browser: Browser
    tokens: dict[str, Any]


@pytest.fixture
def scene(timed: TimedServer) -> Scene:
    client, browser = RelyingParty(timed, timed.add_client(always_issue_refresh_token=True)), Browser(timed)
    return Scene(client, browser, client.tokens(browser, timed.add_user().username))


def test_authorize_with_session_and_consent_costs_three(scene: Scene, counted: Counted) -> None:
    statements = counted(lambda: scene.client.start(scene.browser))
    assert statements.ours == ["SELECT sessions", "SELECT consents", "INSERT grants"]


def test_authorize_for_a_first_party_client_costs_two(timed: TimedServer, scene: Scene, counted: Counted) -> None:
    client = RelyingParty(timed, timed.add_client(first_party=True))
    assert counted(lambda: client.start(scene.browser)).ours == ["SELECT sessions", "INSERT grants"]


def test_authorize_that_needs_a_person_costs_one(timed: TimedServer, scene: Scene, counted: Counted) -> None:
    statements = counted(lambda: scene.client.start(Browser(timed)))
    assert statements.ours == ["INSERT ephemeral"]


def test_a_code_exchange_costs_three(scene: Scene, counted: Counted) -> None:
    callback = scene.client.sign_in(scene.browser)
    statements = counted(lambda: scene.client.redeem(callback))
    assert statements.ours == ["SELECT grants", "UPDATE grants", "INSERT refresh_tokens"]


def test_a_code_exchange_without_a_refresh_token_costs_two(timed: TimedServer, scene: Scene, counted: Counted) -> None:
    client = RelyingParty(timed, timed.add_client(first_party=True))
    callback = client.sign_in(scene.browser)
    assert counted(lambda: client.redeem(callback)).ours == ["SELECT grants", "UPDATE grants"]


def test_a_refresh_costs_three(scene: Scene, counted: Counted) -> None:
    statements = counted(lambda: scene.client.refresh(scene.tokens["refresh_token"]))
    assert statements.ours == ["SELECT refresh_tokens", "UPDATE refresh_tokens", "INSERT refresh_tokens"]


def test_a_repeated_refresh_costs_two(scene: Scene, counted: Counted) -> None:
    assert scene.client.refresh(scene.tokens["refresh_token"]).status_code == 200
    statements = counted(lambda: scene.client.refresh(scene.tokens["refresh_token"]))
    assert statements.ours == ["SELECT refresh_tokens", "SELECT refresh_tokens"]


def test_userinfo_costs_one(scene: Scene, counted: Counted) -> None:
    assert counted(lambda: scene.client.userinfo(scene.tokens["access_token"])).ours == ["SELECT grants"]


def test_introspection_of_an_access_token_costs_one(scene: Scene, counted: Counted) -> None:
    assert counted(lambda: scene.client.introspect(scene.tokens["access_token"])).ours == ["SELECT grants"]


def test_introspection_of_a_refresh_token_costs_one(scene: Scene, counted: Counted) -> None:
    assert counted(lambda: scene.client.introspect(scene.tokens["refresh_token"])).ours == ["SELECT refresh_tokens"]


@pytest.mark.parametrize("path", ["/.well-known/openid-configuration", "/jwks"])
def test_documents_cost_nothing(timed: TimedServer, counted: Counted, path: str) -> None:
    assert counted(lambda: requests.get(timed.url(path), timeout=30)).ours == []


def test_the_second_request_within_a_second_reads_no_client(scene: Scene, counted: Counted) -> None:
    """Ten in a row: at least one of them falls into the second of the one before."""
    reads = [counted(lambda: scene.client.userinfo(scene.tokens["access_token"])).cached for _ in range(10)]
    assert [] in reads
