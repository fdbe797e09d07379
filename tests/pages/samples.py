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
RIGHT_TO_LEFT = "مركز الدخول الموحد (IT)"
BUILT_IN = ("Google", "Facebook", "Discord", "Apple", "GitHub", "Microsoft")
SIX_PROVIDERS = [
    {"name": label.lower(), "label": label, "kind": label.lower(), "action": f"/upstream/{label.lower()}"}
    for label in BUILT_IN
]
OTHER_LABELS = ("Acme", RIGHT_TO_LEFT, "Städtische Hochschule für Gestaltung und Medien", HOSTILE, "x" * 60, "中文大學")
TWELVE_PROVIDERS = SIX_PROVIDERS + [
    {"name": f"other-{number}", "label": label, "kind": "oidc", "action": f"/upstream/other-{number}"}
    for number, label in enumerate(OTHER_LABELS)
]
LONG_EMAIL = "a.very.long.address.that.somebody.really.has" + "x" * 40 + "@mail.department.university.example.org"
RIGHT_TO_LEFT_ACCOUNT = {"name": "عائشة بنت محمد", "username": "aisha7", "email": "aisha@example.org"}
LONG_ACCOUNT = {"name": LONG_NAME, "username": "wonderful", "email": LONG_EMAIL}
WAY_BY_PASSWORD = {"kind": "password", "url": "/login"}
WAYS = [
    WAY_BY_PASSWORD,
    {"kind": "provider", "name": "github", "label": "GitHub", "action": "/upstream/github"},
    {"kind": "provider", "name": "acme", "label": OTHER_LABELS[2], "action": "/upstream/acme"},
]
METHOD = {
    "label": "Google",
    "email": "ada@example.org",
    "linked_at": "November 21, 2026 at 12:18:07\u202fPM UTC",
    "last_used_at": "November 22, 2026 at 8:05:59\u202fAM UTC",
    "is_available": True,
    "key": "k-1",
    "can_unlink": True,
    "button_id": "unlink-google",
    "kind": "google",
}
OTHER_METHOD = {name: value for name, value in METHOD.items() if name != "kind"}
HARD_METHODS = [
    METHOD,
    {
        **OTHER_METHOD,
        "label": HOSTILE,
        "email": LONG_EMAIL,
        "key": "k-2",
        "button_id": "unlink-2",
        "is_available": False,
    },
    {
        **OTHER_METHOD,
        "label": RIGHT_TO_LEFT,
        "email": None,
        "key": "k-3",
        "button_id": "unlink-3",
        "last_used_at": None,
    },
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
LOGIN: dict[str, Any] = {
    **STEP_PAGE,
    "errors": [],
    "notice": None,
    "username": "",
    "has_password_form": True,
    "providers": [],
    "unproven": [],
    "return_to": "",
}
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
    "account_url": "/account",
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
CONFLICT: dict[str, Any] = {
    "client": CLIENT,
    "provider": "Google",
    "email": "ada@example.org",
    "names_ways": True,
    "ways": WAYS,
    "account": None,
    "can_link": False,
    "can_start_new": False,
    "action": "/here",
    "pending": "p-1",
    "interaction_id": "i-1",
    "return_to": "",
}
LINK: dict[str, Any] = {**STEP_PAGE, "provider": "Google", "email": "ada.private@example.com", "pending": "p-1"}
TROUBLE: dict[str, Any] = {
    "title": "Google did not answer",
    "message": "The answer took too long. You have not been signed in.",
    "advice": "This is mostly over after a minute.",
    "retry": {"label": "Google", "action": "/upstream/google"},
    "other_way_url": "/login?interaction=i-1",
    "client": CLIENT,
    "interaction_id": "i-1",
    "return_to": "",
    "reference": REFERENCE,
}
ACCOUNT_PAGE: dict[str, Any] = {
    "account": ACCOUNT,
    "has_password": True,
    "methods": [METHOD],
    "unlink_action": "/account/unlink",
    "offers": SIX_PROVIDERS[1:],
    "is_fresh": True,
    "sign_in_again_url": "/login?to=account",
    "waiting": None,
    "notice": None,
    "errors": [],
    "logout_url": "/logout",
}
WAITING = {"provider": "Google", "email": "ada.private@example.com", "action": "/account/link", "pending": "p-1"}
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
    "login-providers": ("login", "login-page", {**LOGIN, "providers": SIX_PROVIDERS, "unproven": ["Apple", "GitHub"]}),
    "login-many-providers": (
        "login",
        "login-page",
        {
            **LOGIN,
            "client": BARE_CLIENT,
            "providers": TWELVE_PROVIDERS,
            "unproven": OTHER_LABELS,
            "return_to": "account",
        },
    ),
    "login-providers-only": ("login", "login-page", {**LOGIN, "has_password_form": False, "providers": SIX_PROVIDERS}),
    "login-no-way": ("login", "login-page", {**LOGIN, "has_password_form": False}),
    "conflict": ("conflict", "conflict-page", CONFLICT),
    "conflict-unnamed": ("conflict", "conflict-page", {**CONFLICT, "names_ways": False, "can_start_new": True}),
    "conflict-can-link": (
        "conflict",
        "conflict-page",
        {**CONFLICT, "client": None, "account": ACCOUNT, "can_link": True, "ways": [WAY_BY_PASSWORD]},
    ),
    "conflict-everything": (
        "conflict",
        "conflict-page",
        CONFLICT
        | {"client": BARE_CLIENT, "provider": RIGHT_TO_LEFT, "email": LONG_EMAIL, "account": LONG_ACCOUNT}
        | {"can_link": True, "can_start_new": True},
    ),
    "link": ("link", "link-page", LINK),
    "link-hard": (
        "link",
        "link-page",
        {**LINK, "client": BARE_CLIENT, "account": LONG_ACCOUNT, "provider": OTHER_LABELS[2], "email": LONG_EMAIL},
    ),
    "link-right-to-left": (
        "link",
        "link-page",
        {**LINK, "client": None, "account": RIGHT_TO_LEFT_ACCOUNT, "provider": RIGHT_TO_LEFT, "email": None},
    ),
    "link-hostile": ("link", "link-page", {**LINK, "provider": HOSTILE, "email": HOSTILE}),
    "trouble": ("trouble", "trouble-page", TROUBLE),
    "trouble-no-retry": ("trouble", "trouble-page", {**TROUBLE, "advice": None, "retry": None}),
    "trouble-account": (
        "trouble",
        "trouble-page",
        {**TROUBLE, "client": None, "retry": None, "other_way_url": "/account", "return_to": "account"},
    ),
    "trouble-dead-end": (
        "trouble",
        "trouble-page",
        {**TROUBLE, "retry": None, "other_way_url": None, "reference": None},
    ),
    "account": ("account", "account-page", ACCOUNT_PAGE),
    "account-waiting": (
        "account",
        "account-page",
        {**ACCOUNT_PAGE, "is_fresh": False, "waiting": WAITING, "notice": "Google is unlinked from your account."},
    ),
    "account-one-way": (
        "account",
        "account-page",
        {**ACCOUNT_PAGE, "has_password": False, "methods": [{**METHOD, "can_unlink": False}], "offers": []},
    ),
    "account-hard": (
        "account",
        "account-page",
        ACCOUNT_PAGE
        | {"account": LONG_ACCOUNT, "methods": HARD_METHODS, "offers": TWELVE_PROVIDERS}
        | {"waiting": {**WAITING, "provider": RIGHT_TO_LEFT, "email": None}}
        | {"errors": [{"field": None, "message": "This is already linked to another account."}]},
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
