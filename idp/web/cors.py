"""Cross-origin requests from browsers: only on endpoints for machines, only for origins that clients have registered.

Never a wildcard, never credentials; errors carry the headers too, else a browser reports a network error (Fetch §3.2).
"""

from flask import Blueprint, Response, request

from idp.web.inspector import NOT_FOR_PAGES, is_registered_origin, note_foreign_origin

MAX_AGE_SECONDS = 600
_ALLOWED_HEADERS = "Authorization, Content-Type, DPoP"
_EXPOSED_HEADERS = "WWW-Authenticate, X-Request-Id, Retry-After"


def register_cors(blueprint: Blueprint) -> None:
    @blueprint.before_request
    def _preflight() -> Response | None:
        is_preflight = request.method == "OPTIONS" and "Access-Control-Request-Method" in request.headers
        return Response(status=204) if is_preflight else None

    blueprint.after_request(allow_origin)


def allow_origin(response: Response) -> Response:
    """Say that the page which asked may read this answer, when its origin is registered."""
    if request.path in NOT_FOR_PAGES:
        return response
    response.headers.add("Vary", "Origin")
    origin = request.headers.get("Origin")
    if origin is None:
        return response
    if not is_registered_origin(origin):
        note_foreign_origin()
        return response
    response.headers["Access-Control-Allow-Origin"] = origin
    if request.method == "OPTIONS":
        response.headers["Access-Control-Allow-Methods"] = "GET, POST, OPTIONS"
        response.headers["Access-Control-Allow-Headers"] = _ALLOWED_HEADERS
        response.headers["Access-Control-Max-Age"] = str(MAX_AGE_SECONDS)
    else:
        response.headers["Access-Control-Expose-Headers"] = _EXPOSED_HEADERS
        response.headers["Cross-Origin-Resource-Policy"] = "cross-origin"
    return response
