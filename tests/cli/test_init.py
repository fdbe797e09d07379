"""`idp init` makes what is missing and leaves what is there."""

import json
import stat
import time
from pathlib import Path

import pytest

from idp.accounts.passwords import Passwords
from idp.jose.encryption import SecretBox
from idp.protocol.scopes import SCOPE_CLAIMS
from idp.settings import load_settings
from idp.store import Store
from idp.store.database import hashed
from tests.cli.conftest import Idp, run_idp


def read_demo(folder: Path) -> dict[str, object]:
    content: dict[str, object] = json.loads((folder / "var" / "demo.json").read_text("utf-8"))
    return content


def test_init_makes_database_keys_and_demo_data_in_an_empty_folder(empty_folder: Path) -> None:
    answer = run_idp("init", "--json")
    assert answer.json == {"migrated": True, "algs": ["RS256", "ES256"], "demo_file": "var/demo.json"}
    assert run_idp("db", "check").code == 0
    assert {key["state"] for key in run_idp("keys", "list", "--json").json} == {"active", "next"}


def test_demo_json_names_the_issuer_the_person_and_every_demo_client(folder: Path) -> None:
    demo = read_demo(folder)
    assert set(demo) == {"issuer", "username", "password", "password_fits", "clients"}
    assert demo["issuer"] == "http://localhost:8000"
    clients = demo["clients"]
    assert isinstance(clients, dict)
    assert set(clients["demo-web"]) == {"client_id", "client_secret", "redirect_uris"}
    assert set(clients["demo-spa"]) == set(clients["demo-mobile"]) == {"client_id", "redirect_uris"}
    assert "nextarget://callback" in clients["demo-mobile"]["redirect_uris"]


def test_nobody_else_can_read_the_demo_secrets_or_the_database(folder: Path) -> None:
    assert stat.S_IMODE((folder / "var" / "demo.json").stat().st_mode) == 0o600
    assert stat.S_IMODE((folder / "var" / "secret_key").stat().st_mode) == 0o600
    assert stat.S_IMODE((folder / "var").stat().st_mode) == 0o700
    assert stat.S_IMODE((folder / "keys").stat().st_mode) == 0o700


def test_init_again_changes_nothing(folder: Path, idp: Idp, store: Store) -> None:
    before = (folder / "var" / "demo.json").read_bytes(), store.clients.list(), idp("keys", "list", "--json").json
    began = time.perf_counter()
    assert idp("init", "--json").json["migrated"] is False
    assert time.perf_counter() - began < 1
    after = (folder / "var" / "demo.json").read_bytes(), store.clients.list(), idp("keys", "list", "--json").json
    assert after == before


def test_the_demo_password_and_secret_are_those_of_the_database(folder: Path, store: Store) -> None:
    demo = read_demo(folder)
    found = store.users.find_for_sign_in("demo")
    assert found is not None
    assert Passwords(load_settings()).is_right(str(demo["password"]), found[1])
    client = store.clients.find("demo-web")
    assert client is not None
    assert client.secrets[0].hash == hashed(demo["clients"]["demo-web"]["client_secret"])  # type: ignore[index]


@pytest.mark.parametrize("content", [None, "not json", "[]", '{"password": 7, "clients": 3}'])
def test_a_lost_or_damaged_demo_file_is_made_again_with_new_secrets_that_work(
    folder: Path, idp: Idp, store: Store, content: str | None
) -> None:
    path = folder / "var" / "demo.json"
    before = read_demo(folder)
    path.unlink() if content is None else path.write_text(content, "utf-8")
    assert idp("init").code == 0
    after = read_demo(folder)
    assert after["password"] != before["password"]
    found = store.users.find_for_sign_in("demo")
    assert found is not None
    assert Passwords(load_settings()).is_right(str(after["password"]), found[1])
    assert after["clients"]["demo-web"] != before["clients"]["demo-web"]  # type: ignore[index]


@pytest.mark.parametrize("how", ["in the file", "on the account page"])
def test_a_password_that_fits_no_more_is_replaced_by_one_that_does(
    folder: Path, idp: Idp, store: Store, how: str
) -> None:
    before, path = read_demo(folder), folder / "var" / "demo.json"
    found = store.users.find_for_sign_in("demo")
    assert found is not None
    if how == "in the file":
        path.write_text(json.dumps(before | {"password": "another one"}), "utf-8")
    else:
        store.users.set_password_hash(found[0].id, Passwords(load_settings()).hash("another one"), now=1)
    assert idp("init").code == 0
    after, found = read_demo(folder), store.users.find_for_sign_in("demo")
    assert found is not None
    assert after["password"] not in (before["password"], "another one")
    assert Passwords(load_settings()).is_right(str(after["password"]), found[1])


