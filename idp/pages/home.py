"""The home page: the issuer, where its documents are, and, in development, who can sign in."""

import json
from typing import Any

from flask import Response, url_for

from idp.pages.admin_access import is_admin
from idp.web.current import current_server
from idp.web.pages import account_view, render_page
from idp.web.session_cookie import current_session


def home() -> Response:
    server = current_server()
    _, user = current_session()
    return render_page(
        "home",
        issuer=server.issuer,
        discovery_url=server.endpoint("/.well-known/openid-configuration"),
        jwks_url=server.endpoint("/jwks"),
        playground_url=server.endpoint("/playground") if server.settings.playground_enabled else None,
        is_development=not server.settings.is_production,
        account=account_view(user),
        logout_url=url_for("pages.logout"),
        account_url=url_for("pages.account"),
        keep_url=url_for("pages.keep_account") if user is not None and user.deletes_at is not None else None,
        admin_url=url_for("pages.admin_clients") if is_admin(user) else None,
        demo=_demo(),
    )


def _demo() -> dict[str, Any] | None:
    """The demo person and clients, in development only; without the clients' secrets."""
    settings = current_server().settings
    path = settings.var_dir / "demo.json"
    if settings.is_production or not path.is_file():
        return None
    demo = json.loads(path.read_text(encoding="utf-8"))
    clients = [
        {
            "client_id": client["client_id"],
            "is_public": "client_secret" not in client,
            "redirect_uris": client["redirect_uris"],
        }
        for client in demo["clients"].values()
    ]
    return {"username": demo["username"], "password": demo["password"], "clients": clients}
