"""Microsoft (Entra ID and personal accounts): OpenID Connect with an issuer for each tenant.

An administrator of any tenant can write any address into `email`, so an address counts as confirmed only with the
optional claim `xms_edov`, or for personal accounts, and as owned only by the one tenant that is configured.
"""

import re
from collections.abc import Mapping
from typing import Any

from idp.protocol.identity import Identity
from idp.settings import UpstreamSettings, connection_variable
from idp.upstream.id_token import load_auth_time
from idp.upstream.profile import is_true, read_claims, read_email, read_names
from idp.upstream.provider import Answer, Endpoints, Provider

HOST = "https://login.microsoftonline.com"
PERSONAL_TENANT = "9188040d-6c67-4c5b-b112-36a304b66dad"
SHARED = ("common", "organizations", "consumers")
_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


def tenant_of(settings: UpstreamSettings) -> str:
    return (settings.tenant or "common").lower()


def endpoints(settings: UpstreamSettings) -> Endpoints:
    tenant = tenant_of(settings)
    return Endpoints(
        authorization=f"{HOST}/{tenant}/oauth2/v2.0/authorize",
        token=f"{HOST}/{tenant}/oauth2/v2.0/token",
        jwks_uri=f"{HOST}/{tenant}/discovery/v2.0/keys",
        issuer=f"{HOST}/{tenant}/v2.0",
    )


def check_settings(settings: UpstreamSettings) -> None:
    """Core §3.1.3.7 rule 2 needs to know the issuer, which has the tenant's id. Raises ValueError with a sentence."""
    tenant = tenant_of(settings)
    if tenant not in SHARED and not _UUID.fullmatch(tenant):
        variable = connection_variable(settings.name, "tenant")
        raise ValueError(f"{variable} must be {', '.join(SHARED)}, or the id of one tenant (not its domain).")


def allows_issuer(expected: str, claims: Mapping[str, Any]) -> bool:
    """The issuer names the tenant of `tid`, and that tenant is one that may sign in here."""
    tenant, tid = expected.removeprefix(f"{HOST}/").removesuffix("/v2.0"), claims.get("tid")
    if not isinstance(tid, str) or not _UUID.fullmatch(tid) or claims.get("iss") != f"{HOST}/{tid}/v2.0":
        return False
    if tenant == "consumers":
        return tid == PERSONAL_TENANT
    if tenant == "organizations":
        return tid != PERSONAL_TENANT
    return tenant in {"common", tid}


def to_identity(answer: Answer) -> Identity:
    claims = answer.claims
    email, is_one_tenant = read_email(claims.get("email")), tenant_of(answer.connection.settings) not in SHARED
    owner_verified = email is not None and is_true(claims.get("xms_edov"))
    return Identity(
        issuer=claims["iss"],
        subject=claims["sub"],
        email=email,
        email_verified=owner_verified or (email is not None and claims["tid"] == PERSONAL_TENANT),
        owns_email=owner_verified and is_one_tenant,
        profile=read_claims({name: claims.get(name) for name in ("name", "given_name", "family_name")}),
        names=read_names(claims.get("name"), str(claims.get("preferred_username", "")).partition("@")[0]),
        auth_time=load_auth_time(claims, int(claims["iat"])),
    )


MICROSOFT = Provider(
    kind="microsoft",
    label="Microsoft",
    scopes=("openid", "email", "profile"),
    endpoints=endpoints,
    to_identity=to_identity,
    check_settings=check_settings,
    allows_issuer=allows_issuer,
    hints={"login_hint": "login_hint"},
    prompts=frozenset({"select_account"}),
    fresh={"prompt": "login"},
    console="https://entra.microsoft.com/#view/Microsoft_AAD_RegisteredApps/ApplicationsListBlade",
)
