"""`private_key_jwt` and `client_secret_jwt`: RFC 7523 §3, OpenID Connect Core §9."""

from typing import Any, TypeGuard

from idp.client_auth.presented import Presented
from idp.jose import algorithms, jws
from idp.jose.client_keys import verify_with_keys, verify_with_secret
from idp.jose.encryption import DecryptionFailed
from idp.jose.jws import InvalidToken
from idp.protocol.client import Client
from idp.protocol.findings import Finding, duration, expect, masked, measured, moment, shown
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
        finding = _explain_signature(client, presented, algs, str(error))
        raise presented.refusal(f"assertion of {client.client_id}: {error}", finding) from None
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
    reason = "no secret fits its signature"
    finding = _explain_signature(client, presented, algs, reason)
    raise presented.refusal(f"assertion of {client.client_id}: {reason}", finding)


def _algs(client: Client, allowed: tuple[str, ...]) -> tuple[str, ...]:
    """The one registered algorithm, else those of the method. EdDSA and Ed25519 name the same one (RFC 9864 §2.2)."""
    registered = client.token_endpoint_auth_signing_alg
    names = {"EdDSA", "Ed25519"} if registered in {"EdDSA", "Ed25519"} else {registered}
    return allowed if registered is None else tuple(alg for alg in allowed if alg in names)


def _explain_signature(client: Client, presented: Presented, algs: tuple[str, ...], reason: str) -> Finding:
    """Which key the assertion names, and which there are."""
    header, _ = jws.peek(presented.credential)  # it was taken apart before
    kids = [str(key.get("kid")) for key in (client.jwks or {}).get("keys", []) if isinstance(key, dict)]
    where = f"the keys {', '.join(map(shown, kids))}" if client.jwks is not None else f"the keys at {client.jwks_uri}"
    if client.token_endpoint_auth_method == "client_secret_jwt":
        where = "its secret"
    received = f"{reason}: alg {shown(str(header.get('alg')))}, kid {shown(str(header.get('kid')))}"
    hint = "Sign with the key that is registered, name its kid, and use one of these algorithms."
    return Finding("client_assertion signature", (where, *expect(algs)), received, hint)


def _check_claims(server: Server, client: Client, presented: Presented, claims: dict[str, Any], now: int) -> None:
    """RFC 7523 §3, in its order: iss, sub, aud, exp, nbf, iat, jti. The jti comes last, so only good ones are kept."""
    problem = _problem_with(server, client, presented, claims, now)
    if problem is None:
        lifetime = int(claims["exp"]) - now + SKEW_SECONDS + 1
        key = f"{client.client_id} {claims['jti']}"
        fresh = server.store.ephemeral.put_new("client assertion", key, {}, lifetime=lifetime, now=now)
        hint = "Make a new assertion, with a new jti, for every request; a retry is a request too."
        used = Finding("client_assertion jti", ("one that was not used before",), masked(claims["jti"]), hint)
        problem = None if fresh else ("jti was used before", used)
    if problem is not None:
        raise presented.refusal(f"assertion of {client.client_id}: {problem[0]}", problem[1])


Problem = tuple[str, Finding]  # a sentence for the log, and the same for the inspector with its values


def _problem_with(
    server: Server, client: Client, presented: Presented, claims: dict[str, Any], now: int
) -> Problem | None:
    for name in ("iss", "sub"):
        if claims.get(name) != client.client_id:
            received = shown(str(claims.get(name)))
            return "iss and sub must both be the client_id", Finding(
                f"client_assertion {name}", (client.client_id,), received, is_compared=True
            )
    ours = (server.issuer, server.endpoint("/token"), presented.endpoint)
    if not _is_for_us(claims.get("aud"), set(ours)):
        hint = "The issuer must be exactly as in the discovery document: scheme, host, port, and no slash behind it."
        finding = Finding("client_assertion aud", tuple(dict.fromkeys(ours)), shown(str(claims.get("aud"))), hint, True)
        return "aud must be the issuer or the endpoint's URL", finding
    if not isinstance(claims.get("jti"), str) or not 0 < len(claims["jti"]) <= 512:
        length = measured(claims["jti"]) if isinstance(claims.get("jti"), str) else None
        return "jti is missing or too long", Finding("client_assertion jti", ("1 to 512 characters",), length)
    return _problem_with_times(claims, now)


def _problem_with_times(claims: dict[str, Any], now: int) -> Problem | None:
    expires = claims.get("exp")
    if not _is_number(expires):
        return "expired, or without exp", Finding("client_assertion exp", ("a time",), None, "Give it an exp.")
    if expires + SKEW_SECONDS <= now:
        hint = "Make each assertion when it is needed; if it was new, the client's clock is behind by about as much."
        return "expired, or without exp", _clock("exp", f"later than {moment(now)}", expires, now, hint)
    if expires > now + MAX_LIFETIME_SECONDS + SKEW_SECONDS:
        hint = "Let it live for a minute or two. Are these milliseconds, or is the client's clock ahead?"
        return "exp is more than an hour away", _clock("exp", "at most an hour away", expires, now, hint)
    for name in ("nbf", "iat"):
        if name in claims and not _is_number(claims[name]):
            return f"{name} is in the future", Finding(f"client_assertion {name}", ("a time",), "no number")
        if name in claims and claims[name] > now + SKEW_SECONDS:
            hint = "The client's clock is ahead of this server's by about as much: set both by NTP."
            finding = _clock(name, f"at most {SKEW_SECONDS} s ahead of {moment(now)}", claims[name], now, hint)
            return f"{name} is in the future", finding
    return None


def _clock(name: str, expected: str, found: float, now: int, hint: str) -> Finding:
    """A time that does not fit ours, and by how much."""
    side = "ahead of" if found > now else "behind"
    received = f"{moment(found)}, {duration(found - now)} {side} this server's clock"
    return Finding(f"client_assertion {name}", (expected,), received, hint)


def _is_for_us(audience: Any, ours: set[str]) -> bool:
    values = audience if isinstance(audience, list) else [audience]
    return any(isinstance(value, str) and value in ours for value in values)


def _is_number(value: Any) -> TypeGuard[int | float]:
    """A finite number that is not a boolean; float('inf') and 1e400 are refused."""
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 2**53
