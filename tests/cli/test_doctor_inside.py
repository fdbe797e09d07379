"""`idp doctor --offline`: settings, stores, keys, mail and CAPTCHA of a deployment, each broken in its turn."""

import json
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from idp.cli.checks import Check, run_checks, storage
from idp.cli.checks.finding import Finding, well
from idp.cli.checks.subject import Subject, make_site
from idp.jose.key_directory import KeyDirectory
from idp.jose.key_pair import KeyDirectoryError
from idp.settings import Settings
from idp.store import migrations, open_store
from idp.store.condition import condition_of, redis_condition
from idp.store.database import Database
from tests.cli.conftest import run_idp
from tests.cli.doctored import Doctor, Report, patiently
from tests.cli.environment import CHEAP, clean_environment
from tests.support.front import Passing, running_front
from tests.support.idp_server import ROOT
from tests.support.machine import find_free_port
from tests.support.mail import SMTP_NAME, SMTP_PASSWORD, silent_server, smtp_server
from tests.support.services import Bench

DAY = 86_400
STRONG = "doctored-only-0123456789-abcdefghijklmnopqrstuvwxyz"


@pytest.fixture(autouse=True, scope="module")
def patience() -> Iterator[None]:
    with patiently():
        yield


@pytest.fixture
def doctor(folder: Path) -> Doctor:
    """For an initialised folder, in development, with no server running."""
    return Doctor(folder, {"IDP_OUTBOUND_TIMEOUT": "25"})


@pytest.fixture
def production(folder: Path) -> Doctor:
    """For the same folder, as production would have it, the demo data gone."""
    for client in ("demo-web", "demo-spa", "demo-mobile"):
        assert run_idp("clients", "remove", client).code == 0
    assert run_idp("users", "remove", "demo").code == 0
    variables = {
        "IDP_ENV": "production",
        "IDP_ISSUER": "https://id.example.com",
        "IDP_SECRET_KEY": STRONG,
        "IDP_SMTP_HOST": "127.0.0.1",
        "IDP_MAIL_FROM": "idp@example.com",
        "IDP_ARGON2_MEMORY_KIB": "19456",
        "IDP_WORKERS": "1",
        "IDP_CAPTCHA": "proof_of_work",
        "IDP_SIGNING_ALGS": CHEAP["IDP_SIGNING_ALGS"],
    }
    (folder / "var/idp.sqlite3").chmod(0o600)
    return Doctor(folder, variables)


def look(doctor: Doctor, **changes: str | None) -> Report:
    return doctor.look("--offline", **changes)


def test_a_folder_that_was_just_made_is_well(doctor: Doctor) -> None:
    report = look(doctor)
    assert (report.wrong, report.warnings) == ([], [])


def test_a_production_that_is_set_up_with_care_is_well(production: Doctor) -> None:
    report = look(production)
    assert (report.wrong, report.warnings) == ([], [])


# --- Settings


def test_what_production_refuses_is_said_beside_all_else(production: Doctor) -> None:
    report = look(production, issuer="http://id.example.com", secret_key=None)
    assert report.has("wrong", "settings", "IDP_ISSUER is http://id.example.com")
    assert report.has("wrong", "settings", "IDP_SECRET_KEY is missing")
    assert report.has("well", "database", "SQLite")
    assert report.has("unknown", "secret key", "none")


def test_settings_that_cannot_be_read_at_all_are_all_that_is_said(doctor: Doctor) -> None:
    report = look(doctor, port="many", trusted_proxies="nowhere")
    assert report.has("wrong", "settings", "IDP_PORT")


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"playground": "true"}, "IDP_PLAYGROUND"),
        ({"ratelimit_enabled": "false"}, "IDP_RATELIMIT_ENABLED"),
        ({"log_level": "DEBUG"}, "IDP_LOG_LEVEL"),
        ({"require_pkce": "public"}, "IDP_REQUIRE_PKCE"),
        ({"access_token_lifetime": "86400"}, "IDP_ACCESS_TOKEN_LIFETIME"),
        ({"outbound_allowed_hosts": "0.0.0.0/0"}, "IDP_OUTBOUND_ALLOWED_HOSTS"),
    ],
)
def test_a_risk_in_production_is_a_warning_and_none_in_development(
    production: Doctor, doctor: Doctor, changes: dict[str, str], words: str
) -> None:
    assert words in look(production, **changes).one("settings", "warning")
    assert look(doctor, **changes).warnings == []


