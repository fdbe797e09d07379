"""Password hashes that other systems made: how they are recognised, bounded and verified.

Implements bcrypt, PBKDF2 (RFC 8018), scrypt (RFC 7914) and every kind of Argon2 (RFC 9106) in the notations of Django,
passlib and the crypt families. Owns no policy: `passwords` decides when a hash is replaced by one of ours.

A hash is never made here. Each is compared in constant time by its library or by `hmac`.
"""

import binascii
import hashlib
import hmac
import re
from base64 import b64decode
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import bcrypt
from argon2.exceptions import VerificationError
from argon2.low_level import Type, verify_secret

MAX_HASH_LENGTH = 1024
MAX_MEMORY_KIB = 1024 * 1024  # 1 GiB
MAX_MEMORY_KIB_PASSES = 4 * MAX_MEMORY_KIB  # memory × passes: what bounds the time
MAX_ITERATIONS = 10_000_000
MAX_LANES = 64
MAX_BCRYPT_COST = 16
BCRYPT_BYTES = 72  # bcrypt reads no more of a password than these

Match = re.Match[str]


class UnusableHash(ValueError):
    """A stored hash that is of no known scheme, is malformed, or would cost too much; the message never repeats it."""


@dataclass(frozen=True, slots=True)
class Scheme:
    """One notation. `check_cost` raises UnusableHash; `verify` answers for the bytes of a password.

    `max_bytes`: how much of a password the hash covers, None for all of it.
    """

    pattern: re.Pattern[str]
    check_cost: Callable[[Match], None]
    verify: Callable[[Match, bytes], bool]
    max_bytes: int | None = None


def check_hash(password_hash: str, scheme: str | None = None) -> None:
    """Raise UnusableHash unless this hash can be verified, at a bearable cost, and is of the `scheme` where one is
    named."""
    name, match = _load(password_hash)
    if scheme is not None and scheme != name:
        raise UnusableHash("The password hash is not of the scheme that is named.")
    SCHEMES[name].check_cost(match)


def find_scheme(password_hash: str) -> str | None:
    """The name in SCHEMES of the notation, None when there is none."""
    try:
        return _load(password_hash)[0]
    except UnusableHash:
        return None


def is_match(password_hash: str, password: bytes) -> bool:
    """Whether the hash is of this password; False for what is no hash at all."""
    try:
        name, match = _load(password_hash)
        return SCHEMES[name].verify(match, password)
    except (UnusableHash, ValueError, MemoryError):  # binascii.Error and what the libraries find malformed
        return False


def covers(password_hash: str, password: bytes) -> bool:
    """Whether the hash speaks for the password to its end. When it does not, what follows may be mistyped, and no hash
    of the whole may be made of it."""
    name = find_scheme(password_hash)
    limit = SCHEMES[name].max_bytes if name is not None else None
    return limit is None or len(password) <= limit


def _load(password_hash: str) -> tuple[str, Match]:
    if len(password_hash) <= MAX_HASH_LENGTH:
        for name, scheme in SCHEMES.items():
            match = scheme.pattern.fullmatch(password_hash)
            if match is not None:
                return name, match
    raise UnusableHash("The password hash is of no known scheme.")


# --- Argon2

_ARGON2_TYPES = {"argon2i": Type.I, "argon2d": Type.D, "argon2id": Type.ID}
_ARGON2 = (
    r"(?:argon2\$)?\$?(?P<phc>(?P<type>argon2id|argon2i|argon2d)(?:\$v=(?:16|19))?"
    r"\$m=(?P<memory>\d{1,10}),t=(?P<passes>\d{1,10}),p=(?P<lanes>\d{1,8})\$[A-Za-z0-9+/]+\$[A-Za-z0-9+/]+)"
)


def _check_argon2(match: Match) -> None:
    memory, passes, lanes = int(match["memory"]), int(match["passes"]), int(match["lanes"])
    _check_memory(memory, passes)
    _check_lanes(lanes)
    if memory < 8 * lanes:  # RFC 9106 §3.1
        raise UnusableHash("The password hash is malformed.")


def _verify_argon2(match: Match, password: bytes) -> bool:
    try:
        return verify_secret(("$" + match["phc"]).encode("ascii"), password, _ARGON2_TYPES[match["type"]])
    except VerificationError:
        return False


# --- bcrypt

_BCRYPT = r"(?P<bcrypt>\$2[aby]\$(?P<cost>\d\d)\$[./A-Za-z0-9]{53})"


def _check_bcrypt(match: Match) -> None:
    if not 4 <= int(match["cost"]) <= MAX_BCRYPT_COST:
        raise UnusableHash(f"The password hash has a bcrypt cost that is not between 4 and {MAX_BCRYPT_COST}.")


def _verify_bcrypt(match: Match, password: bytes) -> bool:
    """As every system that makes these hashes does: the first 72 bytes alone."""
    return bcrypt.checkpw(password[:BCRYPT_BYTES], match["bcrypt"].encode("ascii"))


def _verify_bcrypt_sha256(match: Match, password: bytes) -> bool:
    """Django's: bcrypt over the hexadecimal SHA-256 of the password, which is never too long."""
    return _verify_bcrypt(match, hashlib.sha256(password).hexdigest().encode("ascii"))


