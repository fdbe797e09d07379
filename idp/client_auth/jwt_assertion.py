"""`private_key_jwt` and `client_secret_jwt`: RFC 7523 §3, OpenID Connect Core §9."""

from typing import Any, TypeGuard

from idp.client_auth.presented import Presented
from idp.jose import algorithms
from idp.jose.client_keys import verify_with_keys, verify_with_secret
from idp.jose.encryption import DecryptionFailed
from idp.jose.jws import InvalidToken
from idp.protocol.client import Client
from idp.server import Server

SKEW_SECONDS = 60
MAX_LIFETIME_SECONDS = 3600
PRIVATE_KEY_JWT_ALGS = tuple(algorithms.CLIENT_KEY)
CLIENT_SECRET_JWT_ALGS = tuple(algorithms.CLIENT_SECRET)
ASSERTION_ALGS = (*PRIVATE_KEY_JWT_ALGS, *CLIENT_SECRET_JWT_ALGS)


def check_private_key_jwt(server: Server, client: Client, presented: Presented, now: int) -> None:
    algs = _algs(client, PRIVATE_KEY_JWT_ALGS)
    try:
        if client.jwks is not None:
            claims = verify_with_keys(presented.credential, client.jwks, algs=algs)
        else:
            claims = server.remote_keys.verify(presented.credential, client.jwks_uri or "", algs=algs)
    except InvalidToken as error:
        raise presented.refusal(f"assertion of {client.client_id}: {error}") from None
    _check_claims(server, client, presented, claims, now)


def check_client_secret_jwt(server: Server, client: Client, presented: Presented, now: int) -> None:
    algs = _algs(client, CLIENT_SECRET_JWT_ALGS)
    for secret in client.secrets:
        if secret.encrypted is None or not secret.is_valid_at(now):
            continue
        try:
            plain = server.secret_box.decrypt(secret.encrypted, purpose="client secret")
            claims = verify_with_secret(presented.credential, plain, algs=algs)
        except (InvalidToken, DecryptionFailed):
            continue
        return _check_claims(server, client, presented, claims, now)
    raise presented.refusal(f"assertion of {client.client_id}: no secret fits its signature")


def _algs(client: Client, allowed: tuple[str, ...]) -> tuple[str, ...]:
    """The one registered algorithm, else those of the method. EdDSA and Ed25519 name the same one (RFC 9864 §2.2)."""
    registered = client.token_endpoint_auth_signing_alg
    names = {"EdDSA", "Ed25519"} if registered in {"EdDSA", "Ed25519"} else {registered}
    return allowed if registered is None else tuple(alg for alg in allowed if alg in names)


def _check_claims(server: Server, client: Client, presented: Presented, claims: dict[str, Any], now: int) -> None:
    """RFC 7523 §3, in its order: iss, sub, aud, exp, nbf, iat, jti. The jti comes last, so only good ones are kept."""
    reason = _problem_with(server, client, presented, claims, now)
    if reason is None:
        lifetime = int(claims["exp"]) - now + SKEW_SECONDS + 1
        key = f"{client.client_id} {claims['jti']}"
        fresh = server.store.ephemeral.put_new("client assertion", key, {}, lifetime=lifetime, now=now)
        reason = None if fresh else "jti was used before"
    if reason is not None:
        raise presented.refusal(f"assertion of {client.client_id}: {reason}")


def _problem_with(server: Server, client: Client, presented: Presented, claims: dict[str, Any], now: int) -> str | None:
    if claims.get("iss") != client.client_id or claims.get("sub") != client.client_id:
        return "iss and sub must both be the client_id"
    if not _is_for_us(claims.get("aud"), {server.issuer, server.endpoint("/token"), presented.endpoint}):
        return "aud must be the issuer or the endpoint's URL"
    if not isinstance(claims.get("jti"), str) or not 0 < len(claims["jti"]) <= 512:
        return "jti is missing or too long"
    return _problem_with_times(claims, now)


def _problem_with_times(claims: dict[str, Any], now: int) -> str | None:
    expires = claims.get("exp")
    if not _is_number(expires) or expires + SKEW_SECONDS <= now:
        return "expired, or without exp"
    if expires > now + MAX_LIFETIME_SECONDS + SKEW_SECONDS:
        return "exp is more than an hour away"
    for name in ("nbf", "iat"):
        if name in claims and (not _is_number(claims[name]) or claims[name] > now + SKEW_SECONDS):
            return f"{name} is in the future"
    return None


def _is_for_us(audience: Any, ours: set[str]) -> bool:
    values = audience if isinstance(audience, list) else [audience]
    return any(isinstance(value, str) and value in ours for value in values)


def _is_number(value: Any) -> TypeGuard[int | float]:
    """A finite number that is not a boolean; float('inf') and 1e400 are refused."""
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 2**53
