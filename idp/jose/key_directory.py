"""Our signing keys on disk: one directory, shared by every instance that speaks for the issuer.

Owns the files. One PKCS#8 PEM per key, ``<kid>.pem``; ``keyset.json`` with the dates of all keys, replaced
atomically; ``keyset.lock``, held while anything is changed. All of them are readable by their owner alone from
the instant they exist. Reading takes no lock and works on a read-only file system.
"""

from __future__ import annotations

import fcntl
import json
import os
import stat
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from idp.jose import rotation
from idp.jose.algorithms import SIGNING, generate_key
from idp.jose.key_pair import KID, KeyDirectoryError, KeyMaterial, SigningKey

_KEYSET = "keyset.json"
_LOCK = "keyset.lock"
_OWNER_ONLY = 0o600
_OTHERS = stat.S_IRGRP | stat.S_IWGRP | stat.S_IROTH | stat.S_IWOTH

Keys = list[SigningKey]

Fingerprint = tuple[int, int, int]
"""Inode, modification time in nanoseconds, size: differs whenever ``keyset.json`` has been replaced."""


class KeyDirectory:
    """The keys in one directory. Every method raises KeyDirectoryError, and nothing else, when the disk says no."""

    def __init__(self, path: Path) -> None:
        self.path = Path(path)

    def init(self, algs: Sequence[str], now: int) -> Keys:
        """Make the directory if need be, and an active and a next key for each of `algs` that lacks them.

        Idempotent; of two processes that start at once, the second finds the keys of the first.
        """
        if unknown := [alg for alg in algs if alg not in SIGNING]:
            raise KeyDirectoryError(f"This server does not sign with {', '.join(unknown)}.")
        with _plain_errors("The key directory cannot be made"):
            if not self.path.is_dir():
                self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
        if self._has_all(algs, now):
            return self.list(now)
        with self._locked():
            before = keys = self._read_if_any()
            with suppress(PermissionError):
                self.path.chmod(0o700)
            for alg in algs:
                keys = rotation.found(keys, alg, now, lambda name: self._make(name, now))
            if keys != before:
                self._write(keys)
        return keys

    def list(self, now: int) -> Keys:
        """All keys that the directory knows, by algorithm: active, next, retired (the youngest first)."""
        order = {"active": 0, "next": 1, "retired": 2}
        return sorted(self.read(), key=lambda key: (key.alg, order[key.state(now)], -key.created_at, key.kid))

    def rotate(self, now: int, *, alg: str | None = None, publish_for: int, immediately: bool = False) -> Keys:
        """Plan the hand-over of every algorithm (or of `alg`) to its next key; answers the keys that take over.

        It happens once the next key has been published for `publish_for` seconds, at once when it has been from the
        beginning, or when `immediately` is set. Asked again while a hand-over is pending, it changes nothing.
        """
        with self._locked():
            keys = before = self.read()
            algs = list(dict.fromkeys(key.alg for key in keys)) if alg is None else [alg]
            if not any(key.alg in algs for key in keys):
                raise KeyDirectoryError("There is no signing key to rotate" + (f" for {alg}." if alg else "."))
            promoted = []
            for name in algs:
                keys, key = rotation.promote(
                    keys,
                    name,
                    now,
                    publish_for=publish_for,
                    immediately=immediately,
                    make=lambda name: self._make(name, now),
                )
                promoted.append(key)
            if keys != before:
                self._write(keys)
        return promoted

    def retire(self, kid: str, now: int, *, unpublish: bool = False) -> SigningKey:
        """Retire one key by hand, now. Of an active key the next key takes over at once, and a new next key is made.

        With `unpublish` (the key is compromised) it leaves the published set at once: tokens that it signed stop
        verifying. Answers the retired key.
        """
        with self._locked():
            keys = rotation.retire(self.read(), kid, now, unpublish=unpublish, make=lambda name: self._make(name, now))
            self._write(keys)
        return next(key for key in keys if key.kid == kid)

    def prune(self, now: int, keep_for: int) -> Keys:
        """Forget the keys retired more than `keep_for` seconds ago and delete their files; answers those keys."""
        if not any(_is_spent(key, now, keep_for) for key in self.read()):
            return []
        with self._locked():
            keys = self.read()
            spent = [key for key in keys if _is_spent(key, now, keep_for)]
            self._write([key for key in keys if key not in spent])
            with _plain_errors("A key file cannot be deleted"):
                for key in spent:
                    self._pem(key.kid).unlink(missing_ok=True)
        return spent

    def insecure_files(self) -> Sequence[Path]:
        """The directory and those of its key files that the group or others may read or write."""
        with _plain_errors("The key directory cannot be read"):
            files = [self.path, *sorted(self.path.glob("*.pem")), self._keyset, self.path / _LOCK]
            return [file for file in files if file.exists() and file.stat().st_mode & _OTHERS]

    def fingerprint(self) -> Fingerprint:
        """What tells, at the price of one system call, whether the keys have changed."""
        with _plain_errors(f"The key list {_KEYSET} cannot be read"):
            found = self._keyset.stat()
        return found.st_ino, found.st_mtime_ns, found.st_size

    @property
    def _keyset(self) -> Path:
        return self.path / _KEYSET

    def _pem(self, kid: str) -> Path:
        return self.path / f"{kid}.pem"

    def _has_all(self, algs: Iterable[str], now: int) -> bool:
        """Whether nothing has to be made, so that a read-only directory is fine."""
        keys = self._read_if_any()
        return all({"active", "next"} <= {key.state(now) for key in keys if key.alg == alg} for alg in algs)

    def _make(self, alg: str, now: int) -> SigningKey:
        """A new key with its file on disk; it counts only once ``keyset.json`` names it."""
        key = generate_key(alg)
        kid = key.thumbprint()
        with _plain_errors("A key file cannot be written"):
            _write_new(self._pem(kid), key.as_pem(private=True))
        return SigningKey(kid, alg, now, material=KeyMaterial(self._pem(kid), kid, alg))

    def read(self) -> Keys:
        """All keys in the order in which they came, their files not opened yet."""
        if not self.path.is_dir():
            raise KeyDirectoryError(f"The key directory {self.path} does not exist.")
        with _plain_errors(f"The key list {_KEYSET} cannot be read"):
            text = self._keyset.read_bytes()
        try:
            entries = json.loads(text)
            if not isinstance(entries, list):
                raise TypeError("not a list")
            return [self._load_key(entry) for entry in entries]
        except (ValueError, TypeError, KeyError, AttributeError):
            raise KeyDirectoryError(f"The key list {_KEYSET} is damaged.") from None

    def _read_if_any(self) -> Keys:
        """The keys, none when there is no list of them yet; a list that cannot be read is an error all the same."""
        with _plain_errors(f"The key list {_KEYSET} cannot be read"):
            exists = self._keyset.exists()
        return self.read() if exists else []

    def _load_key(self, entry: dict[str, Any]) -> SigningKey:
        kid, alg = entry["kid"], entry["alg"]
        if not KID.match(kid) or alg not in SIGNING:
            raise ValueError("not a key of ours")
        return SigningKey(
            kid,
            alg,
            int(entry["created_at"]),
            _load_time(entry["activates_at"]),
            _load_time(entry["retired_at"]),
            founding=entry.get("founding") is True,
            unpublished=entry.get("unpublished") is True,
            material=KeyMaterial(self._pem(kid), kid, alg),
        )

    def _write(self, keys: Iterable[SigningKey]) -> None:
        entries = [
            {
                "kid": key.kid,
                "alg": key.alg,
                "created_at": key.created_at,
                "activates_at": key.activates_at,
                "retired_at": key.retired_at,
                "founding": key.founding,
                "unpublished": key.unpublished,
            }
            for key in keys
        ]
        draft = self.path / f".{_KEYSET}.draft"
        with _plain_errors(f"The key list {_KEYSET} cannot be written"):
            draft.unlink(missing_ok=True)  # left behind by a writer that died; the lock is ours
            _write_new(draft, json.dumps(entries, indent=2).encode() + b"\n")
            draft.replace(self._keyset)
            _sync(self.path)

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """One writer at a time, over all processes; the lock goes away with the process that holds it."""
        if not self.path.is_dir():
            raise KeyDirectoryError(f"The key directory {self.path} does not exist.")
        with _plain_errors("The key directory cannot be locked for writing"):
            lock = os.open(self.path / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, _OWNER_ONLY)
        try:
            with _plain_errors("The key directory cannot be locked for writing"):
                fcntl.flock(lock, fcntl.LOCK_EX)
            yield
        finally:
            os.close(lock)


def _is_spent(key: SigningKey, now: int, keep_for: int) -> bool:
    return key.retired_at is not None and key.retired_at + keep_for < now


def _load_time(value: Any) -> int | None:
    return None if value is None else int(value)


def _write_new(path: Path, content: bytes) -> None:
    """Write a file that did not exist, for the owner alone from its first instant, and see it safely on disk."""
    target = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, _OWNER_ONLY)
    with os.fdopen(target, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def _sync(directory: Path) -> None:
    """Make a rename survive a power cut, on the file systems that can."""
    opened = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        with suppress(OSError):
            os.fsync(opened)
    finally:
        os.close(opened)


@contextmanager
def _plain_errors(sentence: str) -> Iterator[None]:
    """Say what an operating system error means for the keys; its file name and reason are kept."""
    try:
        yield
    except OSError as error:
        raise KeyDirectoryError(f"{sentence}: {error.strerror}.") from error
