"""`idp clients`: registering the applications that people sign in to.

Owns the words; what a client may be is judged by `protocol.client_metadata` and `jose.client_jwks`, whose sentences are
the answers. A client secret is printed once, when it is made, and stored as a hash.
"""

import time
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import click

from idp import audit
from idp.audit import Event
from idp.cli import client_options
from idp.cli.client_options import (
    check_no_recipe_options,
    check_whole_client,
    described,
    metadata_options,
    recipe_options,
    with_options,
)
from idp.cli.client_secrets import make_secret, with_new_secret
from idp.cli.command import Group, Refused
from idp.cli.identifiers import new_client_id
from idp.cli.opening import opened_store
from idp.cli.output import answer, answer_record, answer_table
from idp.protocol.client import Client
from idp.settings import load_settings
from idp.store import Store


@click.group(cls=Group)
def command() -> None:
    """The applications that people sign in to."""


@command.command("add")
@click.argument("name", required=False)
@click.option("--id", "client_id", metavar="ID", help="The client_id; a random one when not given.")
@click.option("--public", is_flag=True, help="It cannot keep a secret (a browser or phone application).")
@recipe_options
@metadata_options
def add(name: str | None, client_id: str | None, **options: Any) -> None:
    """Register a client called NAME (people see this name).

    Prints its client_id and, when it needs one, its secret: once, so note it down. With --for KIND it has the right
    settings for nextauth, authjs, spa, mobile, cli or service, and the finished files to paste are printed too; what is
    missing is asked for on a terminal. With fastapi, flask, express, aspnet or spring it registers the API.
    """
    if options["for"]:
        from idp.cli.clients_for import add_for

        add_for(options["for"], name, client_id, options)
        return
    check_no_recipe_options(options)
    if name is None:
        raise click.UsageError("Missing argument 'NAME'.")
    _add_plain(name, client_id, options)


def _add_plain(name: str, client_id: str | None, options: Mapping[str, Any]) -> None:
    public = options["public"]
    if public and options["auth_method"] not in (None, "none"):
        raise click.UsageError("--public and --auth-method exclude each other.")
    settings, now = load_settings(), int(time.time())
    bare = Client(
        client_id or new_client_id(),
        client_name=name,
        token_endpoint_auth_method="none" if public else "client_secret_basic",
        created_at=now,
    )
    with opened_store(settings) as store:
        client = with_options(bare, options, store.apis.all())
        secret, kept = make_secret(client, settings, now=now)
        client = replace(client, secrets=kept)
        check_whole_client(client)
        client_options.warn_about_upstreams(client, settings.upstream)
        if not store.clients.add(client, now=now):
            raise Refused(f"There is a client {client.client_id} already.")
        audit.record_by_operator(store, Event.CLIENT_ADDED, now=now, client_id=client.client_id)
    sentences = [f"Client {client.name} is registered.", f"client_id      {client.client_id}"]
    if secret is not None:
        sentences += [f"client_secret  {secret}", "The secret is not shown again."]
    answer(described(client) | ({"client_secret": secret} if secret is not None else {}), *sentences)


@command.command("list")
def list_clients() -> None:
    """All clients."""
    with opened_store(load_settings()) as store:
        clients = [described(client) for client in store.clients.list()]
    columns = {"client_id": "client_id", "client_name": "name", "token_endpoint_auth_method": "authentication"}
    columns |= {"made_for": "made for", "first_party": "first party", "disabled": "disabled", "created_at": "created"}
    answer_table(clients, columns, empty="There are no clients yet; register one with: idp clients add NAME")


@command.command("show")
@click.argument("client_id")
@click.option("--snippets", is_flag=True, help="The finished files of its kind instead, without the secret.")
def show(client_id: str, snippets: bool) -> None:
    """All that is registered of one client, its secrets left out."""
    settings = load_settings()
    with opened_store(settings) as store:
        client, apis = _load_client(store, client_id), store.apis.all()
    if not snippets:
        answer_record(described(client))
        return
    from idp.cli.recipe_files import answer_snippets

    answer_snippets(client, apis, settings.issuer)


@command.command("update")
@click.argument("client_id")
@click.option("--name", help="The name people see.")
@click.option("--add-redirect-uri", multiple=True, metavar="URI", help="One more redirect URI. Repeatable.")
@click.option("--remove-redirect-uri", multiple=True, metavar="URI", help="One redirect URI less. Repeatable.")
@click.option("--new-secret", is_flag=True, help="Make a new secret and print it once.")
@click.option(
    "--keep-old",
    type=click.IntRange(0, 31_536_000),
    metavar="SECONDS",
    help="With --new-secret: how long the old one still works (default 0).",
)
@click.option("--disable/--enable", default=None, help="Refuse every request of the client, or serve it again.")
@metadata_options
def update(client_id: str, **options: Any) -> None:
    """Change what is given and leave the rest as it is. A repeatable option replaces the whole list."""
    if options["keep_old"] is not None and not options["new_secret"]:
        raise click.UsageError("--keep-old needs --new-secret.")
    settings, now = load_settings(), int(time.time())
    with opened_store(settings) as store:
        before = _load_client(store, client_id)
        changed = with_options(before, options, store.apis.all())
        changed = client_options.with_changes(changed, options)
        changed, secret = with_new_secret(before, changed, settings, asked=options["new_secret"],
                                          keep_old=options["keep_old"] or 0, now=now)  # fmt: skip
        check_whole_client(changed)
        if options["upstream"]:
            client_options.warn_about_upstreams(changed, settings.upstream)
        if not store.clients.save(changed, now=now):
            raise Refused(f"There is no client {client_id}.")
        _record_update(store, before, changed, has_new_secret=secret is not None, now=now)
    sentences = [f"Client {changed.name} ({client_id}) is changed." if changed != before else "Nothing has changed."]
    if secret is not None:
        sentences += [f"client_secret  {secret}", "The secret is not shown again."]
    answer(described(changed) | ({"client_secret": secret} if secret is not None else {}), *sentences)


@command.command("remove")
@click.argument("client_id")
def remove(client_id: str) -> None:
    """Remove a client, with the consents given to it; its tokens end."""
    now = int(time.time())
    with opened_store(load_settings()) as store:
        client = _load_client(store, client_id)
        store.clients.remove(client_id, now=now)
        audit.record_by_operator(store, Event.CLIENT_REMOVED, now=now, client_id=client_id)
    answer({"removed": client_id}, f"Client {client.name} ({client_id}) is removed and its tokens are revoked.")


def _load_client(store: Store, client_id: str) -> Client:
    client = store.clients.find(client_id)
    if client is None:
        raise Refused(f"There is no client {client_id}. See: idp clients list")
    return client


def _record_update(store: Store, before: Client, changed: Client, *, has_new_secret: bool, now: int) -> None:
    """The names of what has changed go to the audit trail, not the values."""
    old, new = described(before), described(changed)
    names = sorted(name for name in new if new[name] != old.get(name))
    if names:
        audit.record_by_operator(store, Event.CLIENT_CHANGED, now=now, client_id=before.client_id, changed=names)
    if has_new_secret:
        audit.record_by_operator(store, Event.CLIENT_SECRET_CHANGED, now=now, client_id=before.client_id)
