"""People: unique whatever the case, found by name or e-mail, every claim as it was stored."""

import pytest
from sqlalchemy import select

from idp.store import Store
from idp.store.tables import users
from idp.store.users import NewUser, lookup_key
from tests.store.samples import NOW, TEXTS, add_grant, add_user, make_user, sign_in_of, unique
from tests.support.accounts import FULL_PROFILE

SAME_NAME = [
    pytest.param("ada", "ADA", id="case"),
    pytest.param("ada", "  ada\t", id="space around"),
    pytest.param("zoë", "ZOË", id="case beyond ASCII"),
    pytest.param("zoë", "zoe\u0308", id="composed and decomposed"),
    pytest.param("straße", "STRASSE", id="sharp s"),
    pytest.param("ada", "ａｄａ", id="full width"),
    pytest.param("οδυσσεύς", "ΟΔΥΣΣΕΎΣ", id="final sigma"),
    pytest.param("ﬁona", "fiona", id="ligature"),
]
TWO_NAMES = [
    pytest.param("zoe", "zoë", id="accent"),
    pytest.param("ada", "ada\u200d👩", id="emoji"),
    pytest.param("😀", "😁", id="two emojis"),
    pytest.param("ada b", "adab", id="space inside"),
    pytest.param("a", "а", id="Latin and Cyrillic"),
    pytest.param("ss", "s", id="length"),
]


@pytest.mark.parametrize(("name", "other"), SAME_NAME)
@pytest.mark.asvs("6.3.1")
def test_one_name_is_one_person_however_it_is_written(store: Store, name: str, other: str) -> None:
    suffix = unique("")
    user = add_user(store, name + suffix, email=f"{name}{suffix}@example.com")
    written = other.rstrip() + suffix
    assert not store.users.add(make_user(written), now=NOW)
    assert not store.users.add(make_user(email=f"{written}@EXAMPLE.com"), now=NOW)
    assert _id_found(store, written) == user.id
    assert _id_found(store, f"  {written}@Example.COM ") == user.id


@pytest.mark.parametrize(("name", "other"), TWO_NAMES)
def test_names_that_look_alike_to_a_database_are_two_people(store: Store, name: str, other: str) -> None:
    suffix = unique("")
    first, second = add_user(store, name + suffix), add_user(store, other + suffix)
    assert _id_found(store, name + suffix) == first.id
    assert _id_found(store, other + suffix) == second.id


@pytest.mark.asvs("6.3.1")
def test_a_name_that_is_padded_until_its_end_is_cut_off_is_looked_up_and_counted_as_itself(store: Store) -> None:
    """MariaDB and MySQL compare without the spaces at the end."""
    user = add_user(store)
    padded = user.username + " " * 300 + "x"
    assert lookup_key(padded) == lookup_key(user.username)
    assert _id_found(store, padded) == user.id


def test_a_new_person_takes_an_email_only_from_whom_it_was_never_confirmed(store: Store) -> None:
    for takes in (True, False):
        former = add_user(store, email=f"{unique('ada')}@example.com", email_verified=not takes)
        new = make_user(email=(former.email or "").upper(), email_verified=True)
        assert not store.users.add(new, now=NOW)
        assert store.users.add(new, now=NOW, takes_email_from=former.id) is takes
        found = store.users.find(former.id)
        assert found is not None
        assert found.email == (None if takes else former.email)


def test_several_people_may_have_no_email(store: Store) -> None:
    assert add_user(store, email=None).id != add_user(store, email=None).id
    assert add_user(store, email="").id != add_user(store, email="").id
    assert store.users.find_for_sign_in("") is None


@pytest.mark.asvs("6.3.1")
def test_a_user_name_wins_over_the_same_text_as_an_email(store: Store) -> None:
    address = f"{unique('both')}@example.com"
    by_email, by_name = add_user(store, email=address), add_user(store, address)
    assert _id_found(store, address) == by_name.id
    assert _id_found(store, by_email.username) == by_email.id


@pytest.mark.parametrize("login", ["nul\0inside", "\0", "lone\ud800surrogate", "x" * 5000, "%", "_", "' OR 1=1 --"])
def test_a_login_that_nobody_can_have_finds_nobody_and_is_no_fault(store: Store, login: str) -> None:
    add_user(store)
    assert store.users.find_for_sign_in(login) is None


def test_every_claim_comes_back_as_it_was_stored_and_absent_ones_are_absent(store: Store) -> None:
    user = add_user(
        store,
        email="Ada.Lovelace@Example.com" + unique(""),
        email_verified=True,
        phone_number="+442071234567",
        phone_number_verified=False,
        profile=FULL_PROFILE | {"nickname": "", "unknown_claim": "left out"},
        roles=("reader", "Admin"),
    )
    found = store.users.find(user.id)
    assert found is not None
    assert (found.id, found.username, found.roles, found.disabled) == (user.id, user.username, user.roles, False)
    assert found.claims == {name: value for name, value in FULL_PROFILE.items() if name != "nickname"} | {
        "preferred_username": user.username,
        "email": user.email,
        "email_verified": True,
        "phone_number": "+442071234567",
        "phone_number_verified": False,
        "roles": ["reader", "Admin"],
        "updated_at": NOW,
    }
    bare = store.users.find(add_user(store).id)
    assert bare is not None
    assert set(bare.claims) == {"preferred_username", "updated_at"}


