"""Putting a mail into the outbox. Owns what is stored of it: {subject, text, html}, encrypted under IDP_SECRET_KEY.

It costs a rendering and one INSERT, whether or not there is a mail server, and whether or not anybody is written to.
"""

import json
import sys
from dataclasses import dataclass
from typing import Any, Protocol

from idp.jose.encryption import SecretBox
from idp.mail.addresses import NotAnAddress, load_address
from idp.mail.kinds import TEMPLATES
from idp.mail.rendering import Rendered, render_mail
from idp.protocol.identity import User
from idp.settings import Settings
from idp.store import Store
from idp.store.mail_outbox import OutgoingMail

PURPOSE = "mail"
MAX_RECIPIENT_LENGTH = 320


class Parts(Protocol):
    """What sending needs of a Server."""

    @property
    def settings(self) -> Settings: ...
    @property
    def store(self) -> Store: ...
    @property
    def secret_box(self) -> SecretBox: ...


@dataclass(frozen=True, slots=True)
class MailParts:
    """The same for a command, which has no Server."""

    settings: Settings
    store: Store

    @property
    def secret_box(self) -> SecretBox:
        return SecretBox(self.settings.secret_key, self.settings.secret_key_previous)


def send_mail(
    server: Parts,
    template: str,
    recipient: str | None,
    *,
    language: str,
    now: int,
    user_id: str | None = None,
    **variables: Any,
) -> int:
    """Put a mail on its way; its id in the outbox. Never waits for a mail server.

    `user_id`: the person it is about, who finds it in their data, and with whom it goes.
    `template` and `variables` are as in TEMPLATES; anything else is a KeyError or a TypeError. Without a recipient
    everything is done as with one, and nothing is sent: so nobody can measure whether there is somebody to write to.
    What is not one address counts as a mail that failed.
    """
    rendered = render_for(server, template, variables, language=language)
    to, why = _checked(recipient)
    settings = server.settings
    is_kept = settings.smtp_host is None and not settings.is_production
    mail_id = server.store.mail_outbox.add(
        template,
        to,
        seal(server, rendered),
        now=now,
        expires_at=now + (0 if recipient is None else TEMPLATES[template].lifetime(variables)),
        user_id=None if recipient is None else user_id,
        is_kept=is_kept or recipient is None,
        refused_why=why,
    )
    if is_kept and recipient is not None and why is None:
        print(f"Mail to {to}: {rendered.subject}  {settings.issuer}/dev/mail/{mail_id}", file=sys.stderr, flush=True)
    return mail_id


def render_for(server: Parts, template: str, variables: dict[str, Any], *, language: str) -> Rendered:
    settings = server.settings
    return render_mail(
        template, variables, language=language, service_name=settings.service_name, home_url=settings.issuer + "/"
    )


def seal(server: Parts, rendered: Rendered) -> str:
    content = {"subject": rendered.subject, "text": rendered.text, "html": rendered.html}
    return server.secret_box.encrypt(json.dumps(content, ensure_ascii=False), purpose=PURPOSE)


def read_mail(server: Parts, mail: OutgoingMail) -> Rendered | None:
    """What a mail says; None when it has been forgotten. Raises DecryptionFailed under another secret key."""
    if not mail.sealed:
        return None
    return Rendered(**json.loads(server.secret_box.decrypt(mail.sealed, purpose=PURPOSE)))


def mailbox_of(user: User) -> str | None:
    """The address of this person as the outbox has it. None where there is none, or where it was never confirmed: then
    what was sent there may be somebody else's."""
    return _checked(user.email)[0] or None if user.claims.get("email_verified") is True else None


def _checked(recipient: str | None) -> tuple[str, str | None]:
    """The address to store, and why nothing can be sent to it."""
    if recipient is None:
        return "", None
    try:
        return load_address(recipient), None
    except NotAnAddress as error:
        return ascii(recipient)[1:-1][:MAX_RECIPIENT_LENGTH], str(error)
