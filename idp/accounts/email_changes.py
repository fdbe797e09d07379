"""Another e-mail address for an account: proved first, told to the old address, and taken back from there for a week.

Whether somebody else has the address is told to nobody but them: the same page follows after the same work. A proof
that is under way ends with the password, and with the address, that the account had when it was begun, so that nothing
an intruder has begun outlives them. Taking a change back ends everything that came after it, and nothing that came
before it (`docs/account-pages.md`): the link of the first address is the last word.
"""

import json
import secrets
from dataclasses import dataclass
from itertools import takewhile
from typing import Any

from idp import audit
from idp.accounts.deletion import undo_deletion
from idp.accounts.email_proofs import EmailProof, Started, start_proof
from idp.accounts.notices import language_of, tell
from idp.accounts.sign_in import password_mark
from idp.accounts.tries import allows_mail, claim_try
from idp.jose.encryption import DecryptionFailed
from idp.mail import send_mail
from idp.protocol.identity import User
from idp.server import Server
from idp.store.users import lookup_key

PURPOSE = "email change"
MINUTES = 60
START_KIND, STARTS, STARTS_SECONDS = "email_change", 5, 3600
UNDO_KIND, UNDONE_KIND, CHANGES_KIND = "email_undo", "email_undone", "email_changes"
UNDO_DAYS = 7
MOST_CHANGES = STARTS * 24 * (UNDO_DAYS + 1)  # more cannot be made while the oldest of them can be taken back
_UNDO_SECONDS = UNDO_DAYS * 86_400
_UNDO_PURPOSE = "email undo"


@dataclass(frozen=True, slots=True)
class Undo:
    """A change that can be taken back: `email` is the address that the account had before, `at` when it lost it.
    `change` names it among the changes of the account."""

    token: str
    user: User
    email: str
    at: int
    change: str


def start_change(server: Server, user: User, email: str, browser: str, *, language: str, now: int) -> str | None:
    """Send the mail that proves the address, or tells its owner that somebody wants it; the id of the proof.

    None when this account has begun too many within the hour. `language`: that of the page.
    """
    if not claim_try(server.store.ephemeral, START_KIND, user.id, tries=STARTS, lifetime=STARTS_SECONDS, now=now):
        return None
    owner = server.store.users.find_by_email(email)
    is_known = owner is not None and owner[0].id != user.id
    data = {"user_id": user.id, "is_known": is_known, **_standing(server, user)}
    started = start_proof(server, PURPOSE, email, data, browser, now=now)
    may_write = allows_mail(server, "email_change", email, now=now)
    if is_known and owner is not None:
        _tell_owner(server, owner[0], may_write=may_write, now=now)
    else:
        _send_proof(server, user, email if may_write else None, (email, started), language=language, now=now)
    audit.record(server, audit.Event.EMAIL_CHANGE_STARTED, now=now, user_id=user.id)
    return started.id


def is_for(proof: EmailProof, user: User) -> bool:
    return bool(proof.data["user_id"] == user.id)


def finish_change(server: Server, proof: EmailProof, user: User, *, now: int) -> bool:
    """Give the account the address, for a proof that has just been claimed; False when the account is another than the
    one that began (its password, its address), or somebody else has the address."""
    if proof.data["is_known"] or not is_for(proof, user):
        return False
    standing = _standing(server, user)
    if any(proof.data[name] != value for name, value in standing.items()):
        return False
    # Read before the change is made: one that is taken back meanwhile takes this one along.
    before = _changes_before(server, user, now=now)
    if not server.store.profiles.change_email(user.id, proof.email, instead_of=user.email, now=now):
        return False
    if user.email is not None and lookup_key(user.email) == lookup_key(proof.email):
        audit.record(server, audit.Event.EMAIL_CONFIRMED, now=now, user_id=user.id, by="account")
        return True
    audit.record(server, audit.Event.EMAIL_CHANGED, now=now, user_id=user.id)
    if user.email is not None and user.claims.get("email_verified") is True:
        _tell_old_address(server, user, proof.email, before, now=now)
    return True


def find_undo(server: Server, token: str | None, *, now: int) -> Undo | None:
    """None when it is used, expired, or a change before it was taken back."""
    value = server.store.lasting.get(UNDO_KIND, token, now=now) if token else None
    if value is None or token is None:
        return None
    try:
        content = json.loads(server.secret_box.decrypt(value["sealed"], purpose=_UNDO_PURPOSE))
    except DecryptionFailed:
        return None
    user = server.store.users.find(content["user_id"])
    changes = content.get("changes") or [token]  # a link of a former version stands by itself
    if user is None or server.store.lasting.find_taken(UNDONE_KIND, changes, now=now):
        return None
    return Undo(token, user, content["email"], content["at"], changes[-1])


