"""How two strings that should have been the same differ: in pieces to mark, and of URIs in words.

Pure and bounded: the pieces are made when somebody looks, from values that were cut when they were kept.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from difflib import SequenceMatcher
from itertools import takewhile
from urllib.parse import SplitResult, unquote, urlsplit

from idp.protocol.findings import MAX_URI_SHOWN, Finding, expect, shown, shown_uri, visible
from idp.protocol.redirect_uri import LOOPBACK_NAMES

_SCHEME = re.compile(r"^[a-z][a-z0-9+.-]*://(www\.)?")
_LOOPBACK = re.compile(r"^(127\.0\.0\.1|\[::1\])")
_MAX_MATCHED = 80 * 80  # characters of the one times those of the other: matching takes their cube at worst
_MAX_READ = 2048  # of what was sent: no registered URI is longer
GAP = "·"  # stands where the other string has a character


@dataclass(frozen=True, slots=True)
class Piece:
    """A stretch of both strings, the same in both or not."""

    expected: str
    received: str

    @property
    def is_same(self) -> bool:
        return self.expected == self.received


def compare(expected: str, received: str) -> tuple[Piece, ...]:
    """Both strings from end to end, in stretches that are the same and stretches that are not.

    What begins and ends alike is told apart first; what is between is one stretch where it is too long to match.
    """
    ahead = _begin_alike(expected, received)
    behind = _begin_alike(expected[ahead:][::-1], received[ahead:][::-1])
    one, other = expected[ahead : len(expected) - behind], received[ahead : len(received) - behind]
    pieces = (
        Piece(expected[:ahead], received[:ahead]),
        *_matched(one, other),
        Piece(expected[len(expected) - behind :], received[len(received) - behind :]),
    )
    return tuple(piece for piece in pieces if piece.expected or piece.received)


def _matched(one: str, other: str) -> tuple[Piece, ...]:
    if len(one) * len(other) > _MAX_MATCHED:
        return (Piece(one, other),)
    codes = SequenceMatcher(None, one, other, autojunk=False).get_opcodes()
    return tuple(Piece(one[a:b], other[c:d]) for _, a, b, c, d in codes)


def aligned(pieces: Iterable[Piece]) -> tuple[str, str, str]:
    """Three lines of one length: the expected string, the received one, and carets where they differ."""
    expected, received, carets = "", "", ""
    for piece in pieces:
        width = max(len(piece.expected), len(piece.received))
        expected += piece.expected.ljust(width, GAP)
        received += piece.received.ljust(width, GAP)
        carets += (" " if piece.is_same else "^") * width
    return expected, received, carets.rstrip()


def by_nearness(candidates: Iterable[str], received: str) -> list[str]:
    """The candidates, the one that shares most with what was received first. Linear, because strangers choose it."""
    plain = _plain(received)
    return sorted(candidates, key=lambda candidate: -_shared(candidate, received, plain))


def _shared(one: str, other: str, plain: str) -> float:
    """How much two URIs have in common, from 0 to 1; what is mistaken most easily counts least. `plain` is _plain of
    the other."""
    a, b = _plain(one), plain
    ahead = _begin_alike(a, b)
    behind = _begin_alike(a[ahead:][::-1], b[ahead:][::-1])
    return 2 * (ahead + behind) / (len(a) + len(b) or 1) + (0.01 if one[:5] == other[:5] else 0)


def _plain(uri: str) -> str:
    """Decoded, without scheme, query, the slash at the end, and the names of this machine told apart."""
    rest = _SCHEME.sub("", unquote(uri).lower().partition("?")[0].partition("#")[0]).rstrip("/")
    return _LOOPBACK.sub("localhost", rest)


def _begin_alike(one: str, other: str) -> int:
    """How many characters at the beginning are the same."""
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(one, other, strict=False)))


def describe_uri_difference(expected: str, received: str) -> str:
    """What is different between two URIs, for a person: `the slash at the end is missing`."""
    whole = _difference_of_the_whole(expected, received)
    if whole is not None:
        return whole
    try:
        wanted, got = urlsplit(expected), urlsplit(received)
        found = _differences_of_parts(wanted, got)
    except ValueError:
        return "what was sent is not a URI"
    return "; ".join(found) or "the two are written differently"


def _difference_of_the_whole(expected: str, received: str) -> str | None:
    known = {
        "there is a slash too many at the end": received == expected + "/",
        "the slash at the end is missing": received + "/" == expected,
        "there is white space around it": received.strip() == expected,
        "capital and small letters differ": received.lower() == expected.lower(),
        "it is percent-encoded once too often": unquote(received) == expected,
        "the two are percent-encoded differently": unquote(received) == unquote(expected),
    }
    return next((words for words, applies in known.items() if applies), None)


def _differences_of_parts(wanted: SplitResult, got: SplitResult) -> list[str]:
    found = []
    if wanted.scheme != got.scheme:
        found.append(f"the scheme is {got.scheme or 'missing'}, not {wanted.scheme}")
    found += _differences_of_hosts(wanted, got)
    if wanted.port != got.port:
        found.append(f"the port is {got.port or 'not there'}, not {wanted.port or 'to be there'}")
    found += _differences_of_paths(wanted.path, got.path)
    if wanted.query != got.query:
        found.append(_difference_of_queries(wanted.query, got.query))
    if got.fragment:
        found.append("there is a fragment (#…), which no redirect URI may have")
    return found


def _differences_of_hosts(wanted: SplitResult, got: SplitResult) -> list[str]:
    one, other = wanted.hostname or "", got.hostname or ""
    if one == other:
        return []
    if {one, other} <= LOOPBACK_NAMES:
        return [f"the host is {other}, not {one}: they are two names for one machine, and still not the same"]
    if {one.removeprefix("www."), one} & {other.removeprefix("www.")}:
        return [f"the host is {other}, not {one} (www. or not)"]
    return ["the host is another one"]


def _differences_of_paths(wanted: str, got: str) -> list[str]:
    if wanted.rstrip("/").lower() != got.rstrip("/").lower():
        return ["the path is another one"]
    found = []
    if wanted.rstrip("/") != got.rstrip("/"):
        found.append("capital and small letters of the path differ")
    if len(wanted) != len(got):
        more = len(got) > len(wanted)
        found.append("there is a slash too many behind the path" if more else "the slash behind the path is missing")
    return found


def _difference_of_queries(wanted: str, got: str) -> str:
    if not wanted:
        return "there is a query (?…) that is not registered"
    return "the query is missing" if not got else "the query is another one"


def redirect_uri_finding(
    check: str, received: str, registered: Iterable[str], *, remedy: str = "change the client, or register it"
) -> Finding:
    """Of a redirect URI that is none of the registered ones (RFC 6749 §3.1.2.3): the nearest of them, and what differs
    in words."""
    received = received[: _MAX_READ + 1]
    nearest = by_nearness(registered, received)
    if not nearest:
        hint = f"No {check} is registered for this client: register the one that it sends."
        return Finding(check, (), shown_uri(received), hint)
    difference = shown(describe_uri_difference(nearest[0], received))
    hint = f"{difference[:1].upper()}{difference[1:]}. The strings must be the same: {remedy}."
    return Finding(check, expect(map(_cut, nearest)), shown_uri(received, nearest), hint, is_compared=True)


def _cut(uri: str) -> str:
    return uri[:MAX_URI_SHOWN]


def comparison(finding: Finding) -> tuple[Piece, ...]:
    """The nearest expected value beside the received one, both made visible; empty where nothing can be compared."""
    if not finding.is_compared or not finding.expected or finding.received is None:
        return ()
    return compare(visible(finding.expected[0]), visible(finding.received))
