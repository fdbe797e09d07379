"""What a client presented to authenticate: read from header and form, at most one kind at a time (RFC 6749 §2.3)."""

import base64
import binascii
from dataclasses import dataclass, field
from urllib.parse import unquote_plus

from idp.jose import jws
from idp.protocol.errors import InvalidClient, InvalidRequest
from idp.protocol.findings import Finding, measured, shown
from idp.protocol.params import Params, is_clean

ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
MAX_CREDENTIAL_LENGTH = 16_384
_BAD_HEADER = "The Authorization header is not valid: Basic is the Base64 of client_id:secret, both form-encoded."
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

    def refusal(self, detail: str, finding: Finding) -> InvalidClient:
        """The one answer to every failed authentication; `detail` is for the log, the finding for the inspector."""
        return InvalidClient(
            "Client authentication failed: check client_id, and the secret or key.",
            detail=detail,
            findings=[finding],
            basic_was_tried=self.is_basic,
        )


def read_presented(form: Params, authorization: str | None, endpoint: str) -> Presented:
    """RFC 6749 §2.3: a client must not use more than one method in a request."""
    basic = _read_basic(authorization)
    assertion, secret = form.get("client_assertion"), form.get("client_secret")
    if sum(value is not None for value in (basic, assertion, secret)) > 1:
        sent = {"client_secret_basic": basic, "client_secret_post": secret, "client_assertion": assertion}
        received = ", ".join(name for name, value in sent.items() if value is not None)
        hint = "Many libraries send both by default: choose the registered method there."
        raise InvalidRequest(
            "Only one client authentication method may be used at a time.",
            findings=[Finding("client authentication", ("one method",), received, hint)],
        )
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
        hint = (
            "Send the Authorization header (Basic), or client_id in the body. A proxy in between may drop the header."
        )
        raise InvalidClient(
            "Client authentication is required.",
            findings=[Finding("client authentication", ("a client_id",), None, hint)],
            basic_was_tried=presented.is_basic,
        )
    if client_id is not None and client_id != presented.client_id:
        finding = Finding(
            "client_id", (shown(presented.client_id),), shown(client_id), "Leave client_id out, or agree."
        )
        raise InvalidRequest("client_id is not that of the client authentication.", findings=[finding])
    return presented


def _read_basic(authorization: str | None) -> tuple[str, str] | None:
    """RFC 6749 §2.3.1: id and secret are each form-encoded, then joined by a colon, then Base64."""
    if authorization is None:
        return None
    scheme, _, encoded = authorization.partition(" ")
    if scheme.lower() != "basic":
        return None
    hint = "It is: Basic, a space, and the Base64 of client_id:secret, each of the two form-encoded before."
    finding = Finding("client authentication", ("a Basic header",), measured(encoded), hint)
    failed = InvalidClient(_BAD_HEADER, findings=[finding], basic_was_tried=True)
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
        received = shown(form["client_assertion_type"]) if "client_assertion_type" in form else None
        finding = Finding("client_assertion_type", (ASSERTION_TYPE,), received, is_compared=True)
        raise InvalidRequest(f"client_assertion_type must be {ASSERTION_TYPE}", findings=[finding])
    try:
        _, claims = jws.peek(assertion)
    except jws.InvalidToken as error:
        finding = Finding("client_assertion", ("a JWT",), f"{error} {measured(assertion)}")
        raise InvalidClient("client_assertion is not a JWT.", detail=str(error), findings=[finding]) from None
    subject = claims.get("sub")
    return Presented("assertion", subject if isinstance(subject, str) else "", endpoint, assertion)
