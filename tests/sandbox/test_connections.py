"""What a server is configured with: the same as settings and as an environment."""

import multiprocessing
import os
import stat
from pathlib import Path

import pytest
from dotenv import dotenv_values

from idp.sandbox.connections import KINDS, load_apple_key, sandbox_environment, sandbox_upstreams
from idp.settings import ConfigurationError, load_settings

ORIGINS = {kind: f"http://127.0.0.1:{8101 + place}" for place, kind in enumerate(KINDS)}


def test_settings_and_environment_say_the_same(apple_key: str) -> None:
    environment = sandbox_environment(ORIGINS, apple_key)
    assert all("\n" not in value for value in environment.values())
    loaded = load_settings({"IDP_SECRET_KEY": "x" * 20 + "abcdefghijklmnop", **environment}, None).upstream
    expected = sandbox_upstreams(ORIGINS, apple_key)
    assert {each.name: _plain(each) for each in loaded} == {each.name: _plain(each) for each in expected}


def _plain(upstream: object) -> dict[str, object]:
    members = dict(vars(upstream))
    return members | {"kind": members["kind"] or members["name"], "private_key": (members["private_key"] or "").strip()}


def test_each_connection_knows_where_its_stand_in_is(apple_key: str) -> None:
    upstreams = {str(each.kind): each for each in sandbox_upstreams(ORIGINS, apple_key)}
    assert {kind: each.sandbox_url for kind, each in upstreams.items()} == ORIGINS
    assert upstreams["oidc"].name == "acme"
    assert upstreams["oidc"].label == "Acme"
    assert upstreams["oidc"].issuer == ORIGINS["oidc"]
    assert upstreams["apple"].client_secret is None
    assert upstreams["apple"].private_key == apple_key.strip()


def test_only_the_stand_ins_that_run_are_configured(apple_key: str) -> None:
    some = {"google": ORIGINS["google"]}
    assert [each.name for each in sandbox_upstreams(some, apple_key)] == ["google"]
    assert all(name.startswith("IDP_UPSTREAM_GOOGLE_") for name in sandbox_environment(some, apple_key))


def test_production_refuses_these_settings(apple_key: str) -> None:
    environment = {"IDP_ENV": "production", **sandbox_environment(ORIGINS, apple_key)}
    with pytest.raises(ConfigurationError) as refused:
        load_settings(environment, None)
    assert any("IDP_UPSTREAM_GOOGLE_SANDBOX_URL" in problem for problem in refused.value.problems)


def test_apples_key_is_made_once_for_its_owner_alone(tmp_path: Path) -> None:
    key = load_apple_key(tmp_path / "new" / "folder")
    path = tmp_path / "new" / "folder" / "apple.p8"
    assert key.startswith("-----BEGIN PRIVATE KEY-----")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert load_apple_key(path.parent) == key
    assert os.listdir(path.parent) == ["apple.p8"]


def test_processes_that_start_together_agree_on_apples_key(tmp_path: Path) -> None:
    with multiprocessing.get_context("spawn").Pool(4) as pool:
        assert len(set(pool.map(load_apple_key, [tmp_path] * 8))) == 1


def test_the_lines_fit_into_an_env_file(tmp_path: Path, apple_key: str) -> None:
    from idp.cli.sandbox import _quoted

    environment = sandbox_environment(ORIGINS, apple_key)
    file = tmp_path / ".env"
    file.write_text("".join(f"{name}={_quoted(value)}\n" for name, value in environment.items()))
    assert dotenv_values(file) == environment
