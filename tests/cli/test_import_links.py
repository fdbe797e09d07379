"""`idp users import` brings accounts at other providers along: who signed in with Google before does so here."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from idp.cli.import_links import ISSUERS
from idp.cli.import_rows import derive_user_id
from idp.store import Store
from idp.store.identities import Key, LinkedIdentity
from idp.store.users import NewUser
from tests.cli.conftest import Idp, run_idp
from tests.cli.test_import import counted, without_time, write_csv
from tests.support.authorize import ask
from tests.support.idp_server import ServerUnderTest
from tests.support.relying_party import Browser, claims_of
from tests.support.upstream import CONNECTIONS, first_party, press, sandboxed_timed_server, somebody

ROW = {"external_id": "1", "name": "Ada", "identity.google": "104729", "identity.acme": ""}


@pytest.fixture
def idp(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Idp:
    """Runs `idp` in the folder of a server that has some connections."""
    assert folder.is_dir()
    for name in ("GOOGLE", "ACME", "MICROSOFT"):
        monkeypatch.setenv(f"IDP_UPSTREAM_{name}_CLIENT_ID", "client")
        monkeypatch.setenv(f"IDP_UPSTREAM_{name}_CLIENT_SECRET", "only-for-tests")
    monkeypatch.setenv("IDP_UPSTREAM_ACME_ISSUER", "https://login.acme.example")
    return run_idp


def links_of(store: Store, external_id: str) -> list[tuple[str, str, str, str]]:
    links = store.identities.list_of(derive_user_id("import", external_id))
    return [(link.key.upstream, link.key.issuer, link.key.subject, link.linked_how) for link in links]


def run(idp: Idp, path: Path, rows: list[dict[str, Any]], *options: str) -> Any:
    return idp("users", "import", str(write_csv(path / "people.csv", rows)), *options, "--json").json


def test_a_link_comes_along_and_needs_neither_address_nor_password(idp: Idp, store: Store, tmp_path: Path) -> None:
    rows = [ROW, ROW | {"external_id": "2", "identity.google": "", "identity.acme": "a-subject"}]
    assert without_time(run(idp, tmp_path, rows, "--dry-run")) == counted(read=2, added=2)
    assert links_of(store, "1") == []
    assert without_time(run(idp, tmp_path, rows)) == counted(read=2, added=2)
    assert links_of(store, "1") == [("google", "https://accounts.google.com", "104729", "imported")]
    assert links_of(store, "2") == [("acme", "https://login.acme.example", "a-subject", "imported")]
    assert without_time(run(idp, tmp_path, rows)) == counted(read=2, there=2)
    assert "It came along" in idp("users", "explain-link", derive_user_id("import", "1")).out


@pytest.mark.asvs("6.8.1")
def test_an_account_that_is_linked_to_somebody_is_never_given_to_another(
    idp: Idp, store: Store, tmp_path: Path
) -> None:
    store.users.add(NewUser("u_there", "there"), now=1)
    key = Key("google", "https://accounts.google.com", "104729")
    assert store.identities.add(LinkedIdentity(key, "u_there", "sign_up"))
    done = run(idp, tmp_path, [ROW])
    assert without_time(done) == counted(read=1, refused=1)
    assert list(done["reasons"]) == ["An account at another provider is linked to somebody here already."]
    without_id = {"username": "there", "identity.google": "104729"}
    assert without_time(run(idp, tmp_path, [without_id])) == counted(read=1, there=1)
    twice = [ROW | {"identity.google": "7"}, ROW | {"external_id": "2", "identity.google": "7"}]
    assert without_time(run(idp, tmp_path, twice)) == counted(read=2, added=1, refused=1)
    assert links_of(store, "2") == []


def test_an_update_leaves_links_as_they_are(idp: Idp, store: Store, tmp_path: Path) -> None:
    run(idp, tmp_path, [ROW])
    run(idp, tmp_path, [ROW | {"name": "Ada L.", "identity.google": "999"}], "--update")
    assert [link[2] for link in links_of(store, "1")] == ["104729"]


@pytest.mark.parametrize(
    ("column", "value", "reason"),
    [
        ("identity.discord", "1", "There is no connection discord; set IDP_UPSTREAM_DISCORD_CLIENT_ID first."),
        ("identity.microsoft", "1", "Accounts of the connection microsoft cannot be imported."),
        ("identity.google", "1.0472E+5", "identity.google is not a number, as every id at this provider is."),
    ],
)
def test_a_link_that_cannot_be_is_refused(
    idp: Idp, store: Store, tmp_path: Path, column: str, value: str, reason: str
) -> None:
    done = run(idp, tmp_path, [{"external_id": "1", "username": "ada", column: value}])
    assert done["reasons"] == {reason: 1}
    assert store.users.find(derive_user_id("import", "1")) is None


# --- Signing in


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, signing_keys: Path) -> Iterator[ServerUnderTest]:
    with sandboxed_timed_server(tmp_path_factory.mktemp("links"), keys_from=signing_keys) as (running, _):
        yield running


@pytest.mark.parametrize("name", [name for name in CONNECTIONS if name != "microsoft"])
def test_who_came_along_signs_in_with_the_provider_of_old(server: ServerUnderTest, name: str) -> None:
    """The issuers of the table are those that the providers' own sign-ins are stored under."""
    person, user_id = somebody(name), f"u_{name}"
    server.store.users.add(NewUser(user_id, f"old-{name}"), now=server.now)
    (connection,) = (each for each in server.settings.upstream if each.name == name)
    key = Key(name, ISSUERS.get(name) or str(connection.issuer), person.sub)
    assert server.store.identities.add(LinkedIdentity(key, user_id, "imported"))
    party = first_party(server)
    asked = ask(party, Browser(server))
    asked = asked.then(press(asked.page, name).choose(person))
    assert claims_of(party.redeem(asked.callback).json()["id_token"])["sub"] == user_id
