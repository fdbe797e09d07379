"""One e-mail address (RFC 5321 §4.1.2, RFC 6531 §3.3), as it goes into an envelope and a header. Owns what is refused:
line breaks, lists, comments, quoted and routed forms.
"""

import re

import idna

_LOCAL = re.compile(r"[\w!#$%&'*+/=?^`{|}~-]+(?:\.[\w!#$%&'*+/=?^`{|}~-]+)*")
_DOMAIN = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?(?:\.[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?)*")
MAX_LOCAL_BYTES, MAX_DOMAIN_LENGTH = 64, 253


class NotAnAddress(ValueError):
    """This is not exactly one e-mail address that mail can be sent to."""


def load_address(text: str) -> str:
    """The address with its domain in ASCII (RFC 5891). Raises NotAnAddress; its message repeats nothing."""
    local, at, domain = text.rpartition("@")
    if not at or not _LOCAL.fullmatch(local) or not text.isprintable():
        raise NotAnAddress("This is not one e-mail address.")
    try:
        if len(local.encode()) > MAX_LOCAL_BYTES:
            raise NotAnAddress("This e-mail address is too long.")
        written = domain.lower() if domain.isascii() else idna.encode(domain, uts46=True).decode("ascii")
    except (UnicodeError, idna.IDNAError):
        raise NotAnAddress("The domain of this e-mail address does not exist.") from None
    if len(written) > MAX_DOMAIN_LENGTH or not _DOMAIN.fullmatch(written):
        raise NotAnAddress("The domain of this e-mail address does not exist.")
    return f"{local}@{written}"
