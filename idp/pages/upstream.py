"""Signing in with another provider: the button that leads there, and the callback that its answer comes to.

The walk back: the `state` of this browser, once; then whose account it is; then on to the request that waits. Whatever
goes wrong, the request stays as it was and the person can try again or choose another way.
"""

import json
from typing import Any

import structlog
from flask import Response, abort, request, url_for

from idp.accounts.arrivals import keep_arrival
from idp.accounts.linking import TOKENS_PURPOSE, Arrival, Conflict, Outcome, SignedIn, Why, link, sign_in_with
from idp.authorization.interaction import save_progress
from idp.pages.account_nav import is_proven
from idp.pages.providers import demands_fresh_sign_in, offer_for
from idp.pages.select_account import was_shown_to
from idp.pages.trouble import render_another_persons, render_failure, render_stale, render_turned_away
from idp.protocol.errors import InvalidRequest
from idp.protocol.identity import Identity
from idp.protocol.params import Params
from idp.upstream.authorization_url import Wishes, new_secrets
from idp.upstream.connection import Connection
from idp.upstream.errors import Denied, NotFresh, StateRefused, UpstreamFailed
from idp.upstream.state import Pending, claim_pending
from idp.web.csrf import check_form
from idp.web.current import current_server, current_upstreams, request_time
from idp.web.errors import render_expired
from idp.web.forms import check_not_head, read_body, read_query
from idp.web.interactions import Waiting, find_waiting
from idp.web.locale import language_elsewhere
from idp.web.pages import see_other
from idp.web.posted import find_posted, keep_posted
from idp.web.session_cookie import (
    FRESH_SECONDS,
    browser,
    current_session,
    is_fresh,
    known_browser,
    remember_arrival,
)
from idp.web.sign_in import ACCOUNT, read_return_to, sign_in_by_upstream

CALLBACK_NAMES = frozenset({"state", "code", "iss", "error", "error_description", "user"})
LINKING_SECONDS = 900  # a link that was begun after a fresh sign-in may take as long as its state lives
_log = structlog.get_logger("idp.upstream")


def start(name: str) -> Response:
    """A provider's button."""
    check_form()
    connection = _load_connection(name)
    interaction_id = request.form.get("interaction")
    waiting = find_waiting(interaction_id)
    if interaction_id and waiting is None:
        return render_expired()
    if request.form.get("link"):
        return _start_linking(connection)
    return begin(connection, waiting, return_to=read_return_to())


def _start_linking(connection: Connection) -> Response:
    """From the account page: another way in for the person who is signed in, and has proved it lately."""
    session, user = current_session()
    if session is None or user is None or not is_proven(session, user) or not was_shown_to(user):
        return see_other(url_for("pages.account"))
    return begin(connection, None, return_to=ACCOUNT, links_user_id=user.id)


def begin(
    connection: Connection, waiting: Waiting | None, *, return_to: str, links_user_id: str | None = None
) -> Response:
    """Send the person to the provider."""
    server, now = current_server(), request_time()
    pending = Pending(
        connection=connection.name,
        **new_secrets(),
        started_at=now,
        interaction_id=waiting.interaction.id if waiting is not None else None,
        links_user_id=links_user_id,
        returns_to=return_to,
        **_demands(connection, waiting, return_to if links_user_id is None else "", now),
    )
    try:
        if connection not in offer_for(waiting).connections:
            raise NotFresh("not offered for this request")
        url = current_upstreams().begin(server, connection, pending, browser(), _wishes(waiting), now=now)
    except UpstreamFailed as failure:
        return render_failure(connection, failure, waiting, return_to, is_linking=links_user_id is not None)
    return see_other(url)


def _demands(connection: Connection, waiting: Waiting | None, return_to: str, now: int) -> dict[str, Any]:
    """How lately the person must have proved themselves over there."""
    if waiting is None:
        return {"max_age": FRESH_SECONDS} if return_to and _may_ask_for_new_proof(connection) else {}
    if not demands_fresh_sign_in(waiting.request):
        return {}
    return {"not_before": now if "login" in waiting.request.prompt else None, "max_age": waiting.request.max_age}


def _may_ask_for_new_proof(connection: Connection) -> bool:
    """Whoever is signed in already comes to an account page to be asked again, which a sign-in that the provider
    remembers would not do. One that has not said when that was, though asked by nobody, is not asked: it vouches now.
    """
    session, _user = current_session()
    if session is None or not connection.can_prove_fresh_sign_in:
        return False
    return not (session.auth_time_unproven and session.upstream == connection.name)


def _wishes(waiting: Waiting | None) -> Wishes:
    language = language_elsewhere()
    if waiting is None:
        return Wishes(ui_locales=language)
    chooses = "select_account" in waiting.request.prompt or waiting.interaction.progress.switches_account
    hint = waiting.request.params.get("login_hint")
    return Wishes(hint, language, "select_account" if chooses else None)


