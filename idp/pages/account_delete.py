"""Deleting one's account. Needs a sign-in of the last five minutes, and a box to be ticked; signs out everywhere."""

from flask import Response, request, url_for
from flask_babel import gettext as _

from idp.accounts.deletion import ask_deletion
from idp.pages.account_nav import for_person, is_proven, render_account_page, shown_time
from idp.pages.factor_tries import scene
from idp.pages.messages import render_message
from idp.protocol.identity import Session, User
from idp.web.current import current_server, request_time
from idp.web.pages import see_other
from idp.web.session_cookie import forget_session

WORD = "account-delete"
BOX = "understood"


@for_person(WORD)
def account_delete(session: Session, user: User) -> Response:
    if request.method != "POST":
        return _render(session, user)
    if not is_proven(session, user) or user.deletes_at is not None:
        return see_other(url_for("pages.account_delete"))
    if not request.form.get(BOX):
        return _render(session, user, errors=[{"field": BOX, "message": _("Tick the box if you are sure.")}])
    response = _render_done(user, ask_deletion(current_server(), user, scene()))
    forget_session(response)
    return response


def _render(session: Session, user: User, *, errors: list[dict[str, str | None]] | None = None) -> Response:
    delay = current_server().settings.deletion_delay
    return render_account_page(
        "account_delete",
        WORD,
        session,
        user,
        errors=errors,
        action=url_for("pages.account_delete"),
        keep_url=url_for("pages.keep_account"),
        deletes_on=shown_time(user.deletes_at) if user.deletes_at is not None else None,
        would_delete_on=shown_time(request_time() + delay) if delay else None,
    )


def _render_done(user: User, deletes_at: int | None) -> Response:
    if deletes_at is None or deletes_at > request_time():
        when = shown_time(deletes_at) if deletes_at is not None else ""
        message = _("You are signed out everywhere. Your account will be deleted on %(when)s.", when=when)
        has_mail = user.email is not None
        advice = _("Until then you can sign in to keep it.")
        if has_mail:
            advice = _("Until then you can keep it: sign in, or follow the link in the mail that we have sent you.")
    else:
        message, advice = _("Your account and all that belongs to it are deleted."), None
    title = _("Your account is being deleted") if advice else _("Your account is deleted")
    return render_message(
        None,
        status=200,
        title=title,
        message=message,
        advice=advice,
        next_url=url_for("pages.home"),
        next_label=_("To the home page"),
    )
