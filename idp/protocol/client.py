"""What a client is: its registered metadata (RFC 7591 §2, OpenID Connect Registration §2) and what it may do."""

from dataclasses import dataclass, field
from typing import Any

from idp.protocol.redirect_uri import origin_of


@dataclass(frozen=True, slots=True)
class ClientSecret:
    """A client secret at rest: a SHA-256 hash, or, for client_secret_jwt alone, the encrypted value. `expires_at` 0:
    never."""

    hash: str | None = None
    encrypted: str | None = None
    created_at: int = 0
    expires_at: int = 0

    def is_valid_at(self, now: int) -> bool:
        return self.expires_at == 0 or now < self.expires_at


@dataclass(frozen=True, slots=True)
class Client:
    """A registered client. Names are those of the registries where they exist.

    Lifetimes are seconds; None means the server's default. `audience`: the APIs its tokens are for when it asks for
    none; `serves`: the APIs that it is itself, whose tokens it may introspect. `upstreams`: the connections over which
    people may sign in to it; none named means all. `made_for`: the kind of application, which finds its snippets.
    """

    client_id: str
    client_name: str = ""
    client_uri: str | None = None
    logo_uri: str | None = None
    policy_uri: str | None = None
    tos_uri: str | None = None
    redirect_uris: tuple[str, ...] = ()
    post_logout_redirect_uris: tuple[str, ...] = ()
    token_endpoint_auth_method: str = "client_secret_basic"
    token_endpoint_auth_signing_alg: str | None = None
    jwks: dict[str, Any] | None = None
    jwks_uri: str | None = None
    grant_types: tuple[str, ...] = ("authorization_code", "refresh_token")
    response_types: tuple[str, ...] = ("code",)
    scope: tuple[str, ...] = ("openid", "profile", "email", "address", "phone", "offline_access")
    id_token_signed_response_alg: str = "RS256"
    userinfo_signed_response_alg: str | None = None
    default_max_age: int | None = None
    require_auth_time: bool = False
    # Ours
    first_party: bool = False
    require_pkce: bool | None = None
    require_second_factor: bool = False
    claims_in_id_token: bool = False
    always_issue_refresh_token: bool = False
    rotate_refresh_tokens: bool = True
    audience: tuple[str, ...] = ()
    serves: tuple[str, ...] = ()
    web_origins: tuple[str, ...] = ()
    upstreams: tuple[str, ...] = ()
    access_token_lifetime: int | None = None
    id_token_lifetime: int | None = None
    refresh_token_lifetime: int | None = None
    refresh_token_idle_lifetime: int | None = None
    made_for: str | None = None
    disabled: bool = False
    created_at: int = 0
    secrets: tuple[ClientSecret, ...] = field(default=(), repr=False)

    @property
    def is_public(self) -> bool:
        """RFC 6749 §2.1: a client that cannot keep a secret, and so does not authenticate."""
        return self.token_endpoint_auth_method == "none"

    @property
    def name(self) -> str:
        return self.client_name or self.client_id

    @property
    def rotates(self) -> bool:
        """RFC 9700 §4.14.2: public clients always rotate their refresh tokens."""
        return self.is_public or self.rotate_refresh_tokens

    def allows_upstream(self, name: str | None) -> bool:
        """Whether somebody who signed in over this connection (None: here, by password) may go on to this client."""
        return name is None or not self.upstreams or name in self.upstreams

    def requires_pkce(self, server_policy: str) -> bool:
        """RFC 9700 §2.1.1: public clients always; confidential ones by the client's own setting, else the server's."""
        if self.is_public:
            return True
        return server_policy == "all" if self.require_pkce is None else self.require_pkce

    def origins(self) -> frozenset[str]:
        """The web origins that may call us from a browser: those registered, else those of the redirect URIs."""
        if self.web_origins:
            return frozenset(self.web_origins)
        return frozenset(origin for uri in self.redirect_uris if (origin := origin_of(uri)))
