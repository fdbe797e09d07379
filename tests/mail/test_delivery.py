"""Mails reach a real SMTP server, by TLS where it is asked for; what it answers decides what becomes of them."""

import smtplib
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from idp.mail import smtp
from idp.mail.mailer import BACK_OFF, back_off
from idp.mail.smtp import claim_seconds
from idp.settings import load_settings
from tests.mail.conftest import OpenOffice, plain
from tests.mail.office import PRODUCTION, SECRET, Office
from tests.support.authority import Authority
from tests.support.machine import find_free_port
from tests.support.mail import SMTP_NAME, SMTP_PASSWORD, SmtpServer, silent_server, smtp_server


@pytest.fixture
def context(authority: Authority) -> ssl.SSLContext:
    return authority.server_context("127.0.0.1")


def secured(port: int, security: str, bundle: Path | None, **more: str) -> dict[str, str]:
    settings = {"smtp_host": "127.0.0.1", "smtp_port": str(port), "smtp_security": security}
    return settings | ({"outbound_ca_bundle": str(bundle)} if bundle is not None else {}) | more


def error_of(office: Office, mail_id: int) -> str:
    return office.find(mail_id).last_error or ""


# --- The way there


@pytest.mark.parametrize("security", ["starttls", "tls"])
def test_a_mail_goes_over_tls_to_a_server_that_wants_a_name_and_a_password(
    open_one: OpenOffice, authority: Authority, context: ssl.SSLContext, security: str
) -> None:
    with smtp_server(context=context, security=security, auth=True) as post:
        login = {"smtp_username": SMTP_NAME, "smtp_password": SMTP_PASSWORD}
        office = open_one(**secured(post.port, security, authority.bundle, **login), **PRODUCTION)
        sent = office.send()
        assert office.deliver()
        assert office.find(sent).state == "sent"
        assert post.recipients == ["ada@example.com"]
        assert post.was_encrypted == [True]
        assert post.names == [SMTP_NAME]


@pytest.mark.parametrize("security", ["starttls", "tls"])
@pytest.mark.parametrize("wrong", ["authority", "name"])
def test_neither_mail_nor_password_goes_to_a_server_whose_certificate_is_not_right(
    open_one: OpenOffice, authority: Authority, context: ssl.SSLContext, security: str, wrong: str
) -> None:
    shown = context if wrong == "authority" else authority.server_context("mail.example.com")
    bundle = None if wrong == "authority" else authority.bundle
    with smtp_server(context=shown, security=security, auth=True) as post:
        login = {"smtp_username": SMTP_NAME, "smtp_password": SMTP_PASSWORD}
        office = open_one(**secured(post.port, security, bundle, **login))
        sent = office.send()
        assert not office.deliver()
        assert office.find(sent).state == "waiting"
        assert "certificate is not trusted" in error_of(office, sent)
        assert not post.received
        assert not post.names


@pytest.mark.spec("RFC 3207", "4.1", "MUST")
def test_nothing_is_sent_in_clear_when_the_server_does_not_offer_the_tls_that_is_asked_for(
    open_one: OpenOffice, post: SmtpServer
) -> None:
    office = open_one(**secured(post.port, "starttls", None))
    sent = office.send()
    assert not office.deliver()
    assert "does not offer" in error_of(office, sent)
    assert post.received == []


def test_a_wrong_password_is_told_without_the_password_and_the_mail_waits(
    open_one: OpenOffice, authority: Authority, context: ssl.SSLContext
) -> None:
    with smtp_server(context=context, security="starttls", auth=True) as post:
        login = {"smtp_username": SMTP_NAME, "smtp_password": "mistyped-password"}
        office = open_one(**secured(post.port, "starttls", authority.bundle, **login))
        sent = office.send()
        assert not office.deliver()
        assert office.find(sent).state == "waiting"
        assert "refused the sign-in: 535" in error_of(office, sent)
        assert "mistyped" not in error_of(office, sent)


