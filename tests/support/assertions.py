"""Client assertions (RFC 7523 §2.2), valid by default, so that a test changes one claim, header member or key."""

import secrets
import time
from collections.abc import Mapping
from typing import Any

from joserfc.jwk import ECKey, OctKey, OKPKey, RSAKey

from idp.client_auth.presented import ASSERTION_TYPE
from idp.jose.algorithms import CLIENT_KEY, CLIENT_SECRET, PairedKey
from tests.jose.tokens import forge
from tests.support.idp_server import ServerUnderTest

CURVES = {"ES256": "P-256", "ES384": "P-384", "ES512": "P-521"}
_rsa: dict[int, RSAKey] = {}


def make_key(alg: str) -> PairedKey:
    """A private key that fits an algorithm; RSA keys are made once per process, because that takes long."""
    kty = CLIENT_KEY[alg].kty
    if kty == "RSA":
        key: PairedKey = _rsa.setdefault(0, RSAKey.generate_key(2048))
    elif kty == "EC":
        key = ECKey.generate_key(CURVES[alg])
    else:
        key = OKPKey.generate_key("Ed25519")
    return key


def public_jwk(key: PairedKey, **members: Any) -> dict[str, Any]:
    """The public half as a client registers it."""
    return {**key.as_dict(private=False), **members}


def shared_key(secret: str | bytes) -> OctKey:
    raw = secret.encode() if isinstance(secret, str) else secret
    return OctKey(raw, raw)


def assertion(
    server: ServerUnderTest,
    client_id: str,
    key: PairedKey | OctKey | None,
    alg: str,
    *,
    header: Mapping[str, Any] | None = None,
    **claims: Any,
) -> str:
    """A signed assertion. A claim or header member given as None is left out."""
    assert key is None or alg in {**CLIENT_KEY, **CLIENT_SECRET}
    now = server.now
    payload = {
        "iss": client_id,
        "sub": client_id,
        "aud": server.issuer,
        "jti": secrets.token_urlsafe(12),
        "iat": now,
        "exp": now + 60,
    } | claims
    head = {"alg": alg, "typ": "JWT"} | dict(header or {})
    return forge(_without_none(head), _without_none(payload), key)


def assertion_form(signed: str, **more: str | None) -> dict[str, Any]:
    """The parameters that present an assertion."""
    return {"client_assertion_type": ASSERTION_TYPE, "client_assertion": signed} | more


def wait_for_client_caches() -> None:
    """A process reads a client at most once a second, so a changed one is seen everywhere after that."""
    time.sleep(1.1)


def _without_none(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None}
