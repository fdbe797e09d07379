"""Client authentication: RFC 6749 §2.3, OpenID Connect Core §9, RFC 7523.

Exactly one method, the registered one. Owns the table METHODS, from which discovery is computed. Adding a method is one
module and one line here.
"""

from collections.abc import Callable, Mapping

from idp import audit
from idp.client_auth import client_secret, jwt_assertion, public
from idp.client_auth.presented import Presented, read_presented
from idp.protocol.client import Client
from idp.protocol.errors import InvalidClient
from idp.protocol.findings import Finding, shown
from idp.protocol.params import Params
from idp.server import Server

Method = Callable[[Server, Client, Presented, int], None]

METHODS: Mapping[str, Method] = {
    "none": public.check,
    "client_secret_basic": client_secret.check,
    "client_secret_post": client_secret.check,
    "client_secret_jwt": jwt_assertion.check_client_secret_jwt,
    "private_key_jwt": jwt_assertion.check_private_key_jwt,
}


def authenticate(server: Server, form: Params, authorization: str | None, endpoint: str, *, now: int) -> Client:
    """The client that sent this request, proved by its registered method.

    `authorization` is the Authorization header, `endpoint` our public URL that was called. Raises InvalidRequest when
    two methods come at once, InvalidClient for all else, and the same words for an
    unknown client and a wrong credential. Only a known client that uses another method than its own is told which one.
    """
    presented = read_presented(form, authorization, endpoint)
    client = server.store.clients.find(presented.client_id)
    if client is None or client.disabled:
        reason = "unknown client" if client is None else "disabled client"
        named = shown(presented.client_id)
        raise presented.refusal(f"{reason} {named!r}", _unknown(server, presented, client))
    method = client.token_endpoint_auth_method
    if not presented.allows_method(method):
        raise InvalidClient(
            f"Client authentication failed: this client is registered for {method}.",
            detail=f"{client.client_id} used {presented.kind}",
            findings=[_other_method(presented, method)],
            basic_was_tried=presented.is_basic,
        )
    try:
        METHODS[method](server, client, presented, now)
    except InvalidClient as error:
        event, ids = audit.Event.CLIENT_AUTHENTICATION_FAILED, {"client_id": client.client_id}
        audit.record_once_a_minute(server, event, client.client_id, now=now, **ids, why=error.detail)
        raise
    return client


def _unknown(server: Server, presented: Presented, client: Client | None) -> Finding:
    """What is said of a client that cannot be found; other ids are named in development alone."""
    if client is not None:
        return Finding("client_id", ("an active client",), "disabled", "idp clients update --enable")
    near = () if server.settings.is_production else server.store.clients.nearest(presented.client_id)
    hint = "Compare it with: idp clients list. Is this the server, and the database, that the client was added to?"
    return Finding("client_id", near, shown(presented.client_id), hint, is_compared=True)


def _other_method(presented: Presented, registered: str) -> Finding:
    """The client proved itself in another way than it is registered for."""
    hint = f"Set the library to {registered}, or register what it does: idp clients update --auth-method."
    if presented.kind == "none":
        hint = "Nothing but a client_id came: is the secret (or the key) set where the client runs? " + hint
    return Finding("client authentication method", (registered,), presented.kind, hint)
