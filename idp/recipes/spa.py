"""An application that is only in the browser, with oauth4webapi."""

from dataclasses import replace
from typing import Any

from idp.protocol.scopes import OFFLINE_ACCESS
from idp.recipes.families import API_OF_CLIENT, NAME, URLS, browser_application
from idp.recipes.recipe import Answers, Recipe, RecipeFile

CALLBACK = "/callback"


def settings(answers: Answers) -> dict[str, Any]:
    """Its refresh tokens end with the session of the browser, which `offline_access` would outlive."""
    registered = browser_application(answers, CALLBACK)
    scope = tuple(word for word in registered["scope"] if word != OFFLINE_ACCESS)
    return registered | {"scope": scope, "claims_in_id_token": True}


RECIPE = Recipe(
    kind="spa",
    title="Browser application",
    what="Only in the browser, without a server of its own; the tokens stay in the memory of the page.",
    questions=(NAME, replace(URLS, default="http://localhost:5173"), API_OF_CLIENT),
    files=(
        RecipeFile("config.js", "The values of this client; none of them is secret."),
        RecipeFile("auth.js", "Signing in, fresh access tokens, signing out; tokens stay in the memory of the tabs."),
    ),
    after=(
        "Install the library: npm install oauth4webapi",
        "Call start() when the page loads, and let every path, /callback too, answer with the page.",
        "accessToken() refreshes by rotation, one tab at a time; signOut() revokes and signs out here as well.",
        "Its origin may call this server from the browser; let your API allow the same origin (CORS).",
    ),
    page="spa.md",
    settings=settings,
    is_public=True,
    redirect_paths=(CALLBACK,),
)
