"""`idp serve` in development brings stand-ins for other providers, and takes them along when it ends."""

import os
import signal
import socket
import time
from pathlib import Path

import pytest
import requests

from tests.cli.test_serve import SERVE, children_of, serving_process, wait_until_healthy
from tests.support.machine import find_free_port, find_free_ports

BUTTONS = {"google", "facebook", "discord", "apple", "github", "microsoft", "acme"}


def buttons_of(url: str) -> set[str]:
    page = requests.get(f"{url}/login", timeout=30).text
    return {name for name in BUTTONS if f'id="continue-with-{name}"' in page}


def discover(issuer: str) -> dict[str, str]:
    """The metadata of the generic stand-in, which may need a moment longer than the server to answer."""
    deadline = time.monotonic() + 60
    while True:
        try:
            return dict(requests.get(f"{issuer}/.well-known/openid-configuration", timeout=30).json())
        except requests.ConnectionError:
            assert time.monotonic() < deadline, "the stand-in does not answer"
            time.sleep(0.1)


def wait_until_gone(pid: int) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        if not Path(f"/proc/{pid}").exists() or " Z " in Path(f"/proc/{pid}/stat").read_text():
            return
        time.sleep(0.05)
    raise AssertionError(f"process {pid} is still there")


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL], ids=["told to stop", "killed"])
def test_a_development_server_has_stand_ins_that_end_with_it(empty_folder: Path, how: signal.Signals) -> None:
    port, first = find_free_port(), find_free_ports(7)
    url = f"http://127.0.0.1:{port}"
    command = [*SERVE, "--init", "--port", str(port)]
    with serving_process(empty_folder, command, IDP_SANDBOX_PORT=str(first)) as process:
        wait_until_healthy(process, empty_folder, url)
        (stand_ins,) = children_of(process.pid, sandbox=True)
        assert buttons_of(url) == BUTTONS
        said = (empty_folder / "out").read_text()
        assert f"7 stand-ins for other providers, from http://127.0.0.1:{first} on" in said
        assert discover(f"http://127.0.0.1:{first + 6}")["issuer"] == f"http://127.0.0.1:{first + 6}"
        assert (empty_folder / "var" / "sandbox" / "apple.p8").stat().st_mode & 0o077 == 0
        os.kill(process.pid, how)
        process.wait(60)
        wait_until_gone(stand_ins)


def test_without_a_free_port_the_server_starts_all_the_same_and_says_so(empty_folder: Path) -> None:
    port, first = find_free_port(), find_free_ports(7)
    command = [*SERVE, "--init", "--port", str(port)]
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", first + 3))
        taken.listen()
        with serving_process(empty_folder, command, IDP_SANDBOX_PORT=str(first)) as process:
            wait_until_healthy(process, empty_folder, f"http://127.0.0.1:{port}")
            assert buttons_of(f"http://127.0.0.1:{port}") == set()
            assert f"port {first + 3} is in use" in (empty_folder / "out").read_text()
        asked_for = {"IDP_SANDBOX_PORT": str(first), "IDP_SANDBOX": "true"}
        with serving_process(empty_folder, command, **asked_for) as process:
            assert process.wait(120) == 1
            assert f"Port {first + 3} is in use" in (empty_folder / "out").read_text()


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        pytest.param({"IDP_SANDBOX": "false"}, set(), id="switched off"),
        pytest.param(
            {"IDP_UPSTREAM_GOOGLE_CLIENT_ID": "g", "IDP_UPSTREAM_GOOGLE_CLIENT_SECRET": "s"},
            {"google"},
            id="a real provider is configured",
        ),
        pytest.param(
            {"IDP_UPSTREAM_GOOGLE_CLIENT_ID": "g", "IDP_UPSTREAM_GOOGLE_CLIENT_SECRET": "s", "IDP_SANDBOX": "true"},
            BUTTONS,
            id="asked for beside a real one",
        ),
    ],
)
def test_the_settings_say_whether_there_are_stand_ins(
    empty_folder: Path, variables: dict[str, str], expected: set[str]
) -> None:
    port, first = find_free_port(), find_free_ports(7)
    command = [*SERVE, "--init", "--port", str(port)]
    with serving_process(empty_folder, command, IDP_SANDBOX_PORT=str(first), **variables) as process:
        wait_until_healthy(process, empty_folder, f"http://127.0.0.1:{port}")
        assert buttons_of(f"http://127.0.0.1:{port}") == expected
        assert bool(children_of(process.pid, sandbox=True)) is (len(expected) > 1)
