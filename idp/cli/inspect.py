"""`idp inspect`: why a request was refused. The id is on the error page, in the JSON and in the header X-Request-Id.

Owns how a refusal is told in a terminal; what is known of it was masked when it was kept (`idp.web.inspector`).
"""

from dataclasses import asdict
from typing import Any

import click

from idp.cli.command import KeyCommand, Refused
from idp.cli.opening import opened_store
from idp.cli.output import answer, answer_table, iso
from idp.protocol.differences import aligned, comparison
from idp.protocol.findings import Finding, duration, load_finding, visible
from idp.settings import Settings, load_settings
from idp.store.refusals import Refusal

_INDENT = "   "


@click.command(cls=KeyCommand)
@click.argument("request_id", metavar="[ID]", required=False)
@click.option("--client", metavar="ID", help="Only what this client was refused.")
@click.option("--limit", default=50, show_default=True, type=click.IntRange(1, 1000), help="At most so many.")
def command(request_id: str | None, client: str | None, limit: int) -> None:
    """Why the request ID was refused: the check that failed, what it expected and what it was given.

    Without an ID: what was refused lately, the newest first. Secrets are masked, and all is forgotten after a day
    (IDP_INSPECT_RETENTION).
    """
    settings = load_settings()
    with opened_store(settings) as store:
        if request_id is None:
            found = store.refusals.list(client_id=client, limit=limit)
        else:
            found = [_load(store.refusals.find(request_id.strip()), request_id, settings)]
    if request_id is not None:
        answer(described(found[0]), *_told(found[0]))
        return
    columns = {"request_id": "request", "at": "when", "endpoint": "at", "error": "error", "client_id": "client"}
    empty = "Nothing was refused lately." if settings.inspect_retention else "Nothing is kept: IDP_INSPECT_RETENTION=0."
    answer_table([described(each, is_marked=False) for each in found], columns | {"description": "why"}, empty=empty)


def _load(refusal: Refusal | None, request_id: str, settings: Settings) -> Refusal:
    if refusal is not None:
        return refusal
    if settings.inspect_retention == 0:
        raise Refused("Nothing is kept of refused requests: IDP_INSPECT_RETENTION is 0.")
    raise Refused(
        f"Nothing is noted (yet) of {visible(request_id)!r}. Refusals are kept {duration(settings.inspect_retention)}, "
        "the newest 10,000, and not all of a flood; of requests that were not refused, nothing. See: idp inspect"
    )


def described(refusal: Refusal, *, is_marked: bool = True) -> dict[str, Any]:
    """A refusal as JSON and in tables: everything in it is text that a terminal can be given. `is_marked`: with what
    differs marked, which is too much work for hundreds of them."""
    document = refusal.document
    return {
        "request_id": refusal.request_id,
        "at": iso(refusal.at),
        "error": visible(refusal.error),
        "description": visible(document.get("description", "")),
        "client_id": refusal.client_id,
        "endpoint": visible(f"{document.get('method', '')} {document.get('endpoint', '')}"),
        "network": document.get("network"),
        "findings": [_described_finding(load_finding(each), is_marked) for each in document.get("findings", ())],
        "sent": {visible(name): visible(value) for name, value in document.get("sent", {}).items()},
    }


def _described_finding(finding: Finding, is_marked: bool) -> dict[str, Any]:
    members = asdict(finding)
    del members["is_compared"]
    members["expected"] = [visible(value) for value in finding.expected]
    members |= {name: visible(members[name]) for name in ("check", "hint")}
    members["received"] = None if finding.received is None else visible(finding.received)
    pieces = comparison(finding) if is_marked else ()
    if pieces:
        members["marked"] = list(aligned(pieces))
    return members


def _told(refusal: Refusal) -> list[str]:
    """The whole story in lines."""
    told = described(refusal)
    client = f", client {told['client_id']}" if told["client_id"] else ""
    network = f", from {told['network']}" if told["network"] else ""
    lines = [f"{told['error']}: {told['description']}", f"{told['endpoint']} at {told['at']}{client}{network}"]
    for number, finding in enumerate(told["findings"], start=1):
        lines += ["", f"{number}. {finding['check']}", *_told_finding(finding)]
    if told["sent"]:
        width = max(map(len, told["sent"]))
        lines += ["", "Sent, secrets hidden:", *(f"{_INDENT}{name:{width}}  {value}" for name, value in
                                                 told["sent"].items())]  # fmt: skip
    return lines


def _told_finding(finding: dict[str, Any]) -> list[str]:
    expected, received = finding["expected"], finding["received"]
    if "marked" in finding:
        one, other, carets = finding["marked"]
        lines = [f"{_INDENT}expected  {one}", f"{_INDENT}received  {other}", f"{_INDENT}          {carets}".rstrip()]
        lines += [f"{_INDENT}or        {value}" for value in expected[1:]]
    else:
        lines = [f"{_INDENT}{'expected' if number == 0 else 'or      '}  {value}" for number, value in
                 enumerate(expected)]  # fmt: skip
        lines.append(f"{_INDENT}received  {'nothing' if received is None else received}")
    return lines + ([f"{_INDENT}{finding['hint']}"] if finding["hint"] else [])
