"""What an import does with a batch of people: who is new, who is there already, who changes, and who is refused.

Owns the rule that an import never changes the account of somebody who may be another person: whoever has the user name
or the e-mail of a row is left alone, and only the same external id, or the same e-mail, confirmed in the source and
here, lets a row change an account. Each batch is one transaction, so that an import can be broken off and run again.
"""

import secrets
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import Any

from idp import audit
from idp.accounts.identifiers import new_user_id
from idp.accounts.usernames import FALLBACK, derive_usernames
from idp.audit import Event
from idp.cli.command import Refused
from idp.cli.import_links import Linker, make_links
from idp.cli.import_rows import Person, RowRefused
from idp.protocol.identity import User
from idp.store import Store
from idp.store.identities import Key
from idp.store.user_batches import CHANGEABLE, AddedUser, KnownUser, UserBatches
from idp.store.users import NewUser, lookup_key

BATCH_SIZE = 500
_TRIES = 5
_CANDIDATES = 5
_OUR_SCHEME = "$argon2id$"  # of other systems too: a hash does not tell who made it
Numbered = tuple[int, Person]
Notify = Callable[[User], None]


@dataclass
class Plan:
    """What one batch comes to. `refused`: line, external id and reason; `moved`: who gets another e-mail address than
    the one they have, and which."""

    added: list[AddedUser] = field(default_factory=list)
    changed: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    moved: list[tuple[str, str]] = field(default_factory=list)
    unchanged: int = 0
    refused: list[tuple[int, str | None, str]] = field(default_factory=list)


@dataclass
class Known:
    """Who is there, or will be after this batch, by all that they are recognised by."""

    ids: dict[str, KnownUser] = field(default_factory=dict)
    usernames: dict[str, KnownUser] = field(default_factory=dict)
    emails: dict[str, KnownUser] = field(default_factory=dict)
    owners: dict[Key, str] = field(default_factory=dict)  # account at another provider → user id

    def add(self, user: KnownUser) -> None:
        self.ids[user.id] = self.usernames[user.username_key] = user
        if user.email_key is not None:
            self.emails[user.email_key] = user

    def find_owner(self, person: Person, keys: Sequence[Key]) -> KnownUser | None:
        """Who has the accounts at other providers that a row names; raises RowRefused unless that is certainly the same
        person: a row with an external id would have been found by it."""
        owners = {self.owners[key] for key in keys if key in self.owners}
        if owners and (person.external_id is not None or len(owners) > 1):
            raise RowRefused("An account at another provider is linked to somebody here already.")
        return self.ids.get(owners.pop()) if owners else None


