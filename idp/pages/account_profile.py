"""Profile: names, user name, phone number, picture, language. What is written here wins over what a provider says.

The user name and the phone number tell who somebody is at a sign-in or a recovery, so they need a fresh sign-in
(ASVS 7.5.1); the other fields do not.
"""

import re
from collections.abc import Mapping
from datetime import date
from typing import Any
from urllib.parse import urlsplit

from flask import Response, request, url_for
from flask import session as form_cookie
from flask_babel import gettext as _

from idp import audit
from idp.accounts.notices import language_of, tell_way_in_changed
from idp.accounts.registration import MAX_NAME_LENGTH, MAX_PHONE_LENGTH, PHONE, USERNAME
from idp.pages.account_nav import Errors, for_person, is_proven, render_account_page
from idp.pages.factor_tries import scene
from idp.protocol.identity import Session, User
from idp.protocol.names import UI_LOCALES
from idp.web.current import current_server, request_time
from idp.web.locale import LANGUAGE_NAMES, PARAMETER
from idp.web.pages import see_other

WORD = "account-profile"
MAX_URL_LENGTH = 1000
ALWAYS = ("given_name", "family_name", "picture", "locale")
IF_THERE = ("birthdate", "website")  # offered to whoever has one
GUARDED = ("username", "phone_number")
_HOST = re.compile(r"[\w.-]+|[\da-f:.]+")
_YEAR_OR_DAY = re.compile(r"(\d{4})(-\d\d-\d\d)?")


@for_person(WORD)
def profile(session: Session, user: User) -> Response:
    if request.method != "POST":
        return _render(session, user, _known(user))
    typed = _typed(user)
    if _changes_guarded(user, typed) and not is_proven(session, user):
        return see_other(url_for("pages.account_profile"))
    errors = _find_mistakes(user, typed)
    if not errors and not _save(user, typed):
        errors = [{"field": "username", "message": _("This user name is taken. Choose another one.")}]
    if errors:
        return _render(session, user, typed, errors=errors)
    if typed["locale"] in UI_LOCALES:
        form_cookie[PARAMETER] = typed["locale"]
    return see_other(url_for("pages.account_profile", saved=1))


def _known(user: User) -> dict[str, str]:
    """What the form shows; a field that is not here is not shown."""
    values = {name: str(user.claims.get(name) or "") for name in (*ALWAYS, "phone_number")}
    values |= {name: str(user.claims[name]) for name in IF_THERE if user.claims.get(name)}
    language = language_of(user, "")
    return values | {"username": user.username, "locale": language or values["locale"]}


def _typed(user: User) -> dict[str, str]:
    """What was sent, without space around; a field that was not sent stays as it is."""
    return {name: request.form.get(name, value).strip() for name, value in _known(user).items()}


def _changes_guarded(user: User, typed: Mapping[str, str]) -> bool:
    known = _known(user)
    return any(typed[name] != known[name] for name in GUARDED)


def _find_mistakes(user: User, typed: Mapping[str, str]) -> Errors:
    known = _known(user)
    sentences = {
        "given_name": _("Use at most %(count)s characters, in one line.", count=MAX_NAME_LENGTH),
        "family_name": _("Use at most %(count)s characters, in one line.", count=MAX_NAME_LENGTH),
        "username": _("Use 3 to 32 letters without accents, digits, dots, hyphens and underscores."),
        "phone_number": _("Enter a phone number, such as +41 21 123 45 67."),
        "picture": _("Enter an address that begins with https://."),
        "website": _("Enter an address that begins with https:// or http://."),
        "birthdate": _("Enter a date, such as 1990-12-31."),
        "locale": _("Choose one of the languages."),
    }
    changed = [name for name in typed if typed[name] != known[name]]
    return [{"field": name, "message": sentences[name]} for name in changed if not _is_well_formed(name, typed[name])]


def _is_well_formed(name: str, value: str) -> bool:
    if not value:
        return name != "username"
    if not value.isprintable():
        return False
    checks = {
        "username": lambda: USERNAME.fullmatch(value) is not None,
        "phone_number": lambda: len(value) <= MAX_PHONE_LENGTH and PHONE.fullmatch(value) is not None,
        "picture": lambda: is_web_address(value, ("https",)),
        "website": lambda: is_web_address(value, ("https", "http")),
        "birthdate": lambda: _is_date(value),
        "locale": lambda: value in UI_LOCALES,
    }
    return checks[name]() if name in checks else len(value) <= MAX_NAME_LENGTH


def is_web_address(text: str, schemes: tuple[str, ...]) -> bool:
    """Whether this is an address of the web without a name or password in it. Nobody fetches it here; it goes to
    applications as a claim."""
    if len(text) > MAX_URL_LENGTH or not text.isascii() or any(c in text for c in " \"'<>\\`{}|^"):
        return False
    try:
        parts = urlsplit(text)
        _port = parts.port
    except ValueError:
        return False
    is_plain = parts.username is None and parts.password is None
    return parts.scheme in schemes and is_plain and _HOST.fullmatch(parts.hostname or "") is not None


def _is_date(text: str) -> bool:
    """OpenID Connect Core §5.1 `birthdate`: a day, whose year may be 0000, or a year alone."""
    found = _YEAR_OR_DAY.fullmatch(text)
    if found is None or not text.isascii():
        return False
    try:
        date.fromisoformat(text.replace("0000", "2000", 1) if found[2] else f"{max(found[1], '0001')}-01-01")
    except ValueError:
        return False
    return True


def _save(user: User, typed: Mapping[str, str]) -> bool:
    """False when the user name is taken."""
    known, server, now = _known(user), current_server(), request_time()
    changed = {name: value for name, value in typed.items() if value != known[name]}
    if not changed:
        return True
    claims: dict[str, Any] = {name: value for name, value in changed.items() if name not in GUARDED}
    if not {"given_name", "family_name"}.isdisjoint(changed):
        claims["name"] = " ".join(part for part in (typed["given_name"], typed["family_name"]) if part)
    saved = server.store.profiles.edit(
        user.id,
        claims,
        now=now,
        username=changed.get("username"),
        phone_number=typed["phone_number"],
        changes_phone="phone_number" in changed,
    )
    if not saved:
        return False
    audit.record(server, audit.Event.PROFILE_CHANGED, now=now, user_id=user.id, fields=sorted(changed))
    if "username" in changed:
        audit.record(server, audit.Event.USERNAME_CHANGED, now=now, user_id=user.id)
        tell_way_in_changed(server, server.store.users.find(user.id) or user, "username_changed", scene())
    return True


def _render(session: Session, user: User, values: Mapping[str, str], *, errors: Errors | None = None) -> Response:
    return render_account_page(
        "account_profile",
        WORD,
        session,
        user,
        status=400 if errors else 200,
        errors=errors,
        action=url_for("pages.account_profile"),
        values=dict(values),
        languages=LANGUAGE_NAMES,
        notice=_("Your profile is saved.") if "saved" in request.args and request.method == "GET" else None,
    )
