"""What the container files claim, checked without a container: nothing here builds or starts an image."""

import json
import re
import secrets
from pathlib import Path
from typing import Any

import pytest
import yaml

from idp.settings import Settings, is_secret, load_settings
from tests.support.idp_server import ROOT

SECRETS = {f"IDP_{name.upper()}" for name in Settings.model_fields if is_secret(name)}
SETTINGS = {f"IDP_{name.upper()}" for name in Settings.model_fields} | {f"{name}_FILE" for name in SECRETS}
SITE = "id.example.com"
PORT = 8000


def instructions() -> list[tuple[str, str]]:
    """The Dockerfile as (instruction, rest), continued lines joined, comments left out."""
    text = re.sub(r"(?m)^#.*\n", "", (ROOT / "Dockerfile").read_text(encoding="utf-8"))
    lines = re.sub(r"\\\n\s*", " ", text).splitlines()
    return [(name, rest) for name, _, rest in (line.partition(" ") for line in lines if line.strip())]


def last_stage() -> list[tuple[str, str]]:
    found = instructions()
    start = max(index for index, (name, _) in enumerate(found) if name == "FROM")
    return found[start:]


def values_of(name: str, among: list[tuple[str, str]]) -> list[str]:
    return [rest for found, rest in among if found == name]


def image_environment() -> dict[str, str]:
    words = " ".join(values_of("ENV", last_stage())).split()
    return dict(word.split("=", 1) for word in words)


def load_yaml(name: str) -> Any:
    return yaml.safe_load((ROOT / name).read_text(encoding="utf-8"))


def services() -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = load_yaml("compose.yaml")["services"]
    return found


def instances() -> dict[str, dict[str, Any]]:
    return {name: service for name, service in services().items() if "build" in service}


# --- Dockerfile ------------------------------------------------------------------------------------------------------


def test_the_image_runs_as_an_account_without_rights_of_its_own() -> None:
    (user,) = values_of("USER", last_stage())
    assert re.fullmatch(r"[1-9]\d{3,}:[1-9]\d{3,}", user)
    after = last_stage()[[name for name, _ in last_stage()].index("USER") :]
    assert {name for name, _ in after} <= {"USER", "VOLUME", "EXPOSE", "STOPSIGNAL", "HEALTHCHECK", "CMD"}


def test_the_image_has_the_locked_dependencies_and_nothing_is_built_from_source() -> None:
    installs = [rest for rest in values_of("RUN", instructions()) if "pip install" in rest]
    locked, own = installs
    assert {"--require-hashes", "requirements.lock", "--only-binary"} <= set(locked.split())
    assert {"--no-deps", "--no-build-isolation"} <= set(own.split())
    images = [rest.split()[0] for rest in values_of("FROM", instructions())]
    assert images == ["python:3.13-slim"] * 2


def test_everything_that_is_copied_exists_and_passes_the_filter_for_the_builder() -> None:
    copied = [rest.split()[:-1] for rest in values_of("COPY", instructions()) if not rest.startswith("--from")]
    sources = {source for line in copied for source in line}
    assert sources == {"requirements.lock", "setup.cfg", "pyproject.toml", "README.md", "idp"}
    assert all((ROOT / source).exists() for source in sources)
    filters = (ROOT / ".dockerignore").read_text(encoding="utf-8").split("\n")
    assert "*" in filters
    assert {line.removeprefix("!") for line in filters if line.startswith("!")} == sources


def test_no_secret_is_in_the_image() -> None:
    names = {name for name, _ in instructions()}
    assert "ADD" not in names
    assert "ARG" not in names
    environment = image_environment()
    assert not environment.keys() & (SECRETS - {"IDP_DATABASE_URL"})
    assert environment["IDP_DATABASE_URL"] == "sqlite:////data/idp.sqlite3"


def test_the_settings_of_the_image_are_settings_and_refuse_what_is_unsafe() -> None:
    environment = image_environment()
    ours = {name: value for name, value in environment.items() if name.startswith("IDP_") or name in {"HOST", "PORT"}}
    assert {name for name in ours if name.startswith("IDP_")} <= SETTINGS
    given = {"IDP_ISSUER": f"https://{SITE}", "IDP_SECRET_KEY": secrets.token_urlsafe(48)}
    settings = load_settings(ours | given, None)
    assert settings.is_production
    assert (settings.host, settings.port) == ("0.0.0.0", PORT)
    assert {str(settings.keys_dir), str(settings.var_dir)} == {"/data/keys", "/data/var"}


def test_the_image_writes_only_to_its_volume_and_is_probed_on_the_port_it_listens_on() -> None:
    assert values_of("VOLUME", last_stage()) == ["/data"]
    assert values_of("EXPOSE", last_stage()) == [image_environment()["PORT"]] == [str(PORT)]
    (probe,) = values_of("HEALTHCHECK", last_stage())
    command = json.loads(probe.partition("CMD ")[2])
    compile(command[2], "probe", "exec")
    assert "/health" in command[2]
    assert 'environ["PORT"]' in command[2]


def test_the_command_of_the_image_is_one_that_idp_has() -> None:
    from idp.cli import COMMANDS
    from idp.cli.serve import command

    (line,) = values_of("CMD", last_stage())
    program, name, *options = json.loads(line)
    assert (program, name) == ("idp", "serve")
    assert name in COMMANDS
    assert set(options) <= {option for parameter in command.params for option in parameter.opts}


# --- compose.yaml ----------------------------------------------------------------------------------------------------


