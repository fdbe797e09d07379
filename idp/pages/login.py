"""Sign-in by password, or the choice of another provider. The request that waits survives whatever is typed here."""

from typing import Any

from flask import Response, request, url_for
from flask_babel import gettext as _
from flask_babel import ngettext

from idp import audit
from idp.accounts import guessing
from idp.accounts.half_sign_in import forget_half
from idp.accounts.passkeys import Purpose, allows_passkeys, make_authentication_options
from idp.accounts.sign_in import Attempt, is_still_right, try_password
from idp.authorization.interaction import save_progress
from idp.authorization.steps import needs_login
from idp.captcha import captcha_for
from idp.pages.factor_tries import ceremony_for
from idp.pages.providers import find_hinted, offer_for, provider_view
from idp.pages.upstream import begin
from idp.protocol.errors import LoginRequired, TemporarilyUnavailable
from idp.protocol.identity import User
from idp.protocol.names import ACR_ONE_FACTOR, ACR_TWO_FACTORS
from idp.web.captcha import find_captcha_error, known_failures, note_failure
from idp.web.csrf import check_form
from idp.web.current import current_passwords, current_server, current_upstreams, request_time
from idp.web.errors import render_expired
from idp.web.interactions import Waiting, find_waiting, standing_of
from idp.web.log import address
from idp.web.pages import client_view, render_page, see_other
from idp.web.session_cookie import current_session, known_browser
from idp.web.sign_in import interaction_id_of, read_return_to, return_url, sign_in_by_password
from idp.web.trusted_device import device_cookie

MAX_NAME_LENGTH = 320


def login() -> Response:
    interaction_id = request.values.get("interaction")
    waiting = find_waiting(interaction_id)
    if interaction_id and waiting is None:
        return render_expired()
    if request.method != "POST":
        return _show(waiting)
    check_form()
    if waiting is not None and request.form.get("cancel"):
        save_progress(current_server(), waiting.interaction, now=request_time(), refused=True)
        return see_other(waiting.resume_url)
    return _try(waiting)


def _show(waiting: Waiting | None) -> Response:
    """The form; or straight on, when another tab of this browser has signed in meanwhile, or to the provider that the
    client asked for."""
    session, _user = current_session()
    if waiting is None and session is not None and not (request.args.get("again") and read_return_to()):
        return see_other(return_url(None, read_return_to()))
    if waiting is not None and not _is_wanted(waiting):
        return see_other(waiting.resume_url)
    if waiting is not None and request.method == "GET" and not waiting.interaction.progress.hint_followed:
        hinted = find_hinted(waiting, offer_for(waiting))
        if hinted is not None:
            save_progress(current_server(), waiting.interaction, now=request_time(), hint_followed=True)
            return begin(hinted, waiting, return_to="")
    hint = waiting.request.params.get("login_hint", "") if waiting is not None else ""
    return _render(waiting, username=hint[:MAX_NAME_LENGTH], notice=_notice(session is not None))


def _notice(is_signed_in: bool) -> str | None:
    declined = current_upstreams().find(request.args.get("declined", ""))
    if declined is not None:
        return str(_("You did not continue with %(provider)s. Choose another way.", provider=declined.label))
    if "changed" in request.args:
        return str(_("Your password is changed. Sign in with the new one."))
    return str(_("Please sign in again to continue.")) if is_signed_in else None


def _is_wanted(waiting: Waiting) -> bool:
    """Whether the request still needs a sign-in; `/authorize` says what else it comes to, an error too."""
    try:
        return needs_login(standing_of(waiting.request, waiting.interaction.progress))
    except LoginRequired:
        return False


def _takes_password(waiting: Waiting | None) -> bool:
    """Whether a password (and a second factor, if need be) could answer the request: not where the client wants
    nothing but another provider's word."""
    wanted = waiting.request.essential_acr if waiting is not None else frozenset()
    return not wanted or not wanted.isdisjoint({ACR_ONE_FACTOR, ACR_TWO_FACTORS})


def takes_passkey(waiting: Waiting | None) -> bool:
    """Whether a passkey alone could answer the request: it is two factors, and so one as well."""
    return allows_passkeys(current_server()) and _takes_password(waiting)


def render_refused_passkey(waiting: Waiting | None, message: str) -> Response:
    """This page again, after a passkey that proved nothing."""
    return _render(waiting, username="", errors=[{"field": None, "message": message}])


def _try(waiting: Waiting | None) -> Response:
    if not current_server().settings.local_passwords:
        return _render(waiting, username="", errors=[{"field": None, "message": _("There are no passwords here.")}])
    name, password = request.form.get("username", "").strip(), request.form.get("password", "")
    errors = _missing(name, password)
    if errors or len(name) > MAX_NAME_LENGTH:
        return _render(waiting, username=name[:MAX_NAME_LENGTH], errors=errors or [_wrong()])
    unproven = find_captcha_error("sign_in", failures=known_failures(name))
    if unproven is not None:
        return _render(waiting, username=name, errors=[unproven])
    return _check(waiting, name, password)


