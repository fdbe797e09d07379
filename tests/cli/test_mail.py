"""`idp mail`: a test mail past the outbox, and what became of the mails of late, without what they say."""

import time

import pytest

from idp.mail import MailParts, send_mail
from idp.settings import load_settings
from idp.store import Store
from tests.cli.conftest import Idp
from tests.support.machine import find_free_port
from tests.support.mail import smtp_server


def use_mail_server(monkeypatch: pytest.MonkeyPatch, port: int, **more: str) -> None:
    settings = {"IDP_SMTP_HOST": "127.0.0.1", "IDP_SMTP_PORT": str(port), "IDP_SMTP_SECURITY": "none", **more}
    for name, value in settings.items():
        monkeypatch.setenv(name, value)


def test_a_test_mail_is_sent_at_once(idp: Idp, monkeypatch: pytest.MonkeyPatch) -> None:
    with smtp_server() as post:
        use_mail_server(monkeypatch, post.port, IDP_SERVICE_NAME="Harbour")
        answer = idp("mail", "test", "Ada@EXAMPLE.com", "--json")
        assert (answer.code, answer.json) == (0, {"recipient": "Ada@example.com", "server": f"127.0.0.1:{post.port}"})
        assert "taken" in idp("mail", "test", "ada@example.com", "--language", "en").out
        assert [message["Subject"] for _, message in post.received][1] == "A test mail of Harbour"
        assert len({message["Message-ID"] for _, message in post.received}) == 2


def test_what_the_mail_server_answers_is_said(idp: Idp, monkeypatch: pytest.MonkeyPatch) -> None:
    with smtp_server() as post:
        use_mail_server(monkeypatch, post.port)
        post.answer_recipient = lambda _: "550 5.1.1 nobody here"
        answer = idp("mail", "test", "ada@example.com")
        assert (answer.code, answer.out) == (1, "")
        assert "550 5.1.1 nobody here" in answer.err


@pytest.mark.parametrize("address", ["", "ada", "ada@example.com\nBcc: eve@example.com", "a@b,c@d"])
def test_what_is_not_an_address_is_refused(idp: Idp, monkeypatch: pytest.MonkeyPatch, address: str) -> None:
    use_mail_server(monkeypatch, find_free_port())
    answer = idp("mail", "test", address)
    assert answer.code == 1
    assert "address" in answer.err


def test_without_a_mail_server_or_when_it_is_down_that_is_said(idp: Idp, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "IDP_SMTP_HOST is not set" in idp("mail", "test", "ada@example.com").err
    port = find_free_port()
    use_mail_server(monkeypatch, port)
    answer = idp("mail", "test", "ada@example.com")
    assert answer.code == 1
    assert f"127.0.0.1:{port} cannot be used: Connection refused" in answer.err


def test_mails_are_listed_by_what_became_of_them_without_what_they_say(idp: Idp, store: Store) -> None:
    settings = load_settings()
    parts, now = MailParts(settings, store), int(time.time())
    values = {"name": "Ada", "url": "https://id.example.com/never-to-be-told", "minutes": 60}
    send_mail(parts, "password_reset", "ada@example.com", language="en", now=now, **values)
    send_mail(parts, "password_reset", "no address", language="en", now=now, **values)
    store.mail_outbox.add("test", "bob@example.com", "sealed", now=now, expires_at=now + 60)
    answer = idp("mail", "list", "--json")
    assert [(mail["recipient"], mail["state"]) for mail in answer.json] == [
        ("bob@example.com", "waiting"),
        ("no address", "failed"),
        ("ada@example.com", "kept"),
    ]
    for state, recipient in (("waiting", "bob@"), ("failed", "no address"), ("kept", "ada@")):
        told = idp("mail", "list", "--state", state).out
        assert recipient in told
        assert len([line for line in told.splitlines() if "example.com" in line or "no address" in line]) == 1
    assert "no such mail" in idp("mail", "list", "--state", "sent").out.lower()
    assert len(idp("mail", "list", "--limit", "1", "--json").json) == 1
    assert "never-to-be-told" not in answer.out + answer.err
