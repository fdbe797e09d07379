"""The server's published keys, found by discovery (OpenID Connect Discovery §4, RFC 8414 §3) and kept fresh.

Owns how old the copy may grow, how often the server is asked, and what happens while it is slow or down:

- A copy is fresh for `max_age` seconds; in the last fifth of them a refresh runs in the background.
- An older copy waits for a refresh. When that fails, the copy goes on being used, up to `stale_for` seconds after it
  was fetched, and nobody waits any more until a refresh succeeds.
- A key that the copy does not have causes a refresh, so that a rotation needs no restart.
- One refresh at a time, which all who need it share, and none sooner than `cooldown` seconds after the one before,
  whatever was asked for: a flood of made-up key names costs the server one look in that time.

Every refresh reads the metadata again, so the key set may move.
"""

import asyncio
import logging
import os
import threading
from collections.abc import Callable, Collection
from concurrent.futures import Future, wait
from dataclasses import dataclass

from idp_verify.algorithms import Verify
from idp_verify.compact import Header, load_json_object
from idp_verify.errors import InvalidToken, KeysUnavailable
from idp_verify.fetching import FetchFailed, check_url
from idp_verify.key_set import KeySet, UnusableKeySet, load_key_set

logger = logging.getLogger("idp_verify")

Fetch = Callable[[str], bytes]
"""The document behind a URL; raises FetchFailed."""

_REFRESH_AT = 0.8  # of max_age
_FIRST_COOLDOWN = 1.0  # seconds between two attempts as long as there is no copy at all
_STUCK_AFTER = 6  # times the timeout: a refresh that has not ended by then is given up


@dataclass(frozen=True, slots=True)
class Freshness:
    """How old a copy may be, in seconds; `timeout` is how long a request waits for a refresh."""

    max_age: float
    stale_for: float
    cooldown: float
    timeout: float


@dataclass(frozen=True, slots=True)
class _Copy:
    keys: KeySet
    kids: frozenset[str]
    fetched_at: float
    fresh_until: float


@dataclass(frozen=True, slots=True)
class _Refresh:
    """`pid`: the process that runs it. A child that was forked meanwhile has the record, but not the thread."""

    pid: int
    began_at: float
    ended: "Future[None]"


