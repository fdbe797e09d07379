"""JSON answers of endpoints: never cached unless said otherwise, cacheable documents with an ETag."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from flask import Response, request

_to_json = json.JSONEncoder(separators=(",", ":")).encode  # made once: json.dumps would make one for each answer


def render_json(body: dict[str, Any]) -> Response:
    """RFC 6749 §5.1: no-store."""
    response = Response(_to_json(body), mimetype="application/json")
    response.headers["Cache-Control"] = "no-store"
    return response


@dataclass(frozen=True, slots=True)
class Document:
    """A public document as bytes, with its validator (RFC 9110 §8.8.3): made once for many answers."""

    body: bytes
    etag: str


def prepare_document(content: Mapping[str, Any]) -> Document:
    body = json.dumps(content, indent=2).encode()
    return Document(body, hashlib.sha256(body).hexdigest()[:32])


def render_document(document: Document, *, max_age: int) -> Response:
    """A document that others may cache for `max_age` seconds; 304 for those who have it (RFC 9110 §13.1.2)."""
    response = Response(document.body, mimetype="application/json")
    response.headers["Cache-Control"] = f"public, max-age={max_age}"
    response.set_etag(document.etag)
    if "If-None-Match" in request.headers:
        response.make_conditional(request)
    return response
