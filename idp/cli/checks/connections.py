"""The connections with other providers: settings, key, redirect URI, and what answers from here.

Owns the checks and their sentences. Over the network it only asks what anybody may ask: metadata, public keys, and
whether the other two addresses answer. Nothing secret is sent, and nobody is signed in.
"""

import ipaddress
from collections.abc import Callable, Iterator
from urllib.parse import urlsplit

from idp.cli.checks.clocks import SOME_SECONDS, compared, seconds_of
from idp.cli.checks.finding import Finding, unknown, warning, well, wrong
from idp.cli.checks.subject import Subject
from idp.jose.algorithms import CLIENT_KEY
from idp.jose.client_jwks import InvalidKeys, is_usable, load_keys
from idp.jose.pem import InvalidPem
from idp.outbound import AnswerRefused, FetchRefused, OutboundFetcher
from idp.settings import LOOPBACK_HOSTS, Settings, UpstreamSettings
from idp.upstream import PROVIDERS
from idp.upstream.connection import Connection, load_connections
from idp.upstream.errors import UpstreamFailed
from idp.upstream.provider import Endpoints
from idp.upstream.upstreams import Upstreams

REFUSE_LOCALHOST = frozenset({"apple"})  # kinds of provider that register addresses of a true domain alone


def examine_connection(
    settings: Settings, each: UpstreamSettings, *, offline: bool, clock: Callable[[], float]
) -> tuple[Connection | None, list[Finding]]:
    """The connection, None when its settings are too incomplete for one, and what there is to say of it."""
    from idp.startup import make_fetcher

    connections, problems = load_connections([each], PROVIDERS, settings.issuer)
    connection, fetcher = connections.get(each.name), make_fetcher(settings)
    findings = [wrong("settings", problem) for problem in problems]
    if connection is not None and not problems:
        upstreams = Upstreams(settings, connections, fetcher)
        findings += examine(connection, upstreams, fetcher, offline=offline, clock=clock)
    return connection, findings


def check_of(each: UpstreamSettings) -> Callable[[Subject], Iterator[Finding]]:
    """This connection as one check among all: each finding says whose it is; what goes without saying is left out."""

    def examine_it(subject: Subject) -> Iterator[Finding]:
        settings = subject.settings.model_copy(update={"outbound_timeout": subject.timeout / 2})
        connection, findings = examine_connection(settings, each, offline=subject.offline, clock=subject.clock)
        for finding in findings:
            if finding.what != "network":
                yield Finding(each.name, finding.result, f"{finding.what}: {finding.sentence}")
        if connection is not None:
            where = connection.provider.console or each.issuer
            yield well(each.name, f"redirect URI to be registered at {where}: {connection.redirect_uri}")

    return examine_it


def examine(
    connection: Connection, upstreams: Upstreams, fetcher: OutboundFetcher, *, offline: bool, clock: Callable[[], float]
) -> Iterator[Finding]:
    """What there is to say of a connection whose settings are complete."""
    yield well("settings", "The settings are complete.")
    yield from _examine_key(connection, int(clock()))
    yield from _examine_redirect_uri(connection)
    if offline:
        yield unknown("network", "Nothing was asked over the network.")
        return
    try:
        endpoints = upstreams.load_endpoints(connection)
    except UpstreamFailed as failure:
        issuer = connection.settings.issuer
        yield wrong("discovery", f"The metadata of {issuer} cannot be used: {failure.detail}.")
        return
    if connection.provider.endpoints is None:
        yield well("discovery", f"The metadata is there, and its issuer is {endpoints.issuer}.")
    yield from _examine_keys(endpoints, fetcher)
    yield from _examine_token_endpoint(endpoints, fetcher, clock)
    yield _examine_authorization_endpoint(endpoints, fetcher)


def _examine_key(connection: Connection, now: int) -> Iterator[Finding]:
    """A client secret that is minted from a key: it is, once, and thrown away."""
    if connection.provider.make_secret is None:
        return
    try:
        connection.provider.make_secret(connection.settings, now)
    except InvalidPem as error:
        yield wrong("key", f"The private key does not sign. {error}")
    else:
        yield well("key", "The private key can be read, and signs.")


def _examine_redirect_uri(connection: Connection) -> Iterator[Finding]:
    """What providers refuse to register, as far as they tell."""
    parts, label = urlsplit(connection.redirect_uri), connection.label
    is_local = parts.hostname in LOOPBACK_HOSTS
    if connection.settings.sandbox_url is not None:
        if not is_local:
            sentence = "The stand-in sends people back to this machine alone, so IDP_ISSUER must be on localhost."
            yield warning("redirect URI", sentence)
    elif connection.provider.kind in REFUSE_LOCALHOST and (
        parts.scheme != "https" or is_local or _is_address(parts.hostname)
    ):
        sentence = (
            f"{label} only takes https addresses of a true domain, not localhost and no IP address; see IDP_ISSUER."
        )
        yield warning("redirect URI", sentence)
    elif parts.scheme != "https" and not is_local:
        sentence = f"{label} will hardly take an http address: most providers do for localhost alone; see IDP_ISSUER."
        yield warning("redirect URI", sentence)


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
        yield wrong("keys", f"The keys at {endpoints.jwks_uri} cannot be had: {refusal}.")
        return
    except InvalidKeys:
        yield wrong("keys", f"What is at {endpoints.jwks_uri} is not a set of keys.")
        return
    usable = [jwk for jwk in keys if any(is_usable(jwk, CLIENT_KEY[alg]) for alg in endpoints.algs)]
    if usable:
        sentence = f"The keys are there; {len(usable)} of {len(keys)} can verify its ID tokens."
        yield well("keys", sentence)
    else:
        algs = ", ".join(endpoints.algs)
        yield wrong("keys", f"None of the keys at {endpoints.jwks_uri} can verify an ID token ({algs}).")


def _examine_token_endpoint(
    endpoints: Endpoints, fetcher: OutboundFetcher, clock: Callable[[], float]
) -> Iterator[Finding]:
    """This server must reach it. An empty GET is refused there, and that is the answer; it tells the time as well."""
    trouble, date = _ask(endpoints.token, fetcher)
    if trouble is not None:
        yield wrong("token endpoint", f"{endpoints.token} does not answer: {trouble}.")
        return
    yield well("token endpoint", f"{endpoints.token} answers.")
    sent = seconds_of(date)
    if sent is not None and abs(sent - clock()) >= SOME_SECONDS:
        yield compared("the provider", sent - clock())


def _examine_authorization_endpoint(endpoints: Endpoints, fetcher: OutboundFetcher) -> Finding:
    """Only people's browsers must reach it, so that this server cannot is no more than a hint."""
    url, what = endpoints.authorization, "authorization endpoint"
    trouble, _ = _ask(url, fetcher)
    if trouble is None:
        return well(what, f"{url} answers.")
    return warning(what, f"{url}, where people's browsers go, does not answer from here: {trouble}.")


def _ask(url: str, fetcher: OutboundFetcher) -> tuple[str | None, str | None]:
    """Why nothing sensible comes from there, None when something does, be it a refusal; and its Date header."""
    try:
        answer = fetcher.send("GET", url)
    except AnswerRefused:
        return None, None
    except FetchRefused as refusal:
        return str(refusal), None
    return (f"status {answer.status}" if answer.status >= 500 else None), answer.headers.get("date")
