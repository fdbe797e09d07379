"""The playground: a built-in relying party that signs a person in with this server for real, and shows every step.

Owns the addresses below `/playground`. `walk` keeps what happened, `steps` does it, `relying_party` has the rules that
a client checks, `calls` the HTTP, `texts` the words. It works without JavaScript; it is on in development, and in
production only when it was switched on (`IDP_PLAYGROUND`).
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from urllib.parse import urlencode

from flask import Blueprint, Response, request, url_for
from flask_babel import gettext as _

from idp.pages.playground import steps
from idp.pages.playground.calls import Caller
from idp.pages.playground.relying_party import CheckFailed
from idp.pages.playground.texts import describe_walk
from idp.pages.playground.walk import Walk, claim_callback, find_walk, forget_walk, new_walk, save_walk
from idp.web.csrf import check_form
from idp.web.current import current_server, request_time
from idp.web.forms import read_body, read_query
from idp.web.pages import render_page, see_other
from idp.web.security_headers import allow_issuer_target
from idp.web.session_cookie import browser, current_session, known_browser

FIELDS = (
    "scope",
    "prompt",
    "response_mode",
    "max_age",
    "login_hint",
    "acr_values",
    "ui_locales",
    "claims",
    "resource",
)
RESPONSE_MODES = ("query", "form_post")  # a fragment never reaches a server, and this page has no script
DEFAULT_SCOPE = "openid profile email offline_access"
MAX_FIELD_LENGTH = 2000
MAX_URL_LENGTH = 3500  # servers limit a request line at 4 KB

Errors = list[dict[str, str | None]]


def register(blueprint: Blueprint) -> None:
    blueprint.add_url_rule("/playground", view_func=playground, methods=["GET", "POST"])
    rules = {"callback": ["GET", "POST"], "result": ["GET"], "do": ["POST"]}
    functions = {"callback": callback, "result": result, "do": do}
    for name, methods in rules.items():
        path, endpoint = f"/playground/{name}", f"playground_{name}"
        blueprint.add_url_rule(path, endpoint=endpoint, view_func=functions[name], methods=methods)


def playground() -> Response:
    if steps.find_client(current_server()) is None:
        return _render_missing()
    if request.method == "POST":
        check_form()
        return _start()
    wishes = {name: request.args.get(name, "")[:MAX_FIELD_LENGTH] for name in FIELDS}
    notice = _("You are signed out.") if _is_back_from_sign_out() else None
    return _render_form({**wishes, "scope": wishes["scope"] or DEFAULT_SCOPE}, notice=notice)


def callback() -> Response:
    """Back from the server, by GET or (form_post) by POST. `state` is what protects it, so no form token is asked."""
    params = read_body(request) if request.method == "POST" else read_query(request)
    server, now = current_server(), request_time()
    walk = find_walk(server, params.get("state"), known_browser(), now=now)
    if walk is None:
        return _render_foreign()
    if claim_callback(server, walk, now=now):
        with suppress(CheckFailed), _application() as app:
            steps.receive(app, walk, request.method, dict(params.pairs()))
        save_walk(server, walk, browser(), now=now)
    return see_other(url_for("pages.playground_result", walk=walk.id))


def result() -> Response:
    walk = _find_walk()
    client = steps.find_client(current_server())
    if walk is None or client is None:
        return _render_missing() if client is None else _render_foreign()
    return render_page(
        "playground_result",
        action=url_for("pages.playground_do", walk=walk.id),
        available=steps.actions_for(walk),
        sign_out_url=steps.sign_out_url(client, current_server(), walk),
        start_url=url_for("pages.playground"),
        **describe_walk(walk),
    )


def do() -> Response:
    check_form()
    walk, action = _find_walk(), request.form.get("do", "")
    if steps.find_client(current_server()) is None:
        return _render_missing()
    if walk is None:
        return _render_foreign()
    if action in steps.actions_for(walk):
        with suppress(CheckFailed), _application() as app:
            steps.ACTIONS[action](app, walk)
        save_walk(current_server(), walk, browser(), now=request_time())
    return see_other(url_for("pages.playground_result", walk=walk.id, _anchor=f"step-{action}"))


def _start() -> Response:
    values = {name: request.form.get(name, "").strip() for name in FIELDS}
    errors = _errors(values)
    wishes = {name: value for name, value in values.items() if value}
    if not errors and len(urlencode(wishes)) > MAX_URL_LENGTH - 500:
        errors = [{"field": None, "message": _("Together this is too long for an address. Leave something out.")}]
    if errors:
        return _render_form(values, errors)
    walk, url = new_walk(), None
    with suppress(CheckFailed), _application() as app:
        steps.discover(app, walk)
        url = steps.request_authorization(app, walk, wishes)
    save_walk(current_server(), walk, browser(), now=request_time())
    return see_other(url or url_for("pages.playground_result", walk=walk.id))


def _errors(values: dict[str, str]) -> Errors:
    """Only what would not make a request at all: the server's own refusals are worth seeing."""
    errors: Errors = [
        {"field": name, "message": _("This is too long.")}
        for name, value in values.items()
        if len(value) > MAX_FIELD_LENGTH
    ]
    if values["claims"] and not _is_json_object(values["claims"]):
        errors.append({"field": "claims", "message": _("This is not a JSON object.")})
    if values["max_age"] and not (values["max_age"].isascii() and values["max_age"].isdigit()):
        errors.append({"field": "max_age", "message": _("Enter a whole number of seconds.")})
    return errors


def _is_json_object(text: str) -> bool:
    try:
        return isinstance(json.loads(text), dict)
    except (ValueError, RecursionError):
        return False


@contextmanager
def _application() -> Iterator[steps.Application]:
    """The playground's side of a connection. Only after `find_client` has found it."""
    server = current_server()
    client = steps.find_client(server)
    if client is None:
        raise CheckFailed("refused", "invalid_client")
    secret = steps.client_secret(server, client)
    with Caller(server.settings, client_id=client.client_id, client_secret=secret) as caller:
        yield steps.Application(server, client, caller, now=request_time())


def _find_walk() -> Walk | None:
    return find_walk(current_server(), request.args.get("walk"), known_browser(), now=request_time())


def _is_back_from_sign_out() -> bool:
    """RP-Initiated Logout §3: `state` comes back, once there is no session any more; the walk it names is forgotten."""
    session, _user = current_session()
    if session is not None:
        return False
    return forget_walk(current_server(), request.args.get("state"), known_browser(), now=request_time())


def _render_form(values: dict[str, str], errors: Errors | None = None, notice: str | None = None) -> Response:
    allow_issuer_target(current_server().issuer)
    return render_page(
        "playground",
        action=url_for("pages.playground"),
        values=values,
        errors=errors or [],
        notice=notice,
        response_modes=[("", _("default")), *((mode, mode) for mode in RESPONSE_MODES)],
    )


def _render_missing() -> Response:
    return render_page(
        "error",
        status=503,
        title=_("The playground is not set up"),
        message=_("Its client is not registered, or is registered for another address of this server."),
        advice=_("Run idp init on the server, then reload this page."),
        error=None,
        description=None,
        reference=None,
    )


def _render_foreign() -> Response:
    address = current_server().endpoint("/playground")
    return render_page(
        "error",
        status=400,
        title=_("This sign-in is not known here"),
        message=_("It was begun in another browser, under another address of this server, or more than an hour ago."),
        advice=_("Begin again at %(address)s", address=address),
        error=None,
        description=None,
        reference=None,
    )