def test_two_instances_share_database_short_lived_state_and_keys() -> None:
    assert len(instances()) == 2
    one, two = instances().values()
    assert one == two
    assert one["volumes"] == ["idp-data:/data"]
    assert {"IDP_DATABASE_URL_FILE", "IDP_REDIS_URL"} <= one["environment"].keys()
    assert set(one["depends_on"]) == {"db", "redis"} <= services().keys()


def test_secrets_come_from_files_and_none_is_written_in_compose() -> None:
    document = load_yaml("compose.yaml")
    assert all(set(secret) == {"file"} for secret in document["secrets"].values())
    for service in services().values():
        assert set(service.get("secrets", ())) <= document["secrets"].keys()
        for name, value in service.get("environment", {}).items():
            is_hidden = name in SECRETS - {"IDP_REDIS_URL"} or "PASSWORD" in name or "SECRET" in name
            assert not is_hidden or value == "" or (name.endswith("_FILE") and value.startswith("/run/secrets/"))


def test_every_setting_in_compose_exists_and_together_they_are_accepted(tmp_path: Path) -> None:
    given = {
        "IDP_SECRET_KEY_FILE": secrets.token_urlsafe(48),
        "IDP_DATABASE_URL_FILE": "postgresql+psycopg://idp@db/idp",
    }
    for service in instances().values():
        environment = {
            name: re.sub(r"\$\{SITE:\?[^}]*\}", SITE, value) for name, value in service["environment"].items()
        }
        assert environment.keys() <= SETTINGS
        for name, content in given.items():
            (tmp_path / name).write_text(content)
            environment[name] = str(tmp_path / name)
        settings = load_settings(image_environment() | environment, None)
        assert settings.issuer == f"https://{SITE}"
        assert settings.database_url == given["IDP_DATABASE_URL_FILE"]


def test_only_caddy_is_reachable_and_the_databases_are_on_a_network_of_their_own() -> None:
    networks = load_yaml("compose.yaml")["networks"]
    assert [name for name, service in services().items() if "ports" in service] == ["caddy"]
    for name in ("db", "redis"):
        assert services()[name]["networks"] == ["back"]
    assert networks["back"]["internal"]
    assert networks["front"]["internal"]
    assert "back" not in services()["caddy"]["networks"]


def test_caddy_finds_the_instances_and_they_believe_caddy_and_nobody_else() -> None:
    caddy = services()["caddy"]
    assert caddy["environment"]["CADDY_UPSTREAM"].split() == [f"{name}:{PORT}" for name in instances()]
    placeholders = set(re.findall(r"\{\$(\w+)", (ROOT / "Caddyfile").read_text(encoding="utf-8")))
    assert caddy["environment"].keys() <= placeholders
    assert f"({caddy['environment']['CADDY_BUFFERING']}) {{" in (ROOT / "Caddyfile").read_text(encoding="utf-8")
    address = caddy["networks"]["front"]["ipv4_address"]
    assert {service["environment"]["IDP_TRUSTED_PROXIES"] for service in instances().values()} == {address}
    assert "./Caddyfile:/etc/caddy/Caddyfile:ro" in caddy["volumes"]


def test_the_body_limit_of_caddy_is_that_of_the_server() -> None:
    caddyfile = (ROOT / "Caddyfile").read_text(encoding="utf-8")
    limit = Settings.model_fields["max_body_bytes"].default
    assert f"max_size {limit // 1024}KiB" in caddyfile
    assert f"> {limit}`" in caddyfile
    assert f"IDP_MAX_BODY_BYTES={limit}" in caddyfile


@pytest.mark.parametrize("name", sorted(instances()) + ["caddy", "redis"])
def test_containers_have_no_rights_they_do_not_need(name: str) -> None:
    service = services()[name]
    assert service["read_only"]
    assert service["cap_drop"] == ["ALL"]
    assert "no-new-privileges:true" in service["security_opt"]
    assert not service.get("privileged")
    assert set(service.get("cap_add", ())) <= {"NET_BIND_SERVICE"}


# --- render.yaml -----------------------------------------------------------------------------------------------------


def test_render_is_given_settings_that_exist_and_no_secret() -> None:
    document = load_yaml("render.yaml")
    (service,) = document["services"]
    variables = {variable["key"]: variable for variable in service["envVars"]}
    assert variables.keys() <= SETTINGS
    assert all("value" not in variables[name] for name in variables.keys() & SECRETS)
    assert variables["IDP_SECRET_KEY"] == {"key": "IDP_SECRET_KEY", "generateValue": True}
    assert (service["plan"], service["healthCheckPath"]) == ("free", "/health")
    assert (ROOT / service["dockerfilePath"]).is_file()
    database = variables["IDP_DATABASE_URL"]["fromDatabase"]["name"]
    assert [entry["name"] for entry in document["databases"]] == [database]
    assert document["databases"][0]["ipAllowList"] == []


def test_an_address_of_a_postgresql_database_as_platforms_write_it_is_understood() -> None:
    from idp.store.database import Database

    assert Database("postgresql://idp:secret@db.internal/idp").engine.dialect.driver == "psycopg"


# --- docs/deployment.md ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("document", ["docs/deployment.md", "Caddyfile", "compose.yaml", "render.yaml"])
def test_every_setting_that_a_text_names_exists(document: str) -> None:
    text = (ROOT / document).read_text(encoding="utf-8")
    named = set(re.findall(r"\bIDP_[A-Z0-9_]+[A-Z0-9]\b", text))
    assert named <= SETTINGS
    assert named
