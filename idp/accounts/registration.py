"""Making an account: what is asked, and an account only once its e-mail is proved.

Nothing is stored of somebody who has not proved their address: there is no unconfirmed account that could wait for its
victim. Whether an address is known is told to nobody but its owner: the same page follows, after the same work, and
the mail says which it was. An address that its account never confirmed, and cannot confirm by a recovery, goes to
whoever proves it: nobody's mailbox can be shut out by typing its address first.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from itertools import islice

from idp import audit
from idp.accounts.email_proofs import LIFETIME_SECONDS, EmailProof, Started, start_proof
from idp.accounts.identifiers import new_user_id
from idp.accounts.recovery import NOBODY, is_recoverable
from idp.accounts.tries import allows_mail
from idp.accounts.usernames import derive_usernames
from idp.mail import send_mail
from idp.mail.addresses import NotAnAddress, load_address
from idp.protocol.identity import User
from idp.server import Server
from idp.settings import Settings
from idp.store.users import NewUser

PURPOSE = "registration"
_ROUNDS = 3
MAX_NAME_LENGTH, MAX_EMAIL_LENGTH, MAX_PHONE_LENGTH = 100, 254, 32
USERNAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{2,31}")
EMAIL = re.compile(r"[^@\s]{1,64}@[^@\s]+\.[^@\s]+")
PHONE = re.compile(r"\+?[0-9 ()./-]{5,32}")


@dataclass(frozen=True, slots=True)
class FormField:
    """One line of the form."""

    name: str
    required: bool


@dataclass(frozen=True, slots=True)
class Registration:
    """What somebody typed, the password hashed already."""

    email: str
    username: str | None = None
    given_name: str | None = None
    family_name: str | None = None
    phone_number: str | None = None
    password_hash: str | None = field(default=None, repr=False)
    locale: str | None = None

    @property
    def name(self) -> str:
        return " ".join(part for part in (self.given_name, self.family_name) if part) or self.username or ""


def form_fields(words: tuple[str, ...]) -> tuple[FormField, ...]:
    """The fields of IDP_SIGN_UP_FIELDS."""
    return tuple(FormField(word.removesuffix("?"), not word.endswith("?")) for word in words)


def find_mistakes(server: Server, typed: Mapping[str, str]) -> dict[str, str]:
    """Field → `missing` or `malformed`. That an e-mail is taken is never said; of a user name, see `is_taken`."""
    mistakes: dict[str, str] = {}
    for each in form_fields(server.settings.sign_up_fields):
        value = typed.get(each.name, "")
        if not value:
            mistakes |= {each.name: "missing"} if each.required else {}
        elif not _is_well_formed(each.name, value):
            mistakes[each.name] = "malformed"
    return mistakes


def is_taken(server: Server, username: str | None) -> bool:
    """Whether somebody has this user name. To be asked as often only as accounts may be begun, because the answer is
    told: whatever else is wrong with a form is said first."""
    return bool(username) and not server.store.users.is_username_free(username or "")


def is_open(settings: Settings, *, is_invited: bool = False) -> bool:
    """Whether somebody may make an account with a password here."""
    return settings.offers_sign_up or (is_invited and settings.local_passwords and settings.sign_up == "invitation")


def begin(
    server: Server,
    registration: Registration,
    waits: Mapping[str, str],
    browser: str,
    *,
    network: str,
    language: str,
    now: int,
) -> str:
    """Send the mail that proves the address, or tells its owner that they have an account; the id of the proof.

    Either way the same is computed, stored and put into the outbox; one of the two mails goes to nobody. `waits`: what
    goes on afterwards, kept with the proof. `network`: who sends the form.
    """
    email, (holder, _) = registration.email, _find_holder(server, registration.email)
    is_new, may_write = holder is None, allows_mail(server, "sign_up", email, sender=network, now=now)
    data = {"registration": asdict(registration), "waits": dict(waits), "is_new": is_new and may_write}
    started = start_proof(server, PURPOSE, email, data, browser, now=now)
    event = audit.Event.SIGN_UP_STARTED if is_new else audit.Event.SIGN_UP_OF_KNOWN_EMAIL
    audit.record(server, event, now=now, user_id=holder.id if holder is not None else None)
    _send_proof(server, email if is_new and may_write else None, started, language=language, now=now)
    _send_notice(server, holder, may_write=may_write, language=language, now=now)
    return started.id


def complete(server: Server, proof: EmailProof, *, now: int) -> User | None:
    """The account, for a proof that has just been claimed; None when name or address was taken in the meantime."""
    if not proof.data["is_new"]:
        return None
    return make_account(server, Registration(**proof.data["registration"]), now=now)


def make_account(
    server: Server, registration: Registration, *, roles: tuple[str, ...] = (), by: str = "sign-up", now: int
) -> User | None:
    """A new account whose e-mail is proved; None when the user name or the e-mail is taken. An account that never could
    show that the e-mail is its own loses it at the same moment.

    Where the form asks for no user name, one is derived. `by`: how it came about, for the audit trail.
    """
    _, loser = _find_holder(server, registration.email)
    loses = loser.id if loser is not None else None
    for username in _usernames(server, registration):
        user = _new_user(registration, username, roles, now)
        if server.store.users.add(user, now=now, takes_email_from=loses):
            audit.record(server, audit.Event.USER_ADDED, now=now, user_id=user.id, by=by)
            if loses is not None:
                audit.record(server, audit.Event.EMAIL_LOST, now=now, user_id=loses, by=by)
            return server.store.users.find(user.id)
    return None


def is_email(text: str) -> bool:
    """Whether it is one address that mail can be sent to; somebody's who is not on this machine."""
    if len(text) > MAX_EMAIL_LENGTH or not text.isprintable() or EMAIL.fullmatch(text) is None:
        return False
    try:
        load_address(text)
    except NotAnAddress:
        return False
    return True


