"""What a new password may be (NIST SP 800-63B §3.1.1.2, OWASP ASVS 5.0 V6.2), and how good it is.

Owns the reasons to refuse one, and the steps of strength. Length counts, and that nobody would guess it; there are no
rules on its composition. Characters are Unicode code points after NFKC, the form that is hashed; nothing is cut off.
"""

import hashlib
import re
import threading
import unicodedata
from collections.abc import Collection, Iterator, Sequence
from enum import IntEnum, StrEnum
from functools import lru_cache
from pathlib import Path
from urllib.parse import urlsplit

import structlog

from idp.accounts.passwords import is_too_long, normalized
from idp.outbound import FetchRefused, OutboundFetcher
from idp.settings import Settings

RATED_LENGTH = 72  # zxcvbn's time grows with more than the square of the length
_RATED_SUBSTITUTES = 5  # and doubles with each further kind of character that may stand for a letter
_MIN_WORD = 3
_OWN_LETTERS = 4  # beside names and words, a password needs as many letters of its own,
_OWN_CHARACTERS = 9  # or as many letters and digits together: more than a date

_log = structlog.get_logger("idp.passwords")
_rating = threading.Lock()  # zxcvbn keeps the person's words in a shared dictionary, and holds the interpreter anyway


class Reason(StrEnum):
    """Why a password is refused."""

    TOO_SHORT = "too_short"
    TOO_LONG = "too_long"
    COMMON = "common"
    BREACHED = "breached"
    PERSONAL = "personal"
    SITE = "site"


class Strength(IntEnum):
    """How many guesses a password resists: fewer than 10³, 10⁶, 10⁸, 10¹⁰, or more."""

    VERY_WEAK = 0
    WEAK = 1
    FAIR = 2
    GOOD = 3
    STRONG = 4


def check_new_password(settings: Settings, password: str, *, about: Sequence[str]) -> list[Reason]:
    """All that speaks against a new password; an empty list when nothing does. `about`: the person's names, user name
    and e-mail.

    ASVS 6.2.1, 6.2.4, 6.2.5, 6.2.9, 6.2.11, 6.2.12. The list of leaked ones is asked last, and only about a password
    that nothing else speaks against; when it does not answer, the password passes and the log says so.
    """
    if is_too_long(password):
        return [Reason.TOO_LONG]
    reasons = []
    if len(normalized(password)) < settings.password_min_length:
        reasons.append(Reason.TOO_SHORT)
    if is_common(password):
        reasons.append(Reason.COMMON)
    if is_made_of(password, about):
        reasons.append(Reason.PERSONAL)
    if is_made_of(password, site_words(settings)):
        reasons.append(Reason.SITE)
    if not reasons and is_breached(settings, password):
        reasons.append(Reason.BREACHED)
    return reasons


def rate_password(password: str, about: Sequence[str]) -> Strength:
    """How good a password is, by zxcvbn; of a very long one its beginning."""
    from zxcvbn import zxcvbn

    text = _bounded(normalized(password))
    if not text:
        return Strength.VERY_WEAK
    with _rating:
        return Strength(zxcvbn(text, user_inputs=[_fold(word) for word in _words(about)])["score"])


def is_common(password: str) -> bool:
    """Whether it is among the passwords and words that are tried first (ASVS 6.2.4), or a slight change of one."""
    return is_listed(password) or rate_password(password, ()) <= Strength.WEAK


def is_listed(password: str) -> bool:
    """Whether it is one of the most used passwords itself."""
    return normalized(password).casefold() in _common_passwords()


def site_words(settings: Settings) -> tuple[str, ...]:
    """What an attacker knows of this deployment (ASVS 6.2.11)."""
    host = urlsplit(settings.issuer).hostname or ""
    return (settings.service_name, *settings.password_blocked_words, *host.split(".")[:-1], "localhost")


def is_made_of(password: str, about: Collection[str]) -> bool:
    """Whether little remains of a password without these words: also in another case, without accents, backwards, with
    digits or signs between or behind, or with the usual signs for letters."""
    folded = _fold(normalized(password))
    covered = [False] * len(folded)
    for word in _words(about):
        for start, end in _places(folded, _fold(word)):
            covered[start:end] = [True] * (end - start)
    if not any(covered):
        return False
    own = [character for character, is_word in zip(folded, covered, strict=True) if not is_word]
    letters = sum(character.isalpha() for character in own)
    return letters < _OWN_LETTERS and sum(character.isalnum() for character in own) < _OWN_CHARACTERS


