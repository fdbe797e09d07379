"""What a client presented to authenticate: read from header and form, at most one kind at a time (RFC 6749 §2.3)."""

import base64
import binascii
from dataclasses import dataclass, field
from urllib.parse import unquote_plus

from idp.jose import jws
from idp.protocol.errors import InvalidClient, InvalidRequest
from idp.protocol.params import Params, is_clean

ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
MAX_CREDENTIAL_LENGTH = 16_384
_KINDS = {
    "none": ("none",),
    "client_secret_basic": ("client_secret_basic",),
    "client_secret_post": ("client_secret_post",),
    "assertion": ("client_secret_jwt", "private_key_jwt"),
}


@dataclass(frozen=True, slots=True)
class Presented:
    """`kind` is a key of _KINDS; `credential` the secret or the assertion, absent for `none`."""

    kind: str
    client_id: str
    endpoint: str
    credential: str = field(default="", repr=False)

    @property
    def is_basic(self) -> bool:
        return self.kind == "client_secret_basic"

    def allows_method(self, method: str) -> bool:
        return method in _KINDS[self.kind]

    def refusal(self, detail: str) -> InvalidClient:
        """The one answer to every failed authentication; `detail` is for the log."""
        return InvalidClient("Client authentication failed.", detail=detail, basic_was_tried=self.is_basic)


def read_presented(form: Params, authorization: str | None, endpoint: str) -> Presented:
    """RFC 6749 §2.3: a client must not use more than one method in a request."""
    basic = _read_basic(authorization)
    assertion, secret = form.get("client_assertion"), form.get("client_secret")
    if sum(value is not None for value in (basic, assertion, secret)) > 1:
        raise InvalidRequest("Only one client authentication method may be used at a time.")
    if basic is not None:
        presented = Presented("client_secret_basic", basic[0], endpoint, basic[1])
    elif assertion is not None:
        presented = _read_assertion(form, assertion, endpoint)
    elif secret is not None:
        presented = Presented("client_secret_post", form.get("client_id", ""), endpoint, secret)
    else:
        presented = Presented("none", form.get("client_id", ""), endpoint)
    return _checked(presented, form.get("client_id"))


def _checked(presented: Presented, client_id: str | None) -> Presented:
    if not presented.client_id:
        raise InvalidClient("Client authentication is required.", basic_was_tried=presented.is_basic)
    if client_id is not None and client_id != presented.client_id:
        raise InvalidRequest("client_id is not that of the client authentication.")
    return presented


def _read_basic(authorization: str | None) -> tuple[str, str] | None:
    """RFC 6749 §2.3.1: id and secret are each form-encoded, then joined by a colon, then Base64."""
    if authorization is None:
        return None
    scheme, _, encoded = authorization.partition(" ")
    if scheme.lower() != "basic":
        return None
    failed = InvalidClient("The Authorization header is not valid.", basic_was_tried=True)
    if len(encoded) > MAX_CREDENTIAL_LENGTH:
        raise failed
    try:
        decoded = base64.b64decode(encoded.strip(), validate=True).decode("utf-8")
        client_id, colon, secret = decoded.partition(":")
        client_id, secret = (unquote_plus(part, errors="strict") for part in (client_id, secret))
    except (binascii.Error, UnicodeDecodeError, ValueError):
        raise failed from None
    if not colon or not is_clean(client_id):
        raise failed
    return client_id, secret


def _read_assertion(form: Params, assertion: str, endpoint: str) -> Presented:
    if form.get("client_assertion_type") != ASSERTION_TYPE:
        raise InvalidRequest(f"client_assertion_type must be {ASSERTION_TYPE}")
    try:
        _, claims = jws.peek(assertion)
    except jws.InvalidToken as error:
        raise InvalidClient("client_assertion is not a JWT.", detail=str(error)) from None
    subject = claims.get("sub")
    return Presented("assertion", subject if isinstance(subject, str) else "", endpoint, assertion)
