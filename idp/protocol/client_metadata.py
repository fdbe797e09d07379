"""Checks on a client before it is stored, whoever registers it (RFC 7591 §2, OpenID Connect Registration §2)."""

import re
from collections.abc import Collection
from urllib.parse import urlsplit

from idp.protocol.client import Client
from idp.protocol.errors import InvalidClientMetadata
from idp.protocol.names import USER_ID_PREFIX
from idp.protocol.redirect_uri import LOOPBACK_NAMES, check_redirect_uri_registration, origin_of
from idp.protocol.scopes import is_scope_token

_CLIENT_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._~\-]{0,127}")
_PAGES = ("client_uri", "logo_uri", "policy_uri", "tos_uri")
MAX_SIGNED_LIFETIME = 86_400  # retired keys stay published at least so long, so that nothing signed outlives them
_SIGNED = ("access_token_lifetime", "id_token_lifetime")
_LIFETIMES = ("access_token_lifetime", "id_token_lifetime", "refresh_token_lifetime", "refresh_token_idle_lifetime")


def check_client(
    client: Client,
    *,
    auth_methods: Collection[str],
    grant_types: Collection[str],
    signing_algs: Collection[str],
    assertion_algs: Collection[str],
) -> None:
    """RFC 7591 §2: all rules on a client; the collections are what this server supports. Raises with what to change."""
    _check_names(client)
    for uri in (*client.redirect_uris, *client.post_logout_redirect_uris):
        check_redirect_uri_registration(uri)
    _check_grants(client, grant_types)
    _check_authentication(client, auth_methods, assertion_algs)
    _check_algs(client, signing_algs)
    _check_pages(client)
    for name in _LIFETIMES:
        value = getattr(client, name)
        if value is not None and value <= 0:
            raise InvalidClientMetadata(f"{name} must be more than 0 seconds.")
        if value is not None and name in _SIGNED and value > MAX_SIGNED_LIFETIME:
            raise InvalidClientMetadata(f"{name} must be at most {MAX_SIGNED_LIFETIME} seconds (one day).")
    if client.default_max_age is not None and client.default_max_age < 0:
        raise InvalidClientMetadata("default_max_age must be 0 seconds or more.")


def _check_names(client: Client) -> None:
    if not _CLIENT_ID.fullmatch(client.client_id):
        raise InvalidClientMetadata("client_id is 1 to 128 characters: letters, digits and . _ ~ -")
    if client.client_id.startswith(USER_ID_PREFIX):
        raise InvalidClientMetadata("client_id must not begin with u_, which is how the ids of people begin.")
    if len(client.client_name) > 200 or not client.client_name.isprintable():
        raise InvalidClientMetadata("client_name is at most 200 printable characters.")
    for word in client.scope:
        if not is_scope_token(word):
            raise InvalidClientMetadata("scope has characters that RFC 6749 section 3.3 does not allow.")


def _check_grants(client: Client, grant_types: Collection[str]) -> None:
    unknown = [grant for grant in client.grant_types if grant not in grant_types]
    if unknown:
        raise InvalidClientMetadata(f"grant_types: {unknown[0]} is not one of {', '.join(grant_types)}.")
    if "authorization_code" in client.grant_types and not client.redirect_uris:
        raise InvalidClientMetadata("redirect_uris: the authorization code grant needs at least one.")
    if "client_credentials" in client.grant_types and client.is_public:
        raise InvalidClientMetadata("grant_types: client_credentials is for clients that authenticate.")
    if client.response_types != ("code",):
        raise InvalidClientMetadata("response_types: only code is supported.")


def _check_authentication(client: Client, auth_methods: Collection[str], assertion_algs: Collection[str]) -> None:
    method = client.token_endpoint_auth_method
    if method not in auth_methods:
        raise InvalidClientMetadata(f"token_endpoint_auth_method is one of {', '.join(auth_methods)}.")
    if method == "private_key_jwt" and (client.jwks is None) == (client.jwks_uri is None):
        raise InvalidClientMetadata("private_key_jwt needs either jwks or jwks_uri, not both.")
    if method.startswith("client_secret") and not client.secrets:
        raise InvalidClientMetadata(f"{method} needs a client secret.")
    alg = client.token_endpoint_auth_signing_alg
    if alg is not None and alg not in assertion_algs:
        raise InvalidClientMetadata(f"token_endpoint_auth_signing_alg is one of {', '.join(assertion_algs)}.")
    if alg is not None and alg.startswith("HS") != (method == "client_secret_jwt"):
        raise InvalidClientMetadata("token_endpoint_auth_signing_alg does not fit the token_endpoint_auth_method.")


def _check_algs(client: Client, signing_algs: Collection[str]) -> None:
    for name in ("id_token_signed_response_alg", "userinfo_signed_response_alg"):
        alg = getattr(client, name)
        if alg is not None and alg not in signing_algs:
            raise InvalidClientMetadata(f"{name} is one of {', '.join(signing_algs)}.")


def _check_pages(client: Client) -> None:
    """Links that people click and browsers load, and keys we fetch: https, or http on loopback, never javascript:."""
    for name in (*_PAGES, "jwks_uri"):
        uri = getattr(client, name)
        if uri is not None and not _is_web_uri(uri):
            raise InvalidClientMetadata(f"{name} must be an https URL.")
    for origin in client.web_origins:
        if origin_of(origin) != origin or not _is_web_uri(origin):
            raise InvalidClientMetadata("web_origins are origins such as https://app.example.com, without path.")


def _is_web_uri(uri: str) -> bool:
    try:
        parts = urlsplit(uri)
        hostname, username = parts.hostname, parts.username
    except ValueError:
        return False
    secure = parts.scheme == "https" or (parts.scheme == "http" and hostname in LOOPBACK_NAMES)
    return secure and bool(hostname) and username is None and uri.isprintable() and not set(uri) & set(" \"'<>;\\")
