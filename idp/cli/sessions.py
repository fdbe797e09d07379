"""`idp sessions`: who is signed in, and ending sessions, of one person or of everybody (ASVS 7.4.5)."""

import time
from typing import Any

import click

from idp import audit
from idp.audit import Event
from idp.cli.command import Group, KeyCommand, Refused
from idp.cli.opening import opened_store
from idp.cli.output import answer, answer_table, iso
from idp.cli.user_options import load_user
from idp.settings import load_settings
from idp.store import Store
from idp.store.sessions import KnownSession


@click.group(cls=Group)
def command() -> None:
    """The browsers in which people are signed in."""


@command.command("list")
@click.option("--user", metavar="USER", help="Those of one person: an id, a user name or an e-mail.")
@click.option("--limit", default=1000, show_default=True, type=click.IntRange(min=1), help="At most so many.")
def list_sessions(user: str | None, limit: int) -> None:
    """The sessions that are alive, the last used first."""
    with opened_store(load_settings()) as store:
        user_id = load_user(store, user).id if user is not None else None
        found = store.sessions.list_live(user_id, now=int(time.time()), limit=limit)
        described = [_described(each) for each in found]
    columns = {"sid": "session", "username": "user name", "created_at": "since", "last_seen_at": "last seen"}
    answer_table(described, columns | {"address": "address", "amr": "by"}, empty="Nobody is signed in.")


@command.command("end", cls=KeyCommand)
@click.argument("sid", required=False)
@click.option("--user", metavar="USER", help="All of one person: an id, a user name or an e-mail.")
@click.option("--all", "everybody", is_flag=True, help="All of everybody.")
def end(sid: str | None, user: str | None, everybody: bool) -> None:
    """End the session SID, or all of one person, or all. What was granted in them ends too, but for offline access.

    With --user and --all, sign-ins that still owe their second factor end as well.
    """
    if [sid is not None, user is not None, everybody].count(True) != 1:
        raise click.UsageError("Give a session, --user or --all.")
    now = int(time.time())
    with opened_store(load_settings()) as store:
        user_id = load_user(store, user).id if user is not None else None
        if sid is None:
            store.users.end_half_sign_ins(user_id)
        found = store.sessions.list_live(user_id, now=now, sid=sid)
        if sid is not None and not found:
            raise Refused(f"There is no session {sid}. See: idp sessions list")
        for each in found:
            _end(store, each, now)
    answer({"ended": len(found)}, f"{len(found)} {'session is' if len(found) == 1 else 'sessions are'} ended.")


def _end(store: Store, known: KnownSession, now: int) -> None:
    store.sessions.end(known.sid)
    store.grants.revoke_for_session(known.sid, client_id=None, now=now)
    audit.record_by_operator(store, Event.SESSION_ENDED, now=now, user_id=known.user_id)


def _described(known: KnownSession) -> dict[str, Any]:
    return {
        "sid": known.sid,
        "user_id": known.user_id,
        "username": known.username,
        "created_at": iso(known.created_at),
        "last_seen_at": iso(known.last_seen_at),
        "auth_time": iso(known.auth_time),
        "amr": list(known.amr),
        "upstream": known.upstream,
        "address": known.address,
        "user_agent": known.user_agent,
    }
