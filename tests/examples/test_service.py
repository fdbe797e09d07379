"""The recipe for a service, run as it stands, beside the real server and an API."""

import importlib.util
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

import idp.recipes
from idp.protocol.scopes import Api
from idp.recipes import RECIPES
from idp.recipes.recipe import Answers
from tests.examples.api_process import API, ExampleApi, running_api
from tests.support.idp_server import RegisteredClient, ServerUnderTest
from tests.support.relying_party import claims_of

pytestmark = pytest.mark.interop


@pytest.fixture(scope="module")
def api(server: ServerUnderTest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ExampleApi]:
    with running_api(server, tmp_path_factory.mktemp("api"), "api-flask", "flask", "run") as running:
        yield running


def register(server: ServerUnderTest, **changes: Any) -> RegisteredClient:
    """A client with the settings of the recipe."""
    orders = Api(API, "Orders", {"orders.read": "See your orders"})
    server.store.apis.save(orders, now=server.now)
    settings = RECIPES["service"].settings
    assert settings is not None
    return server.add_client(redirect_uris=(), **settings(Answers("Nightly report", apis=(orders,))), **changes)


def load(client: RegisteredClient, server: ServerUnderTest, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    environment = {"ISSUER": server.issuer, "CLIENT_ID": client.client_id, "CLIENT_SECRET": str(client.secret)}
    for name, value in (environment | {"SCOPE": "orders.read"}).items():
        monkeypatch.setenv(name, value)
    path = Path(idp.recipes.__file__).parent / "files" / "service" / "service.py"
    spec = importlib.util.spec_from_file_location("service", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.spec("RFC 6749", "4.4", "MUST")
def test_a_service_calls_an_api_in_its_own_name(api: ExampleApi, monkeypatch: pytest.MonkeyPatch) -> None:
    client = register(api.server)
    session = load(client, api.server, monkeypatch).connect()
    answer = session.get(f"http://127.0.0.1:{api.port}/orders")
    assert (answer.status_code, answer.json()) == (200, [{"id": "1", "owner": client.client_id}])
    assert session.get(f"http://127.0.0.1:{api.port}/admin/orders").status_code == 403  # a service has no roles
    assert session.delete(f"http://127.0.0.1:{api.port}/me").status_code == 401  # and never signed in


def test_it_fetches_the_next_token_by_itself_when_one_is_about_to_end(
    api: ExampleApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = load(register(api.server, access_token_lifetime=20), api.server, monkeypatch).connect()
    first = session.token["access_token"]
    assert session.get(f"http://127.0.0.1:{api.port}/orders").status_code == 200
    assert claims_of(session.token["access_token"])["jti"] != claims_of(first)["jti"]


def test_its_token_says_that_there_is_no_person(api: ExampleApi, monkeypatch: pytest.MonkeyPatch) -> None:
    client = register(api.server)
    claims = claims_of(load(client, api.server, monkeypatch).connect().token["access_token"])
    assert claims["sub"] == claims["client_id"] == client.client_id
    assert not {"auth_time", "acr", "sid", "roles"} & claims.keys()
