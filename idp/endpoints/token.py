"""The token endpoint: RFC 6749 §3.2. A grant proves, `issue` mints."""

from flask import Response, request

from idp import client_auth
from idp.grants import TokenRequest, prove
from idp.tokens.issue import issue
from idp.web.current import current_server, request_time
from idp.web.forms import read_form
from idp.web.json import render_json


def token() -> Response:
    server, now = current_server(), request_time()
    form = read_form(request)
    client = client_auth.authenticate(
        server, form, request.headers.get("Authorization"), server.endpoint("/token"), now=now
    )
    authorization = prove(TokenRequest(server, form, client, now))
    return render_json(issue(server, authorization, client, now=now))
