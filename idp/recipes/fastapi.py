"""API in FastAPI: a resource server, which checks access tokens and needs no client of its own."""

from idp.recipes.families import API, API_NAME, API_SCOPES
from idp.recipes.recipe import Recipe, RecipeFile

RECIPE = Recipe(
    kind="fastapi",
    title="API in FastAPI",
    what="An API whose callers bring access tokens of this server; WebSockets too.",
    questions=(API, API_NAME, API_SCOPES),
    files=(
        RecipeFile(".env", "The two values that the API needs; none of them is secret.", template="env"),
        RecipeFile("guard.py", "Who may call: the dependency that checks every token."),
    ),
    after=(
        'Install: pip install "CHECKOUT/packages/idp-verify[fastapi]" "uvicorn[standard]"; '
        "CHECKOUT is the folder of this repository",
        'Guard an endpoint: token: Annotated[Token, Depends(guard(requires_scope("…")))]',
        "Start it: uvicorn app:app --port 8001 --env-file .env",
        "Refresh and sign-out are the business of the apps that call it: register one with --api and this identifier.",
    ),
    page="fastapi.md",
)
