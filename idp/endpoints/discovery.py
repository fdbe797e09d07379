"""Discovery: OpenID Connect Discovery §3, RFC 8414 §2, RFC 9207 §3. Computed from the tables, so it cannot lie.

Both addresses answer the same document, which is made anew when keys or APIs change.
"""

from functools import lru_cache
from typing import Any

from flask import Response

from idp.authorization.checks.authentication import supported_acr_values, supported_prompts
from idp.authorization.checks.parameters import RESPONSE_TYPES
from idp.authorization.response_modes import RESPONSE_MODES
from idp.client_auth import METHODS
from idp.client_auth.jwt_assertion import ASSERTION_ALGS
from idp.grants import GRANTS
from idp.protocol.claims import ID_TOKEN_CLAIMS, USER_CLAIMS
from idp.protocol.names import DISPLAY_VALUES, UI_LOCALES
from idp.protocol.pkce import METHODS as PKCE_METHODS
from idp.protocol.scopes import IDENTITY_SCOPES
from idp.server import Server
from idp.web.current import current_server
from idp.web.json import Document, prepare_document, render_document

MAX_AGE_SECONDS = 300


def openid_configuration() -> Response:
    server = current_server()
    return render_document(_document(server, server.keys.algs, _scopes(server)), max_age=MAX_AGE_SECONDS)


oauth_authorization_server = openid_configuration


@lru_cache(maxsize=8)
def _document(server: Server, algs: tuple[str, ...], scopes: tuple[str, ...]) -> Document:
    return prepare_document(metadata(server, algs, scopes))


def metadata(server: Server, algs: tuple[str, ...], scopes: tuple[str, ...]) -> dict[str, Any]:
    """The metadata document of this deployment, with these signing algorithms and scopes."""
    authenticating = [method for method in METHODS if method != "none"]
    return {
        "issuer": server.issuer,
        "authorization_endpoint": server.endpoint("/authorize"),
        "token_endpoint": server.endpoint("/token"),
        "userinfo_endpoint": server.endpoint("/userinfo"),
        "jwks_uri": server.endpoint("/jwks"),
        "introspection_endpoint": server.endpoint("/introspect"),
        "revocation_endpoint": server.endpoint("/revoke"),
        "end_session_endpoint": server.endpoint("/logout"),
        "scopes_supported": list(scopes),
        "response_types_supported": list(RESPONSE_TYPES),
        "response_modes_supported": list(RESPONSE_MODES),
        "grant_types_supported": list(GRANTS),
        "code_challenge_methods_supported": list(PKCE_METHODS),
        "authorization_response_iss_parameter_supported": True,
        "subject_types_supported": ["public"],
        "acr_values_supported": list(supported_acr_values(server.settings)),
        "display_values_supported": list(DISPLAY_VALUES),
        "prompt_values_supported": list(supported_prompts(server.settings)),
        "ui_locales_supported": list(UI_LOCALES),
        "id_token_signing_alg_values_supported": list(algs),
        "userinfo_signing_alg_values_supported": list(algs),
        "token_endpoint_auth_methods_supported": list(METHODS),
        "token_endpoint_auth_signing_alg_values_supported": list(ASSERTION_ALGS),
        "introspection_endpoint_auth_methods_supported": authenticating,
        "introspection_endpoint_auth_signing_alg_values_supported": list(ASSERTION_ALGS),
        "revocation_endpoint_auth_methods_supported": list(METHODS),
        "revocation_endpoint_auth_signing_alg_values_supported": list(ASSERTION_ALGS),
        "claim_types_supported": ["normal"],
        "claims_supported": sorted({*USER_CLAIMS, *ID_TOKEN_CLAIMS}),
        "claims_parameter_supported": True,
        "request_parameter_supported": False,
        "request_uri_parameter_supported": False,
        "require_request_uri_registration": False,
    }


def _scopes(server: Server) -> tuple[str, ...]:
    """The identity scopes, and those of the APIs."""
    theirs = (scope for api in server.store.apis.all().values() for scope in api.scopes)
    return tuple(dict.fromkeys((*IDENTITY_SCOPES, *theirs)))
