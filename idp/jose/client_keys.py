"""Tokens signed by others: by clients with a key of their own or with their secret (RFC 7523, OpenID Connect Core
section 9), and by the providers upstream (OpenID Connect Core section 3.1.3.7).

Owns the verification. Keys come from a registration or from configuration only: the header members jwk, jku, x5u and
x5c are never looked at (RFC 8725 sections 3.9 and 3.10). For keys behind a ``jwks_uri``: how old our copy may grow, how
often it may be fetched, and what happens while the server that has them is slow or down; what a fetch may reach is the
matter of ``idp.outbound``. The claims are the caller's business.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

from joserfc.errors import JoseError
from joserfc.jwk import OctKey

from idp.jose.algorithms import CLIENT_KEY, CLIENT_SECRET, Algorithm
from idp.jose.client_jwks import InvalidKeys, check_client_jwks, find_key, is_usable, load_keys
from idp.jose.compact import CompactToken, InvalidToken, load_compact
from idp.outbound import FetchRefused, OutboundFetcher

__all__ = [
    "InvalidKeys",
    "InvalidToken",
    "KeysUnavailable",
    "RemoteKeys",
    "UnknownKey",
    "check_client_jwks",
    "verify_with_keys",
    "verify_with_secret",
]

_log = logging.getLogger(__name__)

_MAX_URIS = 1000
"""Key sets kept; beyond that, the one not used for the longest time is forgotten."""


MIN_SECRET_BYTES = 32
"""What a secret must have to sign with. For HS384 and HS512, RFC 7518 section 3.2 asks for 48 and 64; 256 bits of
randomness are enough for us, and the secrets that we issue have them."""


class UnknownKey(InvalidToken):
    """The token may be good, but no key in this JWKS is the one that it was signed with; a newer set may have it."""


def verify_with_keys(token: str, jwks: Mapping[str, Any], *, algs: Collection[str]) -> dict[str, Any]:
    """The claims of a token signed with a private key whose public half is in `jwks`; raises InvalidToken otherwise.

    `algs` are the algorithms that the signer may use, as its registration or our configuration says. A kid in the
    header chooses the key; without one, every key that fits the algorithm is tried (OpenID Connect Core section 10.1).
    UnknownKey, a kind of InvalidToken, is raised when a newer JWKS could make the difference.
    """
    parts = load_compact(token)
    algorithm = _load_algorithm(parts, algs, CLIENT_KEY)
    try:
        keys = [jwk for jwk in load_keys(jwks) if is_usable(jwk, algorithm)]
    except InvalidKeys:
        raise InvalidToken("the key set is malformed") from None
    if parts.kid is not None:
        named = [jwk for jwk in keys if jwk.get("kid") == parts.kid]
        keys = named or [jwk for jwk in keys if "kid" not in jwk]
    if any(_is_signed_by(jwk, parts, algorithm) for jwk in keys):
        return parts.claims
    if parts.kid is None or not keys:
        raise UnknownKey("none of the keys verifies the signature")
    raise InvalidToken("the signature is wrong")


def verify_with_secret(token: str, secret: str, *, algs: Collection[str]) -> dict[str, Any]:
    """The claims of a token signed with HMAC and the client's secret; raises InvalidToken otherwise.

    `algs` are the algorithms that the client may use, as its registration says (RFC 7518 section 3.2).
    """
    parts = load_compact(token)
    algorithm = _load_algorithm(parts, algs, CLIENT_SECRET)
    raw = secret.encode("utf-8")
    if len(raw) < MIN_SECRET_BYTES:
        raise InvalidToken("the client's secret is too short to sign with")
    if not algorithm.model.verify(parts.signing_input, parts.signature, OctKey(raw, raw)):
        raise InvalidToken("the signature is wrong")
    return parts.claims


def _load_algorithm(parts: CompactToken, algs: Collection[str], table: Mapping[str, Algorithm]) -> Algorithm:
    if parts.alg not in algs or parts.alg not in table:
        raise InvalidToken("the algorithm is not one that may be used")
    return table[parts.alg]


def _is_signed_by(jwk: Mapping[str, Any], parts: CompactToken, algorithm: Algorithm) -> bool:
    try:
        return algorithm.model.verify(parts.signing_input, parts.signature, find_key(jwk))
    except (ValueError, JoseError):
        return False


class KeysUnavailable(InvalidToken):
    """The keys cannot be had at the moment, and no copy is young enough to stand in for them."""


@dataclass
class _Copy:
    """What is known of one ``jwks_uri``; times are those of the monotonic clock."""

    fetching: threading.Lock = field(default_factory=threading.Lock)
    jwks: Mapping[str, Any] | None = None
    fetched_at: float = 0.0
    tried_at: float | None = None


class RemoteKeys:
    """Verifies with fetched key sets. All times are seconds.

    A copy is used for `ttl` without asking, and for `stale_for` when the server of the keys fails. Neither an unknown
    kid nor a failure makes us fetch a URI more often than every `floor`. One thread fetches; the others go on with
    the copy there is, and wait for it only when it cannot answer them.
    """

    def __init__(
        self,
        fetcher: OutboundFetcher,
        *,
        ttl: float = 300,
        floor: float = 10,
        stale_for: float = 86400,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._fetcher = fetcher
        self._ttl = ttl
        self._floor = floor
        self._stale_for = stale_for
        self._monotonic = monotonic
        self._copies: OrderedDict[str, _Copy] = OrderedDict()
        self._finding = threading.Lock()

    def verify(self, token: str, jwks_uri: str, *, algs: Collection[str]) -> dict[str, Any]:
        """The claims of a token signed with a key behind `jwks_uri`; raises InvalidToken (or KeysUnavailable)."""
        copy = self._copy(jwks_uri)
        if copy.jwks is None or self._age(copy) >= self._ttl:
            self._renew(copy, jwks_uri, wait=not self._is_good(copy))
        jwks = self._load_jwks(copy)
        try:
            return verify_with_keys(token, jwks, algs=algs)
        except UnknownKey:
            self._renew(copy, jwks_uri, wait=True)
            if copy.jwks is jwks:
                raise
        return verify_with_keys(token, self._load_jwks(copy), algs=algs)

    def _copy(self, uri: str) -> _Copy:
        with self._finding:
            copy = self._copies.setdefault(uri, _Copy())
            self._copies.move_to_end(uri)
            while len(self._copies) > _MAX_URIS:
                self._copies.popitem(last=False)
            return copy

    def _age(self, copy: _Copy) -> float:
        return self._monotonic() - copy.fetched_at

    def _is_good(self, copy: _Copy) -> bool:
        """Whether the copy may answer, be it only because there is nothing newer."""
        return copy.jwks is not None and self._age(copy) < self._ttl + self._stale_for

    def _load_jwks(self, copy: _Copy) -> Mapping[str, Any]:
        if copy.jwks is None or not self._is_good(copy):
            raise KeysUnavailable("the keys could not be fetched")
        return copy.jwks

    def _renew(self, copy: _Copy, uri: str, *, wait: bool) -> None:
        """Fetch, unless the floor forbids it or another thread is at it; with `wait`, that thread is waited for."""
        if not copy.fetching.acquire(blocking=wait):
            return
        try:
            if copy.tried_at is None or self._monotonic() - copy.tried_at >= self._floor:
                self._fetch(copy, uri)
        finally:
            copy.fetching.release()

    def _fetch(self, copy: _Copy, uri: str) -> None:
        try:
            jwks = self._fetcher.get_json(uri)
            if not isinstance(jwks.get("keys"), list):
                raise FetchRefused("the answer is not a JWKS")
        except FetchRefused as refusal:
            _log.warning("The keys could not be fetched: %s", refusal)
        else:
            copy.jwks = jwks
            copy.fetched_at = self._monotonic()
        finally:
            copy.tried_at = self._monotonic()
