"""One client's requests, really sent: /authorize with each redirect URI, as the client would, without a person.

`prompt=none` (OpenID Connect Core §3.1.2.1) asks for nobody, so that the right answer is `login_required`, sent to the
redirect URI.
"""

import hashlib
import secrets
from base64 import urlsafe_b64encode
from collections.abc import Iterator
from urllib.parse import parse_qs, urlsplit

from idp.cli.checks.finding import Finding, counted, well, wrong
from idp.cli.checks.site import Answer
from idp.cli.checks.subject import Subject
from idp.protocol.client import Client

MANY = 20  # redirect URIs tried


def examine_requests(subject: Subject) -> Iterator[Finding]:
    client = subject.client
    if client is None or client.disabled or "authorization_code" not in client.grant_types:
        return  # of a disabled one every request is refused, which is said already
    tried = client.redirect_uris[:MANY]
    refused = [finding for uri in tried if (finding := _try(subject, client, uri)) is not None]
    yield from refused
    if tried and not refused:
        left = len(client.redirect_uris) - len(tried)
        more = f"; not tried: {left} more" if left else ""
        answered = f"Requests for {counted(len(tried), 'redirect URI')} are answered there, each as it must be"
        yield well("sign-in", f"{answered}{more}.")


def _try(subject: Subject, client: Client, redirect_uri: str) -> Finding | None:
    """What is wrong with one request; None when it is answered as it should be."""
    state = secrets.token_urlsafe(16)
    verifier = secrets.token_urlsafe(32).encode()
    challenge = urlsafe_b64encode(hashlib.sha256(verifier).digest()).rstrip(b"=").decode()
    request = {
        "response_type": "code",
        "client_id": client.client_id,
        "redirect_uri": redirect_uri,
        "scope": "openid" if "openid" in client.scope else " ".join(client.scope[:1]),
        "state": state,
        "nonce": secrets.token_urlsafe(16),
        "prompt": "none",
        "code_challenge": challenge,
        "code_challenge_method": "S256",
    }
    answer = subject.site.get("/authorize", query=request)
    where = answer.header("Location")
    if answer.status not in {302, 303} or where is None or not _leads_to(where, redirect_uri):
        return wrong("sign-in", _not_sent_back(answer, redirect_uri))
    given = {name: values[0] for name, values in parse_qs(urlsplit(where).query).items()}
    if given.get("iss") != subject.settings.issuer or given.get("state") != state:
        return wrong("sign-in", f"The answer to {redirect_uri} comes with another iss or state than it must.")
    if given.get("error") != "login_required":
        why = f"{given.get('error')}: {given.get('error_description', '')}"[:200]
        return wrong("sign-in", f"A request for {redirect_uri} is refused with {why}")
    return None


def _leads_to(where: str, redirect_uri: str) -> bool:
    rest = where.removeprefix(redirect_uri)
    return rest != where and rest[:1] in {"?", "&"}


def _not_sent_back(answer: Answer, redirect_uri: str) -> str:
    return (
        f"A request for {redirect_uri} leads to a page (status {answer.status}) instead of back there. "
        "See that client and redirect URI are registered with the server at the issuer, to the letter."
    )
