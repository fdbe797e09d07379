"""The step that asks for a second factor: for a sign-in that waits for it, or for a session that is not enough.

Whoever must have one and has none sets up an authenticator app here. Pages return to `/authorize`, which works out
what comes next.
"""

from dataclasses import dataclass
from typing import Any

from flask import Response, request, url_for
from flask_babel import gettext as _

from idp import audit
from idp.accounts.factor_changes import end_other_sessions
from idp.accounts.half_sign_in import HalfSignIn, claim_half, find_half, forget_half
from idp.accounts.passkeys import Purpose, allows_passkeys, make_authentication_options
from idp.accounts.second_factor import BY_CODE, Factors, find_factors, stepped_up, with_factor
from idp.accounts.totp import begin_enrolment
from idp.authorization.interaction import save_progress
from idp.authorization.steps import has_strict_role, needs_login, needs_second_factor, requires_second_factor
from idp.pages.factor_codes import confirm_app, render_new_codes
from idp.pages.factor_tries import Mistake, ceremony_for, try_factor
from idp.pages.select_account import SWITCH
from idp.protocol.errors import LoginRequired
from idp.protocol.identity import Session, User
from idp.protocol.names import ACR_TWO_FACTORS
from idp.web.csrf import check_form
from idp.web.current import current_server, request_time
from idp.web.errors import render_expired
from idp.web.interactions import Waiting, find_waiting, standing_of
from idp.web.pages import account_view, client_view, render_page, see_other
from idp.web.session_cookie import browser, current_session, is_fresh, known_browser, lift_session
from idp.web.sign_in import finish_sign_in, interaction_id_of, read_return_to, return_url
from idp.web.trusted_device import trust_device


@dataclass(frozen=True, slots=True)
class Owed:
    """Whose factor is asked for, and what for: a half-done sign-in, or else a session. `may_skip`: the client would
    only like to have it."""

    user: User
    waiting: Waiting | None
    half: HalfSignIn | None = None
    session: Session | None = None
    may_skip: bool = False

    @property
    def next_url(self) -> str:
        return return_url(self.waiting, read_return_to())


def second_factor() -> Response:
    if request.method == "POST":
        check_form()
    interaction_id = request.values.get("interaction")
    waiting = find_waiting(interaction_id)
    if interaction_id and waiting is None:
        return render_expired()
    owed = _find_owed(waiting)
    if owed is None:
        return _nothing_owed(waiting)
    factors = find_factors(current_server(), owed.user.id)
    if request.method != "POST":
        return _render(owed, factors)
    for choice, leave in (("cancel", _cancel), ("restart", _restart), ("skip", _skip)):
        if request.form.get(choice):
            return leave(owed)
    return _try(owed, factors) if factors.is_any else _try_enrolment(owed)


def _find_owed(waiting: Waiting | None) -> Owed | None:
    if waiting is None or waiting.interaction.progress.owes_factor:
        half = find_half(current_server(), known_browser(), interaction_id_of(waiting), now=request_time())
        if half is not None:
            return Owed(half.user, waiting, half=half)
    session, user = current_session()
    if session is None or user is None:
        return None
    if waiting is not None:
        return _find_owed_to_client(waiting, session, user)
    if not read_return_to() or session.acr == ACR_TWO_FACTORS:
        return None
    return Owed(user, None, session=session) if find_factors(current_server(), user.id).is_any else None


def _find_owed_to_client(waiting: Waiting, session: Session, user: User) -> Owed | None:
    """What a session lacks for the request that waits, once nothing else about it is wrong."""
    standing = standing_of(waiting.request, waiting.interaction.progress)
    try:
        is_due = not standing.progress.owes_factor and not needs_login(standing) and needs_second_factor(standing)
    except LoginRequired:
        return None
    return Owed(user, waiting, session=session, may_skip=not requires_second_factor(standing)) if is_due else None


def _nothing_owed(waiting: Waiting | None) -> Response:
    """Nothing to do, or it took too long: `/authorize` says what comes next, the sign-in page if need be."""
    if waiting is not None and waiting.interaction.progress.owes_factor:
        save_progress(current_server(), waiting.interaction, now=request_time(), owes_factor=False)
    session, _user = current_session()
    if waiting is None and session is None:
        return see_other(url_for("pages.login", to=read_return_to() or None))
    return see_other(return_url(waiting, read_return_to()))


def _cancel(owed: Owed) -> Response:
    """Back to the client without having signed in; without a client, to where the person came from."""
    _forget(owed)
    if owed.waiting is None:
        return see_other(owed.next_url)
    save_progress(current_server(), owed.waiting.interaction, now=request_time(), refused=True, owes_factor=False)
    return see_other(owed.waiting.resume_url)


