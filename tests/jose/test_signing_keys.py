"""The keys as a running process sees them: rotated under its feet, and nothing that was valid stops verifying."""

import json
import logging
import os
import threading
from pathlib import Path
from typing import Any

import pytest

from idp.jose.jws import InvalidToken, sign, verify
from idp.jose.key_directory import KeyDirectory
from idp.jose.key_pair import KeyDirectoryError
from idp.jose.signing_keys import SigningKeys
from tests.jose.tokens import HOUR, T0, Clock, make_keys

CLAIMS = {"sub": "a"}


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "keys"


@pytest.fixture
def keys(path: Path, clock: Clock) -> SigningKeys:
    return make_keys(path, "ES256", "EdDSA", clock=clock)


def token(keys: SigningKeys, now: int) -> str:
    return sign(CLAIMS, keys.active("ES256", now), typ="JWT")


@pytest.mark.spec("OpenID Connect Core 1.0", "10.1.1", "SHOULD")
def test_a_running_process_picks_a_rotation_up_within_a_second(keys: SigningKeys, path: Path, clock: Clock) -> None:
    before = keys.active("ES256", T0)
    KeyDirectory(path).rotate(T0, publish_for=HOUR)
    clock.time += 0.9
    assert keys.active("ES256", T0).kid == before.kid
    clock.time += 0.1
    assert keys.active("ES256", T0).kid != before.kid


def test_a_token_of_another_instance_verifies_in_the_very_second_its_key_was_made(
    keys: SigningKeys, path: Path
) -> None:
    directory = KeyDirectory(path)
    for _ in range(3):
        directory.rotate(T0, publish_for=HOUR, immediately=True)
    other_instance = SigningKeys(directory, keep_for=HOUR)
    assert verify(token(other_instance, T0), keys, T0, typ="JWT") == CLAIMS


