"""The finished files of a recipe at the command line: shown, or written where nothing is yet."""

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TextIO

from idp.cli.command import Refused
from idp.cli.output import answer
from idp.protocol.client import Client
from idp.protocol.scopes import Api
from idp.recipes import RECIPES, Recipe, Snippet, Unwritable, make_facts, render, snippets_of


def described_files(snippets: Sequence[Snippet]) -> list[dict[str, Any]]:
    """The files in JSON's types."""
    return [
        {"path": each.path, "language": each.language, "what": each.what, "content": each.content} for each in snippets
    ]


def shown_files(snippets: Sequence[Snippet]) -> list[str]:
    """The lines that show each file: a heading with its path, what it is, and the whole content."""
    lines = []
    for each in snippets:
        lines += ["", f"=== {each.path}", f"    {each.what}", "", each.content.rstrip("\n")]
    return lines


def shown_steps(recipe: Recipe) -> list[str]:
    """The lines that say what to do next."""
    steps = [f"{number}. {sentence}" for number, sentence in enumerate(recipe.after, 1)]
    return ["", "=== What to do next", *steps, f"From the beginning, step by step: docs/integrate/{recipe.page}"]


def answer_snippets(client: Client, apis: Mapping[str, Api], issuer: str) -> None:
    """Print the files of a client again. Its secret is only known as a hash, so a word stands for it."""
    recipe = RECIPES.get(client.made_for or "")
    if recipe is None:
        change = f"idp clients update {client.client_id} --for KIND"
        raise Refused(f"It is not registered for a kind of application; KIND is one of {', '.join(RECIPES)}: {change}")
    try:
        snippets = snippets_of(client, apis, issuer)
    except Unwritable as error:
        raise Refused(str(error)) from None
    lines = shown_files(snippets)
    if any(each.is_private for each in snippets):
        lines += ["", f"The secret was shown once. A new one: idp clients update {client.client_id} --new-secret"]
    data = {"client_id": client.client_id, "for": recipe.kind, "files": described_files(snippets)}
    answer(data | {"after": list(recipe.after), "page": f"docs/integrate/{recipe.page}"}, *lines, *shown_steps(recipe))


def answer_api_files(api: Api, kind: str, issuer: str) -> None:
    """Print the files of an API again; none of them has a secret, and no client belongs to them."""
    kinds = [name for name, each in RECIPES.items() if each.is_api]
    if kind not in kinds:
        raise Refused(f"--for is one of {', '.join(kinds)}.", exit_code=2)
    recipe = RECIPES[kind]
    try:
        snippets = render(recipe, make_facts(recipe, issuer, api=api))
    except Unwritable as error:
        raise Refused(str(error)) from None
    data = {"api": api.identifier, "for": kind, "files": described_files(snippets)}
    data |= {"after": list(recipe.after), "page": f"docs/integrate/{recipe.page}"}
    answer(data, *shown_files(snippets), *shown_steps(recipe))


@contextmanager
def written_files(folder: Path | None, snippets: Sequence[Snippet]) -> Iterator[list[Path]]:
    """The files in this folder, for as long as the block succeeds; if it fails, they are taken away again.

    What is there already is never written over, and no link is followed out of the folder: Refused, before anything is
    written. A file with a secret can be read by its owner alone.
    """
    if folder is None:
        yield []
        return
    paths = [folder.joinpath(*each.path.split("/")) for each in snippets]
    for path in paths:
        if not path.parent.resolve().is_relative_to(folder.resolve()):
            raise Refused(f"{path} would be written outside of {folder}, through a link; choose another folder.")
        if path.exists() or path.is_symlink():
            raise Refused(f"{path} is there already and is not written over; choose another folder, or move it.")
    written: list[Path] = []
    try:
        for path, each in zip(paths, snippets, strict=True):
            path.parent.mkdir(parents=True, exist_ok=True)
            with _open_new(path, each) as file:
                written.append(path)
                file.write(each.content)
        yield paths
    except BaseException:
        for path in written:
            path.unlink(missing_ok=True)
        raise


def _open_new(path: Path, snippet: Snippet) -> TextIO:
    mode = 0o600 if snippet.is_private or snippet.language == "env" else 0o666
    return open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "w", encoding="utf-8")
