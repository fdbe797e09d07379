"""A forgotten password: ask for the link, then choose a new password with it. Nobody is told whether an address is
known, and nobody is signed in by the link."""

from typing import Any

from flask import Response, request, url_for
from flask_babel import get_locale
from flask_babel import gettext as _

from idp.accounts.recovery import find_reset, finish_reset, start_recovery
from idp.accounts.registration import MAX_EMAIL_LENGTH, is_email
from idp.captcha import captcha_for
from idp.pages.messages import render_message
from idp.pages.new_password import find_password_mistakes, password_view
from idp.pages.sign_up import LIMIT_SCOPE
from idp.web.captcha import find_captcha_error
from idp.web.csrf import check_form
from idp.web.current import current_passwords, current_server, request_time
from idp.web.errors import render_expired
from idp.web.interactions import Waiting, find_waiting
from idp.web.limits import limiter
from idp.web.log import address
from idp.web.pages import client_view, render_page, see_other
from idp.web.trusted_device import remember_device

Errors = list[dict[str, Any]]


def recover() -> Response:
    interaction_id = request.values.get("interaction")
    waiting = find_waiting(interaction_id)
    if interaction_id and waiting is None:
        return render_expired()
    if not current_server().settings.local_passwords:
        return _no_passwords(waiting)
    if request.method != "POST":
        return _render_request(waiting, was_sent="sent" in request.args)
    check_form()
    email = request.form.get("email", "").strip()
    errors: Errors = []
    if not is_email(email):
        errors.append({"field": "email", "message": _("Enter an e-mail address, such as name@example.com.")})
    unproven = find_captcha_error("recovery")
    errors += [unproven] if unproven is not None else []
    if errors:
        return _render_request(waiting, email=email[:MAX_EMAIL_LENGTH], errors=errors)
    server, language = current_server(), str(get_locale())
    with limiter.shared_limit(server.settings.ratelimit_sign_up, scope=LIMIT_SCOPE):
        start_recovery(server, email, interaction_id or None, language=language, now=request_time())
    return see_other(url_for("pages.recover", interaction=interaction_id or None, sent=1))


def reset() -> Response:
    server, now = current_server(), request_time()
    if not server.settings.local_passwords:
        return _no_passwords(None)
    found = find_reset(server, request.values.get("token"), now=now)
    if found is None:
        return _stale()
    if request.method != "POST":
        return _render_reset(found.token, found.user.username)
    check_form()
    about = (found.user.username, found.email, *map(str, found.user.claims.values()))
    errors = find_password_mistakes(about=about)
    if errors:
        return _render_reset(found.token, found.user.username, errors)
    password_hash = current_passwords().hash(request.form["password"])
    if not finish_reset(server, found, password_hash, address=address(), now=now):
        return _stale()
    waiting = find_waiting(found.interaction_id)
    interaction = waiting.interaction.id if waiting is not None else None
    response = see_other(url_for("pages.login", interaction=interaction, changed=1))
    remember_device(response, found.user.id)  # or strangers who go on guessing would keep them out
    return response


def _render_request(
    waiting: Waiting | None, *, email: str = "", was_sent: bool = False, errors: Errors | None = None
) -> Response:
    interaction_id = waiting.interaction.id if waiting is not None else None
    hint = waiting.request.params.get("login_hint", "") if waiting is not None else ""
    return render_page(
        "recover",
        status=400 if errors else 200,
        captcha=captcha_for(current_server(), "recovery", now=request_time()),
        action=url_for("pages.recover"),
        interaction_id=interaction_id or "",
        client=client_view(waiting.request.client) if waiting is not None else None,
        email=email or (hint if "@" in hint else ""),
        was_sent=was_sent,
        errors=errors or [],
        login_url=url_for("pages.login", interaction=interaction_id),
    )


def _render_reset(token: str, username: str, errors: Errors | None = None) -> Response:
    return render_page(
        "reset",
        status=400 if errors else 200,
        language_links=False,
        action=url_for("pages.reset"),
        token=token,
        username=username,
        password=password_view(),
        errors=errors or [],
    )


def _stale() -> Response:
    return render_message(
        None, status=400,
        title=_("This link cannot be used any more"),
        message=_("It has been used already, it is more than an hour old, or a newer one was sent."),
        advice=_("Ask for a new link, and use the newest mail."),
        next_url=url_for("pages.recover"),
        next_label=_("Ask for a new link"),
    )  # fmt: skip


def _no_passwords(waiting: Waiting | None) -> Response:
    return render_message(
        waiting, status=403,
        title=_("There are no passwords here"),
        message=_("People sign in to this service in other ways."),
        advice=_("Choose one of them."),
    )  # fmt: skip