def finish_undo(server: Server, undo: Undo, *, now: int) -> bool:
    """The old address again, once, and the end of every session, token and trusted browser, of passkeys and links to
    providers added since, of a deletion that was asked for, and of the links of all later changes. False
    when this or another link was used in the meantime, or somebody else has confirmed the address by now."""
    store, user_id = server.store, undo.user.id
    if not _restore(server, undo, now=now):
        return False  # and the link stays good: it is the only one
    if store.lasting.claim_once(UNDO_KIND, undo.token, now=now) is None:
        return False
    store.lasting.put(UNDONE_KIND, undo.change, {}, lifetime=_UNDO_SECONDS, now=now)
    for passkey in store.passkeys.list_of(user_id):
        if passkey.created_at >= undo.at:
            store.passkeys.remove(user_id, passkey.key)
    store.identities.remove_since(user_id, undo.at)
    store.users.sign_out_everywhere(user_id, now=now, why="e-mail change undone")
    store.devices.remove_all(user_id)
    audit.record(server, audit.Event.EMAIL_CHANGE_UNDONE, now=now, user_id=user_id)
    undo_deletion(server, undo.user, now=now, by="email undo")
    return True


def _restore(server: Server, undo: Undo, *, now: int) -> bool:
    """Whoever has the address by now without having confirmed it loses it."""
    found = server.store.users.find_by_email(undo.email)
    holder = found[0] if found is not None and found[0].id != undo.user.id else None
    takes_from = holder.id if holder is not None else None
    held = {"instead_of": undo.user.email, "takes_from": takes_from}  # not where another link has been used meanwhile
    if not server.store.profiles.restore_email(undo.user.id, undo.email, **held, now=now):
        return False
    if holder is not None:
        audit.record(server, audit.Event.EMAIL_LOST, now=now, user_id=holder.id, by="email undo")
    return True


def masked(email: str) -> str:
    """Enough of an address for who knows it: `a…@example.com`."""
    name, _at, domain = email.rpartition("@")
    return f"{name[:1]}…@{domain}"


def _changes_before(server: Server, user: User, *, now: int) -> list[str]:
    """The changes of this account that stand, the oldest first."""
    known = server.store.lasting.get(CHANGES_KIND, user.id, now=now)
    changes = known["changes"][-MOST_CHANGES:] if known is not None else []
    undone = server.store.lasting.find_taken(UNDONE_KIND, changes, now=now)
    return list(takewhile(lambda each: each not in undone, changes))


def _standing(server: Server, user: User) -> dict[str, Any]:
    """What must be as it was when the proof is finished."""
    return {"email": user.email, "password": password_mark(server.store, user)}


def _tell_owner(server: Server, owner: User, *, may_write: bool, now: int) -> None:
    """At the address as the account has it: another spelling of it may be somebody else's mailbox."""
    urls = {"sign_in_url": server.endpoint("/login"), "recover_url": server.endpoint("/recover")}
    language = language_of(owner, server.settings.default_locale)
    to, name = owner.email if may_write else None, owner.name if owner.claims.get("email_verified") is True else ""
    send_mail(server, "account_exists", to, language=language, now=now, user_id=owner.id, name=name, **urls)


def _send_proof(
    server: Server, user: User, to: str | None, proof: tuple[str, Started], *, language: str, now: int
) -> None:
    """Without a name: it would let anybody write a sentence to anybody."""
    email, started = proof
    url = server.endpoint(f"/account/email/confirm?token={started.token}")
    content = {"name": "", "url": url, "code": started.code, "new_email": email, "minutes": MINUTES}
    send_mail(server, "email_change", to, language=language, now=now, user_id=user.id, **content)


def _tell_old_address(server: Server, user: User, new: str, before: list[str], *, now: int) -> None:
    """Only where the old address was proved to be theirs: whoever has it can take the account back with this link."""
    token, changes, lasting = secrets.token_urlsafe(32), [*before, secrets.token_hex(6)], server.store.lasting
    content = json.dumps({"user_id": user.id, "email": user.email, "at": now, "changes": changes})
    value = {"sealed": server.secret_box.encrypt(content, purpose=_UNDO_PURPOSE)}
    lasting.put(UNDO_KIND, token, value, lifetime=_UNDO_SECONDS, now=now)
    lasting.put(CHANGES_KIND, user.id, {"changes": changes}, lifetime=_UNDO_SECONDS, now=now)
    url = server.endpoint(f"/account/email/undo?token={token}")
    tell(server, user, "email_changed", now=now, new_email_masked=masked(new), undo_url=url, days=UNDO_DAYS)
