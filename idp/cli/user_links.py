"""`idp users invite` and `idp users start-reset`: a mail with a link, after which the person chooses for themselves.

An operator never learns or chooses a password by this (ASVS 6.4.6).
"""

import time

import click

from idp import audit
from idp.audit import Event
from idp.cli.command import Command, Refused
from idp.cli.opening import opened_store
from idp.cli.output import answer
from idp.cli.user_options import check_email, check_roles, load_user
from idp.settings import Settings, load_settings

LANGUAGE = click.option("--language", type=click.Choice(["en", "fr"]), help="The language of the mail.")


@click.command("invite", cls=Command)
@click.argument("email")
@click.option("--role", "roles", multiple=True, help="A role of the account to be. Repeatable.")
@click.option("--inviter", metavar="NAME", help="Who invites, as the mail says it.")
@LANGUAGE
def invite(email: str, roles: tuple[str, ...], inviter: str | None, language: str | None) -> None:
    """Send a link to EMAIL with which its owner makes an account. It works for a week, and once."""
    from idp.accounts.invitations import DAYS, Invitation, send_invitation
    from idp.accounts.registration import is_email, is_open
    from idp.mail import MailParts

    settings, now = load_settings(), int(time.time())
    check_email(email)
    check_roles(roles)
    if not is_email(email):
        raise Refused(f"No mail can be sent to {email}.")
    if not is_open(settings, is_invited=True):
        raise Refused("An invitation needs IDP_SIGN_UP=invitation or open, and IDP_LOCAL_PASSWORDS=true.")
    check_mail(settings)
    with opened_store(settings, with_redis=True) as store:
        if store.users.find_by_email(email) is not None:
            raise Refused(f"There is an account with the e-mail {email} already.")
        invitation = Invitation(email, tuple(dict.fromkeys(roles)))
        parts, chosen = MailParts(settings, store), language or settings.default_locale
        send_invitation(parts, invitation, inviter=inviter, language=chosen, now=now)
        audit.record_by_operator(store, Event.USER_INVITED, now=now, roles=list(invitation.roles))
    shown = {"email": email, "roles": list(invitation.roles), "days": DAYS}
    answer(shown, f"An invitation to {email} is on its way. It works for {DAYS} days, and once.")


@click.command("start-reset", cls=Command)
@click.argument("user")
@LANGUAGE
def start_reset(user: str, language: str | None) -> None:
    """Send a person the link with which they choose a new password. Until they do, nothing changes."""
    from idp.accounts.recovery import LIFETIME_SECONDS, is_recoverable, send_reset
    from idp.mail import MailParts

    settings, now = load_settings(), int(time.time())
    if not settings.local_passwords:
        raise Refused("There are no passwords here (IDP_LOCAL_PASSWORDS=false).")
    check_mail(settings)
    with opened_store(settings, with_redis=True) as store:
        found = load_user(store, user)
        if found.email is None:
            raise Refused(f"{found.username} has no e-mail address to send a link to; see: idp users set-password")
        if not is_recoverable(store, found):
            raise Refused(
                f"{found.username} is disabled, or has a second factor and an e-mail address that was never confirmed. "
                "Make sure who they are first; see: idp users enable, idp users reset-factors"
            )
        send_reset(MailParts(settings, store), found, None, language=language or settings.default_locale, now=now)
        audit.record_by_operator(store, Event.RECOVERY_STARTED, now=now, user_id=found.id)
    minutes = LIFETIME_SECONDS // 60
    shown = {"id": found.id, "email": found.email, "minutes": minutes}
    answer(shown, f"A link to {found.email} is on its way. It works for {minutes} minutes, and once.")


def check_mail(settings: Settings) -> None:
    """Raises Refused where the mail would never leave."""
    if settings.is_production and settings.smtp_host is None:
        raise Refused("IDP_SMTP_HOST is not set, so no mail can be sent.")
