"""How long things live: the client's own value where it has one, else the server's. All in seconds."""

from idp.protocol.client import Client
from idp.settings import Settings


def access_token(settings: Settings, client: Client) -> int:
    return client.access_token_lifetime or settings.access_token_lifetime


def id_token(settings: Settings, client: Client) -> int:
    return client.id_token_lifetime or settings.id_token_lifetime


def refresh_token(settings: Settings, client: Client) -> int:
    """Absolute: from the sign-in on, whatever the use."""
    return client.refresh_token_lifetime or settings.refresh_token_lifetime


def refresh_token_idle(settings: Settings, client: Client) -> int:
    return client.refresh_token_idle_lifetime or settings.refresh_token_idle_lifetime
