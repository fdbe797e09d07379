"""A plain OpenID Connect provider: Core 1.0, Discovery 1.0, RFC 7636 (S256), RFC 9207. The issuer is its own address.

It also lends its address to the stand-ins for CAPTCHA vendors (`idp.sandbox.captcha`).
Its id_tokens name the person by `sub` alone; name and e-mail address are told by userinfo (Core §5.4).
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from typing import Any

from flask import Response, request

from idp.sandbox import captcha
from idp.sandbox.answers import find_bearer, render_json, render_keys, show_keys
from idp.sandbox.codes import SignIn
from idp.sandbox.desk import Desk, Provider
from idp.sandbox.exchange import Exchange, Reason, by_secret
from idp.sandbox.id_tokens import asks_for_auth_time, issue_id_token
from idp.sandbox.signing import ALG, half_hash

LIFETIME = 3600
_ERRORS: Mapping[Reason, tuple[int, str, str]] = {
    "unknown_client": (401, "invalid_client", "The client is unknown."),
    "wrong_secret": (401, "invalid_client", "The client's secret is wrong."),
    "grant_type": (400, "unsupported_grant_type", "The grant type is not supported."),
    "unknown": (400, "invalid_grant", "The code is unknown."),
    "used": (400, "invalid_grant", "The code has been used."),
    "expired": (400, "invalid_grant", "The code has expired."),
    "other_client": (400, "invalid_grant", "The code was issued to another client."),
    "redirect_uri": (400, "invalid_grant", "The redirect_uri is not the one of the authorization request."),
    "verifier_missing": (400, "invalid_grant", "The code_verifier is missing."),
    "verifier_wrong": (400, "invalid_grant", "The code_verifier is wrong."),
}


def _refuse(_desk: Desk, reason: Reason) -> Response:
    status, error, description = _ERRORS[reason]
    challenge = {"WWW_Authenticate": 'Basic realm="sandbox"'} if status == 401 else {}
    return render_json({"error": error, "error_description": description}, status, **challenge)


def _grant(desk: Desk, sign_in: SignIn) -> Response:
    token = desk.codes.issue_token(sign_in)
    body = {
        "access_token": token,
        "token_type": "Bearer",
        "expires_in": LIFETIME,
        "scope": " ".join(sign_in.scopes),
    }
    if "openid" in sign_in.scopes:
        claims = {
            "iss": desk.issuer,
            "sub": sign_in.person.subject,
            "at_hash": half_hash(token),
            "auth_time": sign_in.began_at if asks_for_auth_time(sign_in.asked) else None,
        }
        body["id_token"] = issue_id_token(desk, sign_in, claims)
    return render_json(body)


def _userinfo(desk: Desk) -> Response:
    """OpenID Connect Core §5.3, with the claims of the scopes (§5.4)."""
    _, sign_in = find_bearer(desk, request)
    if sign_in is None:
        return render_json({"error": "invalid_token"}, 401, WWW_Authenticate='Bearer error="invalid_token"')
    person = sign_in.person
    body: dict[str, Any] = {"sub": person.subject}
    if "profile" in sign_in.scopes:
        body |= {
            "name": person.name,
            "given_name": person.given_name,
            "family_name": person.family_name,
            "preferred_username": person.username,
            "picture": desk.picture(sign_in),
        }
    if "email" in sign_in.scopes and person.email is not None:
        body |= {"email": person.email, "email_verified": person.email_verified}
    return desk.find_faulty_answer(sign_in, "userinfo") or render_json({**body, **sign_in.profile})


def _discovery(desk: Desk) -> Response:
    """OpenID Connect Discovery §3, RFC 9207 §3."""
    document: dict[str, Any] = {
        "issuer": desk.issuer,
        "authorization_endpoint": f"{desk.origin}/authorize",
        "token_endpoint": f"{desk.origin}/token",
        "jwks_uri": f"{desk.origin}/jwks",
        "userinfo_endpoint": f"{desk.origin}/userinfo",
        "response_types_supported": ["code"],
        "response_modes_supported": ["query", "form_post"],
        "grant_types_supported": ["authorization_code"],
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": [ALG],
        "scopes_supported": ["openid", "profile", "email"],
        "token_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post"],
        "code_challenge_methods_supported": ["S256"],
        "prompt_values_supported": ["login", "select_account", "consent"],
        "authorization_response_iss_parameter_supported": True,
    }
    return render_keys(desk, document)


def make_subject(seed: bytes) -> str:
    return str(uuid.UUID(bytes=seed[:16], version=4))


PROVIDER = Provider(
    kind="oidc",
    label="Acme",
    authorize="/authorize",
    routes={
        "/.well-known/openid-configuration": (("GET",), _discovery),
        "/token": (("POST",), Exchange(_refuse, _grant, by_secret(basic=True))),
        "/jwks": (("GET",), show_keys),
        "/userinfo": (("GET", "POST"), _userinfo),
        "/captcha/<vendor>/siteverify": (("POST",), captcha.verify),
    },
    make_subject=make_subject,
    denied={"error": "access_denied", "error_description": "The person refused."},
    sends_iss=True,
    knows_form_post=True,
    host_of_pictures="pictures",
)
