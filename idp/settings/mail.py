"""What settings of mail must go together: one address each, nothing in clear over a network; what will be missed."""

import re
from collections.abc import Iterator

from idp.settings.fields import Settings
from idp.settings.values import LOOPBACK_HOSTS

_ATOM = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+"  # RFC 5322 §3.2.3
_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?"
_ADDRESS = re.compile(rf"{_ATOM}(?:\.{_ATOM})*@{_LABEL}(?:\.{_LABEL})*")
_HOST = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9_.-]*[A-Za-z0-9_])?\.?|[0-9A-Fa-f:.]*:[0-9A-Fa-f:.]*")
TLS_PORT = 465  # RFC 8314 §3.3


def mail_problems(settings: Settings) -> list[str]:
    """One sentence for each thing to mend."""
    return [*_address_problems(settings), *_server_problems(settings)]


def _address_problems(settings: Settings) -> Iterator[str]:
    for name in ("mail_from", "mail_reply_to"):
        address = getattr(settings, name)
        if address is not None and not _ADDRESS.fullmatch(address):
            yield f"IDP_{name.upper()} must be one e-mail address, without a name."


def _server_problems(settings: Settings) -> Iterator[str]:
    if settings.smtp_host is not None and not _HOST.fullmatch(settings.smtp_host):
        yield "IDP_SMTP_HOST must be a host name or an address alone; the port is IDP_SMTP_PORT."
    if settings.smtp_username is None and settings.smtp_password is not None:
        yield "IDP_SMTP_PASSWORD is set without IDP_SMTP_USERNAME."
    for name in ("smtp_username", "smtp_password"):
        value = getattr(settings, name) or ""
        if not value.isascii() or "\0" in value:
            yield f"IDP_{name.upper()} must be ASCII: it cannot be sent to a mail server otherwise."
    is_loopback = settings.smtp_host is None or settings.smtp_host in LOOPBACK_HOSTS
    if settings.is_production and settings.smtp_security == "none" and not is_loopback:
        yield "IDP_SMTP_SECURITY is none; production needs starttls or tls, except on this machine."


def mail_warnings(settings: Settings) -> Iterator[str]:
    """What a server may start with, and people will miss; said at its start."""
    if settings.smtp_host is None:
        if settings.is_production and (settings.sign_up == "open" or settings.local_passwords):
            yield "IDP_SMTP_HOST is not set: nobody can confirm an e-mail address or recover a password."
        return
    if settings.is_production and settings.mail_from == Settings.model_fields["mail_from"].default:
        yield f"IDP_MAIL_FROM is still {settings.mail_from}: mail servers refuse or discard mail from there."
    if settings.smtp_port == TLS_PORT and settings.smtp_security == "starttls":
        yield "IDP_SMTP_PORT is 465, where mail servers want IDP_SMTP_SECURITY=tls."
