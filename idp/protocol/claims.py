"""The `claims` parameter (OpenID Connect Core §5.5) and which claims a scope or a request delivers."""

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any, NoReturn

from idp.protocol.errors import InvalidRequest
from idp.protocol.scopes import SCOPE_CLAIMS

USER_CLAIMS = tuple(dict.fromkeys(claim for claims in SCOPE_CLAIMS.values() for claim in claims))
ID_TOKEN_CLAIMS = ("iss", "aud", "exp", "iat", "auth_time", "nonce", "acr", "amr", "azp", "at_hash", "sid")
MAX_CLAIMS_LENGTH = 4096
_SCALARS = (str, int, float, bool, type(None))


@dataclass(frozen=True, slots=True)
class ClaimsRequest:
    """A parsed `claims` parameter: for each place, claim name → None or {essential, value, values}."""

    userinfo: dict[str, dict[str, Any] | None] = field(default_factory=dict)
    id_token: dict[str, dict[str, Any] | None] = field(default_factory=dict)

    def is_essential(self, claim: str) -> bool:
        """Whether the ID token must have this claim (Core §5.5.1)."""
        return bool((self.id_token.get(claim) or {}).get("essential"))

    def wanted_values(self, claim: str) -> tuple[Any, ...]:
        """The values asked for in the ID token, in order of preference; empty when any will do."""
        wish = self.id_token.get(claim) or {}
        return (wish["value"],) if "value" in wish else tuple(wish.get("values", ()))

    def required_sub(self) -> str | None:
        """Core §5.5.1: `sub` with a value binds the request to that person, wherever it is asked."""
        for place in (self.id_token, self.userinfo):
            wish = place.get("sub") or {}
            if "value" in wish:
                return str(wish["value"])
        return None

    def limited_to(self, allowed: Collection[str]) -> "ClaimsRequest":
        """Without claims about the person that the client may not have by any of its scopes; those are ignored."""
        refused = set(USER_CLAIMS) - set(allowed) - {"sub"}
        return ClaimsRequest(
            userinfo={name: wish for name, wish in self.userinfo.items() if name not in refused},
            id_token={name: wish for name, wish in self.id_token.items() if name not in refused},
        )

    def user_claims(self) -> tuple[str, ...]:
        """The claims about the person that are asked for by name, in both places, known ones only."""
        return tuple(claim for claim in dict.fromkeys((*self.userinfo, *self.id_token)) if claim in USER_CLAIMS)


def parse_claims(text: str | None) -> ClaimsRequest:
    """Core §5.5: a JSON object with members `userinfo` and `id_token`; malformed is invalid_request, unknown is
    ignored."""
    if text is None:
        return ClaimsRequest()
    if len(text) > MAX_CLAIMS_LENGTH:
        raise InvalidRequest(f"claims must be at most {MAX_CLAIMS_LENGTH} characters.")
    try:
        parsed = json.loads(text, parse_constant=_refuse_constant)
    except (ValueError, RecursionError):
        raise InvalidRequest("claims is not valid JSON.") from None
    if not isinstance(parsed, dict):
        raise InvalidRequest("claims must be a JSON object.")
    return ClaimsRequest(userinfo=_place(parsed, "userinfo"), id_token=_place(parsed, "id_token"))


def _refuse_constant(name: str) -> NoReturn:
    """Python reads NaN and Infinity, which are no JSON (RFC 8259 §6)."""
    raise ValueError(name)


def _place(parsed: Mapping[str, Any], name: str) -> dict[str, dict[str, Any] | None]:
    requests = parsed.get(name)
    if requests is None:
        return {}
    if not isinstance(requests, dict):
        raise InvalidRequest(f"claims.{name} must be a JSON object.")
    return {claim: _check_wish(f"{name} {claim}", wish) for claim, wish in requests.items()}


def _check_wish(where: str, wish: Any) -> dict[str, Any] | None:
    if wish is None:
        return None
    if not isinstance(wish, dict):
        raise InvalidRequest(f"claims: {where} must be null or an object.")
    if not isinstance(wish.get("essential", False), bool):
        raise InvalidRequest(f"claims: essential of {where} must be true or false.")
    if not isinstance(wish.get("values", []), list):
        raise InvalidRequest(f"claims: values of {where} must be an array.")
    if not all(isinstance(value, _SCALARS) for value in (wish.get("value"), *wish.get("values", []))):
        raise InvalidRequest(f"claims: values of {where} must be texts, numbers or booleans.")
    return {name: wish[name] for name in ("essential", "value", "values") if name in wish}


def claims_of_scopes(scopes: Collection[str]) -> tuple[str, ...]:
    """Core §5.4: the claims that these scopes deliver."""
    return tuple(claim for scope in scopes for claim in SCOPE_CLAIMS.get(scope, ()))


def select_claims(available: Mapping[str, Any], names: Collection[str]) -> dict[str, Any]:
    """Those of the person's claims that were asked for and have a value; absent ones are left out (Core §5.3.2)."""
    return {name: available[name] for name in dict.fromkeys(names) if available.get(name) not in (None, "", (), [], {})}
