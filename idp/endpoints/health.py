"""`/health`: whether this instance can serve. 200 when the database and the short-lived state answer, 503 otherwise.

`idp doctor` asks here as well, with a probe that only it can make (`web.probe`).
"""

from flask import Response, request

from idp.web.current import current_server, request_time
from idp.web.json import render_json
from idp.web.probe import answer_probe


def health() -> Response:
    server = current_server()
    store = server.store
    parts = {"database": store.database.is_reachable(), "ephemeral": store.ephemeral.is_reachable()}
    healthy = all(parts.values())
    status = {"status": "ok" if healthy else "unavailable"}
    status |= {name: "ok" if up else "down" for name, up in parts.items()}
    if healthy and (seen := answer_probe(server, request.environ, now=request_time())):
        status["probe"] = seen
    response = render_json(status)
    response.status_code = 200 if healthy else 503
    return response
