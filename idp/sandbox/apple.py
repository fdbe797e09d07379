"""Apple: OpenID Connect with a signed client secret, an answer by form_post, and a name that is told only once.

The name never appears in an id_token: it comes with the first answer to an application, in the field `user`, unsigned.
Booleans about the address are text for some people and true booleans for others, as they are from Apple.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from flask import Response, request

from idp.sandbox.answers import render_json, show_keys
from idp.sandbox.clients import is_apple_secret_of
from idp.sandbox.codes import SignIn
from idp.sandbox.desk import Desk, Params, Provider, RequestRefused
from idp.sandbox.exchange import Exchange, ExchangeRefused, Reason
from idp.sandbox.id_tokens import issue_id_token
from idp.sandbox.people import Person
from idp.sandbox.signing import half_hash

LIFETIME = 3600
ID_TOKEN_LIFETIME = 86_400
_GONE = "The code has expired or has been revoked."
_ERRORS: Mapping[Reason, tuple[str, str | None]] = {
    "unknown_client": ("invalid_client", None),
    "wrong_secret": ("invalid_client", None),
    "grant_type": ("unsupported_grant_type", None),
    "unknown": ("invalid_grant", _GONE),
    "used": ("invalid_grant", "The code has already been used."),
    "expired": ("invalid_grant", _GONE),
    "other_client": ("invalid_grant", "client_id mismatch. The code was not issued to this client."),
    "redirect_uri": ("invalid_grant", "redirect_uri mismatch. It is not the one of the authorization request."),
    "verifier_missing": ("invalid_grant", "The code_verifier is missing."),
    "verifier_wrong": ("invalid_grant", "The code_verifier does not match the code_challenge."),
}


def _authenticate(desk: Desk) -> str:
    client = desk.clients.get(request.form.get("client_id", ""))
    if client is None:
        raise ExchangeRefused("unknown_client")
    if not is_apple_secret_of(client, request.form.get("client_secret", ""), desk.now):
        raise ExchangeRefused("wrong_secret")
    return client.client_id


def _refuse(_desk: Desk, reason: Reason) -> Response:
    error, description = _ERRORS[reason]
    body = {"error": error} if description is None else {"error": error, "error_description": description}
    return render_json(body, 400)


def _grant(desk: Desk, sign_in: SignIn) -> Response:
    token = desk.codes.issue_token(sign_in, "a")
    claims = {
        "iss": desk.issuer,
        "sub": sign_in.person.subject,
        "at_hash": half_hash(token),
        "auth_time": sign_in.began_at,
        "nonce_supported": True,
        **(_address(sign_in.person) if "email" in sign_in.scopes else {}),
    }
    body = {
        "access_token": token,
        "token_type": "Bearer",
        "expires_in": LIFETIME,
        "refresh_token": desk.codes.issue_token(sign_in, "r"),
        "id_token": issue_id_token(desk, sign_in, claims, lifetime=ID_TOKEN_LIFETIME),
    }
    return render_json(body)


def _address(person: Person) -> dict[str, Any]:
    if person.email is None:
        return {}
    if person.is_relay:
        return {"email": person.email, "email_verified": "true", "is_private_email": "true"}
    return {"email": person.email, "email_verified": True if person.email_verified else "false"}


def _check(asked: Params) -> None:
    if asked.get("scope") and asked.get("response_mode") != "form_post":
        raise RequestRefused("The response_mode must be form_post when the name or email scope is requested.")


def _more(desk: Desk, sign_in: SignIn) -> dict[str, str]:
    """`user`, the first time that this person comes back to this application."""
    person, visit = sign_in.person, (sign_in.client_id, sign_in.person.subject)
    if visit in desk.greeted or not {"name", "email"} & set(sign_in.scopes):
        return {}
    desk.greeted.add(visit)
    user: dict[str, Any] = {}
    if "name" in sign_in.scopes:
        user["name"] = {"firstName": person.given_name, "lastName": person.family_name}
    if "email" in sign_in.scopes and person.email is not None:
        user["email"] = person.email
    return {"user": json.dumps({**user, **sign_in.profile}, ensure_ascii=False)}


def make_subject(seed: bytes) -> str:
    """Six digits, 32 hexadecimal ones, four digits."""
    number = int.from_bytes(seed[16:24], "big")
    return f"{number % 10**6:06}.{seed.hex()[:32]}.{number // 10**6 % 10**4:04}"


PROVIDER = Provider(
    kind="apple",
    label="Apple",
    authorize="/appleid.apple.com/auth/authorize",
    routes={
        "/appleid.apple.com/auth/token": (("POST",), Exchange(_refuse, _grant, _authenticate)),
        "/appleid.apple.com/auth/keys": (("GET",), show_keys),
    },
    make_subject=make_subject,
    denied={"error": "user_cancelled_authorize"},
    check=_check,
    more=_more,
    issuer="https://appleid.apple.com",
    has_profile=False,
    knows_form_post=True,
    has_relay=True,
    code_prefix="c",
    token_typ=None,
)