class Importer:
    """Takes batches. With `update`, who is there gets what the source says; with `dry_run`, nothing is written.

    `notify` is called for whoever is about to get another e-mail address.
    """

    def __init__(
        self, store: Store, linker: Linker, *, update: bool, dry_run: bool, now: int, notify: Notify | None = None
    ) -> None:
        self._store, self._batches, self._linker = store, UserBatches(store.database), linker
        self._update, self._dry_run, self._now = update, dry_run, now
        self._notify, self._told = notify, set[tuple[str, str]]()
        self._dry: set[int] = set()  # of a dry run: what earlier batches would have stored, hashed
        self.counts: Counter[str] = Counter()

    def take(self, people: Sequence[Numbered], *, kind: str) -> Plan:
        """Store a batch; raises Refused when others keep taking the same names meanwhile."""
        for _ in range(_TRIES):
            plan = self._plan(people)
            self._tell(plan)  # first, so that of an import that is broken off here the next run tells, too
            if self._dry_run or self._batches.save(plan.added, plan.changed, now=self._now):
                break
        else:
            raise Refused("Others are storing the same people at this moment. Run the import again.")
        added, updated = len(plan.added), len(plan.changed)
        if not self._dry_run and added + updated:
            event = Event.USERS_IMPORTED
            audit.record_by_operator(self._store, event, now=self._now, source=kind, added=added, updated=updated)
            for user_id, _ in plan.moved:
                audit.record_by_operator(self._store, Event.EMAIL_CHANGED, now=self._now, user_id=user_id, by="import")
        counts = {"added": added, "updated": updated, "there_already": plan.unchanged, "refused": len(plan.refused)}
        self.counts.update(counts | {"addresses_changed": len(plan.moved)})
        return plan

    def _tell(self, plan: Plan) -> None:
        """Whom a plan moves, at the address that they have until now; once, however often the batch is tried."""
        if self._dry_run or self._notify is None:
            return
        for each in plan.moved:
            user = self._store.users.find(each[0]) if each not in self._told else None
            if user is not None:
                self._told.add(each)
                self._notify(user)

    def _plan(self, people: Sequence[Numbered]) -> Plan:
        plan, candidates = Plan(), dict[int, list[str]]()
        for number, person in people:
            if person.username is None:
                candidates[number] = list(islice(derive_usernames(_names(person)), _CANDIDATES))
        known = self._find_known(people, candidates)
        for number, person in people:
            try:
                keys = self._linker.keys(person)
                found = _find_same(person, known) or known.find_owner(person, keys)
                if found is not None:
                    self._plan_change(person, found, plan, known)
                elif self._was_planned(person, keys):
                    plan.unchanged += 1
                else:
                    self._plan_new(person, keys, candidates.get(number, []), plan, known)
            except RowRefused as refused:
                plan.refused.append((number, person.external_id, str(refused)))
        return plan

    def _find_known(self, people: Sequence[Numbered], candidates: dict[int, list[str]]) -> Known:
        keys: list[Key] = []
        for _, person in people:
            with suppress(RowRefused):  # said when it is the row's turn
                keys += self._linker.keys(person)
        known = Known(owners=self._batches.find_owners(keys))
        ids, names = _wanted(people, candidates)
        for user in self._batches.find_known(ids | set(known.owners.values()), names):
            known.add(user)
        return known

    def _plan_new(self, person: Person, keys: list[Key], candidates: list[str], plan: Plan, known: Known) -> None:
        username = person.username or self._free_username(candidates, known)
        user = NewUser(
            person.user_id or new_user_id(),
            username,
            person.email,
            email_verified=person.email_verified,
            phone_number=person.phone_number,
            phone_number_verified=person.phone_number_verified,
            profile=person.profile,
            roles=person.roles or (),
            password_hash=person.password_hash,
        )
        created_at = self._now if person.created_at is None else min(person.created_at, self._now)
        links = make_links(keys, user.id, now=self._now)
        plan.added.append(AddedUser(user, created_at, person.is_disabled, links))
        known.add(_as_known(user))
        known.owners |= dict.fromkeys(keys, user.id)

    def _plan_change(self, person: Person, found: KnownUser, plan: Plan, known: Known) -> None:
        after = _merged(person, found) if self._update else found
        if after == found:
            plan.unchanged += 1
            return
        if not _is_proved_same(person, found):
            raise RowRefused("Somebody here has this user name or e-mail, and may be another person.")
        known.add(after)
        if found.email_key not in (None, after.email_key):
            plan.moved.append((found.id, str(after.email_key)))
        plan.changed.append((found.id, {name: getattr(after, name) for name in CHANGEABLE}))

    def _free_username(self, candidates: list[str], known: Known) -> str:
        for candidate in candidates:
            if lookup_key(candidate) not in known.usernames:
                return candidate
        while True:  # a name that very many have
            candidate = FALLBACK + secrets.token_hex(5)
            if self._store.users.is_username_free(candidate) and candidate not in known.usernames:
                return candidate

    def _was_planned(self, person: Person, links: list[Key]) -> bool:
        """In a dry run, whether an earlier batch would have stored this person; remembers them otherwise."""
        if not self._dry_run:
            return False
        keys = {hash(("id", person.user_id)) if person.user_id else 0}
        keys |= {hash(("email", lookup_key(person.email)))} if person.email else set()
        keys |= {hash(("name", lookup_key(person.username)))} if person.username else set()
        keys |= {hash(link) for link in links} if keys == {0} else set()
        was_there = not self._dry.isdisjoint(keys - {0})
        self._dry |= keys - {0}
        return was_there


