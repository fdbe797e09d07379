"""Discord: OAuth 2 and its user object; no ID token. Ids are snowflakes: numbers too large for a float, so texts."""

from idp.protocol.identity import Identity
from idp.settings import UpstreamSettings
from idp.upstream.profile import read_email, read_names, read_text
from idp.upstream.provider import Answer, Endpoints, Provider

ISSUER = "https://discord.com"


def endpoints(_settings: UpstreamSettings) -> Endpoints:
    return Endpoints(
        authorization="https://discord.com/oauth2/authorize",
        token="https://discord.com/api/oauth2/token",  # an address
        userinfo="https://discord.com/api/v10/users/@me",
        issuer=ISSUER,
    )


def to_identity(answer: Answer) -> Identity:
    """`verified` was true once; Discord is nobody's mail provider, so it never owns an address."""
    person = answer.fetch(answer.endpoints.userinfo)
    subject, email = person["id"], read_email(person.get("email"))
    if not isinstance(subject, str) or not subject.isdecimal():
        raise ValueError("a snowflake is a text of digits")
    shown = read_text(person.get("global_name")) or read_text(person.get("username"))
    profile = {"name": shown, "nickname": read_text(person.get("username")), "picture": find_avatar(person)}
    return Identity(
        issuer=ISSUER,
        subject=subject,
        email=email,
        email_verified=email is not None and person.get("verified") is True,
        profile={name: value for name, value in profile.items() if value},
        names=read_names(person.get("username"), person.get("global_name")),
    )


def find_avatar(person: dict[str, object]) -> str | None:
    """The picture's address from id and hash; an animated one begins with `a_`. None for the default picture."""
    avatar = person.get("avatar")
    if not isinstance(avatar, str) or not avatar.replace("_", "").isalnum() or not avatar.isascii():
        return None
    return f"https://cdn.discordapp.com/avatars/{person['id']}/{avatar}.{'gif' if avatar.startswith('a_') else 'png'}"


DISCORD = Provider(
    kind="discord",
    label="Discord",
    scopes=("identify", "email"),
    endpoints=endpoints,
    to_identity=to_identity,
    has_id_token=False,
    console="https://discord.com/developers/applications",
)
