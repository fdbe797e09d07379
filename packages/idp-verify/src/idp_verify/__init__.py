"""Checks access tokens offline, with the published keys of the server that issued them (RFC 9068 §4).

====================  ==========================================================================================
``verifier``          `TokenVerifier`: the one object that an API makes
``token``             `Token`: what a verified token says
``rules``             what a request needs beyond a valid token: scopes, roles, a recent or a strong sign-in
``errors``            each way to say no: what the caller hears, and the detail for the log
``bearer``            the ``Authorization`` header
``compact``           the strict reading of a JWT
``claims``            the checks of its claims
``algorithms``        which signature algorithms there are
``key_set``           from a JWKS to keys that verify
``remote_keys``       the server's keys, kept fresh: rotation, outages, floods
``fetching``          one GET with limits
``fastapi``           dependencies for FastAPI, HTTP and WebSocket
``starlette``         the same for Starlette alone
``flask``             a decorator for Flask views
``bench``             what a verification costs: ``python -m idp_verify.bench``
====================  ==========================================================================================

It needs cryptography and the standard library. The adapters import their framework, and nothing here imports them.
"""

from idp_verify.errors import (
    InsufficientAuthentication,
    InsufficientRole,
    InsufficientScope,
    InvalidToken,
    KeysUnavailable,
    MissingToken,
    Refusal,
)
from idp_verify.rules import Rule, requires_authentication, requires_role, requires_scope
from idp_verify.token import Token
from idp_verify.verifier import TokenVerifier

__all__ = [
    "InsufficientAuthentication",
    "InsufficientRole",
    "InsufficientScope",
    "InvalidToken",
    "KeysUnavailable",
    "MissingToken",
    "Refusal",
    "Rule",
    "Token",
    "TokenVerifier",
    "requires_authentication",
    "requires_role",
    "requires_scope",
]
