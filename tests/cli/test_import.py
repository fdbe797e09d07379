"""`idp users import`: people come over once, with their passwords; nobody is mixed up, nothing is told of hashes."""

import csv
import json
import os
import re
import secrets
import sqlite3
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from idp.accounts.passwords import Passwords
from idp.cli.import_rows import derive_user_id
from idp.mail import MailParts
from idp.settings import load_settings
from idp.store import Store
from idp.store.users import NewUser
from tests.accounts.test_password_hashes import BCRYPT, PASSWORD, SAMPLES
from tests.cli.conftest import Answer, Idp, events
from tests.support.mail import mails_to

ARGON2 = SAMPLES["Argon2id"][1]
DOCUMENT = Path(__file__).parent.parent.parent / "docs" / "importing-users.md"


def mapping_of(section: str) -> str:
    """The mapping that the document gives for a system."""
    text = DOCUMENT.read_text(encoding="utf-8").partition(f"\n## {section}\n")[2].partition("\n## ")[0]
    found = re.search(r"```toml\n(.*?)```", text, re.DOTALL)
    assert found is not None
    return found[1]


def write_csv(path: Path, rows: list[dict[str, Any]]) -> Path:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return path


def can_sign_in(store: Store, login: str, password: str = PASSWORD) -> bool:
    found = store.users.find_for_sign_in(login)
    assert found is not None, login
    return Passwords(load_settings()).is_right(password, found[1])


def claims(store: Store, login: str) -> dict[str, Any]:
    found = store.users.find_for_sign_in(login)
    assert found is not None, login
    return found[0].claims


MARIE = {
    "external_id": "7",
    "username": "marie",
    "email": "Marie@example.com",
    "email_verified": "yes",
    "given_name": "Marie",
    "family_name": "Curie",
    "birthdate": "1867-11-07",
    "address.locality": "Paris",
    "roles": "Admin, user",
    "password_hash": BCRYPT,
    "created_at": "2020-01-02T03:04:05Z",
    "disabled": "0",
}


def without_time(summary: dict[str, Any]) -> dict[str, Any]:
    return {name: summary[name] for name in ("read", "added", "updated", "there_already", "refused")}


def counted(read: int = 0, added: int = 0, updated: int = 0, there: int = 0, refused: int = 0) -> dict[str, int]:
    return {"read": read, "added": added, "updated": updated, "there_already": there, "refused": refused}


def test_people_come_over_with_their_claims_and_their_password(idp: Idp, store: Store, tmp_path: Path) -> None:
    source = write_csv(tmp_path / "people.csv", [MARIE])
    summary = idp("users", "import", str(source), "--json").json
    assert without_time(summary) == counted(read=1, added=1)
    assert can_sign_in(store, "marie@EXAMPLE.com")
    assert not can_sign_in(store, "marie", "wrong")
    found = store.users.find(derive_user_id("import", "7"))
    assert found is not None
    assert found.roles == ("Admin", "user")
    expected = {
        "preferred_username": "marie",
        "email": "Marie@example.com",
        "email_verified": True,
        "name": "Marie Curie",
        "birthdate": "1867-11-07",
        "address": {"locality": "Paris"},
    }
    assert {name: found.claims.get(name) for name in expected} == expected
    assert events(store)[-1] == "user.imported"
    with store.database.reading() as connection:
        created = connection.exec_driver_sql("SELECT created_at FROM users WHERE username = 'marie'").scalar()
    assert created == 1_577_934_245


def test_a_dry_run_says_what_would_be_and_changes_nothing(idp: Idp, store: Store, tmp_path: Path) -> None:
    source = write_csv(tmp_path / "people.csv", [MARIE, MARIE | {"external_id": "8", "username": "pierre"}])
    before = len(store.users.list()), len(events(store))
    answer = idp("users", "import", str(source), "--dry-run")
    assert "1 would be added" in answer.out
    assert "nothing has been changed" in answer.out
    assert "1 refused" in answer.out or "1 there already" in answer.out
    assert (len(store.users.list()), len(events(store))) == before


