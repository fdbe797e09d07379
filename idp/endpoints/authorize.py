"""The authorization endpoint: RFC 6749 §3.1, OpenID Connect Core §3.1.2.

The walk: one AuthorizationRequest, the next step recomputed from what is stored, a page for it or a code. With a
session and a consent already there nothing is kept; otherwise the request waits as an Interaction bound to this
browser, and every page comes back to `resume`.
"""

from flask import Blueprint, Response, request, url_for

from idp.authorization.code import issue_code
from idp.authorization.interaction import Progress, claim_interaction, start_interaction
from idp.authorization.request import AuthorizationRequest, reported_to
from idp.authorization.steps import Step, next_step
from idp.protocol.errors import AccessDenied, LoginRequired
from idp.protocol.names import KNOWN_PARAMETERS
from idp.protocol.params import Params
from idp.web.current import current_server, request_time
from idp.web.errors import render_delivery, render_expired
from idp.web.forms import check_not_head, read_body, read_query
from idp.web.interactions import Waiting, find_waiting, load_checked, standing_of
from idp.web.limits import limiter
from idp.web.pages import see_other
from idp.web.posted import find_posted, keep_posted
from idp.web.session_cookie import browser, current_session, has_session_cookie

blueprint = Blueprint("authorize", __name__)


@blueprint.route("/authorize", methods=["GET", "POST"])
def authorize() -> Response:
    """A client's request, by GET or POST alike (Core §3.1.2.1)."""
    check_not_head(request)
    params = read_body(request) if request.method == "POST" else read_query(request)
    asked = load_checked(current_server(), params, now=request_time())
    if request.method == "POST" and not has_session_cookie():
        return see_other(url_for("authorize.posted", key=keep_posted(params, KNOWN_PARAMETERS)))
    return _begin(asked, params)


@blueprint.get("/authorize/posted/<key>")
def posted(key: str) -> Response:
    """A request that was posted from a client's page, now with our cookies."""
    check_not_head(request)
    params = find_posted(key)
    if params is None:
        return render_expired()
    return _begin(load_checked(current_server(), params, now=request_time()), params)


def _begin(asked: AuthorizationRequest, params: Params) -> Response:
    with reported_to(asked.target):
        step = next_step(standing_of(asked, Progress()))
    if step is None:
        return _answer(asked)
    return _ask_person(step, params)


@blueprint.route("/authorize/<interaction_id>")
def resume(interaction_id: str) -> Response:
    """Back from a page: the next step, or the answer, once."""
    check_not_head(request)
    waiting = find_waiting(interaction_id)
    if waiting is None:
        return render_expired()
    with reported_to(waiting.request.target):
        return _go_on(waiting)


def _go_on(waiting: Waiting) -> Response:
    server, now = current_server(), request_time()
    try:
        if waiting.interaction.progress.refused:
            raise AccessDenied("The person refused.")
        step = next_step(standing_of(waiting.request, waiting.interaction.progress))
    except (AccessDenied, LoginRequired):
        claim_interaction(server, waiting.interaction, now=now)
        raise
    if step is not None:
        return see_other(url_for(f"pages.{step.name}", interaction=waiting.interaction.id))
    if not claim_interaction(server, waiting.interaction, now=now):
        return render_expired(waiting.request.client)
    return _answer(waiting.request)


def _answer(asked: AuthorizationRequest) -> Response:
    session, _ = current_session()
    if session is None:
        raise LoginRequired("The session ended in the meantime.")
    return render_delivery(issue_code(current_server(), asked, session, now=request_time()))


def _ask_person(step: Step, params: Params) -> Response:
    """Keep the request and send the person to the step's page. Only this path is limited: it is the one that writes."""
    server = current_server()
    with limiter.limit(server.settings.ratelimit_pages, scope="start"):
        interaction = start_interaction(server, params, browser(), now=request_time())
    return see_other(url_for(f"pages.{step.name}", interaction=interaction.id))
