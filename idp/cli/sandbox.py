"""`idp sandbox`: stand-ins for Google, Facebook, Discord, Apple, GitHub, Microsoft and a plain OpenID Connect provider.

Owns the life of the command: it refuses to start in production, says how a server uses the stand-ins, and waits.
"""

import errno
import os
import signal
import sys
import threading
from typing import TYPE_CHECKING

import click

from idp.cli.command import Command, Refused, is_json
from idp.cli.output import answer, answer_table
from idp.settings import ConfigurationError, Settings, load_settings

if TYPE_CHECKING:
    from idp.sandbox.servers import Sandbox

IN_PRODUCTION = "The stand-ins let anybody sign in as anybody, so they refuse to start while IDP_ENV is production."
FOLDER = "sandbox"  # in var_dir: where Apple's key is, for the stand-in and for the server


@click.command(cls=Command)
@click.option(
    "--port",
    type=click.IntRange(1, 65529),
    help="The first of seven ports (IDP_SANDBOX_PORT; default 101 above the server's).",
)
@click.option(
    "--known-email",
    metavar="ADDRESS",
    default="demo@example.com",
    show_default=True,
    help="The e-mail address of the person whom the server may know already.",
)
@click.option("--until-eof", is_flag=True, help="Also stop when standard input is closed.")
def command(port: int | None, known_email: str, until_eof: bool) -> None:
    """Run stand-ins for other providers on this machine until told to stop (Ctrl+C, SIGTERM). For development."""
    settings = _load_development_settings()
    ports = tuple(range(port, port + 7)) if port is not None else settings.sandbox_ports
    from idp.sandbox.connections import load_apple_key, sandbox_environment
    from idp.sandbox.servers import Sandbox

    key = load_apple_key(settings.var_dir / FOLDER)
    stop = _stop_when_told(until_eof)
    try:
        sandbox = Sandbox(ports, key, known_email)
    except OSError as error:
        if error.errno != errno.EADDRINUSE:
            raise
        raise Refused(
            f"{error.filename} is in use. Choose seven other ports, as in: idp sandbox --port {ports[0] + 100}"
        ) from None
    with sandbox:
        _announce(sandbox, sandbox_environment(sandbox.origins, key))
        stop.wait()


def _load_development_settings() -> Settings:
    try:
        settings = load_settings()
    except ConfigurationError as error:
        if error.usable is not None and error.usable.is_production:
            raise Refused(IN_PRODUCTION) from None
        raise
    if settings.is_production:
        raise Refused(IN_PRODUCTION)
    return settings


def _stop_when_told(until_eof: bool) -> threading.Event:
    """Set at Ctrl+C, at SIGTERM, and at the end of standard input if that is wanted."""
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda _number, _frame: stop.set())
    if until_eof:
        threading.Thread(target=_await_eof, args=(stop,), name="standard input", daemon=True).start()
    return stop


def _await_eof(stop: threading.Event) -> None:
    while os.read(0, 4096):  # what is written there means nothing
        pass
    stop.set()


def _announce(sandbox: "Sandbox", environment: dict[str, str]) -> None:
    if is_json():
        answer({"origins": sandbox.origins, "environment": environment})
    else:
        rows = [
            {"provider": desk.provider.label, "kind": kind, "address": desk.origin}
            for kind, desk in sandbox.desks.items()
        ]
        answer_table(rows, {"provider": "Provider", "kind": "Kind", "address": "Address"}, empty="")
        answer(None, "", "For .env, so that a server uses them:", "")
        answer(None, *(f"{name}={_quoted(value)}" for name, value in environment.items()))
        answer(None, "", "To stop: Ctrl+C")
    sys.stdout.flush()


def _quoted(value: str) -> str:
    return f"'{value}'" if " " in value else value
