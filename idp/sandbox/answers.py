"""Answers that every stand-in gives alike: JSON, bearer tokens, keys, and the way back to the application."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from flask import Request, Response, redirect, render_template

from idp.sandbox.codes import SignIn
from idp.sandbox.desk import Desk
from idp.sandbox.faults import find_faulty_answer


def render_json(body: object, status: int = 200, **headers: str) -> Response:
    """JSON that nobody caches; underscores in header names are hyphens."""
    answer = Response(json.dumps(body), status, mimetype="application/json")
    answer.headers["Cache-Control"] = "no-store"
    for name, value in headers.items():
        answer.headers[name.replace("_", "-")] = value
    return answer


def render_keys(desk: Desk, body: Mapping[str, Any]) -> Response:
    """A document that is the same for everybody (keys, discovery), or the fault that everybody gets."""
    return find_faulty_answer(desk.keys_fault, desk.closing) or render_json(body, Cache_Control="public, max-age=300")


def show_keys(desk: Desk, **_path: str) -> Response:
    """The JWKS."""
    return render_keys(desk, desk.keys.jwks())


def find_bearer(desk: Desk, request: Request, *, query: bool = False) -> tuple[str, SignIn | None]:
    """The access token of the request and its sign-in (RFC 6750 §2.1; `query`: §2.3 too)."""
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() not in ("bearer", "token"):
        token = request.args.get("access_token", "") if query else ""
    return token, desk.codes.find_token(token)


def render_return(desk: Desk, asked: Mapping[str, str], params: Mapping[str, str]) -> Response:
    """Send the browser back to the application: a redirect, or a form that posts itself."""
    sent = {**params, "state": asked["state"]} if "state" in asked else dict(params)
    if asked.get("response_mode") == "form_post" and desk.provider.knows_form_post:
        page = render_template("form_post.html", provider=desk.provider, action=asked["redirect_uri"], fields=sent)
        return Response(page, mimetype="text/html")
    parts = urlsplit(asked["redirect_uri"])
    query = urlencode([*parse_qsl(parts.query, keep_blank_values=True), *sent.items()])
    fragment = desk.provider.fragment if "code" in sent else ""
    answer = redirect(urlunsplit((parts.scheme, parts.netloc, parts.path, query, fragment)), 303)
    return Response(answer.data, answer.status, answer.headers)
