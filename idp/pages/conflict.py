"""The e-mail that came from a provider belongs to an account already: nobody is merged, the person is asked.

A way in that the account has must be used first, and then the two can be linked (`pages/link.py`); the request that
waits goes on after that. The rules are those of `accounts.linking`, judged anew each time.
"""

from typing import Any

from flask import Response, request, url_for

from idp.accounts.arrivals import claim_arrival, find_arrival
from idp.accounts.linking import Arrival, Conflict, Outcome, SignedIn, Why, find_conflict, start_new
from idp.accounts.linking import link as link_account
from idp.authorization.interaction import save_progress
from idp.pages.login import takes_passkey
from idp.pages.providers import offer_for, provider_view
from idp.pages.upstream import conclude
from idp.upstream.connection import Connection
from idp.web.csrf import check_form
from idp.web.current import current_server, current_upstreams, request_time
from idp.web.errors import render_expired
from idp.web.interactions import Waiting, find_waiting
from idp.web.pages import account_view, client_view, render_page, see_other
from idp.web.session_cookie import known_browser, remember_arrival
from idp.web.sign_in import ACCOUNT, read_return_to


def conflict() -> Response:
    interaction_id, key = request.values.get("interaction"), request.values.get("pending")
    waiting = find_waiting(interaction_id)
    arrival = find_arrival(current_server(), key, known_browser(), now=request_time())
    connection = current_upstreams().find(arrival.connection.name) if arrival is not None else None
    if (interaction_id and waiting is None) or arrival is None or connection is None or key is None:
        return render_expired()
    if request.method == "POST":
        check_form()
        answer = _decide(connection, waiting, arrival, key)
        if answer is not None:
            return answer
    found = find_conflict(current_server(), arrival)
    if found is None:  # the address has become free meanwhile: sign in once more, and nothing waits to be linked
        claim_arrival(current_server(), key, known_browser(), now=request_time())
        return see_other(_login_url(waiting))
    return _render(connection, waiting, found, arrival, key)


def _decide(connection: Connection, waiting: Waiting | None, arrival: Arrival, key: str) -> Response | None:
    """What the person chose, where the rules allow it; None shows the page again."""
    server, now, choice = current_server(), request_time(), request.form.get("choice")
    if choice == "cancel" and waiting is not None:
        save_progress(server, waiting.interaction, now=now, refused=True)
        return see_other(waiting.resume_url)
    found = find_conflict(server, arrival)
    outcome: Outcome | None = None
    if (
        choice == "link"
        and found is not None
        and found.may_ask
        and claim_arrival(server, key, known_browser(), now=now)
    ):
        linked = link_account(server, arrival, found.user.id, Why.CONFIRMED, now=now)
        outcome = SignedIn(found.user) if linked else None
    if (
        choice == "new"
        and found is not None
        and found.may_start_new
        and claim_arrival(server, key, known_browser(), now=now)
    ):
        outcome = start_new(server, arrival, now=now)
    if not isinstance(outcome, SignedIn):
        return None
    if waiting is not None:
        save_progress(server, waiting.interaction, now=now, pending_link=None)
        waiting = find_waiting(waiting.interaction.id)
    return conclude(connection, waiting, outcome, arrival, read_return_to())


def _render(connection: Connection, waiting: Waiting | None, found: Conflict, arrival: Arrival, key: str) -> Response:
    """409. The ways in are named only to somebody whose provider has confirmed that the address is theirs."""
    ways = _ways(found, waiting) if found.proves_address else []
    has_way_elsewhere = any(way["kind"] == "provider" and "url" in way for way in ways)
    if has_way_elsewhere:
        remember_arrival(key)  # for the account page, where it is linked then
    return render_page(
        "conflict",
        status=409,
        action=url_for("pages.conflict"),
        interaction_id=waiting.interaction.id if waiting is not None else "",
        pending=key,
        return_to=read_return_to(),
        client=client_view(waiting.request.client) if waiting is not None else None,
        provider=connection.label,
        email=arrival.identity.email,
        names_ways=bool(ways),
        ways=ways or [_password_way(waiting)],
        has_way_elsewhere=has_way_elsewhere,
        account=account_view(found.user) if found.may_ask else None,
        can_link=found.may_ask,
        can_start_new=found.may_start_new,
    )


def _ways(found: Conflict, waiting: Waiting | None) -> list[dict[str, Any]]:
    """Every way in that the account has. One that cannot answer this request leads to the account page instead."""
    server, user_id = current_server(), found.user.id
    has_password = server.settings.local_passwords and server.store.users.has_password(user_id)
    ways = [_password_way(waiting)] if has_password else []
    if takes_passkey(waiting) and server.store.passkeys.list_of(user_id):
        ways.append({"kind": "passkey", "url": _login_url(waiting)})
    names = dict.fromkeys(linked.key.upstream for linked in server.store.identities.list_of(user_id))
    offered = offer_for(waiting).connections
    for connection in filter(None, map(current_upstreams().find, names)):
        way = {**provider_view(connection), "kind": "provider", "provider_kind": connection.provider.kind}
        if connection not in offered:
            way["url"] = url_for("pages.login", to=ACCOUNT)
        ways.append(way)
    return ways


def _password_way(waiting: Waiting | None) -> dict[str, Any]:
    return {"kind": "password", "url": _login_url(waiting)}


def _login_url(waiting: Waiting | None) -> str:
    if waiting is None:
        return url_for("pages.login", to=read_return_to() or None)
    return url_for("pages.login", interaction=waiting.interaction.id)
