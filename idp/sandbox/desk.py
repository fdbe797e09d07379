"""What a provider is made of, and the state of one stand-in.

`Provider` is what a module such as ``google`` describes; `Desk` is one running stand-in: its people, codes, keys.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from flask import Response

from idp.sandbox.clients import Client
from idp.sandbox.codes import Codes, SignIn
from idp.sandbox.faults import FAULTS, find_faulty_answer
from idp.sandbox.people import MakeSubject, People
from idp.sandbox.signing import KeyRing

View = Callable[..., Response]
"""Called with the desk, then the variable parts of the path by name."""

Params = Mapping[str, str]


class RequestRefused(Exception):
    """The authorization request is refused on a page; the text is a plain sentence for whoever wrote the client."""


def nothing_more(_desk: Desk, _sign_in: SignIn) -> Params:
    return {}


def no_check(_asked: Params) -> None:
    """Nothing but what holds for every provider."""


@dataclass(frozen=True)
class Provider:
    """One original, described.

    `authorize`: the path rule of its authorization endpoint. `routes`: path rule → (methods, view) for the others.
    `make_subject`: from 32 bytes, an identifier in its shape. `denied`: what it adds to the redirect when a person
    refuses. `check`: its own rules for an authorization request, raises RequestRefused. `more`: what it adds to
    `code` and `state`. `issuer`: the true one; None when it is the origin. `sends_iss`: the RFC 9207 parameter.
    `fragment`: what it appends to the redirect. `host_of_pictures`: where its profile pictures are.
    """

    kind: str
    label: str
    authorize: str
    routes: Mapping[str, tuple[tuple[str, ...], View]]
    make_subject: MakeSubject
    denied: Params
    check: Callable[[Params], None] = no_check
    more: Callable[[Desk, SignIn], Params] = nothing_more
    issuer: str | None = None
    has_id_token: bool = True
    has_profile: bool = True
    sends_iss: bool = False
    knows_form_post: bool = False
    knows_plain_pkce: bool = False
    has_relay: bool = False
    needs_response_type: bool = True
    scope_separator: str = " "
    code_prefix: str = ""
    fragment: str = ""
    host_of_pictures: str = ""
    token_typ: str | None = "JWT"

    @property
    def faults(self) -> dict[str, str]:
        """The faults that make sense here, with their titles."""
        return {
            name: fault.title
            for name, fault in FAULTS.items()
            if (fault.where != "id_token" or self.has_id_token) and (name != "wrong_iss_parameter" or self.sends_iss)
        }

    @property
    def fault_places(self) -> tuple[str, ...]:
        return ("token", "userinfo") if self.has_profile else ("token",)


@dataclass
class Desk:
    """One stand-in while it runs. `keys_fault` spoils its keys endpoint, for everybody."""

    provider: Provider
    origin: str
    clients: Mapping[str, Client]
    people: People
    clock: Callable[[], float]
    keys: KeyRing = field(default_factory=KeyRing)
    codes: Codes = field(default_factory=Codes)
    closing: threading.Event = field(default_factory=threading.Event)
    keys_fault: str | None = None
    greeted: set[tuple[str, str]] = field(default_factory=set)
    """(client_id, subject) of those who have agreed before."""

    @property
    def issuer(self) -> str:
        """What its id_tokens say as iss: the original's, wherever the stand-in is."""
        return self.provider.issuer or self.origin

    @property
    def now(self) -> int:
        """Seconds since the epoch."""
        return int(self.clock())

    def find_faulty_answer(self, sign_in: SignIn, place: str) -> Response | None:
        """The wrong answer that this sign-in is to get in this place, None for the true one."""
        return find_faulty_answer(sign_in.fault_of(place), self.closing)

    def picture(self, sign_in: SignIn) -> str:
        """The URL of the person's picture, which is here too: nothing leaves this machine."""
        return f"{self.origin}/{self.provider.host_of_pictures}/{sign_in.person.seed.hex()[:32]}.svg"
