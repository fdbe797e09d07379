"""The authorization code grant: RFC 6749 §4.1.3, RFC 7636 §4.6, OpenID Connect Core §3.1.3.

The atomic act is `redeem_code`: one conditional UPDATE. A second use of a code means that it was stolen by one of the
two who used it, so everything that came of it is revoked (RFC 6749 §4.1.2). A failed check does not consume the code:
whoever holds a stolen code without its verifier cannot burn it for its owner.
"""

from idp import audit
from idp.grants.code_findings import dead_code, expired_code, other_redirect_uri, unknown_code, used_code
from idp.grants.token_request import TokenRequest, check_belongs_to_client, resources_of, scopes_for
from idp.protocol.errors import InvalidGrant, InvalidRequest
from idp.protocol.findings import Finding
from idp.protocol.grant import Grant
from idp.protocol.pkce import check_verifier
from idp.store.grants import IssuedCode
from idp.tokens import lifetimes
from idp.tokens.authorization import Authorization
from idp.tokens.refresh_token import make_refresh_token

_REPLAYED = "The code was used before; everything issued from it is revoked."


def prove(request: TokenRequest) -> Authorization:
    issued = request.server.store.grants.find_by_code(request.required("code"))
    if issued is None:
        raise InvalidGrant("The code is not valid; sign in again.", findings=[unknown_code(request.form["code"])])
    check_belongs_to_client(request, issued.grant, "code")
    if issued.used_at is not None:
        raise _replayed(request, issued)
    _check_alive(request, issued)
    _check_redirect_uri(request, issued.grant)
    check_verifier(issued.grant.code_challenge, request.form.get("code_verifier"))
    resources = resources_of(request, issued.grant)
    scopes = scopes_for(request, issued.grant, issued.grant.scopes, resources)
    return Authorization(issued.grant, issued.user, scopes, resources, _redeem(request, issued))


def _check_alive(request: TokenRequest, issued: IssuedCode) -> None:
    if issued.expires_at <= request.now:
        raise InvalidGrant(
            "The code has expired; redeem a code as soon as it arrives.", findings=[expired_code(request, issued)]
        )
    if issued.is_revoked or not issued.user.may_grant:
        raise InvalidGrant("The code is not valid any more; sign in again.", findings=[dead_code(request, issued)])


def _check_redirect_uri(request: TokenRequest, grant: Grant) -> None:
    """RFC 6749 §4.1.3: the same string as in the authorization request, or absent in both."""
    sent = request.form.get("redirect_uri")
    if grant.redirect_uri_sent and sent is None:
        raise InvalidRequest(
            "redirect_uri is missing; it must be that of the authorization request.",
            findings=[Finding("redirect_uri", (grant.redirect_uri,), None, "Send it again, unchanged.")],
        )
    if sent is not None and (not grant.redirect_uri_sent or sent != grant.redirect_uri):
        raise InvalidGrant(
            "redirect_uri is not that of the authorization request; send the same string again.",
            findings=[other_redirect_uri(request, grant)],
        )


def _redeem(request: TokenRequest, issued: IssuedCode) -> str | None:
    """Consume the code and store the first refresh token, if the client is to have one, in one transaction."""
    settings, client, now, grant = request.server.settings, request.client, request.now, issued.grant
    token = make_refresh_token() if allows_refresh_token(request, grant) else None
    ends = now + lifetimes.refresh_token(settings, client)
    won = request.server.store.grants.redeem_code(
        grant.id,
        now=now,
        access_ends=now + lifetimes.access_token(settings, client),
        refresh_token=token,
        refresh_expires_at=min(ends, now + lifetimes.refresh_token_idle(settings, client)),
        refresh_ends=ends,
        used_from=audit.origin_of_request() if settings.inspect_retention else (None, None),
    )
    if not won:
        raise _replayed(request, issued)
    return token


def allows_refresh_token(request: TokenRequest, grant: Grant) -> bool:
    """OpenID Connect Core §11: with offline_access granted; without it as the client is registered."""
    registered = "refresh_token" in request.client.grant_types
    return registered and (grant.is_offline or request.client.always_issue_refresh_token)


def _replayed(request: TokenRequest, issued: IssuedCode) -> InvalidGrant:
    grant = issued.grant
    revoked_now = request.server.store.grants.revoke(grant.id, now=request.now, why="code replayed")
    if revoked_now:
        ids = {"user_id": grant.user_id, "client_id": grant.client_id}
        audit.record(request.server, audit.Event.CODE_REPLAYED, now=request.now, **ids)
    return InvalidGrant(_REPLAYED, findings=[used_code(request, issued, revoked_now=revoked_now)])
