"""What every way of signing in ends with: a new session, the progress of the request that waits, an audit event."""

from typing import Any

from flask import Response, request, url_for

from idp import audit
from idp.accounts.sign_in import by_password, by_upstream
from idp.authorization.interaction import save_progress
from idp.protocol.identity import User
from idp.store.sessions import SignIn
from idp.web.current import current_server, request_time
from idp.web.interactions import Waiting
from idp.web.log import address
from idp.web.pages import see_other
from idp.web.session_cookie import start_session

ACCOUNT = "account"


def read_return_to() -> str:
    """Where a sign-in without a client leads: `account`, or nothing, which is the home page. Never an address."""
    return ACCOUNT if request.values.get("to") == ACCOUNT else ""


def return_url(waiting: Waiting | None, return_to: str | None) -> str:
    if waiting is not None:
        return waiting.resume_url
    return url_for("pages.account" if return_to == ACCOUNT else "pages.home")


def sign_in_by_password(waiting: Waiting | None, user: User, return_to: str) -> Response:
    return _sign_in(waiting, by_password(user, **_from_where()), return_to, amr="pwd")


def sign_in_by_upstream(
    waiting: Waiting | None, user: User, upstream: str, auth_time: int | None, return_to: str | None
) -> Response:
    sign_in = by_upstream(user, upstream, auth_time, **_from_where())
    return _sign_in(waiting, sign_in, return_to, amr="fed", upstream=upstream)


def _from_where() -> dict[str, Any]:
    return {"address": address(), "user_agent": request.headers.get("User-Agent")}


def _sign_in(waiting: Waiting | None, sign_in: SignIn, return_to: str | None, **detail: str) -> Response:
    server, now = current_server(), request_time()
    response = see_other(return_url(waiting, return_to))
    sid = start_session(response, sign_in)
    client_id = None
    if waiting is not None:
        save_progress(server, waiting.interaction, now=now, signed_in_sid=sid)
        client_id = waiting.request.client.client_id
    audit.record(server, audit.Event.SIGN_IN_SUCCEEDED, now=now, user_id=sign_in.user_id, client_id=client_id, **detail)
    return response
