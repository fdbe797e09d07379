"""Which other providers a page offers, and what it shows of them."""

from dataclasses import dataclass
from typing import Any

from flask import url_for

from idp.authorization.request import AuthorizationRequest
from idp.protocol.names import ACR_FEDERATED, ACR_TWO_FACTORS, UPSTREAM_HINTS
from idp.upstream.connection import Connection
from idp.web.current import current_upstreams
from idp.web.interactions import Waiting
from idp.web.security_headers import allow_upstream_target


@dataclass(frozen=True, slots=True)
class Offer:
    """`unproven`: the labels of providers left out because they cannot confirm anew who somebody is."""

    connections: tuple[Connection, ...]
    unproven: tuple[str, ...] = ()


def offer_for(waiting: Waiting | None) -> Offer:
    """The connections that may answer this request. Lets the page's forms end there."""
    every = tuple(current_upstreams().connections.values())
    if waiting is None:
        return _allowed(Offer(every))
    request = waiting.request
    if request.essential_acr and request.essential_acr.isdisjoint({ACR_FEDERATED, ACR_TWO_FACTORS}):
        return Offer(())
    allowed = [each for each in every if request.client.allows_upstream(each.name)]
    if not demands_fresh_sign_in(request):
        return _allowed(Offer(tuple(allowed)))
    return _allowed(
        Offer(
            tuple(each for each in allowed if each.can_prove_fresh_sign_in),
            tuple(each.label for each in allowed if not each.can_prove_fresh_sign_in),
        )
    )


def demands_fresh_sign_in(request: AuthorizationRequest) -> bool:
    """Core §3.1.2.1: prompt=login and max_age want to know when the person proved themselves."""
    return "login" in request.prompt or request.max_age is not None


def find_hinted(waiting: Waiting, offer: Offer) -> Connection | None:
    """The provider that the client sends people straight to; a hint that fits nothing is passed over."""
    hint = next((waiting.request.params[name] for name in UPSTREAM_HINTS if name in waiting.request.params), None)
    return next((each for each in offer.connections if each.name == hint), None)


def allow_hinted_provider(waiting: Waiting) -> None:
    """Let the forms of this page end at the hinted provider, because "use another account" leads straight there."""
    offer_for(waiting)


def provider_view(connection: Connection) -> dict[str, Any]:
    return {
        "name": connection.name,
        "label": connection.label,
        "kind": connection.provider.kind,
        "action": url_for("pages.upstream_start", name=connection.name),
    }


def _allowed(offer: Offer) -> Offer:
    for connection in offer.connections:
        allow_upstream_target(connection.settings.sandbox_url)
    return offer
