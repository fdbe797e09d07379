"""Who can be chosen on the page: a fresh person, four fixed ones, and everybody who has been there before.

Owns people and how they are made. Subjects have the shape that the original gives them; a fixed person has the same
one in every process, so that a server that remembers them does so after a restart of the stand-ins as well.
"""

from __future__ import annotations

import hashlib
import os
import secrets
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

_GIVEN = ("Ada", "Blaise", "Camille", "Denis", "Emmy", "Fatima", "Grace", "Hedy", "Ines", "Jun", "Katherine", "Léon")
_FAMILY = ("Moreau", "Okafor", "Tanaka", "Silva", "Novak", "Haddad", "Larsen", "Rossi", "Dubois", "Kaya")
FRESH = "new"
FIXED: Mapping[str, str] = {
    "known": "Kim Known",
    "no-email": "Nora Noether",
    "unverified": "Ulysse Unverified",
    "relay": "Rosa Relay",
}
MAX_RETURNING = 5000
"""People remembered; beyond that, the one not seen for the longest time is forgotten."""
MAX_SHOWN = 10
"""People on the page beside the fixed ones: those who were seen last."""

MakeSubject = Callable[[bytes], str]


class UnknownPerson(Exception):
    """Nobody here goes by the value that was posted."""


@dataclass(frozen=True)
class Person:
    """`subject` is the provider's identifier, already in the provider's shape. `seed`: 32 bytes that stay theirs."""

    subject: str
    name: str
    email: str | None
    email_verified: bool
    is_relay: bool = False
    seed: bytes = b""

    @property
    def given_name(self) -> str:
        return self.name.partition(" ")[0]

    @property
    def family_name(self) -> str:
        return self.name.partition(" ")[2]

    @property
    def username(self) -> str:
        """A name of lower-case ASCII letters and digits, as in `ada3f2a`."""
        given = "".join(letter for letter in self.given_name.lower() if letter.isascii() and letter.isalnum())
        return (given or "someone") + self.seed.hex()[:4]


@dataclass(frozen=True)
class Choice:
    """One button of the page: `value` is posted as `person`."""

    value: str
    title: str
    detail: str


class People:
    """The people of one stand-in. Safe for several threads."""

    def __init__(self, kind: str, make_subject: MakeSubject, known_email: str, *, relay: bool) -> None:
        self._kind = kind
        self._make_subject = make_subject
        self.known_email = known_email
        self._fixed = tuple(value for value in FIXED if relay or value != "relay")
        self._returning: dict[str, Person] = {}
        self._lock = threading.Lock()

    def choices(self) -> list[Choice]:
        """The buttons, in order: fresh, fixed, and those who were here before, the latest first."""
        fixed = [self._make_fixed(value) for value in self._fixed]
        subjects = {person.subject for person in fixed}
        with self._lock:
            returning = [person for person in reversed(self._returning.values()) if person.subject not in subjects]
        return [
            Choice(FRESH, "A new person", "Somebody who was never here before"),
            *(Choice(value, person.name, _describe(person)) for value, person in zip(self._fixed, fixed, strict=True)),
            *(Choice(person.subject, person.name, _describe(person)) for person in returning[:MAX_SHOWN]),
        ]

    def choose(self, value: str, own: Mapping[str, str]) -> Person:
        """The person that the posted value and the fields of one's own make; remembered as one who returns.

        `own` may have sub, email, name, email_verified ("true", "false"); those that are empty change nothing.
        Raises UnknownPerson.
        """
        with self._lock:
            person = self._changed(self._find(value, own.get("sub", "")), own)
            self._returning.pop(person.subject, None)
            self._returning[person.subject] = person
            while len(self._returning) > MAX_RETURNING:
                self._returning.pop(next(iter(self._returning)))
        return person

    def _find(self, value: str, subject: str) -> Person:
        if value == FRESH:
            return self._returning.get(subject) or self._make_fresh()
        if value in self._fixed:
            fixed = self._make_fixed(value)
            return self._returning.get(subject or fixed.subject, fixed)
        if value not in self._returning:
            raise UnknownPerson
        return self._returning[value]

    def _changed(self, person: Person, own: Mapping[str, str]) -> Person:
        said = own.get("email_verified", "").lower()
        is_first_address = person.email is None and bool(own.get("email"))
        return replace(
            person,
            subject=own.get("sub") or person.subject,
            name=own.get("name") or person.name,
            email=own.get("email") or person.email,
            email_verified=said == "true" if said else person.email_verified or is_first_address,
        )

    def _make_fresh(self) -> Person:
        seed = os.urandom(32)
        given, family = secrets.choice(_GIVEN), secrets.choice(_FAMILY)
        address = f"{given}.{family}.{seed.hex()[:6]}@example.com".lower().replace("é", "e")
        return Person(self._make_subject(seed), f"{given} {family}", address, True, seed=seed)

    def _make_fixed(self, value: str) -> Person:
        seed = hashlib.sha256(f"{self._kind} {value}".encode()).digest()
        emails = {
            "known": self.known_email,
            "unverified": "ulysse.unverified@example.com",
            "relay": f"{seed.hex()[:10]}@privaterelay.appleid.com",
        }
        return Person(
            self._make_subject(seed),
            FIXED[value],
            emails.get(value),
            value in ("known", "relay"),
            is_relay=value == "relay",
            seed=seed,
        )


def _describe(person: Person) -> str:
    if person.email is None:
        return "Without an e-mail address"
    state = "hidden behind a relay" if person.is_relay else "verified" if person.email_verified else "not verified"
    return f"{person.email}, {state}"