def test_an_address_with_letters_beyond_ascii_needs_a_server_that_knows_them(open_one: OpenOffice) -> None:
    for knows, state in ((True, "sent"), (False, "failed")):
        with smtp_server(enable_SMTPUTF8=knows) as post:
            office = open_one(**plain(post.port))
            sent = office.send("zoë@büro.example")
            assert office.deliver()
            assert office.find(sent).state == state
            assert post.recipients == (["zoë@xn--bro-hoa.example"] if knows else [])
    assert "SMTPUTF8" in error_of(office, sent)


def test_many_mails_go_over_one_connection(office: Office, post: SmtpServer, monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[int] = []
    connect = smtplib.SMTP.connect

    def counted(client: smtplib.SMTP, host: str = "localhost", port: int = 0) -> tuple[int, bytes]:
        opened.append(port)
        return connect(client, host, port)

    monkeypatch.setattr(smtplib.SMTP, "connect", counted)
    for number in range(45):
        office.send(f"person{number}@example.com")
    assert office.deliver()
    assert len(post.received) == 45
    assert opened == [post.port]


# --- What the server answers


@pytest.mark.spec("RFC 5321", "4.2.1", "SHOULD NOT")
@pytest.mark.parametrize("stage", ["recipient", "data"])
def test_a_permanent_refusal_is_final_and_says_why(office: Office, post: SmtpServer, stage: str) -> None:
    if stage == "recipient":
        post.answer_recipient = lambda address: f"550 5.1.1 <{address}>: nobody of this name here"
    else:
        post.answer_data = lambda: f"554 5.7.1 {SECRET} looks like spam"
    sent = office.send()
    assert office.deliver()
    found = office.find(sent)
    assert (found.state, found.sealed, found.tries) == ("failed", "", 1)
    assert office.events() == ["mail.failed"]
    expected = {"recipient": "550 5.1.1 … nobody of this name here", "data": "The mail was refused: 554 5.7.1"}
    assert expected[stage] in error_of(office, sent)
    told = error_of(office, sent) + str(office.server.store.audit_events.list())
    assert "never-to-be-told" not in told
    assert "ada@" not in told
    office.forward(86_400)
    assert office.deliver()
    assert office.find(sent).tries == 1


@pytest.mark.spec("RFC 5321", "4.5.4.1", "MUST")
def test_a_passing_refusal_is_tried_again_later_and_later(office: Office, post: SmtpServer) -> None:
    post.answer_recipient = lambda _: "451 4.7.1 greylisted, come back"
    sent = office.send(template="password_changed", name=None, when=office.now, address=None, recover_url=SECRET)
    for tries, wait in enumerate((*BACK_OFF, BACK_OFF[-1]), 1):
        assert office.deliver()
        found = office.find(sent)
        assert (found.state, found.tries, found.next_try_at) == ("waiting", tries, office.now + wait)
        assert "451 4.7.1 greylisted" in error_of(office, sent)
        office.forward(wait - 1)
        assert office.deliver()
        assert office.find(sent).tries == tries
        office.forward(1)
    post.answer_recipient = lambda _: None
    assert office.deliver()
    assert office.find(sent).state == "sent"
    assert len(post.received) == 1


def test_one_bad_recipient_holds_up_nobody_else(office: Office, post: SmtpServer) -> None:
    post.answer_recipient = lambda address: "450 4.2.0 later" if address.startswith("ada") else None
    office.send("ada@example.com")
    office.send("bob@example.com")
    assert office.deliver()
    assert post.recipients == ["bob@example.com"]


@pytest.mark.spec("RFC 5321", "3.8", "SHOULD")
def test_a_server_that_hangs_up_is_called_again_for_the_next_mail(
    office: Office, post: SmtpServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("idp.mail.mailer.random.shuffle", lambda _: None)  # the one that is refused comes first
    post.answer_recipient = lambda address: "421 4.7.0 too many" if address.startswith("ada") else None
    office.send("ada@example.com")
    office.send("bob@example.com")
    office.send("eve@example.com")
    assert office.deliver()
    assert sorted(post.recipients) == ["bob@example.com", "eve@example.com"]


def test_a_server_that_is_down_gets_the_mail_when_it_is_up_again(open_one: OpenOffice) -> None:
    port = find_free_port()
    office = open_one(**plain(port))
    first, second = office.send("ada@example.com"), office.send("bob@example.com")
    assert not office.deliver()
    tried = [office.find(each).tries for each in (first, second)]
    assert sorted(tried) == [0, 1]  # nobody hammers a server that is down
    office.forward(BACK_OFF[0])
    with smtp_server(port=port) as post:
        assert office.deliver()
        assert sorted(post.recipients) == ["ada@example.com", "bob@example.com"]


def test_a_mail_is_given_up_when_what_it_offers_has_ended(open_one: OpenOffice) -> None:
    port = find_free_port()
    office = open_one(**plain(port))
    sent = office.send(minutes=60)
    for _ in range(len(BACK_OFF)):
        office.deliver()
        office.forward(max(office.find(sent).next_try_at - office.now, 0))
    assert office.now == office.find(sent).expires_at
    with smtp_server(port=port) as post:
        assert office.deliver()
        assert post.received == []
    found = office.find(sent)
    assert (found.state, found.sealed) == ("failed", "")
    assert error_of(office, sent).startswith("Not delivered in its time. 127.0.0.1:")
    assert office.events() == ["mail.failed"]


def test_a_server_that_never_says_a_word_is_given_up_after_a_while(open_one: OpenOffice) -> None:
    with silent_server() as port:
        office = open_one(**plain(port), outbound_timeout="1")
        sent, began = office.send(), time.monotonic()
        assert not office.deliver()
        assert 2 < time.monotonic() - began < 30
    assert "does not answer in time" in error_of(office, sent)


def test_a_mail_is_not_begun_when_all_before_it_took_too_long_for_its_claim(
    office: Office, post: SmtpServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    name_recipient = smtplib.SMTP.rcpt

    def slow(client: smtplib.SMTP, *arguments: str, **options: str) -> tuple[int, bytes]:
        time.sleep(2.2)
        return name_recipient(client, *arguments, **options)

    monkeypatch.setattr(smtplib.SMTP, "rcpt", slow)
    monkeypatch.setattr(smtp, "TIMEOUT_FACTOR", 0.4)  # two seconds
    sent = office.send()
    assert office.deliver()
    assert office.find(sent).state == "waiting"
    assert "in time" in error_of(office, sent)
    assert post.received == []


def test_the_claim_outlasts_the_longest_delivery() -> None:
    settings = load_settings({}, None)
    longest = settings.outbound_timeout * smtp.TIMEOUT_FACTOR + 3 * smtp.ACCEPTING_SECONDS
    assert claim_seconds(settings) > longest


def test_back_off_begins_with_half_a_minute_and_ends_with_an_hour() -> None:
    assert [back_off(tries) for tries in range(1, 8)] == [30, 120, 600, 1800, 3600, 3600, 3600]


def test_in_production_without_a_mail_server_mails_wait_for_one(open_one: OpenOffice, post: SmtpServer) -> None:
    office = open_one(**PRODUCTION)
    sent = office.send()
    assert not office.deliver()
    assert office.find(sent).state == "waiting"
    assert "IDP_SMTP_HOST" in error_of(office, sent)


# --- A listener that is not quite a mail server


@pytest.fixture
def wall() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        listening.settimeout(60)
        yield listening


@pytest.mark.parametrize(
    "banner", [b"", b"HTTP/1.1 400 Bad Request\r\n\r\n", b"554 go away\r\n", b"\xff\xfe\r\n", b"2\r\n"]
)
def test_whatever_answers_there_the_mail_waits(open_one: OpenOffice, wall: socket.socket, banner: bytes) -> None:
    def answer() -> None:
        connection, _ = wall.accept()
        with connection:
            connection.sendall(banner)

    thread = threading.Thread(target=answer)
    thread.start()
    office = open_one(**plain(wall.getsockname()[1]), outbound_timeout="1")
    sent = office.send()
    assert not office.deliver()
    thread.join(60)
    assert office.find(sent).state == "waiting"
    assert "cannot be used" in error_of(office, sent)
