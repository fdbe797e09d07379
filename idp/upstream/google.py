"""Google: OpenID Connect with one issuer. It cannot be asked to sign a person in anew, and says when it did only to
applications that it has verified."""

from collections.abc import Mapping
from typing import Any

from idp.protocol.identity import Identity
from idp.settings import UpstreamSettings
from idp.upstream.errors import NotAllowed
from idp.upstream.profile import is_true, read_claims, read_email, read_names
from idp.upstream.provider import Answer, Endpoints, Provider

ISSUER = "https://accounts.google.com"


def endpoints(_settings: UpstreamSettings) -> Endpoints:
    return Endpoints(
        authorization="https://accounts.google.com/o/oauth2/v2/auth",
        token="https://oauth2.googleapis.com/token",  # an address
        jwks_uri="https://www.googleapis.com/oauth2/v3/certs",
        issuer=ISSUER,
    )


def allows_issuer(expected: str, claims: Mapping[str, Any]) -> bool:
    """Google writes its issuer with and without the scheme."""
    return claims.get("iss") in (expected, expected.removeprefix("https://"))


def to_identity(answer: Answer) -> Identity:
    """`hd` is the Workspace domain of the account: only there, and at gmail.com, does Google hand out the address."""
    claims, wanted = answer.claims, answer.connection.settings.hosted_domain
    domain = claims.get("hd")
    if wanted is not None and domain != wanted.lower():
        raise NotAllowed("the account is not of the hosted domain")
    email, verified = read_email(claims.get("email")), is_true(claims.get("email_verified"))
    return Identity(
        issuer=ISSUER,
        subject=claims["sub"],
        email=email,
        email_verified=email is not None and verified,
        owns_email=email is not None and verified and _hands_out(email, domain),
        profile=read_claims(claims),
        names=read_names(claims.get("name"), claims.get("given_name")),
    )


def _hands_out(email: str, domain: object) -> bool:
    host = email.rpartition("@")[2].lower()
    return host == "gmail.com" or (isinstance(domain, str) and host == domain.lower())


GOOGLE = Provider(
    kind="google",
    label="Google",
    scopes=("openid", "email", "profile"),
    endpoints=endpoints,
    to_identity=to_identity,
    allows_issuer=allows_issuer,
    hints={"login_hint": "login_hint", "ui_locales": "hl", "hosted_domain": "hd"},
    prompts=frozenset({"select_account"}),
    console="https://console.cloud.google.com/auth/clients",
)
