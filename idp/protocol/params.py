"""Reading request parameters (RFC 6749 §3.1, §3.2): each at most once, an empty one counts as absent."""

import re
from collections.abc import Iterable, Iterator, Mapping

from idp.protocol.errors import InvalidRequest
from idp.protocol.findings import Finding, measured, shown

MAX_VALUE_LENGTH = 16_384
_UNCLEAN = re.compile("[\x00-\x1f\x7f\ud800-\udfff]")
_UNCLEAN_LINES = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff]")


class Params(Mapping[str, str]):
    """Parameters of one request. `params["x"]` raises KeyError when absent; `params.every("resource")` gives all
    values.

    Only names in `repeatable` may come more than once (RFC 8707 §2 allows it for `resource`).
    """

    def __init__(self, pairs: Iterable[tuple[str, str]], *, repeatable: frozenset[str] = frozenset()) -> None:
        self._values: dict[str, list[str]] = {}
        self._repeated: list[str] = []
        for name, value in pairs:
            if value == "":
                continue
            earlier = self._values.setdefault(name, [])
            if earlier and name not in repeatable:
                self._repeated.append(name)
            earlier.append(value)

    def check_well_formed(self) -> None:
        """RFC 6749 §3.1: no parameter twice; no NUL and no other control characters; no boundless values."""
        if self._repeated:
            raise InvalidRequest(f"The parameter {printable(self._repeated[0])} is there more than once.")
        for name, values in self._values.items():
            for value in (name, *values):
                if not is_clean(value, allow_lines=name == "claims"):
                    raise InvalidRequest(f"The parameter {printable(name)} has characters that are not allowed.")
                if len(value) > MAX_VALUE_LENGTH:
                    finding = Finding("parameters", (f"at most {MAX_VALUE_LENGTH} characters",), measured(value))
                    raise InvalidRequest(f"The parameter {printable(name)} is too long.", findings=[finding])

    def is_repeated(self, name: str) -> bool:
        return name in self._repeated

    def every(self, name: str) -> list[str]:
        return list(self._values.get(name, ()))

    def words(self, name: str) -> tuple[str, ...]:
        """A space-delimited value as its distinct words, in order (RFC 6749 §3.3)."""
        return tuple(dict.fromkeys(word for word in self.get(name, "").split(" ") if word))

    def pairs(self) -> list[tuple[str, str]]:
        return [(name, value) for name, values in self._values.items() for value in values]

    def __getitem__(self, name: str) -> str:
        return self._values[name][0]

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)


def is_clean(value: str, *, allow_lines: bool = False) -> bool:
    """No control characters, no lone surrogates. `allow_lines`: but tab and line breaks, as in pretty-printed JSON."""
    return (_UNCLEAN_LINES if allow_lines else _UNCLEAN).search(value) is None


def printable(name: str) -> str:
    """A parameter's name, fit for an error description; a token that was sent as a name is masked."""
    plain = shown(name).replace("…", "...")
    return "".join(c if c.isascii() and c.isprintable() else "?" for c in plain[:40])


def load_integer(params: Params, name: str, *, maximum: int = 2**31) -> int | None:
    """A non-negative decimal number (as `max_age`, Core §3.1.2.1), or None when absent."""
    if name not in params:
        return None
    text = params[name]
    if not (text.isascii() and text.isdigit() and len(text) <= 10) or int(text) > maximum:
        finding = Finding(name, ("a whole number of seconds",), shown(text))
        raise InvalidRequest(f"{name} must be a whole number of seconds, zero or more.", findings=[finding])
    return int(text)
