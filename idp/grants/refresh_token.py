"""The refresh token grant: RFC 6749 §6, OpenID Connect Core §12, RFC 9700 §4.14.

Rotation: a token is used once; using it stores its successor in the same transaction. A token that comes again within
the reuse window, while its successor is unused, is an honest client that lost the answer or asked twice at once: it
gets the same successor again, so there is still one live branch. Any other second use revokes the whole family. The
reasoning is in `docs/refresh-tokens.md`.
"""

from idp import audit
from idp.grants.token_request import TokenRequest, check_belongs_to_client, resources_of, scopes_for
from idp.protocol.errors import InvalidGrant
from idp.protocol.findings import Finding, duration, masked, moment
from idp.protocol.scopes import load_narrowed
from idp.store.refresh_tokens import StoredRefreshToken
from idp.tokens import lifetimes
from idp.tokens.authorization import Authorization
from idp.tokens.refresh_token import find_stored_successor, successor_of

_REPLAYED = "The refresh token was used before; sign in again."
_SIGN_IN_AGAIN = "The person has to sign in again."


def prove(request: TokenRequest) -> Authorization:
    token = request.required("refresh_token")
    stored = _load(request, token)
    grant = stored.grant
    resources = resources_of(request, grant)
    wanted = request.form.words("scope")
    scopes = load_narrowed(wanted, grant.scopes) if wanted else grant.scopes
    scopes = scopes_for(request, grant, scopes, resources)
    use = _rotate if request.client.rotates or stored.used_at is not None else _slide
    return Authorization(grant, stored.user, scopes, resources, use(request, token, stored))


def _load(request: TokenRequest, token: str) -> StoredRefreshToken:
    stored = request.server.store.refresh_tokens.find(token)
    if stored is None:
        raise InvalidGrant("The refresh token is not valid; sign in again.", findings=[_unknown(token)])
    check_belongs_to_client(request, stored.grant, "refresh token")
    if stored.is_revoked or not stored.user.may_grant:
        why = "revoked: by a sign-out, the person, its client, or because an older one came back"
        finding = _finding(token, why if stored.is_revoked else "of an account that is disabled", _SIGN_IN_AGAIN)
        raise InvalidGrant("The refresh token was revoked; sign in again.", findings=[finding])
    if _ends_at(stored) <= request.now:
        raise InvalidGrant("The refresh token has expired; sign in again.", findings=[_expired(request, token, stored)])
    return stored


def _ends_at(stored: StoredRefreshToken) -> int:
    """Idle or absolute, whichever is sooner. A used token cannot be idle: its return is a repeat, however late."""
    return stored.ends_at if stored.used_at is not None else min(stored.expires_at, stored.ends_at)


def _idle_end(request: TokenRequest, stored: StoredRefreshToken) -> int:
    idle = lifetimes.refresh_token_idle(request.server.settings, request.client)
    return min(request.now + idle, stored.ends_at)


def _slide(request: TokenRequest, token: str, stored: StoredRefreshToken) -> str:
    """No rotation: the same token goes on, its idle end moves."""
    if not request.server.store.refresh_tokens.slide(token, now=request.now, expires_at=_idle_end(request, stored)):
        raise InvalidGrant(
            "The refresh token is not valid; sign in again.", findings=[_finding(token, "revoked", _SIGN_IN_AGAIN)]
        )
    return token


def _rotate(request: TokenRequest, token: str, stored: StoredRefreshToken) -> str:
    store = request.server.store.refresh_tokens
    if stored.used_at is None:
        successor = successor_of(request.server, token)
        if store.rotate(token, successor, stored.grant.id, now=request.now, expires_at=_idle_end(request, stored)):
            return successor
        stored = _load(request, token)  # another request used it, or revoked the family, in the meantime
    return _repeat(request, token, stored)


def _repeat(request: TokenRequest, token: str, stored: StoredRefreshToken) -> str:
    """The successor once more, when this second use can be an honest one; otherwise the family dies."""
    successor = _find_reusable_successor(request, token, stored)
    if successor is not None:
        return successor
    grant = stored.grant
    if request.server.store.grants.revoke(grant.id, now=request.now, why="refresh token replayed"):
        ids = {"user_id": grant.user_id, "client_id": grant.client_id}
        audit.record(request.server, audit.Event.REFRESH_TOKEN_REPLAYED, now=request.now, **ids)
    raise InvalidGrant(_REPLAYED, findings=[_used(request, token, stored)])


def _find_reusable_successor(request: TokenRequest, token: str, stored: StoredRefreshToken) -> str | None:
    window = request.server.settings.refresh_token_reuse_window
    if stored.used_at is None or stored.successor_hash is None or request.now - stored.used_at > window or window == 0:
        return None
    successor = find_stored_successor(request.server, token, stored.successor_hash)
    if successor is None or not request.server.store.refresh_tokens.is_unused(successor):
        return None
    return successor


# --- What the flow inspector says; the client is told none of it


def _finding(token: str, what: str, hint: str) -> Finding:
    return Finding("refresh_token", ("the newest one of its family, in time",), f"{masked(token)}, {what}", hint)


def _unknown(token: str) -> Finding:
    hint = "Is it one of this very server, and whole? One that ended more than an hour ago is unknown as well."
    return _finding(token, "not known", hint)


def _expired(request: TokenRequest, token: str, stored: StoredRefreshToken) -> Finding:
    ends = _ends_at(stored)
    which = "its family" if ends == stored.ends_at else "not used for too long, it"
    what = f"{which} ended at {moment(ends)}, {duration(request.now - ends)} ago"
    setting = "IDP_REFRESH_TOKEN_LIFETIME" if ends == stored.ends_at else "IDP_REFRESH_TOKEN_IDLE_LIFETIME"
    return _finding(token, what, f"{_SIGN_IN_AGAIN} {setting}, or the client's own value, says how long it lives.")


def _used(request: TokenRequest, token: str, stored: StoredRefreshToken) -> Finding:
    when = moment(stored.used_at) if stored.used_at is not None else "the same moment"
    ago = "" if stored.used_at is None else f", {duration(request.now - stored.used_at)} ago"
    window = duration(request.server.settings.refresh_token_reuse_window)
    hint = (
        f"All tokens of this sign-in (their jti begins with {stored.grant.id[:6]}…) are revoked. Keep the refresh "
        "token of each answer, and let one request at a time use it; a repeat gets the same successor only within "
        f"{window}, and only while that is unused."
    )
    return _finding(token, f"used at {when}{ago}, by {stored.grant.client_id}", hint)
