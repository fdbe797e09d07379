"""Where the person is sent: the authorization request to a provider (RFC 6749 §4.1.1, Core §3.1.2.1)."""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from idp.protocol.pkce import s256
from idp.upstream.connection import Connection
from idp.upstream.provider import Endpoints
from idp.upstream.state import Pending


@dataclass(frozen=True, slots=True)
class Wishes:
    """What our client and the person wish, as far as a provider can be told: `prompt` is `select_account` or None."""

    login_hint: str | None = None
    ui_locales: str | None = None
    prompt: str | None = None


def new_secrets() -> dict[str, Any]:
    """A nonce and a code_verifier for one sign-in (RFC 7636 §4.1)."""
    return {"nonce": secrets.token_urlsafe(32), "code_verifier": secrets.token_urlsafe(48)}


def make_authorization_url(
    connection: Connection, endpoints: Endpoints, pending: Pending, state: str, wishes: Wishes
) -> str:
    """The whole URL. Nothing in it but the state, the nonce and the challenge is ours to keep, and none is secret."""
    provider = connection.provider
    parameters = {
        "response_type": "code",
        "client_id": connection.settings.client_id,
        "redirect_uri": connection.redirect_uri,
        "scope": " ".join(connection.scopes),
        "state": state,
        **provider.parameters,
        **_hints(connection, wishes),
    }
    if provider.has_id_token:
        parameters["nonce"] = pending.nonce
    if endpoints.takes_pkce:
        parameters |= {"code_challenge": s256(pending.code_verifier), "code_challenge_method": "S256"}
    if pending.demands_fresh_sign_in:
        parameters |= provider.fresh or {}
    return _with_query(endpoints.authorization, parameters)


def _hints(connection: Connection, wishes: Wishes) -> dict[str, str]:
    provider = connection.provider
    language = provider.languages.get(wishes.ui_locales or "", wishes.ui_locales)
    domain = (connection.settings.hosted_domain or "").lower()
    given = {"login_hint": wishes.login_hint, "ui_locales": language, "hosted_domain": domain}
    hints = {provider.hints[name]: value for name, value in given.items() if value and name in provider.hints}
    if wishes.prompt in provider.prompts:
        hints["prompt"] = str(wishes.prompt)
    return hints


def _with_query(url: str, parameters: Mapping[str, str]) -> str:
    """RFC 6749 §3.1: a query of the endpoint's own is kept."""
    parts = urlsplit(url)
    query = urlencode([*parse_qsl(parts.query, keep_blank_values=True), *parameters.items()])
    return urlunsplit(parts._replace(query=query))
