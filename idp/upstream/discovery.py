"""The metadata of providers that publish it (OpenID Connect Discovery 1.0 §4): fetched when needed, kept for an hour.

One thread fetches; a provider that is down is not asked again for ten seconds, and the copy there is stands in.
"""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from idp.jose.algorithms import CLIENT_KEY
from idp.outbound import OutboundFetcher
from idp.upstream.calls import get_json
from idp.upstream.errors import Unavailable, Untrustworthy, UpstreamFailed
from idp.upstream.provider import Endpoints

TTL_SECONDS = 3600.0
FLOOR_SECONDS = 10.0


@dataclass
class _Copy:
    fetching: threading.Lock = field(default_factory=threading.Lock)
    endpoints: Endpoints | None = None
    fetched_at: float = 0.0
    failed_at: float | None = None


class Discovery:
    def __init__(self, fetcher: OutboundFetcher, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._fetcher, self._monotonic = fetcher, monotonic
        self._copies: dict[str, _Copy] = {}
        self._lock = threading.Lock()

    def load(self, issuer: str) -> Endpoints:
        """The endpoints of this issuer. Raises Unavailable or Untrustworthy."""
        with self._lock:
            copy = self._copies.setdefault(issuer, _Copy())
        if copy.endpoints is not None and self._monotonic() - copy.fetched_at < TTL_SECONDS:
            return copy.endpoints
        with copy.fetching:
            self._renew(copy, issuer)
        if copy.endpoints is None:
            raise Unavailable("its metadata could not be had a moment ago")
        return copy.endpoints

    def _renew(self, copy: _Copy, issuer: str) -> None:
        now = self._monotonic()
        if copy.endpoints is not None and now - copy.fetched_at < TTL_SECONDS:
            return  # another thread has just done it
        if copy.failed_at is not None and now - copy.failed_at < FLOOR_SECONDS:
            return
        try:
            url = issuer.rstrip("/") + "/.well-known/openid-configuration"
            copy.endpoints = read_metadata(get_json(self._fetcher, url), issuer)
            copy.fetched_at, copy.failed_at = self._monotonic(), None
        except UpstreamFailed:
            copy.failed_at = self._monotonic()
            if copy.endpoints is None:
                raise


def read_metadata(document: Any, issuer: str) -> Endpoints:
    """What a metadata document says (Discovery §3, RFC 8414 §2); the issuer in it must be the one configured (§4.3)."""
    if not isinstance(document, dict) or document.get("issuer") != issuer:
        raise Untrustworthy("the metadata is not that of the issuer that is configured")
    authorization, token, jwks_uri = (
        _address(document, name, issuer) for name in ("authorization_endpoint", "token_endpoint", "jwks_uri")
    )
    methods = _words(document, "token_endpoint_auth_methods_supported") or ("client_secret_basic",)
    pkce = _words(document, "code_challenge_methods_supported")
    algs = tuple(alg for alg in _words(document, "id_token_signing_alg_values_supported") if alg in CLIENT_KEY)
    return Endpoints(
        authorization=authorization,
        token=token,
        userinfo=_address(document, "userinfo_endpoint", issuer) if document.get("userinfo_endpoint") else None,
        jwks_uri=jwks_uri,
        issuer=issuer,
        algs=algs or ("RS256",),
        sends_iss=document.get("authorization_response_iss_parameter_supported") is True,
        client_auth="client_secret_basic" if "client_secret_basic" in methods else "client_secret_post",
        takes_pkce=not pkce or "S256" in pkce,
    )


def _address(document: dict[str, Any], name: str, issuer: str) -> str:
    """An https URL; plain http only beside an issuer that is plain http, which only development allows."""
    value = document.get(name)
    try:
        parts = urlsplit(value) if isinstance(value, str) and _is_clean(value) else None
    except ValueError:
        parts = None
    schemes = {"https", urlsplit(issuer).scheme}
    if parts is None or parts.scheme not in schemes or not parts.hostname or parts.username or parts.fragment:
        raise Untrustworthy(f"{name} in the metadata is not an https URL")
    return str(value)


def _is_clean(url: str) -> bool:
    """RFC 3986 §2: neither spaces nor controls, which would not survive as a header, nor anything beyond ASCII."""
    return url.isascii() and url.isprintable() and " " not in url


def _words(document: dict[str, Any], name: str) -> tuple[str, ...]:
    value = document.get(name)
    return tuple(word for word in value if isinstance(word, str)) if isinstance(value, list) else ()
