"""Setting up and taking away second factors, for whoever is signed in: the authenticator app and the recovery codes.

Every change needs a sign-in of the last five minutes (ASVS 7.5.1), and where there is a factor already, a session in
which it was given. Passkeys have a page of their own and share the rules below.
"""

from collections.abc import Callable
from typing import Any

from flask import Response, request, url_for
from flask_babel import gettext as _

from idp.accounts.factor_changes import Change, announce, end_other_sessions
from idp.accounts.second_factor import BY_CODE, Factors, find_factors, stepped_up
from idp.accounts.totp import begin_enrolment
from idp.authorization.steps import has_strict_role
from idp.pages.account_nav import Errors, for_person, is_proven, prove_url
from idp.pages.factor_codes import confirm_app, render_new_codes
from idp.pages.factor_tries import scene
from idp.protocol.identity import Session, User
from idp.web.current import current_server, request_time
from idp.web.pages import account_view, render_page, see_other
from idp.web.session_cookie import browser, lift_session

OVERVIEW = "pages.account_factors"
Page = Callable[[Session, User, Factors], Response]


def for_changes(word: str) -> Callable[[Page], Callable[[], Response]]:
    """A page on which factors are changed: only for who has just proved, as well as they can, who they are. `word`, of
    RETURNS, leads back to it."""

    def _decorate(page: Page) -> Callable[[], Response]:
        @for_person(word)
        def _checked(session: Session, user: User) -> Response:
            if not is_proven(session, user):
                return see_other(prove_url(session, word))
            return page(session, user, find_factors(current_server(), user.id))

        return _checked

    return _decorate


@for_changes("account-totp")
def totp(session: Session, user: User, factors: Factors) -> Response:
    """Set up an app, in place of the one there is, if any."""
    if request.method != "POST":
        return _render_app(user, factors)
    if not confirm_app(user, request.form.get("code", ""), replaces=True):
        wrong = _("This code does not fit. Check the time of your device.")
        return _render_app(user, factors, errors=[{"field": "code", "message": wrong}])
    overview = url_for(OVERVIEW)
    response = see_other(overview) if factors.codes_left else render_new_codes(user, overview)
    after_addition(response, session, BY_CODE)
    return response


@for_changes("account-factors")
def remove_totp(session: Session, user: User, factors: Factors) -> Response:
    if not factors.has_totp:
        return see_other(url_for(OVERVIEW))
    asked = ask_before_last(user, factors, name=_("Authenticator app"))
    if asked is not None:
        return asked
    if not current_server().store.totp.remove(user.id, keeps_last=factors.count > 1):
        return see_other(url_for(OVERVIEW))
    announce(current_server(), user, Change.TOTP_REMOVED, scene())
    return after_removal(session, user)


@for_changes("account-recovery-codes")
def recovery_codes(_session: Session, user: User, factors: Factors) -> Response:
    """How many are left; a POST makes new ones, and ends the trust in browsers that an old one may have earned."""
    if not factors.is_any:
        return see_other(url_for(OVERVIEW))
    if request.method == "POST":
        current_server().store.devices.end_trust(user.id)
        return render_new_codes(user, url_for(OVERVIEW))
    return render_page(
        "recovery_codes",
        codes=None,
        left=factors.codes_left,
        download_url=None,
        next_url=url_for(OVERVIEW),
        action=url_for("pages.recovery_codes"),
        account=account_view(user),
        errors=[],
    )


def ask_before_last(user: User, factors: Factors, *, name: str) -> Response | None:
    """The page that asks whether the last factor is really to go, unless the person has said so; None to go on."""
    if factors.count > 1:
        return None
    is_needed = has_strict_role(current_server(), user)
    if request.form.get("confirm") and not is_needed:
        return None
    return render_page(
        "remove_factor",
        language_links=False,
        action=request.path,
        fields={"key": request.form["key"]} if "key" in request.form else {},
        account=account_view(user),
        factor=name,
        is_needed=is_needed,
        next_url=url_for(OVERVIEW),
        errors=[],
    )


def after_addition(response: Response, session: Session, given: tuple[str, ...]) -> None:
    """The new factor has just been used; sessions that did without it end (ASVS 7.4.3), and trusted browsers too."""
    lift_session(response, session, stepped_up(session, given))
    end_other_sessions(current_server().store, session.user_id, keep=session.sid, now=request_time())


def after_removal(session: Session, user: User) -> Response:
    """Other sessions and trusted browsers end; recovery codes stand for nothing without a factor."""
    server, now = current_server(), request_time()
    if not find_factors(server, user.id).is_any:
        server.store.recovery_codes.replace_all(user.id, [], now=now)
    end_other_sessions(server.store, user.id, keep=session.sid, now=now)
    return see_other(url_for(OVERVIEW))


def _render_app(user: User, factors: Factors, *, errors: Errors | None = None) -> Response:
    enrolment = begin_enrolment(current_server(), user, browser(), now=request_time())
    variables: dict[str, Any] = {"interaction_id": "", "return_to": "", "client": None, "is_required": False}
    return render_page(
        "totp",
        **variables,
        action=url_for("pages.totp"),
        account=account_view(user),
        svg=enrolment.svg,
        secret=enrolment.spaced_secret,
        uri=enrolment.uri,
        replaces=factors.has_totp,
        back_url=url_for(OVERVIEW),
        errors=errors or [],
    )
