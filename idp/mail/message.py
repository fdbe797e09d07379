"""One mail as RFC 5322 wants it: text and HTML (RFC 2046 §5.1.4), marked as automatic (RFC 3834 §5)."""

from dataclasses import dataclass
from datetime import UTC, datetime
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime
from urllib.parse import urlsplit

from idp.jose.encryption import SecretBox
from idp.mail.rendering import Rendered
from idp.settings import Settings
from idp.store.mail_outbox import OutgoingMail


@dataclass(frozen=True, slots=True)
class Sender:
    """Who sends. The secret makes the ids of mails."""

    settings: Settings
    secret_box: SecretBox

    @property
    def host(self) -> str:
        """The host of the issuer, as mail writes it (RFC 5321 §4.1.3 for addresses)."""
        host = urlsplit(self.settings.issuer).hostname or "localhost"
        return f"[IPv6:{host}]" if ":" in host else host


def make_message(sender: Sender, mail: OutgoingMail, rendered: Rendered) -> EmailMessage:
    """The message; each try of the same mail has the same Message-ID, so that a second copy can be told.

    Raises ValueError when a header would hold a line break.
    """
    settings = sender.settings
    message = EmailMessage(policy=SMTP)
    message["From"] = Address(display_name=_printable(settings.service_name), addr_spec=settings.mail_from)
    message["To"] = address_of(mail.recipient)
    if settings.mail_reply_to is not None:
        message["Reply-To"] = address_of(settings.mail_reply_to)
    message["Subject"] = rendered.subject
    message["Date"] = format_datetime(datetime.fromtimestamp(mail.created_at, UTC))
    message["Message-ID"] = message_id(sender, mail)
    message["Auto-Submitted"] = "auto-generated"
    message.set_content(rendered.text, cte="quoted-printable")
    message.add_alternative(rendered.html, subtype="html", cte="quoted-printable")
    return message


def address_of(text: str) -> Address:
    """Without being parsed: an address of ours has no name, no comment and one @."""
    username, _, domain = text.rpartition("@")
    return Address(username=username, domain=domain)


def message_id(sender: Sender, mail: OutgoingMail) -> str:
    unique = sender.secret_box.derive("mail message id", str(mail.id), str(mail.created_at), length=16)
    return f"<{unique}@{sender.host}>"


def _printable(text: str) -> str:
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())
