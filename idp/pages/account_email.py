"""E-mail: another address for the account, proved by a link or a code before it counts, told to the old one.

The link of the mail shows a page and does nothing by itself; its button counts only for who is signed in to the account
that asked, so that nobody lends their address to somebody else's account by a click.
"""

from flask import Response, request, url_for
from flask_babel import get_locale
from flask_babel import gettext as _

from idp.accounts.email_changes import PURPOSE, find_undo, finish_change, finish_undo, is_for, masked, start_change
from idp.accounts.email_proofs import EmailProof, claim_proof, find_by_link, find_proof, is_of_browser, is_right_code
from idp.accounts.registration import MAX_EMAIL_LENGTH, is_email
from idp.pages.account_nav import Errors, for_person, is_proven, render_account_page
from idp.pages.messages import render_message
from idp.protocol.identity import Session, User
from idp.store.users import lookup_key
from idp.web.csrf import check_form
from idp.web.current import current_server, request_time
from idp.web.pages import render_page, see_other
from idp.web.session_cookie import browser, current_session, known_browser, known_proof, remember_proof, rotate_session

WORD = "account-email"


@for_person(WORD)
def email(session: Session, user: User) -> Response:
    if request.method != "POST":
        return _render(session, user)
    if not is_proven(session, user):
        return see_other(url_for("pages.account_email"))
    typed = request.form.get("email", "").strip()
    message = _find_mistake(user, typed)
    if message is None:
        language, now = str(get_locale()), request_time()
        proof_id = start_change(current_server(), user, typed, browser(), language=language, now=now)
        if proof_id is not None:
            remember_proof(proof_id)
            return see_other(url_for("pages.account_email_confirm"))
        message = _("You have asked for several addresses within the hour. Wait a while, then try again.")
    return _render(session, user, typed=typed[:MAX_EMAIL_LENGTH], errors=[{"field": "email", "message": message}])


def confirm() -> Response:
    """With the link's token, or, in the browser that asked, with the code."""
    token, now = request.values.get("token"), request_time()
    session, user = current_session()
    if request.method == "POST":
        check_form()
    proof = find_by_link(current_server(), token, purpose=PURPOSE, now=now) if token else _find_here(known_proof())
    if proof is None:
        return _stale() if token else see_other(url_for("pages.account_email"))
    if session is None or user is None or not is_for(proof, user):
        return _elsewhere()
    if request.method == "POST":
        return _confirm(proof, session, user, token)
    return _render_confirm(session, user, proof, token)


def undo() -> Response:
    """The link that the old address got. Nobody needs to be signed in: whoever took the account over would be."""
    server, now = current_server(), request_time()
    found = find_undo(server, request.values.get("token"), now=now)
    if found is None:
        return _stale()
    if request.method != "POST":
        return render_page(
            "account_email_undo",
            language_links=False,
            action=url_for("pages.account_email_undo"),
            token=found.token,
            email=masked(found.email),
            errors=[],
        )
    check_form()
    if not finish_undo(server, found, now=now):
        return _stale()
    return _undone()


def _find_mistake(user: User, typed: str) -> str | None:
    if not is_email(typed):
        return str(_("Enter an e-mail address, such as name@example.com."))
    is_same = user.email is not None and lookup_key(user.email) == lookup_key(typed)
    if is_same and user.claims.get("email_verified") is True:
        return str(_("This is your address already."))
    return None


def _find_here(proof_id: str | None) -> EmailProof | None:
    """The proof that was begun in this browser."""
    proof = find_proof(current_server(), proof_id, purpose=PURPOSE, now=request_time())
    return proof if proof is not None and is_of_browser(proof, known_browser()) else None


def _confirm(proof: EmailProof, session: Session, user: User, token: str | None) -> Response:
    server, now = current_server(), request_time()
    if not token and not is_right_code(server, proof, request.form.get("code", ""), now=now):
        message = _("This code is not right, or it was tried too often. Take it from the newest mail, or use its link.")
        return _render_confirm(session, user, proof, token, errors=[{"field": "code", "message": message}])
    if not claim_proof(server, proof, now=now) or not finish_change(server, proof, user, now=now):
        return _stale()
    remember_proof(None)
    response = see_other(url_for("pages.account_email", changed=1))
    rotate_session(response, session)
    return response


def _render(session: Session, user: User, *, typed: str = "", errors: Errors | None = None) -> Response:
    is_done = "changed" in request.args and request.method == "GET"
    return render_account_page(
        "account_email",
        WORD,
        session,
        user,
        status=400 if errors else 200,
        errors=errors,
        action=url_for("pages.account_email"),
        email=user.email,
        is_confirmed=user.claims.get("email_verified") is True,
        typed=typed,
        notice=_("Your e-mail address is confirmed.") if is_done else None,
    )


def _render_confirm(
    session: Session, user: User, proof: EmailProof, token: str | None, *, errors: Errors | None = None
) -> Response:
    return render_account_page(
        "account_email_confirm",
        WORD,
        session,
        user,
        status=400 if errors else 200,
        errors=errors,
        action=url_for("pages.account_email_confirm"),
        again_url=url_for("pages.account_email"),
        token=token or "",
        email=proof.email,
    )


def _elsewhere() -> Response:
    return render_message(
        None, status=200,
        title=_("Go on where you are signed in"),
        message=_("This link confirms a new address for an account, and you are not signed in to that account here."),
        advice=_("Sign in with it, then open the link of the mail again; or enter the code where you asked for it."),
        next_url=url_for("pages.login", to=WORD, again=1),
    )  # fmt: skip


def _undone() -> Response:
    takes_password = current_server().settings.local_passwords
    return render_message(
        None, status=200,
        title=_("Your address is back"),
        message=_("The change is undone. Everybody is signed out, and passkeys and providers added since are gone."),
        advice=_("Choose a new password now, and look at your second factors when you have signed in.")
        if takes_password else _("Sign in, and look at your second factors."),
        next_url=current_server().endpoint("/recover") if takes_password else None,
        next_label=_("Choose a new password") if takes_password else None,
    )  # fmt: skip


def _stale() -> Response:
    return render_message(
        None, status=400,
        title=_("This link cannot be used any more"),
        message=_("It has been used already, it is too old, or the account has changed in the meantime."),
        advice=_("If you still want to change your address, begin again."),
        next_url=url_for("pages.account_email"),
        next_label=_("To your account"),
    )  # fmt: skip
