"""Every template with values that are hard on it, and a small application that serves them as the server would.

The values are what `idp/pages` promises to hand to each template; undefined ones are errors.
Addresses: `/<sample>?lang=fr`.
"""

import mimetypes
from pathlib import Path
from typing import Any

import jinja2
from flask import Flask, Response, abort, render_template, request
from flask_babel import Babel

import idp

STATIC = Path(idp.__file__).parent / "static"
LANGUAGES = (("en", "English"), ("fr", "Français"))
POLICY = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' https:; form-action 'self'"
HOSTILE = "<b onclick=alert(1)>\"Tools\" & 'Söhne'</b>"
LONG_NAME = "Wonderful Office Tools " * 8 + "For Everybody"

CLIENT = {
    "name": "Demo Web",
    "logo_uri": "/static/favicon.svg",
    "client_uri": "https://shop.example.com",
    "policy_uri": "https://shop.example.com/privacy",
    "tos_uri": "https://shop.example.com/terms",
}
BARE_CLIENT = {**dict.fromkeys(CLIENT), "name": LONG_NAME}
ACCOUNT = {"name": "Ada Lovelace", "username": "ada", "email": "ada@example.org"}
TWELVE_SCOPES = [
    {"name": f"api:{number}", "title": f"Manage number {number}", "description": "What it does.", "is_new": number > 8}
    for number in range(12)
]
FIELD_ERRORS = [
    {"field": "username", "message": "Enter your user name."},
    {"field": "password", "message": "Enter your password."},
]
TOKEN = {
    "name": "id_token",
    "raw": "eyJhbGciOiJSUzI1NiJ9" * 20 + "." + "eyJpc3MiOiJodHRwIn0" * 60 + "." + "c2lnbmF0dXJl" * 28,
    "header": '{\n  "alg": "RS256"\n}',
    "claims": '{\n  "iss": "http://localhost:8000",\n  "long": "' + "x" * 300 + '"\n}',
    "verified": True,
    "verification": "The signature is right.",
}
STEP = {
    "id": "token",
    "title": "Token request",
    "explanation": "The application redeems the code.",
    "request": {
        "method": "POST",
        "url": "http://localhost:8000/token",
        "headers": [["Content-Type", "application/x-www-form-urlencoded"]],
        "params": [["code", "c" * 200], ["code_verifier", "v" * 43]],
    },
    "response": {"status": 200, "body": '{\n  "token_type": "Bearer"\n}'},
    "tokens": [TOKEN, {**TOKEN, "name": "access_token", "verified": False, "verification": "No such key."}],
    "problem": None,
    "ok": True,
}
REFUSED_STEP = {**STEP, "id": "userinfo", "request": None, "tokens": [], "problem": "The server refused.", "ok": False}
DEMO = {
    "username": "demo",
    "password": "a-random-one",
    "clients": [
        {"client_id": "demo-web", "is_public": False, "redirect_uris": ["http://127.0.0.1:9000/callback"]},
        {"client_id": "demo-mobile", "is_public": True, "redirect_uris": ["com.example.app:/cb"]},
    ],
}
FIELDS = ("scope", "prompt", "response_mode", "max_age", "login_hint", "acr_values", "ui_locales", "claims", "resource")
REFERENCE = "01JZ8Q4M0K3W7D5S2R9T6V1XYB"

STEP_PAGE: dict[str, Any] = {"action": "/here", "interaction_id": "i-1", "client": CLIENT, "account": ACCOUNT}
LOGIN: dict[str, Any] = {**STEP_PAGE, "errors": [], "notice": None, "username": ""}
CONSENT: dict[str, Any] = {
    **STEP_PAGE,
    "scopes": TWELVE_SCOPES[:3],
    "claims": [],
    "resources": [],
    "offline": False,
    "redirect_host": "shop.example.com",
}
HOME: dict[str, Any] = {
    "issuer": "http://localhost:8000",
    "discovery_url": "http://localhost:8000/.well-known/openid-configuration",
    "jwks_url": "http://localhost:8000/jwks",
    "playground_url": "/playground",
    "is_development": True,
    "account": None,
    "logout_url": "/logout",
    "demo": DEMO,
}
ERROR: dict[str, Any] = {
    "title": "This application is not known here",
    "message": "The link names an application that is not registered.",
    "advice": "Go back and try again.",
    "error": "invalid_request",
    "description": "The client_id names no client.",
    "reference": REFERENCE,
    "status": 400,
}
PLAYGROUND: dict[str, Any] = {
    "action": "/here",
    "values": dict.fromkeys(FIELDS, ""),
    "errors": [],
    "notice": None,
    "response_modes": [("", "default"), ("form_post", "form_post")],
}
RESULT: dict[str, Any] = {
    "action": "/here",
    "steps": [STEP, REFUSED_STEP],
    "ok": False,
    "available": ["userinfo", "refresh", "introspect", "revoke"],
    "sign_out_url": "/logout",
    "start_url": "/playground",
}
HOSTILE_CLIENT = {**CLIENT, "name": HOSTILE}
LARGE_CONSENT = {
    "client": BARE_CLIENT,
    "scopes": TWELVE_SCOPES,
    "claims": ["Date of birth", "Postal address"],
    "resources": [
        {"identifier": "https://api.example.com/" + "long/" * 30, "name": None},
        {"identifier": "https://api.example.com/orders", "name": "Orders"},
    ],
    "offline": True,
}

