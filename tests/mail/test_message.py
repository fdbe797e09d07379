"""The message as it goes over the wire: its headers, and that none can be added from outside."""

import smtplib
from dataclasses import replace
from datetime import datetime
from email import message_from_bytes, policy
from email.message import EmailMessage
from types import SimpleNamespace
from typing import Any

import pytest

from idp.jose.encryption import SecretBox
from idp.mail.addresses import NotAnAddress, load_address
from idp.mail.message import Sender, make_message
from idp.mail.rendering import Rendered
from idp.settings import Settings, load_settings
from idp.store.mail_outbox import OutgoingMail
from tests.mail.office import Office
from tests.mail.test_outbox import WRONG
from tests.support.mail import SmtpServer

CONTENT = Rendered("Un sujet — with « accents »", "Text\n\nhttps://id.example.com/" + "x" * 90 + "\n", "<p>é</p>")
MAIL = OutgoingMail(
    id=7, template="test", recipient="ada@example.com", sealed="", created_at=1_795_271_280, next_try_at=0, tries=0,
    claimed_until=0, sent_at=None, failed_at=None, last_error=None, expires_at=0,
)  # fmt: skip


def settings_with(**changes: Any) -> Settings:
    names = {f"IDP_{name.upper()}": value for name, value in changes.items()}
    return load_settings({"IDP_ISSUER": "http://id.localhost:8000", "IDP_SECRET_KEY": "x" * 40} | names, None)


def message_with(mail: OutgoingMail = MAIL, content: Rendered = CONTENT, **settings: Any) -> EmailMessage:
    """As a mail program would read it."""
    sender = Sender(settings_with(**settings), SecretBox("a secret key of the tests"))
    wire = make_message(sender, mail, content).as_bytes()
    assert all(len(line) <= 998 for line in wire.split(b"\r\n"))
    read = message_from_bytes(wire, policy=policy.default)
    assert isinstance(read, EmailMessage)
    return read


@pytest.mark.spec("RFC 5322", "3.6", "MUST")
@pytest.mark.spec("RFC 3834", "5", "SHOULD")
def test_a_mail_has_the_headers_of_an_automatic_mail() -> None:
    message = message_with(
        service_name="Hafen, “Söhne” & Co.", mail_from="idp@example.com", mail_reply_to="help@example.com"
    )
    assert str(message["From"].addresses[0]) == '"Hafen, “Söhne” & Co." <idp@example.com>'
    assert message["To"] == "ada@example.com"
    assert message["Reply-To"] == "help@example.com"
    assert message["Subject"] == CONTENT.subject
    assert message["Auto-Submitted"] == "auto-generated"
    assert message["Date"].datetime == datetime.fromisoformat("2026-11-21T14:28:00+00:00")
    assert str(message["Message-ID"]).endswith("@id.localhost>")
    assert len(message.items()) == len(dict(message.items())) == 9


@pytest.mark.spec("RFC 2046", "5.1.4", "MUST")
def test_it_is_text_first_and_then_html_and_long_links_stay_whole() -> None:
    message = message_with()
    assert message.get_content_type() == "multipart/alternative"
    text, html = message.iter_parts()
    assert (text.get_content_type(), html.get_content_type()) == ("text/plain", "text/html")
    assert text.get_content().replace("\r\n", "\n") == CONTENT.text
    assert html.get_content().replace("\r\n", "\n") == CONTENT.html + "\n"


def test_each_try_has_the_same_message_id_and_each_mail_another() -> None:
    ids = [str(message_with(mail)["Message-ID"]) for mail in (MAIL, replace(MAIL, tries=5), replace(MAIL, id=8))]
    assert ids[0] == ids[1] != ids[2]