class RemoteKeys:
    """The keys of one issuer. Safe for any number of threads and event loops."""

    def __init__(
        self, issuer: str, algs: Collection[str], fetch: Fetch, freshness: Freshness, monotonic: Callable[[], float]
    ) -> None:
        self._issuer, self._algs, self._fetch, self._freshness = issuer, tuple(algs), fetch, freshness
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._copy: _Copy | None = None
        self._running: _Refresh | None = None
        self._not_before = float("-inf")
        self._is_failing = False

    def find(self, wanted: Header) -> Verify:
        """The key that a header names, for its algorithm; waits for a refresh where one is needed.

        Raises InvalidToken when there is none, KeysUnavailable when there are no keys at all.
        """
        key = self._find_fresh(wanted)
        if key is not None:
            return key
        refresh = self._find_needed_refresh(wanted)
        if refresh is not None:
            wait([refresh.ended], timeout=self._freshness.timeout)
        return self._load(wanted)

    async def find_async(self, wanted: Header) -> Verify:
        """The same without blocking the event loop, nor any thread while it waits."""
        key = self._find_fresh(wanted)
        if key is not None:
            return key
        refresh = self._find_needed_refresh(wanted)
        if refresh is not None:
            await asyncio.wait({asyncio.wrap_future(refresh.ended)}, timeout=self._freshness.timeout)
        return self._load(wanted)

    def _find_fresh(self, wanted: Header) -> Verify | None:
        """The path of nearly every token: a copy so young that nothing needs to be done."""
        copy = self._copy
        if copy is None or self._monotonic() >= copy.fresh_until:
            return None
        return copy.keys.get(wanted)

    def _find_needed_refresh(self, wanted: Header) -> _Refresh | None:
        """The refresh that this token must wait for. Where a refresh is due but can be done without, it is begun."""
        copy, now = self._copy, self._monotonic()
        if copy is None or self._is_too_old(copy, now):
            return self._find_refresh(now)
        is_unknown = wanted.kid not in copy.kids
        if not is_unknown and now < copy.fresh_until:
            return None
        refresh = self._find_refresh(now)
        must_wait = is_unknown or now > copy.fetched_at + self._freshness.max_age
        return refresh if must_wait and not self._is_failing else None

    def _load(self, wanted: Header) -> Verify:
        """What the copy has, after all that could be done for it."""
        copy = self._copy
        if copy is None or self._is_too_old(copy, self._monotonic()):
            state = "were never fetched" if copy is None else "are too old"
            raise KeysUnavailable(f"the keys of {self._issuer} {state}")
        key = copy.keys.get(wanted)
        if key is not None:
            return key
        if wanted.kid in copy.kids:
            raise InvalidToken("its key is not for its algorithm")
        raise InvalidToken("its key (kid) is not one of the server's")

    def _is_too_old(self, copy: _Copy, now: float) -> bool:
        return now > copy.fetched_at + self._freshness.stale_for

    def _find_refresh(self, now: float) -> _Refresh | None:
        """The refresh that runs, or a new one, or None while none may begin."""
        with self._lock:
            running = self._running
            if running is not None and self._is_alive(running, now):
                return running
            if running is None and now < self._not_before:
                return None
            cooldown = self._freshness.cooldown
            self._not_before = now + (min(cooldown, _FIRST_COOLDOWN) if self._copy is None else cooldown)
            self._running = begun = _Refresh(os.getpid(), now, Future())
        threading.Thread(target=self._refresh, args=[begun], name="idp-verify-keys", daemon=True).start()
        return begun

    def _is_alive(self, refresh: _Refresh, now: float) -> bool:
        return refresh.pid == os.getpid() and now - refresh.began_at < _STUCK_AFTER * self._freshness.timeout

    def _refresh(self, refresh: _Refresh) -> None:
        """Fetch, and put what came in place; runs on a thread of its own."""
        try:
            keys = self._fetch_keys()
        except (FetchFailed, UnusableKeySet) as failure:
            logger.warning("the keys of %s could not be fetched: %s", self._issuer, failure)
            self._end(refresh, None)
        except BaseException:
            logger.exception("the keys of %s could not be fetched", self._issuer)
            self._end(refresh, None)
        else:
            fresh_until = refresh.began_at + _REFRESH_AT * self._freshness.max_age
            self._end(refresh, _Copy(keys, frozenset(kid for _, kid in keys), refresh.began_at, fresh_until))

    def _end(self, refresh: _Refresh, copy: _Copy | None) -> None:
        with self._lock:
            if self._running is refresh:  # else it was given up, and another one runs or has run
                self._running = None
                self._is_failing = copy is None
                self._copy = copy or self._copy
        refresh.ended.set_result(None)

    def _fetch_keys(self) -> KeySet:
        """RFC 8414 §3.3: metadata are those of the issuer only if they say so, to the byte."""
        url = f"{self._issuer.removesuffix('/')}/.well-known/openid-configuration"
        try:
            metadata = load_json_object(self._fetch(url))
        except InvalidToken:
            raise FetchFailed(f"{url}: not JSON") from None
        if metadata.get("issuer") != self._issuer:
            raise FetchFailed(f"{url} is the metadata of another issuer: {ascii(metadata.get('issuer'))[:200]}")
        return load_key_set(self._fetch(_load_jwks_uri(metadata.get("jwks_uri"), self._issuer)), self._algs)


def _load_jwks_uri(value: object, issuer: str) -> str:
    """RFC 8414 §2: where the keys are; behind an https issuer never over http."""
    if not isinstance(value, str):
        raise FetchFailed(f"the metadata of {issuer} have no jwks_uri")
    try:
        parts = check_url(value)
    except ValueError as error:
        raise FetchFailed(f"the jwks_uri of {issuer}: {error}") from None
    if parts.scheme != "https" and issuer.startswith("https:"):
        raise FetchFailed(f"the jwks_uri of {issuer} is not https")
    return value
