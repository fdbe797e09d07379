"""Consent (Core §3.1.2.4, ASVS 10.7): who asks, for what, in words; remembered by person, client and scope.

For a first-party client that another app may pose as (RFC 8252 §8.6) it is one button, and nothing is remembered.
"""

from typing import Any

from flask import Response, request, url_for

from idp import audit
from idp.authorization.interaction import save_progress
from idp.authorization.steps import consent_items, is_only_confirmed
from idp.pages.providers import allow_hinted_provider
from idp.pages.scope_texts import describe_claim, describe_scope
from idp.pages.select_account import SWITCH, was_shown_to
from idp.protocol.claims import claims_of_scopes
from idp.protocol.identity import User
from idp.protocol.redirect_uri import host_of
from idp.protocol.scopes import OFFLINE_ACCESS, OPENID
from idp.web.csrf import check_form
from idp.web.current import current_server, request_time
from idp.web.errors import render_expired
from idp.web.interactions import Waiting, find_waiting
from idp.web.pages import account_view, client_view, render_page, see_other
from idp.web.session_cookie import current_session


def consent() -> Response:
    waiting = find_waiting(request.values.get("interaction"))
    if waiting is None:
        return render_expired()
    _, user = current_session()
    if user is None:
        return see_other(waiting.resume_url)
    if request.method == "POST":
        check_form()
        if was_shown_to(user):
            _decide(waiting, user, request.form.get("decision"))
        return see_other(waiting.resume_url)
    return _render(waiting, user)


def _decide(waiting: Waiting, user: User, decision: str | None) -> None:
    server, now = current_server(), request_time()
    ids = {"user_id": user.id, "client_id": waiting.request.client.client_id}
    if decision == "allow":
        items = consent_items(waiting.request)
        if not is_only_confirmed(waiting.request):
            server.store.consents.add(user.id, waiting.request.client.client_id, items, now=now)
        save_progress(server, waiting.interaction, now=now, consented_user_id=user.id)
        audit.record(server, audit.Event.CONSENT_GIVEN, now=now, **ids, scope=", ".join(sorted(items)))
    elif decision == "switch":
        save_progress(server, waiting.interaction, now=now, **SWITCH)
    elif decision == "deny":
        save_progress(server, waiting.interaction, now=now, refused=True)
        audit.record(server, audit.Event.CONSENT_DENIED, now=now, **ids)


def _render(waiting: Waiting, user: User) -> Response:
    server, asked = current_server(), waiting.request
    known = server.store.consents.find(user.id, asked.client.client_id)
    apis = server.store.apis.all()
    allow_hinted_provider(waiting)
    return render_page(
        "consent",
        confirms_only=is_only_confirmed(asked),
        action=url_for("pages.consent"),
        interaction_id=waiting.interaction.id,
        client=client_view(asked.client),
        account=account_view(user),
        scopes=[_scope_view(scope, known) for scope in _listed(asked.scopes)],
        claims=_single_claims(waiting),
        resources=[{"identifier": name, "name": apis[name].name} for name in asked.resources if name in apis],
        offline=OFFLINE_ACCESS in asked.scopes,
        redirect_host=host_of(asked.target.redirect_uri),
    )


def _listed(scopes: tuple[str, ...]) -> tuple[str, ...]:
    """The scopes with a line of their own. `openid` says something only where nothing else is asked."""
    return tuple(scope for scope in scopes if scope not in {OPENID, OFFLINE_ACCESS}) or (OPENID,)


def _scope_view(scope: str, known: frozenset[str]) -> dict[str, Any]:
    title, description = describe_scope(scope, current_server().store.apis.all())
    return {"name": scope, "title": title, "description": description, "is_new": scope not in known}


def _single_claims(waiting: Waiting) -> list[str]:
    """Claims asked for one by one that no granted scope covers anyway."""
    covered = claims_of_scopes(waiting.request.scopes)
    names = [claim for claim in waiting.request.claims.user_claims() if claim not in (*covered, "sub")]
    return list(dict.fromkeys(describe_claim(claim) for claim in names))