def _check(waiting: Waiting | None, name: str, password: str) -> Response:
    """The password, if it may be looked at: a try is counted before."""
    server, now = current_server(), request_time()
    counted = guessing.find_counted(server, name, device_cookie(), now=now)
    claim = guessing.claim_try(server, counted, now=now)
    if claim.wait:
        return _render_blocked(waiting, name, claim.wait)
    try:
        attempt = try_password(server.store, current_passwords(), name, password)
    except TemporarilyUnavailable:
        server.store.sign_in_failures.give_back(counted.key, claim, now=now)
        raise
    if attempt.user is not None:
        response = sign_in_by_password(waiting, attempt.user, read_return_to())
        return response if is_still_right(server.store, attempt) else _take_back(waiting, attempt.user, name)
    note_failure(name)
    guessing.note_failure(server, counted, claim, address=address(), now=now)
    _record_failure(attempt, waiting.request.client.client_id if waiting is not None else None)
    return _render(waiting, username=name, errors=[_wrong()])


def _take_back(waiting: Waiting | None, user: User, name: str) -> Response:
    """The password was changed while it was being checked: what it has begun ends, like everything before."""
    server = current_server()
    server.store.sessions.end_others(user.id, keep=None)
    forget_half(server, known_browser(), interaction_id_of(waiting), now=request_time())
    return _render(waiting, username=name, errors=[_wrong()])


def _render_blocked(waiting: Waiting | None, name: str, seconds: int) -> Response:
    """Too many failures: this password was not even looked at, and every other way in stands open."""
    wait = ngettext("%(num)s second", "%(num)s seconds", seconds)
    if seconds > 90:
        wait = ngettext("%(num)s minute", "%(num)s minutes", -(-seconds // 60))
    message = _(
        "There were too many wrong tries for this name, so at the moment not even the right password is accepted here. "
        "Wait %(wait)s. Or sign in with a browser that you have used before, in another way, or choose a new password.",
        wait=wait,
    )
    response = _render(waiting, username=name, errors=[{"field": None, "message": message}], status=429)
    response.headers["Retry-After"] = str(seconds)
    return response


def _record_failure(attempt: Attempt, client_id: str | None) -> None:
    audit.record(
        current_server(),
        audit.Event.SIGN_IN_FAILED,
        now=request_time(),
        user_id=attempt.known_user_id,
        client_id=client_id,
        why=attempt.why,
    )


def _missing(name: str, password: str) -> list[dict[str, str | None]]:
    errors: list[dict[str, str | None]] = []
    if not name:
        errors.append({"field": "username", "message": _("Enter your user name or e-mail address.")})
    if not password:
        errors.append({"field": "password", "message": _("Enter your password.")})
    return errors


def _wrong() -> dict[str, str | None]:
    """One answer whether the name is unknown, the password wrong or the account disabled (ASVS 6.3.8)."""
    return {"field": None, "message": _("This user name and password do not go together. Check both and try again.")}


def _ways_out(waiting: Waiting | None, has_password_form: bool) -> dict[str, Any]:
    """Where somebody goes who has no account, or no password any more."""
    query: dict[str, Any] = {"interaction": interaction_id_of(waiting) or None, "to": read_return_to() or None}
    may_sign_up = has_password_form and current_server().settings.offers_sign_up
    return {
        "sign_up_url": url_for("pages.sign_up", **query) if may_sign_up else None,
        "recover_url": url_for("pages.recover", interaction=query["interaction"]) if has_password_form else None,
    }


def _passkey_view() -> dict[str, Any]:
    """The form of a passkey, and what the browser is asked for; making that stores nothing."""
    options = make_authentication_options(ceremony_for(Purpose.SIGN_IN))
    return {"action": url_for("pages.passkey_sign_in"), "options": options}


def _render(
    waiting: Waiting | None,
    *,
    username: str,
    errors: list[dict[str, str | None]] | None = None,
    notice: str | None = None,
    status: int = 200,
) -> Response:
    offer = offer_for(waiting)
    has_password_form = current_server().settings.local_passwords and _takes_password(waiting)
    return render_page(
        "login",
        status=status,
        captcha=captcha_for(current_server(), "sign_in", failures=known_failures(username), now=request_time())
        if has_password_form
        else None,
        action=url_for("pages.login"),
        interaction_id=waiting.interaction.id if waiting is not None else "",
        client=client_view(waiting.request.client) if waiting is not None else None,
        username=username,
        errors=errors or [],
        notice=notice,
        has_password_form=has_password_form,
        **_ways_out(waiting, has_password_form),
        passkey=_passkey_view() if takes_passkey(waiting) else None,
        providers=[provider_view(connection) for connection in offer.connections],
        unproven=list(offer.unproven),
        return_to=read_return_to(),
    )
