"""Microsoft: OpenID Connect for many tenants, with an issuer per tenant, `oid`, `tid`, and AADSTS errors.

Under the tenant `common`, a person with a verified address has a personal account, everybody else a work account. Work
accounts carry `xms_edov`, which says whether their organisation has proven that the address's domain is its own.
"""

from __future__ import annotations

import hashlib
import secrets
import time
import uuid
from base64 import urlsafe_b64encode
from collections.abc import Mapping
from typing import Any

from flask import Response, request

from idp.sandbox.answers import find_bearer, render_json, show_keys
from idp.sandbox.codes import SignIn
from idp.sandbox.desk import Desk, Provider
from idp.sandbox.exchange import Exchange, Reason, by_secret
from idp.sandbox.id_tokens import asks_for_auth_time, issue_id_token

LIFETIME = 3599
PERSONAL_TENANT = "9188040d-6c67-4c5b-b112-36a304b66dad"
WORK_TENANT = "5a4db0c5-1111-4000-8000-000000000002"
_ERRORS: Mapping[Reason, tuple[int, str, int, str]] = {
    "unknown_client": (400, "unauthorized_client", 700016, "The application was not found in the directory."),
    "wrong_secret": (401, "invalid_client", 7000215, "Invalid client secret provided."),
    "grant_type": (400, "unsupported_grant_type", 70003, "The app requested an unsupported grant type."),
    "unknown": (400, "invalid_grant", 9002313, "Invalid request. Request is malformed or invalid."),
    "used": (400, "invalid_grant", 54005, "OAuth2 Authorization code was already redeemed."),
    "expired": (400, "invalid_grant", 70008, "The provided authorization code has expired."),
    "other_client": (400, "invalid_grant", 700005, "The code was issued for another application."),
    "redirect_uri": (400, "invalid_grant", 500112, "The reply address is not the one of the request for the code."),
    "verifier_missing": (400, "invalid_grant", 501481, "The Code_Verifier is missing."),
    "verifier_wrong": (400, "invalid_grant", 501481, "The Code_Verifier does not match the code_challenge."),
}


def _refuse(desk: Desk, reason: Reason) -> Response:
    status, error, number, sentence = _ERRORS[reason]
    trace, correlation = str(uuid.uuid4()), str(uuid.uuid4())
    stamp = time.strftime("%Y-%m-%d %H:%M:%SZ", time.gmtime(desk.now))
    body = {
        "error": error,
        "error_description": (
            f"AADSTS{number}: {sentence} Trace ID: {trace} Correlation ID: {correlation} Timestamp: {stamp}"
        ),
        "error_codes": [number],
        "timestamp": stamp,
        "trace_id": trace,
        "correlation_id": correlation,
        "error_uri": f"https://login.microsoftonline.com/error?code={number}",
    }
    return render_json(body, status)


def _grant(desk: Desk, sign_in: SignIn) -> Response:
    body = {
        "token_type": "Bearer",
        "scope": " ".join(sign_in.scopes),
        "expires_in": LIFETIME,
        "ext_expires_in": LIFETIME,
        "access_token": desk.codes.issue_token(sign_in, "EwB"),
    }
    if "openid" in sign_in.scopes:
        body["id_token"] = issue_id_token(desk, sign_in, _claims(desk, sign_in))
    return render_json(body)


def _claims(desk: Desk, sign_in: SignIn) -> dict[str, Any]:
    tenant = str(sign_in.claims.get("tid") or tenant_of(sign_in))
    return {
        "ver": "2.0",
        "iss": f"https://login.microsoftonline.com/{tenant}/v2.0",
        "nbf": desk.now,
        "tid": tenant,
        "auth_time": sign_in.began_at if asks_for_auth_time(sign_in.asked) else None,
        "rh": "1." + secrets.token_urlsafe(24),
        "uti": secrets.token_urlsafe(16),
        **_person(sign_in, tenant),
    }


def _person(sign_in: SignIn, tenant: str) -> dict[str, Any]:
    person, is_personal = sign_in.person, tenant == PERSONAL_TENANT
    claims: dict[str, Any] = {"sub": person.subject}
    if "profile" in sign_in.scopes:
        claims |= {
            "name": person.name,
            "oid": object_id(person.subject, tenant),
            "preferred_username": person.email or f"{person.username}@sandbox.onmicrosoft.com",
        }
    if "email" in sign_in.scopes and person.email is not None:
        claims |= {"email": person.email, "xms_edov": None if is_personal else person.email_verified}
    return claims


def tenant_of(sign_in: SignIn) -> str:
    """The person's tenant: the one that the URL names, or under `common` and `organizations` the person's own."""
    asked, person = sign_in.asked["tenant"].lower(), sign_in.person
    if asked == "consumers" or (asked == "common" and person.email is not None and person.email_verified):
        return PERSONAL_TENANT
    if asked in ("common", "organizations"):
        return WORK_TENANT
    try:
        return str(uuid.UUID(asked))
    except ValueError:  # a domain, such as contoso.onmicrosoft.com
        return str(uuid.UUID(bytes=hashlib.sha256(asked.encode()).digest()[:16], version=4))


def object_id(subject: str, tenant: str) -> str:
    """`oid`: the same whenever this person comes; of a personal account its upper half is zero."""
    digest = hashlib.sha256(f"{tenant} {subject}".encode()).digest()[:16]
    if tenant == PERSONAL_TENANT:
        return str(uuid.UUID(bytes=bytes(8) + digest[8:]))
    return str(uuid.UUID(bytes=digest, version=4))


def _userinfo(desk: Desk) -> Response:
    _, sign_in = find_bearer(desk, request)
    if sign_in is None:
        code = {"code": "InvalidAuthenticationToken", "message": "Access token is empty or invalid."}
        return render_json({"error": code}, 401)
    person = sign_in.person
    body = {"sub": person.subject, "name": person.name, "given_name": person.given_name, "email": person.email}
    body["family_name"] = person.family_name or None
    told = {name: value for name, value in body.items() if value is not None}
    return desk.find_faulty_answer(sign_in, "userinfo") or render_json({**told, **sign_in.profile})


def _more(_desk: Desk, _sign_in: SignIn) -> dict[str, str]:
    return {"session_state": str(uuid.uuid4())}


def make_subject(seed: bytes) -> str:
    """43 characters of base64url: a pairwise identifier."""
    return urlsafe_b64encode(seed).rstrip(b"=").decode("ascii")


_HOST = "/login.microsoftonline.com/<tenant>"

PROVIDER = Provider(
    kind="microsoft",
    label="Microsoft",
    authorize=f"{_HOST}/oauth2/v2.0/authorize",
    routes={
        f"{_HOST}/oauth2/v2.0/token": (("POST",), Exchange(_refuse, _grant, by_secret(basic=True))),
        f"{_HOST}/discovery/v2.0/keys": (("GET",), show_keys),
        "/graph.microsoft.com/oidc/userinfo": (("GET",), _userinfo),
    },
    make_subject=make_subject,
    denied={
        "error": "access_denied",
        "error_subcode": "cancel",
        "error_description": "AADSTS65004: User declined to consent to access the app.",
    },
    more=_more,
    issuer=f"https://login.microsoftonline.com/{PERSONAL_TENANT}/v2.0",
    knows_form_post=True,
    knows_plain_pkce=True,
    code_prefix="M.C5",
    host_of_pictures="graph.microsoft.com/pictures",
)
