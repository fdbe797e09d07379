"""Choosing a password, wherever that is: the two fields, what is wrong with them in words, and what the page says."""

from collections.abc import Sequence
from typing import Any

from flask import request
from flask_babel import gettext as _

from idp.accounts.password_policy import Reason, Strength, check_new_password, is_listed, rate_password
from idp.accounts.passwords import MAX_PASSWORD_LENGTH
from idp.web.current import current_server

Mistakes = list[dict[str, Any]]


def find_password_mistakes(*, about: Sequence[str]) -> Mistakes:
    """What is wrong with `password` and `password_again` of this form; `about`: the person's names and address."""
    password, again = request.form.get("password", ""), request.form.get("password_again", "")
    if not password:
        return [{"field": "password", "message": _("Choose a password.")}]
    mistakes: Mistakes = [
        {"field": "password", "message": _describe(reason, password)}
        for reason in check_new_password(current_server().settings, password, about=about)
    ]
    if password != again:
        mistakes.append({"field": "password_again", "message": _("The two passwords differ.")})
    return mistakes


def _describe(reason: Reason, password: str) -> str:
    """One kind sentence: what to change, and why."""
    settings = current_server().settings
    if reason is Reason.COMMON:
        return _describe_common(password)
    sentences = {
        Reason.TOO_SHORT: _("Use at least %(count)s characters. A few words in a row are easy to remember.",
                            count=settings.password_min_length),
        Reason.TOO_LONG: _("Use at most %(count)s characters.", count=MAX_PASSWORD_LENGTH),
        Reason.BREACHED: _("This password has appeared in a leak elsewhere, so it is no secret any more. "
                           "Choose another."),
        Reason.PERSONAL: _("This password is made of your own name or address. Choose one that has nothing of them."),
        Reason.SITE: _("This password is made of the name of this service. Choose one that has nothing of it."),
    }  # fmt: skip
    return str(sentences[reason])


def _describe_common(password: str) -> str:
    if is_listed(password) or rate_password(password, ()) is Strength.VERY_WEAK:
        return str(_("This password is one of those that are tried first. Choose one that nobody would guess."))
    return str(_("This password would be guessed soon. Add a word or two that have nothing to do with the others."))


def password_view() -> dict[str, int]:
    """What the two fields need to know."""
    return {"min_length": current_server().settings.password_min_length, "max_length": MAX_PASSWORD_LENGTH}
