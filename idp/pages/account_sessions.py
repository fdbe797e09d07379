"""Devices: every session of the person, this one marked, ended one by one or all others at once (ASVS 7.5.2); and the
browsers in which they are not asked for their second factor.

Looking needs a session, ending one a fresh sign-in: whoever finds an open browser cannot shut its owner out.
"""

from typing import Any

from flask import Response, request, url_for
from flask_babel import gettext as _

from idp import audit
from idp.pages.account_nav import for_person, is_proven, render_account_page, shown_time
from idp.pages.browsers_in_words import describe_browser, shorten_address
from idp.protocol.identity import Session, User
from idp.store.devices import TrustedDevice
from idp.store.sessions import KnownSession
from idp.web.current import current_server, current_upstreams, request_time
from idp.web.pages import see_other
from idp.web.trusted_device import known_device_key

WORD = "account-sessions"


@for_person(WORD)
def sessions(session: Session, user: User) -> Response:
    server, now = current_server(), request_time()
    return render_account_page(
        "account_sessions",
        WORD,
        session,
        user,
        sessions=[_session_view(each, session) for each in server.store.sessions.list_live(user.id, now=now)],
        trusted=[_device_view(each) for each in server.store.devices.list_trusted(user.id, now=now)],
        end_action=url_for("pages.end_session"),
        trust_action=url_for("pages.end_trust"),
        logout_url=url_for("pages.logout"),
        notice=_notice(),
    )


@for_person(WORD)
def end(session: Session, user: User) -> Response:
    """One session (`sid`), or with `others` all but this one. What was granted in a session ends with it, but for
    applications with lasting access, which have a page of their own."""
    server, now = current_server(), request_time()
    if not is_proven(session, user):
        return see_other(url_for("pages.account_sessions"))
    if request.form.get("others"):
        server.store.users.end_half_sign_ins(user.id)
        ended = server.store.sessions.end_others(user.id, keep=session.sid)
    else:
        theirs = [each.sid for each in server.store.sessions.list_live(user.id, now=now) if each.sid != session.sid]
        named = [sid for sid in theirs if sid == request.form.get("sid")]
        ended = [sid for sid in named if server.store.sessions.end(sid)]
    for sid in ended:
        server.store.grants.revoke_for_session(sid, client_id=None, now=now)
    if ended:
        audit.record(server, audit.Event.SESSION_ENDED, now=now, user_id=user.id, count=len(ended), by="account")
    return see_other(url_for("pages.account_sessions", ended=1 if ended else None))


@for_person(WORD)
def end_trust(session: Session, user: User) -> Response:
    server, now = current_server(), request_time()
    if not is_proven(session, user):
        return see_other(url_for("pages.account_sessions"))
    key = request.form.get("key")
    is_theirs = any(each.key == key for each in server.store.devices.list_trusted(user.id, now=now))
    if is_theirs and server.store.devices.end_trust(user.id, key):
        audit.record(server, audit.Event.DEVICE_TRUST_ENDED, now=now, user_id=user.id)
        return see_other(url_for("pages.account_sessions", distrusted=1))
    return see_other(url_for("pages.account_sessions"))


def _session_view(known: KnownSession, session: Session) -> dict[str, Any]:
    connection = current_upstreams().find(known.upstream) if known.upstream is not None else None
    return {
        "sid": known.sid,
        "browser": describe_browser(known.user_agent),
        "address": shorten_address(known.address),
        "began_at": shown_time(known.created_at),
        "last_seen_at": shown_time(known.last_seen_at),
        "provider": connection.label if connection is not None else known.upstream,
        "is_current": known.sid == session.sid,
    }


def _device_view(device: TrustedDevice) -> dict[str, Any]:
    return {
        "key": device.key,
        "browser": describe_browser(device.user_agent),
        "address": shorten_address(device.address),
        "last_seen_at": shown_time(device.last_seen_at),
        "until": shown_time(device.trusted_until),
        "is_current": device.key == known_device_key(),
    }


def _notice() -> str | None:
    texts = {"ended": _("Signed out there."), "distrusted": _("The second factor is asked for there again.")}
    return next((str(text) for name, text in texts.items() if name in request.args), None)
