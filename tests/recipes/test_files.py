"""The files of the recipes: listed and there, known placeholders in safe places, and equal wherever they are."""

import re
from pathlib import Path

import pytest

import idp
from idp.protocol.scopes import Api
from idp.recipes import RECIPES, Answers, Recipe, read_template, render
from idp.recipes.placeholders import PLACEHOLDER, PLACEHOLDERS, language_of
from tests.support import recipe_documents
from tests.support.recipe_documents import sample_facts

FILES = Path(idp.__file__).parent / "recipes" / "files"
ROOT = Path(__file__).parent.parent.parent
TEMPLATES = [
    pytest.param(kind, file.source, file.path, id=f"{kind}/{file.path}")
    for kind, recipe in RECIPES.items()
    for file in recipe.files
]
ENV_LINE = re.compile(r'[A-Za-z_][A-Za-z0-9_]*=("[^"]*"|[^"\s]*)')
every_recipe = pytest.mark.parametrize("recipe", RECIPES.values(), ids=list(RECIPES))


def is_inside_quotes(line: str, at: int, quotes: str) -> bool:
    """Whether this place is inside a string that one of these quotes began and the same one ends, and no other."""
    inside = ""
    for character in re.sub(r"\\.", "", line[:at]):
        if character in quotes and inside in {"", character}:
            inside = "" if inside else character
    return bool(inside) and inside in line[at:]


@pytest.mark.parametrize(
    ("line", "is_inside"),
    [
        (r'a = "«x»"', True),
        (r'a = "\" «x»"', True),
        (r'a = "\\" + «x» + ""', False),
        ("a = '\"' + «x»", False),
        ("a = «x»", False),
    ],
)
def test_the_test_knows_where_a_string_ends(line: str, is_inside: bool) -> None:
    assert is_inside_quotes(line, line.index("«"), "\"'") is is_inside


def is_inside_comment(text: str, at: int) -> bool:
    return text.rfind("<!--", 0, at) > text.rfind("-->", 0, at)


def test_every_kind_is_in_the_table_by_its_own_name() -> None:
    assert list(RECIPES) == [recipe.kind for recipe in RECIPES.values()]
    wanted = "nextauth authjs spa mobile fastapi flask express aspnet spring cli service"
    assert set(RECIPES) == set(wanted.split())


def test_every_file_that_is_kept_belongs_to_a_recipe_and_every_one_of_a_recipe_is_there() -> None:
    kept = {path.relative_to(FILES).as_posix() for path in FILES.rglob("*") if path.is_file()}
    listed = {f"{kind}/{file.source}" for kind, recipe in RECIPES.items() for file in recipe.files}
    assert {path for path in kept if "__pycache__" not in path} == listed


@every_recipe
def test_a_recipe_says_what_it_is_and_what_to_do_next_and_has_its_page(recipe: Recipe) -> None:
    assert recipe.files, "the finished files are what a recipe is for"
    assert recipe.after
    assert (ROOT / "docs" / "integrate" / recipe.page).is_file()
    assert all(text.isprintable() for text in (recipe.title, recipe.what, *recipe.after))


@every_recipe
def test_what_to_do_next_can_be_done_in_a_project_of_ones_own(recipe: Recipe) -> None:
    """Where a step needs this repository, it says so."""
    for step in recipe.after:
        named = re.findall(r"\S*\b(?:packages|examples)/", step)
        assert all("CHECKOUT/" in path for path in named), step
        assert not named or any("folder of this repository" in each for each in recipe.after)


# What the usual commands that begin a project write: `--write` into it would refuse.
OF_A_NEW_PROJECT = {"appsettings.json", "Program.cs", "package.json", "src/main/resources/application.properties"}


@every_recipe
def test_no_file_is_one_that_a_new_project_has_already(recipe: Recipe) -> None:
    assert OF_A_NEW_PROJECT.isdisjoint(file.path for file in recipe.files)


