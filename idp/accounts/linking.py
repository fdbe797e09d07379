"""Whose account an Identity is: the link that exists, a new account, or a question to the person.

Owns the rules of `docs/account-linking.md`. The link is by (connection, issuer, subject) alone. An e-mail never merges
anything silently: it only ever leads to a question, except where an operator has said that this provider may answer it
(`TRUST_EMAIL=link`), it hands out the address itself, and the account here has confirmed the same one.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from itertools import islice
from typing import Any

from idp import audit
from idp.accounts.identifiers import new_user_id
from idp.accounts.notices import Scene, tell_identity_linked, tell_way_in_changed
from idp.accounts.usernames import derive_usernames
from idp.protocol.identity import Identity, Session, User
from idp.server import Server
from idp.settings import UpstreamSettings
from idp.store.identities import Key, LinkedIdentity
from idp.store.users import NewUser
from idp.store.ways_in import Offered

TOKENS_PURPOSE = "upstream tokens"
_CANDIDATES = 20
_ROUNDS = 3


class Why(StrEnum):
    """Why a link was made or refused, as the audit trail keeps it; `EXPLANATIONS` has it in sentences."""

    SIGN_UP = "sign_up"
    VOUCHED = "vouched"
    CONFIRMED = "confirmed"
    AFTER_SIGN_IN = "after_sign_in"
    ACCOUNT_PAGE = "account_page"
    IMPORTED = "imported"
    TRUST_REFUSES = "trust_refuses"
    NOT_ITS_ADDRESS = "not_its_address"
    LOCAL_UNCONFIRMED = "local_unconfirmed"
    LOCAL_DISABLED = "local_disabled"
    ANOTHER_PERSONS = "another_persons"
    ASKED = "asked"
    DECLINED = "declined"
    SIGN_UP_CLOSED = "sign_up_closed"
    ACCOUNT_DISABLED = "account_disabled"
    TOOK_ADDRESS = "took_address"
    LAST_WAY_IN = "last_way_in"


EXPLANATIONS: Mapping[Why, str] = {
    Why.SIGN_UP: "The first sign-in made this account.",
    Why.VOUCHED: "The provider hands out the address, the account here has confirmed it, and TRUST_EMAIL is link.",
    Why.CONFIRMED: "The provider hands out the address, the account here has confirmed it, and the person said yes.",
    Why.AFTER_SIGN_IN: "The person signed in here the old way and then said yes.",
    Why.ACCOUNT_PAGE: "The person did it on the account page, after a fresh sign-in.",
    Why.IMPORTED: "It came along when an operator imported the person.",
    Why.TRUST_REFUSES: "The address is known here, and TRUST_EMAIL of this connection is refuse.",
    Why.NOT_ITS_ADDRESS: "The address is known here, but this provider cannot answer for who has it now.",
    Why.LOCAL_UNCONFIRMED: "The account here has never confirmed its address, so it may be somebody else's trap.",
    Why.LOCAL_DISABLED: "The account with this address is disabled.",
    Why.ANOTHER_PERSONS: "That account at the provider is linked to somebody else here.",
    Why.ASKED: "The person is asked whether the two are to be linked; a yes is recorded as a link.",
    Why.DECLINED: "The person was asked and said no.",
    Why.SIGN_UP_CLOSED: "There is no account yet, and sign-up is closed.",
    Why.ACCOUNT_DISABLED: "The account is disabled.",
    Why.TOOK_ADDRESS: "Somebody proved to a provider that the address is theirs; this account had not.",
    Why.LAST_WAY_IN: "It is the only way in that is left.",
}


@dataclass(frozen=True, slots=True)
class Arrival:
    """An Identity that has just come over a connection, with the provider's tokens where they are to be kept. `label`:
    what people know the connection by."""

    connection: UpstreamSettings
    identity: Identity
    tokens: str | None = None
    label: str = ""

    @property
    def key(self) -> Key:
        return Key(self.connection.name, self.identity.issuer, self.identity.subject)

    def link(self, user_id: str, why: Why, *, now: int) -> LinkedIdentity:
        return LinkedIdentity(
            key=self.key,
            user_id=user_id,
            linked_how=why.value,
            email=self.identity.email,
            profile=self.identity.profile,
            tokens=self.tokens,
            linked_at=now,
            last_used_at=now,
        )


@dataclass(frozen=True, slots=True)
class SignedIn:
    user: User
    is_new: bool = False


@dataclass(frozen=True, slots=True)
class Conflict:
    """The e-mail belongs to `user` already. `may_ask`: a yes of the person is enough to link; `may_start_new`: the
    account here has never confirmed the address, and the provider has, so a new account may take it, where such are
    made; `proves_address`: the provider has confirmed this very address."""

    user: User
    why: Why
    may_ask: bool
    may_start_new: bool
    proves_address: bool = False


@dataclass(frozen=True, slots=True)
class TurnedAway:
    why: Why


Outcome = SignedIn | Conflict | TurnedAway


def sign_in_with(server: Server, arrival: Arrival, *, now: int) -> Outcome:
    """What an arrival comes to. Of two first arrivals at the same instant one makes the account, and both sign in."""
    for _round in range(_ROUNDS):
        outcome = _sign_in_once(server, arrival, now=now)
        if outcome is not None:
            return outcome
    raise RuntimeError("no account could be made")  # three collisions of 20 random names


def _sign_in_once(server: Server, arrival: Arrival, *, now: int) -> Outcome | None:
    found = server.store.identities.find(arrival.key)
    if found is not None:
        return _return(server, arrival, *found, now=now)
    conflict = find_conflict(server, arrival)
    if conflict is not None:
        found = server.store.identities.find(arrival.key)
        if found is not None:  # the same arrival, a moment earlier, has just made that account
            return _return(server, arrival, *found, now=now)
        if conflict.why is not Why.VOUCHED:
            why = Why.ASKED if conflict.may_ask else conflict.why
            _record(server, audit.Event.LINK_REFUSED, conflict.user.id, arrival, why, now=now)
            return conflict
        return SignedIn(conflict.user) if link(server, arrival, conflict.user.id, Why.VOUCHED, now=now) else None
    if not allows_sign_up(server, arrival.connection):
        _record(server, audit.Event.LINK_REFUSED, None, arrival, Why.SIGN_UP_CLOSED, now=now)
        return TurnedAway(Why.SIGN_UP_CLOSED)
    return make_account(server, arrival, now=now)


def find_conflict(server: Server, arrival: Arrival) -> Conflict | None:
    """The account that has this e-mail already, and what may be done about it."""
    identity = arrival.identity
    known = server.store.users.find_by_email(identity.email) if identity.email else None
    if known is None:
        return None
    user, _ = known
    why = decide_by_email(arrival.connection, identity, user)
    proves_address = identity.email_verified and is_same_address(identity.email, user.email)
    return Conflict(
        user=user,
        why=why,
        may_ask=why is Why.CONFIRMED,
        may_start_new=why is Why.LOCAL_UNCONFIRMED and proves_address and allows_sign_up(server, arrival.connection),
        proves_address=proves_address,
    )


def allows_sign_up(server: Server, connection: UpstreamSettings) -> bool:
    """Whether people whom nobody knows get an account: as the connection says, else as the server does."""
    return (connection.sign_up or server.settings.sign_up) == "open"


def decide_by_email(connection: UpstreamSettings, identity: Identity, user: User) -> Why:
    """VOUCHED: link at once; CONFIRMED: link when the person says yes; anything else says why not."""
    if user.disabled:
        return Why.LOCAL_DISABLED
    if user.claims.get("email_verified") is not True:
        return Why.LOCAL_UNCONFIRMED
    if connection.trust_email == "refuse":
        return Why.TRUST_REFUSES
    owns_it = identity.owns_email and identity.email_verified
    if not owns_it or not is_same_address(identity.email, user.email):
        return Why.NOT_ITS_ADDRESS
    return Why.VOUCHED if connection.trust_email == "link" else Why.CONFIRMED


def is_same_address(one: str | None, other: str | None) -> bool:
    """Whether two e-mails are one mailbox beyond doubt: nothing but the case of ASCII letters differs.

    Look-up is more generous (NFKC, case-folded), so that nobody gets a look-alike of an address that is taken; but
    `weiß@` and `weiss@` are two mailboxes, and who has one of them has shown nothing about the other.
    """
    return one is not None and other is not None and one.encode().lower() == other.encode().lower()


def make_account(server: Server, arrival: Arrival, *, now: int, takes_email_from: str | None = None) -> SignedIn | None:
    """A new account without a password; None when the e-mail or the link was taken in the meantime."""
    identity, users = arrival.identity, server.store.users
    free = (name for name in islice(derive_usernames(identity.names), _CANDIDATES) if users.is_username_free(name))
    for username in islice(free, _ROUNDS):
        new = NewUser(
            id=new_user_id(),
            username=username,
            email=identity.email,
            email_verified=identity.email_verified,
            profile=identity.profile,
        )
        link_row = arrival.link(new.id, Why.SIGN_UP, now=now)
        if server.store.identities.add_with_user(new, link_row, now=now, takes_email_from=takes_email_from):
            audit.record(server, audit.Event.USER_ADDED, now=now, user_id=new.id, upstream=arrival.connection.name)
            _record(server, audit.Event.IDENTITY_LINKED, new.id, arrival, Why.SIGN_UP, now=now)
            user = users.find(new.id)
            return SignedIn(user, is_new=True) if user is not None else None
    return None


def start_new(server: Server, arrival: Arrival, *, now: int) -> Outcome | None:
    """The person says that the account with their address is not theirs. Judged anew: it must still be unconfirmed.

    The address goes over to a new account; the old one keeps everything else.
    """
    conflict = find_conflict(server, arrival)
    if conflict is None:
        return sign_in_with(server, arrival, now=now)
    if not conflict.may_start_new:
        return conflict
    made = make_account(server, arrival, now=now, takes_email_from=conflict.user.id)
    if made is not None:
        _record(server, audit.Event.EMAIL_LOST, conflict.user.id, arrival, Why.TOOK_ADDRESS, now=now)
    return made


def link(server: Server, arrival: Arrival, user_id: str, why: Why, *, now: int) -> bool:
    """Add a way in to an account, and tell its person; False when that account at the provider is linked already."""
    if not server.store.identities.add(arrival.link(user_id, why, now=now)):
        found = server.store.identities.find(arrival.key)
        if found is not None and found[1].id == user_id:
            return True
        _record(server, audit.Event.LINK_REFUSED, user_id, arrival, Why.ANOTHER_PERSONS, now=now)
        return False
    _record(server, audit.Event.IDENTITY_LINKED, user_id, arrival, why, now=now)
    user = server.store.users.find(user_id)
    if user is not None:
        tell_identity_linked(server, user, arrival.label or arrival.connection.name, now=now)
    return True


def decline(server: Server, arrival: Arrival, user_id: str, *, now: int) -> None:
    _record(server, audit.Event.LINK_REFUSED, user_id, arrival, Why.DECLINED, now=now)


def unlink(server: Server, key: Key, session: Session, *, usable: frozenset[str], now: int) -> bool:
    """Take a way in away, unless it is the last one of those that are `usable` (names of connections).

    Whoever came in that way is signed out, with all that they were granted; the session that does it goes on.
    """
    user_id = session.user_id
    ids: dict[str, Any] = {"user_id": user_id, "upstream": key.upstream}
    offered = Offered(server.settings.local_passwords, usable)
    if not server.store.identities.remove_unless_last(key, user_id, offered):
        audit.record(server, audit.Event.UNLINK_REFUSED, now=now, **ids, why=Why.LAST_WAY_IN.value)
        return False
    ended = server.store.sessions.end_of_upstream(user_id, key.upstream, keep=session.sid)
    over_it: dict[str, Any] = {"sids": ended, "keep": session.sid}
    server.store.grants.revoke_of_upstream(user_id, key.upstream, **over_it, now=now, why="unlinked")
    audit.record(server, audit.Event.IDENTITY_UNLINKED, now=now, **ids, why=Why.ACCOUNT_PAGE.value)
    user = server.store.users.find(user_id)
    if user is not None:
        tell_way_in_changed(server, user, "identity_unlinked", Scene(now, None))
    return True


def _return(server: Server, arrival: Arrival, linked: LinkedIdentity, user: User, *, now: int) -> Outcome:
    """Somebody who has been here before: what they have not edited of their profile is brought up to date."""
    if user.disabled:
        _record(server, audit.Event.SIGN_IN_FAILED, user.id, arrival, Why.ACCOUNT_DISABLED, now=now)
        return TurnedAway(Why.ACCOUNT_DISABLED)
    identity, taken, followed = arrival.identity, linked.profile, None
    if arrival.connection.profile_refresh == "always":
        fresh = {**taken, **identity.profile}
        # what the person edited stays as it was taken before, or it would be lost once the provider says the same
        edited = {name for name in fresh if user.claims.get(name) != taken.get(name)}
        followed = {name: value for name, value in fresh.items() if name not in edited}
        followed |= {name: taken[name] for name in edited & taken.keys()}
        if server.store.users.refresh_profile(user.id, taken, fresh, now=now):
            user = server.store.users.find(user.id) or user
    server.store.identities.used(arrival.key, email=identity.email, profile=followed, tokens=arrival.tokens, now=now)
    return SignedIn(user)


def _record(server: Server, event: audit.Event, user_id: str | None, arrival: Arrival, why: Why, *, now: int) -> None:
    audit.record(server, event, now=now, user_id=user_id, upstream=arrival.connection.name, why=why.value)