@pytest.mark.parametrize(
    ("issuer", "host"),
    [
        ("http://127.0.0.1:8000", "127.0.0.1"),
        ("http://[::1]:8000", "[IPv6:::1]"),
        (f"http://{'long-name.' * 12}localhost", f"{'long-name.' * 12}localhost"),
    ],
    ids=["IPv4", "IPv6", "long"],
)
def test_the_message_id_holds_the_host_of_the_issuer(issuer: str, host: str) -> None:
    assert str(message_with(issuer=issuer)["Message-ID"]).endswith(f"@{host}>")


@pytest.mark.parametrize("break_", ["\r\n", "\n", "\r", "\r\n\r\n"])
def test_no_header_can_be_added_by_a_name_or_an_address(break_: str) -> None:
    injected = f"x{break_}Bcc: eve@example.com"
    message = message_with(service_name=f"Ours{break_}Bcc: eve@example.com")
    assert message["Bcc"] is None
    assert message["From"].addresses[0].display_name == "Ours Bcc: eve@example.com"
    sender = Sender(settings_with(), SecretBox("a secret key of the tests"))
    with pytest.raises(ValueError):
        make_message(sender, MAIL, replace(CONTENT, subject=injected))
    with pytest.raises(ValueError):
        make_message(sender, replace(MAIL, recipient=f"ada@example.com{break_}Bcc: eve@example.com"), CONTENT)


def test_on_the_wire_a_hostile_person_adds_neither_a_header_nor_a_recipient(office: Office, post: SmtpServer) -> None:
    hostile = "Ada\r\nBcc: eve@example.com\r\n\r\n.\r\nMAIL FROM:<x@example.com>"
    office.send("ada@example.com", name=hostile)
    office.send("ada@example.com>\r\nRCPT TO:<eve@example.com")
    office.send(
        "ada@example.com", "identity_linked", name="", provider=hostile, when=1, account_url="https://x.example"
    )
    assert office.deliver()
    assert post.recipients == ["ada@example.com"] * 2
    for envelope, message in post.received:
        assert message["Bcc"] is None
        assert str(envelope.mail_from) == "idp@localhost"


def test_a_line_with_a_dot_alone_does_not_end_the_mail(
    office: Office, post: SmtpServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("idp.mail.mailer.read_mail", lambda *_: replace(CONTENT, text="before\n.\n..\nafter\n"))
    office.send()
    assert office.deliver()
    [(_, message)] = post.received
    body = message.get_body(("plain",))
    assert body is not None
    assert body.get_content().splitlines() == ["before", ".", "..", "after"]


@pytest.mark.parametrize("address", WRONG, ids=range(len(WRONG)))
def test_what_is_not_one_address_is_refused(address: str) -> None:
    with pytest.raises(NotAnAddress) as refused:
        load_address(address)
    assert not address or address not in str(refused.value)


@pytest.mark.parametrize(
    ("address", "written"),
    [
        ("ada@example.com", "ada@example.com"),
        ("Ada.Lovelace+tag@EXAMPLE.com", "Ada.Lovelace+tag@example.com"),
        ("o'neill@example.com", "o'neill@example.com"),
        ("ada@localhost", "ada@localhost"),
        ("ada@büro.example", "ada@xn--bro-hoa.example"),
        ("ада@почта.рф", "ада@xn--80a1acny.xn--p1ai"),
        ("x" * 64 + "@example.com", "x" * 64 + "@example.com"),
    ],
)
@pytest.mark.spec("RFC 6531", "3.3", "MUST")
def test_an_address_keeps_its_name_and_gets_its_domain_in_ascii(address: str, written: str) -> None:
    assert load_address(address) == written


def test_the_server_is_greeted_with_the_host_of_the_issuer(
    office: Office, post: SmtpServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    greeted = SimpleNamespace(names=[])
    ehlo = smtplib.SMTP.ehlo

    def watched(client: smtplib.SMTP, name: str = "") -> tuple[int, bytes]:
        greeted.names.append(client.local_hostname)
        return ehlo(client, name)

    monkeypatch.setattr(smtplib.SMTP, "ehlo", watched)
    office.send()
    assert office.deliver()
    assert greeted.names == ["localhost"]
