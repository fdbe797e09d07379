"""User names for people who did not choose one: letters and digits, 4 to 15 of them, a number behind when taken."""

import secrets
import unicodedata
from collections.abc import Iterator, Sequence
from itertools import chain, repeat

MIN_LENGTH, MAX_LENGTH = 4, 15
FALLBACK = "user"
_DIGITS, _TRIES, _MORE_DIGITS = 4, 12, 8  # a few tries with few digits, which very many people may have used up


def derive_usernames(names: Sequence[str]) -> Iterator[str]:
    """Candidates without end, the best first: each name as it is, then the first with random digits behind it.

    The digits are random, so that a name tells nobody how many people were called so before. After some tries there are
    more of them: whoever is called like ten thousand others gets a name too.
    """
    bases = [base for name in names if len(base := reduce_to_username(name)) >= MIN_LENGTH]
    yield from bases
    short = [base for name in names if (base := reduce_to_username(name))]
    base = (bases or short or [FALLBACK])[0]
    for digits in chain(repeat(_DIGITS, _TRIES), repeat(_MORE_DIGITS)):
        yield f"{base[: MAX_LENGTH - digits]}{secrets.randbelow(10**digits):0{digits}}"


def reduce_to_username(name: str) -> str:
    """The ASCII letters and digits of a name, accents taken off, at most MAX_LENGTH."""
    plain = unicodedata.normalize("NFKD", name)
    return "".join(character for character in plain if character.isascii() and character.isalnum())[:MAX_LENGTH]
