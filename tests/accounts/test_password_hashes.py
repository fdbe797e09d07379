"""Hashes of other systems. The samples were made with Django 5.2.19 and passlib 1.7.4, not with the code under test."""

import pytest

from idp.accounts.password_hashes import (
    MAX_HASH_LENGTH,
    SCHEMES,
    UnusableHash,
    check_hash,
    covers,
    find_scheme,
    is_match,
)
from idp.accounts.passwords import Passwords
from idp.settings import load_settings

PASSWORD = "Tr0ub4dour & ünïcode ☃"
LONG_PASSWORD = "é" * 50  # 100 bytes
LONG_BCRYPT = "$2b$04$Op3q0xjl6PIhQRv4m.tYuuOriwfqGQB9VaVAHvlh8A0QusaZO8puO"
BCRYPT = "$2b$04$7QlW4mEd/MX8DFWH1LCdKevW60BFSjbOuBmu265mUPS7ebSwqet8S"
ARGON2I = "$argon2i$v=19$m=128,t=2,p=2$X+u9N8YYA4BwDuEcw1grpQ$vZVj+fEFVhEohEV5tmk3XYze4gWWpyItPCKwBqozbOs"
SAMPLES = {
    "Django PBKDF2 SHA-256": (
        "pbkdf2_sha256",
        "pbkdf2_sha256$1000$NaClNaCl12$tanU8Jh2TF9zhrbo1Rkojt5t9ZUCk/MJi8vQAUe/WWg=",
    ),
    "Django PBKDF2 SHA-1": ("pbkdf2_sha1", "pbkdf2_sha1$1000$NaClNaCl12$3hcDoZnuelX6RksFtXsE5WsTBQ4="),
    "Django scrypt": (
        "scrypt",
        "scrypt$1024$NaClNaCl12$8$1$fD9WXXvhMprMbspWJYG/vlLiYvR5PfFGCX54zwqEveKryxk670Buots4ZGalkIMJpQ1jbe2vY5KHMKtvm6"
        "UiTA==",
    ),
    "Django Argon2": (
        "argon2",
        "argon2$argon2id$v=19$m=64,t=1,p=1$TmFDbE5hQ2wxMg$jcN9+7jMuCpBEnZp06lqaZKB3+3+70juX/AKwg3PFKU",
    ),
    "Django bcrypt over SHA-256": (
        "bcrypt_sha256",
        "bcrypt_sha256$$2b$04$AUcbUjjB/w5tTPqdmcAgbuxaBwcGLWCYsBEH5cvB7pkLC9F0ESYYy",
    ),
    "Django bcrypt": ("bcrypt", "bcrypt$$2b$04$ioi9kJlOxUDG.geR1Hn29ujtFecOnTSoY.FLsfkLMKQVGZxt/eROK"),
    "passlib scrypt": (
        "scrypt_modular",
        "$scrypt$ln=10,r=8,p=1$UKp1ztk7JyTEeO+99x6jNA$QS7+JsQ4IAhBSYKZpefvu+QnYJpO310olwJtYa+YEUg",
    ),
    "bcrypt 2a": ("bcrypt", "$2a$04$vbwwoxpUOAs9ltuT9iPrmO4adCzXGvwsnJKKiadx4LpK7PyPwhohO"),
    "bcrypt 2b": ("bcrypt", BCRYPT),
    "bcrypt 2y": ("bcrypt", "$2y$04$.5sYvx6CHIkIP9eWm1psi.bmWoHRnk.F8nsli9wtZiuwIfQ5g8tV2"),
    "Argon2i": ("argon2", ARGON2I),
    "Argon2d": (
        "argon2",
        "$argon2d$v=19$m=128,t=2,p=2$4VxLSSllTAmBkJIy5tz7Hw$YAt8UZrtz4MbdKckHQYHw5pVJKYKhpnJhPZMhD2XgyM",
    ),
    "Argon2id": (
        "argon2",
        "$argon2id$v=19$m=128,t=2,p=2$IeTcuzdmrLVWKkXovfeekw$lYwFJfAyhr2Cfc4k31K7VSLWSoF0z5ajCADljyynl5E",
    ),
    # RFC 7914 §12, the second vector, in the modular notation
    "RFC 7914 scrypt": (
        "scrypt_modular",
        "$scrypt$ln=10,r=8,p=16$TmFDbA$/bq+HJ00cgB4VucZDQHp/nxq18vII3gw53N2Y0s3MWIurzDZLiKjiG/xCSedmDDaxyevuUqD7m2DYMvf"
        "oswGQA",
    ),
}
RFC_PASSWORDS = {"RFC 7914 scrypt": "password"}


