"""Reading parameters from query or body, strictly (RFC 6749 §3.1, §3.2): UTF-8, form-encoded, bounded."""

from urllib.parse import parse_qsl

from flask import Flask, Request
from flask import request as current_request
from werkzeug.exceptions import MethodNotAllowed, RequestEntityTooLarge

from idp.protocol.errors import InvalidRequest
from idp.protocol.findings import Finding, shown
from idp.protocol.params import Params

FORM_TYPE = "application/x-www-form-urlencoded"
MAX_FIELDS = 100
REPEATABLE = frozenset({"resource"})


def register_body_limit(app: Flask) -> None:
    """A body sent in chunks would be cut at the limit without a word: here it is 413, as an announced one is."""

    @app.before_request
    def _check_chunked() -> None:
        if "HTTP_TRANSFER_ENCODING" not in current_request.environ:
            return
        if len(current_request.get_data(cache=True)) >= app.config["MAX_CONTENT_LENGTH"]:
            raise RequestEntityTooLarge


def check_not_head(request: Request) -> None:
    """RFC 9110 §9.3.2: a HEAD changes nothing, so it is refused where a GET does. Raises MethodNotAllowed."""
    if request.method == "HEAD":
        raise MethodNotAllowed(["GET", "POST"])


def read_query(request: Request) -> Params:
    return _parse(request.query_string, "query")


def read_body(request: Request) -> Params:
    """The body's parameters; a body of another content type is refused."""
    if request.mimetype != FORM_TYPE:
        raise InvalidRequest(f"The request body must be {FORM_TYPE}.", findings=[_explain_type(request.mimetype)])
    return _parse(request.get_data(cache=True), "body")


def _explain_type(received: str) -> Finding:
    hint = "Send the parameters form-encoded, not as JSON or multipart, with this Content-Type."
    return Finding("Content-Type", (FORM_TYPE,), shown(received) or "none", hint)


def read_form(request: Request) -> Params:
    """RFC 6749 §3.2: body only, nothing twice."""
    form = read_body(request)
    form.check_well_formed()
    return form


def _parse(raw: bytes, where: str) -> Params:
    try:
        text = raw.decode("utf-8")
        pairs = parse_qsl(text, keep_blank_values=True, errors="strict", max_num_fields=MAX_FIELDS)
    except ValueError:
        raise InvalidRequest(f"The request {where} is not form-encoded UTF-8, or has too many parameters.") from None
    return Params(pairs, repeatable=REPEATABLE)
