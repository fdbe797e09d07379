"""All connections of this server, and the two walks: sending a person to a provider, and reading its answer."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from idp.outbound import OutboundFetcher
from idp.protocol.identity import Identity
from idp.server import Server
from idp.settings import Settings
from idp.upstream.authorization_url import Wishes, make_authorization_url
from idp.upstream.calls import Slots
from idp.upstream.connection import Connection
from idp.upstream.discovery import Discovery
from idp.upstream.errors import Denied, Refused, StateRefused, Unavailable
from idp.upstream.provider import Endpoints
from idp.upstream.state import Pending, keep_pending

_TROUBLE = frozenset({"server_error", "temporarily_unavailable"})
_DENIED = frozenset({"access_denied", "user_cancelled_authorize", "user_cancelled_login"})


class Upstreams:
    """Made once by `create_app` and shared by all threads. `connections` are in the order in which people see them."""

    def __init__(self, settings: Settings, connections: Mapping[str, Connection], fetcher: OutboundFetcher) -> None:
        self.connections = connections
        self._fetcher = fetcher
        self._discovery = Discovery(fetcher)
        self._slots = Slots(settings.upstream_concurrency)

    def warm_up(self) -> None:
        """Load now, before workers are forked, what the first sign-in would load."""
        from idp.upstream import exchange

        del exchange

    def find(self, name: str) -> Connection | None:
        return self.connections.get(name)

    def load_endpoints(self, connection: Connection) -> Endpoints:
        """Where this connection's provider answers, or its stand-in. Raises UpstreamFailed where discovery fails."""
        if connection.provider.endpoints is None:
            return self._discovery.load(str(connection.settings.issuer))
        found = connection.provider.endpoints(connection.settings)
        return replace(
            found,
            authorization=connection.url(found.authorization),
            token=connection.url(found.token),
            userinfo=connection.url(found.userinfo) if found.userinfo else None,
            jwks_uri=connection.url(found.jwks_uri) if found.jwks_uri else None,
        )

    def begin(
        self, server: Server, connection: Connection, pending: Pending, browser: str, wishes: Wishes, *, now: int
    ) -> str:
        """Remember this sign-in for this browser; the URL at the provider to send the person to."""
        with self._slots.taken(connection.name):
            endpoints = self.load_endpoints(connection)
        state = keep_pending(server, pending, browser, now=now)
        return make_authorization_url(connection, endpoints, pending, state, wishes)

    def finish(
        self, server: Server, connection: Connection, pending: Pending, callback: Mapping[str, str], *, now: int
    ) -> tuple[Identity, Mapping[str, Any]]:
        """Who has signed in, and the provider's tokens. Raises UpstreamFailed, or StateRefused when it was not this
        provider that answered."""
        from idp.upstream.exchange import load_identity

        with self._slots.taken(connection.name):
            endpoints = self.load_endpoints(connection)
            check_issuer_parameter(endpoints, callback.get("iss"))
            check_success(callback)
            return load_identity(
                connection, endpoints, pending, callback, fetcher=self._fetcher, keys=server.remote_keys, now=now
            )


def check_issuer_parameter(endpoints: Endpoints, iss: str | None) -> None:
    """RFC 9207 §2.4: the answer says that it is from the provider we asked, wherever providers say so."""
    if iss is None and not endpoints.sends_iss:
        return
    if iss != endpoints.issuer:
        raise StateRefused("the answer is from another issuer")


def check_success(callback: Mapping[str, str]) -> None:
    """RFC 6749 §4.1.2.1: an error instead of a code. Raises UpstreamFailed."""
    error = callback.get("error")
    if error is None and callback.get("code"):
        return
    if error is None:
        raise Refused("neither a code nor an error came")
    if error in _DENIED:
        raise Denied(error)
    detail = f"authorization endpoint: error {error[:64] if error.isprintable() else 'unprintable'}"
    raise Unavailable(detail) if error in _TROUBLE else Refused(detail)