def test_an_import_run_again_adds_only_who_is_missing(idp: Idp, store: Store, tmp_path: Path) -> None:
    rows = [{"email": f"p{number}@example.com", "password_hash": ARGON2} for number in range(1200)]
    first = write_csv(tmp_path / "first.csv", rows[:700])
    everybody = write_csv(tmp_path / "all.csv", rows)
    assert without_time(idp("users", "import", str(first), "--json").json) == counted(read=700, added=700)
    again = idp("users", "import", str(everybody), "--json").json
    assert without_time(again) == counted(read=1200, added=500, there=700)
    dry = idp("users", "import", str(everybody), "--dry-run", "--json").json
    assert without_time(dry) == counted(read=1200, there=1200)
    names = [user.username for user in store.users.list()]
    assert len(set(names)) == len(names)
    assert all(4 <= len(name) <= 15 for name in names if name.startswith("p"))


def test_a_broken_off_import_keeps_whole_batches_and_goes_on_where_it_was(
    idp: Idp, store: Store, tmp_path: Path
) -> None:
    source = write_csv(tmp_path / "x.csv", [{"email": f"p{number}@example.com"} for number in range(900)])
    text = source.read_text()
    source.write_text(text + '"never closed\n')
    broken = idp("users", "import", str(source))
    assert broken.code == 1
    assert "is not CSV" in broken.err
    assert sum(user.username != "demo" for user in store.users.list()) == 500
    source.write_text(text)
    assert without_time(idp("users", "import", str(source), "--json").json) == counted(read=900, added=400, there=500)


def test_lines_of_json_semicolons_a_byte_order_mark_and_standard_input_are_read(
    idp: Idp, store: Store, tmp_path: Path
) -> None:
    lines = tmp_path / "people.jsonl"
    people = [
        {"username": "zoé", "roles": ["a", "b"], "address": {"locality": "Zürich"}, "email_verified": None},
        {"username": "bob", "email": "bob@example.com", "email_verified": "2024-05-06 07:08:09"},
    ]
    lines.write_text("\n".join(json.dumps(each) for each in people) + "\n\n[1]\nnonsense\n", encoding="utf-8")
    summary = idp("users", "import", str(lines), "--json").json
    assert without_time(summary) == counted(read=4, added=2, refused=2)
    assert claims(store, "zoé")["address"] == {"locality": "Zürich"}
    assert claims(store, "bob")["email_verified"] is True
    semicolons = tmp_path / "excel.csv"
    semicolons.write_text("username;given_name\nada;Ada, Countess\n", encoding="utf-8-sig")
    assert idp("users", "import", str(semicolons), "--json").json["added"] == 1
    assert claims(store, "ada")["given_name"] == "Ada, Countess"
    assert idp("users", "import", "-", "--json", stdin="username\ngrace\n").json["added"] == 1


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"email": "no address"}, "e-mail"),
        ({"username": "has space"}, "user name"),
        ({"username": "marie@home"}, "user name"),
        ({"username": "", "email": ""}, "neither"),
        ({"password_hash": "5f4dcc3b5aa765d61d8327deb882cf99"}, "no known scheme"),
        ({"password_hash": "$2b$31$" + BCRYPT[7:]}, "bcrypt cost"),
        ({"birthdate": "7.11.1867"}, "birthdate"),
        ({"birthdate": "1867-02-31"}, "birthdate"),
        ({"created_at": "yesterday"}, "created_at"),
        ({"email_verified": "perhaps"}, "email_verified"),
        ({"given_name": "x" * 1001}, "given_name"),
        ({"given_name": "nul\0"}, "cannot be stored"),
        ({"roles": '["two words"]'}, "role"),
    ],
)
def test_a_row_that_makes_no_sense_is_refused_with_its_line_and_the_others_come(
    idp: Idp, store: Store, tmp_path: Path, change: dict[str, str], reason: str
) -> None:
    good = MARIE | {"external_id": "8", "username": "pierre", "email": "pierre@example.com"}
    source, report = write_csv(tmp_path / "people.csv", [MARIE | change, good]), tmp_path / "refused.csv"
    summary = idp("users", "import", str(source), "--report", str(report), "--json").json
    assert without_time(summary) == counted(read=2, added=1, refused=1)
    rows = list(csv.DictReader(report.read_text(encoding="utf-8").splitlines()))
    assert [row["line"] for row in rows] == ["2"]
    assert reason in rows[0]["reason"]
    assert report.stat().st_mode & 0o077 == 0
    assert can_sign_in(store, "pierre")