# --- Words

_SIGNS_FOR_LETTERS = ("01345789@$!+|(2", "oleastbgasitlcz"), ("01345789@$!+|(2", "oieastbgasltlcz")


def _words(about: Collection[str]) -> list[str]:
    """The words of names and addresses, the longest first; an address without its top-level domain."""
    words: set[str] = set()
    for text in about:
        local, at, domain = text.rpartition("@")
        bare = f"{local} {domain.rpartition('.')[0]}" if at else text
        words |= {part for part in re.split(r"[\W_]+", normalized(bare)) if len(part) >= _MIN_WORD}
        words |= {joined} if len(joined := re.sub(r"[\W_]+", "", normalized(bare))) >= _MIN_WORD else set()
    return sorted(words, key=len, reverse=True)


def _fold(text: str) -> str:
    """Without case and accents."""
    return "".join(
        character
        for character in unicodedata.normalize("NFKD", text.casefold())
        if not unicodedata.combining(character)
    )


def _places(text: str, word: str) -> Iterator[tuple[int, int]]:
    """Where a word stands in a text, forwards or backwards, in letters or in signs for them."""
    tables = [str.maketrans({}), *(str.maketrans(signs, letters) for signs, letters in _SIGNS_FOR_LETTERS)]
    for table in tables:
        written, wanted = text.translate(table), word.translate(table)
        for form in {wanted, wanted[::-1]} - {""}:
            start = written.find(form)
            while start >= 0:
                yield start, start + len(form)
                start = written.find(form, start + 1)


@lru_cache(maxsize=1)
def _common_passwords() -> frozenset[str]:
    """Some 11,000 of eight characters and more, from zxcvbn's list of the 30,000 most used."""
    from zxcvbn.frequency_lists import FREQUENCY_LISTS

    return frozenset(word for word in FREQUENCY_LISTS["passwords"] if len(word) >= 8)


def _bounded(text: str) -> str:
    """What zxcvbn is given: the beginning, and no more kinds of signs for letters than it can try in short time. The
    further ones become signs that stand for nothing, each kind its own."""
    text = text[:RATED_LENGTH]
    kinds = dict.fromkeys(character for character in text if character in "4@8({[<3691!|70$5+%2")
    return text.translate({ord(kind): 0xE000 + ord(kind) for kind in list(kinds)[_RATED_SUBSTITUTES:]})


# --- Leaked passwords


def is_breached(settings: Settings, password: str) -> bool:
    """Whether a range API in the manner of Pwned Passwords knows it (ASVS 6.2.12). It learns five of the forty digits
    of a hash; who listens in learns not even these, because padding hides the length of the answer."""
    if settings.pwned_passwords_url is None:
        return False
    # SHA-1 is what the API is made of; nothing is protected by it
    digest = hashlib.sha1(normalized(password).encode("utf-8", "surrogatepass"), usedforsecurity=False).hexdigest()
    digest = digest.upper()
    url = f"{settings.pwned_passwords_url.rstrip('/')}/{digest[:5]}"
    fetcher = _fetcher(settings.outbound_allowed_hosts, settings.outbound_ca_bundle, settings.outbound_timeout)
    try:
        answer = fetcher.send("GET", url, headers={"Add-Padding": "true", "Accept": "text/plain"})
    except FetchRefused as refused:
        _log.warning("pwned_passwords.unavailable", why=str(refused))
        return False
    if answer.status != 200:
        _log.warning("pwned_passwords.unavailable", why=f"status {answer.status}")
        return False
    return _is_listed(answer.body.decode("ascii", "replace"), digest[5:])


def _is_listed(lines: str, suffix: str) -> bool:
    """`SUFFIX:COUNT` on each line; a count of 0 is padding."""
    for line in lines.splitlines():
        listed, _, count = line.strip().partition(":")
        if listed.upper() == suffix:
            return count.strip().isdecimal() and int(count) > 0
    return False


@lru_cache(maxsize=4)
def _fetcher(allowed_hosts: tuple[str, ...], ca_bundle: Path | None, timeout: float) -> OutboundFetcher:
    """Kept, because it keeps the loaded certificates."""
    return OutboundFetcher(allowed_hosts=allowed_hosts, ca_bundle=ca_bundle, timeout=timeout)
