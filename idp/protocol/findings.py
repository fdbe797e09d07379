"""What a refusal is made of, for whoever mends it: the check that failed, what it expected, and what it was given.

Owns the masking. A Finding is made where the check fails and its values are masked there, so that no secret travels in
an exception. Findings are for the operator and the flow inspector; a client reads `error_description` alone.
"""

import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from ipaddress import ip_address, ip_network
from typing import Any

MAX_SHOWN = 300
MAX_URI_SHOWN = 500
MAX_EXPECTED = 10
_MAX_READ = 2  # times what is shown: what is masked becomes shorter
_SECRETIVE_LENGTH = 24  # so long a run of characters, one of them a digit, may be a token, whatever it was sent as
_DELIMITERS = r"\s:,;\"'`(){}<>\[\]|?&="  # what may stand around a token, and in none
_RUN = re.compile(rf"[^{_DELIMITERS}]{{{_SECRETIVE_LENGTH},}}")
_RUN_IN_PATH = re.compile(rf"[^{_DELIMITERS}/]{{{_SECRETIVE_LENGTH},}}")
_RUN_IN_HOST = re.compile(rf"[^{_DELIMITERS}/.]{{{_SECRETIVE_LENGTH},}}")
_HOST_LABEL = re.compile(r"[a-z0-9]+(-+[a-z0-9]+)+|[A-Z0-9]+(-+[A-Z0-9]+)+")  # of words: my-app-git-main-team-2
_DIGIT = re.compile(r"\d")
_LAST = re.compile(rf"[^{_DELIMITERS}]*")  # run of a text that was turned round
_LAST_IN_PATH = re.compile(rf"[^{_DELIMITERS}/]*")
_PIECE = re.compile(r"[^\s/?&=:]+")
_AT = re.compile(r"@|%(?:25)*40")  # also percent-encoded, once or more often
_USER_INFO = re.compile(r"(?<=//)[^/?#]*@")
_AUTH_SCHEMES = frozenset(
    {"basic", "bearer", "digest", "dpop", "token", "jwt", "oauth", "apikey", "negotiate", "mutual", "hoba", "gnap"}
)


@dataclass(frozen=True, slots=True)
class Finding:
    """One check that failed.

    `expected`: the values that would have passed, the nearest first; `received`: what came; `hint`: what to change.
    `is_compared`: the first two are text of one kind, whose differences are worth marking character by character.
    """

    check: str
    expected: tuple[str, ...] = ()
    received: str | None = None
    hint: str = ""
    is_compared: bool = False


def load_finding(members: dict[str, Any]) -> Finding:
    """A Finding as it was kept; members that another version knew are left out."""
    known = {name: members[name] for name in ("check", "received", "hint", "is_compared") if name in members}
    return Finding(**known, expected=tuple(members.get("expected", ())))


def expect(values: Iterable[str]) -> tuple[str, ...]:
    """The values that would have passed, at most MAX_EXPECTED of them."""
    listed = list(values)
    more = len(listed) - MAX_EXPECTED
    return (*listed[:MAX_EXPECTED], f"and {more} more") if more > 0 else tuple(listed)


def masked(secret: str) -> str:
    """A secret as it may be shown: its length, and of a long one its first four characters."""
    return f"{secret[:4]}… {measured(secret)}" if len(secret) >= _SECRETIVE_LENGTH else measured(secret)


def measured(secret: str) -> str:
    """A secret of which nothing but the length may be shown."""
    return f"({len(secret)} character{'' if len(secret) == 1 else 's'})"


def shown(text: str) -> str:
    """A value that is no secret by its nature: cut, and whatever looks like a token or a person's address masked,
    alone or within something else."""
    words = _begin(text, MAX_SHOWN, _LAST).split(" ")
    return _cut(" ".join(shown_uri(word) if "://" in word else _shown_word(word) for word in words), MAX_SHOWN)


def _shown_word(word: str) -> str:
    return _without_tokens(_without_people(word), _RUN)


def _without_people(text: str) -> str:
    """Piece by piece, so that it takes no longer than the text is long."""
    if not _AT.search(text):
        return text
    return _PIECE.sub(lambda piece: "…@…" if _AT.search(piece[0]) else piece[0], text)


