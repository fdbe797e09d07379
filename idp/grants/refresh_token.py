"""The refresh token grant: RFC 6749 §6, OpenID Connect Core §12, RFC 9700 §4.14.

Rotation: a token is used once; using it stores its successor in the same transaction. A token that comes again within
the reuse window, while its successor is unused, is an honest client that lost the answer or asked twice at once: it
gets the same successor again, so there is still one live branch. Any other second use revokes the whole family. The
reasoning is in `docs/refresh-tokens.md`.
"""

from idp import audit
from idp.grants.token_request import TokenRequest, check_belongs_to_client, resources_of, scopes_for
from idp.protocol.errors import InvalidGrant
from idp.protocol.scopes import load_narrowed
from idp.store.refresh_tokens import StoredRefreshToken
from idp.tokens import lifetimes
from idp.tokens.authorization import Authorization
from idp.tokens.refresh_token import find_stored_successor, successor_of

_REPLAYED = "The refresh token was used before; sign in again."


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
        raise InvalidGrant("The refresh token is not valid.")
    check_belongs_to_client(request, stored.grant, "refresh token")
    if stored.is_revoked or not stored.user.may_grant:
        raise InvalidGrant("The refresh token was revoked; sign in again.")
    if _ends_at(stored) <= request.now:
        raise InvalidGrant("The refresh token has expired; sign in again.")
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
        raise InvalidGrant("The refresh token is not valid.")
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
    raise InvalidGrant(_REPLAYED)


def _find_reusable_successor(request: TokenRequest, token: str, stored: StoredRefreshToken) -> str | None:
    window = request.server.settings.refresh_token_reuse_window
    if stored.used_at is None or stored.successor_hash is None or request.now - stored.used_at > window or window == 0:
        return None
    successor = find_stored_successor(request.server, token, stored.successor_hash)
    if successor is None or not request.server.store.refresh_tokens.is_unused(successor):
        return None
    return successor