def test_unknown_kids_make_a_process_look_but_not_read(keys: SigningKeys, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(KeyDirectory, "read", lambda self: pytest.fail("nothing has changed on disk"))
    for kid in ("unknown", "../keyset", "\0", ""):
        assert keys.find(kid, T0) is None


def test_a_planned_hand_over_happens_at_its_second_without_reading_anything(
    keys: SigningKeys, path: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    KeyDirectory(path).rotate(T0, publish_for=HOUR)
    (planned,) = KeyDirectory(path).rotate(T0, alg="ES256", publish_for=HOUR)
    clock.time += 1
    assert keys.active("ES256", T0 + HOUR - 1).kid != planned.kid
    monkeypatch.setattr(KeyDirectory, "read", lambda self: pytest.fail("nothing has changed on disk"))
    clock.time += 60
    assert keys.active("ES256", T0 + HOUR).kid == planned.kid


def test_a_retired_key_verifies_as_long_as_it_is_kept_and_no_longer(
    keys: SigningKeys, path: Path, clock: Clock
) -> None:
    old = token(keys, T0)
    KeyDirectory(path).rotate(T0, publish_for=HOUR)
    clock.time += 1
    assert token(keys, T0) != old
    assert verify(old, keys, T0 + HOUR, typ="JWT") == CLAIMS
    with pytest.raises(InvalidToken):
        verify(old, keys, T0 + HOUR + 1, typ="JWT")


def test_an_unpublished_key_verifies_nothing_from_then_on(keys: SigningKeys, path: Path, clock: Clock) -> None:
    stolen = keys.active("ES256", T0)
    old = token(keys, T0)
    KeyDirectory(path).retire(stolen.kid, T0, unpublish=True)
    clock.time += 1
    with pytest.raises(InvalidToken):
        verify(old, keys, T0, typ="JWT")
    assert keys.find(stolen.kid, T0) is None
    assert stolen.kid not in {key["kid"] for key in keys.public_jwks(T0)["keys"]}
    assert verify(token(keys, T0), keys, T0, typ="JWT") == CLAIMS


@pytest.mark.spec("RFC 7517", "4", "MUST")
@pytest.mark.parametrize("alg", ["RS256", "PS256", "ES256", "EdDSA"])
def test_the_published_set_holds_public_members_only(tmp_path: Path, alg: str) -> None:
    jwks = make_keys(tmp_path, alg).public_jwks(T0)
    kty = {"RS256": {"n", "e"}, "PS256": {"n", "e"}, "ES256": {"crv", "x", "y"}, "EdDSA": {"crv", "x"}}[alg]
    assert set(jwks) == {"keys"}
    assert [set(key) for key in jwks["keys"]] == [{"kty", "use", "alg", "kid"} | kty] * 2
    assert {(key["use"], key["alg"]) for key in jwks["keys"]} == {("sig", alg)}
    json.dumps(jwks)


def test_active_keys_come_first_and_every_state_is_published(keys: SigningKeys, path: Path, clock: Clock) -> None:
    KeyDirectory(path).rotate(T0, publish_for=HOUR)
    clock.time += 1
    listed = [key["kid"] for key in keys.public_jwks(T0)["keys"]]
    found = [keys.find(kid, T0) for kid in listed]
    assert [key.state(T0) for key in found if key] == ["active"] * 2 + ["next"] * 2 + ["retired"] * 2
    assert len(keys.public_jwks(T0 + HOUR + 1)["keys"]) == 4


def test_the_published_set_is_the_same_object_until_something_changes(
    keys: SigningKeys, path: Path, clock: Clock
) -> None:
    first = keys.public_jwks(T0)
    clock.time += 5
    assert keys.public_jwks(T0 + 5) is first
    KeyDirectory(path).rotate(T0, publish_for=HOUR)
    clock.time += 1
    assert keys.public_jwks(T0) is not first


def test_a_reload_reads_only_the_keys_that_are_new(
    keys: SigningKeys, path: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = {f"{key['kid']}.pem" for key in keys.public_jwks(T0)["keys"]}
    KeyDirectory(path).rotate(T0, publish_for=HOUR)
    opened = []
    really_read = Path.read_bytes

    def read(file: Path) -> bytes:
        opened.append(file.name)
        return really_read(file)

    monkeypatch.setattr(Path, "read_bytes", read)
    clock.time += 1
    keys.public_jwks(T0)
    assert len([name for name in opened if name.endswith(".pem")]) == 2
    assert known.isdisjoint(opened)


def test_the_private_key_is_read_once_per_process(keys: SigningKeys, path: Path, clock: Clock) -> None:
    keys.warm_up(T0)
    private = keys.active("ES256", T0).material.private
    KeyDirectory(path).rotate(T0, alg="EdDSA", publish_for=HOUR)
    clock.time += 1
    assert keys.active("ES256", T0).material.private is private


@pytest.mark.parametrize("damage", ["gone", "nonsense", "empty", "no pem"])
def test_the_last_good_set_stays_in_use_when_the_disk_fails_and_the_log_says_so_once(
    keys: SigningKeys, path: Path, clock: Clock, caplog: pytest.LogCaptureFixture, damage: str
) -> None:
    old = token(keys, T0)
    keyset = path / "keyset.json"
    good = keyset.read_text()
    if damage == "gone":
        keyset.unlink()
    elif damage == "no pem":
        before = set(path.glob("*.pem"))
        KeyDirectory(path).rotate(T0, publish_for=HOUR)
        max(set(path.glob("*.pem")) - before).unlink()
    else:
        keyset.write_text({"nonsense": "{{", "empty": "[]"}[damage])
    for _ in range(3):
        clock.time += 1
        assert verify(old, keys, T0, typ="JWT") == CLAIMS
        assert token(keys, T0)
    warnings = [record for record in caplog.records if record.levelno == logging.WARNING]
    assert len(warnings) == 1
    assert "last good set" in warnings[0].message
    (path / "keyset.new").write_text(good)
    (path / "keyset.new").replace(keyset)
    clock.time += 1
    assert verify(old, keys, T0, typ="JWT") == CLAIMS


def test_a_read_only_directory_is_enough_to_run(path: Path, keys: SigningKeys, monkeypatch: pytest.MonkeyPatch) -> None:
    really_open = os.open

    def read_only_open(file: Any, flags: int, *arguments: Any, **options: Any) -> int:
        if flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT):
            raise OSError(30, "Read-only file system")
        return really_open(file, flags, *arguments, **options)

    monkeypatch.setattr(os, "open", read_only_open)
    directory = KeyDirectory(path)
    assert len(directory.init(["ES256", "EdDSA"], T0 + HOUR)) == 4
    assert directory.prune(T0 + HOUR, keep_for=HOUR) == []
    fresh = SigningKeys(directory, keep_for=HOUR)
    assert verify(token(fresh, T0), fresh, T0, typ="JWT") == CLAIMS
    with pytest.raises(KeyDirectoryError, match="Read-only"):
        directory.rotate(T0, publish_for=HOUR)


def test_a_process_does_not_start_without_keys(tmp_path: Path) -> None:
    with pytest.raises(KeyDirectoryError):
        SigningKeys(KeyDirectory(tmp_path / "absent"), keep_for=HOUR)
    with pytest.raises(KeyDirectoryError):
        SigningKeys(KeyDirectory(tmp_path), keep_for=HOUR)


def test_threads_sign_and_verify_while_keys_rotate(keys: SigningKeys, path: Path, clock: Clock) -> None:
    stop = threading.Event()
    failures: list[BaseException] = []
    signed = []

    def work() -> None:
        try:
            while not stop.is_set():
                signed.append(token(keys, T0))
                verify(signed[-1], keys, T0, typ="JWT")
                keys.public_jwks(T0)
        except BaseException as failure:
            failures.append(failure)

    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
    for _ in range(10):
        KeyDirectory(path).rotate(T0, publish_for=0)
        clock.time += 1
    stop.set()
    for thread in threads:
        thread.join(10)
    assert failures == []
    for early in signed[:5] + signed[-5:]:
        assert verify(early, keys, T0, typ="JWT") == CLAIMS
