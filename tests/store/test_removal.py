"""The end of an account in the database: all of theirs goes, nothing of anybody else's, and never by halves."""

import json
from typing import Any

from sqlalchemy import func, insert, select

from idp.store import Store, tables
from idp.store.identities import Key, LinkedIdentity
from idp.store.passkeys import Passkey
from idp.store.removal import KEPT_DETAILS, PSEUDONYM_PREFIX
from idp.store.tables import audit_events, metadata
from idp.store.users import NewUser
from tests.store.samples import NOW, add_grant, add_user, redeem, sign_in_of, unique
from tests.support.crowd import at_once

NOT_OWNED = {"audit_events"}  # it stays, under a pseudonym


def furnish(store: Store) -> NewUser:
    """Somebody with a row in every table that can hold one of theirs."""
    user = add_user(store, email=f"{unique('mail')}@example.com")
    store.sessions.start(unique("cookie"), unique("sid"), sign_in_of(user), now=NOW, idle=100, absolute=200)
    store.consents.add(user.id, "client", ["email"], now=NOW)
    store.identities.add(LinkedIdentity(Key("acme", "https://issuer.example", unique("sub")), user.id, "test"))
    store.totp.save(user.id, "sealed", step=1, now=NOW)
    store.recovery_codes.replace_all(user.id, [unique("code")], now=NOW)
    store.passkeys.add(_passkey(user), now=NOW)
    store.devices.trust(None, unique("device"), user.id, until=NOW + 100, now=NOW)
    grant, _ = add_grant(store, user_id=user.id)
    assert redeem(store, grant, unique("refresh"))
    store.mail_outbox.add("test", str(user.email), "sealed", now=NOW, expires_at=NOW + 10, user_id=user.id)
    store.audit_events.append(
        "sign_in.succeeded", at=NOW, user_id=user.id, address="192.0.2.1", request_id="r", detail={"amr": "pwd"}
    )
    store.audit_events.append("factor.added", at=NOW, user_id=user.id, detail={"what": "passkey", "name": "Ada's"})
    return user


def _passkey(user: NewUser) -> Passkey:
    values: dict[str, Any] = {"user_id": user.id, "credential_id": unique("credential"), "public_key": "key"}
    values |= {"sign_count": 0, "name": "Ada's phone", "transports": (), "backed_up": False}
    return Passkey(**values, created_at=NOW, last_used_at=None)


def rows_of(store: Store, user: NewUser) -> dict[str, int]:
    """How many rows each table has that are this person's."""
    owned = {name: table.c.user_id for name, table in metadata.tables.items() if "user_id" in table.c}
    columns = [*owned.items(), ("users", tables.users.c.id)]
    with store.database.reading() as connection:
        counts = {
            name: connection.execute(select(func.count()).where(column == user.id)).scalar_one()
            for name, column in columns
        }
        mails = select(func.count()).where(tables.mail_outbox.c.recipient == user.email)
        return counts | {"mail_outbox": connection.execute(mails).scalar_one()}


def refresh_tokens(store: Store) -> int:
    with store.database.reading() as connection:
        return connection.execute(select(func.count()).select_from(tables.refresh_tokens)).scalar_one()


def test_nothing_is_left_of_a_removed_person_and_everything_of_others(store: Store) -> None:
    other = furnish(store)
    tokens = refresh_tokens(store)
    user = furnish(store)
    before = rows_of(store, other)
    assert all(rows_of(store, user).values()), "this test must know every table that can hold something of a person"
    assert store.removal.remove(user.id)
    assert not any(rows_of(store, user).values())
    assert rows_of(store, other) == before
    assert refresh_tokens(store) == tokens


