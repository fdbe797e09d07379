"""What a verified access token says (RFC 9068 §2.2)."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Token:
    """A token that passed every check. Times are in seconds since the epoch.

    `subject` is the person or, for a client that acts for itself, its client_id; it is unique for this issuer only.
    `acr` and `auth_time` tell how and when the person signed in. `claims` is everything that the token says.
    """

    subject: str
    client_id: str
    scopes: frozenset[str]
    roles: frozenset[str]
    expires_at: float
    auth_time: float | None = None
    acr: str | None = None
    claims: Mapping[str, Any] = field(default_factory=dict, repr=False, hash=False)