def test_trust_in_every_address_is_wrong(production: Doctor) -> None:
    assert "IDP_TRUSTED_PROXIES" in look(production, trusted_proxies="0.0.0.0/0").one("settings", "wrong")
    assert look(production, trusted_proxies="nowhere").has("wrong", "settings", "nowhere")


def test_demo_data_in_production_and_production_addresses_in_development_are_found(
    production: Doctor, doctor: Doctor
) -> None:
    assert run_idp("users", "add", "demo").code == 0
    assert "idp users remove demo" in look(production).one("settings", "wrong")
    assert "IDP_ENV=production" in look(doctor, issuer="https://id.example.com").one("settings", "warning")


def test_a_weak_secret_key_is_found_and_never_shown(doctor: Doctor, production: Doctor) -> None:
    report = look(doctor, secret_key="password" * 5)
    assert "weak" in report.one("secret key", "warning")
    assert "password" * 2 not in report.answer.out
    assert look(production, secret_key="password" * 5).has("wrong", "secret key", "weak")
    assert look(production, secret_key_previous=f"short {STRONG}").has("warning", "secret key", "weak")
    assert look(production, secret_key_previous=STRONG).has("warning", "secret key", "present key")


# --- Stores


def test_every_database_is_found_well_and_its_schema_told(
    fresh_database: str, empty_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    doctor = Doctor(empty_folder, {"IDP_DATABASE_URL": fresh_database, "IDP_WORKERS": "2"})
    assert "idp db upgrade" in look(doctor).one("schema", "wrong")
    assert doctor.run("--client", "x").code == 1
    database = Database(fresh_database)
    migrations.upgrade(database)
    report = look(doctor)
    assert report.has("well", "database", "answers in")
    assert report.has("well", "schema", "of this version")
    assert {sentence.partition(":")[0] for sentence in report.wrong} == {"keys"}
    if database.kind != "sqlite":  # the servers of a test run are quick and careless
        assert report.has("well", "clock", "The clock of the database agrees")
        assert report.has("well", "database", "300 connections")
        assert report.has("warning", "database", "is off: a power cut") or report.has(
            "warning", "database", "innodb_flush_log_at_trx_commit is 0"
        )
        assert "raise its max_connections" in look(doctor, database_pool_size="200").one("database", "wrong")
        assert look(doctor, database_pool_size="1", threads="8").has("warning", "database", "IDP_DATABASE_POOL_SIZE")
    for revision, result, words in (("0001", "wrong", "idp db upgrade"), ("9999", "warning", "newer")):
        with database.writing() as connection:
            connection.exec_driver_sql(f"UPDATE alembic_version SET version_num = '{revision}'")
        assert words in look(doctor).one("schema", result)
    database.dispose()


@pytest.mark.parametrize(
    "url",
    [
        "postgresql+psycopg://idp:hidden-word@127.0.0.1:{port}/idp",
        "mysql+pymysql://idp:hidden-word@127.0.0.1:{port}/idp",
    ],
)
def test_a_database_that_is_not_there_is_a_sentence_without_its_password(doctor: Doctor, url: str) -> None:
    report = look(doctor, database_url=url.format(port=find_free_port()))
    assert "cannot be reached" in report.one("database", "wrong")
    assert "hidden-word" not in report.answer.out
    assert look(doctor, database_url="oracle://idp:hidden-word@x/y").has("wrong", "database", "IDP_DATABASE_URL")


def test_a_read_only_or_careless_database_is_told(monkeypatch: pytest.MonkeyPatch, doctor: Doctor) -> None:
    found = replace(
        condition_of(Database("sqlite://")), kind="postgresql", is_read_only=True, milliseconds=80.0,
        settings={"fsync": "off", "server_encoding": "LATIN1", "journal_mode": "delete"},
    )  # fmt: skip
    monkeypatch.setattr(storage, "condition_of", lambda _: found)
    report = look(doctor)
    for result, words in (
        ("wrong", "takes no changes"),
        ("wrong", "LATIN1"),
        ("warning", "fsync is off"),
        ("warning", "That is slow"),
        ("warning", "not WAL"),
    ):
        assert report.has(result, "database", words), words


def test_redis_is_looked_at_in_earnest(doctor: Doctor, bench: Bench, redis_url: str) -> None:
    report = look(doctor, redis_url=redis_url)
    assert report.has("well", "redis", "answers in")
    assert report.has("well", "clock", "The clock of Redis agrees")
    assert redis_condition(redis_url).is_kept is False  # as the bench has it
    gone = f"redis://:hidden-word@127.0.0.1:{find_free_port()}/0"
    report = look(doctor, redis_url=gone)
    assert "cannot be used" in report.one("redis", "wrong")
    assert "hidden-word" not in report.answer.out
    report = look(doctor, redis_url="redis://127.0.0.1:hidden-word/0")
    assert "IDP_REDIS_URL" in report.one("settings", "wrong")
    assert "hidden-word" not in report.answer.out + report.answer.err
    assert look(doctor, redis_url=redis_url.replace("://:", "://:x")).has("wrong", "redis", "cannot be used")


@pytest.mark.parametrize(
    ("changes", "result", "words"),
    [
        ({"eviction": "allkeys-lru", "max_memory": 2**20}, "wrong", "maxmemory-policy is allkeys-lru"),
        ({"eviction": "volatile-lru"}, "warning", "maxmemory-policy is volatile-lru"),
        ({"version": "6.0.16"}, "wrong", "6.2 or newer"),
        ({"role": "slave"}, "wrong", "replica"),
        ({"is_kept": False}, "warning", "append-only"),
    ],
)
def test_a_redis_that_would_lose_something_is_told(
    production: Doctor,
    redis_url: str,
    monkeypatch: pytest.MonkeyPatch,
    changes: dict[str, Any],
    result: str,
    words: str,
) -> None:
    sound = replace(redis_condition(redis_url), is_kept=True)
    monkeypatch.setattr(storage, "redis_condition", lambda _: sound)
    assert look(production, redis_url=redis_url).warnings == []
    monkeypatch.setattr(storage, "redis_condition", lambda _: replace(sound, **changes))
    assert words in look(production, redis_url=redis_url).one("redis", result)


def test_redis_settings_are_read_from_the_real_one(redis_url: str) -> None:
    import redis

    client = redis.Redis.from_url(redis_url)
    try:
        client.config_set("maxmemory-policy", "allkeys-lru")
        assert redis_condition(redis_url).eviction == "allkeys-lru"
    finally:
        client.config_set("maxmemory-policy", "noeviction")
        client.close()


def test_limits_apart_in_each_worker_are_a_warning(production: Doctor) -> None:
    assert "IDP_REDIS_URL" in look(production, workers="4").one("redis", "warning")


def test_a_full_disk_and_a_database_for_everybody_are_told(production: Doctor, monkeypatch: pytest.MonkeyPatch) -> None:
    (production.folder / "var/idp.sqlite3").chmod(0o644)
    assert "chmod o-rwx" in look(production).one("disk", "warning")
    for free, result in ((10 * 2**20, "wrong"), (200 * 2**20, "warning")):
        monkeypatch.setattr(shutil, "disk_usage", lambda _, free=free: SimpleNamespace(free=free))
        assert "Make room" in " ".join(look(production).said(result))


# --- Keys


def test_keys_that_are_missing_open_to_others_or_old_are_told(production: Doctor) -> None:
    keys = production.folder / "keys"
    report = look(production, signing_algs="RS256,ES256,EdDSA")
    assert "No key signs for EdDSA" in report.one("keys", "wrong")
    pem = next(keys.glob("*.pem"))
    pem.chmod(0o644)
    assert f"chmod go-rwx keys/{pem.name}" in look(production).one("keys", "wrong")
    pem.chmod(0o600)
    moved = keys.rename(production.folder / "elsewhere")
    assert "idp init" in look(production).one("keys", "wrong")
    (moved / "keyset.json").write_text("{}")
    moved.rename(keys)
    assert "damaged" in look(production).one("keys", "wrong")


def test_keys_of_another_account_are_not_to_be_made_anew(doctor: Doctor, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise KeyDirectoryError("The key list keyset.json cannot be read: Permission denied.")

    monkeypatch.setattr(KeyDirectory, "list", refuse)
    sentence = look(doctor).one("keys", "wrong")
    assert "as the account that the server runs as" in sentence
    assert "idp init" not in sentence


def test_an_old_key_and_a_planned_rotation_are_told(folder: Path, tmp_path: Path) -> None:
    long_ago = int(time.time()) - 400 * DAY
    KeyDirectory(tmp_path / "old").init(["ES256"], long_ago)
    doctor = Doctor(folder, {"IDP_KEYS_DIR": str(tmp_path / "old"), "IDP_SIGNING_ALGS": "RS256,ES256"})
    KeyDirectory(tmp_path / "old").init(["RS256"], int(time.time()))
    assert "idp keys rotate" in look(doctor).one("keys", "warning")
    KeyDirectory(tmp_path / "old").rotate(int(time.time()), alg="ES256", publish_for=300)
    assert look(doctor).warnings == []
    KeyDirectory(tmp_path / "old").rotate(int(time.time()), alg="ES256", publish_for=3600)
    assert look(doctor).has("well", "keys", "takes over at")


# --- Mail and CAPTCHA


def test_a_mail_server_is_greeted_and_nothing_is_sent(doctor: Doctor) -> None:
    hidden = {"smtp_username": SMTP_NAME, "smtp_password": "hidden-word"}
    with smtp_server(auth=True, auth_require_tls=False) as post:
        there = {"smtp_host": "127.0.0.1", "smtp_port": str(post.port), "smtp_security": "none"}
        there["issuer"] = f"http://localhost:{find_free_port()}"
        right = {**there, "smtp_username": SMTP_NAME, "smtp_password": SMTP_PASSWORD}
        assert doctor.look(**right).has("well", "mail", "takes the sign-in")
        report = doctor.look(**there, **hidden)
        assert "refused the sign-in" in report.one("mail", "wrong")
        assert "hidden-word" not in report.answer.out
        assert doctor.look(**{**there, "smtp_security": "starttls"}).has("wrong", "mail", "STARTTLS")
        assert post.received == []
    assert "cannot be used" in doctor.look(**there).one("mail", "wrong")


def test_a_mail_server_that_says_nothing_is_given_up(doctor: Doctor) -> None:
    with silent_server() as port:
        there = {"smtp_host": "127.0.0.1", "smtp_port": str(port), "smtp_security": "none", "outbound_timeout": "1"}
        sentence = doctor.look(**there, issuer=f"http://localhost:{find_free_port()}").one("mail", "wrong")
    assert "in time" in sentence


def test_mails_that_wait_or_failed_are_counted_and_not_shown(doctor: Doctor) -> None:
    now = int(time.time())
    store = open_store(f"sqlite:///{doctor.folder}/var/idp.sqlite3")
    store.mail_outbox.add("verify", "hidden@example.com", "-", now=now - 3600, expires_at=now + DAY)
    for then in (now - 2 * DAY, now):
        refused: dict[str, Any] = {"expires_at": then + DAY, "refused_why": "550 5.1.1."}
        store.mail_outbox.add("verify", "hidden@example.com", "", now=then, **refused)
    store.database.dispose()
    report = look(doctor)
    assert report.one("mail", "warning").startswith("1 mail not delivered in the last day; the latest: 550 5.1.1.")
    assert "for 60 minutes" in report.one("mail", "wrong")
    assert "hidden@" not in report.answer.out


def test_production_without_mail_or_captcha_is_warned_of(production: Doctor) -> None:
    report = look(production, smtp_host=None, captcha="none")
    assert "IDP_SMTP_HOST" in report.one("mail", "warning")
    assert "sign up" in report.one("captcha", "warning")


@pytest.mark.parametrize(
    ("answer", "result", "words"),
    [
        ('{"success": false, "error-codes": ["invalid-input-response"]}', "well", "knows our secret"),
        ('{"success": false, "error-codes": ["invalid-input-secret"]}', "wrong", "IDP_CAPTCHA_SECRET_KEY"),
        ('{"success": true}', "wrong", "any answer"),
        ("<h1>no</h1>", "wrong", "cannot be asked"),
    ],
)
def test_a_captcha_vendor_is_asked_about_an_answer_that_nobody_gave(
    doctor: Doctor, answer: str, result: str, words: str
) -> None:
    def say(passing: Passing) -> None:
        passing.status, passing.body = 200, answer.encode()

    with running_front() as vendor:
        vendor.spoil = say
        report = doctor.look(
            captcha="turnstile", captcha_site_key="ours", captcha_secret_key="hidden-word",
            captcha_verify_url=f"http://127.0.0.1:{vendor.port}/verify", issuer=f"http://localhost:{find_free_port()}",
        )  # fmt: skip
    assert words in report.one("captcha", result)
    assert "hidden-word" not in report.answer.out


def test_a_published_test_key_is_told(doctor: Doctor) -> None:
    keys = {"captcha_site_key": "x", "captcha_secret_key": "1x0000000000000000000000000000000AA"}
    assert "test key" in look(doctor, captcha="turnstile", **keys).one("captcha", "warning")


# --- The examination itself


def make_subject(**changes: Any) -> Subject:
    settings = Settings(issuer="http://localhost:1")
    return replace(Subject(settings, make_site(settings, now=0), time.time), **changes)


def test_a_check_that_hangs_holds_up_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("idp.cli.checks.PATIENCE", 0.5)

    ended = threading.Event()

    def hang(_: Subject) -> Iterator[Finding]:
        ended.wait(60)
        yield well("late", "Too late.")

    def answer(_: Subject) -> list[Finding]:
        return [well("quick", "There.")]

    found = run_checks([Check("late", hang), Check("quick", answer)], make_subject())
    ended.set()
    assert [(each.what, each.result) for each in found] == [("late", "wrong"), ("quick", "well")]


@pytest.mark.slow
def test_when_everything_hangs_the_command_still_ends_in_time(doctor: Doctor) -> None:
    """As a program of its own, since what hangs must not keep it from ending either."""
    with silent_server() as database, silent_server() as redis, silent_server() as post, silent_server() as issuer:
        variables = {
            "IDP_DATABASE_URL": f"postgresql+psycopg://idp:x@127.0.0.1:{database}/idp",
            "IDP_REDIS_URL": f"redis://127.0.0.1:{redis}/0",
            "IDP_SMTP_HOST": "127.0.0.1",
            "IDP_SMTP_PORT": str(post),
            "IDP_ISSUER": f"http://localhost:{issuer}",
        }
        less_patient = "from idp.cli import checks, main; assert checks.PATIENCE <= 10; checks.PATIENCE = 3.0; main()"
        began = time.monotonic()
        done = subprocess.run(
            [sys.executable, "-c", less_patient, "doctor", "--json"], cwd=doctor.folder, capture_output=True,
            timeout=120, env=clean_environment() | variables | {"PYTHONPATH": str(ROOT)}, check=False,
        )  # fmt: skip
        took = time.monotonic() - began
    report = json.loads(done.stdout)
    wrong = {each["what"] for each in report["checks"] if each["result"] == "wrong"}
    assert done.returncode == 1
    assert {"database", "redis", "mail", "issuer"} <= wrong
    assert took < 60  # seven at most on a machine that is not busy


def test_a_check_with_a_defect_is_a_finding_without_its_text() -> None:
    def fail(_: Subject) -> Iterator[Finding]:
        yield well("x", "First.")
        raise KeyError("hidden-word")

    found = run_checks([Check("x", fail)], make_subject())
    assert [each.result for each in found] == ["well", "wrong"]
    assert "KeyError" in found[1].sentence
    assert "hidden-word" not in found[1].sentence


def test_options_before_another_command_are_refused(doctor: Doctor) -> None:
    assert doctor.run("--offline", "upstream").code == 2
    assert "There is no client nobody" in doctor.run("--client", "nobody").err
