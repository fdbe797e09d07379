"""What the protocol knows of a person and of their browser session: plain records, made by the stores."""

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class User:
    """A person. `claims` holds the standard claims (OpenID Connect Core §5.1) that have a value; absent ones are
    absent."""

    id: str
    username: str
    claims: dict[str, Any] = field(default_factory=dict)
    roles: tuple[str, ...] = ()
    disabled: bool = False

    @property
    def name(self) -> str:
        """What to call the person on a page."""
        return str(self.claims.get("name") or self.claims.get("given_name") or self.username)

    @property
    def email(self) -> str | None:
        return self.claims.get("email")


@dataclass(frozen=True, slots=True)
class Session:
    """A browser session. `sid` is its public name, never the cookie's value. Times are seconds since the epoch."""

    sid: str
    user_id: str
    auth_time: int
    acr: str
    amr: tuple[str, ...]
    created_at: int
    last_seen_at: int
    expires_at: int
