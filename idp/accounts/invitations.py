"""Invitations: an operator names an address, whoever reads its mail may make an account, for a week and once, with the
newest link only.

The link proves the address by itself, because it was sent nowhere else; so the account is made as soon as the form is
filled in. Following the link shows the form and uses nothing up.
"""

import secrets
from dataclasses import dataclass, replace

from idp.accounts.tries import mailbox_key
from idp.mail import send_mail
from idp.mail.outbox import Parts
from idp.server import Server
from idp.store.database import hashed

KIND, NEWEST_KIND = "invitation", "invitation_newest"
DAYS = 7
_SECONDS = DAYS * 86_400


@dataclass(frozen=True, slots=True)
class Invitation:
    """`roles`: those of the account to be. `ends_at`: seconds since the epoch, once it is sent."""

    email: str
    roles: tuple[str, ...]
    ends_at: int = 0


def send_invitation(parts: Parts, invitation: Invitation, *, inviter: str | None, language: str, now: int) -> None:
    """Remember it, and write to the person. `inviter`: who invites, as the mail says it."""
    token = secrets.token_urlsafe(32)
    _put(parts, token, replace(invitation, ends_at=now + _SECONDS), now=now)
    newest = {"hash": hashed(token)}
    parts.store.lasting.put(NEWEST_KIND, mailbox_key(invitation.email), newest, lifetime=_SECONDS, now=now)
    url = f"{parts.settings.issuer}/sign-up?invitation={token}"
    send_mail(parts, "invitation", invitation.email, language=language, now=now, inviter=inviter, url=url, days=DAYS)


def find_invitation(server: Server, token: str | None, *, now: int) -> Invitation | None:
    """None when it is used, expired, or a newer one was sent."""
    value = server.store.lasting.get(KIND, token, now=now) if token else None
    if value is None or token is None:
        return None
    newest = server.store.lasting.get(NEWEST_KIND, mailbox_key(value["email"]), now=now)
    if newest is None or newest["hash"] != hashed(token):
        return None
    return Invitation(value["email"], tuple(value["roles"]), value["ends_at"])


def claim_invitation(server: Server, token: str, *, now: int) -> bool:
    """Use it up, once among all who try."""
    return server.store.lasting.claim_once(KIND, token, now=now) is not None


def give_back(server: Server, token: str, invitation: Invitation, *, now: int) -> None:
    """Make it good again until its end: it was claimed, and no account came of it."""
    _put(server, token, invitation, now=now)


def _put(parts: Parts, token: str, invitation: Invitation, *, now: int) -> None:
    value = {"email": invitation.email, "roles": list(invitation.roles), "ends_at": invitation.ends_at}
    parts.store.lasting.put(KIND, token, value, lifetime=max(1, invitation.ends_at - now), now=now)
