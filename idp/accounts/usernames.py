"""User names for people who did not choose one: letters and digits, 4 to 15 of them, a number behind when taken."""

import secrets
import unicodedata
from collections.abc import Iterator, Sequence

MIN_LENGTH, MAX_LENGTH = 4, 15
FALLBACK = "user"
_SUFFIX_DIGITS = 4


def derive_usernames(names: Sequence[str]) -> Iterator[str]:
    """Candidates without end, the best first: each name as it is, then the first with random digits behind it.

    The digits are random, so that a name tells nobody how many people were called so before.
    """
    bases = [base for name in names if len(base := reduce_to_username(name)) >= MIN_LENGTH]
    yield from bases
    short = [base for name in names if (base := reduce_to_username(name))]
    base = (bases or short or [FALLBACK])[0][: MAX_LENGTH - _SUFFIX_DIGITS]
    while True:
        yield f"{base}{secrets.randbelow(10**_SUFFIX_DIGITS):0{_SUFFIX_DIGITS}}"


def reduce_to_username(name: str) -> str:
    """The ASCII letters and digits of a name, accents taken off, at most MAX_LENGTH."""
    plain = unicodedata.normalize("NFKD", name)
    return "".join(character for character in plain if character.isascii() and character.isalnum())[:MAX_LENGTH]
