"""Who may call this API: `token: Annotated[Token, Depends(guard(requires_scope("…")))]` in an endpoint, also of a
WebSocket. It answers 401 without a good token and 403 without the scope, and follows the server's keys by itself."""

import os

from idp_verify import TokenVerifier
from idp_verify.fastapi import Guard

verifier = TokenVerifier(os.environ["ISSUER"], os.environ["AUDIENCE"])
guard = Guard(verifier)
