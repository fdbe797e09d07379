"""`/health`: whether this instance can serve. 200 when the database and the short-lived state answer, 503 otherwise."""

from flask import Response

from idp.web.current import current_server
from idp.web.json import render_json


def health() -> Response:
    store = current_server().store
    parts = {"database": store.database.is_reachable(), "ephemeral": store.ephemeral.is_reachable()}
    healthy = all(parts.values())
    response = render_json(
        {"status": "ok" if healthy else "unavailable"} | {name: "ok" if up else "down" for name, up in parts.items()}
    )
    response.status_code = 200 if healthy else 503
    return response
