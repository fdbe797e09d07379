"""A program that acts for itself and for no person (RFC 6749 §4.4)."""

from typing import Any

from idp.recipes.families import API, NAME
from idp.recipes.recipe import Answers, Recipe, RecipeFile


def settings(answers: Answers) -> dict[str, Any]:
    """A secret, no redirect URI, no person's scopes: only those of its APIs."""
    return {
        "token_endpoint_auth_method": "client_secret_basic",
        "grant_types": ("client_credentials",),
        "scope": tuple(dict.fromkeys(scope for api in answers.apis for scope in api.scopes)),
        "audience": tuple(api.identifier for api in answers.apis),
    }


RECIPE = Recipe(
    kind="service",
    title="Service",
    what="A program that calls an API for itself; nobody signs in to it.",
    questions=(NAME, API),
    files=(
        RecipeFile(".env", "What the program proves itself with; keep it out of version control.", template="env"),
        RecipeFile("service.py", "An HTTP session that fetches and renews its access tokens by itself."),
    ),
    after=(
        "Install: pip install authlib requests python-dotenv",
        "Read .env, before anything else: from dotenv import load_dotenv; load_dotenv()",
        'Call the API: connect().get("https://…"); from service import connect',
    ),
    page="service.md",
    settings=settings,
)
