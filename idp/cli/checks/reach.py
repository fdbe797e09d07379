"""The way to the server: whether it answers at the issuer, over which certificate, through which proxies."""

import secrets
import ssl
from collections.abc import Iterator
from ipaddress import ip_address
from urllib.parse import urlsplit

from idp.cli.checks.finding import Finding, unknown, warning, well, wrong
from idp.cli.checks.site import Answer, Site, Unreachable
from idp.cli.checks.subject import Subject
from idp.jose.encryption import DecryptionFailed
from idp.web.probe import HEADER, KIND, LIFETIME, Seen, make_probe, read_answer
from idp.web.proxy import load_networks

DAY = 86_400
SOON_DAYS = 14
FORGED_ADDRESS = "192.0.2.1"  # RFC 5737: nobody's
PARTS = {"database": "the database", "ephemeral": "the short-lived state (Redis)"}


def examine_issuer(subject: Subject) -> Iterator[Finding]:
    """`/health` at the issuer: our server, and well."""
    issuer = subject.settings.issuer
    try:
        answer = subject.site.get("/health")
    except Unreachable as failure:
        yield wrong("issuer", _unreachable(subject, failure))
        return
    status = answer.json or {}
    if answer.status in {301, 302, 303, 307, 308}:
        yield wrong(
            "issuer",
            f"{issuer} answers with a redirect to {(answer.header('Location') or 'nowhere')[:200]}. IDP_ISSUER must be "
            "the address at which the server answers itself.",
        )
    elif "status" not in status:
        yield wrong(
            "issuer",
            f"What answers at {issuer}/health is not this server (status {answer.status}). Let the proxy pass all that "
            "is below the issuer on to it, its answers unchanged.",
        )
    elif answer.status != 200:
        down = ", ".join(words for part, words in PARTS.items() if status.get(part) != "ok")
        yield wrong("issuer", f"The server answers at {issuer}, but cannot use {down or 'what it needs'}.")
    else:
        yield well("issuer", f"The server answers at {issuer}.")


def _unreachable(subject: Subject, failure: Unreachable) -> str:
    issuer = subject.settings.issuer
    if failure.expired:
        return f"The certificate of {issuer} has expired. Renew it."
    if failure.certificate:
        return (
            f"The certificate of {issuer} is not accepted: {failure}. Get one for this host from a known authority; "
            "one of your own goes into IDP_OUTBOUND_CA_BUNDLE."
        )
    if _answers_itself(subject):
        where = f"{subject.settings.host}:{subject.settings.port}"
        return (
            f"Nothing answers at {issuer} ({failure}), but the server itself does at {where}. Mend what stands in "
            "front of it, or IDP_ISSUER."
        )
    name = "IDP_ISSUER" if subject.settings.is_production else "IDP_ISSUER (in development: PORT)"
    return f"Nothing answers at {issuer} ({failure}). Start the server (idp serve), and see that {name} is right."


def _answers_itself(subject: Subject) -> bool:
    """Whether the server listens on this machine, where its own settings say."""
    # Who listens on every address is asked on this machine's own; nothing is opened to the world here.
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(subject.settings.host, subject.settings.host)  # noqa: S104
    where = f"[{host}]" if ":" in host else host
    own = Site(f"http://{where}:{subject.settings.port}", ca_bundle=None, timeout=subject.timeout / 2)
    try:
        return "status" in (own.get("/health").json or {})
    except Unreachable:
        return False


def examine_https(subject: Subject) -> Iterator[Finding]:
    """The certificate's end, and what plain http does."""
    issuer = subject.settings.issuer
    if not subject.settings.is_https:
        if subject.is_public:
            yield wrong("https", f"{issuer} is not https: passwords and codes can be read on the way. Use https.")
        else:
            yield well("https", f"{issuer} is on this machine alone, so http is enough.")
        return
    answer = subject.site.get("/health")
    yield _certificate(answer, subject.now)
    yield from examine_plain_http(subject.site, plain_url(issuer))


def _certificate(answer: Answer, now: int) -> Finding:
    end = str((answer.certificate or {}).get("notAfter", ""))
    if not end:
        return unknown("https", "The certificate does not say when it ends.")
    days = (ssl.cert_time_to_seconds(end) - now) // DAY
    if days < SOON_DAYS:
        return warning("https", f"The certificate ends in {days} days ({end}). See that it is renewed by itself.")
    return well("https", f"The certificate is accepted, and good for {days} days.")


def plain_url(issuer: str) -> str | None:
    """The same address over http, where browsers would try it; None when the issuer has a port of its own."""
    parts = urlsplit(issuer)
    return f"http://{parts.netloc}{parts.path}/health" if parts.port in {None, 443} else None


def examine_plain_http(site: Site, url: str | None) -> Iterator[Finding]:
    if url is None:
        return
    try:
        answer = site.send("GET", url)
    except Unreachable:
        yield well("https", "Plain http is not answered.")
        return
    if answer.status in {301, 302, 303, 307, 308} and (answer.header("Location") or "").startswith("https://"):
        yield well("https", "Plain http leads to https.")
    elif answer.status < 400:
        yield wrong("https", f"{url} is answered over plain http. Let the proxy redirect all of it to https.")
    else:
        yield well("https", f"Plain http is refused (status {answer.status}).")


