"""Guards HTTP and WebSocket endpoints of FastAPI, as dependencies: RFC 6750 §3.

    guard = Guard(TokenVerifier("https://id.example.com", "https://api.example.com"))

    @app.get("/orders")
    async def orders(token: Annotated[Token, Depends(guard(requires_scope("orders.read")))]): ...

The API's documentation pages show which endpoints need a token, and take one.
"""

from collections.abc import Sequence

from fastapi.openapi.models import HTTPBearer
from fastapi.security.base import SecurityBase

from idp_verify.rules import Rule
from idp_verify.starlette import SUBPROTOCOL, accepted_subprotocol, while_valid
from idp_verify.starlette import Access as StarletteAccess
from idp_verify.starlette import Guard as StarletteGuard
from idp_verify.verifier import TokenVerifier

__all__ = ["SUBPROTOCOL", "Access", "Guard", "accepted_subprotocol", "while_valid"]


class Access(StarletteAccess, SecurityBase):
    """A dependency whose value is the `Token`; FastAPI finds `model` and `scheme_name` for its OpenAPI document."""

    def __init__(self, verifier: TokenVerifier, rules: Sequence[Rule], realm: str) -> None:
        super().__init__(verifier, rules, realm)
        self.model = HTTPBearer(bearerFormat="JWT", description=f"An access token of {verifier.issuer}")
        self.scheme_name = "access token"


class Guard(StarletteGuard):
    """Makes a dependency for each set of rules: ``Depends(guard(requires_role("Admin")))``."""

    def __call__(self, *rules: Rule) -> Access:
        return Access(self._verifier, rules, self._realm)
