"""Calls APIs in the name of this program itself: `connect().get("https://orders.example.com/orders")`."""

import os

from authlib.integrations.requests_client import OAuth2Session


def connect() -> OAuth2Session:
    """A requests.Session that brings its own access token, and fetches the next one 30 seconds before it ends."""
    session = OAuth2Session(
        os.environ["CLIENT_ID"],
        os.environ["CLIENT_SECRET"],
        scope=os.environ["SCOPE"],
        token_endpoint=os.environ["ISSUER"] + "/token",
        grant_type="client_credentials",
        leeway=30,
    )
    session.fetch_token()
    return session