def examine_proxies(subject: Subject) -> Iterator[Finding]:
    """What the server sees of us: by a probe that it alone can read, once as it is, once with a forged address."""
    seen, local = ask_server(subject)
    if not local:
        return  # what answers is no server of ours, or an unwell one: said by the check of the issuer
    if seen is None:
        yield wrong(
            "instance",
            "The server at the issuer does not understand our probe: it runs with another IDP_SECRET_KEY, or in "
            "another version. Run idp doctor with the very settings of the server, and give all the same key.",
        )
        return
    yield from _examine_stores(seen, subject)
    yield from _examine_address(seen, subject)
    yield from _examine_forwarded_proto(seen, subject)
    forged, _ = ask_server(subject, {"X-Forwarded-For": FORGED_ADDRESS})
    if forged is None:
        yield wrong("instance", "Of two requests one met an instance with another IDP_SECRET_KEY; give all the same.")
    elif forged.address == FORGED_ADDRESS and not _is_trusted(local, subject):
        yield wrong(
            "proxies",
            "Whoever sends X-Forwarded-For chooses the address that limits and the audit trail see. Let the proxy "
            "replace that header, let nobody go round it, and narrow IDP_TRUSTED_PROXIES.",
        )


def ask_server(subject: Subject, headers: dict[str, str] | None = None) -> tuple[Seen | None, str]:
    """What the server saw of one request, None when it did not say; and our own address, empty when no server of ours
    answers, or one that is not well."""
    box, nonce = subject.box, secrets.token_urlsafe(16)
    if box is None:
        return None, ""
    store = subject.store
    if store is not None:
        store.lasting.put(KIND, nonce, {}, lifetime=LIFETIME, now=subject.now)
        if store.ephemeral is not store.lasting and store.ephemeral.is_reachable():
            store.ephemeral.put(KIND, nonce, {}, lifetime=LIFETIME, now=subject.now)
    probe = make_probe(box, nonce, now=subject.now)
    answer = subject.site.get("/health", {HEADER: probe, **(headers or {})})
    if answer.status != 200 or "status" not in (answer.json or {}):
        return None, ""
    try:
        seen = read_answer(box, str((answer.json or {}).get("probe", "")))
    except DecryptionFailed:
        return None, answer.local_address
    return (seen if seen.nonce == nonce else None), answer.local_address


def _examine_stores(seen: Seen, subject: Subject) -> Iterator[Finding]:
    if subject.store is None:
        yield unknown("instance", "The server at the issuer has our IDP_SECRET_KEY; its database was not compared.")
    elif not seen.same_database:
        yield wrong(
            "instance",
            "The server at the issuer uses another database than this IDP_DATABASE_URL (of SQLite, a relative path "
            "means another file in another folder).",
        )
    elif not seen.same_ephemeral:
        yield wrong("instance", "The server at the issuer uses another Redis than this IDP_REDIS_URL.")
    else:
        yield well("instance", "The server at the issuer has this secret key and this database.")


def _examine_address(seen: Seen, subject: Subject) -> Iterator[Finding]:
    if seen.forwarded_for is None:
        yield _without_forwarding(seen, subject)
        return
    last = seen.forwarded_for.rpartition(",")[2].strip()
    if not _is_trusted(seen.peer, subject):
        yield wrong(
            "proxies",
            f"{seen.peer} forwards for {last}, but IDP_TRUSTED_PROXIES does not name it, so all people share its "
            f"address, and one of them can use up everybody's limits. Set IDP_TRUSTED_PROXIES={seen.peer}",
        )
    elif seen.address == seen.peer and last != seen.peer:
        yield wrong(
            "proxies",
            f"IDP_TRUSTED_PROXIES names {seen.peer}, but the server does not know it yet: restart the server.",
        )
    else:
        yield well("proxies", f"{seen.peer} forwards for others, and is trusted; we come from {seen.address}.")


def _without_forwarding(seen: Seen, subject: Subject) -> Finding:
    if subject.settings.is_https:  # the server speaks plain http alone, so there is a proxy
        return wrong(
            "proxies",
            f"The proxy at {seen.peer} does not say for whom it forwards (X-Forwarded-For), so all people share its "
            f"address in limits and in the audit trail. Let it set that header, and IDP_TRUSTED_PROXIES={seen.peer}",
        )
    return well("proxies", f"There is no proxy in front; we come from {seen.address}.")


def _examine_forwarded_proto(seen: Seen, subject: Subject) -> Iterator[Finding]:
    """idp reads no such header; it tells what the proxy believes."""
    scheme = urlsplit(subject.settings.issuer).scheme
    if seen.forwarded_proto is not None and seen.forwarded_proto.partition(",")[0].strip() != scheme:
        yield warning(
            "proxies",
            f"The proxy says that we came over {seen.forwarded_proto}, and the issuer is {scheme}. That changes "
            "nothing here, since the issuer decides; but see whether something in front speaks plain http.",
        )


def _is_trusted(address: str, subject: Subject) -> bool:
    try:
        parsed = ip_address(address)
    except ValueError:
        return False
    parsed = getattr(parsed, "ipv4_mapped", None) or parsed
    return any(parsed in network for network in load_networks(subject.settings.trusted_proxies))
