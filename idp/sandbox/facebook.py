"""Facebook: OAuth 2.0 without id_token; the profile comes from Graph, which wants appsecret_proof and a list of fields.

Graph never gives away an address that has not been confirmed: for such a person, as for one without any, there is none.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from collections.abc import Mapping
from typing import Any

from flask import Response, request

from idp.sandbox.answers import find_bearer, render_json
from idp.sandbox.codes import SignIn
from idp.sandbox.desk import Desk, Params, Provider, RequestRefused
from idp.sandbox.exchange import Exchange, Reason, by_secret

LIFETIME = 5_183_944
_VERSION = re.compile(r"v\d{1,2}\.\d")
_PIECES = re.compile(r"[^,({]+(?:\([^)]*\)|\{[^}]*\}|\.\w+\([^)]*\))*")
_ERRORS: Mapping[Reason, tuple[str, int, int | None]] = {
    "unknown_client": ("Error validating application. Cannot get application info due to a system error.", 101, None),
    "wrong_secret": ("Error validating client secret.", 1, None),
    "grant_type": ("Invalid grant_type.", 100, None),
    "unknown": ("Invalid verification code format.", 100, None),
    "used": ("This authorization code has been used.", 100, 36009),
    "expired": ("This authorization code has expired.", 100, 36007),
    "other_client": ("Code was not issued to this app.", 100, None),
    "redirect_uri": (
        "Error validating verification code. Please make sure your redirect_uri is identical to the one you used in "
        "the OAuth dialog request",
        100,
        36008,
    ),
    "verifier_missing": ("Missing code verifier.", 100, None),
    "verifier_wrong": ("Invalid code verifier.", 100, None),
}


def _error(
    message: str, code: int, *, subcode: int | None = None, kind: str = "OAuthException", status: int = 400
) -> Response:
    """A Graph error body."""
    error: dict[str, Any] = {"message": message, "type": kind, "code": code}
    if subcode is not None:
        error["error_subcode"] = subcode
    error["fbtrace_id"] = "A" + secrets.token_urlsafe(16)
    challenge = "invalid_token" if code == 190 else "invalid_request"
    return render_json({"error": error}, status, WWW_Authenticate=f'OAuth "Facebook Platform" "{challenge}"')


def _refuse(_desk: Desk, reason: Reason) -> Response:
    message, code, subcode = _ERRORS[reason]
    return _error(message, code, subcode=subcode)


def _grant(desk: Desk, sign_in: SignIn) -> Response:
    token = desk.codes.issue_token(sign_in, "EAAG")
    return render_json({"access_token": token, "token_type": "bearer", "expires_in": LIFETIME})


def _me(desk: Desk, version: str) -> Response:
    if not _VERSION.fullmatch(version):
        return _error("Unknown path components: /me", 2500)
    token, sign_in = find_bearer(desk, request, query=True)
    if not token:
        return _error("An active access token must be used to query information about the current user.", 2500)
    if sign_in is None:
        return _error("Invalid OAuth access token - Cannot parse access token", 190, status=401)
    proof = request.args.get("appsecret_proof", "")
    if not proof:
        return _error("API calls from the server require an appsecret_proof argument", 100, kind="GraphMethodException")
    secret = desk.clients[sign_in.client_id].secret
    if not hmac.compare_digest(hmac.digest(secret.encode(), token.encode(), hashlib.sha256).hex(), proof):
        return _error("Invalid appsecret_proof provided in the API argument", 100, kind="GraphMethodException")
    return desk.find_faulty_answer(sign_in, "userinfo") or _profile(desk, sign_in)


def _profile(desk: Desk, sign_in: SignIn) -> Response:
    """The fields that were asked for, `id` always; a field without a value is left out."""
    known = _fields(desk, sign_in)
    body: dict[str, Any] = {}
    for piece in _PIECES.findall(request.args.get("fields", "") or "id,name"):
        name = re.split(r"[.({]", piece.strip(), maxsplit=1)[0]
        if name not in known:
            return _error(f"(#100) Tried accessing nonexisting field ({name}) on node type (User)", 100)
        if known[name] is not None:
            body[name] = known[name]
    return render_json({**body, "id": sign_in.person.subject, **sign_in.profile})


def _fields(desk: Desk, sign_in: SignIn) -> dict[str, Any]:
    person = sign_in.person
    has_address = "email" in sign_in.scopes and person.email_verified
    picture = {"height": 50, "is_silhouette": False, "url": desk.picture(sign_in), "width": 50}
    return {
        "id": person.subject,
        "name": person.name,
        "first_name": person.given_name,
        "last_name": person.family_name or None,
        "middle_name": None,
        "short_name": person.given_name,
        "name_format": "{first} {last}",
        "email": person.email if has_address else None,
        "picture": {"data": picture},
    }


def _check(asked: Params) -> None:
    if not _VERSION.fullmatch(asked["version"]):
        raise RequestRefused("The path must name a version of the Graph API, such as v23.0.")


def make_subject(seed: bytes) -> str:
    """16 digits, as an app-scoped id."""
    return str(10**15 + int.from_bytes(seed[:7], "big") % (9 * 10**15))


PROVIDER = Provider(
    kind="facebook",
    label="Facebook",
    authorize="/www.facebook.com/<version>/dialog/oauth",
    routes={
        "/graph.facebook.com/<version>/oauth/access_token": (
            ("GET", "POST"),
            Exchange(_refuse, _grant, by_secret(basic=False, query=True), in_query=True, needs_grant_type=False),
        ),
        "/graph.facebook.com/<version>/me": (("GET",), _me),
    },
    make_subject=make_subject,
    denied={
        "error": "access_denied",
        "error_code": "200",
        "error_description": "Permissions error",
        "error_reason": "user_denied",
    },
    check=_check,
    has_id_token=False,
    needs_response_type=False,
    knows_plain_pkce=True,
    scope_separator=",",
    code_prefix="AQ",
    fragment="_=_",
    host_of_pictures="platform-lookaside.fbsbx.com/platform/profilepic",
)
