"""An example of Node.js as a process of its own: built once for its sources, started, awaited, ended by pid."""

import fcntl
import hashlib
import os
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import pytest
import requests

from tests.support.machine import ProgramMissing, find_free_port, find_needed

EXAMPLES = Path(__file__).parent.parent.parent / "examples"
BUILDS_WITHIN_SECONDS = 300
STARTS_WITHIN_SECONDS = 120
GENERATED = {"node_modules", ".next", "next-env.d.ts"}


@dataclass(frozen=True)
class NodeApp:
    """Where it listens, and what it said."""

    port: int
    log: Path

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def log_text(self) -> str:
        return self.log.read_text(encoding="utf-8", errors="replace")


def find_example(name: str) -> Path:
    """The folder of the example. Skips the test when Node.js, or the packages of the example, are not installed."""
    try:
        find_needed("node", package="nodejs")
    except ProgramMissing as missing:
        pytest.skip(str(missing))
    if not (EXAMPLES / name / "node_modules").is_dir():
        pytest.skip(f"needs the npm packages of examples/{name}: npm ci --prefix examples/{name}")
    return EXAMPLES / name


def build(name: str) -> Path:
    """`npm run build`, unless it was done for just these sources; the folder. One process builds, others wait."""
    folder = find_example(name)
    with (folder / "node_modules/.building").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        stamp, sources = folder / ".next/.built", _sources_of(folder)
        if not stamp.is_file() or stamp.read_text() != sources:
            result = subprocess.run(
                [find_needed("npm", package="npm"), "run", "build"],
                cwd=folder, env=_environment({}), capture_output=True, text=True,
                timeout=BUILDS_WITHIN_SECONDS, check=False,
            )  # fmt: skip
            assert result.returncode == 0, f"examples/{name} does not build:\n{result.stdout}{result.stderr}"
            stamp.write_text(sources)
    return folder


@contextmanager
def running_node_app(
    name: str, *command: str, log: Path, port: int | None = None, path: str = "/", **environment: str
) -> Iterator[NodeApp]:
    """`command` is a script of the example with its arguments, such as "node_modules/next/dist/bin/next", "start".

    It finds its port in PORT, and must listen on 127.0.0.1. `path`: what is asked until there is an answer. The port
    may be chosen before, by `find_free_port`, when the environment has to name it.
    """
    app = NodeApp(port or find_free_port(), log)
    with log.open("ab") as output:
        process = subprocess.Popen(  # a session of its own: one signal ends its children too
            [find_needed("node", package="nodejs"), *command],
            cwd=find_example(name), env=_environment(environment | {"PORT": str(app.port)}),
            stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True,
        )  # fmt: skip
    try:
        _wait(app, process, path)
        yield app
    finally:
        _end(process)


def _environment(values: Mapping[str, str]) -> dict[str, str]:
    """Nothing of ours but where programs are: no proxy, no options."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    return kept | {"LC_ALL": "C.UTF-8", "NODE_ENV": "production", "NEXT_TELEMETRY_DISABLED": "1"} | dict(values)


def _sources_of(folder: Path) -> str:
    """What the build depends on, as one hash."""
    digest = hashlib.sha256()
    for place, folders, files in os.walk(folder):
        folders[:] = sorted(set(folders) - GENERATED)
        for name in sorted(set(files) - GENERATED):
            path = Path(place, name)
            digest.update(f"{path.relative_to(folder)}\0".encode() + path.read_bytes() + b"\0")
    return digest.hexdigest()


def _wait(app: NodeApp, process: "subprocess.Popen[bytes]", path: str) -> None:
    deadline = time.monotonic() + STARTS_WITHIN_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        try:
            requests.get(app.url + path, allow_redirects=False, timeout=5)
        except requests.RequestException:
            time.sleep(0.05)
        else:
            return
    raise AssertionError(f"the example did not start:\n{app.log_text()[-4000:]}")


def _end(process: "subprocess.Popen[bytes]") -> None:
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGTERM)
    try:
        process.wait(10)
    except subprocess.TimeoutExpired:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait(5)
