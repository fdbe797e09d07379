"""`idp users import`: people of another system come over with their passwords (docs/importing-users.md).

Owns the options, the progress, the report of what was refused, and the summary. The source is only read.
"""

import csv
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import click

from idp.cli.command import Command, find_sentence, is_json
from idp.cli.opening import opened_store
from idp.cli.output import answer
from idp.cli.user_links import check_mail
from idp.settings import Settings, load_settings

_FILE = click.Path(dir_okay=False, path_type=Path)


@click.command("import", cls=Command)
@click.argument("source")
@click.option("--format", "kind", type=click.Choice(["csv", "jsonl"]), help="Of a file; its name tells it otherwise.")
@click.option("--mapping", "mapping_file", type=_FILE, help="A TOML file that says which column is what.")
@click.option("--dry-run", is_flag=True, help="Read and check everything, and change nothing.")
@click.option("--update", is_flag=True, help="Bring people up to date who are there already.")
@click.option("--notify", is_flag=True, help="With --update: tell whose e-mail changes, at the old address.")
@click.option("--report", "report_file", type=_FILE, help="Write what was refused there, as CSV, with line and reason.")
def command(
    *,
    source: str,
    kind: str | None,
    mapping_file: Path | None,
    dry_run: bool,
    update: bool,
    notify: bool,
    report_file: Path | None,
) -> None:
    """Import people from SOURCE: a file of CSV or JSON lines, `-`, or the URL of a database.

    Can be broken off and run again: whoever is there already is skipped. Try --dry-run first.
    """
    from idp.cli.import_links import Linker
    from idp.cli.import_mapping import ColumnMapping, load_mapping
    from idp.cli.import_plan import Importer
    from idp.cli.import_sources import opened_source

    mapping = load_mapping(mapping_file) if mapping_file is not None else ColumnMapping()
    settings, now, began = load_settings(), int(time.time()), time.monotonic()
    if notify:
        _check_notify(settings, update)
    with ExitStack() as stack:
        store = stack.enter_context(opened_store(settings))
        opened = stack.enter_context(_source_named(opened_source(source, kind, mapping)))
        report = stack.enter_context(_reporting(report_file))
        show = stack.enter_context(_progress(opened.total))
        tell = _make_teller(settings, store, now) if notify else None
        importer = Importer(store, Linker(settings.upstream), update=update, dry_run=dry_run, now=now, notify=tell)
        reasons = _import_all(importer, opened, mapping, report, lambda read: show(read, opened.position()))
    how: dict[str, Any] = {"dry_run": dry_run, "notify": notify, "report_file": report_file}
    _summarise(importer.counts, reasons, **how, seconds=time.monotonic() - began)


def _check_notify(settings: Settings, update: bool) -> None:
    """Raises UsageError or Refused where nobody would be told."""
    if not update:
        raise click.UsageError("--notify goes with --update: nobody else gets another e-mail address.")
    check_mail(settings)


def _make_teller(settings: Settings, store: Any, now: int) -> Callable[[Any], None]:
    """Tells a person that they get another e-mail address, at the one they have; only where they have confirmed it."""
    from idp.accounts.notices import Scene, tell_way_in_changed
    from idp.mail import MailParts

    parts = MailParts(settings, store)

    def tell(user: Any) -> None:
        if user.claims.get("email_verified") is True:
            tell_way_in_changed(parts, user, "email_replaced", Scene(now, None))

    return tell


def _import_all(
    importer: Any, opened: Any, mapping: Any, report: Callable[..., None], show: Callable[[int], None]
) -> Counter[str]:
    """Batch after batch; gives how often each reason to refuse came up."""
    from idp.cli.import_plan import BATCH_SIZE
    from idp.cli.import_rows import RowRefused

    reasons: Counter[str] = Counter()
    batch: list[tuple[int, Any]] = []

    def refuse(line: int, external_id: str | None, reason: str) -> None:
        reasons[reason] += 1
        report(line, external_id, reason)

    def finish_batch() -> None:
        for refused in importer.take(batch, kind=opened.kind).refused:
            refuse(*refused)
        batch.clear()
        show(importer.counts["read"])

    for line, record in opened.records:
        importer.counts["read"] += 1
        try:
            batch.append((line, _load(record, mapping)))
        except RowRefused as refused:
            importer.counts["refused"] += 1
            refuse(line, None, str(refused))
        if len(batch) >= BATCH_SIZE:
            finish_batch()
    finish_batch()
    return reasons


