"""Passwords: Argon2id (RFC 9106), bounded so that a storm of sign-ins never starves the rest.

A hash takes a fifth of a second and 64 MiB. At most a few are computed at once in each process, a few more wait for a
short while, and whoever comes on top is told to try again (HTTP 503 with Retry-After).

A wrong answer takes as long as one of today's hashes, also when the stored one came from another system and is cheaper
(`password_hashes`). One that is dearer shows, until its owner has signed in once and it is replaced.
"""

import os
import secrets
import threading
import time
import unicodedata
from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager

from argon2 import PasswordHasher, Type
from argon2.exceptions import InvalidHashError

from idp.accounts.password_hashes import covers, is_match
from idp.protocol.errors import TemporarilyUnavailable
from idp.settings import Settings

MAX_PASSWORD_LENGTH = 256
MAX_TYPED_LENGTH = 4 * MAX_PASSWORD_LENGTH  # before NFKC puts letters and their accents together
WAIT_SECONDS = 4.0
_LONGEST_PAUSE = 2.0


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
        self._decoy = _make_decoy(settings)
        self._usual_seconds = 0.0  # that one of today's hashes has taken lately

    def hash(self, password: str) -> str:
        with self._turn():
            return self._hasher.hash(_to_bytes(normalized(password)))

    def is_right(self, password: str, password_hash: str | None) -> bool:
        """Whether the password fits. Without a hash (an unknown person) the same work is done, and the answer is no."""
        expected = password_hash or self._decoy
        with self._turn():
            start = time.monotonic()
            fits = any(is_match(expected, _to_bytes(spelling)) for spelling in _spellings(password))
            took = time.monotonic() - start
            if not self.needs_rehash(expected):
                self._usual_seconds = took if not self._usual_seconds else 0.8 * self._usual_seconds + 0.2 * took
            elif not fits:  # made elsewhere: nobody shall see that by the time, of this try or of one that waits
                time.sleep(min(_LONGEST_PAUSE, max(0.0, self._usual_seconds - took)))
        return fits and password_hash is not None

    def needs_rehash(self, password_hash: str) -> bool:
        """Whether the hash was made with other parameters than today's, or elsewhere."""
        try:
            return self._hasher.check_needs_rehash(password_hash)
        except InvalidHashError:
            return True

    def covers(self, password: str, password_hash: str) -> bool:
        """Whether the hash speaks for the whole password. One of bcrypt speaks for 72 bytes alone: what was typed after
        them has never been checked, so it must not become part of a new hash."""
        return covers(password_hash, _to_bytes(password)) and covers(password_hash, _to_bytes(normalized(password)))

    def warm_up(self) -> None:
        """Learn how long one of today's hashes takes before the first wrong answer has to take as long."""
        self.is_right("nobody has this password either", None)

    @contextmanager
    def _turn(self) -> Iterator[None]:
        with self._seat(), self._slot():
            yield

    @contextmanager
    def _seat(self) -> Iterator[None]:
        """One of the threads that may be busy with passwords."""
        if not self._seats.acquire(blocking=False):
            raise _busy()
        try:
            yield
        finally:
            self._seats.release()

    @contextmanager
    def _slot(self) -> Iterator[None]:
        """One of the hashes that may be computed at the same time."""
        if not self._slots.acquire(timeout=WAIT_SECONDS):
            raise _busy()
        try:
            yield
        finally:
            self._slots.release()


def normalized(password: str) -> str:
    """NFKC (NIST SP 800-63B §3.1.1.2), so that the same keys typed on another system give the same password."""
    return unicodedata.normalize("NFKC", password)


def is_too_long(password: str) -> bool:
    """Characters are code points after NFKC, however the keyboard sent them."""
    return len(password) > MAX_TYPED_LENGTH or len(normalized(password)) > MAX_PASSWORD_LENGTH


def _spellings(password: str) -> Iterator[str]:
    """What a hash may have been made of: our own form first, then what was typed, for systems that changed nothing."""
    yield normalized(password)
    if normalized(password) != password:
        yield password


def _to_bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")


def _make_decoy(settings: Settings) -> str:
    """A hash with the deployment's parameters that no password has, written rather than computed."""
    costs = f"m={settings.argon2_memory_kib},t={settings.argon2_iterations},p={settings.argon2_parallelism}"
    salt, tag = (b64encode(secrets.token_bytes(size)).decode("ascii").rstrip("=") for size in (16, 32))
    return f"$argon2id$v=19${costs}${salt}${tag}"


def _busy() -> TemporarilyUnavailable:
    return TemporarilyUnavailable("Many people are signing in at this moment. Try again shortly.", retry_after=5)


def _concurrency(settings: Settings, cores: int) -> int:
    """The share of one process: all processes together use at most the cores less one, and each at least one."""
    if settings.password_hashing_concurrency:
        return settings.password_hashing_concurrency
    return max(1, (cores - 1) // (settings.workers or cores))
