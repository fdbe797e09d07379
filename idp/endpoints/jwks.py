"""The key set: RFC 7517 §5. Public members only; `kid` is the RFC 7638 thumbprint."""

from functools import lru_cache

from flask import Response

from idp.web.current import current_server, request_time
from idp.web.json import Document, prepare_document, render_document

Members = tuple[tuple[str, str], ...]


def jwks() -> Response:
    server = current_server()
    published = server.keys.public_jwks(request_time())["keys"]
    document = _document(tuple(tuple(key.items()) for key in published))
    return render_document(document, max_age=server.settings.jwks_max_age)


@lru_cache(maxsize=8)
def _document(keys: tuple[Members, ...]) -> Document:
    return prepare_document({"keys": [dict(members) for members in keys]})
