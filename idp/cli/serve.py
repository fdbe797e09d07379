"""`idp serve`: the server under gunicorn, in this process."""

import errno
import gc
import os
import socket
import sys
import time

import click

from idp.cli.command import Command, Refused
from idp.cli.stand_ins import wants_stand_ins, with_stand_ins
from idp.settings import Settings


@click.command(cls=Command)
@click.option("--host", metavar="ADDRESS", help="The address to listen on (IDP_HOST, HOST; default localhost).")
@click.option("--port", type=click.IntRange(1, 65535), help="The port to listen on (IDP_PORT, PORT; default 8000).")
@click.option("--workers", type=click.IntRange(1, 64), help="Worker processes (IDP_WORKERS; default one a core).")
@click.option("--init", "with_init", is_flag=True, help="First do what `idp init` does.")
def command(host: str | None, port: int | None, workers: int | None, with_init: bool) -> None:
    """Run the server until it is told to stop (Ctrl+C, SIGTERM)."""
    gc.disable()  # what start-up makes stays; `serving` turns it on again before the workers are forked
    given = {"IDP_HOST": host, "IDP_PORT": port, "IDP_WORKERS": workers}
    os.environ.update({name: str(value) for name, value in given.items() if value is not None})
    from idp.startup import load_server_settings

    settings = load_server_settings()
    if with_init:
        from idp.cli.init import initialise

        initialise(settings, now=int(time.time()))
    from idp.cli.serving import ServerApplication, addresses

    for address in addresses(settings):
        _check_free(address, settings)
    stand_ins = None
    if wants_stand_ins(settings):
        settings, stand_ins = with_stand_ins(settings)
    application = ServerApplication(settings)
    application.wsgi()  # here, so that what is wrong is said as a sentence
    sys.stdout.flush()
    application.run()
    del stand_ins  # until here its standard input stays open, and so it runs


def _check_free(address: str, settings: Settings) -> None:
    """Whether we can listen there; Refused when another program does."""
    host, _, port = address.rpartition(":")
    family = socket.AF_INET6 if host.startswith("[") else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host.strip("[]"), int(port)))
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                raise Refused(
                    f"Port {port} is in use on {host}. Choose another one: PORT={settings.port + 1}"
                ) from None
            raise Refused(f"Cannot listen on {address}: {error.strerror}.") from None