def test_mails_to_every_address_go_and_those_that_are_somebody_elses_stay(store: Store) -> None:
    user, box, former = add_user(store), f"{unique('box')}@example.com", f"{unique('former')}@example.com"
    times = {"now": NOW, "expires_at": NOW + 10}
    store.mail_outbox.add("email_changed", former, "sealed", user_id=user.id, **times)
    store.mail_outbox.add("invitation", former, "sealed", **times)
    store.mail_outbox.add("verify_email", box, "sealed", **times)
    store.mail_outbox.add("account_exists", box, "sealed", user_id="another", **times)
    mails = store.belongings.load_all(user.id, mailbox=box).mails
    assert sorted(each["template"] for each in mails) == ["email_changed", "verify_email"]
    assert store.removal.remove(user.id, mailbox=box)
    left = [mail.template for address in (box, former) for mail in store.mail_outbox.list(recipient=address)]
    assert left == ["account_exists", "invitation"]


def test_the_audit_trail_keeps_what_happened_under_a_pseudonym_without_addresses(store: Store) -> None:
    user = furnish(store)
    pseudonym = store.removal.remove(user.id)
    assert pseudonym is not None
    assert pseudonym.startswith(PSEUDONYM_PREFIX)
    kept = store.audit_events.list(user_id=pseudonym)
    assert [(row["event"], row["address"], row["request_id"], json.loads(row["detail"])) for row in kept] == [
        ("factor.added", None, None, {"what": "passkey"}),
        ("sign_in.succeeded", None, None, {"amr": "pwd"}),
    ]
    assert user.id not in pseudonym
    assert store.removal.remove(furnish(store).id) != pseudonym


def test_details_that_are_kept_say_nothing_about_who_it_was() -> None:
    assert KEPT_DETAILS.isdisjoint({"name", "email", "username", "address", "user_agent", "operator", "phone_number"})


def test_many_events_of_one_person_are_no_trouble(store: Store) -> None:
    user = add_user(store)
    rows = [{"at": NOW, "event": "sign_in.failed", "user_id": user.id, "detail": "{}"} for _ in range(1500)]
    with store.database.writing() as connection:
        connection.execute(insert(audit_events), rows)
    pseudonym = store.removal.remove(user.id)
    assert len(store.audit_events.list(user_id=pseudonym, limit=2000)) == 1500


def test_a_deletion_is_asked_for_once_and_undone_once(store: Store) -> None:
    user = add_user(store)
    assert not store.removal.cancel(user.id)
    assert store.removal.schedule(user.id, deletes_at=NOW + 10)
    assert not store.removal.schedule(user.id, deletes_at=NOW + 99)
    found = store.users.find(user.id)
    assert found is not None
    assert found.deletes_at == NOW + 10
    assert store.removal.cancel(user.id)
    assert not store.removal.cancel(user.id)
    assert not store.removal.schedule("nobody", deletes_at=NOW)
    assert not store.removal.cancel("nobody")


def test_only_who_is_due_is_removed_by_then(store: Store) -> None:
    early, late, staying = add_user(store), add_user(store), add_user(store)
    store.removal.schedule(late.id, deletes_at=NOW + 11)
    store.removal.schedule(early.id, deletes_at=NOW + 10)
    due = store.removal.find_due(now=NOW + 10, limit=10_000)
    assert early.id in due
    assert not {late.id, staying.id} & set(due)
    assert store.removal.remove(late.id, due_at=NOW + 10) is None
    assert store.removal.remove(staying.id, due_at=NOW + 10) is None
    assert store.removal.remove(early.id, due_at=NOW + 10) is not None
    assert store.removal.remove(early.id) is None
    assert store.users.find(late.id) is not None


def test_of_a_deletion_and_its_undoing_at_the_same_instant_one_succeeds(store: Store) -> None:
    for _ in range(3):
        user = furnish(store)
        store.removal.schedule(user.id, deletes_at=NOW)

        def act(index: int, user_id: str = user.id) -> str | bool | None:
            return store.removal.cancel(user_id) if index % 2 else store.removal.remove(user_id, due_at=NOW)

        won = [result for result in at_once(8, act) if result]
        assert len(won) == 1
        is_there = store.users.find(user.id) is not None
        assert is_there is (won[0] is True)
        assert bool(rows_of(store, user)["sessions"]) is is_there, "all of it or nothing"
