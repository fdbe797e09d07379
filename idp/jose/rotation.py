"""The rules by which signing keys follow one another, as pure functions on the list of keys.

Owns the dates of promotion and retirement. A new key is published for ``publish_for`` seconds before it
signs, because verifiers keep a copy of our key set for some time (OpenID Connect Core 1.0 section 10.1.1). Files
and locks belong to ``key_directory``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from idp.jose.key_pair import KeyDirectoryError, SigningKey

Make = Callable[[str], SigningKey]
"""Makes a key for an algorithm: stored, without a date to sign from."""


def find_active(keys: list[SigningKey], alg: str, now: int) -> SigningKey | None:
    """The key that signs for `alg` at `now`: of several (a hand-edited list) the one promoted last."""
    active = [key for key in keys if key.alg == alg and key.state(now) == "active"]
    return max(active, key=lambda key: (key.activates_at or 0, key.created_at), default=None)


def found(keys: list[SigningKey], alg: str, now: int, make: Make) -> list[SigningKey]:
    """Give `alg` an active and a next key if it lacks them; everything already there stays as it is."""
    if not any(key.alg == alg for key in keys):
        return [*keys, replace(make(alg), activates_at=now, founding=True), replace(make(alg), founding=True)]
    if find_active(keys, alg, now) is None:
        keys, _ = promote(keys, alg, now, publish_for=0, immediately=True, make=make)
    return _with_successor(keys, alg, make)


def promote(
    keys: list[SigningKey], alg: str, now: int, *, publish_for: int, immediately: bool, make: Make
) -> tuple[list[SigningKey], SigningKey]:
    """Give the next key of `alg` its date, and the active one the same date to retire.

    Answers the changed list and the promoted key. A promotion already under way is kept, unless `immediately`.
    """
    pending = _find_pending(keys, alg, now)
    if pending is not None and not immediately:
        return keys, pending
    keys = _with_successor(keys, alg, make)
    successor = pending or _load_undated(keys, alg)
    wait_is_over = immediately or successor.founding
    when = now if wait_is_over else max(now, successor.created_at + publish_for)
    promoted = replace(successor, activates_at=when)
    active = find_active(keys, alg, now)
    changed = [promoted] if active is None else [promoted, replace(active, retired_at=when)]
    return _with_successor(_changed(keys, changed), alg, make), promoted


def retire(keys: list[SigningKey], kid: str, now: int, *, unpublish: bool, make: Make) -> list[SigningKey]:
    """Retire the key `kid` at `now`; whatever it was, the algorithm keeps an active and a next key.

    Raises KeyDirectoryError when there is no such key.
    """
    key = next((key for key in keys if key.kid == kid), None)
    if key is None:
        raise KeyDirectoryError("There is no signing key with this kid.")
    state, was_pending = key.state(now), key == _find_pending(keys, key.alg, now)
    retired_at = key.retired_at if state == "retired" else now
    keys = _changed(keys, [replace(key, retired_at=retired_at, unpublished=key.unpublished or unpublish)])
    if was_pending:
        # The key that was to hand over at that date has nobody to hand over to any more.
        active = find_active(keys, key.alg, now)
        keys = _changed(keys, [replace(active, retired_at=None)]) if active else keys
    if state == "active" and find_active(keys, key.alg, now) is None:
        keys, _ = promote(keys, key.alg, now, publish_for=0, immediately=True, make=make)
    return _with_successor(keys, key.alg, make)


def _find_pending(keys: list[SigningKey], alg: str, now: int) -> SigningKey | None:
    """The key of `alg` whose date to sign from is set and still to come."""
    return next((key for key in keys if key.alg == alg and key.is_planned and key.state(now) == "next"), None)


def _undated(keys: list[SigningKey], alg: str) -> list[SigningKey]:
    undated = [key for key in keys if key.alg == alg and key.activates_at is None and key.retired_at is None]
    return sorted(undated, key=lambda key: key.created_at)


def _load_undated(keys: list[SigningKey], alg: str) -> SigningKey:
    """The key that is next in line, the longest published one first."""
    return _undated(keys, alg)[0]


def _with_successor(keys: list[SigningKey], alg: str, make: Make) -> list[SigningKey]:
    return keys if _undated(keys, alg) else [*keys, make(alg)]


def _changed(keys: list[SigningKey], changed: list[SigningKey]) -> list[SigningKey]:
    by_kid = {key.kid: key for key in changed}
    return [by_kid.get(key.kid, key) for key in keys]