def _find_same(person: Person, known: Known) -> KnownUser | None:
    """Who of those known this person may be, so that they are not added again; raises RowRefused when it is somebody
    else, or cannot be told."""
    by_id = known.ids.get(person.user_id) if person.user_id else None
    by_name = known.usernames.get(lookup_key(person.username)) if person.username else None
    by_email = known.emails.get(lookup_key(person.email)) if person.email else None
    if by_id is not None:
        if by_email is not None and by_email.id != by_id.id:
            raise RowRefused("The e-mail belongs to somebody else.")
        return by_id
    if by_name is not None and by_email is not None and by_name.id != by_email.id:
        raise RowRefused("The user name and the e-mail belong to two different people.")
    if by_email is not None:
        if person.email_verified and not by_email.email_verified:
            raise RowRefused("The e-mail belongs to somebody who has never confirmed it here.")
        return by_email
    if by_name is not None and (person.email is not None or by_name.email_key is not None):
        raise RowRefused("The user name belongs to somebody with another e-mail.")
    return by_name


def _is_proved_same(person: Person, found: KnownUser) -> bool:
    """Whether the row may change the account. A name, or an address that either side has taken on trust, may be that of
    somebody who wants the other's account."""
    return found.id == person.user_id or (person.email_verified and found.email_verified)


def _merged(person: Person, found: KnownUser) -> KnownUser:
    """What the source says goes over what is stored; what it does not say stays, and so does a password of here."""
    after = replace(found, profile={**found.profile, **person.profile})
    if person.email is not None:
        is_same = lookup_key(person.email) == found.email_key
        verified = person.email_verified or (is_same and found.email_verified)
        after = replace(after, email=person.email, email_key=lookup_key(person.email), email_verified=verified)
    if person.phone_number is not None:
        is_same = person.phone_number == found.phone_number
        verified = person.phone_number_verified or (is_same and found.phone_number_verified)
        after = replace(after, phone_number=person.phone_number, phone_number_verified=verified)
    if person.roles is not None:
        after = replace(after, roles=person.roles)
    if person.password_hash is not None and not _has_password_of_here(found):
        after = replace(after, password_hash=person.password_hash)
    return after


def _has_password_of_here(found: KnownUser) -> bool:
    """Whether the password was chosen or used here, or may have been: any Argon2id hash may be ours."""
    return found.password_changed_at is not None or (found.password_hash or "").startswith(_OUR_SCHEME)


def _wanted(people: Sequence[Numbered], candidates: dict[int, list[str]]) -> tuple[set[str], set[str]]:
    ids = {person.user_id for _, person in people if person.user_id}
    names = [name for _, person in people for name in (person.username, person.email) if name]
    names += [name for each in candidates.values() for name in each]
    return ids, {lookup_key(name) for name in names}


def _names(person: Person) -> list[str]:
    """What a user name may be made of, the best first."""
    local = (person.email or "").partition("@")[0]
    given, family = (str(person.profile.get(part, "")) for part in ("given_name", "family_name"))
    return [local, given + family, str(person.profile.get("nickname", "")), FALLBACK]


def _as_known(user: NewUser) -> KnownUser:
    return KnownUser(
        user.id,
        lookup_key(user.username),
        user.email,
        lookup_key(user.email) if user.email else None,
        user.email_verified,
        user.phone_number,
        user.phone_number_verified,
        dict(user.profile or {}),
        user.roles,
        user.password_hash,
        user.password_changed_at,
    )
