"""Counting what may happen a few times only, over all processes and instances: the tries of a code, mails to an
address.

Owns the bounds on mails that strangers can have sent to somebody by naming their address. They hold for addresses with
an account and without one alike, and nobody is told that one is reached. Where what is begun helps only who began it,
each sender has some of them, so that one stranger does not use them all up.
"""

from collections.abc import Mapping

from idp.mail.addresses import NotAnAddress, load_address
from idp.mail.outbox import Parts
from idp.store.ephemeral import Ephemeral
from idp.store.users import lookup_key

MAIL_KIND = "mail_to"
# For each reason to write: so many mails to one address in so many seconds, because of one sender.
MAIL_LIMITS: Mapping[str, tuple[tuple[int, int], ...]] = {
    "sign_up": ((5, 3600), (10, 86_400)),
    "recovery": ((1, 60), (5, 3600)),
    "email_change": ((5, 3600),),
    "notice": ((5, 3600),),  # to an address that its account never confirmed
}
# And so many because of all senders together.
MAIL_TOTALS: Mapping[str, tuple[int, int]] = {"sign_up": (50, 86_400)}


def claim_try(ephemeral: Ephemeral, kind: str, key: str, *, tries: int, lifetime: int, now: int) -> bool:
    """Take one of so many tries; False when all are taken. Each comes back `lifetime` seconds after it was taken.

    Each is looked at before it is written, so that whoever goes on after the last one costs no write.
    """
    names = (f"{key} {number}" for number in range(tries))
    free = (name for name in names if ephemeral.get(kind, name, now=now) is None)
    return any(ephemeral.put_new(kind, name, {}, lifetime=lifetime, now=now) for name in free)


def allows_mail(server: Parts, reason: str, email: str, *, sender: str = "", now: int) -> bool:
    """Whether one more mail may go to this address for this reason; counts it. `sender`: who caused it, a network or an
    account, where each has its own count; nobody, where all are one."""
    mailbox, all_senders = mailbox_key(email), MAIL_TOTALS.get(reason)
    limits = [(f"{reason} {sender} {mailbox}", *limit) for limit in MAIL_LIMITS[reason]]
    limits += [(f"{reason} total {mailbox}", *all_senders)] if all_senders is not None else []
    return all(
        claim_try(server.store.ephemeral, f"{MAIL_KIND} {seconds}", key, tries=count, lifetime=seconds, now=now)
        for key, count, seconds in limits
    )


def mailbox_key(email: str) -> str:
    """How addresses are counted: one key for all spellings of one mailbox. Look-up alone would leave those of a domain
    apart that are written the same once mail is sent (RFC 5891, UTS 46)."""
    try:
        return lookup_key(load_address(email))
    except NotAnAddress:
        return lookup_key(email)
