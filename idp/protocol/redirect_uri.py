"""Redirect URIs: what may be registered, and when a requested one is a registered one.

RFC 6749 §3.1.2, RFC 8252 §7 (native apps), RFC 9700 §4.1 (exact string match).
"""

from collections.abc import Collection
from urllib.parse import SplitResult, quote, urlsplit

from idp.protocol.errors import InvalidRedirectUri

LOOPBACK_IP_LITERALS = frozenset({"127.0.0.1", "::1"})
LOOPBACK_NAMES = LOOPBACK_IP_LITERALS | {"localhost"}
DANGEROUS_SCHEMES = frozenset(
    {"javascript", "data", "vbscript", "file", "about", "blob", "filesystem", "view-source", "ws", "wss", "ftp"}
    | {"chrome", "resource", "intent", "mailto", "tel", "sms", "urn", "jar", "ms-msdt", "search-ms", "content"}
)
MAX_LENGTH = 2048
_ALLOWED = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~:/?[]@!$&'()+,;=%")


def check_redirect_uri_registration(uri: str) -> None:
    """RFC 8252 §7, RFC 9700 §2.1: a client may register https, http on loopback, or a private-use scheme.

    Raises InvalidRedirectUri with what to change.
    """
    if not uri or len(uri) > MAX_LENGTH or not set(uri) <= _ALLOWED:
        raise InvalidRedirectUri(
            "A redirect URI is at most 2048 characters of a URI, without spaces, wildcards, fragments or backslashes."
        )
    parts = _split(uri)
    if not parts.scheme:
        raise InvalidRedirectUri("A redirect URI must be absolute: it begins with a scheme.")
    if parts.scheme in DANGEROUS_SCHEMES:
        raise InvalidRedirectUri(f"The scheme {parts.scheme} is not allowed in a redirect URI.")
    if parts.scheme in {"http", "https"}:
        _check_web_uri(parts)


def _check_web_uri(parts: SplitResult) -> None:
    if not parts.hostname:
        raise InvalidRedirectUri("A redirect URI needs a host.")
    if parts.username is not None or parts.password is not None:
        raise InvalidRedirectUri("A redirect URI must not carry a user name or password.")
    if parts.scheme == "http" and parts.hostname not in LOOPBACK_NAMES:
        raise InvalidRedirectUri("http is only for loopback (localhost, 127.0.0.1, [::1]); use https.")


def matches_redirect_uri(requested: str, registered: Collection[str]) -> bool:
    """Exact string match; only loopback IP literals may vary the port (RFC 8252 §7.3, RFC 9700 §4.1.3)."""
    if requested in registered:
        return True
    wanted = _without_loopback_port(requested)
    return wanted is not None and any(_without_loopback_port(uri) == wanted for uri in registered)


def _without_loopback_port(uri: str) -> tuple[str, str] | None:
    """(host, all that follows the port) of an http URI on a loopback IP literal, as written; None for any other URI."""
    for literal in ("http://127.0.0.1", "http://[::1]"):
        if uri.startswith(literal):
            rest = uri[len(literal) :]
            port, _, _ = rest[1:].partition("/") if rest.startswith(":") else ("", "", "")
            port = port.partition("?")[0]
            if rest.startswith(":") and not (port.isascii() and port.isdigit() and 0 < int(port) < 65536):
                return None
            after = rest[1 + len(port) :] if rest.startswith(":") else rest
            return (literal, after) if after[:1] in {"", "/", "?"} and set(uri) <= _ALLOWED else None
    return None


def origin_of(uri: str) -> str | None:
    """The web origin of an http(s) URI as browsers write it (RFC 6454 §6.2); None for other schemes."""
    parts = _split(uri)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        return None
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    default = {"http": 80, "https": 443}[parts.scheme]
    return f"{parts.scheme}://{host}" if parts.port in {None, default} else f"{parts.scheme}://{host}:{parts.port}"


def host_of(uri: str) -> str:
    """What to tell a person about where they will go: the host, or the scheme of an app."""
    parts = _split(uri)
    return parts.hostname if parts.scheme in {"http", "https"} and parts.hostname else f"{parts.scheme}:"


def with_parameters(uri: str, params: Collection[tuple[str, str]], *, fragment: bool = False) -> str:
    """The URI with parameters appended to its query (which is kept, RFC 6749 §3.1.2), or as its fragment."""
    encoded = "&".join(f"{quote(name, safe='')}={quote(value, safe='')}" for name, value in params)
    if fragment:
        return f"{uri}#{encoded}"
    if "?" not in uri:
        return f"{uri}?{encoded}"
    return uri + ("" if uri.endswith(("?", "&")) else "&") + encoded


def _split(uri: str) -> SplitResult:
    try:
        parts = urlsplit(uri)
        _ = parts.port
    except ValueError:
        raise InvalidRedirectUri("A redirect URI must be a valid URI.") from None
    return parts
