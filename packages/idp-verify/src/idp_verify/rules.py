"""What a request needs beyond a valid token: scopes (RFC 6750 §3.1), roles, a strong or recent sign-in (RFC 9470).

A rule is a function of the token and the time; it raises a Refusal or returns nothing. Write your own beside these.
"""

from collections.abc import Callable, Iterable

from idp_verify.errors import InsufficientAuthentication, InsufficientRole, InsufficientScope
from idp_verify.token import Token

Rule = Callable[[Token, float], None]
"""`now` is in seconds since the epoch."""


def requires_scope(*scopes: str) -> Rule:
    """RFC 6750 §3.1: all of these scopes. Raises ValueError for a word that cannot be a scope."""
    needed = _load_words(scopes, "scope")

    def check_scope(token: Token, _now: float) -> None:
        if missing := needed - token.scopes:
            raise InsufficientScope(scopes, f"it lacks the scope {' '.join(sorted(missing))}")

    return check_scope


def requires_role(*roles: str) -> Rule:
    """At least one of these roles; write the rule twice to ask for both."""
    accepted = frozenset(roles)
    if not accepted:
        raise ValueError("name at least one role")

    def check_role(token: Token, _now: float) -> None:
        if accepted.isdisjoint(token.roles):
            raise InsufficientRole(f"the person has none of the roles {', '.join(sorted(accepted))}")

    return check_role


def requires_authentication(*acr_values: str, max_age: int | None = None) -> Rule:
    """RFC 9470 §3: one of these `acr`, and a sign-in at most `max_age` seconds ago. Either may be left out."""
    accepted = _load_words(acr_values, "acr") if acr_values else frozenset()
    if not accepted and max_age is None:
        raise ValueError("name an acr or a max_age")

    def check_authentication(token: Token, now: float) -> None:
        if accepted and token.acr not in accepted:
            raise InsufficientAuthentication(acr_values, max_age, "its acr is another one")
        if max_age is not None and (token.auth_time is None or now - token.auth_time > max_age):
            raise InsufficientAuthentication(acr_values, max_age, f"the sign-in is older than {max_age} seconds")

    return check_authentication


def _load_words(words: Iterable[str], name: str) -> frozenset[str]:
    """RFC 6749 §3.3: printable ASCII without space, double quote and backslash, since they stand in a header."""
    found = frozenset(words)
    if not found or any(not word or not set(word) <= _WORD for word in found):
        raise ValueError(f"name at least one {name}, each a word of printable ASCII")
    return found


_WORD = frozenset(chr(code) for code in range(0x21, 0x7F)) - {'"', "\\"}
