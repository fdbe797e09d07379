"""What every way of signing in ends with: a new session, the progress of the request that waits, an audit event.

Whoever owes a second factor gets no session here, but the page that asks for it.
"""

from collections.abc import Mapping
from typing import Any

from flask import Response, request, url_for

from idp import audit
from idp.accounts.guessing import note_sign_in
from idp.accounts.half_sign_in import forget_half, keep_half
from idp.accounts.passkeys import Proof
from idp.accounts.second_factor import by_passkey_alone
from idp.accounts.sign_in import by_password, by_upstream
from idp.authorization.interaction import save_progress
from idp.authorization.steps import has_second_factor, has_strict_role
from idp.protocol.identity import User
from idp.protocol.names import ACR_TWO_FACTORS
from idp.store.sessions import SignIn
from idp.web.current import current_server, request_time
from idp.web.interactions import Waiting
from idp.web.log import address
from idp.web.pages import see_other
from idp.web.session_cookie import browser, known_browser, start_session
from idp.web.trusted_device import is_trusted_by, remember_device

ACCOUNT = "account"
ADMIN_CLIENTS = "admin-clients"
# Where a sign-in without a client may lead: word → endpoint.
RETURNS: Mapping[str, str] = {
    ACCOUNT: "pages.account",
    "account-profile": "pages.account_profile",
    "account-email": "pages.account_email",
    "account-password": "pages.account_password",
    "account-factors": "pages.account_factors",
    "account-totp": "pages.totp",
    "account-passkeys": "pages.passkeys",
    "account-recovery-codes": "pages.recovery_codes",
    "account-sessions": "pages.account_sessions",
    "account-apps": "pages.account_apps",
    "account-history": "pages.account_history",
    "account-data": "pages.account_data",
    "account-delete": "pages.account_delete",
    ADMIN_CLIENTS: "pages.admin_clients",
}


def read_return_to() -> str:
    """Where a sign-in without a client leads: a word of RETURNS, or nothing, which is the home page. Never an
    address."""
    word = request.values.get("to", "")
    return word if word in RETURNS else ""


def return_url(waiting: Waiting | None, return_to: str | None) -> str:
    if waiting is not None:
        return waiting.resume_url
    return url_for(RETURNS.get(return_to or "", "pages.home"))


def sign_in_by_password(waiting: Waiting | None, user: User, return_to: str) -> Response:
    return _sign_in(waiting, user, by_password(user, **_from_where()), return_to)


def sign_in_by_upstream(
    waiting: Waiting | None, user: User, upstream: str, auth_time: int | None, return_to: str | None
) -> Response:
    return _sign_in(waiting, user, by_upstream(user, upstream, auth_time, **_from_where()), return_to)


def sign_in_by_passkey(waiting: Waiting | None, user: User, proof: Proof, return_to: str) -> Response:
    """A passkey by itself, its holder verified: it is two factors, and owes no other."""
    return _sign_in(waiting, user, by_passkey_alone(user, proof, **_from_where()), return_to)


def owes_second_factor(user: User, sign_in: SignIn) -> bool:
    """Whether this sign-in is only half of one: the person has a factor, or a role of theirs demands one.

    A browser that they trust spares them what they have chosen themselves, not what their role demands.
    """
    server = current_server()
    if sign_in.acr == ACR_TWO_FACTORS:
        return False
    if has_strict_role(server, user):
        return True
    return has_second_factor(server, user.id) and not is_trusted_by(user)


def finish_sign_in(response: Response, waiting: Waiting | None, sign_in: SignIn) -> None:
    """The session, now that everything that was owed is given; the response carries its cookie. What somebody has
    begun here before and left half done, without a request, is over: it would come up on this person's pages."""
    server, now = current_server(), request_time()
    forget_half(server, known_browser(), interaction_id_of(None), now=now)
    sid = start_session(response, sign_in)
    client_id = None
    if waiting is not None:
        save_progress(server, waiting.interaction, now=now, signed_in_sid=sid, owes_factor=False)
        client_id = waiting.request.client.client_id
    upstream = {} if sign_in.upstream is None else {"upstream": sign_in.upstream}
    ids = {"user_id": sign_in.user_id, "client_id": client_id}
    audit.record(server, audit.Event.SIGN_IN_SUCCEEDED, now=now, **ids, amr=" ".join(sign_in.amr), **upstream)
    _know_device(response, sign_in)


def _know_device(response: Response, sign_in: SignIn) -> None:
    """From now on this is a browser of theirs; if it was not, or was after many failures, they are told."""
    server, now = current_server(), request_time()
    user = server.store.users.find(sign_in.user_id)
    is_first = not server.store.devices.knows_any(sign_in.user_id, now=now)
    device = remember_device(response, sign_in.user_id)
    if user is not None:
        note_sign_in(server, user, sign_in, device, is_first=is_first, now=now)


def interaction_id_of(waiting: Waiting | None) -> str:
    return waiting.interaction.id if waiting is not None else ""


def _from_where() -> dict[str, Any]:
    return {"address": address(), "user_agent": request.headers.get("User-Agent")}


def _sign_in(waiting: Waiting | None, user: User, sign_in: SignIn, return_to: str | None) -> Response:
    if owes_second_factor(user, sign_in):
        return _ask_second_factor(waiting, user, sign_in, return_to)
    response = see_other(return_url(waiting, return_to))
    finish_sign_in(response, waiting, sign_in)
    return response


def _ask_second_factor(waiting: Waiting | None, user: User, sign_in: SignIn, return_to: str | None) -> Response:
    """No session yet: the half-done sign-in waits for its second factor."""
    server, now = current_server(), request_time()
    keep_half(server, sign_in, user, browser(), interaction_id_of(waiting), now=now)
    if waiting is None:
        return see_other(url_for("pages.second_factor", to=return_to or None))
    save_progress(server, waiting.interaction, now=now, owes_factor=True, skipped_factor=False)
    return see_other(waiting.resume_url)