@pytest.mark.asvs("16.2.5")
def test_no_hash_and_no_password_is_ever_shown_even_when_the_columns_are_mixed_up(idp: Idp, tmp_path: Path) -> None:
    secrets = [BCRYPT, ARGON2, "5f4dcc3b5aa765d61d8327deb882cf99", "hunter2 in the clear", "=cmd|' /C calc'!A0"]
    report = tmp_path / "refused.csv"
    shown = ""
    for number, secret in enumerate(secrets):
        for name in ("external_id", "email", "username", "birthdate", "created_at", "scheme", "roles", "password_hash"):
            row = MARIE | {"external_id": str(number), "given_name": "x" * 1001, name: secret}
            source = write_csv(tmp_path / "people.csv", [row, row | {"given_name": "x"}])
            answer = idp("users", "import", str(source), "--report", str(report), "--dry-run")
            shown += answer.out + answer.err + report.read_text()
    assert "refused" in shown
    for secret in (BCRYPT, ARGON2, "hunter2", "=cmd"):
        assert secret not in shown
    assert BCRYPT[7:] not in shown


@pytest.mark.asvs("6.3.8")
def test_an_import_never_gives_an_account_to_somebody_else(idp: Idp, store: Store, tmp_path: Path) -> None:
    """People who signed up here before the import, some of them in another's name."""
    own = Passwords(load_settings()).hash("their own password")
    early = {
        "marie": "impostor@example.com",  # somebody's user name
        "squatter": "pierre@example.com",  # somebody's e-mail, never confirmed
        "irene": None,  # a name without an e-mail
    }
    for number, (name, email) in enumerate(early.items()):
        assert store.users.add(NewUser(f"u_{number}", name, email, password_hash=own), now=1)
    rows = [
        MARIE,
        MARIE | {"external_id": "8", "username": "pierre", "email": "pierre@example.com"},
        MARIE | {"external_id": "9", "username": "irene", "email": "irene@example.com"},
    ]
    source = write_csv(tmp_path / "people.csv", rows)
    for extra in ((), ("--update",)):
        summary = idp("users", "import", str(source), *extra, "--json").json
        assert without_time(summary) == counted(read=3, refused=3)
    for name in early:
        assert can_sign_in(store, name, "their own password")
        assert not can_sign_in(store, name)
        assert claims(store, name).get("given_name") is None


def test_update_brings_claims_and_unused_hashes_up_to_date_and_leaves_passwords_of_here(
    idp: Idp, store: Store, tmp_path: Path
) -> None:
    pierre = MARIE | {"external_id": "8", "username": "pierre", "email": "pierre@example.com"}
    idp("users", "import", str(write_csv(tmp_path / "people.csv", [MARIE, pierre])))
    used = store.users.find_for_sign_in("pierre")
    assert used is not None
    store.users.set_password_hash(used[0].id, Passwords(load_settings()).hash("chosen here"), now=2)
    changes = {"password_hash": ARGON2, "given_name": "M.", "family_name": "", "email": "new@example.com"}
    later = [MARIE | changes, pierre | {"password_hash": ARGON2, "roles": ""}]
    source = write_csv(tmp_path / "later.csv", later)
    assert idp("users", "import", str(source), "--json").json["there_already"] == 2, "without --update nothing changes"
    assert claims(store, "marie")["given_name"] == "Marie"
    assert idp("users", "import", str(source), "--update", "--json").json["updated"] == 1
    assert (claims(store, "marie")["given_name"], claims(store, "marie")["family_name"]) == ("M.", "Curie")
    assert claims(store, "new@example.com")["preferred_username"] == "marie"
    found = store.users.find_for_sign_in("marie")
    assert found is not None
    assert found[1] == ARGON2
    assert can_sign_in(store, "pierre", "chosen here")
    assert idp("users", "import", str(source), "--update", "--json").json["there_already"] == 2


