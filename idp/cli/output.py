"""How commands answer: JSON when asked for, otherwise sentences and tables. Times are ISO 8601, UTC."""

import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from io import StringIO
from typing import Any

import click

from idp.cli.command import is_json

WIDE = 240  # columns of a table that is not read on a terminal: nothing is cut off


def answer(data: Any, *sentences: str) -> None:
    """`data` with `--json`, otherwise the sentences, one a line."""
    if is_json():
        click.echo(json.dumps(data, ensure_ascii=False, indent=2))
    else:
        for sentence in sentences:
            click.echo(sentence)


def answer_table(data: Sequence[Mapping[str, Any]], columns: Mapping[str, str], *, empty: str) -> None:
    """Every member of every record with `--json`, otherwise a table of the `columns` (member → title)."""
    if is_json() or not data:
        answer(list(data), empty)
        return
    from rich.table import Table

    table = Table(*columns.values(), box=None, pad_edge=False, header_style="bold")
    for record in data:
        table.add_row(*(_text(record.get(name)) for name in columns))
    _print(table)


def answer_record(data: Mapping[str, Any]) -> None:
    """One record: a line for each member that has a value."""
    if is_json():
        answer(data)
        return
    from rich.table import Table

    table = Table(box=None, pad_edge=False, show_header=False)
    table.add_column(style="bold")
    table.add_column(overflow="fold")
    for name, value in data.items():
        if value not in (None, "", [], {}):
            table.add_row(name, _text(value, between="\n"))
    _print(table)


def iso(seconds: int | None) -> str | None:
    """A time as people write it: 2026-01-31T08:00:00Z."""
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _print(table: Any) -> None:
    from rich.console import Console

    if sys.stdout.isatty():
        Console(highlight=False, markup=False, emoji=False).print(table)
        return
    console = Console(file=StringIO(), width=WIDE, color_system=None)
    console.print(table)
    for line in console.file.getvalue().splitlines():  # type: ignore[attr-defined]
        click.echo(line.rstrip())


def _text(value: Any, *, between: str = " ") -> Any:
    from rich.text import Text

    if value is None:
        words = "-"
    elif isinstance(value, bool):
        words = "yes" if value else "no"
    elif isinstance(value, dict):
        words = json.dumps(value, ensure_ascii=False)
    elif isinstance(value, Iterable) and not isinstance(value, str):
        words = between.join(item if isinstance(item, str) else json.dumps(item, ensure_ascii=False) for item in value)
    else:
        words = str(value)
    return Text(words)  # as it is: nothing in it is markup
