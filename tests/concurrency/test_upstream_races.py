"""Parallel arrivals from another provider, against several worker processes, on every database."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.concurrency.conftest import check_no_fault, database_of
from tests.support.authorize import Asked, ask, signed_in
from tests.support.crowd import at_once
from tests.support.idp_server import ServerUnderTest, running_server
from tests.support.relying_party import Browser, RelyingParty, claims_of
from tests.support.services import Bench
from tests.support.upstream import WayBack, first_party, new_email, open_sandbox, press, somebody

CROWD = 12


@pytest.fixture(scope="module")
def server(
    bench: Bench, database_kind: str, signing_keys: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[ServerUnderTest]:
    folder = tmp_path_factory.mktemp(f"upstream-{database_kind}")
    with (
        open_sandbox(folder / "sandbox") as (_, environment),
        database_of(bench, database_kind) as url,
        running_server(
            folder, keys_from=signing_keys, database_url=url, workers="3", upstream_concurrency="32", **environment
        ) as running,
    ):
        yield running
        running.store.database.dispose()
        check_no_fault(running)


def at_the_door(party: RelyingParty, name: str, form: dict[str, str]) -> tuple[Asked, WayBack]:
    """A browser that has chosen its person at the provider, and has not come back yet."""
    asked = ask(party, Browser(party.server))
    return asked, press(asked.page, name).leave({"person": "new"} | form)


@pytest.mark.parametrize("name", ["google", "discord"])
def test_of_many_first_arrivals_of_one_person_one_makes_the_account(server: ServerUnderTest, name: str) -> None:
    party, person = first_party(server), somebody(name)
    doors = [at_the_door(party, name, person.fields) for _ in range(CROWD)]
    answers = at_once(CROWD, lambda index: doors[index][1].go(doors[index][0].browser))
    callbacks = [doors[index][0].then(answer).callback for index, answer in enumerate(answers)]
    subjects = {claims_of(party.redeem(callback).json()["id_token"])["sub"] for callback in callbacks}
    assert len(subjects) == 1
    assert len(server.store.identities.list_of(subjects.pop())) == 1
    assert server.store.users.find_by_email(person.email) is not None


def test_of_many_people_with_one_address_one_gets_the_account_and_the_others_are_asked(server: ServerUnderTest) -> None:
    party, email = first_party(server), new_email()
    people = [somebody("google", email=email) for _ in range(CROWD)]
    doors = [at_the_door(party, "google", person.fields) for person in people]
    answers = at_once(CROWD, lambda index: doors[index][1].go(doors[index][0].browser))
    pages = [doors[index][0].then(answer).response for index, answer in enumerate(answers)]
    assert sorted(page.status_code for page in pages) == [303] + [409] * (CROWD - 1)


def test_people_with_one_name_get_user_names_of_their_own(server: ServerUnderTest) -> None:
    party = first_party(server)
    people = [somebody("google", name="Jean Martin") for _ in range(CROWD)]
    doors = [at_the_door(party, "google", person.fields) for person in people]
    answers = at_once(CROWD, lambda index: doors[index][1].go(doors[index][0].browser))
    for index, answer in enumerate(answers):
        assert "code" in doors[index][0].then(answer).callback.params
    found = [server.store.users.find_by_email(person.email) for person in people]
    names = {user.username.casefold() for user, _ in filter(None, found)}
    assert len(names) == CROWD
    assert all(name.isalnum() and 4 <= len(name) <= 15 for name in names)


def test_one_callback_sent_many_times_at_once_signs_in_once(server: ServerUnderTest) -> None:
    asked, back = at_the_door(first_party(server), "google", somebody("google").fields)
    answers = at_once(CROWD, lambda _: back.go(asked.browser))
    assert sorted(answer.status_code for answer in answers) == [303] + [400] * (CROWD - 1)


def test_an_account_at_a_provider_is_linked_to_one_person_however_many_link_it_at_once(server: ServerUnderTest) -> None:
    person = somebody("google", email="")
    doors = []
    for _ in range(6):
        browser = signed_in(server, server.add_user().username)
        page = browser.open("/account")
        doors.append((browser, press(page, "google", prefix="link").leave({"person": "new"} | person.fields)))
    answers = at_once(len(doors), lambda index: doors[index][1].go(doors[index][0]))
    assert sorted(answer.status_code for answer in answers) == [303] + [409] * 5
