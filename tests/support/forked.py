"""Python processes that begin with everything imported: Python's fork server has imported idp, and forks them. A server
then answers in a fraction of the second that `python -m gunicorn` takes.

Owns what is imported beforehand, and the handle of such a process. The commands as people type them are started as
such in tests/cli/test_serve.py, tests/test_settings.py and tests/test_scripts_run.py.
"""

import multiprocessing
import os
import runpy
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory

ROOT = Path(__file__).parent.parent.parent
_SERVER = ["gunicorn.app.wsgiapp", "idp.endpoints", "idp.pages", "idp.upstream.exchange"]
_COMMANDS = ["idp.cli.serving", "idp.cli.clients", "idp.cli.keys", "idp.cli.users", "rich.table"]
_context = multiprocessing.get_context("forkserver")
_context.set_forkserver_preload([*_SERVER, *_COMMANDS])


class ForkedProcess:
    """`python -m module arguments…` whose settings are those of `environment` alone, in a session of its own, without
    input; has what tests use of `subprocess.Popen`. `errors`: where standard error goes, if not into the log."""

    def __init__(
        self,
        module: str,
        *arguments: str,
        environment: Mapping[str, str],
        log: Path,
        errors: Path | None = None,
        folder: Path = ROOT,
    ) -> None:
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("IDP_")}
        call = (module, arguments, {**inherited, **environment}, log, errors or log, folder)
        self._process = _context.Process(target=_run_module, args=call, daemon=True)  # daemon: it ends with the tests
        self._process.start()
        assert self._process.pid is not None
        self.pid = self._process.pid

    def poll(self) -> int | None:
        return self._process.exitcode

    @property
    def returncode(self) -> int | None:
        return self._process.exitcode

    def wait(self, timeout: float | None = None) -> int:
        """Raises subprocess.TimeoutExpired."""
        self._process.join(timeout)
        code = self._process.exitcode
        if code is None:
            raise subprocess.TimeoutExpired([self._process.name], timeout or 0)
        return code

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, number)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)


def run_idp(
    environment: Mapping[str, str], *arguments: str, timeout: float = 120
) -> "subprocess.CompletedProcess[str]":
    """The command `idp` in a process of its own, whose settings are those of this environment alone."""
    with TemporaryDirectory() as folder:
        out, err = Path(folder, "out"), Path(folder, "err")
        process = ForkedProcess("idp.cli", *arguments, environment=environment, log=out, errors=err)
        try:
            code = process.wait(timeout)
        finally:
            process.kill()
        return subprocess.CompletedProcess(["idp", *arguments], code, out.read_text("utf-8"), err.read_text("utf-8"))


def _run_module(
    module: str, arguments: tuple[str, ...], environment: dict[str, str], log: Path, errors: Path, folder: Path
) -> None:
    os.setsid()
    for number, path, flags in (
        (0, Path(os.devnull), os.O_RDONLY),
        (1, log, os.O_WRONLY | os.O_CREAT | os.O_APPEND),
        (2, errors, os.O_WRONLY | os.O_CREAT | os.O_APPEND),
    ):
        os.dup2(os.open(path, flags, 0o600), number)
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(folder)
    sys.path.insert(0, str(folder))
    sys.argv[:] = [module, *arguments]
    signal.signal(signal.SIGINT, signal.default_int_handler)  # the fork server itself ignores Ctrl+C
    runpy.run_module(module, run_name="__main__", alter_sys=True)
