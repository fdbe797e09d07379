"""Our keys on disk over time: made once, never readable by others, handed over without breaking a token."""

import json
import multiprocessing
import os
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from joserfc.jwk import ECKey, RSAKey

from idp.jose.key_directory import KeyDirectory
from idp.jose.key_pair import KeyDirectoryError, SigningKey
from idp.jose.rotation import find_active
from tests.jose.tokens import HOUR, T0

DAY = 24 * HOUR


@pytest.fixture
def directory(tmp_path: Path) -> KeyDirectory:
    directory = KeyDirectory(tmp_path / "keys")
    directory.init(["ES256"], T0)
    return directory


def states(directory: KeyDirectory, now: int) -> list[str]:
    return [key.state(now) for key in directory.list(now)]


def active(directory: KeyDirectory, now: int, alg: str = "ES256") -> SigningKey:
    key = find_active(directory.list(now), alg, now)
    assert key is not None
    return key


def upcoming(directory: KeyDirectory, now: int) -> SigningKey:
    return next(key for key in directory.list(now) if key.state(now) == "next")


def test_init_makes_an_active_and_a_next_key_for_each_algorithm(tmp_path: Path) -> None:
    directory = KeyDirectory(tmp_path / "deep" / "keys")
    keys = directory.init(["RS256", "ES256", "EdDSA"], T0)
    assert [(key.alg, key.state(T0)) for key in keys] == [
        (alg, state) for alg in ("RS256", "ES256", "EdDSA") for state in ("active", "next")
    ]
    assert {file.name for file in directory.path.glob("*.pem")} == {f"{key.kid}.pem" for key in keys}
    rsa = RSAKey.import_key((directory.path / f"{keys[0].kid}.pem").read_bytes())
    assert rsa.raw_value.key_size == 2048


@pytest.mark.spec("RFC 7638", "3", "REQUIRED")
def test_a_kid_is_the_thumbprint_of_its_key_in_a_pkcs8_file(directory: KeyDirectory) -> None:
    for key in directory.list(T0):
        pem = (directory.path / f"{key.kid}.pem").read_bytes()
        assert pem.startswith(b"-----BEGIN PRIVATE KEY-----")
        assert ECKey.import_key(pem).thumbprint() == key.kid


def test_init_again_changes_nothing_and_adds_only_what_is_new(directory: KeyDirectory) -> None:
    before = (directory.path / "keyset.json").read_bytes()
    directory.init(["ES256"], T0 + DAY)
    assert (directory.path / "keyset.json").read_bytes() == before
    added = directory.init(["ES256", "EdDSA"], T0 + DAY)
    assert [key.alg for key in added] == ["ES256", "ES256", "EdDSA", "EdDSA"]


def test_init_never_signs_with_an_algorithm_that_is_not_in_the_table(tmp_path: Path) -> None:
    with pytest.raises(KeyDirectoryError, match="HS256"):
        KeyDirectory(tmp_path).init(["HS256"], T0)
    assert list(tmp_path.iterdir()) == []


def _init_with_others(path: Path, everyone: Any) -> None:
    os.umask(0)
    everyone.wait(20)
    KeyDirectory(path).init(["ES256", "EdDSA"], T0)


