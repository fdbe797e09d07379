"""That the flow inspector's writing holds nobody up: a database that is locked, slow or gone, a queue that is full, and
what noting costs the request itself.
"""

import sqlite3
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import requests
from sqlalchemy import event, select

from idp.cli.serving import _worker_exit
from idp.pages import dev_inspect
from idp.store.refusals import Refusal
from idp.store.tables import grants
from idp.web import inspector, note_writer
from idp.web.inspector import WRITER
from idp.web.note_writer import MAX_WAITING, NoteWriter
from idp.web.probe import HEADER, make_probe
from tests.support.idp_server import TimedServer, timed_server
from tests.support.relying_party import TIMEOUT, Browser, RelyingParty

FOREIGN = {"Origin": "https://evil.example"}
DISCOVERY = "/.well-known/openid-configuration"
AT_ONCE = 12.0  # seconds: less than the 15 that a writer waits for SQLite's lock, even on a busy machine


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory, signing_keys: Path) -> Iterator[TimedServer]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(inspector, "PROCESS_BURST", 100_000)
        with timed_server(tmp_path_factory.mktemp("noting"), keys_from=signing_keys) as running:
            yield running


@contextmanager
def locked(server: TimedServer) -> Iterator[None]:
    """Somebody else holds the database's only write lock."""
    path = server.settings.database_url.removeprefix("sqlite:///")
    with closing(sqlite3.connect(path, isolation_level=None, timeout=30)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        try:
            yield
        finally:
            connection.execute("ROLLBACK")


def refusal(number: int) -> Refusal:
    return Refusal(f"id-{number}", 0, "x")


# --- A database in trouble


def test_a_locked_database_holds_up_no_answer_and_what_was_refused_meanwhile_is_kept(here: TimedServer) -> None:
    """Neither of one that is refused nor of one that is answered: as many at once as a worker has threads, and more."""

    def ask(number: int) -> requests.Response:
        path, headers = ("/userinfo", {}) if number % 2 else (DISCOVERY, FOREIGN)
        return requests.get(here.url(path), headers=headers, timeout=TIMEOUT)

    with locked(here), ThreadPoolExecutor(8) as pool:
        began = time.monotonic()
        answers = list(pool.map(ask, range(24)))
        took = time.monotonic() - began
    assert took < AT_ONCE
    assert {answer.status_code for answer in answers} == {200, 401}
    store = here.store
    assert any(store.refusals.find(answer.headers["X-Request-Id"]) for answer in answers), "the lock is gone"


def test_a_page_of_the_inspector_waits_for_what_its_process_has_yet_to_write(
    here: TimedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dev_inspect, "PAGE_WAITS", 60.0)
    with ThreadPoolExecutor(2) as pool:
        with locked(here):
            request_id = requests.get(here.url("/userinfo"), timeout=TIMEOUT).headers["X-Request-Id"]
            one = pool.submit(Browser(here).open, f"/dev/inspect/{request_id}")
            every = pool.submit(Browser(here).open, "/dev/inspect")
        assert one.result(TIMEOUT).status == 200
        assert f"refusal-{request_id}" in every.result(TIMEOUT).response.text


def test_a_page_of_the_inspector_does_not_wait_for_ever(here: TimedServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dev_inspect, "PAGE_WAITS", 0.1)
    with locked(here):
        request_id = requests.get(here.url("/userinfo"), timeout=TIMEOUT).headers["X-Request-Id"]
        for path, status in ((f"/dev/inspect/{request_id}", 404), ("/dev/inspect", 200)):
            began = time.monotonic()
            assert requests.get(here.url(path), timeout=TIMEOUT).status_code == status
            assert 0.1 <= time.monotonic() - began < AT_ONCE


# --- The queue


def test_what_comes_when_too_many_wait_is_refused_at_once_and_the_rest_is_written_in_order() -> None:
    may_write, written = threading.Event(), list[str]()

    def write(each: Refusal) -> None:
        assert may_write.wait(TIMEOUT)
        written.append(each.request_id)

    writer = NoteWriter(write)
    assert all(writer.put(refusal(number)) for number in range(MAX_WAITING))
    assert not writer.put(refusal(MAX_WAITING))
    assert not writer.wait(0.01)
    assert not writer.wait(0.01, "id-7")
    assert writer.wait(0.01, f"id-{MAX_WAITING}"), "nobody waits for what does not wait"
    may_write.set()
    assert writer.wait(TIMEOUT)
    assert written == [f"id-{number}" for number in range(MAX_WAITING)]


def test_one_that_cannot_be_written_does_not_keep_the_next_from_it() -> None:
    written = []

    def write(each: Refusal) -> None:
        if each.request_id == "id-0":
            raise OSError("gone")
        written.append(each.request_id)

    writer = NoteWriter(write)
    assert writer.put(refusal(0))
    assert writer.wait(TIMEOUT)
    assert not writer.is_well
    assert writer.put(refusal(1))
    assert writer.wait(TIMEOUT)
    assert writer.is_well
    assert written == ["id-1"]


def test_the_thread_begins_with_the_first_ends_when_idle_and_begins_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(note_writer, "IDLE_SECONDS", 0.01)
    by: list[threading.Thread] = []
    writer = NoteWriter(lambda _refusal: by.append(threading.current_thread()))
    for number in range(2):
        assert writer.put(refusal(number))
        assert writer.wait(TIMEOUT)
        by[number].join(TIMEOUT)
        assert not by[number].is_alive()
        assert by[number].daemon
    assert by[0] is not by[1]


def test_a_worker_that_ends_writes_what_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    may_write, written = threading.Event(), list[str]()

    def write(each: Refusal) -> None:
        assert may_write.wait(TIMEOUT)
        written.append(each.request_id)

    monkeypatch.setattr("idp.cli.serving.NOTES_SECONDS", 60.0)
    writer = NoteWriter(write)
    writer.put(refusal(0))
    wsgi = SimpleNamespace(extensions={WRITER: writer})
    _worker_exit(None, SimpleNamespace(mailer=SimpleNamespace(stop=may_write.set), wsgi=wsgi))
    assert written == ["id-0"]


# --- What noting costs the request


@contextmanager
def statements(server: TimedServer) -> Iterator[list[str]]:
    """What the server asks its database while it answers; not what is written beside that."""
    assert server.app is not None
    engine, found = server.app.extensions["idp"].store.database.engine, list[str]()

    def count(_connection: Any, _cursor: Any, statement: str, *_more: Any) -> None:
        if threading.current_thread().name != "notes":
            found.append(statement)

    event.listen(engine, "before_cursor_execute", count)
    try:
        yield found
    finally:
        event.remove(engine, "before_cursor_execute", count)


def test_noting_an_answer_to_a_foreign_page_asks_nothing_more_than_answering_it(here: TimedServer) -> None:
    with statements(here) as asked:
        answer = requests.get(here.url(DISCOVERY), headers=FOREIGN, timeout=TIMEOUT)
    assert answer.status_code == 200
    of_the_document = [each for each in asked if "FROM apis" in each]  # asked again each second
    assert len(asked) - len(of_the_document) == 1, "whether it is registered, as for every page"
    kept = here.store.refusals.find(answer.headers["X-Request-Id"])
    assert kept is not None
    assert kept.document["findings"][0]["received"] == FOREIGN["Origin"]


@pytest.mark.parametrize("headers", [{}, FOREIGN], ids=["no page", "a foreign page"])
def test_noting_a_refusal_asks_nothing_more_than_refusing_it(here: TimedServer, headers: dict[str, str]) -> None:
    """Not even for the client that the request names, where nothing had to be known of it."""
    client_id = here.add_client().client_id
    with statements(here) as asked:
        answer = requests.get(here.url("/userinfo"), params={"client_id": client_id}, headers=headers, timeout=TIMEOUT)
    assert len(asked) == len(headers)
    assert here.store.refusals.find(answer.headers["X-Request-Id"]) is not None


def test_where_no_page_may_ask_no_origin_is_explained(here: TimedServer) -> None:
    """To register one would not help there."""
    answer = requests.post(here.url("/introspect"), headers=FOREIGN, timeout=TIMEOUT)
    kept = here.store.refusals.find(answer.headers["X-Request-Id"])
    assert kept is not None
    assert [found for found in kept.document["findings"] if found["check"] == "origin"] == []


# --- What it leaves elsewhere


def test_an_old_probe_of_the_doctor_hides_no_refusal_and_one_of_today_does(here: TimedServer) -> None:
    assert here.app is not None
    box, year = here.app.extensions["idp"].secret_box, 365 * 86_400
    for age, is_hidden in ((0, True), (3600, True), (-3600, True), (3 * year, False), (-year, False), (86_400, False)):
        probe = {HEADER: make_probe(box, "nonce", now=here.now - age)}
        answer = requests.get(here.url("/userinfo"), headers=probe, timeout=TIMEOUT)
        assert (here.store.refusals.find(answer.headers["X-Request-Id"]) is None) is is_hidden, age
        assert "probe" in requests.get(here.url("/health"), headers=probe, timeout=TIMEOUT).json(), age


@pytest.mark.parametrize("retention", ["86400", "0"])
def test_with_the_inspector_switched_off_a_code_is_redeemed_without_saying_from_where(
    tmp_path: Path, signing_keys: Path, retention: str
) -> None:
    with timed_server(tmp_path, keys_from=signing_keys, inspect_retention=retention) as server:
        party = RelyingParty(server, server.add_client(first_party=True))
        party.redeem(party.sign_in(Browser(server), server.add_user().username)).raise_for_status()
        with server.store.database.reading() as connection:
            [used] = connection.execute(select(grants.c.code_used_network, grants.c.code_used_request)).all()
    assert [value is not None for value in used] == [retention != "0"] * 2


def test_an_error_carries_no_second_request_id_where_the_redirect_uri_has_one(here: TimedServer) -> None:
    uris = ("https://client.example.com/cb?request_id=mine", "https://client.example.com/cb?request%5Fid=",
            "https://client.example.com/cb?other=1")  # fmt: skip
    client = here.add_client(redirect_uris=uris)
    for uri in uris:
        answer = RelyingParty(here, client, redirect_uri=uri).start(Browser(here), scope="unheard")
        location = answer.headers["Location"]
        assert location.startswith(uri)
        assert "error=invalid_scope" in location
        assert location.replace("%5F", "_").count("request_id=") == 1, location
