"""The whole life of an authorization against two worker processes, on each database, and with Redis."""

import base64
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from tests.concurrency.conftest import check_no_fault, database_of, redis_of
from tests.concurrency.walks import walk_through_everything
from tests.support.idp_server import ServerUnderTest, running_server
from tests.support.relying_party import Browser, Page, RelyingParty
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


def test_a_person_who_is_disabled_is_out_at_once(deployment: ServerUnderTest) -> None:
    client = RelyingParty(deployment, deployment.add_client(always_issue_refresh_token=True))
    user, browser = deployment.add_user(), Browser(deployment, Connection="close")
    tokens = client.tokens(browser, user.username)
    deployment.store.users.set_disabled(user.id, True, now=deployment.now)
    assert client.userinfo(tokens["access_token"]).status_code == 401
    assert client.refresh(tokens["refresh_token"]).json()["error"] == "invalid_grant"
    assert client.callback(client.start(browser, prompt="none"), {}).error == "login_required"


# --- Texts that one database takes and another refuses


@pytest.mark.parametrize("login", ["nul\0inside", "\ud83d", "x" * 300, "%", "' OR 1=1 --", "👩‍👩‍👧"])
@pytest.mark.asvs("1.2.4")
def test_no_user_name_makes_the_server_fail(deployment: ServerUnderTest, login: str) -> None:
    browser = Browser(deployment, Connection="close")
    url, values = browser.open("/login").fields("login")
    form = {**values, "username": login.encode("utf-8", "surrogatepass"), "password": "x"}
    answer = browser.post(url, data=form)
    assert Page(browser, answer).id == "login-page"
    assert answer.status_code < 500


@pytest.mark.parametrize("subject", ["nul\0inside", "\ud83d", "x" * 3000, "'", None])
@pytest.mark.spec("RFC 7523", "3", "MUST")
def test_no_client_assertion_makes_the_server_fail(deployment: ServerUnderTest, subject: str | None) -> None:
    parts = [json.dumps(part).encode() for part in ({"alg": "ES256"}, {"sub": subject, "iss": subject})]
    assertion = ".".join(base64.urlsafe_b64encode(part).rstrip(b"=").decode() for part in (*parts, b"signature"))
    form = {
        "grant_type": "refresh_token",
        "client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
        "client_assertion": assertion,
    }
    answer = requests.post(deployment.url("/token"), data=form, timeout=30)
    assert (answer.status_code, answer.json()["error"]) == (401, "invalid_client")


@pytest.mark.parametrize("claim", ["nul\0inside", "\ud83d", "👩‍👩‍👧"])
@pytest.mark.spec("OpenID Connect Core", "5.5", "MUST")
def test_claims_that_nobody_knows_are_ignored_whatever_their_name(deployment: ServerUnderTest, claim: str) -> None:
    client = RelyingParty(deployment, deployment.add_client(first_party=True))
    claims = json.dumps({"userinfo": {claim: None, "name": {"value": claim}}, "id_token": {claim: {"values": [claim]}}})
    browser = Browser(deployment, Connection="close")
    tokens = client.tokens(browser, deployment.add_user().username, claims=claims)
    assert client.userinfo(tokens["access_token"]).json()["name"] == "Ada Marie Lovelace"
