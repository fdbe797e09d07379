"""The whole life of an authorization against two worker processes, on each database, and with Redis."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.concurrency.conftest import check_no_fault, database_of, redis_of
from tests.concurrency.walks import walk_through_everything
from tests.support.idp_server import ServerUnderTest, running_server
from tests.support.relying_party import Browser
from tests.support.services import Bench

DEPLOYMENTS = ("sqlite", "postgresql", "mariadb", "postgresql and redis")


@pytest.fixture(scope="module", params=DEPLOYMENTS)
def deployment(
    request: pytest.FixtureRequest, bench: Bench, signing_keys: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[ServerUnderTest]:
    kind, _, with_redis = request.param.partition(" and ")
    changes = {"redis_url": redis_of(bench)} if with_redis else {}
    folder = tmp_path_factory.mktemp("deployment")
    with (
        database_of(bench, kind) as url,
        running_server(folder, keys_from=signing_keys, database_url=url, workers="2", **changes) as server,
    ):
        yield server
        server.store.database.dispose()
        check_no_fault(server)


@pytest.mark.spec("OpenID Connect Core", "3.1", "MUST")
def test_the_whole_life_of_an_authorization(deployment: ServerUnderTest) -> None:
    walk_through_everything(deployment, Browser(deployment, Connection="close"))


def test_a_disabled_person_and_a_removed_client_are_out_at_once(deployment: ServerUnderTest) -> None:
    from tests.support.relying_party import RelyingParty

    client, user = (
        RelyingParty(deployment, deployment.add_client(always_issue_refresh_token=True)),
        deployment.add_user(),
    )
    browser = Browser(deployment, Connection="close")
    tokens = client.tokens(browser, user.username)
    deployment.store.users.set_disabled(user.id, True, now=deployment.now)
    assert client.userinfo(tokens["access_token"]).status_code == 401
    assert client.refresh(tokens["refresh_token"]).json()["error"] == "invalid_grant"
    assert client.callback(client.start(browser, prompt="none"), {}).error == "login_required"


@pytest.mark.parametrize("login", ["nul\0inside", "\ud83d", "x" * 300, "%", "' OR 1=1 --", "👩‍👩‍👧"])
def test_no_user_name_makes_the_server_fail(deployment: ServerUnderTest, login: str) -> None:
    from tests.support.relying_party import Page

    browser = Browser(deployment)
    page = browser.open("/login")
    encoded = login.encode("utf-8", "surrogatepass")
    url, values = page.fields("login")
    answer = browser.post(url, data=values | {"username": encoded, "password": "x"})  # type: ignore[dict-item]
    assert (answer.status_code, Page(browser, answer).id) in {(200, "login-page"), (400, "login-page")}
