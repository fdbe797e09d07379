"""`idp apis` and `idp db`."""

import pytest

from idp.store import Store
from tests.cli.conftest import Idp, events, run_idp


def test_an_api_is_added_changed_listed_and_removed(idp: Idp, store: Store) -> None:
    added = idp("apis", "add", "https://x.example", "--name", "X", "--scope", "x.read=Read x", "--json").json
    assert added == {"identifier": "https://x.example", "name": "X", "scopes": {"x.read": "Read x"}}
    changed = idp("apis", "add", "https://x.example", "--scope", "x.write=Write x", "--json").json
    assert changed == {"identifier": "https://x.example", "name": "X", "scopes": {"x.write": "Write x"}}
    assert changed in idp("apis", "list", "--json").json
    assert idp("apis", "remove", "https://x.example").code == 0
    assert idp("apis", "remove", "https://x.example").code == 1
    assert events(store)[-3:] == ["api.saved", "api.saved", "api.removed"]


@pytest.mark.spec("RFC 8707", "2", "MUST NOT")
@pytest.mark.parametrize("identifier", ["api", "/path", "https://x.example/#part", "https://x.example/a b", "x:"])
def test_an_identifier_that_is_no_absolute_uri_is_refused(idp: Idp, identifier: str) -> None:
    assert "absolute URI" in idp("apis", "add", identifier).err


@pytest.mark.parametrize(
    ("scope", "sentence"),
    [
        ("openid=Sign in", "scope of OpenID Connect"),
        ("two words=x", "cannot be a scope"),
        ("=x", "cannot be a scope"),
        ("notes.read=Mine", "belongs to the API https://api.example.com"),
        ("x=" + "y" * 201, "200"),
    ],
)
def test_scopes_that_cannot_be_are_refused(idp: Idp, scope: str, sentence: str) -> None:
    answer = idp("apis", "add", "https://x.example", "--scope", scope)
    assert answer.code == 1
    assert sentence in answer.err


def test_an_api_in_use_stays(idp: Idp) -> None:
    answer = idp("apis", "remove", "https://api.example.com")
    assert answer.code == 1
    assert "demo-web" in answer.err


def test_a_scope_leaves_the_clients_before_it_leaves_its_api(idp: Idp, store: Store) -> None:
    """A scope that belongs to no API goes into tokens for any: a service's for another API would carry this one's."""
    first, second = "https://a.example", "https://b.example"
    assert idp("apis", "add", first, "--scope", "a.read=Read a", "--scope", "a.write=Write a").code == 0
    assert idp("apis", "add", second, "--scope", "b.read=Read b").code == 0
    options = ("--grant-type", "client_credentials", "--api", second)
    added = idp("clients", "add", "Jobs", "--id", "jobs", *options, "--scope", "b.read a.write")
    assert added.code == 0, added.err
    for command in (("remove", first), ("add", first, "--scope", "a.read=Read a")):
        refused = idp("apis", *command)
        assert refused.code == 1
        assert "jobs (a.write)" in refused.err
        assert "idp clients update ID --scope" in refused.err
    assert list(store.apis.all()[first].scopes) == ["a.read", "a.write"]
    assert idp("apis", "add", first, "--scope", "a.write=Write all of a").code == 0, "a.read is nobody's"
    assert idp("clients", "update", "jobs", "--scope", "b.read").code == 0
    assert idp("apis", "remove", first).code == 0


@pytest.mark.usefixtures("empty_folder")
def test_db_upgrade_makes_the_schema_and_check_agrees() -> None:
    assert "idp db upgrade" in run_idp("db", "check").err
    assert run_idp("db", "upgrade", "--json").json == {"migrated": True}
    assert run_idp("db", "upgrade", "--json").json == {"migrated": False}
    assert run_idp("db", "check", "--json").json == {"current": True, "differences": 0}


def test_db_check_notices_a_table_that_differs(idp: Idp, store: Store) -> None:
    with store.database.writing() as connection:
        connection.exec_driver_sql("DROP TABLE consents")
    answer = idp("db", "check")
    assert answer.code == 1
    assert "add_table" in answer.err


def test_db_prune_deletes_what_has_expired(idp: Idp, store: Store) -> None:
    store.ephemeral.put("test", "old", {}, lifetime=1, now=1000)
    assert idp("db", "prune", "--json").json["deleted"]["ephemeral"] == 1
    assert idp("db", "prune").out == "Nothing has expired.\n"
