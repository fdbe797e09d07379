"""The flow inspector as a page, for whoever integrates a client: `/dev/inspect` and `/dev/inspect/<request id>`.

In production these addresses do not exist; there `idp inspect` says the same. What the checks say is English, as the
descriptions that clients get.
"""

from typing import Any

from flask import Blueprint, Response, abort, url_for

from idp.protocol.differences import comparison
from idp.protocol.findings import Finding, load_finding, moment, visible
from idp.store.refusals import Refusal
from idp.web.current import current_server
from idp.web.inspector import PAGE_WAITS, current_writer
from idp.web.pages import render_page

SHOWN = 50


def register(blueprint: Blueprint) -> None:
    blueprint.add_url_rule("/dev/inspect", view_func=dev_refusals)
    blueprint.add_url_rule("/dev/inspect/<request_id>", view_func=dev_refusal)


def dev_refusals() -> Response:
    """The newest first."""
    current_writer().wait(PAGE_WAITS)
    found = current_server().store.refusals.list(limit=SHOWN)
    return render_page("dev_refusals", refusals=[_head(refusal) for refusal in found])


def dev_refusal(request_id: str) -> Response:
    current_writer().wait(PAGE_WAITS, request_id)
    refusal = current_server().store.refusals.find(request_id)
    if refusal is None:
        abort(404)
    document = refusal.document
    return render_page(
        "dev_refusal",
        **_head(refusal),
        network=document.get("network"),
        findings=[_finding_view(load_finding(members)) for members in document.get("findings", ())],
        sent=[{"name": name, "value": visible(value)} for name, value in document.get("sent", {}).items()],
        list_url=url_for("pages.dev_refusals"),
    )


def _head(refusal: Refusal) -> dict[str, Any]:
    return {
        "id": refusal.request_id,
        "url": url_for("pages.dev_refusal", request_id=refusal.request_id),
        "at": moment(refusal.at),
        "error": refusal.error,
        "description": visible(refusal.document.get("description", "")),
        "endpoint": visible(f"{refusal.document.get('method', '')} {refusal.document.get('endpoint', '')}"),
        "client_id": refusal.client_id,
    }


def _finding_view(finding: Finding) -> dict[str, Any]:
    pieces = comparison(finding)
    others = finding.expected[1:] if pieces else finding.expected
    return {
        "check": visible(finding.check),
        "others": [visible(value) for value in others],
        "received": None if finding.received is None else visible(finding.received),
        "hint": visible(finding.hint),
        "pieces": [{"expected": each.expected, "received": each.received, "same": each.is_same} for each in pieces],
    }
