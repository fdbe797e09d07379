"""The language of a page: chosen on the page, else `ui_locales` (Core §3.1.2.1), the person's, the browser's, the
default."""

import re

from flask import Flask, g, request
from flask import session as form_cookie
from flask_babel import Babel, get_locale

from idp.protocol.names import UI_LOCALES
from idp.settings import Settings
from idp.web.current import current_server
from idp.web.session_cookie import known_person

LANGUAGE_NAMES = {"en": "English", "fr": "Français"}
PARAMETER = "lang"
_TAG = re.compile(r"[A-Za-z]{2,8}(-[A-Za-z0-9]{1,8}){0,3}")  # RFC 5646 §2.1, as far as anybody writes them


def register_locale(app: Flask, settings: Settings) -> None:
    Babel(app, default_locale=settings.default_locale, locale_selector=select_locale)


def wish_for_locales(ui_locales: str | None) -> None:
    """The client's wish for this request; unknown languages in it are passed over."""
    g.ui_locales = ui_locales


def language_elsewhere() -> str:
    """The language to ask another provider for: the page's, or what the client wishes most when we do not have that and
    the person has not chosen one here."""
    page, wish = str(get_locale()), (g.get("ui_locales") or "").split(" ")[0]
    if form_cookie.get("lang") in UI_LOCALES or not _TAG.fullmatch(wish):
        return page
    return page if wish.partition("-")[0].lower() == page else str(wish)


def select_locale() -> str:
    chosen = request.args.get(PARAMETER)
    if chosen in UI_LOCALES:
        if form_cookie.get("lang") != chosen:
            form_cookie["lang"] = chosen
        return str(chosen)
    if form_cookie.get("lang") in UI_LOCALES:
        return str(form_cookie["lang"])
    wishes = (g.get("ui_locales") or request.args.get("ui_locales") or "").split(" ")
    accepted = [language for language, quality in request.accept_languages if quality > 0]  # the best first
    for wish in (*wishes, _choice_of_person(), *accepted):
        language = wish.partition("-")[0].lower()
        if language in UI_LOCALES:
            return str(language)
    return current_server().settings.default_locale


def _choice_of_person() -> str:
    """The language that the person who is signed in has chosen on the profile page, exactly as it is written there: a
    provider's word for them (`en-GB`) is no choice of theirs."""
    person = known_person()
    locale = person.claims.get("locale") if person is not None else None
    return str(locale) if locale in UI_LOCALES else ""
