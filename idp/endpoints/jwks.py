"""The key set: RFC 7517 §5. Public members only; `kid` is the RFC 7638 thumbprint."""

import json

from flask import Response

from idp.web.current import current_server, request_time
from idp.web.json import render_document


def jwks() -> Response:
    server = current_server()
    document = json.dumps(server.keys.public_jwks(request_time()), indent=2)
    return render_document(document, max_age=server.settings.jwks_max_age)
