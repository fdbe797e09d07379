"""Password: a new one against the present one (ASVS 6.2.3), or the first one of an account that has none.

Whoever has a second factor gives that too, and whoever has no password signs in again first. Other sessions end unless
the person wishes otherwise (7.4.3), this one goes on under a new cookie value, and a mail says what happened (6.3.7).
"""

from flask import Response, request, url_for
from flask_babel import gettext as _

from idp import audit
from idp.accounts.factor_changes import end_other_sessions
from idp.accounts.notices import tell_password_changed
from idp.accounts.tries import claim_try
from idp.pages.account_nav import Errors, for_person, has_factor, is_proven, render_account_page, shown_date
from idp.pages.factor_tries import scene
from idp.pages.new_password import find_password_mistakes, password_view
from idp.protocol.identity import Session, User
from idp.web.current import current_passwords, current_server, request_time
from idp.web.pages import see_other
from idp.web.session_cookie import rotate_session

WORD = "account-password"
TRY_KIND, TRIES, TRIES_SECONDS = "password_change", 10, 900  # of the present password, in one session


@for_person(WORD)
def password(session: Session, user: User) -> Response:
    if not current_server().settings.local_passwords:
        return see_other(url_for("pages.account"))
    known = _find_hash(user)
    if request.method != "POST":
        return _render(session, user, known)
    if not _may_change(session, user, known):
        return see_other(url_for("pages.account_password"))
    errors = _find_mistakes(session, user, known)
    if not errors and not _change(user, known):
        errors = [{"field": None, "message": _("The password has been changed elsewhere in the meantime.")}]
    if errors:
        return _render(session, user, known, errors=errors)
    return _finish(session, user)


def _find_hash(user: User) -> str | None:
    found = current_server().store.users.find_for_sign_in(user.username)
    return found[1] if found is not None and found[0].id == user.id else None


def _may_change(session: Session, user: User, known: str | None) -> bool:
    """The present password, typed now, is a proof; where there is none, or a second factor too, a sign-in is needed."""
    return is_proven(session, user) or (known is not None and not has_factor(user))


def _find_mistakes(session: Session, user: User, known: str | None) -> Errors:
    about = (user.username, *(str(value) for value in user.claims.values() if isinstance(value, str)))
    if known is not None:
        wrong = _find_wrong_password(session, user, known)
        if wrong is not None:
            return [{"field": "current_password", "message": wrong}]
    return find_password_mistakes(about=about)


def _find_wrong_password(session: Session, user: User, known: str) -> str | None:
    server, now, typed = current_server(), request_time(), request.form.get("current_password", "")
    if not typed:
        return str(_("Enter your present password."))
    if not claim_try(server.store.ephemeral, TRY_KIND, session.sid, tries=TRIES, lifetime=TRIES_SECONDS, now=now):
        return str(_("There were too many tries. Wait a quarter of an hour, then try again."))
    if current_passwords().is_right(typed, known):
        return None
    audit.record(server, audit.Event.SIGN_IN_FAILED, now=now, user_id=user.id, why="wrong password at its change")
    return str(_("This is not your present password."))


def _change(user: User, known: str | None) -> bool:
    server, now = current_server(), request_time()
    password_hash = current_passwords().hash(request.form["password"])
    if not server.store.profiles.change_password(user.id, password_hash, instead_of=known, now=now):
        return False
    audit.record(server, audit.Event.PASSWORD_CHANGED, now=now, user_id=user.id, by="account")
    tell_password_changed(server, user, scene())
    return True


def _finish(session: Session, user: User) -> Response:
    server, now = current_server(), request_time()
    server.store.devices.end_trust(user.id)
    if request.form.get("end_others"):
        end_other_sessions(server.store, user.id, keep=session.sid, now=now)
    response = see_other(url_for("pages.account_password", changed=1))
    rotate_session(response, session)
    return response


def _render(session: Session, user: User, known: str | None, *, errors: Errors | None = None) -> Response:
    is_done = "changed" in request.args and request.method == "GET"
    return render_account_page(
        "account_password",
        WORD,
        session,
        user,
        status=400 if errors else 200,
        errors=errors,
        action=url_for("pages.account_password"),
        has_password=known is not None,
        may_change=_may_change(session, user, known),
        ends_others=request.method != "POST" or bool(request.form.get("end_others")),
        changed_at=shown_date(current_server().store.profiles.password_changed_at(user.id)),
        password=password_view(),
        notice=_("Your password is changed.") if is_done else None,
    )
