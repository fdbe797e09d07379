"""The recipes' files where people read them: in the blocks of ``docs/integrate/*.md``, and in the examples.

``python -m tests.support.recipe_documents [--check]``; ``scripts/docs`` is its door. A block is

    <!-- recipe: authjs auth.ts -->
    <!-- /recipe -->

and holds the file with values of an example. A file that has no placeholder, and that an example has too, is copied
there byte for byte.
"""

import re
import sys
from collections.abc import Iterator
from pathlib import Path

from idp.protocol.client import Client
from idp.protocol.scopes import Api
from idp.recipes import RECIPES, Answers, Recipe, make_facts, read_template, render
from idp.recipes.placeholders import PLACEHOLDER

ROOT = Path(__file__).parent.parent.parent
PAGES = ROOT / "docs" / "integrate"
EXAMPLES = {
    "nextauth": "nextauth-v4",
    "authjs": "authjs-v5",
    "spa": "spa",
    "mobile": "mobile",
    "fastapi": "api-fastapi",
    "flask": "api-flask",
    "express": "api-express",
    "aspnet": "api-aspnet",
    "service": "service",
}
API = Api("https://orders.example.com", "Orders", {"orders.read": "See your orders"})
URLS = {"spa": "http://localhost:5173"}
BLOCK = re.compile(r"^( *)<!-- recipe: (\S+) (\S+) -->\n.*?^ *<!-- /recipe -->$", re.MULTILINE | re.DOTALL)
FENCES = {"env": "bash", "text": "text"}


def main(arguments: list[str]) -> int:
    """Write what is stale; with ``--check`` only say which files are."""
    stale = {path: text for path, text in wanted() if path.read_text("utf-8") != text}
    for path, text in stale.items():
        if "--check" in arguments:
            print(f"{path.relative_to(ROOT)} is stale; run: scripts/docs", file=sys.stderr)
        else:
            path.write_text(text, encoding="utf-8")
            print(f"{path.relative_to(ROOT)} is written.")
    return 1 if stale and "--check" in arguments else 0


def wanted() -> Iterator[tuple[Path, str]]:
    """Every file that follows from the recipes, and what it should say."""
    for page in sorted(PAGES.glob("*.md")):
        yield page, BLOCK.sub(_block, page.read_text("utf-8"))
    yield from copies()


def copies() -> Iterator[tuple[Path, str]]:
    """The files of the examples that are files of a recipe."""
    for kind, folder in EXAMPLES.items():
        for file in RECIPES[kind].files:
            template, path = read_template(kind, file.source), ROOT / "examples" / folder / file.path
            if path.exists() and not PLACEHOLDER.search(template):
                yield path, template


def sample_facts(recipe: Recipe) -> dict[str, str]:
    """Values for the documents: those of a registration as a reader would make it."""
    if recipe.settings is None:
        return make_facts(recipe, "http://localhost:8000", api=API)
    url = URLS.get(recipe.kind, "http://localhost:3000")
    asked = {question.option for question in recipe.questions}
    scheme = "com.example.shop" if "--scheme" in asked else None
    links = ("https://shop.example.com/callback",) if "--link" in asked else ()
    answers = Answers("Shop", (url,), scheme, links, (API,))
    client = Client("the-client-id", "Shop", **recipe.settings(answers))
    secret, random_secret = "the-client-secret", "a-long-random-value"
    return make_facts(
        recipe, "http://localhost:8000", client=client, api=API, secret=secret, random_secret=random_secret
    )


def _block(found: re.Match[str]) -> str:
    indent, kind, path = found.groups()
    snippets = {each.path: each for each in render(RECIPES[kind], sample_facts(RECIPES[kind]))}
    if path not in snippets:
        raise SystemExit(f"there is no file {path} in the recipe {kind}; it has: {', '.join(snippets) or 'none'}")
    snippet = snippets[path]
    lines = [f"<!-- recipe: {kind} {path} -->", "", f"```{FENCES.get(snippet.language, snippet.language)}"]
    lines += [*snippet.content.rstrip("\n").splitlines(), "```", "", "<!-- /recipe -->"]
    return "\n".join(indent + line if line else "" for line in lines)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
