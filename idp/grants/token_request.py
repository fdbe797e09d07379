"""A token request whose client is authenticated, and the rules that all grant types share."""

from dataclasses import dataclass

from idp.protocol.client import Client
from idp.protocol.errors import InvalidGrant, InvalidRequest, InvalidScope, InvalidTarget
from idp.protocol.findings import Finding, expect, shown, shown_uri
from idp.protocol.grant import Grant
from idp.protocol.params import Params
from idp.protocol.scopes import IDENTITY_SCOPES, scopes_of_token
from idp.server import Server


@dataclass(frozen=True, slots=True)
class TokenRequest:
    """`client` has been authenticated; `now` is the time of the request, in seconds since the epoch."""

    server: Server
    form: Params
    client: Client
    now: int

    def required(self, name: str) -> str:
        if name not in self.form:
            raise InvalidRequest(f"{name} is missing.")
        return self.form[name]


def check_belongs_to_client(request: TokenRequest, grant: Grant, what: str) -> None:
    """RFC 6749 §5.2: a credential issued to another client is invalid_grant; it is not consumed, nor revoked."""
    if grant.client_id != request.client.client_id:
        hint = "Are two clients mixed up in the configuration, or two environments?"
        mine, theirs = request.client.client_id, grant.client_id
        finding = Finding(what, (f"one of {mine}",), f"one of {theirs}", hint, is_compared=True)
        raise InvalidGrant(
            f"The {what} is not valid; sign in again.", detail=f"it belongs to {theirs}", findings=[finding]
        )


def resources_of(request: TokenRequest, grant: Grant) -> tuple[str, ...]:
    """RFC 8707 §2.2: the token may be for a part of the resources granted; without `resource`, for all of them.

    APIs that an operator has removed since are not among them any more.
    """
    wanted = tuple(dict.fromkeys(request.form.every("resource")))
    apis = request.server.store.apis.all()
    granted = tuple(name for name in grant.resources if name in apis or name in request.client.audience)
    foreign = [resource for resource in wanted if resource not in granted]
    if foreign:
        finding = Finding("resource", expect(granted), shown_uri(foreign[0], granted), is_compared=True)
        raise InvalidTarget("resource is not one that was granted.", findings=[finding])
    return wanted or granted


def scopes_for(
    request: TokenRequest, grant: Grant, scopes: tuple[str, ...], resources: tuple[str, ...]
) -> tuple[str, ...]:
    """Of these scopes, those that mean something to these APIs (RFC 8707 §2.2) and that the client may still have.

    When an API of the grant has been removed, nobody knows any more which scopes were its own: all that belong to no
    API go with it.
    """
    apis = request.server.store.apis.all()
    scopes = tuple(scope for scope in scopes if scope in request.client.scope)
    every = {scope for api in apis.values() for scope in api.scopes}
    if any(name not in apis and name not in request.client.audience for name in grant.resources):
        scopes = tuple(scope for scope in scopes if scope in every or scope in IDENTITY_SCOPES)
    theirs = scopes_of_token(scopes, [apis[name] for name in resources if name in apis], all_apis_scopes=every)
    if not theirs:
        hint = "Compare: idp apis list (what each API knows) and idp clients show (what the client may have)."
        finding = Finding("scope", (f"scopes of {', '.join(map(shown_uri, resources)) or 'no API'}",),
                          shown(" ".join(grant.scopes)), hint)  # fmt: skip
        raise InvalidScope(
            "None of these scopes means anything to the resources that the token is for.", findings=[finding]
        )
    return theirs
