"""What `idp doctor upstream` looks at: a connection's settings, its key, its redirect URI, and what answers from here.

Owns the checks and their sentences. Over the network it only asks what anybody may ask: metadata, public keys, and
whether the other two addresses answer. Nothing secret is sent, and nobody is signed in.
"""

import ipaddress
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal
from urllib.parse import urlsplit

from idp.jose.algorithms import CLIENT_KEY
from idp.jose.client_jwks import InvalidKeys, is_usable, load_keys
from idp.jose.pem import InvalidPem
from idp.outbound import AnswerRefused, FetchRefused, OutboundFetcher
from idp.settings import LOOPBACK_HOSTS
from idp.upstream.connection import Connection
from idp.upstream.errors import UpstreamFailed
from idp.upstream.provider import Endpoints
from idp.upstream.upstreams import Upstreams

REFUSE_LOCALHOST = frozenset({"apple"})  # kinds of provider that register addresses of a true domain alone


@dataclass(frozen=True, slots=True)
class Finding:
    """`wrong`: nobody can sign in like this. `hint`: it may be meant so. `skipped`: not looked at."""

    what: str
    result: Literal["ok", "hint", "wrong", "skipped"]
    sentence: str


def examine(
    connection: Connection, upstreams: Upstreams, fetcher: OutboundFetcher, *, offline: bool, now: int
) -> Iterator[Finding]:
    """What there is to say of a connection whose settings are complete."""
    yield Finding("settings", "ok", "The settings are complete.")
    yield from _examine_key(connection, now)
    yield from _examine_redirect_uri(connection)
    if offline:
        yield Finding("network", "skipped", "Nothing was asked over the network.")
        return
    try:
        endpoints = upstreams.load_endpoints(connection)
    except UpstreamFailed as failure:
        issuer = connection.settings.issuer
        yield Finding("discovery", "wrong", f"The metadata of {issuer} cannot be used: {failure.detail}.")
        return
    if connection.provider.endpoints is None:
        yield Finding("discovery", "ok", f"The metadata is there, and its issuer is {endpoints.issuer}.")
    yield from _examine_keys(endpoints, fetcher)
    yield _examine_token_endpoint(endpoints, fetcher)
    yield _examine_authorization_endpoint(endpoints, fetcher)


def _examine_key(connection: Connection, now: int) -> Iterator[Finding]:
    """A client secret that is minted from a key: it is, once, and thrown away."""
    if connection.provider.make_secret is None:
        return
    try:
        connection.provider.make_secret(connection.settings, now)
    except InvalidPem as error:
        yield Finding("key", "wrong", f"The private key does not sign. {error}")
    else:
        yield Finding("key", "ok", "The private key can be read, and signs.")


def _examine_redirect_uri(connection: Connection) -> Iterator[Finding]:
    """What providers refuse to register, as far as they tell."""
    parts, label = urlsplit(connection.redirect_uri), connection.label
    is_local = parts.hostname in LOOPBACK_HOSTS
    if connection.settings.sandbox_url is not None:
        if not is_local:
            sentence = "The stand-in sends people back to this machine alone, so IDP_ISSUER must be on localhost."
            yield Finding("redirect URI", "hint", sentence)
    elif connection.provider.kind in REFUSE_LOCALHOST and (
        parts.scheme != "https" or is_local or _is_address(parts.hostname)
    ):
        sentence = (
            f"{label} only takes https addresses of a true domain, not localhost and no IP address; see IDP_ISSUER."
        )
        yield Finding("redirect URI", "hint", sentence)
    elif parts.scheme != "https" and not is_local:
        sentence = f"{label} will hardly take an http address: most providers do for localhost alone; see IDP_ISSUER."
        yield Finding("redirect URI", "hint", sentence)


def _is_address(host: str | None) -> bool:
    try:
        ipaddress.ip_address(host or "")
    except ValueError:
        return False
    return True


def _examine_keys(endpoints: Endpoints, fetcher: OutboundFetcher) -> Iterator[Finding]:
    """The keys that ID tokens are verified with (Core §10.1); providers without ID tokens have none."""
    if endpoints.jwks_uri is None:
        return
    try:
        keys = load_keys(fetcher.get_json(endpoints.jwks_uri))
    except FetchRefused as refusal:
        yield Finding("keys", "wrong", f"The keys at {endpoints.jwks_uri} cannot be had: {refusal}.")
        return
    except InvalidKeys:
        yield Finding("keys", "wrong", f"What is at {endpoints.jwks_uri} is not a set of keys.")
        return
    usable = [jwk for jwk in keys if any(is_usable(jwk, CLIENT_KEY[alg]) for alg in endpoints.algs)]
    if usable:
        sentence = f"The keys are there; {len(usable)} of {len(keys)} can verify its ID tokens."
        yield Finding("keys", "ok", sentence)
    else:
        algs = ", ".join(endpoints.algs)
        yield Finding("keys", "wrong", f"None of the keys at {endpoints.jwks_uri} can verify an ID token ({algs}).")


def _examine_token_endpoint(endpoints: Endpoints, fetcher: OutboundFetcher) -> Finding:
    """This server must reach it. An empty GET is refused there, and that is the answer."""
    trouble = _find_trouble(endpoints.token, fetcher)
    if trouble is None:
        return Finding("token endpoint", "ok", f"{endpoints.token} answers.")
    return Finding("token endpoint", "wrong", f"{endpoints.token} does not answer: {trouble}.")


def _examine_authorization_endpoint(endpoints: Endpoints, fetcher: OutboundFetcher) -> Finding:
    """Only people's browsers must reach it, so that this server cannot is no more than a hint."""
    url, what = endpoints.authorization, "authorization endpoint"
    trouble = _find_trouble(url, fetcher)
    if trouble is None:
        return Finding(what, "ok", f"{url} answers.")
    return Finding(what, "hint", f"{url}, where people's browsers go, does not answer from here: {trouble}.")


def _find_trouble(url: str, fetcher: OutboundFetcher) -> str | None:
    """Why nothing sensible comes from there; None when something does, be it a refusal."""
    try:
        status = fetcher.send("GET", url).status
    except AnswerRefused:
        return None
    except FetchRefused as refusal:
        return str(refusal)
    return f"status {status}" if status >= 500 else None
