"""Issuing an authorization code (RFC 6749 §4.1.2) and composing the response (RFC 9207: always with `iss`)."""

import secrets
from urllib.parse import parse_qsl, urlsplit

from idp.authorization.request import AuthorizationRequest, Target
from idp.authorization.response_modes import RESPONSE_MODES, Delivery
from idp.protocol.errors import OAuthError
from idp.protocol.grant import Grant
from idp.protocol.identity import Session
from idp.server import Server


def issue_code(server: Server, request: AuthorizationRequest, session: Session, *, now: int) -> Delivery:
    """Store a grant with a fresh code, and hand the code to the client."""
    code = secrets.token_urlsafe(32)
    grant = Grant(
        id=secrets.token_urlsafe(16),
        client_id=request.client.client_id,
        user_id=session.user_id,
        sid=session.sid,
        upstream=session.upstream,
        scopes=request.scopes,
        resources=request.resources,
        acr=_answered_acr(request, session),
        amr=session.amr,
        auth_time=session.auth_time,
        created_at=now,
        redirect_uri=request.target.redirect_uri,
        redirect_uri_sent=request.target.redirect_uri_sent,
        code_challenge=request.code_challenge,
        nonce=request.nonce,
        claims=request.claims,
    )
    server.store.grants.add(grant, code, code_expires_at=now + server.settings.code_lifetime)
    return deliver(server, request.target, [("code", code)])


def _answered_acr(request: AuthorizationRequest, session: Session) -> str:
    """The most that is true of the session; where some are essential, the most of those (Core §5.5.1.1)."""
    wanted = request.essential_acr
    return next((acr for acr in session.acrs if acr in wanted), session.acr)


def deliver_error(server: Server, target: Target, error: OAuthError, *, request_id: str) -> Delivery:
    """RFC 6749 §4.1.2.1, with the id that the flow inspector finds it by (§4.1.2: clients ignore what they do not
    know); without it when the redirect URI has a parameter of that name, which stays the application's (§3.1.2)."""
    params = [("error", error.error), ("error_description", error.description)]
    if "request_id" not in dict(parse_qsl(urlsplit(target.redirect_uri).query, keep_blank_values=True)):
        params.append(("request_id", request_id))
    return deliver(server, target, params)


def deliver(server: Server, target: Target, params: list[tuple[str, str]]) -> Delivery:
    state = [] if target.state is None else [("state", target.state)]
    return RESPONSE_MODES[target.response_mode](target.redirect_uri, [*params, *state, ("iss", server.issuer)])
