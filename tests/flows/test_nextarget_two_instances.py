"""NexTarget at scale: a load balancer, two instances, Redis and PostgreSQL, set up as `docs/migrate/nextarget-at-scale.md`
says.

| need | shown by |
|---|---|
| load balancer → identical instances → Redis (state, limits) + PostgreSQL (users, grants) | the fixture; test_health_speaks_for_redis_and_postgresql |
| nothing lives only in one process's memory; state made by instance 1 is finished on 2 | test_a_sign_in_begun_on_one_instance_is_finished_on_the_other |
| limits backed by Redis | test_a_limit_is_counted_over_both_instances |
| grants in PostgreSQL | test_refresh_and_sign_out_hold_on_both_instances |
| PostgreSQL with Alembic | test_the_schema_is_alembics |
| any instance can be killed | test_each_instance_is_killed_in_the_middle_of_a_sign_in |
"""  # noqa: E501  # a row of a table is one line

import os
import signal
import time
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest
import requests
import sqlalchemy as sa

from tests.concurrency.cluster import Cluster, open_cluster
from tests.flows.systems import MigrationPage, System, for_providers, localised
from tests.support.authorize import ask
from tests.support.idp_server import ServerUnderTest, start
from tests.support.machine import accepts_connections
from tests.support.relying_party import TIMEOUT, Browser, claims_of
from tests.support.services import Bench
from tests.support.upstream import elsewhere, open_sandbox, press, sign_in_with, somebody

PAGE = MigrationPage("nextarget-at-scale")
APP = "nextarget-app"
SCOPE = "openid profile email offline_access"
BEGUN_PER_MINUTE = 10  # the default of IDP_RATELIMIT_UPSTREAM


@pytest.fixture(scope="module")
def cluster(bench: Bench, signing_keys: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    folder = tmp_path_factory.mktemp("at-scale")
    with open_sandbox(folder / "sandbox") as (_, environment):
        settings = localised(PAGE, folder, secret_key=None, **for_providers(PAGE, environment))
        with open_cluster(bench, signing_keys, folder, **settings) as opened:
            yield opened


@pytest.fixture(scope="module")
def system(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> System:
    """What the page registers, through the address that the world sees."""
    system = System(PAGE, cluster.front, tmp_path_factory.mktemp("operator"))
    system.register()
    return system


def alternating(system: System) -> Browser:
    """Every request is a connection of its own, hence the next instance's."""
    return system.browser(Connection="close")


def test_a_sign_in_begun_on_one_instance_is_finished_on_the_other(system: System, cluster: Cluster) -> None:
    party, person, before = system.party(APP), somebody("google"), len(cluster.balancer.served)
    asked = sign_in_with(party, alternating(system), "google", person, scope=SCOPE)
    tokens = party.redeem(asked.callback).json()
    assert party.userinfo(tokens["access_token"]).json()["email"] == person.email
    served = cluster.balancer.served[before:]
    assert len(served) >= 6
    assert all(one != other for one, other in pairwise(served))


def test_refresh_and_sign_out_hold_on_both_instances(system: System, cluster: Cluster) -> None:
    party, browser = system.party(APP), alternating(system)
    asked = sign_in_with(party, browser, "google", somebody("google"), scope=SCOPE)
    first = party.redeem(asked.callback).json()
    second = party.refresh(first["refresh_token"]).json()
    assert party.refresh(first["refresh_token"]).json()["refresh_token"] == second["refresh_token"], "a lost answer"
    assert party.revoke(second["refresh_token"]).status_code == 200
    for _ in cluster.instances:
        assert party.refresh(second["refresh_token"]).json()["error"] == "invalid_grant"
        assert party.userinfo(second["access_token"]).status_code == 401


def test_a_limit_is_counted_over_both_instances(system: System, cluster: Cluster) -> None:
    browser, before = alternating(system), len(cluster.balancer.served)
    page = ask(system.party(APP), browser, scope=SCOPE).page
    answers = [page.submit("continue-with-google") for _ in range(BEGUN_PER_MINUTE + 1)]
    assert [answer.status_code for answer in answers] == [303] * BEGUN_PER_MINUTE + [429]
    assert int(answers[-1].headers["Retry-After"]) > 0
    begun = elsewhere(browser, answers[-2])
    assert begun.choose(somebody("google")).status_code == 303, "whoever may begin may finish"
    assert set(cluster.balancer.served[before:]) == {each.settings.port for each in cluster.instances}
    other = ask(system.party(APP), alternating(system), scope=SCOPE).page
    assert other.submit("continue-with-google").status_code == 303, "another address is not affected"


def test_health_speaks_for_redis_and_postgresql(cluster: Cluster) -> None:
    for instance in cluster.instances:
        health = requests.get(f"http://127.0.0.1:{instance.settings.port}/health", timeout=TIMEOUT)
        assert health.json() == {"status": "ok", "database": "ok", "ephemeral": "ok"}
        assert instance.settings.redis_url is not None
        assert instance.settings.database_url.startswith("postgresql+psycopg://")


def test_the_schema_is_alembics(cluster: Cluster, system: System) -> None:
    engine = sa.create_engine(cluster.front.settings.database_url, poolclass=sa.NullPool)
    with engine.connect() as connection:
        versions = connection.exec_driver_sql("SELECT version_num FROM alembic_version").scalars().all()
    assert len(versions) == 1
    assert system.run("upgrade") is not None, "nothing to do"


def test_each_instance_is_killed_in_the_middle_of_a_sign_in(system: System, cluster: Cluster) -> None:
    """The first dies while the person is at Google, the second after the code; at the end nothing is left of the
    processes that began."""
    party, browser = system.party(APP), alternating(system)
    asked = ask(party, browser, scope=SCOPE)
    back = press(asked.page, "google").way_back(somebody("google"))
    first, second = cluster.instances
    kill(first)
    asked = asked.then(back.go(browser))
    assert cluster.balancer.served[-1] == second.settings.port
    start(first)
    kill(second)
    tokens = party.redeem(asked.callback).json()
    assert "nonce" in claims_of(tokens["id_token"])
    assert party.refresh(tokens["refresh_token"]).status_code == 200
    assert cluster.balancer.served[-1] == first.settings.port


def kill(instance: ServerUnderTest) -> None:
    """Master and workers at once, without a word."""
    assert instance.process is not None
    os.killpg(instance.process.pid, signal.SIGKILL)
    instance.process.wait(30)
    deadline = time.monotonic() + 60
    while accepts_connections(instance.settings.port):  # until the last worker has gone, its socket is there
        assert time.monotonic() < deadline
        time.sleep(0.02)
