"""The registered clients, for administrators to look at: what each is, and the finished files of its kind.

Owns what is shown: no secret, no hash of one, no key of another kind of application. Changes are made at the command
line (`idp clients`).
"""

from collections.abc import Mapping
from typing import Any

from flask import Response, abort, url_for
from flask_babel import lazy_gettext as _

from idp.pages.account_nav import shown_date
from idp.pages.admin_access import for_admin
from idp.protocol.client import Client
from idp.protocol.identity import User
from idp.recipes import Unwritable, snippets_of
from idp.store.database import is_storable
from idp.web.current import current_server, request_time
from idp.web.pages import render_page

# The kinds of RECIPES in words; a kind without a line is called by its word.
KINDS: Mapping[str, Any] = {
    "nextauth": "Next.js, NextAuth 4",
    "authjs": "Next.js, Auth.js 5",
    "spa": _("Browser application"),
    "mobile": _("Mobile app"),
    "fastapi": "API, FastAPI",
    "flask": "API, Flask",
    "express": "API, Express",
    "aspnet": "API, ASP.NET Core",
    "spring": "API, Spring Boot",
    "cli": _("Command-line program"),
    "service": _("Service"),
}


@for_admin
def clients(_user: User) -> Response:
    every = sorted(current_server().store.clients.list(), key=lambda client: (client.name.casefold(), client.client_id))
    return render_page("admin_clients", clients=[_entry(client) for client in every])


@for_admin
def client(_user: User, *, client_id: str) -> Response:
    found = current_server().store.clients.find(client_id) if is_storable(client_id) else None
    if found is None:
        abort(404)
    files, is_unwritable = _files(found)
    return render_page(
        "admin_client",
        client=_entry(found),
        facts=_facts(found),
        lists=_lists(found),
        files=files,
        is_unwritable=is_unwritable,
        list_url=url_for("pages.admin_clients"),
    )


def _entry(client: Client) -> dict[str, Any]:
    return {
        "client_id": client.client_id,
        "name": client.name,
        "kind": KINDS.get(client.made_for or "", client.made_for),
        "is_public": client.is_public,
        "is_first_party": client.first_party,
        "is_disabled": client.disabled,
        "created_at": shown_date(client.created_at or None),
        "url": url_for("pages.admin_client", client_id=client.client_id),
    }


def _facts(client: Client) -> list[tuple[Any, str]]:
    """What has one value: (label, value)."""
    secrets = [each for each in client.secrets if each.is_valid_at(request_time())]
    newest = max((each.created_at for each in secrets), default=0)
    pairs = [
        (_("Client ID"), client.client_id),
        (_("Authentication"), client.token_endpoint_auth_method),
        (_("Registered on"), shown_date(client.created_at or None)),
        (_("Newest secret"), shown_date(newest or None)),
        (_("Home page"), client.client_uri),
    ]
    return [(label, value) for label, value in pairs if value]


def _lists(client: Client) -> list[tuple[Any, tuple[str, ...]]]:
    """What may have several values: (label, values)."""
    lists = [
        (_("Redirect URIs"), client.redirect_uris),
        (_("Where sign-out returns to"), client.post_logout_redirect_uris),
        (_("Web origins"), tuple(sorted(client.origins()))),
        (_("Grant types"), client.grant_types),
        (_("Scopes"), client.scope),
        (_("APIs that it calls"), client.audience),
        (_("APIs that it is"), client.serves),
        (_("Providers"), client.upstreams),
    ]
    return [(label, values) for label, values in lists if values]


def _files(client: Client) -> tuple[list[dict[str, str]], bool]:
    """The finished files, and whether a value of the client cannot stand in them."""
    server = current_server()
    try:
        snippets = snippets_of(client, server.store.apis.all(), server.issuer)
    except Unwritable:
        return [], True
    return [{"path": each.path, "content": each.content} for each in snippets], False
