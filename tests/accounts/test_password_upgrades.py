"""People from other systems sign in with their old password, over HTTP, and leave with a hash of ours."""

import secrets
import statistics
import time

import pytest

from idp.accounts.passwords import Passwords
from idp.accounts.sign_in import try_password
from idp.settings import load_settings
from tests.accounts.test_password_hashes import LONG_BCRYPT, LONG_PASSWORD, RFC_PASSWORDS, SAMPLES
from tests.accounts.test_password_hashes import PASSWORD as OLD_PASSWORD
from tests.support.crowd import at_once
from tests.support.idp_server import ServerUnderTest
from tests.support.relying_party import Browser


def sign_in(server: ServerUnderTest, login: str, password: str) -> bool:
    browser = Browser(server)
    answer = browser.open("/login").submit("login", username=login, password=password)
    return answer.status_code == 303 and "idp_session" in browser.http.cookies


def hash_of(server: ServerUnderTest, login: str) -> str:
    found = server.store.users.find_for_sign_in(login)
    assert found is not None
    return str(found[1])


def imported(server: ServerUnderTest, password_hash: str) -> str:
    user = server.add_user()
    assert server.store.users.set_password_hash(user.id, password_hash, now=server.now)
    return user.username


@pytest.mark.asvs("11.4.2")
@pytest.mark.parametrize("sample", SAMPLES)
def test_an_old_password_signs_in_and_its_hash_becomes_one_of_ours(server: ServerUnderTest, sample: str) -> None:
    password_hash, password = SAMPLES[sample][1], RFC_PASSWORDS.get(sample, OLD_PASSWORD)
    name = imported(server, password_hash)
    assert not sign_in(server, name, password + "x")
    assert hash_of(server, name) == password_hash, "a wrong password changes nothing"
    assert sign_in(server, name, password)
    upgraded = hash_of(server, name)
    assert upgraded.startswith("$argon2id$v=19$m=64,t=1,p=1$")
    assert sign_in(server, name, password)
    assert hash_of(server, name) == upgraded, "once"
    assert not sign_in(server, name, password + "x")


def test_what_bcrypt_never_checked_does_not_become_part_of_the_password(server: ServerUnderTest) -> None:
    """It fits beyond 72 bytes whatever follows, as it did where it came from, so a hash of what was typed might be of
    a slip of the finger."""
    name = imported(server, LONG_BCRYPT)
    mistyped = LONG_PASSWORD[:-1] + "è"
    assert sign_in(server, name, mistyped)
    assert hash_of(server, name) == LONG_BCRYPT
    assert sign_in(server, name, LONG_PASSWORD)
    assert sign_in(server, name, LONG_PASSWORD[:36]), "72 bytes are all of it"
    assert hash_of(server, name).startswith("$argon2id$")


@pytest.mark.asvs("6.2.8", "6.2.9")
@pytest.mark.parametrize(
    "password",
    [
        pytest.param("".join(chr(0x4E00 + 7 * number) for number in range(256)), id="256 characters of three bytes"),
        pytest.param("🐢" * 255 + "🦜", id="256 characters beyond the first plane"),
        pytest.param("  spaces before and behind  ", id="spaces"),
        pytest.param("e\u0301e\u0301e\u0301 \u202e right to left", id="combining and invisible characters"),
        pytest.param("½ pint of ﬁsh ＡＢＣ", id="what NFKC changes"),
    ],
)
def test_long_and_unusual_passwords_sign_in_exactly_as_they_are(server: ServerUnderTest, password: str) -> None:
    name = imported(server, Passwords(server.settings).hash(password))
    assert sign_in(server, name, password)
    assert not sign_in(server, name, password[:-1]), "the last character counts"
    assert not sign_in(server, name, password + "x")


def one_at_a_time() -> Passwords:
    """Passwords that cost enough to measure."""
    parameters = {
        "IDP_ARGON2_MEMORY_KIB": "16384",
        "IDP_ARGON2_ITERATIONS": "2",
        "IDP_PASSWORD_HASHING_CONCURRENCY": "1",
    }
    passwords = Passwords(load_settings(parameters, None))
    passwords.warm_up()
    return passwords


@pytest.mark.asvs("6.3.8")
def test_a_wrong_password_takes_as_long_whatever_made_the_stored_hash(server: ServerUnderTest) -> None:
    """Hashes from elsewhere that are cheaper than ours are not told apart from an unknown name by the time.

    Left to themselves these take a sixteenth of it or less; on a busy machine waiting is not as even as working.
    """
    passwords = one_at_a_time()
    ours = imported(server, passwords.hash("some password"))
    people = {"unknown": f"nobody{secrets.token_hex(4)}", "ours": ours}
    people |= {
        sample: imported(server, SAMPLES[sample][1]) for sample in ("bcrypt 2b", "Django PBKDF2 SHA-1", "Argon2i")
    }
    took: dict[str, list[float]] = {kind: [] for kind in people}
    for _ in range(15):
        for kind, name in people.items():
            began = time.perf_counter()
            assert try_password(server.store, passwords, name, "wrong password").user is None
            took[kind].append(time.perf_counter() - began)
    medians = {kind: statistics.median(times) for kind, times in took.items()}
    assert max(medians.values()) < 4 * min(medians.values()), medians


@pytest.mark.asvs("6.3.8")
def test_two_wrong_passwords_at_once_take_as_long_whatever_made_the_stored_hash(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Whoever waits for the other's turn, neither tells that one of the hashes is a cheap one from elsewhere."""
    elsewhere = SAMPLES["Argon2i"][1]

    def slow_unless_from_elsewhere(stored: str, _password: bytes) -> bool:
        time.sleep(0 if stored == elsewhere else 0.2)
        return False

    monkeypatch.setattr("idp.accounts.passwords.is_match", slow_unless_from_elsewhere)
    passwords, took = one_at_a_time(), {None: list[float](), elsewhere: list[float]()}
    for stored in (*took, *took, *took):  # a busy machine holds one or the other up, but not all of them
        began = time.perf_counter()
        at_once(2, lambda index, stored=stored: passwords.is_right("wrong password", stored if index else None))
        took[stored].append(time.perf_counter() - began)
    assert min(took[elsewhere]) > 0.75 * min(took[None]), took