def _without_tokens(text: str, run: re.Pattern[str]) -> str:
    return run.sub(lambda found: masked(found[0]) if _DIGIT.search(found[0]) else found[0], text)


def shown_uri(uri: str, known: Collection[str] = ()) -> str:
    """A URI with its user name, the values of its query, its fragment and whatever looks like a token in the rest
    masked, except what stands in one of the `known` ones too."""
    before, hash_sign, fragment = _begin(uri, MAX_URI_SHOWN, _LAST_IN_PATH).partition("#")
    path, question_mark, query = before.partition("?")
    pairs = {pair for other in known for pair in other.partition("#")[0].partition("?")[2].split("&")}
    segments = {segment for other in known for segment in other.partition("?")[0].split("/")}
    shown_query = "&".join(pair if pair in pairs else _masked_pair(pair) for pair in query.split("&"))
    shown_fragment = "…" if fragment else ""
    whole = _shown_path(path, segments) + question_mark + shown_query + hash_sign + shown_fragment
    return _cut(whole, MAX_URI_SHOWN)


def _shown_path(path: str, known: Collection[str]) -> str:
    parts = _USER_INFO.sub("…@", path).split("/")
    has_host = len(parts) > 2 and parts[0].endswith(":") and not parts[1]
    hosts = {0} if parts[0].endswith(":") else set()  # a private-use scheme is the name of a host turned round
    hosts |= {2} if has_host else set()
    masks = (_shown_host if place in hosts else _shown_segment for place in range(len(parts)))
    return "/".join(part if part in known else mask(part) for mask, part in zip(masks, parts, strict=True))


def _shown_host(host: str) -> str:
    """A host is no secret, however long; a token that was put in its place is."""
    user, at_sign, rest = host.rpartition("@")
    name = _RUN_IN_HOST.sub(lambda label: label[0] if _HOST_LABEL.fullmatch(label[0]) else _shown_label(label[0]), rest)
    return ("…" if user else "") + at_sign + _without_people(name)


def _shown_label(label: str) -> str:
    return masked(label) if _DIGIT.search(label) else label


def _shown_segment(segment: str) -> str:
    return _without_tokens(_without_people(segment), _RUN_IN_PATH)


def _masked_pair(pair: str) -> str:
    name, equals, value = pair.partition("=")
    if not equals:
        return "…" if name else ""
    return f"{_shown_word(name)[:40]}={'…' if value else ''}"


def shown_scheme(scheme: str) -> str:
    """What stands before the credential in an Authorization header; of what is no known scheme only the length."""
    return scheme if scheme.strip("\"':,").lower() in _AUTH_SCHEMES and len(scheme) <= 20 else measured(scheme)


def visible(text: str) -> str:
    """Text that cannot move a cursor or turn the direction of what stands around it: such characters as escapes."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text)


def moment(seconds: float) -> str:
    """A time as people write it: 2026-01-31T08:00:00Z; the number itself where there is no such time."""
    try:
        return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    except (ValueError, OverflowError, OSError):
        return str(seconds)


def duration(seconds: float) -> str:
    """`40 s`, or for longer ones `7,260 s (2 h 1 min)`."""
    whole = int(abs(seconds))
    if whole < 120:
        return f"{whole} s"
    days, hours, minutes = whole // 86_400, whole % 86_400 // 3600, whole % 3600 // 60
    units = ((days, "d"), (hours, "h"), (minutes, "min"))
    return f"{whole:,} s ({' '.join(f'{number} {unit}' for number, unit in units if number)})"


def network_of(address: str | None) -> str | None:
    """The network of an address, /24 or /48: near enough to tell two machines apart, too coarse to name a person."""
    try:
        parsed = ip_address(address or "")
    except ValueError:
        return None
    return str(ip_network((parsed, 24 if parsed.version == 4 else 48), strict=False))


def _cut(text: str, length: int) -> str:
    return text if len(text) <= length else text[: length - 1] + "…"


def _begin(text: str, length: int, last_run: re.Pattern[str]) -> str:
    """So much of a text as can matter when `length` characters of it are shown. What is cut off is no piece of a run,
    by whose rest it could not be known for a token."""
    if len(text) <= length * _MAX_READ:
        return text
    head = text[: length * _MAX_READ]
    last = last_run.match(head[::-1])
    return head[: len(head) - (last.end() if last else 0)] + "…"
