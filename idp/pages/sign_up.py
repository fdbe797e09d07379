"""Making an account (Initiating User Registration via OpenID Connect 1.0: `prompt=create` leads here).

The form, then a mail, then the account: `pages/confirm.py` has the end of it. Only an invitation, which came by mail,
makes the account at once. The request that waits goes on afterwards.
"""

from collections.abc import Mapping
from typing import Any

from flask import Response, request, url_for
from flask_babel import get_locale
from flask_babel import gettext as _

from idp.accounts import registration
from idp.accounts.invitations import Invitation, claim_invitation, find_invitation, give_back
from idp.accounts.registration import Registration, find_mistakes, form_fields, is_open, is_taken
from idp.authorization.interaction import save_progress
from idp.captcha import captcha_for
from idp.pages.messages import render_message
from idp.pages.new_password import find_password_mistakes, password_view
from idp.web.captcha import find_captcha_error
from idp.web.csrf import check_form
from idp.web.current import current_passwords, current_server, request_time
from idp.web.errors import render_expired
from idp.web.interactions import Waiting, find_waiting
from idp.web.limits import limited_network, limiter
from idp.web.pages import client_view, render_page, see_other
from idp.web.session_cookie import browser, remember_proof
from idp.web.sign_in import interaction_id_of, read_return_to, sign_in_by_password

MAX_FIELD_LENGTH = 320
# Accounts and recoveries that one address begins, and user names that it hears are taken; other mistakes do not count.
LIMIT_SCOPE = "sign_up"
Errors = list[dict[str, Any]]


def sign_up() -> Response:
    interaction_id = request.values.get("interaction")
    waiting = find_waiting(interaction_id)
    if interaction_id and waiting is None:
        return render_expired()
    if request.method == "POST":
        check_form()
        if waiting is not None and request.form.get("has_account"):
            save_progress(current_server(), waiting.interaction, now=request_time(), has_account=True)
            return see_other(waiting.resume_url)
    invitation = find_invitation(current_server(), request.values.get("invitation"), now=request_time())
    if not is_open(current_server().settings, is_invited=invitation is not None):
        return _closed(waiting)
    if request.method != "POST":
        return _render(waiting, invitation, _hinted(waiting))
    return _register(waiting, invitation)


def _closed(waiting: Waiting | None) -> Response:
    return render_message(
        waiting, status=403,
        title=_("New accounts are not made here"),
        message=_("This service is open to people who have an account, or an invitation that is still good."),
        advice=_("Ask whoever runs this service for an invitation."),
    )  # fmt: skip


def _hinted(waiting: Waiting | None) -> dict[str, str]:
    """What the client knows of the person already: an address in `login_hint`."""
    hint = waiting.request.params.get("login_hint") or "" if waiting is not None else ""
    return {"email": hint} if registration.is_email(hint) else {}


def _register(waiting: Waiting | None, invitation: Invitation | None) -> Response:
    typed = _read_form(invitation)
    errors = _find_errors(typed)
    if errors:
        return _render(waiting, invitation, typed, errors)
    with limiter.shared_limit(current_server().settings.ratelimit_sign_up, scope=LIMIT_SCOPE):
        if is_taken(current_server(), typed.get("username")):
            message = _("This user name is taken. Choose another one.")
            return _render(waiting, invitation, typed, [{"field": "username", "message": message}])
        password_hash = current_passwords().hash(request.form["password"])
    language = str(get_locale())
    filled = {name: value for name, value in typed.items() if value}
    wanted = Registration(**filled, password_hash=password_hash, locale=language)
    if invitation is not None:
        return _accept(waiting, invitation, wanted)
    waits, now = {"interaction": interaction_id_of(waiting), "to": read_return_to()}, request_time()
    server, network = current_server(), limited_network()
    proof_id = registration.begin(server, wanted, waits, browser(), network=network, language=language, now=now)
    remember_proof(proof_id)
    return see_other(url_for("pages.confirm"))


def _accept(waiting: Waiting | None, invitation: Invitation, wanted: Registration) -> Response:
    """The link has proved the address already. Whoever holds it reads that mail, and may be told of an account."""
    server, now, token = current_server(), request_time(), request.form["invitation"]
    if not claim_invitation(server, token, now=now):
        return render_taken(waiting)
    user = registration.make_account(server, wanted, roles=invitation.roles, by="invitation", now=now)
    if user is None:
        give_back(server, token, invitation, now=now)
        return render_taken(waiting)
    return sign_in_by_password(waiting, user, read_return_to())


def render_taken(waiting: Waiting | None) -> Response:
    return render_message(
        waiting, status=409,
        title=_("This account cannot be made"),
        message=_("The user name or the address was taken in the meantime, or the link has just been used."),
        advice=_("Sign in if you have an account, or begin again."),
    )  # fmt: skip


def _read_form(invitation: Invitation | None) -> dict[str, str]:
    """The fields that are asked for, with single spaces between words; the address of an invitation is fixed."""
    names = [each.name for each in form_fields(current_server().settings.sign_up_fields)]
    typed = {name: " ".join(request.form.get(name, "").split())[: MAX_FIELD_LENGTH + 1] for name in names}
    return typed if invitation is None else typed | {"email": invitation.email}


def _find_errors(typed: Mapping[str, str]) -> Errors:
    unproven = find_captcha_error("sign_up")
    if unproven is not None:
        return [unproven]  # programs are not told either which user names are taken
    mistakes = find_mistakes(current_server(), typed)
    errors: Errors = [{"field": name, "message": _describe(name, kind)} for name, kind in mistakes.items()]
    return errors + find_password_mistakes(about=tuple(value for value in typed.values() if value))


def _describe(name: str, kind: str) -> str:
    if kind == "missing":
        return str(_("Fill in this field."))
    return {
        "email": str(_("Enter an e-mail address, such as name@example.com.")),
        "username": str(_("Use 3 to 32 letters, digits, dots, hyphens or underscores.")),
        "phone_number": str(_("Enter a phone number, such as +33 1 23 45 67 89.")),
    }.get(name, str(_("This is too long, or has characters that cannot be used here.")))


def _render(
    waiting: Waiting | None, invitation: Invitation | None, typed: Mapping[str, str], errors: Errors | None = None
) -> Response:
    server = current_server()
    return render_page(
        "sign_up",
        status=400 if errors else 200,
        captcha=captcha_for(server, "sign_up", now=request_time()),
        action=url_for("pages.sign_up"),
        interaction_id=interaction_id_of(waiting),
        return_to=read_return_to(),
        invitation=request.values.get("invitation", "") if invitation is not None else "",
        invited_email=invitation.email if invitation is not None else None,
        client=client_view(waiting.request.client) if waiting is not None else None,
        fields=[{"name": each.name, "required": each.required} for each in form_fields(server.settings.sign_up_fields)],
        typed=typed,
        password=password_view(),
        errors=errors or [],
        login_url=url_for("pages.login", to=read_return_to() or None) if waiting is None else None,
    )
