"""Two instances behind a load balancer: same PostgreSQL, same Redis, same keys. No step needs the instance before."""

import os
import signal
import time
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest

from tests.concurrency.cluster import Cluster, open_cluster
from tests.concurrency.walks import walk_through_everything
from tests.support.accounts import PASSWORD
from tests.support.idp_server import ServerUnderTest
from tests.support.machine import accepts_connections
from tests.support.relying_party import Page, RelyingParty
from tests.support.services import Bench


@pytest.fixture
def cluster(bench: Bench, signing_keys: Path, tmp_path: Path) -> Iterator[Cluster]:
    with open_cluster(bench, signing_keys, tmp_path) as opened:
        yield opened


def test_a_whole_life_whose_every_step_is_served_by_the_other_instance(cluster: Cluster) -> None:
    walk_through_everything(cluster.front, cluster.browser())
    served = cluster.balancer.served
    assert len(served) > 20
    assert all(one != other for one, other in pairwise(served))


def test_an_instance_that_dies_between_sign_in_and_consent_takes_nothing_along(cluster: Cluster) -> None:
    client = RelyingParty(cluster.front, cluster.front.add_client(always_issue_refresh_token=True))
    user, browser = cluster.front.add_user(), cluster.browser()
    before = client.tokens(cluster.browser(), cluster.front.add_user().username)
    params, verifier = client.request()
    page = Page(browser, browser.follow(browser.get("/authorize", params=params)))
    page = browser.page(page.submit("login", username=user.username, password=PASSWORD))
    assert page.id == "consent-page"
    kill(cluster.instances[0])
    callback = client.callback(browser.follow(page.submit("allow")), params, verifier)
    tokens = client.redeem(callback).json()
    assert client.userinfo(tokens["access_token"]).json()["sub"] == user.id
    again = client.refresh(before["refresh_token"])
    assert again.status_code == 200
    assert client.userinfo(before["access_token"]).status_code == 200
    assert set(cluster.balancer.served[-3:]) == {cluster.instances[1].settings.port}


def kill(instance: ServerUnderTest) -> None:
    """Master and workers at once, without a word."""
    assert instance.process is not None
    os.killpg(instance.process.pid, signal.SIGKILL)
    instance.process.wait(60)
    deadline = time.monotonic() + 60
    while accepts_connections(instance.settings.port):  # until the last worker has gone, its socket is there
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_sign_out_at_one_instance_is_known_at_the_other_at_once(cluster: Cluster) -> None:
    client = RelyingParty(cluster.front, cluster.front.add_client(first_party=True))
    browser = cluster.browser()
    tokens = client.tokens(browser, cluster.front.add_user().username)
    browser.get("/logout", params={"id_token_hint": tokens["id_token"]})
    for _ in cluster.instances:  # one request each
        assert client.userinfo(tokens["access_token"]).status_code == 401
    for _ in cluster.instances:
        assert client.callback(client.start(browser, prompt="none"), {}).error == "login_required"
