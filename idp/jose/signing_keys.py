"""The signing keys as one process sees them: what signs now, what verifies, what is published (RFC 7517).

Owns the copy in memory. Every process notices a change of the key directory by itself within ``reload_every``
seconds, reads only what is new, and keeps its last good set when the directory cannot be read: a disk that fails
must not invalidate tokens.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

from idp.jose.key_directory import Fingerprint, KeyDirectory
from idp.jose.key_pair import KeyDirectoryError, SigningKey
from idp.jose.rotation import find_active

__all__ = ["KeyDirectoryError", "SigningKey", "SigningKeys"]

_log = logging.getLogger(__name__)


@dataclass
class _Snapshot:
    """A set of keys read at one moment; replaced as a whole, so that readers need no lock."""

    fingerprint: Fingerprint
    keys: list[SigningKey]
    by_kid: dict[str, SigningKey] = field(default_factory=dict)
    jwks: dict[tuple[str, ...], dict[str, Any]] = field(default_factory=dict)


class SigningKeys:
    """A live view of a KeyDirectory. Retired keys stay published for `keep_for` seconds.

    Raises KeyDirectoryError at once when the directory is missing, unreadable or damaged.
    """

    def __init__(
        self,
        directory: KeyDirectory,
        *,
        keep_for: int,
        reload_every: float = 1.0,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._directory = directory
        self._keep_for = keep_for
        self._reload_every = reload_every
        self._monotonic = monotonic
        self._reloading = threading.Lock()
        self._last_failure = ""
        self._snapshot = self._load(known={})
        self._checked_at = monotonic()

    @property
    def algs(self) -> tuple[str, ...]:
        """The algorithms that there are keys for, in the order in which they came into the directory."""
        return tuple(dict.fromkeys(key.alg for key in self._current().keys))

    def active(self, alg: str, now: int) -> SigningKey:
        """The key that signs for `alg`; raises KeyDirectoryError when there is none."""
        key = find_active(self._current().keys, alg, now)
        if key is None:
            raise KeyDirectoryError(f"There is no active signing key for {alg}.")
        return key

    def find(self, kid: str, now: int) -> SigningKey | None:
        """The published key with this kid: next, active, or retired not longer than the time that keys are kept.

        For a kid never seen the directory is looked at again at once: another instance may sign with it already.
        """
        key = self._current().by_kid.get(kid) or self._current(look_now=True).by_kid.get(kid)
        return key if key is not None and key.is_published(now, self._keep_for) else None

    def public_jwks(self, now: int) -> dict[str, Any]:
        """The published set (RFC 7517 section 5): public members, ``use``, ``alg``, ``kid``; active keys first.

        The same object until a key is added or changes its state, so that callers can keep what they make of it;
        it is not to be changed.
        """
        snapshot = self._current()
        order = {"active": 0, "next": 1, "retired": 2}
        published = [key for key in snapshot.keys if key.is_published(now, self._keep_for)]
        published.sort(key=lambda key: order[key.state(now)])
        kids = tuple(key.kid for key in published)
        jwks = snapshot.jwks.get(kids)
        if jwks is None:
            jwks = {"keys": [dict(key.material.jwk) for key in published]}
            snapshot.jwks = {kids: jwks}
        return jwks

    def warm_up(self, now: int) -> None:
        """Read the private halves of the active keys now instead of at the first signature (once per process)."""
        for alg in self.algs:
            _ = self.active(alg, now).material.private

    def _current(self, *, look_now: bool = False) -> _Snapshot:
        """The snapshot, renewed first when it is time to look; while one thread renews, the others do not wait."""
        is_time = look_now or self._monotonic() - self._checked_at >= self._reload_every
        if is_time and self._reloading.acquire(blocking=look_now):
            try:
                self._reload()
            finally:
                self._checked_at = self._monotonic()
                self._reloading.release()
        return self._snapshot

    def _reload(self) -> None:
        try:
            if self._directory.fingerprint() != self._snapshot.fingerprint:
                self._snapshot = self._load(self._snapshot.by_kid)
            self._last_failure = ""
        except KeyDirectoryError as error:
            if str(error) != self._last_failure:
                _log.warning("The signing keys could not be read again, the last good set stays in use: %s", error)
            self._last_failure = str(error)

    def _load(self, known: dict[str, SigningKey]) -> _Snapshot:
        """Read the list of keys, and those PEM files that this process has not read yet."""
        fingerprint = self._directory.fingerprint()  # before reading: a change in between is then seen next time
        snapshot = _Snapshot(fingerprint, [])
        for listed in self._directory.read():
            old = known.get(listed.kid)
            key = replace(listed, material=old.material) if old is not None and old.alg == listed.alg else listed
            if not key.unpublished:
                _ = key.material.jwk
            snapshot.keys.append(key)
            snapshot.by_kid[key.kid] = key
        if not snapshot.keys:
            raise KeyDirectoryError("The key directory holds no signing key.")
        return snapshot
