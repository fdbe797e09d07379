"""A sign-in that still owes its second factor. It is no session: nothing that looks for one ever finds it.

Kept for ten minutes, for one browser and one waiting request (or none), taken up once. It dies with what it was made
with, the password or the link to the other provider, and whenever the person's sessions end.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

from idp.accounts.sign_in import password_mark
from idp.protocol.identity import User
from idp.server import Server
from idp.store.sessions import SignIn

KIND = "half_sign_in"
LIFETIME_SECONDS = 600


@dataclass(frozen=True, slots=True)
class HalfSignIn:
    """`browser` and `interaction_id` (empty: none) are what it is bound to."""

    user: User
    sign_in: SignIn
    browser: str
    interaction_id: str


def keep_half(server: Server, sign_in: SignIn, user: User, browser: str, interaction_id: str, *, now: int) -> None:
    """Keep it; a later one of this browser for the same request takes its place."""
    value = {"sign_in": json.dumps(asdict(sign_in)), **_marks(server, user)}
    server.store.ephemeral.put(KIND, _key(browser, interaction_id), value, lifetime=LIFETIME_SECONDS, now=now)


def find_half(server: Server, browser: str | None, interaction_id: str, *, now: int) -> HalfSignIn | None:
    """None when it has ended, is another browser's, or its person may not sign in that way any more."""
    if browser is None:
        return None
    value = server.store.ephemeral.get(KIND, _key(browser, interaction_id), now=now)
    if value is None:
        return None
    sign_in = _to_sign_in(json.loads(value["sign_in"]))
    user = server.store.users.find(sign_in.user_id)
    if user is None or user.disabled or not _still_stands(server, value, user, sign_in):
        return None
    return HalfSignIn(user, sign_in, browser, interaction_id)


def claim_half(server: Server, half: HalfSignIn, *, now: int) -> bool:
    """Finish it, once among all who try."""
    return server.store.ephemeral.claim_once(KIND, _key(half.browser, half.interaction_id), now=now) is not None


def forget_half(server: Server, browser: str | None, interaction_id: str, *, now: int) -> None:
    if browser is not None:
        server.store.ephemeral.claim_once(KIND, _key(browser, interaction_id), now=now)


def _marks(server: Server, user: User) -> dict[str, Any]:
    """Each is another one once the sign-in must not be finished any more."""
    return {"password": password_mark(server.store, user), "sign_outs": server.store.users.count_sign_outs(user.id)}


def _still_stands(server: Server, value: Mapping[str, Any], user: User, sign_in: SignIn) -> bool:
    if any(value.get(name) != mark for name, mark in _marks(server, user).items()):
        return False
    links = server.store.identities.list_of(user.id) if sign_in.upstream is not None else ()
    return sign_in.upstream is None or any(each.key.upstream == sign_in.upstream for each in links)


def _to_sign_in(value: dict[str, Any]) -> SignIn:
    """By name: while a deployment rolls, an instance with newer code may have written more members."""
    known = {field.name: value[field.name] for field in fields(SignIn) if field.name in value}
    return SignIn(**known | {"amr": tuple(known["amr"])})


def _key(browser: str, interaction_id: str) -> str:
    return f"{browser} {interaction_id}"
