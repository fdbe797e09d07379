"""Client secrets at the command line: made at random, printed once, kept as a hash (client_secret_jwt: encrypted)."""

from dataclasses import replace

from idp.cli.identifiers import new_client_secret
from idp.jose.encryption import SecretBox
from idp.protocol.client import Client, ClientSecret
from idp.settings import Settings
from idp.store.database import hashed

PURPOSE = "client secret"


def needs_secret(client: Client) -> bool:
    return client.token_endpoint_auth_method.startswith("client_secret")


def make_secret(client: Client, settings: Settings, *, now: int) -> tuple[str | None, tuple[ClientSecret, ...]]:
    """A new secret, as printed and as stored, for a method that has one; otherwise none."""
    if not needs_secret(client):
        return None, ()
    secret = new_client_secret()
    if client.token_endpoint_auth_method == "client_secret_jwt":
        box = SecretBox(settings.secret_key, settings.secret_key_previous)
        return secret, (ClientSecret(encrypted=box.encrypt(secret, purpose=PURPOSE), created_at=now),)
    return secret, (ClientSecret(hash=hashed(secret), created_at=now),)


def with_new_secret(
    before: Client, changed: Client, settings: Settings, *, asked: bool, keep_old: int, now: int
) -> tuple[Client, str | None]:
    """The changed client with the secrets it needs now, and the new secret if one was made.

    One is made when it is `asked` for, and when the method has changed to one whose secrets are kept differently. The
    old ones that are still valid stay so for `keep_old` seconds.
    """
    if not needs_secret(changed):
        return replace(changed, secrets=()), None
    fits = bool(before.secrets) and _kept_encrypted(before) == _kept_encrypted(changed)
    if fits and not asked:
        return changed, None
    secret, kept = make_secret(changed, settings, now=now)
    old = tuple(
        _ending(known, now + keep_old) for known in before.secrets if keep_old and fits and known.is_valid_at(now)
    )
    return replace(changed, secrets=(*kept, *old)), secret


def _kept_encrypted(client: Client) -> bool:
    return client.token_endpoint_auth_method == "client_secret_jwt"


def _ending(secret: ClientSecret, at: int) -> ClientSecret:
    return replace(secret, expires_at=at if secret.expires_at == 0 else min(at, secret.expires_at))
