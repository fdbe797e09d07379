"""Apps with access: which applications may have what of the person, since when, used when; and taking it away.

Taking it away withdraws the consent and kills everything granted: refresh tokens at once, access tokens for whoever
asks us about them (ASVS 10.4.9). An API that judges an access token by itself learns of it when the token ends.
"""

from typing import Any

from flask import Response, request, url_for
from flask_babel import gettext as _

from idp import audit
from idp.pages.account_nav import for_person, render_account_page, shown_date
from idp.pages.scope_texts import describe_claim, describe_scope
from idp.protocol.identity import Session, User
from idp.protocol.scopes import OFFLINE_ACCESS, OPENID
from idp.store.consents import Access
from idp.web.current import current_server, request_time
from idp.web.pages import see_other

WORD = "account-apps"
_CLAIM = "claim "


@for_person(WORD)
def apps(session: Session, user: User) -> Response:
    server, now = current_server(), request_time()
    return render_account_page(
        "account_apps",
        WORD,
        session,
        user,
        apps=[_app_view(access) for access in server.store.consents.list_access(user.id, now=now)],
        action=url_for("pages.withdraw_access"),
        notice=_("The access is taken away.") if "withdrawn" in request.args else None,
    )


@for_person(WORD)
def withdraw(_session: Session, user: User) -> Response:
    server, now, client_id = current_server(), request_time(), request.form.get("client_id", "")
    known = {access.client_id for access in server.store.consents.list_access(user.id, now=now)}
    if client_id not in known:
        return see_other(url_for("pages.account_apps"))
    server.store.consents.revoke(user.id, client_id, now=now)
    audit.record(server, audit.Event.CONSENT_WITHDRAWN, now=now, user_id=user.id, client_id=client_id)
    return see_other(url_for("pages.account_apps", withdrawn=1))


def _app_view(access: Access) -> dict[str, Any]:
    server = current_server()
    client = server.store.clients.find(access.client_id)
    return {
        "client_id": access.client_id,
        "name": client.name if client is not None else access.client_id,
        "client_uri": client.client_uri if client is not None else None,
        "permissions": _permissions(access.scopes),
        "is_lasting": OFFLINE_ACCESS in access.scopes,
        "granted_at": shown_date(access.granted_at),
        "last_used_at": shown_date(access.last_used_at),
    }


def _permissions(scopes: frozenset[str]) -> list[str]:
    """In words; `openid` says something only where nothing else was asked for."""
    apis = current_server().store.apis.all()
    named = sorted(scope for scope in scopes if scope not in {OPENID, OFFLINE_ACCESS} and not scope.startswith(_CLAIM))
    single = sorted(scope.removeprefix(_CLAIM) for scope in scopes if scope.startswith(_CLAIM))
    words = [describe_scope(scope, apis)[0] for scope in named] + [describe_claim(claim) for claim in single]
    return words or [describe_scope(OPENID, apis)[0]]