@pytest.mark.asvs("6.3.8")
@pytest.mark.parametrize(
    ("here", "row"),
    [
        pytest.param(
            {"email": "ida@example.com", "email_verified": True},
            {"email": "ida@example.com", "email_verified": "no"},
            id="an e-mail that the source has not confirmed",
        ),
        pytest.param(
            {"email": "ida@example.com"},
            {"email": "ida@example.com", "email_verified": "no"},
            id="an e-mail that nobody has confirmed",
        ),
        pytest.param({}, {"email": "", "email_verified": "yes"}, id="a user name alone"),
    ],
)
def test_an_update_changes_nobody_who_may_be_somebody_else(
    idp: Idp, store: Store, tmp_path: Path, here: dict[str, Any], row: dict[str, str]
) -> None:
    assert store.users.add(NewUser("u_ida", "ida", **here), now=1)  # came with another provider: no password
    stranger = MARIE | {"external_id": "66", "username": "ida"} | row
    source = write_csv(tmp_path / "people.csv", [stranger])
    assert without_time(idp("users", "import", str(source), "--json").json) == counted(read=1, there=1)
    for extra in (("--dry-run",), ()):
        summary = idp("users", "import", str(source), "--update", *extra, "--json").json
        assert without_time(summary) == counted(read=1, refused=1)
        assert list(summary["reasons"]) == ["Somebody here has this user name or e-mail, and may be another person."]
    found = store.users.find("u_ida")
    assert found is not None
    assert (found.roles, found.claims.get("given_name"), store.users.has_password("u_ida")) == ((), None, False)


def test_an_update_reaches_who_is_proved_to_be_the_same(idp: Idp, store: Store, tmp_path: Path) -> None:
    """By an e-mail that is confirmed on both sides, or by the external id alone."""
    assert store.users.add(NewUser("u_ida", "ida", "ida@example.com", email_verified=True), now=1)
    unconfirmed = MARIE | {"external_id": "8", "username": "pierre", "email": "p@example.com", "email_verified": "no"}
    idp("users", "import", str(write_csv(tmp_path / "people.csv", [unconfirmed])))
    rows = [MARIE | {"email": "Ida@example.com", "username": "", "external_id": ""}, unconfirmed | {"given_name": "P."}]
    source = write_csv(tmp_path / "later.csv", rows)
    summary = idp("users", "import", str(source), "--update", "--json").json
    assert without_time(summary) == counted(read=2, updated=2)
    assert can_sign_in(store, "ida")
    assert claims(store, "pierre")["given_name"] == "P."


@pytest.mark.asvs("6.3.7")
def test_who_gets_another_address_is_counted_and_told_at_the_old_one_when_asked(
    idp: Idp, store: Store, tmp_path: Path
) -> None:
    """Only an address that its owner had confirmed is told, and only when it is another, not another spelling."""
    pierre = MARIE | {"external_id": "8", "username": "pierre", "email": "pierre@example.com", "email_verified": "no"}
    irene = MARIE | {"external_id": "9", "username": "irene", "email": "irene@example.com"}
    parts = MailParts(load_settings(), store)
    addresses = [str(row["email"]) for row in (MARIE, pierre, irene)]

    def run(domain: str, *options: str) -> Answer:
        moved = [{**row, "email": f"{row['username']}@{domain}"} for row in (MARIE, pierre)]
        source = write_csv(tmp_path / "people.csv", [*moved, irene | {"email": "Irene@example.com"}])
        return idp("users", "import", str(source), *options)

    def told(*more: str) -> list[str]:
        return [mail.recipient for each in (*addresses, *more) for mail in mails_to(parts, each)]

    idp("users", "import", str(write_csv(tmp_path / "first.csv", [MARIE, pierre, irene])))
    would = run("example.org", "--update", "--notify", "--dry-run").out
    assert "2 would get another e-mail address; whoever has confirmed the old one would be told there." in would
    assert told() == []
    assert run("example.org", "--update", "--notify", "--json").json["addresses_changed"] == 2
    assert told() == ["Marie@example.com"]
    (mail,) = mails_to(parts, "Marie@example.com")
    assert "another e-mail address" in mail.text
    assert "example.org" not in mail.text
    assert "2 got another e-mail address; nobody is told" in run("example.net", "--update").out
    assert told("marie@example.org", "pierre@example.org") == ["Marie@example.com"]
    assert events(store).count("email.changed") == 4
    assert "another e-mail" not in run("example.net", "--update", "--notify").out


