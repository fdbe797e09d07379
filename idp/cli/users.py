"""`idp users`: the people who sign in. USER is an id, a user name or an e-mail.

Owns the words and the rules on what is typed here; passwords are hashed by `accounts`. Whoever loses a password or is
disabled is signed out everywhere at the same moment.
"""

import sys
import time
from collections.abc import Sequence
from typing import Any

import click

from idp import audit
from idp.audit import Event
from idp.cli import import_users, reset_factors, user_links
from idp.cli.command import Group, Refused
from idp.cli.identifiers import new_password
from idp.cli.opening import opened_store
from idp.cli.output import answer, answer_record, answer_table, iso
from idp.cli.user_options import (
    check_email,
    check_password,
    check_roles,
    check_username,
    load_user,
    new_user,
    profile_options,
)
from idp.protocol.identity import User
from idp.settings import Settings, load_settings
from idp.store import Store


@click.group(cls=Group)
def command() -> None:
    """The people who sign in."""


@command.command("add")
@click.argument("username")
@profile_options
@click.option("--role", "roles", multiple=True, help="A role, as applications see it. Repeatable.")
@click.option("--password-stdin", is_flag=True, help="Read the password from standard input.")
@click.option("--random-password", is_flag=True, help="Make a password and print it once.")
def add(username: str, roles: tuple[str, ...], password_stdin: bool, random_password: bool, **profile: Any) -> None:
    """Add a person who signs in as USERNAME. Without a password option they cannot sign in by password yet."""
    check_username(username)
    if profile["email"] is not None:
        check_email(profile["email"])
    check_roles(roles)
    if password_stdin and random_password:
        raise click.UsageError("Choose one: a password from standard input, or a random one.")
    settings, now = load_settings(), int(time.time())
    about = (username, *(value for value in profile.values() if isinstance(value, str)))
    password = _make_password(settings, about, at_random=random_password) if password_stdin or random_password else None
    user = new_user(username, roles, profile, None if password is None else _hash(settings, password))
    with opened_store(settings) as store:
        _check_free(store, username, profile["email"])
        if not store.users.add(user, now=now):
            raise Refused("The user name or the e-mail is taken.")
        audit.record_by_operator(store, Event.USER_ADDED, now=now, user_id=user.id)
        added = store.users.find(user.id)
    shown = {} if added is None else _described(added, has_password=password is not None)
    sentences = [f"{username} is added.", f"id        {user.id}"]
    if random_password:
        shown["password"] = password
        sentences += [f"password  {password}", "The password is not shown again."]
    answer(shown, *sentences)


command.add_command(import_users.command)
command.add_command(reset_factors.command)
command.add_command(user_links.invite)
command.add_command(user_links.start_reset)


@command.command("list")
def list_users() -> None:
    """All people."""
    with opened_store(load_settings()) as store:
        people = [_described(user) for user in store.users.list()]
    columns = {"username": "user name", "email": "e-mail", "name": "name", "roles": "roles", "disabled": "disabled"}
    answer_table(people, columns | {"id": "id"}, empty="There is nobody yet; add someone with: idp users add USERNAME")


@command.command("show")
@click.argument("user")
def show(user: str) -> None:
    """All that is known of one person."""
    with opened_store(load_settings()) as store:
        found = load_user(store, user)
        linked = dict.fromkeys(each.key.upstream for each in store.identities.list_of(found.id))
        described = _described(found, has_password=store.users.has_password(found.id))
    answer_record(described | {"linked_connections": list(linked)})


@command.command("explain-link")
@click.argument("user")
def explain_link(user: str) -> None:
    """Why a person can, or cannot, sign in with other providers: their links, how each came about, and what was
    refused."""
    from idp.cli.explain_link import explain

    settings = load_settings()
    with opened_store(settings) as store:
        explained, lines = explain(store, settings, load_user(store, user))
    answer(explained, *lines)


@command.command("disable")
@click.argument("user")
def disable(user: str) -> None:
    """Lock a person out: they are signed out everywhere, and their tokens end."""
    now = int(time.time())
    with opened_store(load_settings()) as store:
        found = load_user(store, user)
        store.users.set_disabled(found.id, True, now=now)
        store.users.sign_out_everywhere(found.id, now=now, why="user disabled")
        audit.record_by_operator(store, Event.USER_DISABLED, now=now, user_id=found.id)
    answer({"id": found.id, "disabled": True}, f"{found.username} is disabled and signed out everywhere.")


@command.command("enable")
@click.argument("user")
def enable(user: str) -> None:
    """Let a disabled person sign in again."""
    now = int(time.time())
    with opened_store(load_settings()) as store:
        found = load_user(store, user)
        store.users.set_disabled(found.id, False, now=now)
        audit.record_by_operator(store, Event.USER_ENABLED, now=now, user_id=found.id)
    answer({"id": found.id, "disabled": False}, f"{found.username} can sign in again.")


