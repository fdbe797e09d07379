"""The stand-ins beside a development server: `idp serve` starts them as a process of their own, which ends with it.

Owns when there are some: in development, where no real provider is configured, unless `IDP_SANDBOX` says otherwise.
"""

import socket
import subprocess
import sys
from collections.abc import Sequence

import click

from idp.cli.command import Refused
from idp.cli.sandbox import FOLDER
from idp.settings import Settings

_HOST = "127.0.0.1"


def wants_stand_ins(settings: Settings) -> bool:
    if settings.is_production:
        return False
    return settings.sandbox is True or (settings.sandbox is None and not settings.upstream)


def with_stand_ins(settings: Settings) -> tuple[Settings, "subprocess.Popen[bytes] | None"]:
    """Start them; the settings with their connections, and the process, which ends when its standard input closes.

    Where a port is taken: Refused if they were asked for, otherwise a sentence and no stand-ins.
    """
    from idp.sandbox.connections import KINDS, load_apple_key, sandbox_upstreams

    ports = settings.sandbox_ports
    taken = _taken(ports)
    if taken is not None and settings.sandbox:
        raise Refused(f"Port {taken} is in use, but the sandbox needs it. Choose others: IDP_SANDBOX_PORT=9100")
    if taken is not None:
        click.echo(f"No stand-ins for other providers: port {taken} is in use (IDP_SANDBOX_PORT).", err=True)
        return settings, None
    key = load_apple_key(settings.var_dir / FOLDER)
    origins = {kind: f"http://{_HOST}:{port}" for kind, port in zip(KINDS, ports, strict=True)}
    known = {connection.name for connection in settings.upstream}
    upstream = [each for each in sandbox_upstreams(origins, key) if each.name not in known]
    command = [sys.executable, "-m", "idp.cli", "sandbox", "--port", str(ports[0]), "--until-eof"]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL)
    return settings.model_copy(update={"upstream": (*settings.upstream, *upstream)}), process


def _taken(ports: Sequence[int]) -> int | None:
    """The first of these ports on which another program listens."""
    for port in ports:
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((_HOST, port))
            except OSError:
                return port
    return None