def test_people_are_told_only_where_an_address_can_change_and_mail_can_leave(
    idp: Idp, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = str(write_csv(tmp_path / "people.csv", [MARIE]))
    alone = idp("users", "import", source, "--notify")
    assert (alone.code, "--notify goes with --update" in alone.err) == (2, True)
    production = {"ENV": "production", "ISSUER": "https://id.example.com", "SECRET_KEY": secrets.token_urlsafe(32)}
    for name, value in (production | {"ARGON2_MEMORY_KIB": "19456"}).items():
        monkeypatch.setenv(f"IDP_{name}", value)
    unsendable = idp("users", "import", source, "--update", "--notify")
    assert (unsendable.code, "IDP_SMTP_HOST is not set" in unsendable.err) == (1, True), unsendable.err


@pytest.mark.parametrize("how", ["chosen on a page", "older parameters", "taken away"])
def test_an_update_replaces_no_password_of_here(
    idp: Idp, store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    own = Passwords(load_settings()).hash("chosen here")
    chosen = {"older parameters": None}.get(how, 5)
    own_hash = {"chosen on a page": BCRYPT, "taken away": None}.get(how, own)
    new = NewUser("u_ida", "ida", "ida@example.com", True, password_hash=own_hash, password_changed_at=chosen)
    assert store.users.add(new, now=5)
    monkeypatch.setenv("IDP_ARGON2_ITERATIONS", "2")
    row = MARIE | {"external_id": "", "username": "", "email": "ida@example.com", "password_hash": ARGON2}
    source = write_csv(tmp_path / "people.csv", [row])
    assert idp("users", "import", str(source), "--update", "--json").json["updated"] == 1, "the claims are"
    found = store.users.find_for_sign_in("ida")
    assert found is not None
    assert found[1] == own_hash
    assert idp("users", "import", str(source), "--update", "--json").json["there_already"] == 1


def test_a_locked_account_stays_locked(idp: Idp, store: Store, tmp_path: Path) -> None:
    idp("users", "import", str(write_csv(tmp_path / "people.csv", [MARIE | {"disabled": "true"}])))
    found = store.users.find_for_sign_in("marie")
    assert found is not None
    assert found[0].disabled


def test_the_user_id_is_made_as_the_document_says(idp: Idp, store: Store, tmp_path: Path) -> None:
    import base64
    import hashlib

    digest = hashlib.sha256(b"shop\0" + b"42").digest()[:16]
    expected = "u_" + base64.b32encode(digest).decode().rstrip("=").lower()
    mapping = tmp_path / "mapping.toml"
    mapping.write_text('[source]\nname = "shop"\n[columns]\nexternal_id = "id"\nusername = "login"\n')
    idp("users", "import", "-", "--mapping", str(mapping), stdin="id,login\n42,douglas\n")
    found = store.users.find(expected)
    assert found is not None
    assert found.username == "douglas"


@pytest.mark.parametrize(
    ("mapping", "complaint"),
    [
        ("[columns]\nsurname = 'x'\n", "has no surname"),
        ("[column]\nemail = 'x'\n", "no section [column]"),
        ("[columns]\nemail = 3\n", "is a text"),
        ("[columns]\nemail = 'mail'\n", "no column mail"),
        ("[source]\nname = 'x'\n", "[columns]"),
        ("[columns]\nemail = 'e'\n[source]\nquery = 'x'\ntable = 'y'\n", "either a query"),
        ("[columns]\nemail = 'e'\n[source]\ntable = 'y'\njoin = [{table = 'z'}]\n", "a join is"),
        ("[constants]\npassword_hash = 'x'\n", "has no password_hash"),
        ("not toml", "is not TOML"),
    ],
)
def test_a_mistake_in_the_mapping_is_a_sentence(idp: Idp, tmp_path: Path, mapping: str, complaint: str) -> None:
    file = tmp_path / "mapping.toml"
    file.write_text(mapping)
    answer = idp("users", "import", "-", "--mapping", str(file), stdin="e,x\na@example.com,b\n")
    assert answer.code == 1
    assert complaint in answer.err


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (("nothing.csv",), "No such file"),
        (("-",), "None of the columns"),
        (("sqlite:///nothing.db",), "names in [source]"),
        (("oracle+nothing://x:secret-word@y/z", "--mapping", "m.toml"), "cannot be used"),
        (("sqlite:///nothing.db", "--mapping", "m.toml"), "could not do this"),
        (("sqlite://", "--mapping", "m.toml"), "cannot be used"),
    ],
)
def test_a_source_that_cannot_be_read_is_a_sentence_without_its_password(
    idp: Idp, folder: Path, arguments: tuple[str, ...], complaint: str
) -> None:
    (folder / "m.toml").write_text("[source]\ntable = 't'\n[columns]\nemail = 'e'\n")
    answer = idp("users", "import", *arguments, stdin="a,b\n1,2\n")
    assert answer.code == 1
    assert complaint in answer.err
    assert "secret-word" not in answer.err
    assert not (folder / "nothing.db").exists(), "not even an empty file is made"


