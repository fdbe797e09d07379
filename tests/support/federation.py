"""A server with every provider, each a stand-in, and with further connections that differ from those in one setting."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from idp.sandbox.clients import Client
from idp.sandbox.servers import Sandbox
from tests.support.idp_server import ServerUnderTest, running_server
from tests.support.upstream import CONNECTIONS, like, open_sandbox

TENANT = "11111111-2222-4333-8444-555555555555"
STAFF_DOMAIN = "staff.example"
ODD_CLIENT, ODD_SECRET = "odd client:+%&=/é", 's3cret:+ %&=/"é€'
# further connection → the one it is like, and its other options
FURTHER: dict[str, tuple[str, dict[str, str]]] = {
    **{f"{name}-once": (name, {"profile_refresh": "first"}) for name in CONNECTIONS},
    **{f"{name}-kept": (name, {"store_tokens": "true"}) for name in CONNECTIONS},
    "google-staff": ("google", {"hosted_domain": STAFF_DOMAIN.title()}),
    "google-closed": ("google", {"sign_up": "closed"}),
    "entra": ("microsoft", {"tenant": TENANT}),
    "entra-work": ("microsoft", {"tenant": "organizations"}),
    "entra-home": ("microsoft", {"tenant": "consumers"}),
    "apple-misconfigured": ("apple", {"key_id": "ANOTHERKEY"}),
    "github-misconfigured": ("github", {"client_secret": "not-the-right-one"}),
    "acme-odd": ("acme", {"client_id": ODD_CLIENT, "client_secret": ODD_SECRET}),
}


@dataclass(frozen=True)
class Federation:
    """A server under test and the stand-ins behind it, which live in the process of the test."""

    server: ServerUnderTest
    sandbox: Sandbox

    def secrets(self) -> set[str]:
        """Every code and token that a stand-in has given out so far."""
        given: set[str] = set()
        for desk in self.sandbox.desks.values():
            given |= {*desk.codes._codes, *desk.codes._tokens}
        return given

    def read_log(self, start: int = 0) -> str:
        """What the server has logged from this byte on."""
        assert self.server.log is not None
        with self.server.log.open("rb") as log:
            log.seek(start)
            return log.read().decode("utf-8")

    @property
    def log_size(self) -> int:
        assert self.server.log is not None
        return self.server.log.stat().st_size


@contextmanager
def running_federation(folder: Path, *, keys_from: Path, **changes: Any) -> Iterator[Federation]:
    """gunicorn with two workers; requests to providers end after two seconds."""
    with open_sandbox(folder / "sandbox") as (sandbox, environment):
        clients = cast("dict[str, Client]", sandbox.desks["oidc"].clients)
        clients[ODD_CLIENT] = Client(ODD_CLIENT, ODD_SECRET)
        further: dict[str, str] = {}
        for name, (model, options) in FURTHER.items():
            further |= like(environment, model, name, **options)
        settings: dict[str, Any] = {"outbound_timeout": "2"} | environment | further | changes
        with running_server(folder, keys_from=keys_from, **settings) as server:
            yield Federation(server, sandbox)
