"""GitHub: OAuth 2.0 without id_token, with the `iss` response parameter; errors come with status 200, addresses from an
endpoint of their own.

The public address in the profile is empty, as it is for most people: who wants one must read /user/emails.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

from flask import Response, request

from idp.sandbox.answers import find_bearer, render_json
from idp.sandbox.codes import SignIn
from idp.sandbox.desk import Desk, Provider
from idp.sandbox.exchange import Exchange, Reason, by_secret

_DOCS = "/apps/managing-oauth-apps/troubleshooting-oauth-app-access-token-request-errors/#"
_BAD_CODE = ("bad_verification_code", "The code passed is incorrect or expired.", "bad-verification-code")
_BAD_CLIENT = (
    "incorrect_client_credentials",
    "The client_id and/or client_secret passed are incorrect.",
    "incorrect-client-credentials",
)
_ERRORS: Mapping[Reason, tuple[str, str, str]] = {
    "unknown_client": _BAD_CLIENT,
    "wrong_secret": _BAD_CLIENT,
    "grant_type": ("unsupported_grant_type", "The grant type is not supported.", "unsupported-grant-type"),
    "unknown": _BAD_CODE,
    "used": _BAD_CODE,
    "expired": _BAD_CODE,
    "other_client": _BAD_CODE,
    "redirect_uri": (
        "redirect_uri_mismatch",
        "The redirect_uri MUST match the registered callback URL for this application.",
        "redirect-uri-mismatch2",
    ),
    "verifier_missing": _BAD_CODE,
    "verifier_wrong": _BAD_CODE,
}


def _render(body: Mapping[str, str]) -> Response:
    """JSON when the Accept header asks for it, a form otherwise; always with status 200."""
    if "json" in request.headers.get("Accept", ""):
        return render_json(body)
    return Response(urlencode(body), mimetype="application/x-www-form-urlencoded")


def _refuse(_desk: Desk, reason: Reason) -> Response:
    error, description, anchor = _ERRORS[reason]
    return _render({"error": error, "error_description": description, "error_uri": _DOCS + anchor})


def _grant(desk: Desk, sign_in: SignIn) -> Response:
    token = desk.codes.issue_token(sign_in, "gho_")
    return _render({"access_token": token, "token_type": "bearer", "scope": ",".join(sign_in.scopes)})


def _error(message: str, status: int) -> Response:
    documentation = "https://docs.github.com/rest"
    return render_json({"message": message, "documentation_url": documentation, "status": str(status)}, status)


def _api(desk: Desk) -> SignIn | Response:
    """What every call of the REST API must pass: a User-Agent, and a token."""
    if not request.headers.get("User-Agent"):
        return _error(
            "Request forbidden by administrative rules. Please make sure your request has a User-Agent header", 403
        )
    _, sign_in = find_bearer(desk, request)
    if sign_in is None:
        return _error("Bad credentials", 401)
    return desk.find_faulty_answer(sign_in, "userinfo") or sign_in


def _user(desk: Desk) -> Response:
    sign_in = _api(desk)
    if isinstance(sign_in, Response):
        return sign_in
    person, login = sign_in.person, sign_in.person.username
    body: dict[str, Any] = {
        "login": login,
        "id": int(person.subject) if re.fullmatch(r"[0-9]{1,18}", person.subject) else person.subject,
        "node_id": f"U_{person.seed.hex()[:16]}",
        "avatar_url": desk.picture(sign_in),
        "gravatar_id": "",
        "url": f"https://api.github.com/users/{login}",
        "html_url": f"https://github.com/{login}",
        "type": "User",
        "user_view_type": "private",
        "site_admin": False,
        "name": person.name,
        "company": None,
        "blog": "",
        "location": None,
        "email": None,
        "bio": None,
        "public_repos": 0,
        "followers": 0,
        "created_at": "2020-01-01T00:00:00Z",
        "updated_at": "2020-01-01T00:00:00Z",
    }
    return render_json({**body, **sign_in.profile})


def _emails(desk: Desk) -> Response:
    sign_in = _api(desk)
    if isinstance(sign_in, Response):
        return sign_in
    if not {"user", "user:email"} & set(sign_in.scopes):
        return _error("Not Found", 404)
    person = sign_in.person
    if person.email is None:
        return render_json([])
    hidden = f"{person.subject}+{person.username}@users.noreply.github.com"
    return render_json(
        [
            {"email": hidden, "primary": False, "verified": True, "visibility": None},
            {"email": person.email, "primary": True, "verified": person.email_verified, "visibility": "private"},
        ]
    )


def make_subject(seed: bytes) -> str:
    """A number of up to nine digits; its JSON is a number too."""
    return str(10**6 + int.from_bytes(seed[:4], "big") % (2 * 10**8))


PROVIDER = Provider(
    kind="github",
    label="GitHub",
    authorize="/github.com/login/oauth/authorize",
    routes={
        "/github.com/login/oauth/access_token": (
            ("POST",),
            Exchange(
                _refuse,
                _grant,
                by_secret(basic=True, query=True),
                in_query=True,
                needs_grant_type=False,
                needs_redirect_uri=False,
            ),
        ),
        "/api.github.com/user": (("GET",), _user),
        "/api.github.com/user/emails": (("GET",), _emails),
    },
    make_subject=make_subject,
    denied={
        "error": "access_denied",
        "error_description": "The user has denied your application access.",
        "error_uri": "/apps/building-integrations/setting-up-and-registering-oauth-apps/"
        "troubleshooting-authorization-request-errors/#access-denied",
    },
    issuer="https://github.com/login/oauth",
    sends_iss=True,
    has_id_token=False,
    needs_response_type=False,
    host_of_pictures="avatars.githubusercontent.com/u",
)
