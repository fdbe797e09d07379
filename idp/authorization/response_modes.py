"""How an authorization response travels: OAuth 2.0 Multiple Response Type Encoding Practices §2.1, Form Post §2.

Every mode turns (redirect URI, parameters) into a Delivery; `web` renders it. Adding a mode is one function, one line.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from idp.protocol.redirect_uri import with_parameters

Parameters = list[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Delivery:
    """Where the browser goes: by a redirect to `url`, or, with `form_fields`, by posting them there."""

    url: str
    form_fields: Parameters | None = None


def deliver_by_query(redirect_uri: str, params: Parameters) -> Delivery:
    return Delivery(with_parameters(redirect_uri, params))


def deliver_by_fragment(redirect_uri: str, params: Parameters) -> Delivery:
    return Delivery(with_parameters(redirect_uri, params, fragment=True))


def deliver_by_form_post(redirect_uri: str, params: Parameters) -> Delivery:
    return Delivery(redirect_uri, params)


RESPONSE_MODES: Mapping[str, Callable[[str, Parameters], Delivery]] = {
    "query": deliver_by_query,
    "fragment": deliver_by_fragment,
    "form_post": deliver_by_form_post,
}
