"""What a person is given to read of what is stored about them: every column but those that are secrets or keys."""

import pytest

from idp.store import Store, belongings
from idp.store.tables import metadata
from tests.store.samples import NOW
from tests.store.test_removal import furnish

# Not told, because they would let somebody in, say nothing about the person, or repeat what another column says.
SECRETS = {
    "sessions": {"id_hash", "sid", "user_id", "auth_time_unproven"},
    "consents": {"user_id"},
    "identities": {"user_id", "tokens"},
    "totp": {"user_id", "secret", "last_step"},
    "recovery_codes": {"user_id", "code_hash"},
    "passkeys": {"user_id", "id_hash", "credential_id", "public_key", "sign_count", "transports"},
    "devices": {"user_id", "id_hash"},
    "grants": {"id", "user_id", "sid", "nonce", "redirect_uri", "redirect_uri_sent", "code_challenge", "code_hash"}
    | {"code_expires_at", "code_used_at", "code_used_request", "refresh_expires_at"},
    "mail_outbox": {"id", "user_id", "sealed", "next_try_at", "tries", "claimed_until", "last_error", "expires_at"},
}
ELSEWHERE = {"audit_events"}  # read a page at a time, by its own store


@pytest.mark.parametrize("name", [name for name, table in metadata.tables.items() if "user_id" in table.c])
def test_every_column_about_a_person_is_told_or_kept_back_on_purpose(name: str) -> None:
    if name in ELSEWHERE:
        return
    told = {column.name for column in belongings._COLUMNS[name]}
    assert told | SECRETS[name] == set(metadata.tables[name].c.keys())
    assert not told & SECRETS[name]


def test_all_of_it_is_found_and_nothing_of_anybody_else(store: Store) -> None:
    other, user = furnish(store), furnish(store)
    owned = store.belongings.load_all(user.id)
    lists = (owned.identities, owned.passkeys, owned.recovery_codes, owned.sessions, owned.devices, owned.consents)
    assert [len(rows) for rows in (*lists, owned.grants, owned.mails)] == [1] * 8
    assert owned.totp == {"created_at": NOW, "last_used_at": None}
    assert not owned.has_password
    assert owned.account_times["created_at"] == NOW
    assert owned.mails[0]["recipient"] == user.email != other.email


def test_of_nobody_there_is_nothing(store: Store) -> None:
    owned = store.belongings.load_all("nobody")
    assert not any((owned.sessions, owned.grants, owned.mails, owned.totp, owned.has_password))
