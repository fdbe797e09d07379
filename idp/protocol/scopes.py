"""Scopes: RFC 6749 §3.3, OpenID Connect Core §5.4 (identity scopes) and §11 (offline_access); APIs add their own."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field

from idp.protocol.errors import InvalidScope, InvalidTarget
from idp.protocol.findings import Finding, expect, shown, shown_uri

OPENID = "openid"
OFFLINE_ACCESS = "offline_access"

SCOPE_CLAIMS: dict[str, tuple[str, ...]] = {
    "openid": ("sub",),
    "profile": (
        ("name", "family_name", "given_name", "middle_name", "nickname", "preferred_username", "profile", "picture")
        + ("website", "gender", "birthdate", "zoneinfo", "locale", "updated_at", "roles")
    ),
    "email": ("email", "email_verified"),
    "address": ("address",),
    "phone": ("phone_number", "phone_number_verified"),
    "offline_access": (),
}
IDENTITY_SCOPES = tuple(SCOPE_CLAIMS)
_SCOPE_TOKEN = frozenset(chr(c) for c in range(0x21, 0x7F)) - {'"', "\\"}


@dataclass(frozen=True, slots=True)
class Api:
    """A protected resource (RFC 8707 §2 calls its identifier a resource). `scopes`: name → what it means in words."""

    identifier: str
    name: str
    scopes: dict[str, str] = field(default_factory=dict)


def is_scope_token(word: str) -> bool:
    """RFC 6749 §3.3: printable ASCII without space, double quote and backslash."""
    return bool(word) and set(word) <= _SCOPE_TOKEN


def grantable(requested: Iterable[str], allowed: Collection[str]) -> tuple[str, ...]:
    """The requested scopes that the client may have; others are ignored (Core §3.1.2.1), none left is an error."""
    words = tuple(dict.fromkeys(requested))
    granted = tuple(word for word in words if word in allowed)
    if not granted:
        hint = "Ask for one that the client is registered for, or register this one: idp clients update --scope."
        raise InvalidScope(
            "scope has nothing that this client may ask for; OpenID Connect needs at least openid.",
            findings=[Finding("scope", expect(sorted(allowed)), shown(" ".join(words)) or "no scope", hint)],
        )
    return granted


def load_narrowed(requested: Iterable[str], granted: Collection[str]) -> tuple[str, ...]:
    """RFC 6749 §6: a refresh may ask for less than was granted, never for more."""
    words = tuple(dict.fromkeys(requested))
    more = [word for word in words if word not in granted]
    if more:
        finding = Finding("scope", expect(sorted(granted)), shown(" ".join(more)), "Sign in again to be granted more.")
        raise InvalidScope("scope asks for more than was granted.", findings=[finding])
    return words


def check_resources(requested: Collection[str], allowed: Collection[str]) -> None:
    """RFC 8707 §2: each resource is one that the client may use."""
    for resource in requested:
        if resource not in allowed:
            finding = Finding("resource", expect(sorted(allowed)), shown_uri(resource, allowed), is_compared=True)
            raise InvalidTarget("resource is unknown, or not one that this client may use.", findings=[finding])


def scopes_of_token(
    granted: Iterable[str], apis: Iterable[Api], *, all_apis_scopes: Collection[str]
) -> tuple[str, ...]:
    """What a token for these APIs may do: the identity scopes, and of the APIs' scopes only theirs (RFC 8707 §2.2)."""
    theirs = {word for api in apis for word in api.scopes}
    return tuple(word for word in granted if word in theirs or word not in all_apis_scopes)
