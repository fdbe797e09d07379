"""Rules on the parameters themselves: RFC 6749 §3.1 and §4.1.1, Core §3.1.2.1 and §6, OAuth 2.0 Multiple Response
Types."""

from idp.authorization.checks.asked import Asked
from idp.authorization.response_modes import RESPONSE_MODES
from idp.protocol.errors import (
    InvalidRequest,
    RegistrationNotSupported,
    RequestNotSupported,
    RequestUriNotSupported,
    UnsupportedResponseType,
)
from idp.protocol.findings import Finding, shown

RESPONSE_TYPES = ("code",)


def check_well_formed(asked: Asked) -> None:
    """RFC 6749 §3.1: no parameter more than once; no control characters."""
    asked.params.check_well_formed()


def check_no_request_object(asked: Asked) -> None:
    """Core §6: request objects are refused with their own error codes."""
    if "request" in asked.params:
        raise RequestNotSupported("The request parameter is not supported.")
    if "request_uri" in asked.params:
        raise RequestUriNotSupported("The request_uri parameter is not supported.")


def check_no_registration(asked: Asked) -> None:
    """Core §7.2.1: the registration parameter of self-issued providers."""
    if "registration" in asked.params:
        raise RegistrationNotSupported("The registration parameter is not supported.")


def check_response_type(asked: Asked) -> None:
    """RFC 6749 §3.1.1; RFC 9700 §2.1.2: code only."""
    if "response_type" not in asked.params:
        raise InvalidRequest("response_type is missing; use response_type=code.")
    if asked.params["response_type"] not in RESPONSE_TYPES:
        received = shown(asked.params["response_type"])
        hint = "This server knows the authorization code flow alone: switch the library to it, with PKCE."
        raise UnsupportedResponseType(
            "response_type must be code.", findings=[Finding("response_type", RESPONSE_TYPES, received, hint)]
        )


def check_response_mode(asked: Asked) -> None:
    """OAuth 2.0 Multiple Response Type Encoding Practices §2.1."""
    mode = asked.params.get("response_mode", "query")
    if mode not in RESPONSE_MODES:
        finding = Finding("response_mode", tuple(RESPONSE_MODES), shown(mode), "Leave it out, or send one of these.")
        raise InvalidRequest(f"response_mode must be one of: {', '.join(RESPONSE_MODES)}.", findings=[finding])
