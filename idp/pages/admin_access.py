"""Who may open the admin's pages: people signed in here who have a role of IDP_ADMIN_ROLES.

Nobody else sees anything: whoever is not signed in signs in first and comes back; whoever lacks the role is told so,
with a 403. Where the person has a second factor, or owes one for a role, this session must have given it, trusted
browser or not. These pages change nothing.
"""

from collections.abc import Callable
from functools import wraps
from typing import Any

from flask import Response, url_for
from flask_babel import gettext as _

from idp.authorization.steps import has_strict_role
from idp.pages.account_nav import has_factor, prove_url
from idp.pages.messages import render_message
from idp.protocol.identity import Session, User
from idp.protocol.names import ACR_TWO_FACTORS
from idp.web.current import current_server
from idp.web.pages import see_other
from idp.web.session_cookie import current_session
from idp.web.sign_in import ADMIN_CLIENTS


def is_admin(user: User | None) -> bool:
    """Whether the home page offers these pages; the pages themselves ask for more."""
    return user is not None and not set(user.roles).isdisjoint(current_server().settings.admin_roles)


def for_admin(page: Callable[..., Response]) -> Callable[..., Response]:
    """A page only for such people. It is given the person first."""

    @wraps(page)
    def _checked(**place: Any) -> Response:
        session, user = current_session()
        if session is None or user is None:
            return see_other(url_for("pages.login", to=ADMIN_CLIENTS))
        if user.deletes_at is not None:
            return see_other(url_for("pages.keep_account"))
        if not is_admin(user):
            return _refuse()
        missing = _missing_proof(session, user)
        return page(user, **place) if missing is None else see_other(missing)

    return _checked


def _missing_proof(session: Session, user: User) -> str | None:
    """Where the second factor is given that this session lacks."""
    if session.acr == ACR_TWO_FACTORS:
        return None
    if has_factor(user):
        return prove_url(session, ADMIN_CLIENTS)
    if has_strict_role(current_server(), user):
        return url_for("pages.login", to=ADMIN_CLIENTS, again=1)
    return None


def _refuse() -> Response:
    return render_message(
        None,
        status=403,
        title=_("This page is for administrators"),
        message=_("Your account does not have the role that it takes."),
        advice=None,
        next_url=url_for("pages.account"),
        next_label=_("Your account"),
    )
