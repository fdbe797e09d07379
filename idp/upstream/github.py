"""GitHub: OAuth 2 and its API; no ID token. Ids are numbers; the e-mail is asked for apart."""

from typing import Any

from idp.protocol.identity import Identity
from idp.settings import UpstreamSettings
from idp.upstream.profile import read_email, read_https_url, read_names, read_text
from idp.upstream.provider import Answer, Endpoints, Provider

ISSUER = "https://github.com"
ANSWERS_AS = "https://github.com/login/oauth"  # `iss` of its answers (RFC 9207); the people linked here are of ISSUER

EMAILS = "https://api.github.com/user/emails"


def endpoints(_settings: UpstreamSettings) -> Endpoints:
    return Endpoints(
        authorization="https://github.com/login/oauth/authorize",
        token="https://github.com/login/oauth/access_token",  # an address
        userinfo="https://api.github.com/user",
        issuer=ANSWERS_AS,
    )


def to_identity(answer: Answer) -> Identity:
    """The login name may change hands; the number does not."""
    person = answer.fetch(answer.endpoints.userinfo)
    number = person["id"]
    if isinstance(number, bool) or not isinstance(number, int):
        raise ValueError("an id is a number")
    email, verified = choose_email(answer.fetch(EMAILS))
    profile = {
        "name": read_text(person.get("name")),
        "nickname": read_text(person.get("login")),
        "picture": read_https_url(person.get("avatar_url")),
    }
    return Identity(
        issuer=ISSUER,
        subject=str(number),
        email=email,
        email_verified=verified,
        profile={name: value for name, value in profile.items() if value},
        names=read_names(person.get("login"), person.get("name")),
    )


def choose_email(addresses: Any) -> tuple[str | None, bool]:
    """The primary address, and whether GitHub has confirmed it; the others are not asked about."""
    for address in addresses:
        if address.get("primary") is True:
            email = read_email(address.get("email"))
            return email, email is not None and address.get("verified") is True
    return None, False


GITHUB = Provider(
    kind="github",
    label="GitHub",
    scopes=("user:email",),
    endpoints=endpoints,
    to_identity=to_identity,
    has_id_token=False,
    hints={"login_hint": "login"},
    prompts=frozenset({"select_account"}),
    console="https://github.com/settings/developers",
)
