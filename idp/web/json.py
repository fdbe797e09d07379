"""JSON answers of endpoints: never cached unless said otherwise, cacheable documents with an ETag."""

import hashlib
import json
from typing import Any

from flask import Response, request


def render_json(body: dict[str, Any]) -> Response:
    """RFC 6749 §5.1: no-store."""
    response = Response(json.dumps(body, separators=(",", ":")), mimetype="application/json")
    response.headers["Cache-Control"] = "no-store"
    return response


def render_document(document: str, *, max_age: int) -> Response:
    """A public document that others may cache for `max_age` seconds, with a validator (RFC 9110 §8.8.3)."""
    response = Response(document, mimetype="application/json")
    response.headers["Cache-Control"] = f"public, max-age={max_age}"
    response.set_etag(hashlib.sha256(document.encode()).hexdigest()[:32])
    response.make_conditional(request)
    return response
