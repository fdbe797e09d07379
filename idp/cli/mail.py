"""`idp mail`: whether mail can be sent, and what became of the mails of late. What a mail says is never shown."""

import time
from typing import Any

import click

from idp.cli.command import Group, Refused
from idp.cli.opening import opened_store
from idp.cli.output import answer, answer_table, iso
from idp.settings import load_settings
from idp.store.mail_outbox import NEVER, OutgoingMail


@click.group(cls=Group)
def command() -> None:
    """The mails to people."""


@command.command("test")
@click.argument("address")
@click.option("--language", type=click.Choice(["en", "fr"]), help="The language of the mail.")
def test(address: str, language: str | None) -> None:
    """Send a test mail to ADDRESS at once, and say what the mail server answered."""
    from idp.mail.addresses import NotAnAddress, load_address
    from idp.mail.smtp import MailRefused, NotNow, ServerUnavailable
    from idp.mail.trial import send_trial

    settings = load_settings()
    if settings.smtp_host is None:
        raise Refused("IDP_SMTP_HOST is not set, so there is no mail server to try.")
    try:
        recipient = load_address(address)
        send_trial(settings, recipient, language=language or settings.default_locale, now=int(time.time()))
    except (NotAnAddress, MailRefused, NotNow, ServerUnavailable) as error:
        raise Refused(str(error)) from None
    server = f"{settings.smtp_host}:{settings.smtp_port}"
    answer({"recipient": recipient, "server": server}, f"{server} has taken a test mail to {recipient}.")


@command.command("list")
@click.option("--state", type=click.Choice(["waiting", "sent", "failed", "kept"]), help="Only those.")
@click.option("--limit", type=click.IntRange(1, 10_000), default=50, show_default=True, help="How many, newest first.")
def list_mails(state: str | None, limit: int) -> None:
    """The mails of late: to whom, which, and what became of them."""
    with opened_store(load_settings()) as store:
        mails = store.mail_outbox.list(limit=limit if state is None else 10_000)
    shown = [_described(mail) for mail in mails if state in (None, mail.state)][:limit]
    columns = {"id": "id", "recipient": "to", "template": "mail", "state": "state", "created_at": "written"}
    columns |= {"tries": "tries", "next_try_at": "next try", "last_error": "why not"}
    answer_table(shown, columns, empty="There is no such mail.")


def _described(mail: OutgoingMail) -> dict[str, Any]:
    return {
        "id": mail.id,
        "recipient": mail.recipient,
        "template": mail.template,
        "state": mail.state,
        "created_at": iso(mail.created_at),
        "tries": mail.tries,
        "next_try_at": iso(mail.next_try_at) if mail.next_try_at != NEVER else None,
        "claimed_until": iso(mail.claimed_until or None),
        "sent_at": iso(mail.sent_at),
        "failed_at": iso(mail.failed_at),
        "last_error": mail.last_error,
    }
