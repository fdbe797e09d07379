"""API in Flask: a resource server, which checks access tokens and needs no client of its own."""

from idp.recipes.families import API, API_NAME, API_SCOPES
from idp.recipes.recipe import Recipe, RecipeFile

RECIPE = Recipe(
    kind="flask",
    title="API in Flask",
    what="An API whose callers bring access tokens of this server.",
    questions=(API, API_NAME, API_SCOPES),
    files=(
        RecipeFile(".env", "The two values that the API needs; none of them is secret.", template="env"),
        RecipeFile("guard.py", "Who may call: the decorator that checks every token."),
    ),
    after=(
        'Install: pip install "CHECKOUT/packages/idp-verify[flask]" python-dotenv; '
        "CHECKOUT is the folder of this repository",
        'Guard a view: @guard(requires_scope("…")) under its route.',
        "Start it: flask run --port 8001 (it reads .env by itself)",
        "Refresh and sign-out are the business of the apps that call it: register one with --api and this identifier.",
    ),
    page="flask.md",
)
