"""An API in FastAPI whose callers bring access tokens: scopes, roles, and a WebSocket.

ISSUER=http://localhost:8000 AUDIENCE=https://orders.example.com uvicorn app:app --port 8001
"""

import os
from typing import Annotated

from fastapi import Depends, FastAPI, WebSocket
from fastapi.middleware.cors import CORSMiddleware
from guard import guard, verifier

from idp_verify import Token, requires_authentication, requires_role, requires_scope
from idp_verify.fastapi import accepted_subprotocol, while_valid

app = FastAPI(title="Orders")
app.add_middleware(  # applications in browsers, at exactly these origins: ORIGINS="http://localhost:5173"
    CORSMiddleware,
    allow_origins=os.environ.get("ORIGINS", "").split(),
    allow_methods=["GET", "DELETE"],
    allow_headers=["Authorization"],
    expose_headers=["WWW-Authenticate"],
)

AnyToken = Annotated[Token, Depends(guard())]
Reader = Annotated[Token, Depends(guard(requires_scope("orders.read")))]
Admin = Annotated[Token, Depends(guard(requires_scope("orders.read"), requires_role("Admin")))]
JustSignedIn = Annotated[Token, Depends(guard(requires_authentication(max_age=300)))]


@app.get("/health")
async def health() -> dict[str, str]:
    """Open to everybody."""
    return {"status": "ok"}


@app.get("/me")
async def me(token: AnyToken) -> dict[str, object]:
    """Who is calling, and through which client."""
    return {"subject": token.subject, "client_id": token.client_id, "roles": sorted(token.roles)}


@app.get("/orders")
def orders(token: Reader) -> list[dict[str, str]]:
    """The caller's own: `subject` is the key to store things under."""
    return [{"id": "1", "owner": token.subject}]


@app.get("/admin/orders")
async def all_orders(token: Admin) -> dict[str, str]:
    """For people with the role alone, and only through a client that was granted the scope."""
    return {"seen_by": token.subject}


@app.delete("/me")
async def close_account(token: JustSignedIn) -> dict[str, str]:
    """Only within five minutes of a sign-in; otherwise the answer tells the client to ask for one (RFC 9470)."""
    return {"closed": token.subject}


@app.websocket("/live")
async def live(websocket: WebSocket, token: Reader) -> None:
    """Echoes what it gets, for as long as the token is valid. Then the client connects anew with a fresh one."""
    await websocket.accept(subprotocol=accepted_subprotocol(websocket))
    async with while_valid(websocket, token, verifier):
        await websocket.send_json({"subject": token.subject})
        async for text in websocket.iter_text():
            await websocket.send_json({"echo": text})
