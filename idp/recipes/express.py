"""API in Express: a resource server, which checks access tokens and needs no client of its own."""

from idp.recipes.families import API, API_NAME, API_SCOPES
from idp.recipes.recipe import Recipe, RecipeFile

RECIPE = Recipe(
    kind="express",
    title="API in Express",
    what="An API in Node.js whose callers bring access tokens of this server.",
    questions=(API, API_NAME, API_SCOPES),
    files=(
        RecipeFile(".env", "The two values that the API needs; none of them is secret.", template="env"),
        RecipeFile("guard.js", "Who may call: the middleware that checks every token."),
    ),
    after=(
        "Install: npm install express jose; and guard.js is an ES module: npm pkg set type=module",
        'Guard a route: app.get("/orders", guard(requiresScope("…")), handler)',
        "Start: node --env-file=.env app.js",
    ),
    page="express.md",
)
