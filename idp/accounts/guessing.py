"""Guessing passwords: whose tries count together, how they are slowed, and what the owner of the account is told
(ASVS 6.1.1, 6.3.1, 6.3.5; docs/guessing.md).

Tries count by account, from wherever they come. A browser in which the person has signed in before has a count of its
own for them, so that no stranger can lock anybody out. Names that nobody has are treated, row by row, like those that
somebody has. Addresses are limited elsewhere (`web.limits`), and programs are kept out by `captcha`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from idp import audit
from idp.accounts.notices import tell, tell_or_nobody
from idp.protocol.identity import User
from idp.protocol.names import AMR_PASSWORD
from idp.server import Server
from idp.store.database import hashed
from idp.store.sessions import SignIn
from idp.store.sign_in_failures import FREE_TRIES, Claim
from idp.store.users import lookup_key

PURPOSE = "sign_in_failures"
ONCE_A_DAY = 86_400
_NOBODY = "nobody"  # the id of no account


@dataclass(frozen=True, slots=True)
class Counted:
    """Whose tries these are. `key`: under which they count; `user`: whose account it is, if anybody's; `is_known`:
    whether this person has signed in before in this browser."""

    key: str
    user: User | None
    is_known: bool


def find_counted(server: Server, login: str, device: str | None, *, now: int) -> Counted:
    """What a try at this user name or e-mail counts under. `device`: the cookie of the browser, if it has one.

    An account has two names, and a stranger's tries at each count apart: if they did not, a name would tell by its
    count that it belongs to the other.
    """
    found = server.store.users.find_for_sign_in(login)
    user = found[0] if found is not None else None
    user_id = user.id if user is not None else _NOBODY
    device_key = _find_device_key(server, device, user_id, now) if device is not None else None
    return Counted(device_key or _stranger_key(server, login), user, is_known=device_key is not None)


def claim_try(server: Server, counted: Counted, *, now: int) -> Claim:
    """Count one try before its password is looked at. When its `wait` is not 0, the password must not be."""
    claim = server.store.sign_in_failures.claim(counted.key, now=now)
    if claim.wait:
        user_id = counted.user.id if counted.user is not None else None
        audit.record_once_a_minute(
            server, audit.Event.SIGN_IN_LIMITED, counted.key, now=now, user_id=user_id, tries=claim.tries
        )
    return claim


def note_failure(server: Server, counted: Counted, claim: Claim, *, address: str, now: int) -> None:
    """The password was wrong. When strangers must wait from now on, the owner is told, once a day for each name."""
    if claim.next_wait and not counted.is_known:
        is_first = _is_first_today(server, counted.key, now)
        _warn(server, counted.user if is_first else None, claim.tries, "nowhere", address=address, now=now)


def note_sign_in(server: Server, user: User, sign_in: SignIn, device: str | None, *, is_first: bool, now: int) -> None:
    """Somebody is in. Their tries are forgotten, and the owner is told of what looks odd: several failures before it,
    or a browser that has never been used for this account.

    `device`: the cookie of the browser if it was known to this person; `is_first`: they had none that was.
    """
    tries = _forget_tries(server, user, device, now) if AMR_PASSWORD in sign_in.amr else 0
    if tries > FREE_TRIES and _is_first_today(server, f"in {user.id}", now):
        _warn(server, user, tries - 1, "in", address=sign_in.address or "", now=now)
    elif device is None and not is_first:
        where: dict[str, Any] = {"address": sign_in.address, "user_agent": sign_in.user_agent}
        tell(server, user, "new_sign_in", now=now, when=now, **where, account_url=server.endpoint("/account"))


def _forget_tries(server: Server, user: User, device: str | None, now: int) -> int:
    """What was counted for this browser, if it is a known one; otherwise what was for strangers."""
    device_key = _find_device_key(server, device, user.id, now) if device is not None else None
    if device_key is not None:
        keys: Sequence[str] = [device_key]
    else:
        keys = [_stranger_key(server, name) for name in (user.username, user.email) if name]
    return server.store.sign_in_failures.forget(keys, now=now)


def _warn(server: Server, user: User | None, tries: int, how_far: str, *, address: str, now: int) -> None:
    """The mail; where there is nobody to write to, one that is never sent, with the same effort."""
    told = user if user is not None and not user.disabled else None
    seen: dict[str, Any] = {"when": now, "address": address, "tries": tries, "how_far": how_far}
    tell_or_nobody(server, told, "suspicious_sign_in", now=now, **seen, recover_url=server.endpoint("/recover"))


def _is_first_today(server: Server, key: str, now: int) -> bool:
    return server.store.ephemeral.put_new("suspicious_sign_in", key, {}, lifetime=ONCE_A_DAY, now=now)


def _stranger_key(server: Server, login: str) -> str:
    return server.secret_box.derive(PURPOSE, "stranger", hashed(lookup_key(login)))


def _find_device_key(server: Server, device: str, user_id: str, now: int) -> str | None:
    """None where this person is not known. By when they were first: the cookie changes with each person who is new to
    the browser, and a count that began anew with it would let its holder guess without end."""
    since = server.store.devices.find_known_since(device, user_id, now=now)
    return None if since is None else server.secret_box.derive(PURPOSE, "device", str(since), user_id)
