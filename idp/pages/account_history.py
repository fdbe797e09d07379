"""What happened with an account: its events of the audit trail, the newest first, a page at a time (ASVS 7.5.2, 16.2).

It goes back as far as the audit trail does (`IDP_AUDIT_RETENTION`).
"""

from typing import Any

from flask import Response, request, url_for

from idp.pages.account_nav import for_person, render_account_page, shown_time
from idp.pages.event_texts import SENTENCES, described
from idp.protocol.identity import Session, User
from idp.web.current import current_server
from idp.web.sign_in import RETURNS

WORD = "account-history"
PAGE = 25
_MAX_DIGITS = 18  # more is no id of any database


@for_person(WORD)
def account_history(session: Session, user: User) -> Response:
    before = _read_before()
    shown = [event.value for event in SENTENCES]
    rows = current_server().store.audit_events.list(user_id=user.id, events=shown, before=before, limit=PAGE + 1)
    return render_account_page(
        "account_history",
        WORD,
        session,
        user,
        events=[_event(row) for row in rows[:PAGE]],
        older_url=url_for("pages.account_history", before=rows[PAGE - 1]["id"]) if len(rows) > PAGE else None,
        newest_url=url_for("pages.account_history") if before is not None else None,
        password_url=_password_url(),
    )


def _password_url() -> str | None:
    endpoint = RETURNS.get("account-password")
    return url_for(endpoint) if endpoint is not None and current_server().settings.local_passwords else None


def _read_before() -> int | None:
    text = request.args.get("before", "")
    return int(text) if text.isascii() and text.isdigit() and len(text) <= _MAX_DIGITS else None


def _event(row: dict[str, Any]) -> dict[str, Any]:
    return described(row) | {"at": shown_time(row["at"])}
