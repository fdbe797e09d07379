"""A forgotten password: a link of one hour to the address of the account, used once, the newest only (ASVS 6.4.3).

Whether an address is known is told to nobody: the same work is done and the same rows are written. Whoever follows the
link chooses a new password and is signed in to nothing by it, so a second factor is asked for as ever. Every session,
token and remembered device of the account ends. An operator can start it, and never chooses a password (ASVS 6.4.6).
"""

import secrets
from dataclasses import dataclass

from idp import audit
from idp.accounts.notices import Scene, tell_password_changed
from idp.accounts.sign_in import password_mark
from idp.accounts.tries import allows_mail
from idp.mail import send_mail
from idp.mail.outbox import Parts
from idp.protocol.identity import User
from idp.server import Server
from idp.store import Store
from idp.store.database import hashed
from idp.store.users import lookup_key

KIND, NEWEST_KIND = "password_reset", "password_reset_newest"
LIFETIME_SECONDS = 3600
NOBODY = User(id="nobody", username="nobody has this name", disabled=True)


@dataclass(frozen=True, slots=True)
class Reset:
    """A link that is good. `interaction_id`: the sign-in it interrupted, if any; `email`: where it was sent."""

    token: str
    user: User
    email: str
    interaction_id: str | None


def start_recovery(server: Server, email: str, interaction_id: str | None, *, language: str, now: int) -> None:
    """Send the link to whoever owns this address; to nobody when nobody does, with the same effort."""
    found = server.store.users.find_by_email(email)
    user = found[0] if found is not None else None
    may_write = allows_mail(server, "recovery", email, now=now)
    recoverable = is_recoverable(server.store, user or NOBODY)
    audit.record(server, audit.Event.RECOVERY_STARTED, now=now, user_id=user.id if user is not None else None)
    if may_write:  # for the known and the unknown alike; the newest link that was sent stays good
        wanted = user if recoverable else None
        send_reset(server, wanted, interaction_id, asked_for=email, language=language, now=now)


def is_recoverable(store: Store, user: User) -> bool:
    """Whether the mailbox is enough to choose a new password.

    Not where the account has a second factor and has never confirmed its address: then nobody knows whether the mailbox
    is that of the person who set up the factor.
    """
    factors = [store.totp.find(user.id), *store.passkeys.list_of(user.id)]  # both are asked, so that no time tells
    is_confirmed = user.claims.get("email_verified") is True
    return not user.disabled and user.email is not None and (is_confirmed or not any(factors))


def send_reset(
    parts: Parts, user: User | None, interaction_id: str | None, *, asked_for: str = "", language: str, now: int
) -> None:
    """The link, to the address that the account has; without a user, a mail that is never sent. `asked_for`: the
    address that was typed, of which the newest is remembered whether or not there is a user."""
    token, ephemeral = secrets.token_urlsafe(32), parts.store.ephemeral
    email, user_id = (user.email, user.id) if user is not None else (None, f"nobody {secrets.token_hex(8)}")
    mark = password_mark(parts.store, user or NOBODY)
    value = {"user_id": user_id, "email": email, "password": mark, "interaction": interaction_id}
    ephemeral.put(KIND, token, value, lifetime=LIFETIME_SECONDS, now=now)
    newest = lookup_key(email or asked_for)
    ephemeral.put(NEWEST_KIND, newest, {"hash": hashed(token)}, lifetime=LIFETIME_SECONDS, now=now)
    url, minutes = f"{parts.settings.issuer}/recover/reset?token={token}", LIFETIME_SECONDS // 60
    is_confirmed = user is not None and user.claims.get("email_verified") is True
    name = user.name if user is not None and is_confirmed else ""  # or strangers could have sentences sent
    content = {"name": name, "url": url, "minutes": minutes}
    send_mail(parts, "password_reset", email, language=language, now=now, user_id=user_id, **content)


def find_reset(server: Server, token: str | None, *, now: int) -> Reset | None:
    """What this link is for; None when it is used, expired, or a newer one was sent, and when the account has another
    address or another password by now."""
    value = server.store.ephemeral.get(KIND, token, now=now) if token else None
    if value is None or token is None:
        return None
    newest = server.store.ephemeral.get(NEWEST_KIND, lookup_key(value["email"] or ""), now=now)
    user = server.store.users.find(value["user_id"])
    if newest is None or newest["hash"] != hashed(token) or user is None or not is_recoverable(server.store, user):
        return None
    is_same = lookup_key(user.email or "") == lookup_key(value["email"])
    if not is_same or value["password"] != password_mark(server.store, user):
        return None
    return Reset(token, user, value["email"], value["interaction"])


def finish_reset(server: Server, reset: Reset, password_hash: str, *, address: str, now: int) -> bool:
    """The new password, once; False when the link was used in the meantime. Everything else of the account ends.

    Where the account had never confirmed the address, its other ways in go too: whoever made them may be somebody else.
    """
    users, user = server.store.users, reset.user
    if server.store.ephemeral.claim_once(KIND, reset.token, now=now) is None:
        return False
    users.set_password_hash(user.id, password_hash, now=now)
    if user.claims.get("email_verified") is not True and users.confirm_email(user.id, reset.email, now=now):
        server.store.identities.remove_all(user.id)
        audit.record(server, audit.Event.EMAIL_CONFIRMED, now=now, user_id=user.id, by="recovery")
    users.sign_out_everywhere(user.id, now=now, why="password reset")
    server.store.devices.remove_all(user.id)
    audit.record(server, audit.Event.PASSWORD_CHANGED, now=now, user_id=user.id, by="recovery")
    tell_password_changed(server, users.find(user.id) or user, Scene(now, address))
    return True
