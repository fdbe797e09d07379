"""Accounts that are being deleted, in the tests: housekeeping of a server under test, and the way to the deletion."""

from typing import Any, cast

from idp.accounts.deletion import delete_due
from idp.jose.encryption import SecretBox
from idp.server import Server
from idp.store.users import NewUser
from tests.support.authorize import signed_in
from tests.support.idp_server import TimedServer
from tests.support.relying_party import Browser, Page


def do_deletions(server: TimedServer) -> int:
    """What the server's housekeeping does every few minutes; how many accounts it deleted."""
    settings, absent = server.settings, cast(Any, None)
    box = SecretBox(settings.secret_key, settings.secret_key_previous)
    parts = Server(settings, server.store, keys=absent, secret_box=box, remote_keys=absent, clock=lambda: server.now)
    return delete_due(parts, now=server.now)


def ask_deletion(server: TimedServer, user: NewUser) -> tuple[Browser, Page]:
    """The person signs in and deletes their account; the browser, and the page that says so."""
    browser = signed_in(server, user.username)
    page = browser.page(browser.open("/account/delete").submit("delete-account", understood="1"))
    assert page.id == "message-page", page.text[:300]
    return browser, page
