"""Accounts at other providers that come along with people: the columns `identity.<connection>` of an import.

Owns whose issuer a connection's subjects are under, and what their ids look like. A link lets somebody in, so a row
whose account is linked to somebody else is refused by `idp.cli.import_plan`.
"""

from collections.abc import Mapping, Sequence

from idp.accounts.linking import Why
from idp.cli.import_rows import Person, RowRefused
from idp.settings import UpstreamSettings
from idp.store.identities import Key, LinkedIdentity
from idp.upstream import PROVIDERS, apple, discord, facebook, github, google

ISSUERS: Mapping[str, str] = {
    "google": google.ISSUER,
    "facebook": facebook.ISSUER,
    "discord": discord.ISSUER,
    "apple": apple.ISSUER,
    "github": github.ISSUER,
}
"""Kind → issuer. That of Microsoft differs from person to person, so its accounts cannot be imported."""
_NUMBERS = frozenset({"google", "facebook", "discord", "github"})


class Linker:
    """Knows the connections of this server."""

    def __init__(self, connections: Sequence[UpstreamSettings]) -> None:
        self._connections = {connection.name: connection for connection in connections}

    def keys(self, person: Person) -> list[Key]:
        """The accounts at other providers that a row names; raises RowRefused."""
        return [self._key(name, subject) for name, subject in person.identities.items()]

    def _key(self, name: str, subject: str) -> Key:
        connection = self._connections.get(name)
        if connection is None:
            raise RowRefused(f"There is no connection {name}; set IDP_UPSTREAM_{name.upper()}_CLIENT_ID first.")
        kind = connection.kind or (name if name in PROVIDERS else "oidc")
        issuer = connection.issuer if kind == "oidc" else ISSUERS.get(kind)
        if issuer is None:
            raise RowRefused(f"Accounts of the connection {name} cannot be imported.")
        if kind in _NUMBERS and not (subject.isascii() and subject.isdigit()):
            raise RowRefused(f"identity.{name} is not a number, as every id at this provider is.")
        return Key(name, issuer, subject)


def make_links(keys: Sequence[Key], user_id: str, *, now: int) -> tuple[LinkedIdentity, ...]:
    """Links of somebody new; their first sign-in takes the profile from the provider."""
    how = Why.IMPORTED.value
    return tuple(LinkedIdentity(key, user_id, how, linked_at=now, last_used_at=now) for key in keys)
