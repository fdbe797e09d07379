"""Mail in the tests: what the server under test has written, and a real SMTP server on loopback that takes it."""

import logging
import re
import socket
import ssl
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import Any, Protocol

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult, Envelope, LoginPassword

from idp.mail import MailParts, read_mail
from idp.mail.rendering import Rendered
from idp.settings import Settings
from idp.store import Store
from tests.support.machine import find_free_port

SMTP_NAME, SMTP_PASSWORD = "idp", "smtp-only-for-tests"
_LINK = re.compile(r"https?://\S+")
_CODE = re.compile(r"^    (\d{6})$", re.MULTILINE)


class HasStore(Protocol):
    @property
    def settings(self) -> Settings: ...
    @property
    def store(self) -> Store: ...


@dataclass(frozen=True)
class WrittenMail:
    """A mail in the outbox of a development server, which keeps what it says."""

    template: str
    recipient: str
    content: Rendered

    @property
    def subject(self) -> str:
        return self.content.subject

    @property
    def text(self) -> str:
        return self.content.text

    @property
    def html(self) -> str:
        return self.content.html

    @property
    def link(self) -> str:
        """The first address in its text."""
        return self.links[0]

    @property
    def links(self) -> list[str]:
        """The addresses in its text, the first one first."""
        return _LINK.findall(self.content.text)

    @property
    def code(self) -> str:
        """The six digits in its text."""
        found = _CODE.search(self.content.text)
        assert found is not None, self.content.text
        return found[1]


def mails_to(server: HasStore, address: str) -> list[WrittenMail]:
    """What a server under test has written to this address, the oldest first."""
    parts = MailParts(server.settings, server.store)
    found = [(mail, read_mail(parts, mail)) for mail in reversed(server.store.mail_outbox.list(recipient=address))]
    return [WrittenMail(mail.template, mail.recipient, content) for mail, content in found if content is not None]


def last_mail_to(server: HasStore, address: str) -> WrittenMail:
    mails = mails_to(server, address)
    assert mails, f"nothing was written to {address}"
    return mails[-1]


@dataclass
class SmtpServer:
    """What it was sent. `answer_recipient` and `answer_data` (None: 250) may be set by the test at any time."""

    port: int
    received: list[tuple[Envelope, EmailMessage]] = field(default_factory=list)
    answer_recipient: Callable[[str], str | None] = lambda _: None
    answer_data: Callable[[], str | None] = lambda: None
    was_encrypted: list[bool] = field(default_factory=list)
    names: list[str] = field(default_factory=list)

    @property
    def recipients(self) -> list[str]:
        return [address for envelope, _ in self.received for address in envelope.rcpt_tos]

    def wait_for(self, count: int, seconds: float = 60) -> None:
        """Until so many mails have come."""
        deadline = time.monotonic() + seconds
        while len(self.received) < count:
            assert time.monotonic() < deadline, f"{len(self.received)} of {count} mails"
            time.sleep(0.05)

    async def handle_RCPT(self, _server: Any, _session: Any, envelope: Envelope, address: str, _options: Any) -> str:
        refusal = self.answer_recipient(address)
        if refusal is None:
            envelope.rcpt_tos.append(address)
        return refusal or "250 OK"

    async def handle_DATA(self, server: Any, _session: Any, envelope: Envelope) -> str:
        refusal = self.answer_data()
        if refusal is not None:
            return refusal
        message = message_from_bytes(envelope.original_content or b"", policy=policy.SMTP.clone(utf8=True))
        assert isinstance(message, EmailMessage)
        self.was_encrypted.append(server.transport.get_extra_info("sslcontext") is not None)
        self.received.append((envelope, message))
        return "250 Taken"

    def authenticate(self, _server: Any, _session: Any, _envelope: Any, _mechanism: str, data: Any) -> AuthResult:
        is_right = data == LoginPassword(SMTP_NAME.encode(), SMTP_PASSWORD.encode())
        self.names.append(data.login.decode())
        return AuthResult(success=is_right, handled=False)


@contextmanager
def smtp_server(
    *, port: int | None = None, context: ssl.SSLContext | None = None, security: str = "none", auth: bool = False,
    **options: Any,
) -> Iterator[SmtpServer]:  # fmt: skip
    """An SMTP server on 127.0.0.1, gone after the block."""
    logging.getLogger("mail.log").setLevel(logging.WARNING)  # aiosmtpd's own, which tells every command
    server = SmtpServer(port or find_free_port())
    if auth:
        can_insist = security == "starttls"  # aiosmtpd does not count the TLS of a whole connection
        options |= {"authenticator": server.authenticate, "auth_required": can_insist, "auth_require_tls": can_insist}
    if security == "starttls":
        options |= {"tls_context": context, "require_starttls": True}
    options.setdefault("enable_SMTPUTF8", True)
    tls = context if security == "tls" else None
    options["ready_timeout"] = 60
    controller = Controller(server, hostname="127.0.0.1", port=server.port, ssl_context=tls, **options)
    controller.start()
    try:
        yield server
    finally:
        controller.stop()


@contextmanager
def silent_server() -> Iterator[int]:
    """The port of a server that takes connections and never says a word."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield listening.getsockname()[1]
