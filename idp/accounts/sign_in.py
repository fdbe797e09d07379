"""Sign-in by user name or e-mail and password. Unknown, disabled and wrong are one answer and one cost."""

from contextlib import suppress
from dataclasses import dataclass, field

from idp.accounts.passwords import MAX_PASSWORD_LENGTH, Passwords, is_too_long
from idp.protocol.errors import TemporarilyUnavailable
from idp.protocol.identity import User
from idp.protocol.names import ACR_FEDERATED, ACR_ONE_FACTOR, AMR_FEDERATED, AMR_PASSWORD
from idp.store import Store
from idp.store.database import hashed
from idp.store.sessions import SignIn


@dataclass(frozen=True, slots=True)
class Attempt:
    """The outcome of one attempt. `user` is who signed in, with the password of this hash; `why` says for the log alone
    what was wrong."""

    user: User | None
    why: str | None = None
    known_user_id: str | None = None
    password_hash: str | None = field(default=None, repr=False)


def try_password(store: Store, passwords: Passwords, login: str, password: str) -> Attempt:
    """Check a password in the same time whoever is named; upgrade the stored hash when its parameters are old."""
    found = store.users.find_for_sign_in(login)
    user, password_hash = found if found is not None else (None, None)
    if is_too_long(password):
        password, password_hash = password[:MAX_PASSWORD_LENGTH], None
    fits = passwords.is_right(password, password_hash)
    if user is None:
        return Attempt(None, "unknown user")
    if not fits:
        return Attempt(None, "wrong password", user.id)
    if user.disabled:
        return Attempt(None, "disabled user", user.id)
    if password_hash is not None and passwords.needs_rehash(password_hash):
        password_hash = _upgrade(store, passwords, user, password, password_hash)
    return Attempt(user, known_user_id=user.id, password_hash=password_hash)


def is_still_right(store: Store, attempt: Attempt) -> bool:
    """Whether the person has the password still with which they have just signed in: hashing takes a while, in which
    they may have chosen another one and ended everything that the former one had begun."""
    return attempt.user is not None and _stored_hash(store, attempt.user) == attempt.password_hash


def _upgrade(store: Store, passwords: Passwords, user: User, password: str, password_hash: str) -> str:
    """The stored hash of this password from now on. When all are busy hashing, it is replaced at the next sign-in.

    Another sign-in of the same person may have replaced it meanwhile: that is the same password still, while one that
    they have just chosen is not.
    """
    if passwords.covers(password, password_hash):
        with suppress(TemporarilyUnavailable):
            upgraded = passwords.hash(password)
            if store.users.upgrade_password_hash(user.id, upgraded, instead_of=password_hash):
                return upgraded
    stored = _stored_hash(store, user)
    is_same = stored not in (None, password_hash) and passwords.is_right(password, stored)
    return stored if stored is not None and is_same else password_hash


def _stored_hash(store: Store, user: User) -> str | None:
    found = store.users.find_for_sign_in(user.username)
    return found[1] if found is not None else None


def password_mark(store: Store, user: User) -> str:
    """Changes when the person's password does; what was begun with the old one is told by it."""
    found = store.users.find_for_sign_in(user.username)
    return hashed(found[1] or "") if found is not None and found[0].id == user.id else ""


def by_password(user: User, *, address: str | None, user_agent: str | None) -> SignIn:
    """What a session made by a password alone may say of itself: one factor."""
    return SignIn(user.id, ACR_ONE_FACTOR, (AMR_PASSWORD,), address, user_agent)


def by_upstream(
    user: User, upstream: str, auth_time: int | None, *, address: str | None, user_agent: str | None
) -> SignIn:
    """What a session made by another provider may say of itself: that somebody else vouched, and since when."""
    return SignIn(user.id, ACR_FEDERATED, (AMR_FEDERATED,), address, user_agent, upstream, auth_time)
