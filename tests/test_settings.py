"""Settings: where they come from, what is refused, and that all mistakes are named at once."""

import logging
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from idp.settings import ConfigurationError, Settings, is_secret, load_settings
from tests.cli.environment import clean_environment
from tests.support import settings_documents

ROOT = Path(__file__).parent.parent
SECRET = "kP3vN8xQ2mZ7rT5wY1cB6dF9gH4jL0sA"
PRODUCTION = {"IDP_ENV": "production", "IDP_ISSUER": "https://id.example.com", "IDP_SECRET_KEY": SECRET}


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder of its own: a development secret is written in it."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def problems_of(environment: dict[str, str], env_file: Path | None = None) -> list[str]:
    with pytest.raises(ConfigurationError) as caught:
        load_settings(environment, env_file)
    return caught.value.problems


# --- Where values come from


def test_without_anything_the_defaults_are_those_of_development() -> None:
    settings = load_settings({}, None)
    assert (settings.env, settings.issuer, settings.port) == ("development", "http://localhost:8000", 8000)
    assert settings.playground_enabled
    assert settings.require_pkce == "all"


def test_the_environment_wins_over_the_env_file_and_that_over_the_defaults(here: Path) -> None:
    (here / ".env").write_text("IDP_SERVICE_NAME=from file\nIDP_THREADS=7\n", "utf-8")
    settings = load_settings({"IDP_SERVICE_NAME": "from environment"}, here / ".env")
    assert (settings.service_name, settings.threads, settings.workers) == ("from environment", 7, 0)


def test_the_env_file_of_the_working_folder_is_read_by_itself(here: Path) -> None:
    (here / ".env").write_text("IDP_SERVICE_NAME='Ours'\n", "utf-8")
    assert load_settings({}).service_name == "Ours"


@pytest.mark.parametrize(
    ("environment", "host", "port", "issuer"),
    [
        ({"PORT": "9000"}, "localhost", 9000, "http://localhost:9000"),
        ({"HOST": "127.0.0.1", "PORT": "9000"}, "127.0.0.1", 9000, "http://127.0.0.1:9000"),
        ({"HOST": "0.0.0.0"}, "0.0.0.0", 8000, "http://localhost:8000"),
        ({"PORT": "9000", "IDP_PORT": "9001"}, "localhost", 9001, "http://localhost:9001"),
        ({"PORT": "9000", "IDP_ISSUER": "https://a.example/b"}, "localhost", 9000, "https://a.example/b"),
    ],
)
def test_host_and_port_move_the_development_issuer(
    environment: dict[str, str], host: str, port: int, issuer: str
) -> None:
    settings = load_settings(environment, None)
    assert (settings.host, settings.port, settings.issuer) == (host, port, issuer)


def test_an_empty_variable_counts_as_absent() -> None:
    assert load_settings({"IDP_PORT": "", "IDP_REDIS_URL": "", "PORT": ""}, None).port == 8000


def test_a_list_is_written_with_commas_or_spaces() -> None:
    settings = load_settings({"IDP_TRUSTED_PROXIES": "10.0.0.1, 10.1.0.0/16  ::1"}, None)
    assert settings.trusted_proxies == ("10.0.0.1", "10.1.0.0/16", "::1")


@pytest.mark.parametrize("name", [name for name in Settings.model_fields if is_secret(name)])
def test_every_secret_can_come_from_a_file(here: Path, name: str) -> None:
    value = {"database_url": "sqlite:///other.db", "redis_url": "redis://127.0.0.1/3"}.get(name, SECRET)
    (here / "secret").write_text(value + "\n", "utf-8")
    beside = {"IDP_SMTP_USERNAME": "idp"} if name == "smtp_password" else {}
    settings = load_settings({f"IDP_{name.upper()}_FILE": str(here / "secret"), **beside}, None)
    assert getattr(settings, name) in (value, (value,))


def test_only_secrets_come_from_files() -> None:
    settings = load_settings({"IDP_SERVICE_NAME_FILE": "/etc/hostname"}, None)
    assert settings.service_name == "idp"


