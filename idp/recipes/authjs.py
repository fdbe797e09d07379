"""Auth.js 5 (next-auth 5 and its siblings): a front end with a server of its own."""

from typing import Any

from idp.recipes.families import API_OF_CLIENT, NAME, ROOT_URLS, web_front_end
from idp.recipes.recipe import Answers, Recipe, RecipeFile

CALLBACK = "/api/auth/callback/idp"


def settings(answers: Answers) -> dict[str, Any]:
    """A refresh token at every sign-in, also where `offline_access` is not granted: without one the person would be
    signed out with the first access token."""
    return web_front_end(answers, CALLBACK)


RECIPE = Recipe(
    kind="authjs",
    title="Next.js with Auth.js 5",
    what="A Next.js front end; the tokens stay in an httpOnly cookie of its server.",
    questions=(NAME, ROOT_URLS, API_OF_CLIENT),
    files=(
        RecipeFile(".env.local", "The values of this client. Keep it out of version control.", template="env.local"),
        RecipeFile("auth.ts", "Auth.js: the provider, what is kept in the cookie, and what the browser may see."),
        RecipeFile("idp.ts", "Renews and revokes tokens, and finds where to sign out."),
        RecipeFile("proxy.ts", "Renews the tokens before a page is made; middleware.ts before Next.js 16."),
        RecipeFile("app/api/auth/[...nextauth]/route.ts", "The addresses of Auth.js."),
        RecipeFile("app/sign-out/route.ts", "Signs out here and at the sign-in server."),
    ),
    after=(
        "Install Auth.js: npm install next-auth@5.0.0-beta.32",
        'Sign in with signIn("idp") in a server action; auth() says who it is, accessToken() is for calls to your API.',
        'Sign out with <form method="post" action="/sign-out">.',
    ),
    page="authjs.md",
    settings=settings,
    redirect_paths=(CALLBACK,),
)
