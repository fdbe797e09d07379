"""The client credentials grant: RFC 6749 §4.4. A service in its own name: no person, no ID token, no refresh token.

The credential is the client's own authentication, which has happened. No row is written for a token: it ends by itself
(`access_token_lifetime`), and one that has got out is revoked by its client (RFC 7009). Which APIs and scopes it is for
is weighed as for a person's token, except that scopes about people mean nothing here.
"""

import structlog

from idp import audit
from idp.grants.token_request import TokenRequest
from idp.protocol.errors import InvalidScope, InvalidTarget, UnauthorizedClient
from idp.protocol.findings import Finding, expect, shown
from idp.protocol.scopes import IDENTITY_SCOPES, Api, check_resources, scopes_of_token
from idp.tokens.authorization import ClientAuthorization

_NO_RESOURCE = "The token would be for no API: send resource, or register the client with one."
_NO_SCOPE = "scope has nothing of these APIs that this client may have; scopes about people do not count here."


def prove(request: TokenRequest) -> ClientAuthorization:
    """RFC 6749 §4.4.2: for confidential clients alone."""
    if request.client.is_public:
        raise UnauthorizedClient("The client_credentials grant is for clients that authenticate.")
    apis = request.server.store.apis.all()
    wanted = _scopes_wanted(request)
    resources = _resources(request, apis, wanted)
    scopes = _scopes(request, apis, wanted, resources)
    _record(request, scopes, resources)
    return ClientAuthorization(scopes, resources)


def _scopes_wanted(request: TokenRequest) -> tuple[str, ...]:
    """Those asked for that the client may have, all when it asks for none (RFC 6749 §3.3); never any about a person."""
    asked = tuple(dict.fromkeys(request.form.words("scope"))) or request.client.scope
    return tuple(word for word in asked if word in request.client.scope and word not in IDENTITY_SCOPES)


def _resources(request: TokenRequest, apis: dict[str, Api], wanted: tuple[str, ...]) -> tuple[str, ...]:
    """RFC 8707 §2: the APIs asked for, else the client's own, else those that these scopes belong to."""
    asked = tuple(dict.fromkeys(request.form.every("resource")))
    by_scope = [name for name, api in apis.items() if api.scopes.keys() & set(request.client.scope)]
    check_resources(asked, {*request.client.audience, *by_scope})
    of_these = tuple(name for name, api in apis.items() if api.scopes.keys() & set(wanted))
    resources = asked or request.client.audience or of_these
    if not resources:
        finding = Finding("resource", expect(sorted(apis)), None, "idp clients update ID --api gives the client one.")
        raise InvalidTarget(_NO_RESOURCE, findings=[finding])
    return resources


def _scopes(
    request: TokenRequest, apis: dict[str, Api], wanted: tuple[str, ...], resources: tuple[str, ...]
) -> tuple[str, ...]:
    every = {scope for api in apis.values() for scope in api.scopes}
    theirs = [apis[name] for name in resources if name in apis]
    scopes = scopes_of_token(wanted, theirs, all_apis_scopes=every)
    if not scopes:
        registered = [word for word in request.client.scope if word not in IDENTITY_SCOPES]
        hint = "Compare: idp apis list (what each API knows) and idp clients show (what the client may have)."
        finding = Finding("scope", expect(registered), shown(request.form.get("scope") or ""), hint)
        raise InvalidScope(_NO_SCOPE, findings=[finding])
    return scopes


def _record(request: TokenRequest, scopes: tuple[str, ...], resources: tuple[str, ...]) -> None:
    """Once a minute for each address and kind of token, in whatever order it was asked for: a service that asks for
    every call fills no table."""
    client_id, address = request.client.client_id, structlog.contextvars.get_contextvars().get("address")
    ids = {"client_id": client_id, "scopes": list(scopes), "resources": list(resources)}
    key = f"{client_id} {address} {' '.join(sorted(scopes))} {' '.join(sorted(resources))}"
    audit.record_once_a_minute(request.server, audit.Event.CLIENT_SIGNED_IN, key, now=request.now, **ids)