# --- PBKDF2

_DIGESTS = {"pbkdf2_sha256": "sha256", "pbkdf2_sha1": "sha1"}


def _pbkdf2(name: str, characters: int) -> str:
    """`characters`: of the whole hash in base64. A shorter one has been cut off somewhere, and would fit too much."""
    start = rf"(?P<name>{name})\$(?P<iterations>\d{{1,10}})\$(?P<salt>[^$]{{1,256}})"
    return start + rf"\$(?P<hash>[A-Za-z0-9+/]{{{characters}}}=?)"


def _check_pbkdf2(match: Match) -> None:
    if not 1 <= int(match["iterations"]) <= MAX_ITERATIONS:
        raise UnusableHash(f"The password hash has more than {MAX_ITERATIONS:,} iterations, or none.")
    _check_base64(match["hash"])


def _verify_pbkdf2(match: Match, password: bytes) -> bool:
    expected = _from_base64(match["hash"])
    digest, salt = _DIGESTS[match["name"]], match["salt"].encode("utf-8")
    made = hashlib.pbkdf2_hmac(digest, password, salt, int(match["iterations"]), dklen=len(expected))
    return hmac.compare_digest(made, expected)


# --- scrypt

_SCRYPT_DJANGO = (
    r"scrypt\$(?P<n>\d{1,10})\$(?P<text_salt>[^$]{1,256})\$(?P<r>\d{1,5})\$(?P<p>\d{1,5})"
    r"\$(?P<hash>[A-Za-z0-9+/]{86}(?:==)?)"
)
_SCRYPT_MODULAR = (
    r"\$scrypt\$ln=(?P<ln>\d{1,2}),r=(?P<r>\d{1,5}),p=(?P<p>\d{1,5})"
    r"\$(?P<salt>[A-Za-z0-9+/]*)\$(?P<hash>[A-Za-z0-9+/]{86}|[A-Za-z0-9+/]{43})"
)


def _scrypt_parameters(match: Match) -> tuple[int, int, int]:
    groups = match.groupdict()
    n = int(groups["n"]) if groups.get("n") else 1 << int(groups["ln"])
    return n, int(match["r"]), int(match["p"])


def _check_scrypt(match: Match) -> None:
    n, r, p = _scrypt_parameters(match)
    if n < 2 or n & (n - 1) or r < 1:
        raise UnusableHash("The password hash is malformed.")
    _check_lanes(p)
    _check_memory(max(1, 128 * n * r // 1024), p)
    _check_base64(match["hash"])


def _verify_scrypt(match: Match, password: bytes) -> bool:
    n, r, p = _scrypt_parameters(match)
    text_salt = match.groupdict().get("text_salt")
    salt = text_salt.encode("utf-8") if text_salt is not None else _from_base64(match["salt"])
    expected = _from_base64(match["hash"])
    most = 128 * r * (n + p + 2) + 1024 * 1024
    made = hashlib.scrypt(password, salt=salt, n=n, r=r, p=p, maxmem=most, dklen=len(expected))
    return hmac.compare_digest(made, expected)


# --- Bounds and encodings


def _check_memory(kib: int, passes: int) -> None:
    if not 1 <= kib <= MAX_MEMORY_KIB:
        raise UnusableHash("The password hash needs more than 1 GiB of memory, or none.")
    if passes < 1 or kib * passes > MAX_MEMORY_KIB_PASSES:
        raise UnusableHash("The password hash would take too long to verify.")


def _check_lanes(lanes: int) -> None:
    if not 1 <= lanes <= MAX_LANES:
        raise UnusableHash(f"The password hash has more than {MAX_LANES} lanes, or none.")


def _check_base64(text: str) -> None:
    try:
        _from_base64(text)
    except binascii.Error:
        raise UnusableHash("The password hash is malformed.") from None


def _from_base64(text: str) -> bytes:
    bare = text.rstrip("=")
    return b64decode(bare + "=" * (-len(bare) % 4), validate=True)


# name → the notation. The first that fits is taken; no two fit the same text.
SCHEMES: Mapping[str, Scheme] = {
    "argon2": Scheme(re.compile(_ARGON2), _check_argon2, _verify_argon2),
    "bcrypt": Scheme(re.compile(r"(?:bcrypt\$)?" + _BCRYPT), _check_bcrypt, _verify_bcrypt, max_bytes=BCRYPT_BYTES),
    "bcrypt_sha256": Scheme(re.compile(r"bcrypt_sha256\$" + _BCRYPT), _check_bcrypt, _verify_bcrypt_sha256),
    "pbkdf2_sha256": Scheme(re.compile(_pbkdf2("pbkdf2_sha256", 43)), _check_pbkdf2, _verify_pbkdf2),
    "pbkdf2_sha1": Scheme(re.compile(_pbkdf2("pbkdf2_sha1", 27)), _check_pbkdf2, _verify_pbkdf2),
    "scrypt": Scheme(re.compile(_SCRYPT_DJANGO), _check_scrypt, _verify_scrypt),
    "scrypt_modular": Scheme(re.compile(_SCRYPT_MODULAR), _check_scrypt, _verify_scrypt),
}
