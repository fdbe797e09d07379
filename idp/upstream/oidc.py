"""Any OpenID Connect provider, by discovery."""

from collections.abc import Mapping
from typing import Any

from idp.protocol.identity import Identity
from idp.upstream.errors import Untrustworthy
from idp.upstream.id_token import load_auth_time
from idp.upstream.profile import is_true, read_claims, read_email, read_names
from idp.upstream.provider import Answer, Provider


def to_identity(answer: Answer) -> Identity:
    """An operator who lets such a provider link by e-mail (`TRUST_EMAIL`) says with it that it owns its addresses."""
    claims = load_profile(answer)
    email = read_email(claims.get("email"))
    verified = email is not None and is_true(claims.get("email_verified"))
    return Identity(
        issuer=str(answer.endpoints.issuer),
        subject=answer.claims["sub"],
        email=email,
        email_verified=verified,
        owns_email=verified,
        profile=read_claims(claims),
        names=read_names(claims.get("preferred_username"), claims.get("nickname"), claims.get("name")),
        auth_time=load_auth_time(answer.claims, int(answer.claims["iat"])),
    )


def load_profile(answer: Answer) -> Mapping[str, Any]:
    """The ID token's claims, and those of userinfo where the ID token is lean (Core §5.3.2: of the same `sub`)."""
    if answer.endpoints.userinfo is None or {"email", "name"} <= answer.claims.keys():
        return answer.claims
    more = answer.fetch(answer.endpoints.userinfo)
    if more.get("sub") != answer.claims["sub"]:
        raise Untrustworthy("userinfo is about somebody else")
    return {**more, **answer.claims}


OIDC = Provider(
    kind="oidc",
    label="",
    scopes=("openid", "email", "profile"),
    endpoints=None,
    to_identity=to_identity,
    required=("client_secret", "issuer"),
    hints={"login_hint": "login_hint", "ui_locales": "ui_locales"},
    prompts=frozenset({"select_account"}),
    fresh={"prompt": "login", "max_age": "0"},
)