def _load(record: Any, mapping: Any) -> Any:
    """The person of a record; raises RowRefused, also where the record is one."""
    from idp.cli.import_rows import RowRefused, load_person

    if isinstance(record, RowRefused):
        raise record
    return load_person(record, mapping)


@contextmanager
def _source_named(opening: Any) -> Iterator[Any]:
    """Errors of the source's database are not taken for those of ours."""
    from idp.cli.command import Refused
    from idp.store.database import DatabaseUrlError

    try:
        with opening as opened:
            yield opened
    except DatabaseUrlError as error:
        raise Refused(str(error)) from None
    except (click.ClickException, click.Abort, click.exceptions.Exit):
        raise
    except Exception as error:
        sentence = find_sentence(error)
        if sentence is None or isinstance(error, OSError):
            raise
        raise Refused(f"The import stopped: {sentence} What came before is done; run it again.") from None


@contextmanager
def _reporting(path: Path | None) -> Iterator[Callable[[int, str | None, str], None]]:
    if path is None:
        yield lambda *_: None
        return
    from idp.cli.import_sources import open_text

    with open_text(path) as file:
        writer = csv.writer(file)
        writer.writerow(("line", "external_id", "reason"))
        yield lambda line, external_id, reason: writer.writerow((line, _cell(external_id), reason))


def _cell(external_id: str | None) -> str:
    """Only what an id looks like: neither a formula for a spreadsheet nor, by a slip of the mapping, a hash."""
    plain = external_id is not None and len(external_id) <= 64 and external_id[:1].isalnum()
    return external_id if plain and external_id is not None and external_id.replace("-", "").isalnum() else ""


@contextmanager
def _progress(total: int | None) -> Iterator[Callable[[int, int], None]]:
    """A bar on a terminal, for people; nothing elsewhere."""
    if is_json() or not sys.stderr.isatty():
        yield lambda *_: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (BarColumn(), TextColumn("{task.fields[read]:,} people"), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True)) as progress:
        task = progress.add_task("", total=total, read=0)
        yield lambda read, position: progress.update(task, completed=position, read=read)


def _summarise(
    counts: Counter[str],
    reasons: Counter[str],
    *,
    dry_run: bool,
    notify: bool,
    report_file: Path | None,
    seconds: float,
) -> None:
    names = ("read", "added", "updated", "addresses_changed", "there_already", "refused")
    summary: dict[str, Any] = {"dry_run": dry_run, **{name: counts[name] for name in names}}
    summary |= {"reasons": dict(reasons.most_common(20)), "seconds": round(seconds, 1)}
    summary["report"] = None if report_file is None else str(report_file)
    would, moved = "would be " if dry_run else "", counts["addresses_changed"]
    sentences = [f"{counts['read']:,} read in {seconds:.1f} seconds."]
    sentences += [f"{counts['added']:,} {would}added, {counts['updated']:,} {would}updated."]
    sentences += [_about_addresses(moved, dry_run, notify)] if moved else []
    sentences += [f"{counts['there_already']:,} there already, {counts['refused']:,} refused."]
    sentences += [f"  {count:,} × {reason}" for reason, count in reasons.most_common(20)]
    sentences += [f"Each refused row is in {report_file}."] if report_file is not None and reasons else []
    sentences += ["This was a dry run: nothing has been changed."] if dry_run else []
    answer(summary, *sentences)


def _about_addresses(changed: int, dry_run: bool, notify: bool) -> str:
    is_, got = ("would be", "would get") if dry_run else ("is", "got")
    told = f"whoever has confirmed the old one {is_} told there" if notify else f"nobody {is_} told (--notify)"
    return f"{changed:,} {got} another e-mail address; {told}."
