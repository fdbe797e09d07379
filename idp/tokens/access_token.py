"""Access tokens: JWTs by RFC 9068, signed with RS256.

`jti` is `<grant id>.<random>`, so that our own userinfo and introspection find the grant, and a revoked grant is dead
there at once. `aud` is the API or APIs; with `openid` granted, the issuer too, because userinfo is ours.

A client that acts in its own name is its own subject (RFC 9068 §5): `sub` is its client_id, which is never a person's
id, because those begin with `u_` and client_ids never do. Such a token has no grant; it ends by itself, or is revoked
one by one.
"""

import secrets
from dataclasses import dataclass
from typing import Any

from idp.jose import jws
from idp.protocol.client import Client
from idp.protocol.errors import InvalidToken
from idp.protocol.findings import Finding, duration, masked, moment, shown, shown_uri
from idp.protocol.grant import Grant
from idp.protocol.identity import User
from idp.protocol.names import ACCESS_TOKEN_TYP
from idp.server import Server
from idp.tokens import lifetimes
from idp.tokens.authorization import Authorization, ClientAuthorization

ALG = "RS256"
_OF_A_CLIENT = "client"  # stands where a grant id would; no grant is called so


@dataclass(frozen=True, slots=True)
class LiveAccessToken:
    """An access token of ours that is valid now. `grant` and `user` are None when a client acts in its own name."""

    claims: dict[str, Any]
    grant: Grant | None = None
    user: User | None = None

    @property
    def scopes(self) -> tuple[str, ...]:
        return tuple(self.claims["scope"].split(" "))


def issue_access_token(
    server: Server, authorization: Authorization | ClientAuthorization, client: Client, *, now: int
) -> str:
    claims: dict[str, Any] = {
        "iss": server.issuer,
        "aud": _audience(server, authorization),
        "exp": now + lifetimes.access_token(server.settings, client),
        "iat": now,
        "client_id": client.client_id,
        "scope": " ".join(authorization.scopes),
    }
    if isinstance(authorization, ClientAuthorization):
        claims |= {"sub": client.client_id, "jti": f"{_OF_A_CLIENT}.{secrets.token_urlsafe(16)}"}
    else:
        claims |= _about_person(authorization.grant, authorization.user)
    return jws.sign(claims, server.keys.active(ALG, now), typ=ACCESS_TOKEN_TYP)


def _about_person(grant: Grant, user: User) -> dict[str, Any]:
    claims: dict[str, Any] = {
        "sub": user.id,
        "jti": f"{grant.id}.{secrets.token_urlsafe(16)}",
        "auth_time": grant.auth_time,
        "acr": grant.acr,
    }
    if grant.sid is not None:
        claims["sid"] = grant.sid
    if user.roles:
        claims["roles"] = list(user.roles)
    return claims


def _audience(server: Server, authorization: Authorization | ClientAuthorization) -> str | list[str]:
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
        findings = [_explain(server, token, str(error))]
        raise InvalidToken(
            "The access token is not valid; get a new one.", detail=str(error), findings=findings
        ) from None
    if claims.get("iss") != server.issuer:
        finding = Finding("access_token iss", (server.issuer,), shown(str(claims.get("iss"))), is_compared=True)
        raise InvalidToken("The access token is not valid; get a new one.", detail="foreign issuer", findings=[finding])
    if claims["exp"] <= now:
        raise _refused(claims, "The access token has expired; refresh it.", _expired(claims, now))
    jti = str(claims["jti"])
    if claims["sub"] == claims["client_id"]:
        if server.store.grants.is_access_token_revoked(jti):
            raise _revoked(claims)
        return LiveAccessToken(claims)
    live = server.store.grants.find_live(jti.partition(".")[0], jti)
    if live is None:
        raise _revoked(claims)
    return LiveAccessToken(claims, *live)


# --- What the flow inspector says of a token that is refused


def _refused(claims: dict[str, Any], description: str, finding: Finding) -> InvalidToken:
    error = InvalidToken(description, findings=[finding])
    error.client_id = str(claims["client_id"])
    return error


def _revoked(claims: dict[str, Any]) -> InvalidToken:
    hint = "By its client, a sign-out, the end of the account, or because a code or refresh token was used twice."
    finding = Finding("access_token", ("one that is not revoked",), f"jti {masked(str(claims['jti']))}, revoked", hint)
    return _refused(claims, "The access token was revoked.", finding)


def _expired(claims: dict[str, Any], now: int) -> Finding:
    hint = "Refresh a little before exp. If the two clocks differ, set both by NTP."
    received = f"ended at {moment(claims['exp'])}, {duration(now - claims['exp'])} ago"
    return Finding("access_token exp", (f"later than {moment(now)}",), received, hint)


def _explain(server: Server, token: str, reason: str) -> Finding:
    """What a token that is none of ours claims to be; nothing of it has been verified."""
    expected = (f"an access token of {server.issuer}",)
    try:
        header, claims = jws.peek(token)
    except jws.InvalidToken:
        hint = "Send the access_token of the token response, whole: not the code, nor the refresh token."
        return Finding("access_token", expected, f"{reason}: {masked(token)}", hint)
    said = {"typ": header.get("typ"), "alg": header.get("alg"), "kid": header.get("kid"), "aud": claims.get("aud")}
    received = f"{reason}: " + ", ".join(f"{name} {shown(str(value))}" for name, value in said.items())
    received += f", iss {shown_uri(str(claims.get('iss')), [server.issuer])}"
    is_id_token = "at_hash" in claims or "nonce" in claims
    hint = "It looks like an ID token: send access_token instead." if is_id_token else ""
    return Finding("access_token", expected, received, hint or "Is it a token of this very server and environment?")
