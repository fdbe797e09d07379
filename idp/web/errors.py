"""The one mapping from errors to responses, chosen by place: JSON for machines, a page for people, nothing in a 500.

`/authorize` before the redirect URI is trusted: a page (RFC 6749 §4.1.2.1); after it: the client's redirect URI.
"""

from typing import Any

import structlog
from flask import Flask, Response, current_app, jsonify, request
from flask_babel import gettext as _
from flask_limiter.errors import RateLimitExceeded
from flask_wtf.csrf import CSRFError
from werkzeug.exceptions import HTTPException

from idp import audit
from idp.authorization.code import deliver_error
from idp.authorization.request import AuthorizationFailed
from idp.authorization.response_modes import Delivery
from idp.protocol.errors import (
    BearerError,
    InsufficientScope,
    InvalidClient,
    OAuthError,
    TemporarilyUnavailable,
)
from idp.protocol.findings import Finding
from idp.web.cors import allow_origin
from idp.web.current import current_server, request_time
from idp.web.inspector import note, note_error
from idp.web.limits import limited_network, seconds_to_wait
from idp.web.log import request_id
from idp.web.pages import client_view, render_page, see_other
from idp.web.refusal_findings import describe_status, explain_form, explain_interaction, explain_status
from idp.web.security_headers import allow_form_target
from idp.web.session_cookie import known_browser

MACHINES = "endpoints"
_log = structlog.get_logger("idp.errors")


def register_errors(app: Flask) -> None:
    app.register_error_handler(AuthorizationFailed, _answer_client)
    app.register_error_handler(OAuthError, _answer_oauth_error)
    app.register_error_handler(CSRFError, _answer_csrf_error)
    app.register_error_handler(RateLimitExceeded, _answer_limit)
    app.register_error_handler(HTTPException, _answer_http_error)
    app.register_error_handler(Exception, _answer_anything_else)


def _is_for_machines() -> bool:
    """Whether the address is an endpoint's, also when the router refused the method and so matched no rule."""
    if request.blueprint is not None:
        return request.blueprint == MACHINES
    rules = current_app.url_map.iter_rules()
    return any(rule.endpoint.startswith(f"{MACHINES}.") and rule.rule == request.path for rule in rules)


def render_delivery(delivery: Delivery) -> Response:
    """An authorization response on its way: a redirect, or the form_post page."""
    if delivery.form_fields is None:
        return see_other(delivery.url)
    allow_form_target(delivery.url)
    fields = dict(delivery.form_fields)
    return render_page("form_post", language_links=False, client=None, redirect_uri=delivery.url, params=fields)


def render_json_error(error: OAuthError) -> Response:
    """RFC 6749 §5.2, RFC 6750 §3."""
    said = {"error": error.error, "error_description": error.description} if error.error else {}
    response = jsonify(said | {"request_id": request_id()})
    response.status_code = error.status
    if isinstance(error, BearerError):
        response.headers["WWW-Authenticate"] = _bearer_challenge(error)
    elif isinstance(error, InvalidClient) and error.basic_was_tried:
        response.headers["WWW-Authenticate"] = 'Basic realm="idp"'
    if isinstance(error, TemporarilyUnavailable):
        response.headers["Retry-After"] = str(error.retry_after)
    response.headers["Cache-Control"] = "no-store"
    return response


def _bearer_challenge(error: BearerError) -> str:
    """RFC 6750 §3: no error code when no token came (§3.1)."""
    if not error.error:
        return "Bearer"
    parts = [f'error="{error.error}"', f'error_description="{error.description}"']
    if isinstance(error, InsufficientScope):
        parts.append(f'scope="{error.scope}"')
    return "Bearer " + ", ".join(parts)


def _answer_client(failed: AuthorizationFailed) -> Response:
    error = failed.error
    _log.info("refused", error=error.error, description=error.description, detail=error.detail,
              client_id=failed.target.client.client_id)  # fmt: skip
    note_error(error, client_id=failed.target.client.client_id)
    return render_delivery(deliver_error(current_server(), failed.target, error, request_id=request_id()))


