"""What the checks look at, and what a request comes to after scopes and resources are weighed."""

from dataclasses import dataclass

from idp.protocol.client import Client
from idp.protocol.params import Params
from idp.protocol.scopes import OFFLINE_ACCESS, Api, grantable, scopes_of_token
from idp.server import Server


@dataclass(frozen=True, slots=True)
class Asked:
    """The parameters as they came, from a client that is known."""

    server: Server
    client: Client
    params: Params


def resources_asked(asked: Asked) -> tuple[str, ...]:
    """The APIs the tokens are for: those of `resource`, else the client's own, else those its scopes belong to."""
    requested = asked.params.every("resource")
    if requested or asked.client.audience:
        return tuple(dict.fromkeys(requested)) or asked.client.audience
    words = asked.params.words("scope")
    wanted = {word for word in words if word in asked.client.scope}
    return tuple(name for name, api in asked.server.store.apis.all().items() if wanted & api.scopes.keys())


def resources_allowed(asked: Asked) -> frozenset[str]:
    """The client's own APIs, and those of which it may have a scope."""
    apis = asked.server.store.apis.all()
    by_scope = {name for name, api in apis.items() if api.scopes.keys() & set(asked.client.scope)}
    return frozenset(asked.client.audience) | by_scope


def scopes_asked(asked: Asked) -> tuple[str, ...]:
    """The scopes to grant: those the client may have, of these APIs; others are ignored (Core §3.1.2.1)."""
    granted = grantable(asked.params.words("scope"), asked.client.scope)
    apis = asked.server.store.apis.all()
    if apis:
        theirs: list[Api] = [apis[name] for name in resources_asked(asked) if name in apis]
        every = {scope for api in apis.values() for scope in api.scopes}
        granted = grantable(scopes_of_token(granted, theirs, all_apis_scopes=every), asked.client.scope)
    allowed = set(granted) if allows_offline_access(asked) else set(granted) - {OFFLINE_ACCESS}
    return grantable(granted, allowed)


def allows_offline_access(asked: Asked) -> bool:
    """Core §11: with prompt=consent, or for a first-party client, whose operator vouches for it; otherwise ignored."""
    if "refresh_token" not in asked.client.grant_types:
        return False
    return asked.client.first_party or "consent" in asked.params.words("prompt")
