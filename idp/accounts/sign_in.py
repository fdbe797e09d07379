"""Sign-in by user name or e-mail and password. Unknown, disabled and wrong are one answer and one cost."""

from contextlib import suppress
from dataclasses import dataclass

from idp.accounts.passwords import MAX_PASSWORD_LENGTH, Passwords
from idp.protocol.errors import TemporarilyUnavailable
from idp.protocol.identity import User
from idp.protocol.names import ACR_FEDERATED, ACR_ONE_FACTOR, AMR_FEDERATED, AMR_PASSWORD
from idp.store import Store
from idp.store.sessions import SignIn


@dataclass(frozen=True, slots=True)
class Attempt:
    """The outcome of one attempt. `user` is who signed in; `why` says for the log alone what was wrong."""

    user: User | None
    why: str | None = None
    known_user_id: str | None = None


def try_password(store: Store, passwords: Passwords, login: str, password: str, *, now: int) -> Attempt:
    """Check a password in the same time whoever is named; upgrade the stored hash when its parameters are old."""
    found = store.users.find_for_sign_in(login)
    user, password_hash = found if found is not None else (None, None)
    if len(password) > MAX_PASSWORD_LENGTH:
        password_hash = None
    fits = passwords.is_right(password[:MAX_PASSWORD_LENGTH], password_hash)
    if user is None:
        return Attempt(None, "unknown user")
    if not fits:
        return Attempt(None, "wrong password", user.id)
    if user.disabled:
        return Attempt(None, "disabled user", user.id)
    if password_hash is not None and passwords.needs_rehash(password_hash):
        with suppress(TemporarilyUnavailable):  # then at the next sign-in
            store.users.set_password_hash(user.id, passwords.hash(password), now=now)
    return Attempt(user, known_user_id=user.id)


def by_password(user: User, *, address: str | None, user_agent: str | None) -> SignIn:
    """What a session made by a password alone may say of itself: one factor."""
    return SignIn(user.id, ACR_ONE_FACTOR, (AMR_PASSWORD,), address, user_agent)


def by_upstream(
    user: User, upstream: str, auth_time: int | None, *, address: str | None, user_agent: str | None
) -> SignIn:
    """What a session made by another provider may say of itself: that somebody else vouched, and since when."""
    return SignIn(user.id, ACR_FEDERATED, (AMR_FEDERATED,), address, user_agent, upstream, auth_time)