@pytest.mark.parametrize(("kind", "source", "path"), TEMPLATES)
def test_a_file_has_only_known_placeholders_and_only_where_values_are_safe(kind: str, source: str, path: str) -> None:
    text, language = read_template(kind, source), language_of(path)
    assert set(PLACEHOLDER.findall(text)) <= PLACEHOLDERS
    assert text.count("«") == text.count("»") == len(PLACEHOLDER.findall(text))
    for line in text.splitlines():
        for found in PLACEHOLDER.finditer(line):
            if language == "env":
                assert ENV_LINE.fullmatch(line), f"{line!r} is not NAME=value"
            elif language not in {"xml", "html", "text"}:
                quotes = "\"'" if language in {"ts", "js", "dart", "python"} else '"'
                assert is_inside_quotes(line, found.start(), quotes), f"{line!r}: a placeholder stands in a string"
    if language in {"xml", "html"}:
        assert not any(is_inside_comment(text, found.start()) for found in PLACEHOLDER.finditer(text))


@every_recipe
def test_the_finished_files_have_no_placeholder_left_and_end_with_one_line_end(recipe: Recipe) -> None:
    for snippet in render(recipe, sample_facts(recipe)):
        assert "«" not in snippet.content
        assert snippet.content.endswith("\n")
        assert not snippet.content.endswith("\n\n")
        assert ".." not in Path(snippet.path).parts
        assert not Path(snippet.path).is_absolute()


@every_recipe
def test_a_file_with_a_secret_is_marked_as_private_and_is_no_code(recipe: Recipe) -> None:
    for snippet in render(recipe, sample_facts(recipe)):
        has_secret = "the-client-secret" in snippet.content or "a-long-random-value" in snippet.content
        assert snippet.is_private == has_secret
        assert not has_secret or snippet.language == "env", f"{snippet.path} would go into version control"


def test_the_documents_and_the_examples_have_the_recipes_files_byte_for_byte() -> None:
    stale = [path for path, text in recipe_documents.wanted() if path.read_text("utf-8") != text]
    assert stale == [], "run: scripts/docs"


def test_the_examples_really_use_files_of_the_recipes() -> None:
    examples = {path.relative_to(ROOT / "examples").parts[0] for path, _ in recipe_documents.copies()}
    assert {"nextauth-v4", "authjs-v5", "spa", "api-fastapi", "api-flask", "api-express"} <= examples


# What a page shows of a recipe, when it is not the page that the recipe names, or not all of it.
OTHER_PAGES = {
    "ios.md": ("mobile", "ios/"),
    "android.md": ("mobile", "android/"),
    "flutter.md": ("mobile", "flutter/"),
}
BY_PAGE = {recipe.page: recipe.kind for recipe in RECIPES.values()}
PAGES = sorted(path.name for path in recipe_documents.PAGES.glob("*.md") if path.name != "README.md")
every_page = pytest.mark.parametrize("page", PAGES)


def first_list_of(page: str) -> list[str]:
    """The numbered steps of its first list: each with all that belongs to it."""
    text = (recipe_documents.PAGES / page).read_text("utf-8")
    before_next_heading = re.split(r"^## ", text, flags=re.MULTILINE)[0]
    return re.split(r"^\d+\. ", before_next_heading, flags=re.MULTILINE)[1:]


@every_page
def test_every_page_begins_with_the_one_command_of_its_kind(page: str) -> None:
    kind = BY_PAGE.get(page) or {"authjs-express.md": "authjs"}.get(page) or OTHER_PAGES[page][0]
    steps = first_list_of(page)
    assert 0 < len(steps) < 10, page
    commands = [line.strip() for step in steps[:2] for line in step.splitlines() if line.startswith("   idp ")]
    assert commands, page
    assert all(command.startswith("idp clients add") for command in commands), "one command, and the API's before it"
    assert any(f"--for {kind} " in command for command in commands), page


@every_page
def test_every_file_of_a_recipe_is_shown_on_its_page(page: str) -> None:
    if page == "authjs-express.md":  # its files are those of the example
        return
    kind, folder = OTHER_PAGES.get(page) or (BY_PAGE[page], "")
    text = (recipe_documents.PAGES / page).read_text("utf-8")
    shown = {path for of, path in re.findall(r"<!-- recipe: (\S+) (\S+) -->", text) if of == kind}
    assert {file.path for file in RECIPES[kind].files if file.path.startswith(folder)} <= shown


@every_recipe
def test_a_kind_says_whether_it_keeps_a_secret_as_it_is_registered(recipe: Recipe) -> None:
    if recipe.settings is not None:
        api = Api("https://orders.example.com", "Orders", {"orders.read": "See your orders"})
        settings = recipe.settings(Answers("Shop", ("https://shop.example.com",), "com.example.shop", (), (api,)))
        assert recipe.is_public == (settings["token_endpoint_auth_method"] == "none")
