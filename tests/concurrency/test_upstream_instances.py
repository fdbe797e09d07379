"""A sign-in with another provider is begun on one instance and finished on another: no process holds any of it."""

from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest

from tests.concurrency.cluster import Cluster, open_cluster
from tests.support.relying_party import claims_of
from tests.support.services import Bench
from tests.support.upstream import CONNECTIONS, first_party, open_sandbox, sign_in_with, somebody


@pytest.fixture(scope="module")
def cluster(bench: Bench, signing_keys: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    folder = tmp_path_factory.mktemp("cluster")
    with (
        open_sandbox(folder / "sandbox") as (_, environment),
        open_cluster(bench, signing_keys, folder, **environment) as opened,
    ):
        yield opened


@pytest.mark.parametrize("name", CONNECTIONS)
def test_every_step_of_a_first_sign_in_is_served_by_the_other_instance(cluster: Cluster, name: str) -> None:
    before, party, person = len(cluster.balancer.served), first_party(cluster.front), somebody(name)
    asked = sign_in_with(party, cluster.browser(), name, person)
    claims = claims_of(party.redeem(asked.callback).json()["id_token"])
    assert (claims["acr"], claims["amr"]) == ("federated", ["fed"])
    served = cluster.balancer.served[before:]
    assert len(served) >= 6
    assert all(one != other for one, other in pairwise(served))


@pytest.mark.parametrize("name", ["google", "apple"])
def test_a_conflict_is_met_asked_about_and_linked_on_alternating_instances(cluster: Cluster, name: str) -> None:
    user, party = cluster.front.add_user(), first_party(cluster.front)
    before = len(cluster.balancer.served)
    person = somebody(name, email=str(user.email))
    asked = sign_in_with(party, cluster.browser(), name, person)
    assert (asked.response.status_code, asked.page.id) == (409, "conflict-page")
    password_page = str(asked.page.soup.select_one("#way-password")["href"])  # type: ignore[index]
    asked = asked.then(asked.browser.get(password_page)).log_in(user.username)
    assert asked.page.id == "link-page"
    asked = asked.then(asked.page.submit("link"))
    assert claims_of(party.redeem(asked.callback).json()["id_token"])["sub"] == user.id
    assert all(one != other for one, other in pairwise(cluster.balancer.served[before:]))
    again = sign_in_with(party, cluster.browser(), name, person)
    assert claims_of(party.redeem(again.callback).json()["id_token"])["sub"] == user.id