def test_a_secret_given_twice_or_in_an_unreadable_file_is_a_mistake() -> None:
    environment = {"IDP_SECRET_KEY": SECRET, "IDP_SECRET_KEY_FILE": "x", "IDP_REDIS_URL_FILE": "missing"}
    twice, unreadable = problems_of(environment)
    assert twice == "IDP_SECRET_KEY and IDP_SECRET_KEY_FILE are both set; keep one."
    assert unreadable == "IDP_REDIS_URL_FILE names missing, which cannot be read."


def test_development_makes_a_secret_once_and_only_its_owner_can_read_it(here: Path) -> None:
    first = load_settings({}, None).secret_key
    assert len(first) >= 64
    assert load_settings({}, None).secret_key == first
    assert stat.S_IMODE((here / "var" / "secret_key").stat().st_mode) == 0o600


# --- What is refused


def test_all_mistakes_are_named_at_once() -> None:
    environment = {
        "IDP_PORT": "many",
        "IDP_ENV": "staging",
        "IDP_ISSUER": "id.example.com",
        "IDP_CODE_LIFETIME": "0",
        "IDP_SIGNING_ALGS": "RS256 none",
        "IDP_SECRET_KEY_FILE": "missing",
    }
    problems = problems_of(environment)
    assert len(problems) == len(environment)
    for name in environment:
        assert sum(problem.startswith(name) for problem in problems) == 1


@pytest.mark.parametrize(
    "url", ["nonsense", "http://127.0.0.1", "redis://127.0.0.1:many", "redis://127.0.0.1/first", "redis://", "unix://"]
)
def test_an_address_of_redis_that_cannot_be_one_is_a_mistake(url: str) -> None:
    (problem,) = problems_of({"IDP_REDIS_URL": url})
    assert problem.startswith("IDP_REDIS_URL: must be a URL such as redis://")


@pytest.mark.parametrize(
    "url", ["redis://127.0.0.1", "rediss://u:p@cache.example:6380/2?a=b", "unix:///run/redis.sock"]
)
def test_an_address_of_redis_is_taken_as_it_is(url: str) -> None:
    assert load_settings({"IDP_REDIS_URL": url}, None).redis_url == url


def test_an_unknown_setting_is_pointed_out_with_the_name_that_was_meant(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        load_settings({"IDP_ISUER": "https://a.example"}, None)
    assert "IDP_ISUER" in caplog.text
    assert "IDP_ISSUER" in caplog.text


@pytest.mark.spec("OpenID Connect Discovery", "3", "MUST")
@pytest.mark.parametrize(
    "issuer",
    ["id.example.com", "ftp://a.example", "https://a.example/", "https://a.example?x=1", "https://a.example#x"]
    + ["https://user@a.example", "https://"],
)
def test_an_issuer_is_a_url_with_a_host_and_nothing_after_its_path(issuer: str) -> None:
    (problem,) = problems_of({"IDP_ISSUER": issuer})
    assert problem.startswith("IDP_ISSUER: must")


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        pytest.param({"IDP_ISSUER": "http://id.example.com"}, "needs an https URL", id="http issuer"),
        pytest.param({"IDP_ISSUER": ""}, "needs an https URL", id="no issuer"),
        pytest.param({"IDP_SECRET_KEY": ""}, "IDP_SECRET_KEY is missing", id="no secret"),
        pytest.param({"IDP_SECRET_KEY": "short"}, "IDP_SECRET_KEY is weak", id="short secret"),
        pytest.param({"IDP_SECRET_KEY": "a" * 64}, "IDP_SECRET_KEY is weak", id="one letter repeated"),
        pytest.param({"IDP_ARGON2_MEMORY_KIB": "1024"}, "IDP_ARGON2_MEMORY_KIB is 1024", id="weak password hashes"),
        pytest.param({"IDP_SIGNING_ALGS": "ES256"}, "must contain RS256", id="no RS256"),
    ],
)
def test_production_refuses_what_is_unsafe(changes: dict[str, str], sentence: str) -> None:
    assert load_settings(PRODUCTION, None).is_production
    (problem,) = problems_of(PRODUCTION | changes)
    assert sentence in problem