def test_processes_that_start_at_once_agree_on_one_set_of_keys(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    everyone = context.Barrier(3)
    starters = [context.Process(target=_init_with_others, args=(tmp_path / "keys", everyone)) for _ in range(3)]
    for starter in starters:
        starter.start()
    for starter in starters:
        starter.join(30)
    assert [starter.exitcode for starter in starters] == [0, 0, 0]
    directory = KeyDirectory(tmp_path / "keys")
    assert states(directory, T0) == ["active", "next"] * 2
    assert len(list(directory.path.glob("*.pem"))) == 4
    assert directory.insecure_files() == []


@pytest.mark.parametrize("umask", [0o000, 0o022])
def test_nothing_is_ever_readable_by_others_not_even_while_it_is_written(
    tmp_path: Path, umask: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    modes = []
    really_open = os.open

    def watched_open(path: Any, flags: int, mode: int = 0o777, **options: Any) -> int:
        opened = really_open(path, flags, mode, **options)
        if flags & os.O_CREAT:
            modes.append(stat.S_IMODE(os.fstat(opened).st_mode))
        return opened

    before = os.umask(umask)
    try:
        monkeypatch.setattr(os, "open", watched_open)
        directory = KeyDirectory(tmp_path / "keys")
        directory.init(["ES256"], T0)
        directory.rotate(T0, publish_for=HOUR)
    finally:
        os.umask(before)
    assert len(modes) >= 7
    assert set(modes) == {0o600}
    assert {stat.S_IMODE(file.stat().st_mode) for file in directory.path.iterdir()} == {0o600}
    assert stat.S_IMODE(directory.path.stat().st_mode) == 0o700
    assert directory.insecure_files() == []


@pytest.mark.parametrize("mode", [0o640, 0o620, 0o604, 0o602])
def test_files_that_others_may_read_or_write_are_named(directory: KeyDirectory, mode: int) -> None:
    pem = sorted(directory.path.glob("*.pem"))[0]
    pem.chmod(mode)
    assert directory.insecure_files() == [pem]
    directory.path.chmod(0o755)
    assert directory.insecure_files() == [directory.path, pem]


# --- Rotation --------------------------------------------------------------------------------------------------------


def test_the_first_rotation_needs_no_wait_because_no_copy_of_the_key_set_lacks_the_next_key(
    directory: KeyDirectory,
) -> None:
    old, successor = active(directory, T0), upcoming(directory, T0)
    (promoted,) = directory.rotate(T0 + 5, publish_for=HOUR)
    assert (promoted.kid, promoted.activates_at) == (successor.kid, T0 + 5)
    assert active(directory, T0 + 5).kid == successor.kid
    assert next(key for key in directory.list(T0 + 5) if key.kid == old.kid).retired_at == T0 + 5
    assert states(directory, T0 + 5) == ["active", "next", "retired"]


@pytest.mark.spec("OpenID Connect Core 1.0", "10.1.1", "SHOULD")
def test_a_new_key_is_published_long_enough_before_it_signs(directory: KeyDirectory) -> None:
    directory.rotate(T0, publish_for=HOUR)
    signing, successor = active(directory, T0), upcoming(directory, T0)
    (promoted,) = directory.rotate(T0 + 10, publish_for=HOUR)
    assert (promoted.kid, promoted.activates_at) == (successor.kid, successor.created_at + HOUR)
    just_before, then = T0 + HOUR - 1, T0 + HOUR
    assert active(directory, just_before).kid == signing.kid
    assert active(directory, then).kid == successor.kid
    assert states(directory, just_before) == ["active", "next", "next", "retired"]
    assert states(directory, then) == ["active", "next", "retired", "retired"]


def test_a_key_published_long_ago_takes_over_at_once(directory: KeyDirectory) -> None:
    directory.rotate(T0, publish_for=HOUR)
    (promoted,) = directory.rotate(T0 + DAY, publish_for=HOUR)
    assert promoted.activates_at == T0 + DAY


def test_asking_again_keeps_the_rotation_that_is_pending(directory: KeyDirectory) -> None:
    directory.rotate(T0, publish_for=HOUR)
    first = directory.rotate(T0 + 10, publish_for=HOUR)
    before = directory.list(T0 + 10)
    for publish_for in (HOUR, 60, DAY):
        assert directory.rotate(T0 + 20, publish_for=publish_for) == first
    assert directory.list(T0 + 10) == before


def test_immediately_does_not_wait_and_takes_the_pending_key(directory: KeyDirectory) -> None:
    directory.rotate(T0, publish_for=HOUR)
    (pending,) = directory.rotate(T0 + 10, publish_for=HOUR)
    (promoted,) = directory.rotate(T0 + 20, publish_for=HOUR, immediately=True)
    assert (promoted.kid, promoted.activates_at) == (pending.kid, T0 + 20)
    assert states(directory, T0 + 20) == ["active", "next", "retired", "retired"]


def test_one_algorithm_rotates_alone(tmp_path: Path) -> None:
    directory = KeyDirectory(tmp_path)
    directory.init(["ES256", "EdDSA"], T0)
    other = active(directory, T0, "EdDSA")
    assert [key.alg for key in directory.rotate(T0, alg="ES256", publish_for=HOUR)] == ["ES256"]
    assert active(directory, T0, "EdDSA") == other
    assert len(directory.rotate(T0, publish_for=HOUR)) == 2
    with pytest.raises(KeyDirectoryError, match="no signing key to rotate for PS256"):
        directory.rotate(T0, alg="PS256", publish_for=HOUR)


def test_at_every_hour_of_weeks_of_rotations_exactly_one_key_signs(directory: KeyDirectory) -> None:
    moments = [T0 + week * 7 * DAY for week in range(8)]
    for now in moments:
        directory.rotate(now, publish_for=2 * DAY)
        directory.rotate(now + 5, publish_for=2 * DAY)
    keys = directory.list(moments[-1])
    for now in range(T0, moments[-1] + 7 * DAY, HOUR):
        assert [key.state(now) for key in keys].count("active") == 1


# --- Retirement ------------------------------------------------------------------------------------------------------


def test_when_the_active_key_is_retired_the_next_takes_over_at_once(directory: KeyDirectory) -> None:
    directory.rotate(T0, publish_for=HOUR)
    old, successor = active(directory, T0 + 1), upcoming(directory, T0 + 1)
    retired = directory.retire(old.kid, T0 + 1)
    assert (retired.kid, retired.retired_at, retired.unpublished) == (old.kid, T0 + 1, False)
    assert active(directory, T0 + 1).kid == successor.kid
    assert states(directory, T0 + 1) == ["active", "next", "retired", "retired"]


def test_when_the_active_key_is_retired_during_a_rotation_the_pending_key_takes_over(directory: KeyDirectory) -> None:
    directory.rotate(T0, publish_for=HOUR)
    (pending,) = directory.rotate(T0 + 1, publish_for=HOUR)
    directory.retire(active(directory, T0 + 2).kid, T0 + 2)
    assert active(directory, T0 + 2).kid == pending.kid
    assert states(directory, T0 + 2) == ["active", "next", "retired", "retired"]


def test_when_the_pending_key_is_retired_the_active_one_goes_on(directory: KeyDirectory) -> None:
    directory.rotate(T0, publish_for=HOUR)
    (pending,) = directory.rotate(T0 + 1, publish_for=HOUR)
    signing = active(directory, T0 + 2)
    directory.retire(pending.kid, T0 + 2)
    assert active(directory, T0 + DAY).kid == signing.kid
    assert states(directory, T0 + DAY) == ["active", "next", "retired", "retired"]


def test_when_the_next_key_is_retired_another_is_made(directory: KeyDirectory) -> None:
    gone = upcoming(directory, T0)
    directory.retire(gone.kid, T0 + 1)
    assert states(directory, T0 + 1) == ["active", "next", "retired"]
    assert upcoming(directory, T0 + 1).kid != gone.kid


def test_a_key_retired_earlier_keeps_its_date_and_can_still_be_unpublished(directory: KeyDirectory) -> None:
    old = active(directory, T0)
    directory.rotate(T0, publish_for=HOUR)
    assert directory.retire(old.kid, T0 + 50, unpublish=True).retired_at == T0
    assert directory.retire(old.kid, T0 + 60).unpublished


@pytest.mark.parametrize("kid", ["unknown", "", "../keyset", "a" * 43])
def test_only_keys_that_exist_can_be_retired(directory: KeyDirectory, kid: str) -> None:
    with pytest.raises(KeyDirectoryError, match="no signing key with this kid"):
        directory.retire(kid, T0)


def test_prune_deletes_only_what_has_been_retired_long_enough(directory: KeyDirectory) -> None:
    old = active(directory, T0)
    directory.rotate(T0, publish_for=HOUR)
    assert directory.prune(T0 + HOUR, keep_for=HOUR) == []
    assert [key.kid for key in directory.prune(T0 + HOUR + 1, keep_for=HOUR)] == [old.kid]
    assert not (directory.path / f"{old.kid}.pem").exists()
    assert states(directory, T0 + HOUR + 1) == ["active", "next"]
    assert len(list(directory.path.glob("*.pem"))) == 2


# --- Damage ----------------------------------------------------------------------------------------------------------


def test_a_missing_directory_is_a_plain_error_everywhere(tmp_path: Path) -> None:
    directory = KeyDirectory(tmp_path / "absent")
    actions: list[Callable[[], object]] = [
        lambda: directory.list(T0),
        lambda: directory.rotate(T0, publish_for=1),
        lambda: directory.retire("x", T0),
        lambda: directory.prune(T0, 1),
    ]
    for action in actions:
        with pytest.raises(KeyDirectoryError, match="does not exist"):
            action()
    with pytest.raises(KeyDirectoryError, match="cannot be read"):
        directory.fingerprint()


@pytest.mark.parametrize(
    "content", ["", "{}", "[1]", '["a"]', '[{"kid":1}]', "[" * 2, '[{"kid":"../../etc/passwd","alg":"ES256"}]', b"\xff"]
)
def test_a_damaged_list_is_a_plain_error(directory: KeyDirectory, content: str | bytes) -> None:
    (directory.path / "keyset.json").write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(KeyDirectoryError, match="damaged"):
        directory.list(T0)


def test_a_list_from_which_a_path_could_come_is_refused(directory: KeyDirectory) -> None:
    entries = json.loads((directory.path / "keyset.json").read_text())
    entries[0]["kid"] = "../" + "a" * 40
    (directory.path / "keyset.json").write_text(json.dumps(entries))
    with pytest.raises(KeyDirectoryError, match="damaged"):
        directory.list(T0)


@pytest.mark.parametrize(
    ("pem", "sentence"),
    [
        pytest.param(None, "cannot be read", id="missing"),
        pytest.param(b"", "holds no private key", id="empty"),
        pytest.param(ECKey.generate_key("P-256").as_pem(private=False), "holds no private key", id="public"),
        pytest.param(ECKey.generate_key("P-256").as_pem(private=True), "not the key that its name says", id="other"),
        pytest.param(ECKey.generate_key("P-384").as_pem(private=True), "does not fit", id="curve"),
        pytest.param(RSAKey.generate_key(2048).as_pem(private=True), "holds no private key", id="type"),
        pytest.param(
            ECKey.generate_key("P-256").as_pem(private=True, password="x"), "holds no private key", id="encrypted"
        ),
    ],
)
def test_a_key_file_that_does_not_fit_is_a_plain_error(
    directory: KeyDirectory, pem: bytes | None, sentence: str
) -> None:
    key = active(directory, T0)
    file = directory.path / f"{key.kid}.pem"
    file.unlink() if pem is None else file.write_bytes(pem)
    with pytest.raises(KeyDirectoryError, match=sentence):
        _ = key.material.public
    with pytest.raises(KeyDirectoryError, match=sentence):
        _ = key.material.private


def test_a_writer_that_died_half_way_stops_nobody(directory: KeyDirectory) -> None:
    (directory.path / ".keyset.json.draft").write_text("half")
    directory.rotate(T0, publish_for=HOUR)
    assert states(directory, T0) == ["active", "next", "retired"]
    assert not (directory.path / ".keyset.json.draft").exists()
