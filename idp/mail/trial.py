"""A mail that is sent at once, past the outbox, so that an operator sees what the mail server answers."""

import secrets

from idp.jose.encryption import SecretBox
from idp.mail.message import Sender, make_message
from idp.mail.rendering import render_mail
from idp.mail.smtp import SmtpConnection
from idp.settings import Settings
from idp.store.mail_outbox import OutgoingMail


def send_trial(settings: Settings, recipient: str, *, language: str, now: int) -> None:
    """Raises MailRefused, NotNow or ServerUnavailable with the reason."""
    rendered = render_mail(
        "test", {}, language=language, service_name=settings.service_name, home_url=settings.issuer + "/"
    )
    sender = Sender(settings, SecretBox(secrets.token_urlsafe(32)))
    mail = OutgoingMail(
        id=0, template="test", recipient=recipient, sealed="", created_at=now, next_try_at=now, tries=0,
        claimed_until=0, sent_at=None, failed_at=None, last_error=None, expires_at=now,
    )  # fmt: skip
    with SmtpConnection(settings, local_name=sender.host) as connection:
        connection.send(make_message(sender, mail, rendered), recipient)
