"""Second factors as a whole: which ones a person has, and what giving one makes of a sign-in or a session.

A factor is an authenticator app or a passkey; recovery codes stand in for either, and are none by themselves.
"""

from dataclasses import dataclass, replace
from typing import Any

from idp.accounts.passkeys import Proof
from idp.protocol.identity import Session, User
from idp.protocol.names import (
    ACR_TWO_FACTORS,
    AMR_DEVICE_KEY,
    AMR_MULTIPLE_FACTORS,
    AMR_ONE_TIME_PASSWORD,
    AMR_SYNCED_KEY,
    AMR_USER_PRESENT,
)
from idp.server import Server
from idp.store import Store
from idp.store.passkeys import Passkey
from idp.store.sessions import SignIn
from idp.store.sign_in_failures import key_of_codes

BY_CODE = (AMR_ONE_TIME_PASSWORD,)


@dataclass(frozen=True, slots=True)
class Factors:
    """What a person can be asked for."""

    has_totp: bool
    passkeys: tuple[Passkey, ...]
    codes_left: int

    @property
    def is_any(self) -> bool:
        return self.has_totp or bool(self.passkeys)

    @property
    def count(self) -> int:
        return int(self.has_totp) + len(self.passkeys)


def find_factors(server: Server, user_id: str) -> Factors:
    return Factors(
        has_totp=server.store.totp.find(user_id) is not None,
        passkeys=tuple(server.store.passkeys.list_of(user_id)),
        codes_left=server.store.recovery_codes.count_unused(user_id),
    )


def factor_summary(server: Server, user_id: str) -> dict[str, Any]:
    """For the account page: `totp` None or {created_at, last_used_at}; `passkeys` [{key, name, created_at,
    last_used_at, backed_up}]; `recovery_codes_left`; `is_on`: whether there is a factor at all. Times are seconds since
    the epoch."""
    totp, passkeys = server.store.totp.find(user_id), server.store.passkeys.list_of(user_id)
    return {
        "is_on": totp is not None or bool(passkeys),
        "totp": None if totp is None else {"created_at": totp.created_at, "last_used_at": totp.last_used_at},
        "passkeys": [
            {name: getattr(each, name) for name in ("key", "name", "created_at", "last_used_at", "backed_up")}
            for each in passkeys
        ],
        "recovery_codes_left": server.store.recovery_codes.count_unused(user_id),
    }


def remove_factors(store: Store, user_id: str, *, now: int) -> bool:
    """Take away every factor of a person, their recovery codes and their trust in browsers; whether there was one."""
    had_app, had_keys = store.totp.remove(user_id), store.passkeys.remove_all(user_id) > 0
    store.recovery_codes.replace_all(user_id, [], now=now)
    store.devices.end_trust(user_id)
    store.sign_in_failures.forget([key_of_codes(user_id)], now=now)
    return had_app or had_keys


def by_key(proof: Proof) -> tuple[str, ...]:
    """What a passkey adds to `amr` (RFC 8176). Whether a key is bound to its device is what the device says itself."""
    kind = AMR_SYNCED_KEY if proof.is_synced else AMR_DEVICE_KEY
    return (kind, AMR_USER_PRESENT) if proof.user_verified else (kind,)


def by_passkey_alone(user: User, proof: Proof, *, address: str | None, user_agent: str | None) -> SignIn:
    """A passkey whose holder the device has verified: something they have, and something they know or are."""
    amr = (*by_key(proof), AMR_MULTIPLE_FACTORS)
    return SignIn(user.id, ACR_TWO_FACTORS, amr, address, user_agent)


def with_factor(sign_in: SignIn, given: tuple[str, ...]) -> SignIn:
    """A sign-in to which a second factor has been added."""
    return replace(sign_in, acr=ACR_TWO_FACTORS, amr=_joined(sign_in.amr, given))


def stepped_up(session: Session, given: tuple[str, ...]) -> SignIn:
    """The same session with a second factor (RFC 9470 §5). What is known of how it began stays, its time too: a second
    factor alone makes no old sign-in a fresh one."""
    return SignIn(
        session.user_id,
        ACR_TWO_FACTORS,
        _joined(session.amr, given),
        upstream=session.upstream,
        auth_time=session.auth_time,
        auth_time_unproven=session.auth_time_unproven,
    )


def _joined(amr: tuple[str, ...], given: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(dict.fromkeys((*amr, *given, AMR_MULTIPLE_FACTORS)))
