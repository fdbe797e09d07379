"""What applications read: discovery, the endpoints it names, and the key set, each compared with what it should be.

OpenID Connect Discovery §3 and §4.3, RFC 8414 §3, RFC 7517 §5.
"""

import secrets
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from idp.cli.checks.finding import Finding, counted, warning, well, wrong
from idp.cli.checks.site import Answer
from idp.cli.checks.subject import Subject
from idp.jose import jws
from idp.jose.client_keys import InvalidToken, verify_with_keys
from idp.jose.key_pair import KeyDirectoryError, SigningKey

DISCOVERY = "/.well-known/openid-configuration"
OAUTH_METADATA = "/.well-known/oauth-authorization-server"


@dataclass(frozen=True, slots=True)
class Expected:
    """How an endpoint answers a request with nothing in it. `is_json`: with an OAuth error. `header`: which it has."""

    method: str
    statuses: frozenset[int]
    is_json: bool = True
    header: str | None = None


_REFUSED = frozenset({400, 401})
_SHOWN = frozenset({200, 302, 303, 400})
ENDPOINTS: Mapping[str, Expected] = {
    "authorization_endpoint": Expected("GET", frozenset({400}), is_json=False),
    "token_endpoint": Expected("POST", _REFUSED),
    "userinfo_endpoint": Expected("GET", frozenset({401}), is_json=False, header="WWW-Authenticate"),
    "introspection_endpoint": Expected("POST", _REFUSED),
    "revocation_endpoint": Expected("POST", _REFUSED),
    "end_session_endpoint": Expected("GET", _SHOWN, is_json=False),
}


def examine_discovery(subject: Subject) -> Iterator[Finding]:
    issuer = subject.settings.issuer
    answer = subject.site.get(DISCOVERY)
    document = answer.json
    if answer.status != 200 or document is None:
        yield wrong(
            "discovery",
            f"{issuer}{DISCOVERY} has status {answer.status} and is no JSON document. Let the proxy pass it on.",
        )
        return
    if document.get("issuer") != issuer:
        yield wrong(
            "discovery",
            f"The document names the issuer {_shown(document.get('issuer'))}, and the settings say {issuer}: clients "
            "refuse the difference of a single character. Start the server with the same IDP_ISSUER.",
        )
        return
    outside = sorted(name for name in _addresses(document) if not document[name].startswith(issuer + "/"))
    for name in outside:
        yield wrong("discovery", f"Its {name} is {_shown(document[name])}, which is not below the issuer.")
    if not outside:
        yield well("discovery", f"The document is there, with the issuer {issuer} and every address below it.")
    yield from _examine_oauth_metadata(subject, document)


def _addresses(document: Mapping[str, Any]) -> list[str]:
    return [
        name
        for name, value in document.items()
        if (name.endswith("_endpoint") or name == "jwks_uri") and isinstance(value, str)
    ]


def _examine_oauth_metadata(subject: Subject, document: Mapping[str, Any]) -> Iterator[Finding]:
    """RFC 8414 §3.1: where the issuer has a path, it comes after the well-known one, so outside the issuer."""
    parts = urlsplit(subject.settings.issuer)
    url = f"{parts.scheme}://{parts.netloc}{OAUTH_METADATA}{parts.path}"
    answer = subject.site.send("GET", url)
    if answer.status != 200 or answer.json != document:
        yield warning(
            "discovery",
            f"{url} does not answer with the same document (status {answer.status}); some OAuth libraries look there. "
            "Let the proxy pass it on too.",
        )


def examine_endpoints(subject: Subject) -> Iterator[Finding]:
    document = subject.site.get(DISCOVERY).json or {}
    if document.get("issuer") != subject.settings.issuer:
        return  # said by the check of the document
    issuer = subject.settings.issuer
    named = {name: str(document[name]) for name in ENDPOINTS if str(document.get(name)).startswith(issuer + "/")}
    troubles = [
        f"{name} {url} {trouble}"
        for name, url in named.items()
        if (trouble := _find_trouble(ENDPOINTS[name], subject, url)) is not None
    ]
    for trouble in troubles:
        yield wrong("endpoints", f"The {trouble}. Let the proxy pass requests and answers on unchanged, errors too.")
    if not troubles:
        yield well("endpoints", f"All {len(named)} answer an empty request as they should.")


def _find_trouble(expected: Expected, subject: Subject, url: str) -> str | None:
    answer = subject.site.send("GET", url) if expected.method == "GET" else subject.site.post(url)
    if answer.status not in expected.statuses:
        return f"answers an empty {expected.method} with status {answer.status}"
    if expected.is_json and "error" not in (answer.json or {}):
        return "answers without the JSON of an OAuth error"
    if expected.header is not None and answer.header(expected.header) is None:
        return f"answers without the header {expected.header}"
    return None


def examine_jwks(subject: Subject) -> Iterator[Finding]:
    """The published keys against those on this disk; a token signed here must verify there."""
    answer = subject.site.get("/jwks")
    published = _kids(answer)
    if answer.status != 200 or not published:
        yield wrong("jwks", f"{subject.settings.issuer}/jwks has no keys (status {answer.status}).")
        return
    try:
        keys = subject.keys.list(subject.now)
        active = [key for key in keys if key.state(subject.now) == "active"]
        refused = [key.alg for key in active if not _verifies(key, answer.json or {})]
    except KeyDirectoryError:
        return  # said by the check of the keys
    if refused:
        yield wrong(
            "jwks",
            f"A token that this folder's keys sign ({', '.join(refused)}) does not verify with the published set: the "
            "server at the issuer has another IDP_KEYS_DIR, or something in front keeps an old copy.",
        )
    else:
        yield well("jwks", f"The set has {counted(len(published), 'key')}; tokens signed with ours verify with them.")
    yield from _examine_differences(published, keys, subject)
    yield from _examine_caching(answer, subject.settings.jwks_max_age)


def _kids(answer: Answer) -> set[str]:
    keys = (answer.json or {}).get("keys")
    return {str(key.get("kid")) for key in keys if isinstance(key, dict)} if isinstance(keys, list) else set()


def _verifies(key: SigningKey, jwks: Mapping[str, Any]) -> bool:
    token = jws.sign({"jti": secrets.token_urlsafe(16)}, key, typ=None)  # no issuer, no audience: good for nothing
    try:
        verify_with_keys(token, jwks, algs=(key.alg,))
    except InvalidToken:
        return False
    return True


def _examine_differences(published: set[str], keys: list[SigningKey], subject: Subject) -> Iterator[Finding]:
    keep_for = subject.settings.longest_token_lifetime
    ours = {key.kid for key in keys if key.is_published(subject.now, keep_for)}
    if published - ours:
        yield wrong(
            "jwks",
            f"The set has {counted(len(published - ours), 'key')} that {subject.settings.keys_dir} has not: instances "
            "have different folders of keys, or something in front keeps an old copy.",
        )
    missing = [key for key in keys if key.kid in ours - published and key.state(subject.now) == "next"]
    if missing:
        yield warning("jwks", f"{counted(len(missing), 'next key')} not published yet; wait with a rotation.")


def _examine_caching(answer: Answer, max_age: int) -> Iterator[Finding]:
    expected = f"public, max-age={max_age}"
    found = answer.header("Cache-Control")
    if found != expected:
        yield warning(
            "jwks",
            f"Its Cache-Control arrives as {_shown(found)} and not as {expected}, so that after a rotation clients may "
            "keep old keys for too long. Let the proxy leave it alone, and restart the server after a change.",
        )


def _shown(value: object) -> str:
    return repr(value)[:200]
