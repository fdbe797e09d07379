"""Starting, addresses, and ending without leaving anything behind."""

import socket
import threading
import time

import pytest
import requests

from idp.jose.pem import InvalidPem
from idp.sandbox.connections import KINDS
from idp.sandbox.servers import PROVIDERS, Sandbox
from tests.sandbox.conftest import ANY_PORTS
from tests.support.machine import find_free_port


def is_listening(origin: str) -> bool:
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex(("127.0.0.1", int(origin.rpartition(":")[2]))) == 0


def test_there_is_a_stand_in_for_every_kind_each_at_an_address_of_its_own(sandbox: Sandbox) -> None:
    assert tuple(sandbox.origins) == KINDS == tuple(provider.kind for provider in PROVIDERS)
    assert len(set(sandbox.origins.values())) == len(KINDS)
    assert all(origin.startswith("http://127.0.0.1:") for origin in sandbox.origins.values())


def test_all_are_ready_in_less_than_a_second_of_work_and_gone_at_once(apple_key: str) -> None:
    threads = set(threading.enumerate())
    began = time.process_time()
    sandbox = Sandbox(ANY_PORTS, apple_key)
    sandbox.start()
    origins = list(sandbox.origins.values())
    assert all(is_listening(origin) for origin in origins)
    assert time.process_time() - began < 1
    began = time.monotonic()
    sandbox.close()
    assert time.monotonic() - began < 15, "half of what an answer that hangs takes"
    assert not any(is_listening(origin) for origin in origins)
    for thread in set(threading.enumerate()) - threads:  # those that have just answered
        thread.join(15)
    assert set(threading.enumerate()) <= threads
    sandbox.close()


def test_one_that_was_never_started_closes_too(apple_key: str) -> None:
    sandbox = Sandbox(ANY_PORTS, apple_key)
    origins = list(sandbox.origins.values())
    sandbox.close()
    assert not any(is_listening(origin) for origin in origins)


def test_the_same_ports_can_be_used_again_at_once(apple_key: str) -> None:
    ports = [find_free_port() for _ in ANY_PORTS]
    for _ in range(2):
        with Sandbox(ports, apple_key) as sandbox:
            origins = sandbox.origins
            assert [int(origin.rpartition(":")[2]) for origin in origins.values()] == ports
            assert requests.get(origins["oidc"] + "/jwks", timeout=30).status_code == 200


def test_a_port_that_is_taken_is_named_and_nothing_stays_open(apple_key: str) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(OSError, match="Address already in use") as refused:
            Sandbox([0, 0, 0, port, 0, 0, 0], apple_key)
    assert refused.value.filename == f"127.0.0.1:{port}"


def test_it_wants_seven_ports_and_a_key(apple_key: str) -> None:
    with pytest.raises(ValueError, match="needs 7 ports"):
        Sandbox([0], apple_key)
    with pytest.raises(InvalidPem):
        Sandbox(ANY_PORTS, "no key")


def test_it_listens_on_loopback_alone(sandbox: Sandbox) -> None:
    port = int(sandbox.origins["google"].rpartition(":")[2])
    with socket.socket() as elsewhere:
        elsewhere.bind(("127.0.0.2", port))


def test_an_unknown_path_and_a_wrong_method_are_refused(sandbox: Sandbox) -> None:
    origin = sandbox.origins["google"]
    assert requests.get(origin + "/", timeout=30).status_code == 404
    assert requests.get(origin + "/oauth2.googleapis.com/token", timeout=30).status_code == 405


def test_nothing_that_comes_in_is_logged(
    sandbox: Sandbox, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    requests.get(sandbox.origins["oidc"] + "/token?code=secret-code", timeout=30)
    with socket.create_connection(("127.0.0.1", int(sandbox.origins["oidc"].rpartition(":")[2])), timeout=30) as raw:
        raw.sendall(b"NONSENSE secret-code\r\n\r\n")
        raw.recv(4096)
    assert "secret-code" not in caplog.text + "".join(capfd.readouterr())
