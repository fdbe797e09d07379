"""Facebook: OAuth 2 and the Graph API; no ID token. Some people have no e-mail there, and none is known to be theirs.

Every call is signed with `appsecret_proof`, so that an access token alone is worth nothing to whoever finds it.
"""

import hmac

from idp.protocol.identity import Identity
from idp.settings import UpstreamSettings
from idp.upstream.profile import read_email, read_https_url, read_names, read_text
from idp.upstream.provider import Answer, Endpoints, Provider

ISSUER = "https://www.facebook.com"

GRAPH = "https://graph.facebook.com/v23.0"
FIELDS = "id,name,first_name,last_name,email,picture.width(256).height(256)"


def endpoints(_settings: UpstreamSettings) -> Endpoints:
    return Endpoints(
        authorization="https://www.facebook.com/v23.0/dialog/oauth",
        token=f"{GRAPH}/oauth/access_token",
        userinfo=f"{GRAPH}/me",
        issuer=ISSUER,
        takes_pkce=False,  # only its own OpenID Connect variant, which needs another scope, takes it
    )


def to_identity(answer: Answer) -> Identity:
    """The subject is the person's id for this app alone."""
    person = answer.fetch(answer.endpoints.userinfo, {"fields": FIELDS, "appsecret_proof": make_proof(answer)})
    profile = {
        "name": read_text(person.get("name")),
        "given_name": read_text(person.get("first_name")),
        "family_name": read_text(person.get("last_name")),
        "picture": read_https_url(_picture(person)),
    }
    return Identity(
        issuer=ISSUER,
        subject=person["id"],
        email=read_email(person.get("email")),
        profile={name: value for name, value in profile.items() if value},
        names=read_names(person.get("name"), person.get("first_name")),
    )


def make_proof(answer: Answer) -> str:
    """HMAC-SHA256 of the access token under the app's secret, hexadecimal."""
    secret, token = str(answer.connection.settings.client_secret), str(answer.tokens["access_token"])
    return hmac.digest(secret.encode(), token.encode(), "sha256").hex()


def _picture(person: dict[str, object]) -> object:
    """`{"picture": {"data": {"url": …, "is_silhouette": …}}}`; the silhouette is no picture of anybody."""
    picture = person.get("picture")
    data = picture.get("data") if isinstance(picture, dict) else None
    return data.get("url") if isinstance(data, dict) and data.get("is_silhouette") is not True else None


FACEBOOK = Provider(
    kind="facebook",
    label="Facebook",
    scopes=("public_profile", "email"),
    endpoints=endpoints,
    to_identity=to_identity,
    has_id_token=False,
    hints={"ui_locales": "locale"},
    languages={"en": "en_US", "fr": "fr_FR"},  # a language without a country is unknown there
    console="https://developers.facebook.com/apps/",
)
