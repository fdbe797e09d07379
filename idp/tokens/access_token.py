"""Access tokens: JWTs by RFC 9068, signed with RS256.

`jti` is `<grant id>.<random>`, so that our own userinfo and introspection find the grant, and a revoked grant is dead
there at once. `aud` is the API or APIs; with `openid` granted, the issuer too, because userinfo is ours.
"""

import secrets
from dataclasses import dataclass
from typing import Any

from idp.jose import jws
from idp.protocol.client import Client
from idp.protocol.errors import InvalidToken
from idp.protocol.grant import Grant
from idp.protocol.identity import User
from idp.protocol.names import ACCESS_TOKEN_TYP
from idp.server import Server
from idp.tokens import lifetimes
from idp.tokens.authorization import Authorization

ALG = "RS256"


@dataclass(frozen=True, slots=True)
class LiveAccessToken:
    """An access token of ours that is valid now, with what it stands for."""

    claims: dict[str, Any]
    grant: Grant
    user: User

    @property
    def scopes(self) -> tuple[str, ...]:
        return tuple(self.claims["scope"].split(" "))


def issue_access_token(server: Server, authorization: Authorization, client: Client, *, now: int) -> str:
    grant, user = authorization.grant, authorization.user
    claims: dict[str, Any] = {
        "iss": server.issuer,
        "sub": user.id,
        "aud": _audience(server, authorization),
        "exp": now + lifetimes.access_token(server.settings, client),
        "iat": now,
        "jti": f"{grant.id}.{secrets.token_urlsafe(16)}",
        "client_id": client.client_id,
        "scope": " ".join(authorization.scopes),
        "auth_time": grant.auth_time,
        "acr": grant.acr,
    }
    if grant.sid is not None:
        claims["sid"] = grant.sid
    if user.roles:
        claims["roles"] = list(user.roles)
    return jws.sign(claims, server.keys.active(ALG, now), typ=ACCESS_TOKEN_TYP)


def _audience(server: Server, authorization: Authorization) -> str | list[str]:
    """RFC 9068 §3: the APIs asked for; RFC 7519 §4.1.3: a single one stands alone."""
    audience = list(authorization.resources)
    if "openid" in authorization.scopes or not audience:
        audience.append(server.issuer)
    return audience[0] if len(audience) == 1 else audience


def load_access_token(server: Server, token: str, *, now: int) -> LiveAccessToken:
    """Check signature, type, issuer and times, and that nothing it came from is revoked; InvalidToken otherwise."""
    try:
        claims = jws.verify(token, server.keys, now, typ=ACCESS_TOKEN_TYP)
    except jws.InvalidToken as error:
        raise InvalidToken("The access token is not valid.", detail=str(error)) from None
    if claims.get("iss") != server.issuer:
        raise InvalidToken("The access token is not valid.", detail="foreign issuer")
    if claims["exp"] <= now:
        raise InvalidToken("The access token has expired.")
    jti = str(claims["jti"])
    live = server.store.grants.find_live(jti.partition(".")[0], jti)
    if live is None:
        raise InvalidToken("The access token was revoked.")
    return LiveAccessToken(claims, *live)
