"""The server behind the running application, and the time of the running request."""

from typing import TYPE_CHECKING, cast

from flask import current_app, g

from idp.accounts.passwords import Passwords
from idp.server import Server

if TYPE_CHECKING:
    from idp.upstream.upstreams import Upstreams

EXTENSION = "idp"


def current_server() -> Server:
    return cast(Server, current_app.extensions[EXTENSION])


def current_passwords() -> Passwords:
    return cast(Passwords, current_app.extensions["idp.passwords"])


def current_upstreams() -> "Upstreams":
    return cast("Upstreams", current_app.extensions["idp.upstreams"])


def request_time() -> int:
    """Seconds since the epoch: one value for the whole request."""
    if "now" not in g:
        g.now = current_server().clock()
    return cast(int, g.now)