def _restart(owed: Owed) -> Response:
    """Sign in anew, perhaps as somebody else."""
    _forget(owed)
    if owed.waiting is None:
        return see_other(url_for("pages.login", to=read_return_to() or None, again=1))
    changes = SWITCH | {"owes_factor": False}
    save_progress(current_server(), owed.waiting.interaction, now=request_time(), **changes)
    return see_other(owed.waiting.resume_url)


def _skip(owed: Owed) -> Response:
    if owed.waiting is not None and owed.may_skip:
        save_progress(current_server(), owed.waiting.interaction, now=request_time(), skipped_factor=True)
    return see_other(owed.next_url)


def _forget(owed: Owed) -> None:
    if owed.half is not None:
        forget_half(current_server(), known_browser(), interaction_id_of(owed.waiting), now=request_time())


def _try(owed: Owed, factors: Factors) -> Response:
    client_id = owed.waiting.request.client.client_id if owed.waiting is not None else None
    given = try_factor(owed.user, factors, client_id)
    if isinstance(given, Mistake):
        return _render(owed, factors, errors=[given.shown], wait=given.wait)
    response = see_other(owed.next_url)
    wants_trust = bool(request.form.get("trust")) and _trusted_days(owed) > 0
    if _finish(response, owed, given) and wants_trust:
        trust_device(response, owed.user)
    return response


def _trusted_days(owed: Owed) -> int:
    """For how long this browser may be trusted with the factor; 0 where that would spare the person nothing."""
    if owed.half is None or has_strict_role(current_server(), owed.user):
        return 0
    return current_server().settings.trusted_device_lifetime // 86_400


def _finish(response: Response, owed: Owed, given: tuple[str, ...]) -> bool:
    """Make the sign-in whole, or lift the session: in both cases under a new cookie. False when another request of this
    browser has done it already."""
    server, now = current_server(), request_time()
    if owed.half is not None:
        if not claim_half(server, owed.half, now=now):
            return False
        finish_sign_in(response, owed.waiting, with_factor(owed.half.sign_in, given))
    elif owed.session is not None:
        if not lift_session(response, owed.session, stepped_up(owed.session, given)):
            return False
        audit.record(server, audit.Event.STEPPED_UP, now=now, user_id=owed.user.id, amr=" ".join(given))
    return True


def _try_enrolment(owed: Owed) -> Response:
    """The first code of an app that is being set up because one must be had."""
    if _must_sign_in_again(owed):
        return _restart(owed)
    if not confirm_app(owed.user, request.form.get("code", ""), replaces=False):
        wrong = {"field": "code", "message": _("This code does not fit. Check the time of your device.")}
        return _render_enrolment(owed, errors=[wrong])
    keep = owed.session.sid if owed.session is not None else None
    end_other_sessions(current_server().store, owed.user.id, keep=keep, now=request_time())
    response = render_new_codes(owed.user, owed.next_url)
    return response if _finish(response, owed, BY_CODE) else see_other(owed.next_url)


def _must_sign_in_again(owed: Owed) -> bool:
    """Whether a session is too old to set up a factor with (ASVS 7.5.1); a half-done sign-in is always fresh, and so is
    one made over another provider for this very request, which would say the same `auth_time` again."""
    if owed.session is None or is_fresh(owed.session):
        return False
    signed_in_sid = owed.waiting.interaction.progress.signed_in_sid if owed.waiting is not None else None
    return owed.session.upstream is None or signed_in_sid != owed.session.sid


def _render(
    owed: Owed, factors: Factors, *, errors: list[dict[str, str | None]] | None = None, wait: int = 0
) -> Response:
    if not factors.is_any:
        return _restart(owed) if _must_sign_in_again(owed) else _render_enrolment(owed)
    server, options = current_server(), None
    if factors.passkeys and allows_passkeys(server):
        options = make_authentication_options(ceremony_for(Purpose.SECOND_FACTOR, owed.user.id))
    return render_page(
        "second_factor",
        status=429 if wait else 200,
        **_carried(owed),
        has_totp=factors.has_totp,
        passkey_options=options,
        has_passkeys=bool(factors.passkeys),
        has_codes=factors.codes_left > 0,
        trusted_days=_trusted_days(owed),
        may_skip=owed.may_skip,
        errors=errors or [],
    )


def _render_enrolment(owed: Owed, errors: list[dict[str, str | None]] | None = None) -> Response:
    enrolment = begin_enrolment(current_server(), owed.user, browser(), now=request_time())
    return render_page(
        "totp",
        **_carried(owed),
        is_required=True,
        svg=enrolment.svg,
        secret=enrolment.spaced_secret,
        uri=enrolment.uri,
        replaces=False,
        back_url=None,
        errors=errors or [],
    )


def _carried(owed: Owed) -> dict[str, Any]:
    return {
        "action": url_for("pages.second_factor"),
        "interaction_id": interaction_id_of(owed.waiting),
        "return_to": read_return_to(),
        "client": client_view(owed.waiting.request.client) if owed.waiting is not None else None,
        "account": account_view(owed.user),
    }
