"""`examples/api-fastapi` beside the real server, with its WebSocket."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect

from tests.examples.api_process import ExampleApi, running_api
from tests.examples.promises import INVALID, ApiPromises
from tests.support.idp_server import ServerUnderTest
from tests.support.relying_party import TIMEOUT

CLOSE_UNAUTHORIZED = 3000


@pytest.fixture(scope="module")
def api(server: ServerUnderTest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ExampleApi]:
    with running_api(server, tmp_path_factory.mktemp("api"), "api-fastapi", "uvicorn", "app:app") as running:
        yield running


class TestFastApi(ApiPromises):
    """All of them hold."""


@contextmanager
def opened(api: ExampleApi, token: str | None = None, **options: Any) -> Iterator[ClientConnection]:
    headers = {} if token is None else {"Authorization": f"Bearer {token}"}
    url = f"ws://127.0.0.1:{api.port}/live"
    with connect(
        url, additional_headers=headers, proxy=None, open_timeout=TIMEOUT, close_timeout=2, **options
    ) as socket:
        yield socket


def refusal_of(api: ExampleApi, token: str | None = None, **options: Any) -> tuple[int, str]:
    with pytest.raises(InvalidStatus) as refused, opened(api, token, **options):
        pass
    response = refused.value.response
    return response.status_code, response.headers["WWW-Authenticate"]


def test_a_websocket_knows_the_person_by_the_access_token(api: ExampleApi) -> None:
    person, tokens = api.sign_in()
    with opened(api, tokens["access_token"]) as socket:
        assert json.loads(socket.recv(TIMEOUT)) == {"subject": person.id}
        socket.send("46.99,6.94")
        assert json.loads(socket.recv(TIMEOUT)) == {"echo": "46.99,6.94"}


def test_a_browser_that_cannot_set_headers_brings_the_token_as_a_subprotocol(api: ExampleApi) -> None:
    person, tokens = api.sign_in()
    with opened(api, subprotocols=["access_token", tokens["access_token"]]) as socket:
        assert socket.subprotocol == "access_token"
        assert json.loads(socket.recv(TIMEOUT)) == {"subject": person.id}
    assert tokens["access_token"] not in api.log.read_text()


@pytest.mark.spec("RFC 6750", "3", "MUST")
def test_a_websocket_is_refused_before_it_opens(api: ExampleApi) -> None:
    _, tokens = api.sign_in()
    assert refusal_of(api) == (401, 'Bearer realm="api"')
    assert refusal_of(api, "x") == (401, INVALID)
    assert refusal_of(api, tokens["id_token"]) == (401, INVALID)
    assert refusal_of(api, subprotocols=["access_token", tokens["id_token"]]) == (401, INVALID)
    _, without_scope = api.sign_in(scope="openid")
    status, challenge = refusal_of(api, without_scope["access_token"])
    assert status == 403
    assert challenge.endswith('scope="orders.read"')


def test_a_websocket_ends_when_its_token_does(api: ExampleApi) -> None:
    _, tokens = api.sign_in(access_token_lifetime=4)
    with opened(api, tokens["access_token"]) as socket:
        socket.recv(TIMEOUT)
        with pytest.raises(ConnectionClosed) as closed:
            socket.recv(TIMEOUT)
        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code == CLOSE_UNAUTHORIZED
