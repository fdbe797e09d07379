"""Whole servers, several worker processes and two instances of them: each mail goes once, and no page waits for it."""

import collections
import os
import secrets
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest

from idp.mail import MailParts, send_mail
from idp.settings import Settings
from idp.store import Store
from tests.mail.conftest import plain
from tests.mail.office import SECRET
from tests.support.databases import DATABASE_KINDS
from tests.support.idp_server import ServerUnderTest, running_server, start
from tests.support.machine import ProgramMissing, find_free_port
from tests.support.mail import silent_server, smtp_server
from tests.support.relying_party import Browser
from tests.support.services import Bench

MAILS = 100


def write(settings: Settings, store: Store, recipient: str) -> int:
    values = {"name": "Ada", "url": SECRET, "minutes": 60}
    parts = MailParts(settings, store)
    return send_mail(parts, "password_reset", recipient, language="fr", now=int(time.time()), **values)


def states(store: Store) -> collections.Counter[str]:
    return collections.Counter(mail.state for mail in store.mail_outbox.list(limit=1000))


def wait_until(is_so: Callable[[], bool], seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.05)


@pytest.fixture(params=DATABASE_KINDS)
def database_url(bench: Bench, request: pytest.FixtureRequest) -> Iterator[str]:
    with ExitStack() as stack:
        try:
            url = stack.enter_context(bench.fresh_database(request.param))
        except ProgramMissing as missing:
            pytest.skip(str(missing))
        yield url


@contextmanager
def two_instances(folder: Path, keys: Path, **changes: str) -> Iterator[list[ServerUnderTest]]:
    shared: dict[str, Any] = {"secret_key": "shared-" + secrets.token_urlsafe(32), "workers": "3", **changes}
    with ExitStack() as stack:
        servers = []
        for name in ("one", "two"):
            (folder / name).mkdir()
            servers.append(stack.enter_context(running_server(folder / name, keys_from=keys, **shared)))
        yield servers


@pytest.mark.slow
def test_two_instances_of_three_processes_send_each_mail_exactly_once(
    tmp_path: Path, signing_keys: Path, database_url: str
) -> None:
    with (
        smtp_server() as post,
        two_instances(tmp_path, signing_keys, database_url=database_url, **plain(post.port)) as (one, two),
    ):
        for number in range(MAILS):
            server = one if number % 2 else two
            write(server.settings, server.store, f"person{number}@example.com")
        post.wait_for(MAILS, 120)
        wait_until(lambda: states(one.store) == {"sent": MAILS})
        time.sleep(2.5)  # another round of everybody
        assert sorted(post.recipients) == sorted(f"person{number}@example.com" for number in range(MAILS))
        assert len({message["Message-ID"] for _, message in post.received}) == MAILS
        for server in (one, two):
            assert "never-to-be-told" not in server.log_text()
            assert "person" not in server.log_text()
            assert "Traceback" not in server.log_text()


@pytest.mark.slow
def test_mails_outlive_the_server_that_is_killed_and_the_mail_server_that_is_down(
    tmp_path: Path, signing_keys: Path
) -> None:
    port = find_free_port()
    with running_server(tmp_path, keys_from=signing_keys, **plain(port)) as server:
        for number in range(10):
            write(server.settings, server.store, f"person{number}@example.com")
        wait_until(lambda: any(mail.tries for mail in server.store.mail_outbox.list()))
        assert server.process is not None
        os.killpg(server.process.pid, signal.SIGKILL)
        server.process.wait(60)
        assert states(server.store) == {"waiting": 10}
        untried = sum(mail.tries == 0 for mail in server.store.mail_outbox.list())
        assert untried >= 5
        with smtp_server(port=port) as post:
            start(server)
            post.wait_for(untried)
            assert len(set(post.recipients)) == len(post.recipients)


@pytest.mark.slow
def test_a_server_that_is_asked_to_stop_finishes_the_mail_that_it_is_handing_over(
    tmp_path: Path, signing_keys: Path
) -> None:
    begun, go_on = threading.Event(), threading.Event()

    def slow() -> None:
        begun.set()
        go_on.wait(60)

    with (
        smtp_server() as post,
        running_server(tmp_path, keys_from=signing_keys, workers="1", **plain(post.port)) as server,
    ):
        post.answer_data = slow
        write(server.settings, server.store, "ada@example.com")
        assert begun.wait(60)
        assert server.process is not None
        server.process.terminate()
        threading.Timer(1, go_on.set).start()
        server.process.wait(60)
        assert states(server.store) == {"sent": 1}
        assert post.recipients == ["ada@example.com"]


@pytest.mark.slow
def test_no_page_waits_for_a_mail_server_that_never_answers(tmp_path: Path, signing_keys: Path) -> None:
    with (
        silent_server() as port,
        running_server(tmp_path, keys_from=signing_keys, workers="1", outbound_timeout="10", **plain(port)) as server,
    ):
        people = [server.add_user().email for _ in range(6)]
        browser, taken = Browser(server), []
        browser.open("/recover")
        for email in people:
            page = browser.open("/recover")
            began = time.monotonic()
            assert page.submit("recover", email=str(email)).status_code == 303
            taken.append(time.monotonic() - began)
        assert max(taken) < 5  # the mail server is waited for six times as long
        assert states(server.store) == {"waiting": len(people)}
        assert any(mail.claimed_until for mail in server.store.mail_outbox.list())  # one is being tried all the while
        assert server.process is not None
        os.killpg(server.process.pid, signal.SIGKILL)  # the process would else wait for the mail server
        server.process.wait(60)


def test_the_language_of_a_mail_is_that_of_the_page(server: ServerUnderTest) -> None:
    for language, hello in (("en", "Hello"), ("fr", "Bonjour")):
        email = str(server.add_user().email)
        browser = Browser(server, **{"Accept-Language": language})
        browser.open("/recover").submit("recover", email=email)
        [mail] = server.mails(email)
        assert mail.text.startswith(hello)
        assert mail.link.startswith(server.issuer + "/recover/reset?token=")