def test_a_password_known_to_fit_is_not_tried_again(folder: Path, idp: Idp, monkeypatch: pytest.MonkeyPatch) -> None:
    """A hash takes a tenth of the time in which the server starts."""
    before = read_demo(folder)
    monkeypatch.setattr(Passwords, "is_right", lambda *_: pytest.fail("tried"))
    assert idp("init").code == 0
    assert read_demo(folder) == before


def test_another_port_changes_the_issuer_and_keeps_the_password(
    folder: Path, idp: Idp, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = read_demo(folder)
    monkeypatch.setenv("PORT", "8123")
    assert idp("init").code == 0
    assert read_demo(folder) == before | {"issuer": "http://localhost:8123"}
    playground = store.clients.find("idp-playground")
    assert playground is not None
    assert playground.redirect_uris == ("http://localhost:8123/playground/callback",)


def test_what_an_operator_added_to_a_demo_client_stays(idp: Idp, store: Store) -> None:
    idp("clients", "update", "demo-spa", "--add-redirect-uri", "http://localhost:9999/cb", "--name", "Mine")
    assert idp("init").code == 0
    client = store.clients.find("demo-spa")
    assert client is not None
    assert client.client_name == "Mine"
    assert "http://localhost:9999/cb" in client.redirect_uris


@pytest.mark.spec("OpenID Connect Core", "5.1", "OPTIONAL")
def test_the_demo_person_has_a_value_for_every_standard_claim(store: Store) -> None:
    found = store.users.find_for_sign_in("demo@example.com")
    assert found is not None
    claims = {claim for claims in SCOPE_CLAIMS.values() for claim in claims} - {"sub"}
    assert claims <= set(found[0].claims)
    members = {"formatted", "street_address", "locality", "region", "postal_code", "country"}
    assert set(found[0].claims["address"]) == members


def test_demo_clients_pass_the_rules_for_clients(store: Store) -> None:
    from idp.cli.client_options import check_whole_client

    clients = store.clients.list()
    assert {"demo-web", "demo-spa", "demo-mobile", "idp-playground"} == {client.client_id for client in clients}
    for client in clients:
        check_whole_client(client)


def test_the_playground_secret_follows_from_the_secret_key(folder: Path, store: Store) -> None:
    client = store.clients.find("idp-playground")
    assert client is not None
    secret = SecretBox(load_settings().secret_key).derive("playground client secret")
    assert [kept.hash for kept in client.secrets] == [hashed(secret)]


def test_without_the_playground_there_is_no_client_for_it(empty_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IDP_PLAYGROUND", "false")
    assert run_idp("init").code == 0
    assert "idp-playground" not in {client["client_id"] for client in run_idp("clients", "list", "--json").json}


def production(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IDP_ENV", "production")
    monkeypatch.setenv("IDP_ISSUER", "https://id.example.com")
    monkeypatch.setenv("IDP_SECRET_KEY", "kP3vN8xQ2mZ7rT5wY1cB6dF9gH4jL0sA")
    monkeypatch.setenv("IDP_ARGON2_MEMORY_KIB", "19456")


def test_production_gets_no_demo_data(empty_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    production(monkeypatch)
    assert run_idp("init", "--json").json["demo_file"] is None
    assert run_idp("clients", "list", "--json").json == []
    assert run_idp("users", "list", "--json").json == []
    assert not (empty_folder / "var" / "demo.json").exists()


def test_production_makes_the_playground_client_only_when_it_is_switched_on(
    empty_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    production(monkeypatch)
    monkeypatch.setenv("IDP_PLAYGROUND", "true")
    assert run_idp("init").code == 0
    (client,) = run_idp("clients", "list", "--json").json
    assert client["redirect_uris"] == ["https://id.example.com/playground/callback"]


def test_init_names_a_bad_database_and_bad_keys_together(empty_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (empty_folder / "file").write_text("", "utf-8")
    monkeypatch.setenv("IDP_KEYS_DIR", "file/keys")
    monkeypatch.setenv("IDP_DATABASE_URL", "oracle://nowhere")
    answer = run_idp("init")
    assert answer.code == 1
    assert "IDP_KEYS_DIR" in answer.err
    assert "IDP_DATABASE_URL" in answer.err
    assert "Traceback" not in answer.err
