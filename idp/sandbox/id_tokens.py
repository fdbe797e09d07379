"""The id_token of one sign-in: a provider's claims, then the fault, then what was asked for on the page."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from idp.sandbox.codes import SignIn
from idp.sandbox.desk import Desk
from idp.sandbox.faults import spoil_claims


def issue_id_token(desk: Desk, sign_in: SignIn, claims: Mapping[str, Any], *, lifetime: int = 3600) -> str:
    """OpenID Connect Core §2. `claims` has iss and the person; aud, nonce, iat, exp (in `lifetime` seconds) are added.

    A claim that is None is left out.
    """
    now = desk.now
    whole = {
        "aud": sign_in.client_id,
        "iat": now,
        "exp": now + lifetime,
        "nonce": sign_in.asked.get("nonce"),
        **claims,
    }
    spoiled = {**spoil_claims(sign_in.fault, whole, now), **sign_in.claims}
    return desk.keys.sign({name: value for name, value in spoiled.items() if value is not None}, sign_in.fault)


def asks_for_auth_time(asked: Mapping[str, str]) -> bool:
    """OpenID Connect Core §2: auth_time is REQUIRED when max_age was sent; told after a forced sign-in too."""
    return "max_age" in asked or "login" in asked.get("prompt", "").split()
