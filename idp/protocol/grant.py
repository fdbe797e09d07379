"""What a person allowed a client once: the root of a code and of every token that comes of it."""

from dataclasses import dataclass, field

from idp.protocol.claims import ClaimsRequest
from idp.protocol.scopes import OFFLINE_ACCESS, OPENID


@dataclass(frozen=True, slots=True)
class Grant:
    """One authorization. `sid` names the browser session it came from, `upstream` the connection to another provider
    that had vouched for the person there; times are seconds since the epoch."""

    id: str
    client_id: str
    user_id: str
    sid: str | None
    scopes: tuple[str, ...]
    resources: tuple[str, ...]
    acr: str
    amr: tuple[str, ...]
    auth_time: int
    created_at: int
    redirect_uri: str
    redirect_uri_sent: bool = True
    code_challenge: str | None = None
    nonce: str | None = None
    claims: ClaimsRequest = field(default_factory=ClaimsRequest)
    upstream: str | None = None

    @property
    def is_openid(self) -> bool:
        return OPENID in self.scopes

    @property
    def is_offline(self) -> bool:
        return OFFLINE_ACCESS in self.scopes
