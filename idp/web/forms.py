"""Reading parameters from query or body, strictly (RFC 6749 §3.1, §3.2): UTF-8, form-encoded, bounded."""

from urllib.parse import parse_qsl

from flask import Request
from werkzeug.exceptions import RequestEntityTooLarge

from idp.protocol.errors import InvalidRequest
from idp.protocol.params import Params

FORM_TYPE = "application/x-www-form-urlencoded"
MAX_FIELDS = 100
REPEATABLE = frozenset({"resource"})


def read_query(request: Request) -> Params:
    return _parse(request.query_string, "query")


def read_body(request: Request) -> Params:
    """The body's parameters; a body of another content type is refused."""
    if request.mimetype != FORM_TYPE:
        raise InvalidRequest(f"The request body must be {FORM_TYPE}.")
    body = request.get_data(cache=True)
    if request.content_length is None and len(body) >= (request.max_content_length or 0):
        raise RequestEntityTooLarge  # a body sent in chunks is cut at the limit without a word
    return _parse(body, "body")


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