# --- Databases, as the document shows them

MOVE_ACCES = (
    "CREATE TABLE users (user_id INTEGER PRIMARY KEY, email VARCHAR(255), nom VARCHAR(80), prenom VARCHAR(80),"
    " date_naissance DATE, rue VARCHAR(120), npa VARCHAR(10), localite VARCHAR(80), tel VARCHAR(30),"
    " created_at DATETIME, updated_at DATETIME)",
    "CREATE TABLE acces_app (email VARCHAR(255), password_hash VARCHAR(255))",
    "INSERT INTO users VALUES (1, 'Helene.Muller@example.ch', 'Müller', 'Hélène', '1980-02-29', 'Rue du Lac 5', '1003',"
    " 'Lausanne', '+41 21 555 00 00', '2021-06-01 10:00:00', '2024-01-01 00:00:00')",
    "INSERT INTO users VALUES (2, 'sans@example.ch', 'Sans', 'Accès', NULL, NULL, NULL, NULL, NULL, NULL, NULL)",
    f"INSERT INTO acces_app VALUES ('Helene.Muller@example.ch', '{ARGON2}')",
)
FLEETTRACK = (
    "CREATE TABLE account_roles (id INTEGER PRIMARY KEY, name VARCHAR(40))",
    "CREATE TABLE accounts (id INTEGER PRIMARY KEY, username VARCHAR(40), email VARCHAR(255), first_name VARCHAR(80),"
    " last_name VARCHAR(80), phone VARCHAR(30), password_hash VARCHAR(100), is_active INTEGER, role_id INTEGER,"
    " created_at DATETIME)",
    "INSERT INTO account_roles VALUES (1, 'Admin')",
    f"INSERT INTO accounts VALUES (1, 'jdupont', 'j@example.fr', 'Jean', 'Dupont', '+33100000000', '{BCRYPT}', 1, 1,"
    " '2022-03-04 05:06:07')",
    f"INSERT INTO accounts VALUES (2, 'parti', 'p@example.fr', 'Paul', 'Parti', NULL, '{BCRYPT}', 0, NULL, NULL)",
    f"INSERT INTO accounts VALUES (3, 'vieux', 'v@example.fr', 'Vie', 'Ux', NULL, '{ARGON2}', 1, NULL, NULL)",
)


def fill(url: str, statements: tuple[str, ...]) -> list[tuple[Any, ...]]:
    engine = sa.create_engine(url, poolclass=sa.NullPool)
    with engine.begin() as connection:
        for statement in statements:
            connection.exec_driver_sql(statement)
    return contents(url)


