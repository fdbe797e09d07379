"""The outbox: sealed in the database, claimed by one process alone, never longer than it is worth."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from idp.mail import TEMPLATES, MailParts, read_mail, send_mail
from idp.mail.kinds import LONGEST_SECONDS, NOTICE_SECONDS
from idp.store import Store, migrations, open_store
from idp.store.mail_outbox import NEVER, OutgoingMail
from idp.store.pruning import KEEP_MAIL_SECONDS, prune
from tests.mail.conftest import OpenOffice, plain
from tests.mail.office import PRODUCTION, SECRET, Office
from tests.support.crowd import at_once
from tests.support.machine import find_free_port
from tests.support.mail import SmtpServer, last_mail_to, mails_to


@pytest.fixture
def store(fresh_database: str) -> Iterator[Store]:
    opened = open_store(fresh_database)
    migrations.upgrade(opened.database)
    yield opened
    opened.database.dispose()


def add(store: Store, **changes: Any) -> OutgoingMail:
    values = {"now": 1000, "expires_at": 5000, **changes}
    found = store.mail_outbox.find(store.mail_outbox.add("test", "ada@example.com", "sealed", **values))
    assert found is not None
    return found


def claim_now(store: Store, mail: OutgoingMail, _caller: int) -> int | None:
    return store.mail_outbox.claim(mail, now=1000, until=1100)


# --- Claims, on each database


def test_of_many_who_want_to_send_a_mail_one_may(store: Store) -> None:
    for _ in range(5):
        mail = add(store)
        claims = at_once(8, partial(claim_now, store, mail))
        assert sorted(claim for claim in claims if claim) == [1]


def test_a_claim_ends_by_itself_and_whoever_comes_back_late_changes_nothing(store: Store) -> None:
    mail = add(store)
    first = store.mail_outbox.claim(mail, now=1000, until=1100)
    assert first is not None
    assert store.mail_outbox.find_due(now=1099, limit=9) == []
    [due] = store.mail_outbox.find_due(now=1100, limit=9)
    second = store.mail_outbox.claim(due, now=1100, until=1200)
    assert second is not None
    assert not store.mail_outbox.mark_sent(mail.id, first, now=1101)
    assert not store.mail_outbox.postpone(mail.id, first, "late", until=1)
    assert not store.mail_outbox.mark_failed(mail.id, first, "late", now=1101)
    assert not store.mail_outbox.mark_kept(mail.id, first)
    assert store.mail_outbox.mark_sent(mail.id, second, now=1101)
    found = store.mail_outbox.find(mail.id)
    assert found is not None
    assert (found.state, found.sent_at, found.sealed, found.next_try_at) == ("sent", 1101, "", NEVER)
    assert not store.mail_outbox.mark_failed(mail.id, second, "twice", now=1102)


def test_the_longest_waiting_come_first_and_what_is_not_due_not_at_all(store: Store) -> None:
    late, early = add(store, now=1000), add(store, now=900)
    add(store, now=2000)
    add(store, is_kept=True)
    add(store, refused_why="no address")
    assert [mail.id for mail in store.mail_outbox.find_due(now=1500, limit=9)] == [early.id, late.id]
    assert [mail.id for mail in store.mail_outbox.find_due(now=1500, limit=1)] == [early.id]


def test_a_reason_of_any_length_and_alphabet_is_kept_as_far_as_there_is_room(store: Store) -> None:
    mail = add(store)
    claim = store.mail_outbox.claim(mail, now=1000, until=1100)
    assert claim is not None
    assert store.mail_outbox.postpone(mail.id, claim, "é😀" * 500, until=1100)
    found = store.mail_outbox.find(mail.id)
    assert found is not None
    assert found.last_error == ("é😀" * 500)[:255]


def test_expired_mails_are_pruned_after_a_day(store: Store) -> None:
    mail = add(store, expires_at=5000)
    assert prune(store.database, now=5000 + KEEP_MAIL_SECONDS - 1)["mail_outbox"] == 0
    assert prune(store.database, now=5000 + KEEP_MAIL_SECONDS)["mail_outbox"] == 1
    assert store.mail_outbox.find(mail.id) is None


# --- What is kept of a mail


@pytest.mark.asvs("11.3.2")
def test_nothing_of_what_a_mail_says_can_be_read_in_the_database(open_one: OpenOffice) -> None:
    office = open_one(**PRODUCTION, **plain(find_free_port()))
    sent = office.send()
    office.deliver()  # in vain: the mail stays, with a reason
    content = read_mail(office.server, office.find(sent))
    assert content is not None
    assert SECRET in content.text
    office.server.store.database.dispose()
    folder = Path(office.server.settings.database_url.removeprefix("sqlite:///")).parent
    stored = b"".join(path.read_bytes() for path in folder.glob("idp.sqlite3*"))
    assert b"ada@example.com" in stored
    for secret in (b"never-to-be-told", b"/recover/reset", b"Hello", b"Ada", b"password for"):
        assert secret not in stored


def test_production_forgets_what_a_mail_says_when_it_is_sent_and_development_keeps_it(
    open_one: OpenOffice, post: SmtpServer
) -> None:
    for settings, remembers in ((PRODUCTION, False), ({}, True)):
        office = open_one(**settings, **plain(post.port))
        sent = office.send()
        assert office.deliver()
        found = office.find(sent)
        assert (found.state, bool(found.sealed)) == ("sent", remembers)


def test_another_secret_key_cannot_open_a_mail_and_it_fails_without_being_sent(
    open_one: OpenOffice, post: SmtpServer
) -> None:
    first = open_one(**plain(find_free_port()))
    sent = first.send()
    url = first.server.settings.database_url
    second = open_one(**plain(post.port), database_url=url)
    second.clock.now = first.now
    assert second.deliver()
    assert (second.find(sent).state, post.received) == ("failed", [])
    assert "IDP_SECRET_KEY" in (second.find(sent).last_error or "")


def test_the_previous_secret_key_opens_it(open_one: OpenOffice, post: SmtpServer) -> None:
    first = open_one(**plain(find_free_port()))
    first.send()
    old = first.server.settings
    second = open_one(**plain(post.port), database_url=old.database_url, secret_key_previous=old.secret_key)
    second.clock.now = first.now
    assert second.deliver()
    assert post.recipients == ["ada@example.com"]


# --- To nobody, to what is no address, and in development


def test_a_mail_to_nobody_costs_the_same_and_is_sent_to_nobody(office: Office, post: SmtpServer) -> None:
    sent = office.send(None)
    found = office.find(sent)
    assert (found.recipient, found.state, bool(found.sealed)) == ("", "kept", True)
    assert office.deliver()
    assert post.received == []
    assert office.server.store.mail_outbox.list() == []


WRONG = [
    "", "ada", "@example.com", "ada@", "a b@example.com", "ada@example.com\r\nBcc: eve@example.com",
    "ada@exam\nple.com", "ada@example.com,eve@example.com", "<ada@example.com>", "Ada <ada@example.com>",
    '"a b"@example.com', "ada@[127.0.0.1]", "ada@@example.com", "ada@-example.com", "ada@example..com",
    "x" * 65 + "@example.com", "ada@" + "x" * 254, "ada\0@example.com", "ada@example.com\0", "ada\ud800@example.com",
    "ada@ex\u202eample.com", "ada;eve@example.com", "ada@\u00ad.example", ".a@example.com",
    "x" * 100_000 + "@example.com", "ada@" + "é" * 100_000,
]  # fmt: skip


def test_what_is_not_one_address_fails_at_once_and_breaks_nothing(open_one: OpenOffice) -> None:
    office = open_one(**plain(find_free_port()))
    for address in WRONG:
        found = office.find(office.send(address))
        assert (found.state, found.sealed) == ("failed", ""), address[:80]
        assert found.recipient.isprintable()
        assert found.recipient.isascii()
    assert office.server.store.mail_outbox.find_due(now=office.now + 86_400, limit=9) == []


def test_development_without_a_mail_server_keeps_the_mail_and_says_where_it_can_be_read(
    open_one: OpenOffice, capfd: pytest.CaptureFixture[str]
) -> None:
    office = open_one()
    sent = office.send("ada@example.com")
    settings = office.server.settings
    assert office.find(sent).state == "kept"
    said = capfd.readouterr().err.splitlines()[-1]
    assert said == f"Mail to ada@example.com: A new password for idp  {settings.issuer}/dev/mail/{sent}"


def test_production_says_nothing_on_the_console(open_one: OpenOffice, capfd: pytest.CaptureFixture[str]) -> None:
    office = open_one(**PRODUCTION)
    capfd.readouterr()
    office.send()
    assert capfd.readouterr() == ("", "")


def test_tests_read_what_was_written_to_somebody(open_one: OpenOffice) -> None:
    office = open_one()
    values = {"name": "Ada", "url": SECRET, "code": "012345", "minutes": 60}
    office.send("ada@example.com", "verify_email", **values)
    office.send("ada@example.com")
    office.send("bob@example.com")
    first, second = mails_to(office.server, "ada@example.com")
    assert (first.template, first.code, first.link) == ("verify_email", "012345", SECRET)
    assert second == last_mail_to(office.server, "ada@example.com")
    assert second.subject == "A new password for idp"


# --- How long


def test_a_mail_is_worth_delivering_as_long_as_what_it_offers(open_one: OpenOffice) -> None:
    office = open_one()
    assert office.find(office.send(minutes=60)).expires_at == office.now + 3600
    invited = office.send("bob@example.com", "invitation", inviter=None, url=SECRET, days=2)
    assert office.find(invited).expires_at == office.now + 2 * 86_400
    invited = office.send("bob@example.com", "invitation", inviter=None, url=SECRET, days=30)
    assert office.find(invited).expires_at == office.now + LONGEST_SECONDS
    assert office.find(office.send(template="test")).expires_at == office.now + NOTICE_SECONDS


def test_a_mail_with_a_variable_too_many_or_too_few_is_a_mistake_of_ours(open_one: OpenOffice) -> None:
    office = open_one()
    for template in TEMPLATES:
        with pytest.raises(TypeError):
            office.send(template=template, strange=1)
    with pytest.raises(TypeError):
        office.send(template="verify_email")
    with pytest.raises(KeyError):
        office.send(template="no such mail")
    assert office.server.store.mail_outbox.list() == []


def test_a_command_sends_without_a_server(open_one: OpenOffice) -> None:
    office = open_one()
    parts = MailParts(office.server.settings, office.server.store)
    send_mail(parts, "test", "ada@example.com", language="fr", now=office.now)
    assert [mail.template for mail in mails_to(office.server, "ada@example.com")] == ["test"]


def test_many_threads_add_mails_at_once_and_none_is_lost(open_one: OpenOffice) -> None:
    office = open_one(**plain(find_free_port()))
    with ThreadPoolExecutor(8) as pool:
        ids = list(pool.map(lambda number: office.send(f"p{number}@example.com"), range(60)))
    assert len(set(ids)) == 60
    assert len(office.server.store.mail_outbox.find_due(now=office.now, limit=100)) == 60
