"""Recipes: for each kind of application its registration, and the finished files to paste.

Owns the table RECIPES and the one source of every snippet: the command line prints it, the admin's pages show it, and
`scripts/docs` copies it into the documents and the examples. Adding a kind is one module, its files, and one line here.
"""

from collections.abc import Iterable, Mapping, Sequence
from importlib.resources import files
from urllib.parse import urlsplit

from idp.protocol.client import Client
from idp.protocol.redirect_uri import origin_of
from idp.protocol.scopes import Api
from idp.recipes import aspnet, authjs, cli, express, fastapi, flask, mobile, nextauth, service, spa, spring
from idp.recipes.placeholders import PLACEHOLDER, Unwritable, fill, language_of
from idp.recipes.recipe import Answers, Question, Recipe, RecipeFile, Snippet

__all__ = [
    "RECIPES",
    "Answers",
    "Question",
    "Recipe",
    "RecipeFile",
    "Snippet",
    "Unwritable",
    "find_base_url",
    "make_facts",
    "read_template",
    "render",
    "snippets_of",
]

RECIPES: Mapping[str, Recipe] = {
    "nextauth": nextauth.RECIPE,
    "authjs": authjs.RECIPE,
    "spa": spa.RECIPE,
    "mobile": mobile.RECIPE,
    "fastapi": fastapi.RECIPE,
    "flask": flask.RECIPE,
    "express": express.RECIPE,
    "aspnet": aspnet.RECIPE,
    "spring": spring.RECIPE,
    "cli": cli.RECIPE,
    "service": service.RECIPE,
}

# In place of what is not known any more, or must not be shown.
SECRET_WORD = "put-the-client-secret-here"
RANDOM_WORD = "put-a-long-random-value-here"
_SECRET = ("client_secret", "random_secret")


def render(recipe: Recipe, facts: Mapping[str, str]) -> tuple[Snippet, ...]:
    """The finished files. `facts`: a value for each placeholder. Raises Unwritable with a plain sentence."""
    snippets = []
    for file in recipe.files:
        template = read_template(recipe.kind, file.source)
        names = set(PLACEHOLDER.findall(template))
        is_private = not names.isdisjoint(_SECRET)
        content = fill(template, facts, file.path)
        snippets.append(Snippet(file.path, language_of(file.path), file.what, content, is_private))
    return tuple(snippets)


def read_template(kind: str, source: str) -> str:
    """A file of a recipe as it is kept, with its placeholders."""
    return files("idp.recipes").joinpath("files", kind, *source.split("/")).read_text(encoding="utf-8")


def make_facts(
    recipe: Recipe,
    issuer: str,
    *,
    client: Client | None = None,
    api: Api | None = None,
    secret: str | None = None,
    random_secret: str | None = None,
) -> dict[str, str]:
    """The value of each placeholder. What is not known any more is a word that says what belongs there; what a client
    has none of is empty. `api`: the one that is described, or that the client calls."""
    redirect_uri = _redirect_uri(recipe, client) if client is not None else ""
    url = _base_url(recipe, client, redirect_uri) if client is not None else ""
    scopes: Iterable[str] = client.scope if client is not None and not recipe.is_api else api.scopes if api else ()
    return {
        "issuer": issuer,
        "client_id": client.client_id if client is not None else "",
        "client_secret": secret or SECRET_WORD,
        "random_secret": random_secret or RANDOM_WORD,
        "audience": api.identifier if api is not None else "",
        "url": url,
        "redirect_uri": redirect_uri,
        "post_logout_redirect_uri": _signed_out_uri(client, url) if client is not None else "",
        "scope": " ".join(scopes),
        "scheme": _private_scheme(client.redirect_uris) if client is not None else "",
    }


def snippets_of(client: Client, apis: Mapping[str, Api], issuer: str) -> tuple[Snippet, ...]:
    """The files of a client that is registered, its secrets left out; none for one that was made for nothing known.
    Raises Unwritable."""
    recipe = RECIPES.get(client.made_for or "")
    if recipe is None:
        return ()
    api = apis.get(_first((*client.serves, *client.audience)))
    return render(recipe, make_facts(recipe, issuer, client=client, api=api))


def _first(values: Sequence[str]) -> str:
    return values[0] if values else ""


def find_base_url(recipe: Recipe, redirect_uri: str) -> str | None:
    """The application's own base URL: its redirect URI without what the framework adds. None: it is not the framework's
    (RFC 6749 §3.1.2 lets a client register others beside it)."""
    for path in recipe.redirect_paths:
        base = redirect_uri.removesuffix(path)
        if base != redirect_uri and not (recipe.is_at_root and urlsplit(base).path):
            return base
    return None


def _redirect_uri(recipe: Recipe, client: Client) -> str:
    """The first that the framework returns to; of a kind that returns anywhere, and if there is none, the first."""
    of_framework = (uri for uri in client.redirect_uris if find_base_url(recipe, uri) is not None)
    return next(of_framework, _first(client.redirect_uris))


def _base_url(recipe: Recipe, client: Client, redirect_uri: str) -> str:
    """Of a client that was not registered for the framework, what is known of where it is."""
    base = find_base_url(recipe, redirect_uri)
    if base is None and client.client_uri and not recipe.is_at_root:
        return client.client_uri.rstrip("/")
    return base or origin_of(client.client_uri or "") or origin_of(redirect_uri) or ""


def _signed_out_uri(client: Client, url: str) -> str:
    """The one at that base URL, with or without a slash; if there is none, the first."""
    of_url = (uri for uri in client.post_logout_redirect_uris if uri.rstrip("/") == url)
    return next(of_url, _first(client.post_logout_redirect_uris))


def _private_scheme(uris: Sequence[str]) -> str:
    schemes = (uri.partition(":")[0] for uri in uris)
    return next((scheme for scheme in schemes if scheme not in {"http", "https"}), "")
