"""Google: OpenID Connect, with the `iss` response parameter, `hd`, and errors with words of its own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flask import Response, request

from idp.sandbox.answers import find_bearer, render_json, show_keys
from idp.sandbox.codes import SignIn
from idp.sandbox.desk import Desk, Provider
from idp.sandbox.exchange import Exchange, Reason, by_secret
from idp.sandbox.id_tokens import asks_for_auth_time, issue_id_token
from idp.sandbox.signing import half_hash

LIFETIME = 3599
_FULL_SCOPES = {
    "email": "https://www.googleapis.com/auth/userinfo.email",
    "profile": "https://www.googleapis.com/auth/userinfo.profile",
}
_ERRORS: Mapping[Reason, tuple[int, str, str]] = {
    "unknown_client": (401, "invalid_client", "The OAuth client was not found."),
    "wrong_secret": (401, "invalid_client", "The provided client secret is invalid."),
    "grant_type": (400, "unsupported_grant_type", "Invalid grant_type."),
    "unknown": (400, "invalid_grant", "Malformed auth code."),
    "used": (400, "invalid_grant", "Bad Request"),
    "expired": (400, "invalid_grant", "Bad Request"),
    "other_client": (401, "unauthorized_client", "Unauthorized"),
    "redirect_uri": (400, "redirect_uri_mismatch", "Bad Request"),
    "verifier_missing": (400, "invalid_grant", "Missing code verifier."),
    "verifier_wrong": (400, "invalid_grant", "Invalid code verifier."),
}


def _refuse(_desk: Desk, reason: Reason) -> Response:
    status, error, description = _ERRORS[reason]
    return render_json({"error": error, "error_description": description}, status)


def _grant(desk: Desk, sign_in: SignIn) -> Response:
    token = desk.codes.issue_token(sign_in, "ya29.a0")
    body: dict[str, Any] = {
        "access_token": token,
        "expires_in": LIFETIME,
        "scope": _granted(sign_in),
        "token_type": "Bearer",
    }
    if sign_in.asked.get("access_type") == "offline":
        body["refresh_token"] = desk.codes.issue_token(sign_in, "1//0")
    if "openid" in sign_in.scopes:
        claims = {
            "iss": desk.issuer,
            "azp": sign_in.client_id,
            "at_hash": half_hash(token),
            "auth_time": sign_in.began_at if asks_for_auth_time(sign_in.asked) else None,
            **_person(desk, sign_in),
        }
        body["id_token"] = issue_id_token(desk, sign_in, claims)
    return render_json(body)


def _granted(sign_in: SignIn) -> str:
    return " ".join(_FULL_SCOPES.get(scope, scope) for scope in sign_in.scopes)


def _person(desk: Desk, sign_in: SignIn) -> dict[str, Any]:
    person = sign_in.person
    claims: dict[str, Any] = {"sub": person.subject, "hd": _hosted_domain(desk, sign_in)}
    if {"email", _FULL_SCOPES["email"]} & set(sign_in.scopes) and person.email is not None:
        claims |= {"email": person.email, "email_verified": person.email_verified}
    if {"profile", _FULL_SCOPES["profile"]} & set(sign_in.scopes):
        claims |= {"name": person.name, "given_name": person.given_name, "family_name": person.family_name or None}
        claims["picture"] = desk.picture(sign_in)
    return {name: value for name, value in claims.items() if value is not None}


def _hosted_domain(desk: Desk, sign_in: SignIn) -> str | None:
    """The Workspace of the known person, and of everybody whose address is in the domain that was asked for."""
    person = sign_in.person
    domain = (person.email or "").rpartition("@")[2].lower()
    is_hosted = person.email == desk.people.known_email or domain == sign_in.asked.get("hd", "").lower()
    return domain if domain and is_hosted and person.email_verified and domain != "gmail.com" else None


def _userinfo(desk: Desk) -> Response:
    _, sign_in = find_bearer(desk, request)
    if sign_in is None:
        body = {"error": "invalid_request", "error_description": "Invalid Credentials"}
        return render_json(
            body, 401, WWW_Authenticate='Bearer realm="https://accounts.google.com/", error="invalid_token"'
        )
    faulty = desk.find_faulty_answer(sign_in, "userinfo")
    return faulty or render_json({**_person(desk, sign_in), **sign_in.profile})


def _more(_desk: Desk, sign_in: SignIn) -> dict[str, str]:
    return {"scope": _granted(sign_in), "authuser": "0", "prompt": "consent"}


def make_subject(seed: bytes) -> str:
    """21 digits."""
    return str(10**20 + int.from_bytes(seed[:9], "big") % (9 * 10**19))


PROVIDER = Provider(
    kind="google",
    label="Google",
    authorize="/accounts.google.com/o/oauth2/v2/auth",
    routes={
        "/oauth2.googleapis.com/token": (("POST",), Exchange(_refuse, _grant, by_secret(basic=True))),
        "/www.googleapis.com/oauth2/v3/certs": (("GET",), show_keys),
        "/openidconnect.googleapis.com/v1/userinfo": (("GET", "POST"), _userinfo),
    },
    make_subject=make_subject,
    denied={"error": "access_denied"},
    more=_more,
    issuer="https://accounts.google.com",
    sends_iss=True,
    knows_form_post=True,
    knows_plain_pkce=True,
    code_prefix="4/0A",
    host_of_pictures="lh3.googleusercontent.com/a",
)
