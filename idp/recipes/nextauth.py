"""Next.js with next-auth 4: a front end with a server of its own."""

from typing import Any

from idp.recipes.families import API_OF_CLIENT, NAME, ROOT_URLS, web_front_end
from idp.recipes.recipe import Answers, Recipe, RecipeFile

CALLBACK = "/api/auth/callback/idp"


def settings(answers: Answers) -> dict[str, Any]:
    """A refresh token at every sign-in: without it the person would be signed out with the first access token. One that
    came without `offline_access`, which only first-party clients get unasked, ends with the session at the server."""
    return web_front_end(answers, CALLBACK)


RECIPE = Recipe(
    kind="nextauth",
    title="Next.js with NextAuth 4",
    what="A Next.js front end; the tokens stay in an httpOnly cookie of its server.",
    questions=(NAME, ROOT_URLS, API_OF_CLIENT),
    files=(
        RecipeFile(".env.local", "The values of this client. Keep it out of version control.", template="env.local"),
        RecipeFile("auth.ts", "The provider, and what is kept of a sign-in."),
        RecipeFile("proxy.ts", "Renews the access token. Before Next.js 16 it is called middleware.ts."),
        RecipeFile("session-cookie.ts", "Writes the session cookie."),
        RecipeFile("idp.ts", "Asks the server for new tokens, or to revoke them."),
        RecipeFile("app/api/auth/[...nextauth]/route.ts", "NextAuth's own pages and calls."),
        RecipeFile("app/sign-out/route.ts", "Signs out here and at the server."),
    ),
    after=(
        "npm install next-auth@4",
        'Sign in with signIn("idp") of next-auth/react; sign out with a form that posts to /sign-out.',
        "On the server, getServerSession(authOptions) says who it is, and getAccessToken() has the token for your API.",
    ),
    page="nextauth.md",
    settings=settings,
    redirect_paths=(CALLBACK,),
)