def contents(url: str) -> list[tuple[Any, ...]]:
    """Everything in a database, and its schema."""
    engine = sa.create_engine(url, poolclass=sa.NullPool)
    inspector, found = sa.inspect(engine), []
    with engine.connect() as connection:
        for table in sorted(inspector.get_table_names()):
            found.append((table, str(inspector.get_columns(table))))
            found += [tuple(row) for row in connection.exec_driver_sql(f"SELECT * FROM {table}")]
    return found


@pytest.mark.databases("sqlite", "mariadb")
def test_move_acces_comes_over_as_the_document_shows(
    idp: Idp, store: Store, tmp_path: Path, fresh_database: str
) -> None:
    before = fill(fresh_database, MOVE_ACCES)
    mapping = tmp_path / "move-acces.toml"
    mapping.write_text(mapping_of("Move Acces"), encoding="utf-8")
    dry = idp("users", "import", fresh_database, "--mapping", str(mapping), "--dry-run", "--json").json
    assert without_time(dry) == counted(read=2, added=2)
    summary = idp("users", "import", fresh_database, "--mapping", str(mapping), "--json").json
    assert without_time(summary) == counted(read=2, added=2)
    assert can_sign_in(store, "helene.muller@example.ch")
    helene = claims(store, "helene.muller@example.ch")
    assert helene["preferred_username"] == "HeleneMuller"
    assert helene["name"] == "Hélène Müller"
    assert helene["birthdate"] == "1980-02-29"
    assert helene["address"] == {"street_address": "Rue du Lac 5", "locality": "Lausanne", "postal_code": "1003"}
    assert helene["phone_number"] == "+41 21 555 00 00"
    assert helene["email_verified"] is True
    found = store.users.find(derive_user_id("move-acces", "1"))
    assert found is not None
    assert store.users.has_password(found.id)
    assert not store.users.has_password(derive_user_id("move-acces", "2"))
    assert contents(fresh_database) == before, "the source is as it was"


@pytest.mark.databases("sqlite", "mariadb", "postgresql")
def test_fleettrack_comes_over_as_the_document_shows(
    idp: Idp, store: Store, tmp_path: Path, fresh_database: str
) -> None:
    statements = tuple(each.replace("DATETIME", "TIMESTAMP NULL") for each in FLEETTRACK)
    before = fill(fresh_database, statements)
    mapping, report = tmp_path / "fleettrack.toml", tmp_path / "refused.csv"
    mapping.write_text(mapping_of("FleetTrack"), encoding="utf-8")
    arguments = ("users", "import", fresh_database, "--mapping", str(mapping), "--report", str(report), "--json")
    assert without_time(idp(*arguments).json) == counted(read=3, added=2, refused=1)
    assert "not of the scheme" in report.read_text()
    assert can_sign_in(store, "JDupont")
    jean, paul = store.users.find_for_sign_in("jdupont"), store.users.find_for_sign_in("parti")
    assert jean is not None
    assert paul is not None
    assert jean[0].roles == ("Admin",)
    assert not jean[0].disabled
    assert paul[0].disabled
    assert contents(fresh_database) == before


@pytest.mark.databases("sqlite", "mariadb", "postgresql")
def test_not_even_a_query_that_writes_can_change_the_source(idp: Idp, tmp_path: Path, fresh_database: str) -> None:
    before = fill(fresh_database, ("CREATE TABLE people (email VARCHAR(80))", "INSERT INTO people VALUES ('a@b.ch')"))
    mapping = tmp_path / "mapping.toml"
    for query in ("DELETE FROM people", "UPDATE people SET email = 'x' RETURNING email", "DROP TABLE people"):
        mapping.write_text(f'[source]\nquery = "{query}"\n[columns]\nemail = "email"\n')
        assert idp("users", "import", fresh_database, "--mapping", str(mapping)).code == 1
    assert contents(fresh_database) == before


