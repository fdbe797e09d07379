"""ID tokens: OpenID Connect Core §2, §3.1.3.6 (`at_hash`), §5.4 and §5.5 (which claims), §12.2 (after a refresh).

Lean by default: claims about the person belong in userinfo when an access token is there. Those asked for one by one in
the `claims` parameter are delivered; a client registered with `claims_in_id_token` gets those of its scopes as well.
"""

import hashlib
from base64 import urlsafe_b64encode
from typing import Any

from idp.jose import jws
from idp.protocol.claims import claims_of_scopes, select_claims
from idp.protocol.client import Client
from idp.protocol.names import ID_TOKEN_TYP
from idp.server import Server
from idp.tokens import lifetimes
from idp.tokens.authorization import Authorization

# The hash that belongs to each algorithm (Core §3.1.3.6; Ed25519 uses SHA-512 inside, as RFC 8032 §5.1 says)
_HASHES = {"RS256": hashlib.sha256, "PS256": hashlib.sha256, "ES256": hashlib.sha256, "EdDSA": hashlib.sha512}


def issue_id_token(server: Server, authorization: Authorization, client: Client, *, access_token: str, now: int) -> str:
    grant, user = authorization.grant, authorization.user
    alg = client.id_token_signed_response_alg
    claims: dict[str, Any] = {
        **select_claims(user.claims, _user_claim_names(authorization, client)),
        "iss": server.issuer,
        "sub": user.id,
        "aud": client.client_id,
        "azp": client.client_id,
        "exp": now + lifetimes.id_token(server.settings, client),
        "iat": now,
        "auth_time": grant.auth_time,
        "acr": grant.acr,
        "amr": list(grant.amr),
        "at_hash": left_half_hash(access_token, alg),
    }
    if grant.nonce is not None:
        claims["nonce"] = grant.nonce
    if grant.sid is not None:
        claims["sid"] = grant.sid
    return jws.sign(claims, server.keys.active(alg, now), typ=ID_TOKEN_TYP)


def _user_claim_names(authorization: Authorization, client: Client) -> tuple[str, ...]:
    by_scope = claims_of_scopes(authorization.scopes) if client.claims_in_id_token else ()
    single = authorization.grant.claims.limited_to(claims_of_scopes(client.scope))  # it may have lost a scope since
    return (*by_scope, *single.id_token)


def left_half_hash(value: str, alg: str) -> str:
    """`at_hash` (Core §3.1.3.6): the left half of the hash that belongs to the ID token's alg, base64url."""
    digest = _HASHES[alg](value.encode("ascii")).digest()
    return urlsafe_b64encode(digest[: len(digest) // 2]).rstrip(b"=").decode("ascii")


def read_id_token_hint(server: Server, token: str, *, now: int) -> dict[str, Any] | None:
    """The claims of an ID token of ours given as a hint, expired or not (Core §3.1.2.1); None when it is not ours."""
    try:
        claims = jws.verify(token, server.keys, now, typ=ID_TOKEN_TYP)
    except jws.InvalidToken:
        return None
    is_id_token = claims.get("iss") == server.issuer and {"sub", "aud", "exp", "auth_time"} <= claims.keys()
    return claims if is_id_token else None
