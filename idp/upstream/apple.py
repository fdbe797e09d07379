"""Apple: OpenID Connect whose answer comes as a cross-site POST, and whose client secret is a JWT.

The secret is minted for each request from the .p8 key, so nobody has to renew it every six months. The name comes in
the callback, the first time only and signed by nobody, so it is taken for a name and nothing more.
"""

import json
from collections.abc import Mapping
from typing import Any

from idp.jose.assertions import check_assertion_key, sign_assertion
from idp.jose.pem import InvalidPem
from idp.protocol.identity import Identity
from idp.settings import UpstreamSettings, connection_variable
from idp.upstream.id_token import load_auth_time
from idp.upstream.profile import is_true, read_email, read_names, read_text
from idp.upstream.provider import Answer, Endpoints, Provider

ISSUER = "https://appleid.apple.com"
SECRET_LIFETIME_SECONDS = 300


def endpoints(_settings: UpstreamSettings) -> Endpoints:
    return Endpoints(
        authorization="https://appleid.apple.com/auth/authorize",
        token="https://appleid.apple.com/auth/token",  # an address
        jwks_uri="https://appleid.apple.com/auth/keys",
        issuer=ISSUER,
        takes_pkce=False,  # undocumented there
    )


def make_secret(settings: UpstreamSettings, now: int) -> str:
    """The client secret: a JWT of the team, for this client, good for five minutes."""
    claims = {
        "iss": settings.team_id,
        "sub": settings.client_id,
        "aud": ISSUER,
        "iat": now,
        "exp": now + SECRET_LIFETIME_SECONDS,
    }
    return sign_assertion(claims, str(settings.private_key), kid=str(settings.key_id))


def check_settings(settings: UpstreamSettings) -> None:
    """RFC 7518 §3.4: the key must be one for ES256. Raises ValueError with a sentence."""
    if settings.private_key is not None:
        try:
            check_assertion_key(settings.private_key)
        except InvalidPem as error:
            raise ValueError(f"{connection_variable(settings.name, 'private_key')}: {error}") from None


def to_identity(answer: Answer) -> Identity:
    """A relay address (`is_private_email`) is Apple's own and reaches the person; it is as good as any other."""
    claims = answer.claims
    email, verified = read_email(claims.get("email")), is_true(claims.get("email_verified"))
    profile = read_name(answer.callback.get("user"))
    return Identity(
        issuer=ISSUER,
        subject=claims["sub"],
        email=email,
        email_verified=email is not None and verified,
        owns_email=email is not None and verified and is_apples(email),
        profile=profile,
        names=read_names(profile.get("name"), profile.get("given_name")),
        auth_time=load_auth_time(claims, int(claims["iat"])),
    )


def is_apples(email: str) -> bool:
    """Whether Apple hands out such addresses."""
    return email.rpartition("@")[2].lower() in {"icloud.com", "me.com", "mac.com", "privaterelay.appleid.com"}


def read_name(user: str | None) -> dict[str, Any]:
    """The person's name from `{"name": {"firstName": …, "lastName": …}}`; empty when it is anything else."""
    try:
        document = json.loads(user or "")
    except (ValueError, RecursionError):
        return {}
    name = document.get("name") if isinstance(document, dict) else None
    if not isinstance(name, Mapping):
        return {}
    given, family = read_text(name.get("firstName")), read_text(name.get("lastName"))
    whole = " ".join(part for part in (given, family) if part)
    claims = {"name": whole, "given_name": given, "family_name": family}
    return {claim: value for claim, value in claims.items() if value}


APPLE = Provider(
    kind="apple",
    label="Apple",
    scopes=("name", "email"),
    endpoints=endpoints,
    to_identity=to_identity,
    required=("team_id", "key_id", "private_key"),
    check_settings=check_settings,
    parameters={"response_mode": "form_post"},
    fresh={},  # nothing to ask for: Apple says in every ID token when the person proved themselves
    make_secret=make_secret,
    console="https://developer.apple.com/account/resources/identifiers/list/serviceId",
)
