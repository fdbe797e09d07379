"""The authorization endpoint of every stand-in: a page on which a person is chosen, and a fault if one is wanted.

Owns what is refused on a page (unknown application, an address that is not on this machine, a broken request) and what
is sent back. The page posts to its own URL, so that the request travels unchanged in the query.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from flask import Response, render_template, request

from idp.sandbox.answers import render_return
from idp.sandbox.clients import is_loopback_url
from idp.sandbox.codes import SignIn
from idp.sandbox.desk import Desk, RequestRefused
from idp.sandbox.faults import PLACES
from idp.sandbox.people import UnknownPerson

OWN_FIELDS = ("sub", "email", "name", "email_verified")
SHOWN = {
    "client_id": "Application",
    "redirect_uri": "Comes back to",
    "scope": "Scope",
    "prompt": "prompt",
    "max_age": "max_age",
    "login_hint": "login_hint",
    "login": "login",
    "ui_locales": "ui_locales",
    "hl": "hl",
    "locale": "locale",
    "hd": "hd",
    "domain_hint": "domain_hint",
    "auth_type": "auth_type",
    "acr_values": "acr_values",
    "response_mode": "response_mode",
    "code_challenge_method": "PKCE",
}


def choose_person(desk: Desk, **path: str) -> Response:
    """GET shows the page; POST sends the browser back as the chosen person, or as nobody."""
    asked = {name: value for name, value in request.args.items() if value} | path
    try:
        _check_request(desk, asked)
        return _answer(desk, asked) if request.method == "POST" else _show(desk, asked)
    except RequestRefused as refusal:
        page = render_template("refused.html", provider=desk.provider, reason=str(refusal))
        return Response(page, 400, mimetype="text/html")


def _check_request(desk: Desk, asked: Mapping[str, str]) -> None:
    """What is wrong whoever the original is; nothing of it is ever sent to the redirect_uri (RFC 6749 §4.1.2.1)."""
    if asked.get("client_id") not in desk.clients:
        raise RequestRefused("No application with this client_id is known here.")
    if not is_loopback_url(asked.get("redirect_uri", "")):
        raise RequestRefused("The redirect_uri is not an address of this machine, such as http://localhost:8000/…")
    if asked.get("response_type", "" if desk.provider.needs_response_type else "code") != "code":
        raise RequestRefused("The response_type must be code.")
    method = asked.get("code_challenge_method", "plain" if "code_challenge" in asked else "S256")
    if method != "S256" and not (method == "plain" and desk.provider.knows_plain_pkce):
        raise RequestRefused("The code_challenge_method must be S256.")
    desk.provider.check(asked)


def _show(desk: Desk, asked: Mapping[str, str]) -> Response:
    hint = asked.get("login_hint") or asked.get("login") or ""
    page = render_template(
        "chooser.html",
        provider=desk.provider,
        choices=desk.people.choices(),
        faults=desk.provider.faults,
        places={place: PLACES[place] for place in desk.provider.fault_places},
        asked=asked,
        shown={title: asked[name] for name, title in SHOWN.items() if name in asked},
        login_hint=hint,
        query=request.query_string.decode("ascii", "replace"),
    )
    return Response(page, mimetype="text/html")


def _answer(desk: Desk, asked: Mapping[str, str]) -> Response:
    form = request.form
    fault = form.get("fault") or None
    if fault is not None and fault not in desk.provider.faults:
        raise RequestRefused("There is no such fault here.")
    if "cancel" in form or form.get("person") == "cancel" or fault == "denied":
        return render_return(desk, asked, {**desk.provider.denied, **_iss(desk, fault)})
    try:
        person = desk.people.choose(form.get("person", ""), {name: form.get(name, "").strip() for name in OWN_FIELDS})
    except UnknownPerson:
        raise RequestRefused("Nobody here is called that; choose somebody on the page.") from None
    sign_in = SignIn(
        client_id=asked["client_id"],
        redirect_uri=asked["redirect_uri"],
        scopes=tuple(asked.get("scope", "").replace(desk.provider.scope_separator, " ").split()),
        person=person,
        began_at=desk.now,
        asked=asked,
        fault=fault,
        fault_at=_fault_place(desk, form.get("fault_at", "")),
        claims=_load_object(form.get("claims", "")),
        profile=_load_object(form.get("profile", "")),
    )
    code = desk.codes.issue_code(sign_in, desk.provider.code_prefix)
    more = desk.provider.more(desk, sign_in)
    return render_return(desk, asked, {"code": code, **more, **_iss(desk, fault)})


def _fault_place(desk: Desk, place: str) -> str:
    if place and place not in desk.provider.fault_places:
        raise RequestRefused("There is no such place for a fault here.")
    return place or "token"


def _load_object(text: str) -> dict[str, Any]:
    try:
        members = json.loads(text.strip() or "{}")
    except ValueError:
        members = None
    if not isinstance(members, dict):
        raise RequestRefused("Further claims must be a JSON object.")
    return members


def _iss(desk: Desk, fault: str | None) -> dict[str, str]:
    """RFC 9207 §2, for success and refusal alike."""
    if not desk.provider.sends_iss:
        return {}
    return {"iss": "https://another-provider.example" if fault == "wrong_iss_parameter" else desk.issuer}
