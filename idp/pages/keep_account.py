"""Undoing the deletion of an account: from the link in the mail, after a sign-in, or as a step of a client's request.

A GET shows the page and a POST undoes, so that programs that follow the links of a mail change nothing.
"""

from flask import Response, request, url_for
from flask_babel import gettext as _

from idp.accounts.deletion import find_by_undo_token, undo_deletion
from idp.authorization.interaction import save_progress
from idp.pages.account_nav import shown_time
from idp.pages.messages import render_message
from idp.pages.select_account import was_shown_to
from idp.protocol.identity import User
from idp.web.csrf import check_form
from idp.web.current import current_server, request_time
from idp.web.errors import render_expired
from idp.web.interactions import Waiting, find_waiting
from idp.web.pages import account_view, client_view, render_page, see_other
from idp.web.session_cookie import current_session


def keep_account() -> Response:
    if request.method == "POST":
        check_form()
    token = request.values.get("token")
    if token is not None:
        return _by_link(token)
    interaction_id = request.values.get("interaction")
    waiting = find_waiting(interaction_id)
    if interaction_id and waiting is None:
        return render_expired()
    return _by_session(waiting)


def _by_link(token: str) -> Response:
    """Whoever has the mail may keep the account, and is not signed in by that."""
    user = find_by_undo_token(current_server(), token)
    if user is None or user.deletes_at is None:
        return render_message(
            None,
            status=404,
            title=_("This link is not good any more"),
            message=_("The account is not being deleted, or is gone already."),
            advice=None,
        )
    if request.method != "POST":
        return _render(None, user, user.deletes_at, token=token)
    undo_deletion(current_server(), user, now=request_time(), by="link")
    return render_message(
        None,
        status=200,
        title=_("Your account stays"),
        message=_("You can sign in as before."),
        advice=_(
            "If it was not you who wanted to delete it, somebody knows how to sign in as you: choose a new password."
        ),
    )


def _by_session(waiting: Waiting | None) -> Response:
    _session, user = current_session()
    onward = waiting.resume_url if waiting is not None else url_for("pages.account")
    if user is None or user.deletes_at is None:
        return see_other(onward)
    if request.method != "POST":
        return _render(waiting, user, user.deletes_at)
    if not was_shown_to(user):
        return see_other(onward)
    if request.form.get("choice") == "keep":
        undo_deletion(current_server(), user, now=request_time(), by="sign_in")
        return see_other(onward)
    if waiting is not None:
        save_progress(current_server(), waiting.interaction, now=request_time(), refused=True)
        return see_other(onward)
    return see_other(url_for("pages.logout"))


def _render(waiting: Waiting | None, user: User, deletes_at: int, *, token: str | None = None) -> Response:
    return render_page(
        "keep_account",
        action=url_for("pages.keep_account"),
        interaction_id=waiting.interaction.id if waiting is not None else None,
        token=token,
        client=client_view(waiting.request.client) if waiting is not None else None,
        account=account_view(user) if token is None else None,
        deletes_on=shown_time(deletes_at),
    )
