"""Rendering a page: the variables that every template has, on top of its own."""

from typing import Any
from urllib.parse import parse_qsl, urlencode

from flask import Response, make_response, render_template, request, url_for
from flask_babel import get_locale

from idp.captcha import Widget
from idp.protocol.client import Client
from idp.protocol.identity import User
from idp.web.current import current_server
from idp.web.inspector import inspect_url
from idp.web.locale import LANGUAGE_NAMES, PARAMETER
from idp.web.security_headers import allow_captcha_sources


def render_page(name: str, *, status: int = 200, language_links: bool = True, **variables: Any) -> Response:
    """The template `pages/<name>.html` as a response that nobody may cache.

    A `captcha` among the variables is what `_captcha.html` shows; the security policy of this page then lets it work.
    """
    locale = str(get_locale())
    if variables.get("reference"):
        variables.setdefault("inspect_url", inspect_url())
    captcha: Widget | None = variables.pop("captcha", None)
    if captcha is not None:
        allow_captcha_sources(captcha.sources)
    page = render_template(
        f"pages/{name}.html",
        locale=locale,
        service_name=current_server().settings.service_name,
        home_url=url_for("pages.home"),
        language_links=_language_links(locale) if language_links and request.method == "GET" else [],
        captcha=captcha,
        **variables,
    )
    response = make_response(page, status)
    response.headers["Cache-Control"] = "no-store"
    return response


def _language_links(current: str) -> list[dict[str, Any]]:
    """This page in each language; the language is the last word of the query."""
    pairs = [pair for pair in parse_qsl(request.query_string.decode("ascii", "replace")) if pair[0] != PARAMETER]
    return [
        {
            "code": code,
            "label": label,
            "url": f"?{urlencode([*pairs, (PARAMETER, code)])}",
            "current": code == current,
        }
        for code, label in LANGUAGE_NAMES.items()
    ]


def client_view(client: Client | None) -> dict[str, Any] | None:
    """What a page may show of a client."""
    if client is None:
        return None
    return {
        "name": client.name,
        "logo_uri": client.logo_uri,
        "client_uri": client.client_uri,
        "policy_uri": client.policy_uri,
        "tos_uri": client.tos_uri,
    }


def account_view(user: User | None) -> dict[str, Any] | None:
    """What a page shows of the person who is signed in."""
    return None if user is None else {"name": user.name, "username": user.username, "email": user.email}


def see_other(url: str) -> Response:
    """303: the next request is a GET, whatever this one was (RFC 9700 §4.12)."""
    response = Response(status=303)
    response.headers["Location"] = url
    response.headers["Cache-Control"] = "no-store"
    return response
