"""What several processes do to one thing at the same instant. Each function runs in a spawned process with threads of
its own, and gives one result per thread.
"""

from collections.abc import Callable
from typing import Any

from idp.store import Store, open_store
from idp.store.ways_in import Offered
from tests.store.samples import NOW, make_user, unique
from tests.support.crowd import at_once, wait_for

THREADS = 6


def contend(number: int, starts_at: float, url: str, redis_url: str | None, act: str, *arguments: Any) -> list[Any]:
    """Run ACTS[act] in THREADS threads at this time; what each of them got."""
    store = open_store(url, pool_size=THREADS, redis_url=redis_url)
    try:
        at_once(THREADS, lambda _: store.database.is_reachable())  # connections are open before the moment
        wait_for(starts_at)
        return at_once(THREADS, lambda index: ACTS[act](store, f"{number}-{index}", *arguments))
    finally:
        store.database.dispose()


def _redeem(store: Store, who: str, grant_id: str) -> str | None:
    token = f"{grant_id} {who}"
    limits = {"access_ends": NOW + 900, "refresh_expires_at": NOW + 1000, "refresh_ends": NOW + 10_000}
    return token if store.grants.redeem_code(grant_id, now=NOW, refresh_token=token, **limits) else None


def _rotate(store: Store, who: str, token: str, grant_id: str) -> str | None:
    successor = f"{token} {who}"
    done = store.refresh_tokens.rotate(token, successor, grant_id, now=NOW, expires_at=NOW + 1000)
    return successor if done else None


def _claim(store: Store, _who: str, key: str, now: int) -> Any:
    return store.ephemeral.claim_once("contended", key, now=now)


def _put_new(store: Store, who: str, key: str, now: int) -> str | None:
    return who if store.ephemeral.put_new("contended", key, {"by": who}, lifetime=60, now=now) else None


def _sign_up(store: Store, who: str, name: str) -> str | None:
    written = name.upper() if who.endswith(("1", "3", "5")) else name.lower()
    user = make_user(written, email=f"{unique('mail')}@example.com")
    return user.id if store.users.add(user, now=NOW) else None


def _sign_up_email(store: Store, _who: str, email: str) -> str | None:
    user = make_user(email=email)
    return user.id if store.users.add(user, now=NOW) else None


def _consent(store: Store, who: str, user_id: str, client_id: str) -> None:
    store.consents.add(user_id, client_id, [f"scope-{who}"], now=NOW)


def _revoke(store: Store, _who: str, grant_id: str) -> bool:
    return store.grants.revoke(grant_id, now=NOW, why="contended")


def _revoke_access_token(store: Store, _who: str, jti: str) -> None:
    store.grants.revoke_access_token(jti, expires_at=NOW + 900)


def _try_password(store: Store, _who: str, key: str, now: int) -> int:
    return store.sign_in_failures.claim(key, now=now).wait


def _remove_factor(store: Store, who: str, user_id: str, keys: list[str | None]) -> bool:
    """One of the person's factors, each contender another: the app (None) or a passkey."""
    key = keys[int(who.rpartition("-")[2]) % len(keys)]
    if key is None:
        return store.totp.remove(user_id, keeps_last=True)
    return store.passkeys.remove(user_id, key, keeps_last=True)


def _remove_way_in(store: Store, who: str, user_id: str, keys: list[str]) -> bool:
    """One of the person's passkeys, each contender another."""
    offered = Offered(passwords=True, upstreams=frozenset({"google"}))
    return store.passkeys.remove(user_id, keys[int(who.rpartition("-")[2]) % len(keys)], offered=offered)


ACTS: dict[str, Callable[..., Any]] = {
    "redeem": _redeem,
    "rotate": _rotate,
    "claim": _claim,
    "put_new": _put_new,
    "sign_up": _sign_up,
    "sign_up_email": _sign_up_email,
    "consent": _consent,
    "revoke": _revoke,
    "revoke_access_token": _revoke_access_token,
    "try_password": _try_password,
    "remove_factor": _remove_factor,
    "remove_way_in": _remove_way_in,
}