@command.command("remove")
@click.argument("user")
def remove(user: str) -> None:
    """Remove a person and all that is theirs, at once; their tokens end. The audit trail keeps a pseudonym."""
    from idp.mail.outbox import mailbox_of

    now = int(time.time())
    with opened_store(load_settings()) as store:
        found = load_user(store, user)
        pseudonym = store.removal.remove(found.id, mailbox=mailbox_of(found))
        audit.record_by_operator(store, Event.USER_REMOVED, now=now, user_id=pseudonym)
    answer({"removed": found.id}, f"{found.username} is removed.")


@command.command("set-password")
@click.argument("user")
@click.option("--stdin", "from_stdin", is_flag=True, help="Read the password from standard input.")
@click.option("--random", "at_random", is_flag=True, help="Make a password and print it once.")
def set_password(user: str, from_stdin: bool, at_random: bool) -> None:
    """Give a person without an e-mail address a new password. They are signed out everywhere.

    Everybody else chooses their own: idp users start-reset.
    """
    if from_stdin == at_random:
        raise click.UsageError("Give --stdin or --random.")
    settings, now = load_settings(), int(time.time())
    with opened_store(settings) as store:
        found = load_user(store, user)
        if found.email is not None:
            raise Refused(f"{found.username} has an e-mail address; send them a link: idp users start-reset {user}")
        about = (found.username, *(value for value in found.claims.values() if isinstance(value, str)))
        password = _make_password(settings, about, at_random=at_random)
        store.users.set_password_hash(found.id, _hash(settings, password), now=now)
        store.users.sign_out_everywhere(found.id, now=now, why="password changed")
        audit.record_by_operator(store, Event.PASSWORD_CHANGED, now=now, user_id=found.id)
    sentences = [f"{found.username} has a new password and is signed out everywhere."]
    sentences += [f"password  {password}", "The password is not shown again."] if at_random else []
    answer({"id": found.id} | ({"password": password} if at_random else {}), *sentences)


@command.command("roles")
@click.argument("user")
@click.option("--add", "added", multiple=True, metavar="ROLE", help="Repeatable.")
@click.option("--remove", "removed", multiple=True, metavar="ROLE", help="Repeatable.")
@click.option("--set", "replaced", metavar="ROLES", help="All the roles, separated by spaces; an empty text for none.")
def roles(user: str, added: tuple[str, ...], removed: tuple[str, ...], replaced: str | None) -> None:
    """Show or change the roles of a person. New tokens carry them."""
    if replaced is not None and (added or removed):
        raise click.UsageError("--set excludes --add and --remove.")
    check_roles((*added, *(replaced or "").split()))
    now = int(time.time())
    with opened_store(load_settings()) as store:
        found = load_user(store, user)
        wanted = found.roles if replaced is None else tuple(dict.fromkeys(replaced.split()))
        wanted = tuple(role for role in dict.fromkeys((*wanted, *added)) if role not in removed)
        if wanted != found.roles:
            store.users.set_roles(found.id, wanted, now=now)
            audit.record_by_operator(store, Event.USER_ROLES_CHANGED, now=now, user_id=found.id, roles=list(wanted))
    answer({"id": found.id, "roles": list(wanted)}, f"Roles of {found.username}: {' '.join(wanted) or 'none'}")


def _check_free(store: Store, username: str, email: str | None) -> None:
    if store.users.find_for_sign_in(username) is not None:
        raise Refused(f"The user name {username} is taken.")
    if email is not None and store.users.find_for_sign_in(email) is not None:
        raise Refused(f"The e-mail {email} belongs to somebody else.")


def _make_password(settings: Settings, about: Sequence[str], *, at_random: bool) -> str:
    """A random one, or the one on standard input. Raises Refused for one that the rules do not allow."""
    if at_random:
        return new_password()
    password = sys.stdin.readline().rstrip("\r\n")
    check_password(settings, password, about=about)
    return password


def _hash(settings: Settings, password: str) -> str:
    from idp.accounts.passwords import Passwords

    return Passwords(settings).hash(password)


def _described(user: User, *, has_password: bool | None = None) -> dict[str, Any]:
    """A person for JSON and tables; never the hash."""
    shown: dict[str, Any] = {"id": user.id, "username": user.username, "disabled": user.disabled}
    shown["roles"] = list(user.roles)
    skipped = {"roles", "preferred_username", "updated_at"}
    shown |= {name: value for name, value in user.claims.items() if name not in skipped}
    shown["updated_at"] = iso(user.claims.get("updated_at"))
    return shown if has_password is None else shown | {"has_password": has_password}