def callback(name: str) -> Response:
    """The provider's answer. Apple's is a POST from its own page, without our cookies: it is taken up by a GET."""
    check_not_head(request)
    try:
        params = read_body(request) if request.method == "POST" else read_query(request)
        params.check_well_formed()
    except InvalidRequest:
        return render_stale(current_upstreams().find(name))
    if request.method == "POST" and known_browser() is None:
        key = keep_posted(params, CALLBACK_NAMES)
        return see_other(url_for("pages.upstream_posted", name=name, key=key))
    return _finish(_load_connection(name), params)


def posted(name: str, key: str) -> Response:
    """An answer that was posted, now with our cookies."""
    check_not_head(request)
    connection, params = _load_connection(name), find_posted(key)
    return render_stale(connection) if params is None else _finish(connection, params)


def _finish(connection: Connection, params: Params) -> Response:
    server, now = current_server(), request_time()
    values = {name: params[name] for name in CALLBACK_NAMES if name in params}
    try:
        pending = claim_pending(
            server, values.get("state"), connection=connection.name, browser=known_browser(), now=now
        )
    except StateRefused as refused:
        _log.warning("callback refused", upstream=connection.name, why=refused.why)
        return render_stale(connection, refused.why)
    waiting = find_waiting(pending.interaction_id)
    if pending.interaction_id is not None and waiting is None:
        return render_expired()
    try:
        identity, tokens = current_upstreams().finish(server, connection, pending, values, now=now)
    except StateRefused as refused:
        _log.warning("callback refused", upstream=connection.name, why=refused.why)
        return render_stale(connection, refused.why)
    except Denied:
        return _back_to_choice(connection, waiting, pending)
    except UpstreamFailed as failure:
        is_linking = pending.links_user_id is not None
        return render_failure(connection, failure, waiting, pending.returns_to, is_linking=is_linking)
    return _arrive(connection, waiting, pending, _make_arrival(connection, identity, tokens))


def _make_arrival(connection: Connection, identity: Identity, tokens: Any) -> Arrival:
    sealed = None
    if connection.settings.store_tokens:
        sealed = current_server().secret_box.encrypt(json.dumps(tokens), purpose=TOKENS_PURPOSE)
    return Arrival(connection.settings, identity, sealed, connection.label)


def _back_to_choice(connection: Connection, waiting: Waiting | None, pending: Pending) -> Response:
    """The person said no over there, so they choose again."""
    if pending.links_user_id is not None:
        return see_other(url_for("pages.account", declined=connection.name))
    interaction = waiting.interaction.id if waiting is not None else None
    to = pending.returns_to or None
    return see_other(url_for("pages.login", interaction=interaction, to=to, declined=connection.name))


def _arrive(connection: Connection, waiting: Waiting | None, pending: Pending, arrival: Arrival) -> Response:
    server, now = current_server(), request_time()
    if pending.links_user_id is not None:
        return _link_here(connection, pending.links_user_id, arrival)
    return conclude(connection, waiting, sign_in_with(server, arrival, now=now), arrival, pending.returns_to)


def conclude(
    connection: Connection, waiting: Waiting | None, outcome: Outcome, arrival: Arrival, return_to: str | None
) -> Response:
    """What follows from the outcome: on to the request that waits, a question, or a page that says why not."""
    if isinstance(outcome, SignedIn):
        return sign_in_by_upstream(waiting, outcome.user, connection.name, arrival.identity.auth_time, return_to)
    if isinstance(outcome, Conflict):
        return _ask(waiting, arrival, return_to)
    return render_turned_away(connection, outcome.why, waiting, return_to)


def _ask(waiting: Waiting | None, arrival: Arrival, return_to: str | None) -> Response:
    server, now = current_server(), request_time()
    key = keep_arrival(server, arrival, browser(), now=now)
    if waiting is not None:
        save_progress(server, waiting.interaction, now=now, pending_link=key)
    else:
        remember_arrival(key)
        return_to = ACCOUNT
    interaction = waiting.interaction.id if waiting is not None else None
    return see_other(url_for("pages.conflict", pending=key, interaction=interaction, to=return_to or None))


def _link_here(connection: Connection, user_id: str, arrival: Arrival) -> Response:
    """Only for the person who asked for it, still signed in here since shortly before."""
    session, user = current_session()
    if session is None or user is None or user.id != user_id or not is_fresh(session, LINKING_SECONDS):
        return see_other(url_for("pages.account"))
    if not link(current_server(), arrival, user.id, Why.ACCOUNT_PAGE, now=request_time()):
        return render_another_persons(connection)
    return see_other(url_for("pages.account", linked=connection.name))


def _load_connection(name: str) -> Connection:
    connection = current_upstreams().find(name)
    if connection is None:
        abort(404)
    return connection
