"""`idp sandbox`: what it prints, how it ends, and that production is refused."""

import json
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import requests

from tests.cli.environment import clean_environment
from tests.support.machine import find_free_ports

ROOT = Path(__file__).parent.parent.parent
SANDBOX = [sys.executable, "-m", "idp.cli", "sandbox"]


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) != 0


@contextmanager
def running(folder: Path, *arguments: str, **variables: str) -> Iterator["subprocess.Popen[str]"]:
    """The command, ended by its pid whatever happens."""
    environment = clean_environment() | {"PYTHONPATH": str(ROOT)} | variables
    pipe = subprocess.PIPE
    process = subprocess.Popen(
        [*SANDBOX, *arguments], cwd=folder, env=environment, stdin=pipe, stdout=pipe, stderr=pipe, text=True
    )
    with process:
        try:
            yield process
        finally:
            if process.poll() is None:
                process.kill()


def read_until(process: "subprocess.Popen[str]", last: str) -> str:
    assert process.stdout is not None
    lines = []
    for line in process.stdout:
        lines.append(line)
        if line.startswith(last):
            break
    return "".join(lines)


@pytest.mark.parametrize("ending", ["SIGTERM", "SIGINT", "end of input"])
def test_it_says_where_the_stand_ins_are_and_ends_when_told(tmp_path: Path, ending: str) -> None:
    first = find_free_ports(7)
    with running(tmp_path, "--port", str(first), "--until-eof") as process:
        told = read_until(process, "To stop")
        assert f"Google     google     http://127.0.0.1:{first}\n" in told
        assert f"IDP_UPSTREAM_ACME_ISSUER=http://127.0.0.1:{first + 6}\n" in told
        assert requests.get(f"http://127.0.0.1:{first + 6}/jwks", timeout=30).status_code == 200
        if ending == "end of input":
            assert process.stdin is not None
            process.stdin.close()
        else:
            process.send_signal(signal.Signals[ending])
        assert process.wait(60) == 0
        assert process.stderr is not None
        assert process.stderr.read() == ""
    assert all(_is_free(port) for port in range(first, first + 7))
    assert (tmp_path / "var" / "sandbox" / "apple.p8").exists()


def test_a_closed_input_alone_does_not_end_it(tmp_path: Path) -> None:
    with running(tmp_path, "--port", str(find_free_ports(7))) as process:
        read_until(process, "To stop")
        assert process.stdin is not None
        process.stdin.close()
        time.sleep(0.5)
        assert process.poll() is None
        process.terminate()
        assert process.wait(60) == 0


def test_programs_read_the_same_as_json(tmp_path: Path) -> None:
    first = find_free_ports(7)
    with running(tmp_path, "--json", IDP_SANDBOX_PORT=str(first)) as process:
        told = json.loads(read_until(process, "}"))
        process.terminate()
        process.wait(60)
    assert told["origins"]["apple"] == f"http://127.0.0.1:{first + 3}"
    assert told["environment"]["IDP_UPSTREAM_APPLE_SANDBOX_URL"] == told["origins"]["apple"]


@pytest.mark.parametrize(
    "more",
    [
        pytest.param({}, id="and nothing else is right"),
        pytest.param(
            {"IDP_ISSUER": "https://id.example.com", "IDP_SECRET_KEY": "kQ9vX2mT7pLw4ZrB8nYc1HsJ6dFg3AeU"},
            id="and everything is right",
        ),
    ],
)
def test_production_is_refused_with_a_plain_sentence(tmp_path: Path, more: dict[str, str]) -> None:
    good = {"IDP_ENV": "production", "IDP_ARGON2_MEMORY_KIB": "19456", **more}
    with running(tmp_path, **good) as process:
        out, err = process.communicate(timeout=120)
    assert process.returncode == 1
    assert out == ""
    assert err.strip() == (
        "The stand-ins let anybody sign in as anybody, so they refuse to start while IDP_ENV is production."
    )
    assert not (tmp_path / "var" / "sandbox").exists()


def test_a_port_that_is_taken_is_named(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with running(tmp_path, "--port", str(min(port, 65_529))) as process:
            _, err = process.communicate(timeout=120)
    if port <= 65_529:
        assert process.returncode == 1
        assert err.startswith(f"127.0.0.1:{port} is in use. Choose seven other ports")
        assert "Traceback" not in err
