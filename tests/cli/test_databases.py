"""The command on every database: made from nothing, made twice, changed and read back."""

import pytest

from tests.cli.conftest import run_idp


@pytest.mark.usefixtures("empty_folder")
def test_init_and_the_commands_work_on_every_database(fresh_database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IDP_DATABASE_URL", fresh_database)
    assert run_idp("init", "--json").json["migrated"] is True
    assert run_idp("init", "--json").json["migrated"] is False
    assert run_idp("db", "check").code == 0
    added = run_idp("clients", "add", "Été 🏖", "--redirect-uri", "https://app.example.com/cb", "--json").json
    assert run_idp("clients", "show", added["client_id"], "--json").json["client_name"] == "Été 🏖"
    assert run_idp("users", "add", "zoé", "--email", "zoe@example.com", "--role", "rôle").code == 0
    assert run_idp("users", "show", "ZOÉ", "--json").json["roles"] == ["rôle"]
    assert "is taken" in run_idp("users", "add", "ZOÉ").err
    assert run_idp("users", "disable", "zoé").code == 0
    assert run_idp("users", "remove", "zoe@example.com").code == 0
    assert run_idp("keys", "rotate").err == ""
    assert run_idp("db", "prune").code == 0
