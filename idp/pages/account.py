"""The person's own page: who they are here, and the ways in that their account has. Changing those needs a fresh
sign-in. Everything else of the account has a page of its own (`account_nav.SECTIONS`)."""

from datetime import UTC, datetime
from typing import Any

from flask import Response, request, url_for
from flask_babel import format_date
from flask_babel import gettext as _

from idp.accounts.arrivals import find_arrival, is_question_to
from idp.accounts.linking import unlink as unlink_identity
from idp.pages.account_nav import Errors, for_person, is_proven, render_account_page
from idp.pages.providers import offer_for, provider_view
from idp.protocol.identity import Session, User
from idp.store.database import hashed
from idp.store.identities import Key, LinkedIdentity
from idp.web.csrf import check_form
from idp.web.current import current_server, current_upstreams, request_time
from idp.web.pages import see_other
from idp.web.session_cookie import current_session, known_arrival, known_browser
from idp.web.sign_in import ACCOUNT


@for_person(ACCOUNT)
def account(session: Session, user: User) -> Response:
    return _render(session, user)


def unlink() -> Response:
    check_form()
    session, user = current_session()
    if session is None or user is None or not is_proven(session, user):
        return see_other(url_for("pages.account"))
    store, usable = current_server().store, frozenset(current_upstreams().connections)
    chosen = [each for each in store.identities.list_of(user.id) if _form_key(each.key) == request.form.get("key")]
    for linked in chosen:
        if not unlink_identity(current_server(), linked.key, session, usable=usable, now=request_time()):
            message = _("This is the only way in that is left, so it stays. Link another one first.")
            return _render(session, user, errors=[{"field": None, "message": message}], status=409)
        return see_other(url_for("pages.account", unlinked=linked.key.upstream))
    return see_other(url_for("pages.account"))


def _render(session: Session, user: User, *, errors: Errors | None = None, status: int = 200) -> Response:
    server = current_server()
    linked = server.store.identities.list_of(user.id)
    has_password = server.settings.local_passwords and server.store.users.has_password(user.id)
    is_fresh = is_proven(session, user)
    return render_account_page(
        "account",
        ACCOUNT,
        session,
        user,
        status=status,
        errors=errors,
        has_password=has_password,
        has_passkey=bool(server.store.passkeys.list_of(user.id)),
        methods=[_method(number, each, linked, has_password) for number, each in enumerate(linked)],
        unlink_action=url_for("pages.unlink"),
        offers=[provider_view(connection) for connection in offer_for(None).connections],
        waiting=_waiting(user) if is_fresh else None,
        notice=_notice(),
        logout_url=url_for("pages.logout"),
    )


def _waiting(user: User) -> dict[str, Any] | None:
    """An account at a provider that had this person's e-mail, and came before they signed in."""
    arrival = find_arrival(current_server(), known_arrival(), known_browser(), now=request_time())
    connection = current_upstreams().find(arrival.connection.name) if arrival is not None else None
    if arrival is None or connection is None or not is_question_to(current_server(), arrival, user):
        return None
    shown = {"provider": connection.label, "email": arrival.identity.email}
    return shown | {"action": url_for("pages.link"), "pending": known_arrival()}


def _method(number: int, linked: LinkedIdentity, every: list[LinkedIdentity], has_password: bool) -> dict[str, Any]:
    connection = current_upstreams().find(linked.key.upstream)
    others = [each for each in every if each is not linked and current_upstreams().find(each.key.upstream)]
    is_second = any(each.key.upstream == linked.key.upstream for each in every[:number])
    return {
        "kind": connection.provider.kind if connection is not None else None,
        "label": connection.label if connection is not None else linked.key.upstream,
        "email": linked.email,
        "linked_at": _date(linked.linked_at),
        "last_used_at": _date(linked.last_used_at),
        "is_available": connection is not None,
        "key": _form_key(linked.key),
        "can_unlink": has_password or bool(others),
        "button_id": f"unlink-{linked.key.upstream}" + (f"-{number}" if is_second else ""),
    }


def _form_key(key: Key) -> str:
    """What the form names a link by: the subject at the provider is nobody's business, not even in a page's source."""
    return hashed("\n".join((key.upstream, key.issuer, key.subject)))


def _date(seconds: int) -> str:
    return str(format_date(datetime.fromtimestamp(seconds, UTC), "medium"))


def _notice() -> str | None:
    """What has just happened; the address says which connection it was about, and nothing more is taken from it."""
    texts = {
        "linked": _("%(provider)s is linked. You can sign in with it from now on."),
        "unlinked": _("%(provider)s is not linked any more."),
        "declined": _("You did not continue with %(provider)s; nothing was linked."),
    }
    for name, text in texts.items():
        connection = current_upstreams().find(request.args.get(name, ""))
        if connection is not None:
            return str(text) % {"provider": connection.label}
    return None