def _new_user(registration: Registration, username: str, roles: tuple[str, ...], now: int) -> NewUser:
    profile = {
        "name": " ".join(part for part in (registration.given_name, registration.family_name) if part),
        "given_name": registration.given_name,
        "family_name": registration.family_name,
        "locale": registration.locale,
    }
    return NewUser(
        id=new_user_id(),
        username=username,
        email=registration.email,
        email_verified=True,
        phone_number=registration.phone_number,
        profile={name: value for name, value in profile.items() if value},
        roles=roles,
        password_hash=registration.password_hash,
        password_changed_at=None if registration.password_hash is None else now,
    )


def _find_holder(server: Server, email: str) -> tuple[User | None, User | None]:
    """The person to whom this address belongs, or else the one who would lose it to whoever proves it: they never
    confirmed it, and have a second factor, so that nobody can confirm it by a recovery either. The same is asked of the
    database where there is neither."""
    found = server.store.users.find_by_email(email)
    user = found[0] if found is not None else None
    is_recovered = is_recoverable(server.store, user or NOBODY)
    if user is None or user.disabled or is_recovered or user.claims.get("email_verified") is True:
        return user, None
    return None, user


def _usernames(server: Server, registration: Registration) -> Iterator[str]:
    """The one that was chosen, or some that are free at the moment."""
    if registration.username:
        return iter((registration.username,))
    names = (registration.name, registration.email.partition("@")[0])
    free = (name for name in derive_usernames(names) if server.store.users.is_username_free(name))
    return islice(free, _ROUNDS)


def _send_proof(server: Server, recipient: str | None, started: Started, *, language: str, now: int) -> None:
    """Without the name that was typed: it would let anybody write a sentence to anybody."""
    url = server.endpoint(f"/sign-up/confirm?token={started.token}")
    code, minutes = started.code, LIFETIME_SECONDS // 60
    send_mail(
        server, "verify_email", recipient, language=language, now=now, name="", url=url, code=code, minutes=minutes
    )


def _send_notice(server: Server, owner: User | None, *, may_write: bool, language: str, now: int) -> None:
    """To the address that the account has, never to another spelling of it, which may be somebody else's mailbox; with
    the name only where the address is confirmed, or strangers could have sentences sent."""
    urls = {"sign_in_url": server.endpoint("/login"), "recover_url": server.endpoint("/recover")}
    recipient = owner.email if owner is not None and may_write else None
    name = owner.name if owner is not None and owner.claims.get("email_verified") is True else ""
    user_id = owner.id if owner is not None else None
    send_mail(server, "account_exists", recipient, language=language, now=now, user_id=user_id, name=name, **urls)


def _is_well_formed(name: str, value: str) -> bool:
    if not value.isprintable():
        return False
    if name == "email":
        return is_email(value)
    if name == "username":
        return USERNAME.fullmatch(value) is not None
    if name == "phone_number":
        return len(value) <= MAX_PHONE_LENGTH and PHONE.fullmatch(value) is not None
    return len(value) <= MAX_NAME_LENGTH
