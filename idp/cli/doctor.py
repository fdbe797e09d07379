"""`idp doctor`: a running deployment looked at from inside and from outside, in sentences that say what to do.

`idp doctor --client ID` looks at one client's whole integration, `idp doctor upstream` says of each connection with
another provider what must be registered there. Owns the words around; the checks are in `cli.checks`. Exit code 1 when
something is wrong.
"""

import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from idp.cli.command import Command, Group, Refused
from idp.cli.output import answer
from idp.settings import Settings, UpstreamSettings, connection_name, load_settings

if TYPE_CHECKING:
    from idp.cli.checks.finding import Finding
    from idp.upstream.connection import Connection

NOTHING = "No connection with another provider is configured. How to begin: docs/providers/README.md"
STAND_INS = "In development, idp serve offers stand-ins until there is one."
WIDTH = 15  # of the topics


class DoctorGroup(Group, Command):
    """A group that is a command of its own as well, when no other is named."""


@click.group(cls=DoctorGroup, invoke_without_command=True)
@click.option("--client", "client_id", metavar="ID", help="Look at one client's whole integration instead.")
@click.option("--offline", is_flag=True, help="Ask nothing over the network but database and Redis.")
@click.pass_context
def command(ctx: click.Context, client_id: str | None, offline: bool) -> None:
    """Look at the running server from inside and from outside, and say what to mend.

    Run it where the server runs, with the server's settings. Nothing is changed, and nothing secret is shown.
    """
    if ctx.invoked_subcommand is not None:
        if client_id is not None or offline:
            raise click.UsageError(
                "--client and --offline stand before no other command; try: idp doctor upstream --help"
            )
        return
    from idp.cli.examination import examine_client, examine_deployment

    if client_id is None:
        issuer, findings = examine_deployment(offline=offline)
    else:
        issuer, findings = examine_client(client_id, offline=offline)
    is_well = all(finding.result != "wrong" for finding in findings)
    checks = [asdict(finding) for finding in findings]
    report = {"issuer": issuer, "client_id": client_id, "is_well": is_well, "checks": checks}
    answer(report, *_told(findings))
    if not is_well:
        ctx.exit(1)


def _told(findings: Sequence["Finding"]) -> Iterator[str]:
    """All of it, a line each, and the sum."""
    for finding in findings:
        yield f"{finding.result:<8} {finding.what:<{WIDTH}} {finding.sentence}"
    sums = Counter(finding.result for finding in findings)
    warnings = f"{sums['warning']} warning{'' if sums['warning'] == 1 else 's'}"
    yield f"\n{sums['wrong']} wrong, {warnings}, {sums['well']} well, {sums['unknown']} unknown. See: docs/doctor.md"


@command.command("upstream")
@click.argument("name", required=False)
@click.option("--offline", is_flag=True, help="Ask nothing over the network.")
@click.pass_context
def upstream(ctx: click.Context, name: str | None, offline: bool) -> None:
    """The connections with other providers, or the one called NAME: what to register there, and what is wrong."""
    settings = load_settings()
    chosen = _choose(settings.upstream, name)
    reports = [_report(settings, each, offline=offline) for each in chosen]
    nothing = [NOTHING] if settings.is_production else [NOTHING, STAND_INS]
    answer(reports, *(line for report in reports for line in _lines(report)), *(nothing if not reports else ()))
    if not all(report["is_well"] for report in reports):
        ctx.exit(1)


def _choose(connections: Sequence[UpstreamSettings], name: str | None) -> list[UpstreamSettings]:
    if name is None:
        return list(connections)
    chosen = [each for each in connections if each.name == connection_name(name)]
    if not chosen:
        known = ", ".join(each.name for each in connections) or "none"
        raise Refused(f"There is no connection {name}. Configured: {known}")
    return chosen


def _report(settings: Settings, each: UpstreamSettings, *, offline: bool) -> dict[str, Any]:
    """All that is told of one connection; nothing of it is secret."""
    from idp.cli.checks.connections import examine_connection

    connection, findings = examine_connection(settings, each, offline=offline, clock=time.time)
    described = {"name": each.name} if connection is None else _described(connection, settings)
    is_well = all(finding.result != "wrong" for finding in findings)
    return described | {"checks": [asdict(finding) for finding in findings], "is_well": is_well}


def _described(connection: "Connection", settings: Settings) -> dict[str, Any]:
    from idp.upstream.microsoft import MICROSOFT, tenant_of

    given, provider = connection.settings, connection.provider
    return {
        "name": connection.name,
        "label": connection.label,
        "kind": provider.kind,
        "redirect_uri": connection.redirect_uri,
        "register_at": provider.console or given.issuer,
        "client_id": given.client_id,
        "scopes": list(connection.scopes),
        "issuer": given.issuer,
        "tenant": tenant_of(given) if provider is MICROSOFT else None,
        "hosted_domain": given.hosted_domain,
        "trust_email": given.trust_email,
        "sign_up": given.sign_up or settings.sign_up,
        "profile_refresh": given.profile_refresh,
        "store_tokens": given.store_tokens,
        "can_prove_fresh_sign_in": connection.can_prove_fresh_sign_in,
        "sandbox_url": given.sandbox_url,
    }


# member of a report → what it is called; the first two are what an operator copies
_TITLES = {
    "redirect_uri": "redirect URI",
    "register_at": "register it at",
    "client_id": "client id",
    "scopes": "scopes",
    "issuer": "issuer",
    "tenant": "tenant",
    "hosted_domain": "hosted domain",
    "trust_email": "trust e-mail",
    "sign_up": "sign-up",
    "profile_refresh": "profile taken",
    "store_tokens": "tokens stored",
    "can_prove_fresh_sign_in": "fresh sign-in",
    "sandbox_url": "stand-in",
}
_WORDS = {True: "yes", False: "no"}


def _lines(report: dict[str, Any]) -> Iterator[str]:
    yield f"{report.get('label') or report['name']} ({report['name']})"
    for member, title in _TITLES.items():
        value = report.get(member)
        if value is not None:
            words = " ".join(value) if isinstance(value, list) else _WORDS.get(value, value)
            yield f"  {title:<15} {words}"
    for finding in report["checks"]:
        yield f"  {finding['result']:<8} {finding['sentence']}"
    yield ""