def _answer_oauth_error(error: OAuthError) -> Response:
    _log.info("refused", error=error.error, description=error.description, detail=error.detail)
    note_error(error)
    if _is_for_machines():
        return render_json_error(error)
    if isinstance(error, TemporarilyUnavailable):
        title, message = _("Please try again in a moment"), _("Many people are signing in at this moment.")
        response = _page(503, title, message, _("Go back, wait a few seconds, and try again."))
        response.headers["Retry-After"] = str(error.retry_after)
        return response
    return _page(
        400,
        _("This sign-in request cannot be answered"),
        _("The application that sent you here made a request that is not valid. You have done nothing wrong."),
        _("Go back to the application and try again. If it happens again, tell its makers what stands below."),
        error=error.error,
        description=error.description,
    )


def _answer_csrf_error(error: CSRFError) -> Response:
    _log.warning("form refused", reason=error.description)
    note("form_refused", "A form was not from this browser, or the browser keeps no cookies for this site.",
         [explain_form(str(error.description))])  # fmt: skip
    return _page(
        400,
        _("This form cannot be used any more"),
        _("It did not come from this browser, or the browser does not keep cookies for this site."),
        _("Go back, reload the page, and try again. If it happens again, allow cookies for this site."),
    )


def _answer_limit(error: RateLimitExceeded) -> Response:
    wait = seconds_to_wait(error)
    limit = str(error.limit.limit) if error.limit else None
    _log.warning("limited", limit=limit)
    if request.endpoint == "pages.login":
        key, now = limited_network(), request_time()
        audit.record_once_a_minute(current_server(), audit.Event.SIGN_IN_LIMITED, key, now=now, limit=limit)
    note("too_many_requests", "There were too many requests from this network in a short time.",
         [Finding("rate limit", (limit or "a limit",), f"more, in a short time; {wait} s to wait")])  # fmt: skip
    if _is_for_machines():
        response = render_json_error(
            TemporarilyUnavailable("Too many requests; wait as long as Retry-After says.", retry_after=wait)
        )
        response.status_code = 429
        return response
    response = _page(
        429,
        _("Too many tries"),
        _("There were too many requests from your network in a short time."),
        _("Wait %(seconds)s seconds, then go back and try again.", seconds=wait),
    )
    response.headers["Retry-After"] = str(wait)
    return response


def _answer_http_error(error: HTTPException) -> Response:
    """404, 405, 413 and their like: JSON for machines, a page for people. Redirects of the router pass."""
    status = error.code or 500
    if status < 400:
        return Response(status=status, headers=_headers_of(error))
    description = describe_status(status, error.name, _headers_of(error))
    if _is_for_machines():
        note("invalid_request", description, [explain_status(status, _headers_of(error))])
        response = jsonify(error="invalid_request", error_description=description, request_id=request_id())
        response.status_code = status
        if request.blueprint is None:  # refused by the router, so the endpoints' own hooks do not run
            allow_origin(response)
    else:
        if status != 404:  # wrong addresses are what robots are made of
            note("invalid_request", description, [explain_status(status, _headers_of(error))])
        response = _http_page(status)
    for name, value in _headers_of(error).items():
        if name in {"Allow", "Retry-After"}:
            response.headers[name] = value
    return response


def _headers_of(error: HTTPException) -> dict[str, str]:
    return dict(error.get_headers(request.environ))


def _http_page(status: int) -> Response:
    if status == 404:
        return _page(404, _("There is no such page"), _("The address is wrong, or the page has moved."), None)
    return _page(status, _("This request cannot be answered"), _("Something about it was not as it should be."), None)


def _answer_anything_else(error: Exception) -> Response:
    """What nobody foresaw: the log has it all, the caller gets a reference number."""
    _log.error("unexpected", exc_info=error)
    note("server_error", "The fault is this server's; its log has the rest under this id.")
    if _is_for_machines():
        response = jsonify(
            error="server_error", error_description=f"Reference: {request_id()}", request_id=request_id()
        )
        response.status_code = 500
        return response
    return _page(
        500,
        _("Something went wrong here"),
        _("The fault is ours, and it has been noted."),
        _("Try again in a moment. If it happens again, tell us the reference below."),
    )


def _page(status: int, title: str, message: str, advice: str | None, **more: Any) -> Response:
    texts = {"title": title, "message": message, "advice": advice, "error": None, "description": None} | more
    return render_page("error", status=status, reference=request_id(), **texts)


def render_expired(client: Any = None) -> Response:
    """An interaction that has ended, or is another browser's: how to start again."""
    note("interaction_ended", "The sign-in that this page belongs to has ended, or is another browser's.",
         lambda: [explain_interaction(known_browser() is not None)])  # fmt: skip
    return render_page("expired", status=400, client=client_view(client), reference=request_id())