def test_the_playground_is_off_in_production_unless_switched_on() -> None:
    assert not load_settings(PRODUCTION, None).playground_enabled
    assert load_settings(PRODUCTION | {"IDP_PLAYGROUND": "true"}, None).playground_enabled


def test_no_secret_is_in_what_is_said_of_mistakes(here: Path) -> None:
    (here / "key").write_text("hidden-in-a-file", "utf-8")
    environment = {"IDP_ENV": "production", "IDP_SECRET_KEY_FILE": str(here / "key"), "IDP_PORT": "x"}
    environment["IDP_DATABASE_URL"] = "postgresql://u:hidden@h/d"
    assert "hidden" not in " ".join(problems_of(environment))


# --- A real server that refuses


def run_idp(folder: Path, *arguments: str, **variables: str) -> "subprocess.CompletedProcess[str]":
    environment = clean_environment() | {"PYTHONPATH": str(ROOT)} | variables
    command = [sys.executable, "-m", "idp.cli", *arguments]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=60, check=False)


@pytest.mark.parametrize("entry", ["idp serve", "idp serve --init", "gunicorn wsgi:app"])
def test_a_production_server_names_every_reason_not_to_start_at_once(here: Path, entry: str) -> None:
    assert run_idp(here, "init").returncode == 0
    key = next((here / "keys").glob("*.pem"))
    key.chmod(0o644)
    variables = {"IDP_ENV": "production", "IDP_SECRET_KEY": "weak", "IDP_ARGON2_MEMORY_KIB": "19456"}
    if entry.startswith("idp"):
        done = run_idp(here, *entry.split()[1:], **variables)
    else:
        command = [sys.executable, "-m", "gunicorn", "-c", str(ROOT / "gunicorn.conf.py"), "wsgi:app"]
        environment = clean_environment() | {"PYTHONPATH": str(ROOT)} | variables
        done = subprocess.run(
            command, cwd=here, env=environment, capture_output=True, text=True, timeout=60, check=False
        )
    assert done.returncode != 0
    said = done.stdout + done.stderr
    for reason in ("IDP_ISSUER is http://", "IDP_SECRET_KEY is weak", "demo-web", "demo-spa", "demo-mobile"):
        assert reason in said
    assert "The demo person" in said
    assert f"{key.name} can be read by others" in said
    assert "Traceback" not in said


def test_a_production_server_with_sound_settings_still_refuses_demo_data_and_open_key_files(here: Path) -> None:
    assert run_idp(here, "init").returncode == 0
    (here / "keys" / "keyset.json").chmod(0o640)
    done = run_idp(here, "serve", **PRODUCTION, IDP_ARGON2_MEMORY_KIB="19456")
    assert done.returncode == 1
    assert "keyset.json can be read by others" in done.stderr
    assert "idp clients remove demo-web" in done.stderr
    for command in (["clients", "remove", "demo-web"], ["users", "remove", "demo"]):
        assert run_idp(here, *command, **PRODUCTION, IDP_ARGON2_MEMORY_KIB="19456").returncode == 0


def test_a_server_without_database_and_keys_says_what_to_run(here: Path) -> None:
    done = run_idp(here, "serve")
    assert done.returncode == 1
    assert "idp db upgrade" in done.stderr
    assert "idp init" in done.stderr


# --- The documents


@pytest.mark.parametrize("path", settings_documents.DOCUMENTS, ids=lambda path: path.name)
def test_the_documents_say_what_the_settings_are(path: Path) -> None:
    assert path.read_text("utf-8") == settings_documents.DOCUMENTS[path](), "run: scripts/docs"


def test_the_example_file_changes_nothing_as_it_is_and_is_right_when_uncommented(here: Path) -> None:
    text = (ROOT / ".env.example").read_text("utf-8")
    (here / "as-it-is").write_text(text, "utf-8")
    (here / "uncommented").write_text(text.replace("\n#IDP_", "\nIDP_"), "utf-8")
    plain = load_settings({}, None)
    assert load_settings({}, here / "as-it-is") == plain
    assert load_settings({}, here / "uncommented") == plain
