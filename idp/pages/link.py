"""The step after an e-mail conflict: the person has signed in the old way, and may now link the other provider."""

from flask import Response, request, url_for

from idp.accounts.arrivals import claim_arrival, find_arrival, is_question_to
from idp.accounts.linking import Why, decline
from idp.accounts.linking import link as link_account
from idp.authorization.interaction import save_progress
from idp.authorization.steps import needs_link
from idp.pages.account_nav import is_proven
from idp.pages.select_account import was_shown_to
from idp.pages.trouble import render_another_persons
from idp.protocol.identity import User
from idp.web.csrf import check_form
from idp.web.current import current_server, current_upstreams, request_time
from idp.web.errors import render_expired
from idp.web.interactions import Waiting, find_waiting, standing_of
from idp.web.pages import account_view, client_view, render_page, see_other
from idp.web.session_cookie import current_session, known_arrival, known_browser, remember_arrival
from idp.web.sign_in import ACCOUNT, return_url


def link() -> Response:
    """For a client's request that waits; or, without one, for the account page."""
    interaction_id = request.values.get("interaction")
    waiting = find_waiting(interaction_id)
    if interaction_id and waiting is None:
        return render_expired()
    next_url = return_url(waiting, ACCOUNT)
    _, user = current_session()
    if user is None or not _may_link(waiting):
        return see_other(next_url)
    key = known_arrival() if waiting is None else waiting.interaction.progress.pending_link
    arrival = find_arrival(current_server(), key, known_browser(), now=request_time())
    connection = current_upstreams().find(arrival.connection.name) if arrival is not None else None
    if arrival is None or connection is None or key is None or not is_question_to(current_server(), arrival, user):
        _forget(waiting)  # it took too long, or somebody else came in: the sign-in goes on without the link
        return see_other(next_url)
    if request.method == "POST":
        check_form()
        is_right = not was_shown_to(user) or _decide(waiting, key, user)
        return see_other(next_url) if is_right else render_another_persons(connection)
    return render_page(
        "link",
        action=url_for("pages.link"),
        interaction_id=waiting.interaction.id if waiting is not None else "",
        pending=key,
        client=client_view(waiting.request.client) if waiting is not None else None,
        provider=connection.label,
        provider_kind=connection.provider.kind,
        email=arrival.identity.email,
        account=account_view(user),
    )


def _may_link(waiting: Waiting | None) -> bool:
    """Only right after a sign-in: the one for this request, or one of the last minutes."""
    session, user = current_session()
    if waiting is None:
        return session is not None and user is not None and is_proven(session, user)
    return needs_link(standing_of(waiting.request, waiting.interaction.progress))


def _forget(waiting: Waiting | None) -> None:
    if waiting is None:
        remember_arrival(None)
    else:
        save_progress(current_server(), waiting.interaction, now=request_time(), pending_link=None)


def _decide(waiting: Waiting | None, key: str, user: User) -> bool:
    """Link, or leave it; once. False when that account at the provider is somebody else's by now."""
    server, now, choice = current_server(), request_time(), request.form.get("choice")
    if choice not in {"link", "skip"}:
        return True
    arrival = claim_arrival(server, key, known_browser(), now=now)
    _forget(waiting)
    if arrival is None:
        return True
    if choice == "skip":
        decline(server, arrival, user.id, now=now)
        return True
    return link_account(server, arrival, user.id, Why.AFTER_SIGN_IN, now=now)
