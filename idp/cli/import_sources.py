"""Where an import reads: CSV, lines of JSON, or another database. One record at a time, never the whole."""

import csv
import io
import json
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from idp.cli.command import Refused
from idp.cli.import_mapping import ColumnMapping
from idp.cli.import_rows import RowRefused
from idp.store.foreign_rows import reading_rows

MAX_LINE = 1024 * 1024
FORMATS = ("csv", "jsonl")
Record = Mapping[str, Any] | RowRefused


@dataclass(frozen=True, slots=True)
class Source:
    """`records` come with the number of their line, or row. `total` and `position` are bytes, where they are known."""

    kind: str
    records: Iterator[tuple[int, Record]]
    total: int | None = None
    position: Callable[[], int] = lambda: 0


@contextmanager
def opened_source(source: str, kind: str | None, mapping: ColumnMapping) -> Iterator[Source]:
    """A URL with `://`, `-` for standard input, or a file. Raises Refused, OSError, DatabaseUrlError."""
    if "://" in source:
        if kind is not None:
            raise Refused("--format is for files; a database has its own.")
        if not (mapping.selection.query or mapping.selection.table):
            raise Refused("For a database, the mapping (--mapping) names in [source] a query or a table.")
        with reading_rows(source, mapping.selection) as rows:
            yield Source("database", _checked(enumerate(rows, start=1), mapping))
    elif source == "-":
        yield _read_file(sys.stdin.buffer, kind or "csv", mapping, None)
    else:
        path = Path(source)
        with path.open("rb") as file:
            by_name = "jsonl" if path.suffix.lower() in {".jsonl", ".ndjson", ".json"} else "csv"
            yield _read_file(file, kind or by_name, mapping, path.stat().st_size)


def _read_file(file: BinaryIO, kind: str, mapping: ColumnMapping, total: int | None) -> Source:
    read = 0

    def lines() -> Iterator[str]:
        nonlocal read
        first = True
        while line := file.readline(MAX_LINE):
            read += len(line)
            if len(line) == MAX_LINE:
                raise Refused(f"A line is longer than {MAX_LINE:,} bytes; this is not {kind}.")
            yield line.decode("utf-8-sig" if first else "utf-8", "surrogateescape")
            first = False

    records = _csv_records(lines(), mapping) if kind == "csv" else _json_records(lines())
    return Source(kind, records, total, lambda: read)


def _csv_records(lines: Iterator[str], mapping: ColumnMapping) -> Iterator[tuple[int, Record]]:
    first = next(lines, "")
    delimiter = max(",;\t", key=first.count)
    header = next(csv.reader([first], delimiter=delimiter), [])
    names = [name.strip() for name in header]
    mapping.check_columns(names)
    reader = csv.reader(lines, delimiter=delimiter, strict=True)
    try:
        for cells in reader:
            if cells:
                yield reader.line_num + 1, _csv_record(names, cells)
    except csv.Error as error:
        raise Refused(f"Line {reader.line_num + 1} is not CSV: {error}. What came before it is done.") from None


def _csv_record(names: list[str], cells: list[str]) -> Record:
    if len(cells) != len(names):
        return RowRefused(f"The line has {len(cells)} columns instead of {len(names)}.")
    return {name: None if cell == r"\N" else cell for name, cell in zip(names, cells, strict=True)}


def _json_records(lines: Iterator[str]) -> Iterator[tuple[int, Record]]:
    for number, line in enumerate(lines, start=1):
        if line.strip():
            yield number, _json_record(line)


def _json_record(line: str) -> Record:
    try:
        record = json.loads(line)
    except (ValueError, RecursionError):
        return RowRefused("The line is not JSON.")
    return _flat(record) if isinstance(record, dict) else RowRefused("The line is not a JSON object.")


def _flat(record: Mapping[str, Any]) -> dict[str, Any]:
    """Members of members as `address.locality`."""
    flat: dict[str, Any] = {}
    for name, value in record.items():
        if isinstance(value, dict):
            flat |= {f"{name}.{inner}": each for inner, each in value.items()}
        else:
            flat[name] = value
    return flat


def _checked(rows: Iterator[tuple[int, Mapping[str, Any]]], mapping: ColumnMapping) -> Iterator[tuple[int, Record]]:
    for number, row in rows:
        if number == 1:
            mapping.check_columns(list(row))
        yield number, row


def open_text(path: Path) -> io.TextIOWrapper:
    """A new file that only its owner reads; what it held before is gone."""
    import os

    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    os.fchmod(descriptor, 0o600)
    return os.fdopen(descriptor, "w", encoding="utf-8", newline="")
