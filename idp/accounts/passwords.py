"""Passwords: Argon2id (RFC 9106), bounded so that a storm of sign-ins never starves the rest.

A hash takes a fifth of a second and 64 MiB. At most a few are computed at once in each process, a few more wait for a
short while, and whoever comes on top is told to try again (HTTP 503 with Retry-After).
"""

import os
import threading
import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager

from argon2 import PasswordHasher, Type
from argon2.exceptions import InvalidHashError, VerificationError

from idp.protocol.errors import TemporarilyUnavailable
from idp.settings import Settings

MAX_PASSWORD_LENGTH = 256
WAIT_SECONDS = 4.0


class Passwords:
    """Hashing and checking with the deployment's parameters. One per process; safe for threads."""

    def __init__(self, settings: Settings, *, cores: int | None = None) -> None:
        self._hasher = PasswordHasher(
            time_cost=settings.argon2_iterations,
            memory_cost=settings.argon2_memory_kib,
            parallelism=settings.argon2_parallelism,
            type=Type.ID,
        )
        self._slots = threading.BoundedSemaphore(_concurrency(settings, cores or os.cpu_count() or 1))
        self._seats = threading.BoundedSemaphore(max(1, settings.threads - 2))  # the other threads stay free
        self._decoy: str | None = None
        self._decoy_lock = threading.Lock()

    def hash(self, password: str) -> str:
        with self._turn():
            return self._hasher.hash(normalized(password))

    def is_right(self, password: str, password_hash: str | None) -> bool:
        """Whether the password fits. Without a hash (an unknown person) the same work is done, and the answer is no."""
        expected = password_hash or self._decoy_hash()
        with self._turn():
            try:
                fits = self._hasher.verify(expected, normalized(password))
            except (VerificationError, InvalidHashError):
                return False
        return fits and password_hash is not None

    def needs_rehash(self, password_hash: str) -> bool:
        """Whether the hash was made with other parameters than today's."""
        return self._hasher.check_needs_rehash(password_hash)

    def warm_up(self) -> None:
        """Make the decoy beforehand, so that the first unknown name costs no more than the second."""
        self._decoy_hash()

    def _decoy_hash(self) -> str:
        with self._decoy_lock:
            if self._decoy is None:
                self._decoy = self._hasher.hash("a password that nobody has")
            return self._decoy

    @contextmanager
    def _turn(self) -> Iterator[None]:
        if not self._seats.acquire(blocking=False):
            raise _busy()
        try:
            if not self._slots.acquire(timeout=WAIT_SECONDS):
                raise _busy()
            try:
                yield
            finally:
                self._slots.release()
        finally:
            self._seats.release()


def normalized(password: str) -> str:
    """NFKC (NIST SP 800-63B §3.1.1.2), so that the same keys typed on another system give the same password."""
    return unicodedata.normalize("NFKC", password)


def _busy() -> TemporarilyUnavailable:
    return TemporarilyUnavailable("Many people are signing in at this moment. Try again shortly.", retry_after=5)


def _concurrency(settings: Settings, cores: int) -> int:
    """The share of one process: all processes together use at most the cores less one, and each at least one."""
    if settings.password_hashing_concurrency:
        return settings.password_hashing_concurrency
    return max(1, (cores - 1) // (settings.workers or cores))
