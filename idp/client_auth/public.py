"""`none`: a public client only says who it is (RFC 6749 §3.2.1); PKCE and its redirect URI stand for it."""

from idp.client_auth.presented import Presented
from idp.protocol.client import Client
from idp.server import Server


def check(server: Server, client: Client, presented: Presented, now: int) -> None:
    """Nothing to prove: `authenticate` has refused every credential before."""
