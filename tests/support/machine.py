"""What this machine offers to the tests: programs, accounts, free ports, a place for temporary files.

Owns what is asked of the machine before a server starts. The life of a server is in ``tests.support.processes``.
"""

import os
import pwd
import secrets
import shutil
import socket
import ssl
import subprocess
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


class ProgramMissing(RuntimeError):
    """A program the test needs is not installed; ``package`` is the Debian package that has it."""

    def __init__(self, package: str) -> None:
        self.package = package
        super().__init__(f"needs the Debian package {package}")


class ServerFailed(RuntimeError):
    """A server ended, or did not answer in time; the message carries the end of its log."""


def _own_ports(first: int = 20_000, end: int = 32_000) -> range:
    """The part of these ports that is this process's own among those of one test run. All are below the ports that
    systems give to outgoing connections, one of which could else have a port before its server starts."""
    processes = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
    number = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")) % processes
    share = (end - first) // processes
    return range(first + number * share, first + (number + 1) * share)


_PORTS = _own_ports()
_given: set[int] = set()


def find_free_port() -> int:
    """A TCP port that nobody listens on now, and that neither an outgoing connection nor another process of the test
    run will take; never the same one twice."""
    return find_free_ports(1)


def accepts_connections(port: int) -> bool:
    """Whether something listens on this TCP port of 127.0.0.1."""
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex(("127.0.0.1", port)) == 0


def serves_https(port: int, host: str) -> bool:
    """Whether a TLS handshake for this name succeeds, whoever vouches for the certificate."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    try:
        with (
            socket.create_connection(("127.0.0.1", port), timeout=5) as connection,
            context.wrap_socket(connection, server_hostname=host),
        ):
            return True
    except OSError:
        return False


def find_program(name: str) -> Path | None:
    """The path of a program; the system directories that an ordinary user's PATH leaves out are searched too."""
    found = shutil.which(name) or shutil.which(name, path=SYSTEM_PATH)
    return Path(found) if found else None


def find_unprivileged_user(*names: str) -> str | None:
    """The first of these accounts that exists, when we are root and must not run a server; None otherwise."""
    if os.geteuid() != 0:
        return None
    for name in (*names, "nobody"):
        with suppress(KeyError):
            return pwd.getpwnam(name).pw_name
    return None


def give_to(path: Path, user: str | None) -> Path:
    """Hand a file or directory to the account that will use it; nobody else can look inside."""
    path.chmod(0o700 if path.is_dir() else 0o600)
    if user is not None:
        account = pwd.getpwnam(user)
        os.chown(path, account.pw_uid, account.pw_gid)
    return path


def run_setup(command: Sequence[str | Path], home: Path, user: str | None) -> None:
    """Run a program that prepares a server's files, under the server's account. Raises ServerFailed with its output."""
    environment = {"PATH": os.environ.get("PATH", SYSTEM_PATH), "HOME": str(home), "LC_ALL": "C"}
    account = None if user is None else pwd.getpwnam(user)
    result = subprocess.run(
        command,
        cwd=home,
        env=environment,
        user=account and account.pw_uid,
        group=account and account.pw_gid,
        extra_groups=account and [],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        timeout=120,
        check=False,
        text=True,
    )
    if result.returncode != 0:
        raise ServerFailed(f"{Path(command[0]).name} failed with {result.returncode}:\n{result.stdout[-4000:]}")


def find_needed(program: str, *, package: str) -> Path:
    """The path of a program. Raises ProgramMissing with the Debian package that has it."""
    path = find_program(program)
    if path is None:
        raise ProgramMissing(package)
    return path


def find_public_directory() -> Path:
    """The directory for temporary files, or /tmp when the servers' accounts could not enter it."""
    directory = Path(tempfile.gettempdir()).resolve()
    is_public = all(parent.stat().st_mode & 0o001 for parent in (directory, *directory.parents))
    return directory if is_public or os.geteuid() != 0 else Path("/tmp")


def find_free_ports(count: int) -> int:
    """The first of so many ports in a row, each as `find_free_port` gives them."""
    while True:
        if len(_given) > len(_PORTS) // 2:  # those given long ago are free again
            _given.clear()
        first = secrets.choice(_PORTS[: 1 - count or None])
        ports = set(range(first, first + count))
        if ports & _given:
            continue
        _given.update(ports)
        if all(map(_is_free, ports)):
            return first


def _is_free(port: int) -> bool:
    with suppress(OSError), socket.socket() as probe:
        probe.bind(("", port))
        return True
    return False