@pytest.mark.parametrize("text", TEXTS)
def test_a_person_may_write_their_name_in_any_script(store: Store, text: str) -> None:
    user = add_user(store, text.strip() + unique(""), profile={"name": text, "address": {"locality": text}})
    found = store.users.find(user.id)
    assert found is not None
    assert (found.username, found.claims["name"]) == (user.username, text)
    assert found.claims["address"] == {"locality": text}
    assert _id_found(store, user.username) == user.id


def test_the_longest_name_and_email_fit(store: Store) -> None:
    name = unique("") + "😀" * 238
    address = "a" * 64 + "@" + "é" * 240 + unique("")[:15]
    assert (len(name), len(address)) == (255, 320)
    user = add_user(store, name, email=address, profile={"name": "n" * 100_000}, roles=("r" * 5000,))
    found = store.users.find(user.id)
    assert found is not None
    assert (found.username, found.email, len(found.claims["name"])) == (name, address, 100_000)
    assert _id_found(store, name) == user.id


def test_the_lookup_key_of_a_lookup_key_is_itself() -> None:
    """Otherwise two spellings of one name could be two people."""
    unstable = [chr(code) for code in range(0x110000) if _is_unstable(chr(code))]
    assert unstable == []


def _is_unstable(character: str) -> bool:
    key = lookup_key(f"a{character}b")
    return lookup_key(key) != key


def test_people_are_found_by_their_id_byte_for_byte(store: Store) -> None:
    user = add_user(store)
    assert store.users.find(user.id) is not None
    assert store.users.find(user.id.upper()) is None
    assert store.users.find("u-nobody") is None


def test_the_list_is_in_the_order_of_names_and_can_be_cut(store: Store) -> None:
    mark = unique("list")
    for name in (f"{mark}-b", f"{mark}-A", f"{mark}-c"):
        add_user(store, name)
    names = [user.username for user in store.users.list() if user.username.startswith(mark)]
    assert names == [f"{mark}-A", f"{mark}-b", f"{mark}-c"]
    assert len(store.users.list(limit=2)) == 2


def test_password_roles_and_state_change_and_the_time_of_it_is_kept(store: Store) -> None:
    user = add_user(store, password_hash="old")
    assert store.users.set_password_hash(user.id, "new", now=NOW + 1)
    assert _password_hash(store, user) == "new"
    assert store.users.set_roles(user.id, ("a", "b"), now=NOW + 2)
    found = store.users.find(user.id)
    assert found is not None
    assert (found.roles, found.claims["updated_at"]) == (("a", "b"), NOW + 2)
    assert store.users.set_roles(user.id, ("a", "b"), now=NOW + 2), "a change to the same value is still a change"
    for change in (store.users.set_disabled("nobody", True, now=NOW), store.removal.remove("nobody")):
        assert not change


@pytest.mark.asvs("7.4.2")
def test_a_disabled_person_has_no_session_and_no_live_token_until_enabled_again(store: Store) -> None:
    user = add_user(store)
    store.sessions.start(cookie := unique("cookie"), unique("sid"), sign_in_of(user), now=NOW, idle=100, absolute=1000)
    grant, code = add_grant(store, user_id=user.id)
    assert store.users.set_disabled(user.id, True, now=NOW)
    assert store.sessions.find(cookie, now=NOW, idle_lifetime=100) is None
    assert store.grants.find_live(grant.id, "jti") is None
    issued = store.grants.find_by_code(code)
    assert issued is not None
    assert issued.user.disabled
    found = store.users.find_for_sign_in(user.username)
    assert found is not None
    assert found[0].disabled
    assert store.users.set_disabled(user.id, False, now=NOW)
    assert store.sessions.find(cookie, now=NOW, idle_lifetime=100) is not None


@pytest.mark.asvs("7.4.3")
def test_signing_out_everywhere_ends_all_sessions_and_grants_of_one_person_only(store: Store) -> None:
    user, other = add_user(store), add_user(store)
    cookies = {}
    grants = {}
    for person in (user, other):
        cookies[person.id] = unique("cookie")
        limits = {"now": NOW, "idle": 100, "absolute": 1000}
        store.sessions.start(cookies[person.id], unique("sid"), sign_in_of(person), **limits)
        grants[person.id], _ = add_grant(store, user_id=person.id)
    store.users.sign_out_everywhere(user.id, now=NOW, why="password changed")
    assert store.sessions.find(cookies[user.id], now=NOW, idle_lifetime=100) is None
    assert store.grants.find_live(grants[user.id].id, "jti") is None
    assert store.sessions.find(cookies[other.id], now=NOW, idle_lifetime=100) is not None
    assert store.grants.find_live(grants[other.id].id, "jti") is not None


def test_a_removed_person_is_gone_and_their_name_is_free_again(store: Store) -> None:
    user = add_user(store, email=f"{unique('gone')}@example.com")
    store.consents.add(user.id, "client", ["email"], now=NOW)
    grant, code = add_grant(store, user_id=user.id)
    assert store.removal.remove(user.id)
    assert store.users.find(user.id) is None
    assert store.users.find_for_sign_in(user.username) is None
    assert store.consents.find(user.id, "client") == frozenset()
    assert store.grants.find_live(grant.id, "jti") is None
    assert store.grants.find_by_code(code) is None
    assert store.users.add(make_user(user.username, email=user.email), now=NOW)


def _id_found(store: Store, login: str) -> str | None:
    found = store.users.find_for_sign_in(login)
    return found[0].id if found is not None else None


def _password_hash(store: Store, user: NewUser) -> str | None:
    with store.database.reading() as connection:
        return connection.execute(select(users.c.password_hash).where(users.c.id == user.id)).scalar()
