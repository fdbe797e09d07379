"""What the demo data is: three clients, an API, a person, and the client of the built-in playground. Pure records."""

from typing import Any

from idp.protocol.client import Client
from idp.protocol.scopes import IDENTITY_SCOPES, Api
from idp.store.users import NewUser

API = Api(
    "https://api.example.com",
    "Notes",
    {"notes.read": "Read your notes", "notes.write": "Write and delete your notes"},
)
SCOPES = (*IDENTITY_SCOPES, *API.scopes)

USERNAME = "demo"
EMAIL = "demo@example.com"
WEB_CLIENT_ID = "demo-web"
PLAYGROUND_CLIENT_ID = "idp-playground"

_PAGES: dict[str, Any] = {
    "client_uri": "https://example.com/",
    "policy_uri": "https://example.com/privacy",
    "tos_uri": "https://example.com/terms",
}

PROFILE: dict[str, Any] = {
    "name": "Demo Person",
    "given_name": "Demo",
    "family_name": "Person",
    "middle_name": "Maria",
    "nickname": "Dee",
    "profile": "https://example.com/people/demo",
    "picture": "https://example.com/people/demo.png",
    "website": "https://demo.example.com/",
    "gender": "female",
    "birthdate": "1990-05-17",
    "zoneinfo": "Europe/Paris",
    "locale": "en-GB",
    "address": {
        "formatted": "12 Example Street\n75001 Paris\nFrance",
        "street_address": "12 Example Street",
        "locality": "Paris",
        "region": "Île-de-France",
        "postal_code": "75001",
        "country": "FR",
    },
}


def demo_clients(issuer: str) -> tuple[Client, ...]:
    """The demo clients without their secrets: a web application, a browser application, and one on a phone."""
    pages = _PAGES | {"logo_uri": f"{issuer}/static/demo-logo.svg"}
    return (
        Client(
            WEB_CLIENT_ID,
            "Demo web application",
            redirect_uris=(
                "http://localhost:3000/callback",
                "http://127.0.0.1:3000/callback",
                "http://localhost:3000/api/auth/callback/idp",
            ),
            post_logout_redirect_uris=("http://localhost:3000/", "http://127.0.0.1:3000/"),
            token_endpoint_auth_method="client_secret_basic",
            scope=SCOPES,
            audience=(API.identifier,),
            **pages,
        ),
        Client(
            "demo-spa",
            "Demo browser application",
            redirect_uris=("http://localhost:5173/callback", "http://127.0.0.1:5173/callback"),
            post_logout_redirect_uris=("http://localhost:5173/", "http://127.0.0.1:5173/"),
            token_endpoint_auth_method="none",
            scope=SCOPES,
            audience=(API.identifier,),
            **pages,
        ),
        Client(
            "demo-mobile",
            "Demo mobile application",
            redirect_uris=("nextarget://callback", "com.example.app:/callback", "http://127.0.0.1/callback"),
            post_logout_redirect_uris=("nextarget://signed-out", "com.example.app:/signed-out", "http://127.0.0.1/"),
            token_endpoint_auth_method="none",
            first_party=True,
            scope=SCOPES,
            audience=(API.identifier,),
            **pages,
        ),
    )


def demo_person(user_id: str, password_hash: str) -> NewUser:
    """A person with a value for every standard claim (OpenID Connect Core §5.1)."""
    return NewUser(
        user_id,
        USERNAME,
        EMAIL,
        email_verified=True,
        phone_number="+33123456789",
        phone_number_verified=True,
        profile=PROFILE,
        roles=("demo",),
        password_hash=password_hash,
    )


def playground_client(issuer: str) -> Client:
    """The client of the playground at `<issuer>/playground`, without its secret, which is derived."""
    return Client(
        PLAYGROUND_CLIENT_ID,
        "Playground",
        redirect_uris=(f"{issuer}/playground/callback",),
        post_logout_redirect_uris=(f"{issuer}/playground",),
        token_endpoint_auth_method="client_secret_basic",
        scope=IDENTITY_SCOPES,
        first_party=True,
    )
