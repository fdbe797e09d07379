"""A program for the command line: the browser comes back to it on a loopback address (RFC 8252 §7.3)."""

from typing import Any

from idp.recipes.families import API_OF_CLIENT, NAME, native_application
from idp.recipes.recipe import Answers, Recipe, RecipeFile


def settings(answers: Answers) -> dict[str, Any]:
    return native_application(answers)


RECIPE = Recipe(
    kind="cli",
    title="Command-line program",
    what="A program on a machine that has a browser; the answer comes back on a loopback address, on any port.",
    questions=(NAME, API_OF_CLIENT),
    files=(RecipeFile(".env", "The values of this client; none of them is secret.", template="env"),),
    after=(
        "Copy CHECKOUT/examples/mobile/native_app.py beside it; CHECKOUT is the folder of this repository.",
        'Install: pip install requests "PyJWT[crypto]"',
        "Read it: set -a; . ./.env; set +a",
        "Try it: python native_app.py sign-in, then who, refresh, sign-out; then take from that file what you need.",
        "A machine without a browser needs the device grant, which this server does not have yet.",
    ),
    page="cli.md",
    settings=settings,
    is_public=True,
)
