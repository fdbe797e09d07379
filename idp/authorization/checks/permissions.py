"""Rules on what this client may do: grant type, PKCE, resources, scopes."""

from idp.authorization.checks.asked import Asked, resources_allowed, scopes_asked
from idp.protocol.errors import UnauthorizedClient
from idp.protocol.findings import Finding
from idp.protocol.pkce import check_challenge
from idp.protocol.scopes import check_resources


def check_grant_is_allowed(asked: Asked) -> None:
    """RFC 6749 §4.1.2.1: the client is registered for the authorization code grant."""
    if "authorization_code" not in asked.client.grant_types:
        registered = ", ".join(asked.client.grant_types)
        hint = "idp clients update --grant-type authorization_code (and every other one that it needs)."
        raise UnauthorizedClient(
            "This client is not registered for the authorization code grant.",
            findings=[Finding("grant_type", ("authorization_code",), f"registered: {registered}", hint)],
        )


def check_pkce(asked: Asked) -> None:
    """RFC 7636 §4.4.1, RFC 9700 §2.1.1: S256 only; public clients must use it, others by policy."""
    check_challenge(
        asked.params.get("code_challenge"),
        asked.params.get("code_challenge_method"),
        required=asked.client.requires_pkce(asked.server.settings.require_pkce),
    )


def check_resources_are_allowed(asked: Asked) -> None:
    """RFC 8707 §2: every resource is known and one this client may use."""
    requested = asked.params.every("resource")
    if requested:
        check_resources(requested, resources_allowed(asked))


def check_scope(asked: Asked) -> None:
    """RFC 6749 §3.3: something must be left to grant."""
    scopes_asked(asked)
