"""`idp apis`: the protected resources (RFC 8707) that access tokens are for, and what their scopes mean in words."""

import re
import time

import click

from idp import audit
from idp.audit import Event
from idp.cli.command import Group, Refused
from idp.cli.opening import opened_store
from idp.cli.output import answer, answer_table
from idp.protocol.scopes import IDENTITY_SCOPES, Api, is_scope_token
from idp.settings import load_settings
from idp.store import Store

# RFC 8707 §2: an absolute URI without fragment. The length is that of its column.
_IDENTIFIER = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:[!$-;=?-Z\[\]_a-z~]{1,240}")
MAX_MEANING = 200


@click.group(cls=Group)
def command() -> None:
    """The APIs that access tokens are for, and their scopes."""


@command.command("add")
@click.argument("identifier")
@click.option("--name", help="What people call it; the identifier when not given.")
@click.option("--scope", "scopes", multiple=True, metavar="NAME=MEANING", help="A scope and what it allows, in words.")
def add(identifier: str, name: str | None, scopes: tuple[str, ...]) -> None:
    """Add an API, or replace what is known of it. IDENTIFIER is its URI: the `resource` that clients ask for.

    Example: idp apis add https://api.example.com --name Notes --scope "notes.read=Read your notes"
    """
    if not _IDENTIFIER.fullmatch(identifier):
        raise Refused("The identifier of an API is an absolute URI such as https://api.example.com, without fragment.")
    meanings = dict(_load_scope(text) for text in scopes)
    now = int(time.time())
    with opened_store(load_settings()) as store:
        _check_free(store, identifier, meanings)
        found = store.apis.all().get(identifier)
        api = Api(identifier, name or (found.name if found else identifier), meanings)
        store.apis.save(api, now=now)
        audit.record_by_operator(store, Event.API_SAVED, now=now, api=identifier, scopes=list(meanings))
    word = "changed" if found else "added"
    answer(_described(api), f"API {api.name} ({identifier}) is {word}; scopes: {' '.join(meanings) or 'none'}.")


@command.command("list")
def list_apis() -> None:
    """All APIs."""
    with opened_store(load_settings()) as store:
        apis = [_described(api) for api in store.apis.all().values()]
    columns = {"identifier": "identifier", "name": "name", "scopes": "scopes"}
    answer_table(apis, columns, empty="There are no APIs yet; add one with: idp apis add IDENTIFIER")


@command.command("remove")
@click.argument("identifier")
def remove(identifier: str) -> None:
    """Remove an API that no client is registered for."""
    now = int(time.time())
    with opened_store(load_settings()) as store:
        users = [c.client_id for c in store.clients.list() if identifier in (*c.audience, *c.serves)]
        if users:
            raise Refused(f"The API is still in use by the clients {', '.join(users)}; change them first.")
        if not store.apis.remove(identifier):
            raise Refused(f"There is no API {identifier}. See: idp apis list")
        audit.record_by_operator(store, Event.API_REMOVED, now=now, api=identifier)
    answer({"removed": identifier}, f"API {identifier} is removed.")


def _load_scope(text: str) -> tuple[str, str]:
    name, _, meaning = text.partition("=")
    if not is_scope_token(name):
        raise Refused(f"{name!r} cannot be a scope: it is printable ASCII without spaces, quotes and backslashes.")
    if name in IDENTITY_SCOPES:
        raise Refused(f"{name} is a scope of OpenID Connect and cannot belong to an API.")
    if len(meaning) > MAX_MEANING or not meaning.isprintable():
        raise Refused(f"What a scope means is at most {MAX_MEANING} printable characters.")
    return name, meaning or name


def _check_free(store: Store, identifier: str, meanings: dict[str, str]) -> None:
    """A scope belongs to one API, so that a token for it says where it may be used."""
    for other in store.apis.all().values():
        taken = set(other.scopes) & set(meanings)
        if other.identifier != identifier and taken:
            raise Refused(f"The scope {min(taken)} belongs to the API {other.identifier} already.")


def _described(api: Api) -> dict[str, object]:
    return {"identifier": api.identifier, "name": api.name, "scopes": dict(api.scopes)}
