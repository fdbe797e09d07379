"""A server's mail room without the HTTP around it: a real database, a clock that the test moves, one mail to send."""

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from idp import create_app
from idp.mail import send_mail
from idp.mail.mailer import deliver_due
from idp.mail.smtp import SmtpConnection
from idp.server import Server
from idp.store.mail_outbox import OutgoingMail
from tests.support.idp_server import make_settings, prepare

PRODUCTION: dict[str, Any] = {"env": "production", "issuer": "https://id.example.com", "argon2_memory_kib": "19456"}
SECRET = "https://id.example.com/recover/reset?token=never-to-be-told"
RESET: dict[str, Any] = {"name": "Ada", "url": SECRET, "minutes": 60}


@dataclass
class Clock:
    """It stands still until the test moves it."""

    now: int

    def __call__(self) -> float:
        return float(self.now)


@dataclass
class Office:
    server: Server
    clock: Clock

    @property
    def now(self) -> int:
        return self.clock.now

    def forward(self, seconds: int) -> None:
        self.clock.now += seconds

    def send(self, recipient: str | None = "ada@example.com", template: str = "password_reset", **changes: Any) -> int:
        """One mail into the outbox; its id."""
        language = changes.pop("language", "en")
        variables = {**RESET, **changes} if template == "password_reset" else changes
        return send_mail(self.server, template, recipient, language=language, now=self.now, **variables)

    def deliver(self) -> bool:
        return deliver_due(self.server)

    def find(self, mail_id: int) -> OutgoingMail:
        found = self.server.store.mail_outbox.find(mail_id)
        assert found is not None
        return found

    def events(self) -> list[str]:
        """The names of the audit events, the newest first."""
        return [row["event"] for row in self.server.store.audit_events.list()]

    def connection(self) -> SmtpConnection:
        return SmtpConnection(self.server.settings, local_name="id.example.com")


def open_office(folder: Path, keys_from: Path, **changes: Any) -> Office:
    """An office of its own; `changes` are settings. Its database is to be disposed of by the caller."""
    settings, _ = make_settings(folder, **changes)
    prepare(settings, keys_from)
    clock = Clock(int(time.time()))
    return Office(create_app(settings, clock=clock).extensions["idp"], clock)