# sample: (template, id of the page's container, variables)
SAMPLES: dict[str, tuple[str, str, dict[str, Any]]] = {
    "login": ("login", "login-page", LOGIN),
    "login-no-client": ("login", "login-page", {**LOGIN, "client": None}),
    "login-errors": ("login", "login-page", {**LOGIN, "client": BARE_CLIENT, "errors": FIELD_ERRORS}),
    "login-refused": (
        "login",
        "login-page",
        {**LOGIN, "username": "ada", "notice": "Again, please.", "errors": [{"field": None, "message": "Wrong."}]},
    ),
    "select-account": ("select_account", "select-account-page", STEP_PAGE),
    "consent": ("consent", "consent-page", CONSENT),
    "consent-large": ("consent", "consent-page", CONSENT | LARGE_CONSENT),
    "consent-hostile": ("consent", "consent-page", {**CONSENT, "client": HOSTILE_CLIENT}),
    "logout": ("logout", "logout-page", {**STEP_PAGE, "fields": {"state": HOSTILE, "ui_locales": "fr"}}),
    "logout-plain": ("logout", "logout-page", {**STEP_PAGE, "client": None, "account": None, "fields": {}}),
    "logged-out": ("logged_out", "logged-out-page", {"client": CLIENT}),
    "error": ("error", "error-page", ERROR),
    "error-short": ("error", "error-page", {**ERROR, "advice": None, "error": None, "description": None}),
    "expired": ("expired", "error-page", {"client": CLIENT, "status": 400, "reference": REFERENCE}),
    "expired-no-client": ("expired", "error-page", {"client": None, "status": 400, "reference": None}),
    "form-post": (
        "form_post",
        "form-post-page",
        {"client": None, "redirect_uri": "https://rp.example/cb", "params": {"state": HOSTILE, "submit": "a"}},
    ),
    "home": ("home", "home-page", HOME),
    "home-production": (
        "home",
        "home-page",
        {**HOME, "playground_url": None, "is_development": False, "account": ACCOUNT, "demo": None},
    ),
    "playground": ("playground", "playground-page", PLAYGROUND),
    "playground-errors": (
        "playground",
        "playground-page",
        {**PLAYGROUND, "errors": [{"field": "claims", "message": "This is not a JSON object."}]},
    ),
    "playground-signed-out": ("playground", "playground-page", {**PLAYGROUND, "notice": "You are signed out."}),
    "playground-result": ("playground_result", "playground-page", RESULT),
}


def _find_locale() -> str:
    return request.args.get("lang", "en")


def _frame() -> dict[str, Any]:
    """What every page is given."""
    locale = _find_locale()
    links = [
        {"code": code, "label": label, "url": f"?lang={code}", "current": code == locale} for code, label in LANGUAGES
    ]
    return {"locale": locale, "service_name": "Northwind ID", "home_url": "/", "language_links": links}


def _show(sample: str) -> tuple[str, dict[str, str]]:
    if sample not in SAMPLES:
        abort(404)
    template, _, variables = SAMPLES[sample]
    return render_template(f"pages/{template}.html", **variables), {"Content-Security-Policy": POLICY}


def _send_static(filename: str) -> Response:
    """From memory: Werkzeug's test server leaves a file open when the browser hangs up in the middle of it."""
    path = STATIC / filename
    if path.parent != STATIC or not path.is_file():
        abort(404)
    return Response(path.read_bytes(), mimetype=mimetypes.guess_type(filename)[0])


def make_samples_app() -> Flask:
    """The templates, the style sheet and the catalogues of the package, without the server behind them."""
    app = Flask(idp.__name__, static_folder=None)
    app.add_url_rule("/static/<filename>", "static", _send_static)
    app.jinja_env.undefined = jinja2.StrictUndefined
    app.jinja_env.globals["csrf_token"] = lambda: "a-csrf-token"
    Babel(app, locale_selector=_find_locale)
    app.context_processor(_frame)
    app.add_url_rule("/<sample>", view_func=_show)
    return app