@pytest.mark.asvs("11.4.2")
@pytest.mark.parametrize("sample", SAMPLES)
def test_a_hash_that_another_system_made_opens_for_its_password_alone(sample: str) -> None:
    scheme, password_hash = SAMPLES[sample]
    password = RFC_PASSWORDS.get(sample, PASSWORD)
    check_hash(password_hash, scheme)
    assert find_scheme(password_hash) == scheme
    assert is_match(password_hash, password.encode())
    for wrong in (b"", password.encode()[:-1], password.encode() + b"x", password.upper().encode(), b"\0"):
        assert not is_match(password_hash, wrong)


@pytest.mark.parametrize("sample", SAMPLES)
def test_a_changed_hash_opens_for_nobody(sample: str) -> None:
    password_hash = SAMPLES[sample][1]
    password = RFC_PASSWORDS.get(sample, PASSWORD).encode()
    place = len(password_hash) - 5
    changed = password_hash[:place] + ("A" if password_hash[place] != "A" else "B") + password_hash[place + 1 :]
    assert not is_match(changed, password)
    assert not is_match(password_hash[:-8], password)


def test_every_scheme_has_a_sample() -> None:
    assert {scheme for scheme, _ in SAMPLES.values()} == set(SCHEMES)


def test_one_notation_is_never_taken_for_another() -> None:
    for _, password_hash in SAMPLES.values():
        assert sum(scheme.pattern.fullmatch(password_hash) is not None for scheme in SCHEMES.values()) == 1


SALT_AND_HASH = "X+u9N8YYA4BwDuEcw1grpQ$vZVj+fEFVhEohEV5tmk3XYze4gWWpyItPCKwBqozbOs"


@pytest.mark.parametrize(
    "password_hash",
    [
        pytest.param(f"$argon2id$v=19$m=1048577,t=1,p=1${SALT_AND_HASH}", id="Argon2 with more than 1 GiB"),
        pytest.param(f"$argon2id$v=19$m=1048576,t=5,p=1${SALT_AND_HASH}", id="Argon2 with 1 GiB five times"),
        pytest.param(f"$argon2id$v=19$m=64,t=10000001,p=1${SALT_AND_HASH}", id="Argon2 with endless passes"),
        pytest.param(f"$argon2id$v=19$m=4096,t=1,p=65${SALT_AND_HASH}", id="Argon2 with too many lanes"),
        pytest.param(f"$argon2id$v=19$m=8,t=1,p=2${SALT_AND_HASH}", id="Argon2 with too little memory for its lanes"),
        pytest.param(f"$argon2id$v=19$m=64,t=0,p=1${SALT_AND_HASH}", id="Argon2 without a pass"),
        pytest.param(BCRYPT.replace("$04$", "$17$"), id="bcrypt cost 17"),
        pytest.param(BCRYPT.replace("$04$", "$99$"), id="bcrypt cost 99"),
        pytest.param(BCRYPT.replace("$04$", "$03$"), id="bcrypt cost 3"),
        pytest.param("pbkdf2_sha256$10000001$salt$" + "A" * 43 + "=", id="PBKDF2 with too many iterations"),
        pytest.param("pbkdf2_sha256$0$salt$" + "A" * 43 + "=", id="PBKDF2 without iterations"),
        pytest.param("pbkdf2_sha256$1$salt$" + "A" * 41, id="PBKDF2 with a length that base64 never has"),
        pytest.param("scrypt$2097152$salt$8$1$" + "A" * 86 + "==", id="scrypt with more than 1 GiB"),
        pytest.param("scrypt$1000$salt$8$1$" + "A" * 86 + "==", id="scrypt with N that is no power of two"),
        pytest.param("$scrypt$ln=99,r=8,p=1$c2FsdA$" + "A" * 43, id="scrypt with N beyond every bound"),
        pytest.param("$scrypt$ln=10,r=8,p=65$c2FsdA$" + "A" * 43, id="scrypt with too many lanes"),
        pytest.param("$scrypt$ln=10,r=0,p=1$c2FsdA$" + "A" * 43, id="scrypt without blocks"),
        pytest.param("5f4dcc3b5aa765d61d8327deb882cf99", id="MD5"),
        pytest.param("$1$abcdefgh$irWbblnpmw.5z7wgBnprh0", id="md5crypt"),
        pytest.param("hunter2", id="a password in the clear"),
        pytest.param("!", id="Django's unusable password"),
        pytest.param("", id="nothing"),
        pytest.param(BCRYPT + "\n", id="a line end behind it"),
        pytest.param("$argon2id$v=19$m=64,t=1,p=1$" + "A" * MAX_HASH_LENGTH + "$AAAA", id="a very long one"),
    ],
)
def test_a_hash_that_is_unknown_malformed_or_absurdly_dear_is_refused_and_not_repeated(password_hash: str) -> None:
    with pytest.raises(UnusableHash) as refusal:
        check_hash(password_hash)
    assert not password_hash or password_hash not in str(refusal.value)


