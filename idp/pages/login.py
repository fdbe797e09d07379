"""Sign-in by password, or the choice of another provider. The request that waits survives whatever is typed here."""

from flask import Response, request, url_for
from flask_babel import gettext as _

from idp import audit
from idp.accounts.sign_in import Attempt, try_password
from idp.authorization.interaction import save_progress
from idp.authorization.steps import needs_login
from idp.pages.providers import find_hinted, offer_for, provider_view
from idp.pages.upstream import begin
from idp.protocol.errors import LoginRequired
from idp.protocol.names import ACR_ONE_FACTOR
from idp.web.csrf import check_form
from idp.web.current import current_passwords, current_server, current_upstreams, request_time
from idp.web.errors import render_expired
from idp.web.interactions import Waiting, find_waiting, standing_of
from idp.web.pages import client_view, render_page, see_other
from idp.web.session_cookie import current_session
from idp.web.sign_in import read_return_to, return_url, sign_in_by_password

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
    return str(_("Please sign in again to continue.")) if is_signed_in else None


def _is_wanted(waiting: Waiting) -> bool:
    """Whether the request still needs a sign-in; `/authorize` says what else it comes to, an error too."""
    try:
        return needs_login(standing_of(waiting.request, waiting.interaction.progress))
    except LoginRequired:
        return False


def _takes_password(waiting: Waiting | None) -> bool:
    """Whether a password could answer the request: not where another `acr` is essential."""
    wanted = waiting.request.essential_acr if waiting is not None else frozenset()
    return not wanted or ACR_ONE_FACTOR in wanted


def _try(waiting: Waiting | None) -> Response:
    name, password = request.form.get("username", "").strip(), request.form.get("password", "")
    errors = _missing(name, password)
    if errors or len(name) > MAX_NAME_LENGTH:
        return _render(waiting, username=name[:MAX_NAME_LENGTH], errors=errors or [_wrong()])
    server, now = current_server(), request_time()
    attempt = try_password(server.store, current_passwords(), name, password, now=now)
    if attempt.user is None:
        _record_failure(attempt, waiting.request.client.client_id if waiting is not None else None)
        return _render(waiting, username=name, errors=[_wrong()])
    return sign_in_by_password(waiting, attempt.user, read_return_to())


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


def _render(
    waiting: Waiting | None,
    *,
    username: str,
    errors: list[dict[str, str | None]] | None = None,
    notice: str | None = None,
) -> Response:
    offer = offer_for(waiting)
    return render_page(
        "login",
        action=url_for("pages.login"),
        interaction_id=waiting.interaction.id if waiting is not None else "",
        client=client_view(waiting.request.client) if waiting is not None else None,
        username=username,
        errors=errors or [],
        notice=notice,
        has_password_form=_takes_password(waiting),
        providers=[provider_view(connection) for connection in offer.connections],
        unproven=list(offer.unproven),
        return_to=read_return_to(),
    )
