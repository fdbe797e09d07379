"""What can be typed of a person: who is meant, the options of `idp users add`, the rules on names, e-mails, passwords
and roles."""

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import click

from idp.accounts.identifiers import new_user_id
from idp.accounts.passwords import MAX_PASSWORD_LENGTH
from idp.cli.command import Refused
from idp.protocol.identity import User
from idp.protocol.names import USER_ID_PREFIX
from idp.settings import Settings
from idp.store import Store
from idp.store.users import PROFILE_CLAIMS, NewUser

MAX_USERNAME_LENGTH = 64
_EMAIL = re.compile(r"[^@\s]{1,64}@[^@\s]+\.[^@\s]+|[^@\s]{1,64}@localhost")
MAX_EMAIL_LENGTH = 254

Function = Callable[..., Any]

# Standard claims of OpenID Connect Core §5.1 that are one line of text.
_TEXT_CLAIMS = tuple(name for name in PROFILE_CLAIMS if name != "address")
# Core §5.1.1
_ADDRESS_MEMBERS = ("formatted", "street_address", "locality", "region", "postal_code", "country")


def profile_options(function: Function) -> Function:
    """Decorator: an option for each standard claim."""
    for member in reversed(_ADDRESS_MEMBERS):
        option = "--" + ("address-" + member).replace("_", "-")
        function = click.option(option, help=f"Address: {member.replace('_', ' ')}.")(function)
    for name in reversed(_TEXT_CLAIMS):
        function = click.option("--" + name.replace("_", "-"), help=f"{name.replace('_', ' ').capitalize()}.")(function)
    function = click.option("--phone-verified", is_flag=True, help="The phone number is known to be theirs.")(function)
    function = click.option("--phone", metavar="NUMBER", help="Phone number, such as +33123456789.")(function)
    function = click.option("--email-verified", is_flag=True, help="The e-mail is known to be theirs.")(function)
    return click.option("--email", metavar="ADDRESS", help="E-mail address.")(function)


def new_user(username: str, roles: tuple[str, ...], given: Mapping[str, Any], password_hash: str | None) -> NewUser:
    profile = {name: given[name] for name in _TEXT_CLAIMS if given[name]}
    address = {member: given[f"address_{member}"] for member in _ADDRESS_MEMBERS if given[f"address_{member}"]}
    if address:
        profile["address"] = address
    return NewUser(
        new_user_id(),
        username,
        given["email"],
        email_verified=given["email_verified"],
        phone_number=given["phone"],
        phone_number_verified=given["phone_verified"],
        profile=profile,
        roles=tuple(dict.fromkeys(roles)),
        password_hash=password_hash,
    )


def load_user(store: Store, text: str) -> User:
    """The person of this id, user name or e-mail; raises Refused."""
    found = store.users.find(text) if text.startswith(USER_ID_PREFIX) else None
    if found is None:
        named = store.users.find_for_sign_in(text)
        found = None if named is None else named[0]
    if found is None:
        raise Refused(f"There is nobody with the id, user name or e-mail {text}. See: idp users list")
    return found


def check_username(username: str) -> None:
    """Without @, so that a user name is never taken for somebody's e-mail."""
    fits = 1 <= len(username) <= MAX_USERNAME_LENGTH and username.isprintable()
    if not fits or "@" in username or any(character.isspace() for character in username):
        raise Refused(f"A user name is 1 to {MAX_USERNAME_LENGTH} printable characters without @ and white space.")


def check_email(email: str) -> None:
    if len(email) > MAX_EMAIL_LENGTH or not email.isprintable() or not _EMAIL.fullmatch(email):
        raise Refused(f"{email} is not an e-mail address.")


def check_password(settings: Settings, password: str, *, about: Sequence[str]) -> None:
    """The rules of the pages hold here too (ASVS 6.2.1, 6.2.4, 6.2.11). `about`: the person's names and e-mail."""
    from idp.accounts.password_policy import Reason, check_new_password

    reasons = check_new_password(settings, password, about=about)
    if Reason.TOO_SHORT in reasons or Reason.TOO_LONG in reasons:
        raise Refused(f"A password is {settings.password_min_length} to {MAX_PASSWORD_LENGTH} characters.")
    if reasons:
        raise Refused(f"This password would be guessed soon ({', '.join(reasons)}). Choose another, or a random one.")


def check_roles(roles: tuple[str, ...]) -> None:
    for role in roles:
        if not role or len(role) > 64 or not role.isprintable() or any(character.isspace() for character in role):
            raise Refused("A role is 1 to 64 printable characters without white space.")
