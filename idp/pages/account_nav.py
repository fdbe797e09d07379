"""The account pages as a whole: their order and names, who may open them, and when a change needs a new sign-in.

Owns SECTIONS. A page of a section is a function of (Session, User) with `@for_person(<its word>)`, rendered by
`render_account_page`, its template in the frame of `_account_nav.html`.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import wraps
from typing import Any

from flask import Response, request, url_for
from flask_babel import format_date, format_datetime
from flask_babel import lazy_gettext as _

from idp.accounts.second_factor import find_factors
from idp.pages.select_account import was_shown_to
from idp.protocol.identity import Session, User
from idp.protocol.names import ACR_TWO_FACTORS
from idp.web.csrf import check_form
from idp.web.current import current_server
from idp.web.pages import account_view, render_page, see_other
from idp.web.session_cookie import current_session, is_fresh
from idp.web.sign_in import RETURNS

Page = Callable[[Session, User], Response]
Errors = list[dict[str, str | None]]


@dataclass(frozen=True, slots=True)
class Section:
    """`word` is its name in RETURNS, by which a sign-in leads back to it; `id` is that of its link."""

    word: str
    id: str
    label: Any


SECTIONS: tuple[Section, ...] = (
    Section("account", "overview", _("Overview")),
    Section("account-profile", "profile", _("Profile")),
    Section("account-email", "email", _("E-mail")),
    Section("account-password", "password", _("Password")),
    Section("account-factors", "factors", _("Second factors")),
    Section("account-sessions", "sessions", _("Devices")),
    Section("account-apps", "apps", _("Apps with access")),
    Section("account-history", "history", _("History")),
    Section("account-data", "data", _("Your data")),
    Section("account-delete", "delete", _("Delete the account")),
)


_WHILE_LEAVING = frozenset({"account-data", "account-delete"})  # the other pages only once the account is kept


def for_person(word: str) -> Callable[[Page], Callable[[], Response]]:
    """A page only for whoever is signed in; anybody else signs in first and comes back to it.

    A POST is one of our forms, and was shown to this very person: in another tab somebody else may have signed in.
    """

    def _decorate(page: Page) -> Callable[[], Response]:
        @wraps(page)
        def _checked() -> Response:
            if request.method == "POST":
                check_form()
            session, user = current_session()
            if session is None or user is None:
                return see_other(url_for("pages.login", to=word))
            if request.method == "POST" and not was_shown_to(user):
                return see_other(url_for(RETURNS[word]))
            if user.deletes_at is not None and word not in _WHILE_LEAVING:
                return see_other(url_for("pages.keep_account"))
            return page(session, user)

        return _checked

    return _decorate


def is_proven(session: Session, user: User) -> bool:
    """Whether a sensitive change may be made: a sign-in of the last five minutes, with a second factor where the person
    has one (ASVS 7.5.1, 7.5.3)."""
    return is_fresh(session) and (session.acr == ACR_TWO_FACTORS or not has_factor(user))


def has_factor(user: User) -> bool:
    return find_factors(current_server(), user.id).is_any


def prove_url(session: Session, word: str) -> str:
    """Where the person proves again who they are; it leads back to the section."""
    if is_fresh(session):
        return url_for("pages.second_factor", to=word)
    return url_for("pages.login", to=word, again=1)


def render_account_page(
    name: str, word: str, session: Session, user: User, *, status: int = 200, errors: Errors | None = None, **shown: Any
) -> Response:
    """The template `pages/<name>.html` with what all of them are given: `account`, `nav`, `is_fresh` (whether sensitive
    changes are possible), `sign_in_again_url`, `errors`."""
    return render_page(
        name,
        status=status,
        account=account_view(user),
        nav=_nav(word),
        is_fresh=is_proven(session, user),
        sign_in_again_url=prove_url(session, word),
        errors=errors or [],
        **shown,
    )


def shown_date(seconds: int | None) -> str | None:
    return None if seconds is None else str(format_date(datetime.fromtimestamp(seconds, UTC), "long"))


def shown_time(seconds: int) -> str:
    """To the minute, in UTC: where the person is, nobody knows."""
    return f"{format_datetime(datetime.fromtimestamp(seconds, UTC), 'medium')} UTC"


def _nav(word: str) -> list[dict[str, Any]]:
    """The sections, and the way out, which is on every page (ASVS 7.4.4)."""
    sections = [
        {"id": each.id, "label": each.label, "url": url_for(RETURNS[each.word]), "current": each.word == word}
        for each in SECTIONS
        if each.id != "password" or current_server().settings.local_passwords
    ]
    return [*sections, {"id": "sign-out", "label": _("Sign out"), "url": url_for("pages.logout"), "current": False}]
