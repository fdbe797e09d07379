"""`idp apis`: the protected resources (RFC 8707) that access tokens are for, and what their scopes mean in words."""

import re
import time
from collections.abc import Set

import click

from idp import audit
from idp.audit import Event
from idp.cli.command import Group, Refused
from idp.cli.opening import opened_store
from idp.cli.output import answer, answer_record, answer_table
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
    check_identifier(identifier)
    meanings = dict(load_scope(text) for text in scopes)
    now = int(time.time())
    with opened_store(load_settings()) as store:
        check_free(store, identifier, meanings)
        found = store.apis.all().get(identifier)
        _check_unused(store, found.scopes.keys() - meanings.keys() if found else set())
        api = Api(identifier, name or (found.name if found else identifier), meanings)
        store.apis.save(api, now=now)
        audit.record_by_operator(store, Event.API_SAVED, now=now, api=identifier, scopes=list(meanings))
    word = "changed" if found else "added"
    answer(described(api), f"API {api.name} ({identifier}) is {word}; scopes: {' '.join(meanings) or 'none'}.")


@command.command("list")
def list_apis() -> None:
    """All APIs."""
    with opened_store(load_settings()) as store:
        apis = [described(api) for api in store.apis.all().values()]
    columns = {"identifier": "identifier", "name": "name", "scopes": "scopes"}
    answer_table(apis, columns, empty="There are no APIs yet; add one with: idp apis add IDENTIFIER")


@command.command("show")
@click.argument("identifier")
@click.option("--for", "kind", metavar="KIND", help="The finished files of an API made with fastapi, flask, … instead.")
def show(identifier: str, kind: str | None) -> None:
    """One API and what its scopes mean."""
    settings = load_settings()
    with opened_store(settings) as store:
        api = store.apis.all().get(identifier)
    if api is None:
        raise Refused(f"There is no API {identifier}. See: idp apis list")
    if kind is None:
        answer_record(described(api))
        return
    from idp.cli.recipe_files import answer_api_files

    answer_api_files(api, kind, settings.issuer)


@command.command("remove")
@click.argument("identifier")
def remove(identifier: str) -> None:
    """Remove an API that no client is registered for, and none has a scope of."""
    now = int(time.time())
    with opened_store(load_settings()) as store:
        users = [c.client_id for c in store.clients.list() if identifier in (*c.audience, *c.serves)]
        if users:
            raise Refused(f"The API is still in use by the clients {', '.join(users)}; change them first.")
        found = store.apis.all().get(identifier)
        _check_unused(store, set(found.scopes) if found else set())
        if not store.apis.remove(identifier):
            raise Refused(f"There is no API {identifier}. See: idp apis list")
        audit.record_by_operator(store, Event.API_REMOVED, now=now, api=identifier)
    answer({"removed": identifier}, f"API {identifier} is removed.")


def _check_unused(store: Store, scopes: Set[str]) -> None:
    """A scope that belongs to no API goes into tokens for any, so a client's scopes leave it before their API does."""
    held = {client.client_id: sorted(scopes & {*client.scope}) for client in store.clients.list()}
    users = [f"{client_id} ({' '.join(words)})" for client_id, words in held.items() if words]
    if users:
        raise Refused(
            f"Scopes of the API are registered for the clients {', '.join(users)}; take them out first, with: "
            "idp clients update ID --scope (naming every one that it keeps)."
        )


def check_identifier(identifier: str) -> None:
    """RFC 8707 §2. Refused with what it should look like."""
    if not _IDENTIFIER.fullmatch(identifier):
        raise Refused("The identifier of an API is an absolute URI such as https://api.example.com, without fragment.")


def load_scope(text: str) -> tuple[str, str]:
    """The name and the meaning in `NAME=MEANING`; the name means itself where nothing is said."""
    name, _, meaning = text.partition("=")
    if not is_scope_token(name):
        raise Refused(f"{name!r} cannot be a scope: it is printable ASCII without spaces, quotes and backslashes.")
    if name in IDENTITY_SCOPES:
        raise Refused(f"{name} is a scope of OpenID Connect and cannot belong to an API.")
    if len(meaning) > MAX_MEANING or not meaning.isprintable():
        raise Refused(f"What a scope means is at most {MAX_MEANING} printable characters.")
    return name, meaning or name


def check_free(store: Store, identifier: str, meanings: dict[str, str]) -> None:
    """A scope belongs to one API, so that a token for it says where it may be used."""
    for other in store.apis.all().values():
        taken = set(other.scopes) & set(meanings)
        if other.identifier != identifier and taken:
            raise Refused(f"The scope {min(taken)} belongs to the API {other.identifier} already.")


def described(api: Api) -> dict[str, object]:
    return {"identifier": api.identifier, "name": api.name, "scopes": dict(api.scopes)}
