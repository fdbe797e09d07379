"""What a grant has proved: everything `issue` needs to mint, and nothing else. For a person, or for nobody."""

from dataclasses import dataclass

from idp.protocol.grant import Grant
from idp.protocol.identity import User


@dataclass(frozen=True, slots=True)
class Authorization:
    """`scopes` and `resources` are those of the tokens to mint (a part of the grant's); `refresh_token` is what to
    hand out, already stored by the atomic act that consumed the credential."""

    grant: Grant
    user: User
    scopes: tuple[str, ...]
    resources: tuple[str, ...]
    refresh_token: str | None = None


@dataclass(frozen=True, slots=True)
class ClientAuthorization:
    """RFC 6749 §4.4: a client in its own name. There is no person, so nothing about one, and nothing to refresh."""

    scopes: tuple[str, ...]
    resources: tuple[str, ...]
