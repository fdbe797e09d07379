"""Discord: OAuth 2.0 without id_token; ids are snowflakes as strings, the address comes with the scope `email`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flask import Response, request

from idp.sandbox.answers import find_bearer, render_json
from idp.sandbox.codes import SignIn
from idp.sandbox.desk import Desk, Provider
from idp.sandbox.exchange import Exchange, Reason, by_secret

LIFETIME = 604_800
_CODE = 'Invalid "code" in request.'
_VERIFIER = 'Invalid "code_verifier" in request.'
_ERRORS: Mapping[Reason, tuple[int, str, str | None]] = {
    "unknown_client": (401, "invalid_client", None),
    "wrong_secret": (401, "invalid_client", None),
    "grant_type": (400, "unsupported_grant_type", None),
    "unknown": (400, "invalid_grant", _CODE),
    "used": (400, "invalid_grant", _CODE),
    "expired": (400, "invalid_grant", _CODE),
    "other_client": (400, "invalid_grant", _CODE),
    "redirect_uri": (400, "invalid_grant", 'Invalid "redirect_uri" in request.'),
    "verifier_missing": (400, "invalid_grant", _VERIFIER),
    "verifier_wrong": (400, "invalid_grant", _VERIFIER),
}


def _refuse(_desk: Desk, reason: Reason) -> Response:
    status, error, description = _ERRORS[reason]
    body = {"error": error} if description is None else {"error": error, "error_description": description}
    return render_json(body, status)


def _grant(desk: Desk, sign_in: SignIn) -> Response:
    body = {
        "token_type": "Bearer",
        "access_token": desk.codes.issue_token(sign_in),
        "expires_in": LIFETIME,
        "refresh_token": desk.codes.issue_token(sign_in),
        "scope": " ".join(sign_in.scopes),
    }
    return render_json(body)


def _me(desk: Desk, **_version: str) -> Response:
    _, sign_in = find_bearer(desk, request)
    if sign_in is None or "identify" not in sign_in.scopes:
        return render_json({"message": "401: Unauthorized", "code": 0}, 401)
    person = sign_in.person
    body: dict[str, Any] = {
        "id": person.subject,
        "username": person.username,
        "avatar": person.seed.hex()[:32] if person.email else None,
        "discriminator": "0",
        "public_flags": 0,
        "flags": 0,
        "banner": None,
        "accent_color": None,
        "global_name": person.name,
        "avatar_decoration_data": None,
        "banner_color": None,
        "mfa_enabled": False,
        "locale": "en-US",
        "premium_type": 0,
    }
    if "email" in sign_in.scopes:
        body |= {"email": person.email, "verified": person.email is not None and person.email_verified}
    return desk.find_faulty_answer(sign_in, "userinfo") or render_json({**body, **sign_in.profile})


def make_subject(seed: bytes) -> str:
    """A snowflake of 18 digits: more than a floating-point number can hold."""
    return str(10**17 + int.from_bytes(seed[:8], "big") % (9 * 10**17))


_TOKEN = (("POST",), Exchange(_refuse, _grant, by_secret(basic=True)))

PROVIDER = Provider(
    kind="discord",
    label="Discord",
    authorize="/discord.com/oauth2/authorize",
    routes={
        "/discord.com/api/oauth2/token": _TOKEN,
        "/discord.com/api/<version>/oauth2/token": _TOKEN,
        "/discord.com/api/users/@me": (("GET",), _me),
        "/discord.com/api/<version>/users/@me": (("GET",), _me),
    },
    make_subject=make_subject,
    denied={
        "error": "access_denied",
        "error_description": "The resource owner or authorization server denied the request",
    },
    has_id_token=False,
    knows_plain_pkce=True,
    host_of_pictures="cdn.discordapp.com/avatars",
)
