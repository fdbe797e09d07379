"""An API in Flask whose callers bring access tokens: scopes and roles.

ISSUER=http://localhost:8000 AUDIENCE=https://orders.example.com flask run --port 8001
"""

from flask import Flask
from guard import guard

from idp_verify import requires_authentication, requires_role, requires_scope
from idp_verify.flask import current_token

app = Flask(__name__)


@app.get("/health")
def health() -> dict[str, str]:
    """Open to everybody."""
    return {"status": "ok"}


@app.get("/me")
@guard()
def me() -> dict[str, object]:
    """Who is calling, and through which client."""
    token = current_token()
    return {"subject": token.subject, "client_id": token.client_id, "roles": sorted(token.roles)}


@app.get("/orders")
@guard(requires_scope("orders.read"))
def orders() -> list[dict[str, str]]:
    """The caller's own: `subject` is the key to store things under."""
    return [{"id": "1", "owner": current_token().subject}]


@app.get("/admin/orders")
@guard(requires_scope("orders.read"), requires_role("Admin"))
def all_orders() -> dict[str, str]:
    """For people with the role alone, and only through a client that was granted the scope."""
    return {"seen_by": current_token().subject}


@app.delete("/me")
@guard(requires_authentication(max_age=300))
def close_account() -> dict[str, str]:
    """Only within five minutes of a sign-in; otherwise the answer tells the client to ask for one (RFC 9470)."""
    return {"closed": current_token().subject}