def test_the_dearest_hashes_allowed_are_still_allowed() -> None:
    check_hash(BCRYPT.replace("$04$", "$16$"))
    check_hash(f"$argon2id$v=19$m=1048576,t=4,p=4${SALT_AND_HASH}")
    check_hash("pbkdf2_sha256$10000000$salt$" + "A" * 43 + "=")
    check_hash("scrypt$1048576$salt$8$1$" + "A" * 86 + "==")


def test_a_hash_of_another_scheme_than_announced_is_refused() -> None:
    with pytest.raises(UnusableHash, match="not of the scheme"):
        check_hash(ARGON2I, "bcrypt")


def test_what_is_no_hash_opens_for_nobody() -> None:
    for nonsense in (
        "",
        "x",
        "not a hash",
        "$2b$04$",
        "$argon2id$v=19$m=64,t=1,p=1$A$A",
        "scrypt$1000$s$8$1$" + "A" * 44,
    ):
        assert not is_match(nonsense, b"")
        assert not is_match(nonsense, nonsense.encode())


def test_a_bcrypt_hash_speaks_for_72_bytes_and_says_so() -> None:
    """Every system that made these hashes dropped the rest, so the rest cannot be checked."""
    password = LONG_PASSWORD.encode()
    assert is_match(LONG_BCRYPT, password)
    assert is_match(LONG_BCRYPT, password[:72] + b"anything")
    assert not is_match(LONG_BCRYPT, password[:71])
    assert not covers(LONG_BCRYPT, password)
    assert covers(LONG_BCRYPT, password[:72])
    assert covers(SAMPLES["Django bcrypt over SHA-256"][1], password)
    assert covers(ARGON2I, password)


def test_a_password_that_nfkc_changes_opens_a_hash_that_was_made_without_nfkc() -> None:
    """`½` becomes `1⁄2` in our own form; the other system hashed what was typed."""
    passwords = Passwords(load_settings({"IDP_ARGON2_MEMORY_KIB": "64", "IDP_ARGON2_ITERATIONS": "1"}, None))
    made_elsewhere = "pbkdf2_sha256$1$NaClNaCl12$vhCm8iuetBAT8wGqUJnaRGzn0ZaA+vAuO5Y1wkDGX0Q="
    assert passwords.is_right("½ pint of ﬁsh", made_elsewhere)
    assert not passwords.is_right("1⁄2 pint of fish", made_elsewhere)
    assert passwords.is_right("1⁄2 pint of fish", passwords.hash("½ pint of ﬁsh")), "ours is the same either way"
