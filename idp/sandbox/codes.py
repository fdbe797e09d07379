"""Authorization codes and access tokens in memory, each bound to one sign-in (RFC 6749 §4.1, RFC 7636 §4.6).

Owns single use and the bindings. A code names its sign-in for as long as somebody may still offer it again.
"""

from __future__ import annotations

import hmac
import secrets
import threading
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, TypeVar

from idp.protocol.pkce import s256
from idp.sandbox.people import Person

CODE_LIFETIME = 600  # seconds; what most of the originals allow
MAX_KEPT = 10_000
"""Codes, and tokens, remembered; beyond that, the oldest is forgotten."""

Value = TypeVar("Value")
Reason = Literal["unknown", "used", "expired", "other_client", "redirect_uri", "verifier_missing", "verifier_wrong"]


class CodeRefused(Exception):
    """The code is not redeemed; `reason` is what a provider makes its own error of."""

    def __init__(self, reason: Reason) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True)
class SignIn:
    """What a person agreed to. `asked` is the authorization request; `claims` and `profile` are added to the
    id_token and to what the profile endpoint says, as they are."""

    client_id: str
    redirect_uri: str
    scopes: tuple[str, ...]
    person: Person
    began_at: int
    asked: Mapping[str, str]
    fault: str | None = None
    fault_at: str = "token"
    claims: Mapping[str, Any] = field(default_factory=dict)
    profile: Mapping[str, Any] = field(default_factory=dict)

    def fault_of(self, place: str) -> str | None:
        """The fault, if this is the place where its answer is to be wrong."""
        return self.fault if self.fault_at == place else None


class Codes:
    """The codes and tokens of one stand-in. Safe for several threads."""

    def __init__(self) -> None:
        self._codes: OrderedDict[str, SignIn] = OrderedDict()
        self._used: OrderedDict[str, None] = OrderedDict()
        self._tokens: OrderedDict[str, SignIn] = OrderedDict()
        self._lock = threading.Lock()

    def issue_code(self, sign_in: SignIn, prefix: str = "") -> str:
        code = prefix + secrets.token_urlsafe(32)
        with self._lock:
            _keep(self._codes, code, sign_in)
        return code

    def find_code(self, code: str) -> SignIn | None:
        """The sign-in that a code was made for, even when it has been redeemed."""
        with self._lock:
            return self._codes.get(code)

    def claim(self, code: str, client_id: str, redirect_uri: str, verifier: str, now: int) -> SignIn:
        """Redeem a code, once; raises CodeRefused. Only a code that is right in everything counts as used."""
        with self._lock:
            sign_in = self._codes.get(code)
            if sign_in is None:
                raise CodeRefused("unknown")
            if code in self._used:
                raise CodeRefused("used")
            _check(sign_in, client_id, redirect_uri, verifier, now)
            _keep(self._used, code, None)
            return sign_in

    def issue_token(self, sign_in: SignIn, prefix: str = "") -> str:
        token = prefix + secrets.token_urlsafe(32)
        with self._lock:
            _keep(self._tokens, token, sign_in)
        return token

    def find_token(self, token: str) -> SignIn | None:
        with self._lock:
            return self._tokens.get(token)


def _keep(kept: OrderedDict[str, Value], key: str, value: Value) -> None:
    kept[key] = value
    while len(kept) > MAX_KEPT:
        kept.popitem(last=False)


def _check(sign_in: SignIn, client_id: str, redirect_uri: str, verifier: str, now: int) -> None:
    """RFC 6749 §4.1.3 and RFC 7636 §4.6."""
    if sign_in.fault == "code_expired" or now > sign_in.began_at + CODE_LIFETIME:
        raise CodeRefused("expired")
    if sign_in.client_id != client_id:
        raise CodeRefused("other_client")
    if sign_in.redirect_uri != redirect_uri:
        raise CodeRefused("redirect_uri")
    challenge = sign_in.asked.get("code_challenge", "")
    if challenge and not verifier:
        raise CodeRefused("verifier_missing")
    if challenge and not _is_verified(challenge, sign_in.asked.get("code_challenge_method", "plain"), verifier):
        raise CodeRefused("verifier_wrong")


def _is_verified(challenge: str, method: str, verifier: str) -> bool:
    if not verifier.isascii():
        return False
    return hmac.compare_digest(s256(verifier) if method == "S256" else verifier, challenge)