@pytest.mark.databases("mariadb", "postgresql")
def test_people_come_into_every_database(
    idp: Idp, tmp_path: Path, fresh_database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("IDP_DATABASE_URL", fresh_database)
    assert idp("init").code == 0
    rows = [MARIE] + [dict.fromkeys(MARIE, "") | {"email": f"p{number}@example.com"} for number in range(1100)]
    source = write_csv(tmp_path / "people.csv", rows)
    assert without_time(idp("users", "import", str(source), "--json").json) == counted(read=1101, added=1101)
    assert without_time(idp("users", "import", str(source), "--json").json) == counted(read=1101, there=1101)
    updated = write_csv(tmp_path / "later.csv", [MARIE | {"given_name": "M.", "username": "MARIE"}])
    assert idp("users", "import", str(updated), "--update", "--json").json["updated"] == 1


# --- Many

_MEASURED = """
import json, resource, sys
from idp.cli import main
try:
    main(sys.argv[1:], prog_name="idp")
except SystemExit as end:
    assert not end.code, end.code
used = resource.getrusage(resource.RUSAGE_SELF)
print(json.dumps({"peak_kib": used.ru_maxrss, "seconds": used.ru_utime + used.ru_stime}))
"""


def measured(*arguments: str) -> tuple[dict[str, Any], int, float]:
    """The summary, the most memory in KiB, and the seconds of processor time of a run in a process of its own: on a
    machine that does nothing else it takes no longer."""
    command = [sys.executable, "-c", _MEASURED, "users", "import", *arguments, "--json"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=True)
    summary, _, used = done.stdout.rstrip().rpartition("\n")
    return json.loads(summary), int(json.loads(used)["peak_kib"]), float(json.loads(used)["seconds"])


@pytest.mark.slow
@pytest.mark.usefixtures("folder")
def test_20000_people_take_less_than_a_minute_and_no_more_memory_than_a_thousand(tmp_path: Path) -> None:
    people = tmp_path / "legacy.db"
    with sqlite3.connect(people) as connection:
        for statement in MOVE_ACCES[:2]:
            connection.execute(statement)
        many = [
            (
                n,
                f"person{n}@example.ch",
                "Nom",
                "Prénom",
                "1990-01-01",
                "Rue 1",
                "1000",
                "Lausanne",
                f"+41{n:09}",
                None,
                None,
            )
            for n in range(20_000)
        ]
        connection.executemany("INSERT INTO users VALUES (?,?,?,?,?,?,?,?,?,?,?)", many)
        connection.executemany("INSERT INTO acces_app VALUES (?,?)", [(row[1], ARGON2) for row in many])
        connection.execute("CREATE INDEX acces_app_email ON acces_app (email)")
    connection.close()
    mapping = tmp_path / "m.toml"
    mapping.write_text(mapping_of("Move Acces"), encoding="utf-8")
    few = tmp_path / "few.csv"
    write_csv(few, [{"username": f"few{number}", "password_hash": ARGON2} for number in range(1000)])
    summary, few_peak, _ = measured(str(few))
    assert summary["added"] == 1000
    summary, many_peak, seconds = measured(f"sqlite:///{people}", "--mapping", str(mapping))
    assert without_time(summary) == counted(read=20_000, added=20_000)
    assert seconds < 60
    assert many_peak < few_peak + 24 * 1024, (few_peak, many_peak)


@pytest.mark.usefixtures("folder")
def test_a_terminal_sees_a_bar_and_a_pipe_does_not(tmp_path: Path) -> None:
    people = write_csv(tmp_path / "people.csv", [{"username": f"p{number}"} for number in range(1200)])
    command = [sys.executable, "-m", "idp.cli", "users", "import", str(people), "--dry-run"]
    ours, theirs = os.openpty()
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=theirs) as running:
        os.close(theirs)
        shown = b""
        with suppress(OSError):  # the end of a terminal
            while part := os.read(ours, 4096):
                shown += part
        running.communicate(timeout=300)
    os.close(ours)
    assert running.returncode == 0
    assert "1,200 people" in shown.decode()
    piped = subprocess.run(command, capture_output=True, text=True, timeout=300, check=True)
    assert piped.stderr == ""
    assert "1,200 would be added" in piped.stdout
