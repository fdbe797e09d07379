"""Scopes: RFC 6749 §3.3, OpenID Connect Core §5.4 (identity scopes) and §11 (offline_access); APIs add their own."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field

from idp.protocol.errors import InvalidScope, InvalidTarget

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
    granted = tuple(word for word in dict.fromkeys(requested) if word in allowed)
    if not granted:
        raise InvalidScope("scope has nothing that this client may ask for; OpenID Connect needs at least openid.")
    return granted


def load_narrowed(requested: Iterable[str], granted: Collection[str]) -> tuple[str, ...]:
    """RFC 6749 §6: a refresh may ask for less than was granted, never for more."""
    words = tuple(dict.fromkeys(requested))
    if any(word not in granted for word in words):
        raise InvalidScope("scope asks for more than was granted.")
    return words


def check_resources(requested: Collection[str], allowed: Collection[str]) -> None:
    """RFC 8707 §2: each resource is one that the client may use."""
    for resource in requested:
        if resource not in allowed:
            raise InvalidTarget("resource is unknown, or not one that this client may use.")


def scopes_of_token(
    granted: Iterable[str], apis: Iterable[Api], *, all_apis_scopes: Collection[str]
) -> tuple[str, ...]:
    """What a token for these APIs may do: the identity scopes, and of the APIs' scopes only theirs (RFC 8707 §2.2)."""
    theirs = {word for api in apis for word in api.scopes}
    return tuple(word for word in granted if word in theirs or word not in all_apis_scopes)
