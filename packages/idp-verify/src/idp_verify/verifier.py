"""`TokenVerifier`: RFC 9068 §4 from the text of a token to a `Token`, or InvalidToken."""

import ssl
import time
from collections.abc import Callable, Collection
from functools import partial
from pathlib import Path

from cryptography.exceptions import InvalidSignature

from idp_verify.algorithms import ALGORITHMS, Verify
from idp_verify.bearer import log_refusal
from idp_verify.claims import load_token
from idp_verify.compact import Header, load_header, load_object, load_parts
from idp_verify.errors import InvalidToken, KeysUnavailable
from idp_verify.fetching import check_url, fetch
from idp_verify.remote_keys import Fetch, Freshness, RemoteKeys
from idp_verify.token import Token

ACCESS_TOKEN_TYP = "at+jwt"
MAX_LEEWAY_SECONDS = 60
_MAX_KNOWN_HEADERS = 64


class TokenVerifier:
    """Checks the access tokens of one issuer for one API. Make one per process; threads and event loops share it.

    `issuer` is the server's address as its discovery document says it, `audience` the identifier of this API. Nothing
    is fetched before the first token comes.

    `algorithms`: the signatures that are accepted; the server signs access tokens with RS256.
    `leeway`: seconds by which the clocks may differ, at most 60.
    `max_age`, `stale_for`, `cooldown`, `timeout`: seconds, see `idp_verify.remote_keys`. `stale_for` is for how long
    tokens are checked with the last known keys when the server is down.
    `ca_file`: certificates to trust instead of the system's. `fetch`: replaces the HTTP client altogether.
    Raises ValueError for settings that could not be safe.
    """

    def __init__(
        self,
        issuer: str,
        audience: str,
        *,
        algorithms: Collection[str] = ("RS256",),
        leeway: float = 10,
        max_age: float = 300,
        stale_for: float = 86_400,
        cooldown: float = 30,
        timeout: float = 5,
        ca_file: str | Path | None = None,
        fetch: Fetch | None = None,
        clock: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        _check_settings(issuer, audience, algorithms, leeway)
        freshness = _load_freshness(max_age, stale_for, cooldown, timeout)
        self.issuer, self.audience, self.clock = issuer, audience, clock
        self._algorithms, self._leeway = frozenset(algorithms), leeway
        self._keys = RemoteKeys(issuer, algorithms, fetch or _make_fetch(timeout, ca_file), freshness, monotonic)
        self._headers: dict[bytes, Header] = {}

    def verify(self, token: str) -> Token:
        """What the token says; may wait for the keys, at most `timeout` seconds.

        Raises InvalidToken, whose text is for the caller and whose detail has been logged, and KeysUnavailable.
        """
        try:
            part, payload, signed, signature = load_parts(token)
            header = self._headers.get(part) or self._load_header(part)
            return self._check(self._keys.find(header), signature, signed, payload)
        except (InvalidToken, KeysUnavailable) as refusal:
            log_refusal(refusal)
            raise

    async def verify_async(self, token: str) -> Token:
        """The same for an event loop, which it never blocks."""
        try:
            part, payload, signed, signature = load_parts(token)
            header = self._headers.get(part) or self._load_header(part)
            return self._check(await self._keys.find_async(header), signature, signed, payload)
        except (InvalidToken, KeysUnavailable) as refusal:
            log_refusal(refusal)
            raise

    def _load_header(self, part: bytes) -> Header:
        """What the header names. A key signs all its tokens with the same header, so it is read once and remembered."""
        header = load_header(part, typ=ACCESS_TOKEN_TYP)
        if header.alg not in self._algorithms:
            raise InvalidToken("its algorithm is not one that is accepted here")
        if len(self._headers) >= _MAX_KNOWN_HEADERS:
            self._headers.clear()
        self._headers[part] = header
        return header

    def _check(self, verify: Verify, signature: bytes, signed: bytes, payload: bytes) -> Token:
        """First the signature: what it does not cover is never looked at."""
        try:
            verify(signature, signed)
        except InvalidSignature:
            raise InvalidToken("its signature is wrong") from None
        return load_token(load_object(payload), self.issuer, self.audience, self.clock(), self._leeway)


def _check_settings(issuer: str, audience: str, algorithms: Collection[str], leeway: float) -> None:
    """RFC 8414 §2, RFC 8725 §3.1: an issuer that can be trusted, an audience, public-key algorithms only."""
    check_url(issuer)
    if not audience:
        raise ValueError("name the audience: the identifier of this API")
    if isinstance(algorithms, str) or not algorithms or not set(algorithms) <= ALGORITHMS.keys():
        raise ValueError(f"algorithms are some of {', '.join(ALGORITHMS)}")
    if not 0 <= leeway <= MAX_LEEWAY_SECONDS:
        raise ValueError(f"leeway is 0 to {MAX_LEEWAY_SECONDS} seconds")


def _load_freshness(max_age: float, stale_for: float, cooldown: float, timeout: float) -> Freshness:
    if not 0 < max_age <= stale_for:
        raise ValueError("max_age is more than 0 and not more than stale_for")
    if cooldown < 0 or timeout <= 0:
        raise ValueError("cooldown is not negative, timeout is more than 0")
    return Freshness(max_age, stale_for, cooldown, timeout)


def _make_fetch(timeout: float, ca_file: str | Path | None) -> Fetch:
    context = None if ca_file is None else ssl.create_default_context(cafile=str(ca_file))
    return partial(fetch, timeout=timeout, context=context)
