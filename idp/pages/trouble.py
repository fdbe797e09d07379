"""When signing in with another provider does not work out: what happened, and what to do now."""

from typing import Any

import structlog
from flask import Response, url_for
from flask_babel import gettext as _

from idp import audit
from idp.accounts.linking import Why
from idp.pages.providers import offer_for, provider_view
from idp.protocol.findings import Finding
from idp.upstream import errors
from idp.upstream.connection import Connection
from idp.web.current import current_server, request_time
from idp.web.inspector import note
from idp.web.interactions import Waiting
from idp.web.log import request_id
from idp.web.pages import client_view, render_page
from idp.web.sign_in import ACCOUNT, RETURNS

_log = structlog.get_logger("idp.upstream")


def render_failure(
    connection: Connection,
    failure: errors.UpstreamFailed,
    waiting: Waiting | None,
    return_to: str | None,
    *,
    is_linking: bool = False,
) -> Response:
    """The page for what the provider did; the request that waits stays as it was. A link is begun again on the account
    page, because trying it again from here would be a sign-in."""
    kind = type(failure).__name__
    _log.warning("upstream failed", upstream=connection.name, kind=kind, detail=failure.detail)
    audit.record_once_a_minute(
        current_server(), audit.Event.UPSTREAM_FAILED, f"{connection.name} {kind}", now=request_time(),
        upstream=connection.name, kind=kind, detail=failure.detail,
    )  # fmt: skip
    client_id = waiting.request.client.client_id if waiting is not None else None
    finding = Finding(f"answer of {connection.name}", (), f"{kind}: {failure.detail}"[:300], "See: idp doctor")
    note("upstream_failed", "The sign-in with another provider did not work out.", [finding], client_id=client_id)
    status, title, message, advice = _words(connection.label, failure)
    return _render(
        connection, waiting, return_to, status=status, title=title, message=message, advice=advice,
        may_retry=not is_linking and not isinstance(failure, errors.NotFresh | errors.NotAllowed),
    )  # fmt: skip


def _words(label: str, failure: errors.UpstreamFailed) -> tuple[int, str, str, str]:
    another = _("Choose another way to sign in.")
    if isinstance(failure, errors.Unavailable | errors.Busy):
        title = _("%(provider)s does not answer at the moment", provider=label)
        return 503, title, _("The trouble is there, not with you."), _("Try again in a moment, or choose another way.")
    if isinstance(failure, errors.NotFresh):
        title = _("%(provider)s cannot confirm anew who you are", provider=label)
        message = _("It must be certain that it is you at this moment, and %(provider)s does not tell.", provider=label)
        return 403, title, message, another
    if isinstance(failure, errors.NotAllowed):
        message = _("Only some accounts of %(provider)s may sign in here, and this one is not among them.",
                    provider=label)  # fmt: skip
        return 403, _("This account may not sign in here"), message, _("Use another account, or choose another way.")
    if isinstance(failure, errors.Refused):
        title = _("The sign-in with %(provider)s did not work", provider=label)
        return 400, title, _("It took too long, or was begun twice."), _("Try again, or choose another way.")
    title = _("The answer of %(provider)s cannot be trusted", provider=label)
    return 502, title, _("It did not pass our checks, so nobody was signed in."), _("Try again, or choose another way.")


def render_turned_away(connection: Connection, why: Why, waiting: Waiting | None, return_to: str | None) -> Response:
    """The provider vouches for the person, and there is no account for them, or none they may use."""
    if why is Why.SIGN_UP_CLOSED:
        title = _("There is no account for you here yet")
        message = _("New accounts are not made by signing in with %(provider)s.", provider=connection.label)
        advice = _("If you have an account, sign in the way you always did. Otherwise ask whoever runs this service.")
    else:
        title, message = _("This account is disabled"), _("Nobody can sign in with it at the moment.")
        advice = _("Ask whoever runs this service.")
    return _render(connection, waiting, return_to, status=403, title=title, message=message, advice=advice)


def render_another_persons(connection: Connection) -> Response:
    """The account at the provider signs somebody else in already."""
    return _render(
        connection, None, ACCOUNT, status=409,
        title=_("This %(provider)s account is linked to another account here", provider=connection.label),
        message=_("One account of %(provider)s can only sign in one person.", provider=connection.label),
        advice=_("Sign in with it, unlink it there, and then link it here."),
    )  # fmt: skip


def render_stale(connection: Connection | None, why: str = "no answer that can be read") -> Response:
    """A callback that belongs to no sign-in of this browser: replayed, too late, or begun elsewhere. `why` is for the
    flow inspector."""
    hint = "The state lives ten minutes, is used once, and needs the cookies of the browser that began."
    finding = Finding("state of the callback", ("one of a sign-in under way in this browser",), why, hint)
    note("state_refused", "This callback of another provider belongs to no sign-in of this browser.", [finding])
    return _render(
        connection, None, None, status=400,
        title=_("This sign-in cannot be continued"),
        message=_("It was begun in another browser, more than ten minutes ago, or has been finished already."),
        advice=_("Go back to the application that you want to use, and sign in from there."),
    )  # fmt: skip


def _render(
    connection: Connection | None,
    waiting: Waiting | None,
    return_to: str | None,
    *,
    status: int,
    may_retry: bool = False,
    **texts: str,
) -> Response:
    offered = connection is not None and connection in offer_for(waiting).connections
    shown: dict[str, Any] = {
        "client": client_view(waiting.request.client) if waiting is not None else None,
        "interaction_id": waiting.interaction.id if waiting is not None else "",
        "retry": provider_view(connection) if connection is not None and offered and may_retry else None,
        "other_way_url": _other_way(waiting, return_to),
        "return_to": return_to or "",
        "reference": request_id(),
    }
    return render_page("trouble", status=status, language_links=False, **shown, **texts)


def _other_way(waiting: Waiting | None, return_to: str | None) -> str:
    if return_to is not None and return_to in RETURNS:
        return url_for(RETURNS[return_to])
    return url_for("pages.login", interaction=waiting.interaction.id if waiting is not None else None)
