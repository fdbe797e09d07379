"""What a provider is: its addresses, its scopes, its ways, and how its profile becomes an Identity.

A provider with quirks is one module that makes one `Provider`, and one line in PROVIDERS.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from idp.protocol.identity import Identity
from idp.settings import UpstreamSettings

if TYPE_CHECKING:
    from idp.upstream.connection import Connection


@dataclass(frozen=True, slots=True)
class Endpoints:
    """Where a provider answers. `issuer` is what `iss` must be, in the ID token and in the answer itself (RFC 9207);
    None where the provider has no such name, and then an answer that brings one is refused."""

    authorization: str
    token: str
    userinfo: str | None = None
    jwks_uri: str | None = None
    issuer: str | None = None
    algs: tuple[str, ...] = ("RS256",)
    sends_iss: bool = False
    """RFC 9207 §2.3: whether every authorization response says who it is from."""
    client_auth: str = "client_secret_post"
    takes_pkce: bool = True


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back for one sign-in: the token response, the verified claims of its ID token (empty without one), what
    the callback itself carried, and `fetch(url, query)`, which asks an API of the provider with the access token."""

    connection: "Connection"
    tokens: Mapping[str, Any]
    claims: Mapping[str, Any]
    callback: Mapping[str, str]
    fetch: Callable[..., Any]
    endpoints: Endpoints


@dataclass(frozen=True, slots=True)
class Provider:
    """One kind of provider.

    `endpoints`: from the settings, because a tenant may stand in them; None where discovery says them. `required`:
    settings that a connection of this kind needs beside its client_id. `check_settings` raises ValueError with a
    sentence. `allows_issuer(expected, claims)`: for issuers that name a tenant. `hints`: our name of a wish
    (login_hint, ui_locales, hosted_domain) → its parameter. `languages`: a language → its spelling, where that is
    another. `prompts`: the values of `prompt` that it understands as we do. `fresh`: the parameters that make it ask
    the person to prove themselves again, with the time of that in the ID token; None where it cannot, or does not tell.
    `make_secret`: for a client secret that is minted when needed.
    """

    kind: str
    label: str
    scopes: tuple[str, ...]
    endpoints: Callable[[UpstreamSettings], Endpoints] | None
    to_identity: Callable[[Answer], Identity]
    required: tuple[str, ...] = ("client_secret",)
    check_settings: Callable[[UpstreamSettings], None] = lambda _settings: None
    allows_issuer: Callable[[str, Mapping[str, Any]], bool] = lambda expected, claims: claims.get("iss") == expected
    has_id_token: bool = True
    parameters: Mapping[str, str] = field(default_factory=dict)
    hints: Mapping[str, str] = field(default_factory=dict)
    languages: Mapping[str, str] = field(default_factory=dict)
    prompts: frozenset[str] = frozenset()
    fresh: Mapping[str, str] | None = None
    make_secret: Callable[[UpstreamSettings, int], str] | None = None
    console: str = ""
    """Where its clients are registered, for `idp doctor upstream`."""
