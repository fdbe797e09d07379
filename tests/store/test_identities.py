"""Links with accounts at other providers: one account is one person, byte for byte; the last way in always stays.

Also what else the stores keep for them: people by e-mail, profiles that follow a provider, and whom a session is from.
"""

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import contextmanager, suppress
from dataclasses import replace

import pytest
from sqlalchemy import insert, select

from idp.store import Store
from idp.store.identities import Key, LinkedIdentity
from idp.store.sessions import SignIn
from idp.store.tables import identities, users
from idp.store.users import NewUser, to_row
from idp.store.ways_in import Offered
from tests.store.samples import FAMILY, NOW, TEXTS, add_user, make_user, sign_in_of, unique
from tests.support.crowd import at_once

ISSUER = "https://accounts.example.com"
OFFERED = Offered(passwords=True, upstreams=frozenset({"google", "acme"}))


def new_key(upstream: str = "google", **changes: str) -> Key:
    return Key(**({"upstream": upstream, "issuer": ISSUER, "subject": unique("sub")} | changes))


def link_of(user: NewUser, key: Key | None = None, **changes: object) -> LinkedIdentity:
    values = {"key": key or new_key(), "user_id": user.id, "linked_how": "sign_up", "linked_at": NOW}
    return LinkedIdentity(**(values | {"last_used_at": NOW} | changes))  # type: ignore[arg-type]


def linked(store: Store, user: NewUser, key: Key | None = None, **changes: object) -> LinkedIdentity:
    identity = link_of(user, key, **changes)
    assert store.identities.add(identity)
    return identity


def owner_of(store: Store, key: Key) -> str | None:
    found = store.identities.find(key)
    return found[1].id if found is not None else None


def email_of(store: Store, user: NewUser) -> str | None:
    found = store.users.find(user.id)
    assert found is not None
    return found.email


# --- The link


def test_a_link_comes_back_as_it_was_stored_with_its_person(store: Store) -> None:
    user = add_user(store, email=f"{unique('ada')}@example.com", roles=("reader",), profile={"name": "Ada"})
    profile = {f"text {place}": text for place, text in enumerate(TEXTS)}
    identity = linked(
        store, user, email=f"zoë{unique('')}@example.com", profile=profile, tokens="sealed " + "x" * 70_000
    )
    found = store.identities.find(identity.key)
    assert found is not None
    assert found[0] == identity
    assert found[1] == store.users.find(user.id)
    assert "sealed" not in repr(found[0])


@pytest.mark.spec("OpenID Connect Core 1.0", "5.7", "MUST")
@pytest.mark.asvs("6.8.1", "10.5.2")
@pytest.mark.parametrize(
    "other",
    [
        pytest.param({"upstream": "discord"}, id="another connection"),
        pytest.param({"issuer": ISSUER + "/"}, id="another issuer, by a slash"),
        pytest.param({"issuer": ISSUER.upper()}, id="another issuer, by case"),
        pytest.param({"issuer": "https://evil.example.com"}, id="another issuer"),
        pytest.param({"subject": "SUBJECT-é"}, id="another subject, by case"),
        pytest.param({"subject": "subject-e"}, id="another subject, by accent"),
        pytest.param({"subject": "subject-e\u0301"}, id="another subject, decomposed"),
        pytest.param({"subject": "subject-é%"}, id="another subject, with a wildcard"),
        pytest.param({"subject": ""}, id="no subject"),
    ],
)
def test_only_the_same_connection_issuer_and_subject_is_the_same_account(store: Store, other: dict[str, str]) -> None:
    mark = unique("")
    base = {"upstream": "google", "issuer": ISSUER, "subject": "subject-é"}

    def marked(parts: dict[str, str]) -> Key:
        return Key(parts["upstream"], f"{mark}{parts['issuer']}", parts["subject"])

    first, second = add_user(store), add_user(store)
    linked(store, first, marked(base))
    assert owner_of(store, marked(base | other)) is None
    linked(store, second, marked(base | other))
    assert owner_of(store, marked(base)) == first.id
    assert owner_of(store, marked(base | other)) == second.id


@pytest.mark.asvs("6.8.1")
@pytest.mark.parametrize("other", ["subject ", " subject", "subject\t", "subject\u00a0"])
def test_space_around_a_subject_never_leads_to_another_person(store: Store, other: str) -> None:
    """MariaDB takes two that differ by a space at the end for one: then the second is nobody, and not the first."""
    issuer = unique("https://")
    first, second = add_user(store), add_user(store)
    linked(store, first, Key("google", issuer, "subject"))
    assert owner_of(store, Key("google", issuer, other)) is None
    was_stored = store.identities.add(link_of(second, Key("google", issuer, other)))
    assert owner_of(store, Key("google", issuer, "subject")) == first.id
    assert owner_of(store, Key("google", issuer, other)) == (second.id if was_stored else None)


def test_the_longest_subject_and_issuer_fit(store: Store) -> None:
    key = Key("u" * 32, "https://" + "i" * 247, unique("")[:9] + "s" * 246)
    assert (len(key.issuer), len(key.subject)) == (255, 255)
    user = add_user(store)
    linked(store, user, key, email=FAMILY + "@" + "é" * 300, profile={"name": "n" * 100_000})
    assert owner_of(store, key) == user.id
    assert owner_of(store, Key(key.upstream, key.issuer, key.subject[:-1])) is None


@pytest.mark.asvs("6.8.1")
def test_an_account_is_linked_to_one_person_and_stays_with_them(store: Store) -> None:
    first, second, key = add_user(store), add_user(store), new_key()
    linked(store, first, key)
    for user in (second, first):
        assert not store.identities.add(link_of(user, key, email="other@example.com"))
    found = store.identities.find(key)
    assert found is not None
    assert (found[1].id, found[0].email) == (first.id, None)


def test_the_links_of_a_person_are_the_oldest_first_and_theirs_alone(store: Store) -> None:
    user, other = add_user(store), add_user(store)
    late = linked(store, user, new_key("acme"), linked_at=NOW + 5)
    early = linked(store, user, new_key("github"), linked_at=NOW)
    linked(store, other)
    assert store.identities.list_of(user.id) == [early, late]
    assert store.identities.list_of("u_nobody") == []


def test_a_sign_in_is_remembered_with_what_was_taken(store: Store) -> None:
    identity = linked(store, add_user(store), profile={"name": "Old"}, tokens="old", email="old@example.com")
    store.identities.used(identity.key, email="new@example.com", profile=None, tokens="new", now=NOW + 9)
    found = store.identities.find(identity.key)
    assert found is not None
    kept = found[0]
    assert (kept.last_used_at, kept.email, kept.profile, kept.tokens) == (
        NOW + 9, "new@example.com", {"name": "Old"}, "new",
    )  # fmt: skip
    assert (kept.linked_at, kept.linked_how) == (NOW, "sign_up")


def test_tokens_that_are_not_to_be_kept_are_gone_at_the_next_sign_in(store: Store) -> None:
    identity = linked(store, add_user(store), profile={"name": "Old"}, tokens="kept while a setting asked for it")
    store.identities.used(identity.key, email=None, profile={"name": "New"}, tokens=None, now=NOW + 9)
    found = store.identities.find(identity.key)
    assert found is not None
    assert (found[0].tokens, found[0].email, found[0].profile) == (None, None, {"name": "New"})


# --- A new person and their link


def test_a_new_person_and_their_link_are_stored_together(store: Store) -> None:
    user = make_user(email=f"{unique('ada')}@example.com", email_verified=True, profile={"name": "Ada"})
    identity = link_of(user)
    assert store.identities.add_with_user(user, identity, now=NOW)
    found = store.identities.find(identity.key)
    assert found is not None
    assert found[1].claims["email_verified"] is True
    assert found[1].claims["updated_at"] == NOW
    assert not store.users.has_password(user.id)


@pytest.mark.parametrize("taken", ["username", "email", "link"])
def test_when_anything_is_taken_neither_person_nor_link_is_stored(store: Store, taken: str) -> None:
    there = add_user(store, email=f"{unique('there')}@example.com")
    theirs = linked(store, there)
    new = make_user(
        there.username.upper() if taken == "username" else None,
        email=there.email.upper() if taken == "email" and there.email else f"{unique('new')}@example.com",
    )
    identity = link_of(new, theirs.key if taken == "link" else None)
    assert not store.identities.add_with_user(new, identity, now=NOW)
    assert store.users.find(new.id) is None
    assert store.identities.list_of(new.id) == []
    assert owner_of(store, theirs.key) == there.id


def test_of_sixteen_first_sign_ins_at_the_same_instant_one_makes_the_account(store: Store) -> None:
    key, email = new_key(), f"{unique('ada')}@example.com"
    people = [make_user(email=email if index % 2 else None) for index in range(16)]
    made = at_once(
        16, lambda index: store.identities.add_with_user(people[index], link_of(people[index], key), now=NOW)
    )
    assert made.count(True) == 1
    (winner,) = [user for user, was_made in zip(people, made, strict=True) if was_made]
    assert owner_of(store, key) == winner.id
    assert [user.id for user in people if store.users.find(user.id) is not None] == [winner.id]


@contextmanager
def signing_up_in_vain(store: Store, email: str) -> Iterator[None]:
    """Somebody with this address is being stored, and fails at the end of the block."""
    row = to_row(make_user(email=email)) | {"created_at": NOW, "updated_at": NOW}
    with suppress(ZeroDivisionError), store.database.writing() as connection:
        connection.execute(insert(users), row)
        yield
        raise ZeroDivisionError


def test_of_those_who_wait_for_a_first_sign_in_that_fails_one_makes_the_account(store: Store) -> None:
    """A database may have them wait for each other then, and undo one of them."""
    key, email = new_key(), f"{unique('ada')}@example.com"
    people = [make_user(email=email) for _ in range(4)]
    with ThreadPoolExecutor(len(people)) as pool:
        with signing_up_in_vain(store, email):
            made = [pool.submit(store.identities.add_with_user, each, link_of(each, key), now=NOW) for each in people]
            assert not wait(made, timeout=0.5).done
        assert [each.result(60) for each in made].count(True) == 1
    assert [owner_of(store, key)] == [user.id for user in people if store.users.find(user.id) is not None]


def test_an_address_that_was_never_confirmed_goes_over_to_who_proved_it(store: Store) -> None:
    email = f"{unique('Ada')}@example.com"
    squatter = add_user(store, email=email, password_hash="theirs")
    new = make_user(email=email.upper(), email_verified=True)
    assert store.identities.add_with_user(new, link_of(new), now=NOW + 7, takes_email_from=squatter.id)
    found = store.users.find_by_email(email)
    assert found is not None
    assert (found[0].id, found[1]) == (new.id, False)
    left = store.users.find(squatter.id)
    assert left is not None
    assert (left.email, left.claims["updated_at"]) == (None, NOW + 7)
    assert store.users.has_password(squatter.id), "everything else is still theirs"


def test_an_address_is_never_taken_from_somebody_who_has_confirmed_it(store: Store) -> None:
    """Even when they did so a moment ago, after the rules had been asked."""
    email = f"{unique('ada')}@example.com"
    owner, new = add_user(store, email=email, email_verified=True), make_user(email=email)
    assert not store.identities.add_with_user(new, link_of(new), now=NOW, takes_email_from=owner.id)
    assert email_of(store, owner) == email
    assert store.users.find(new.id) is None


def test_only_the_very_address_is_taken(store: Store) -> None:
    other = add_user(store, email=f"{unique('other')}@example.com")
    new = make_user(email=f"{unique('ada')}@example.com")
    assert store.identities.add_with_user(new, link_of(new), now=NOW, takes_email_from=other.id)
    assert email_of(store, other) == other.email


def test_an_address_stays_where_it_was_when_the_new_account_cannot_be_made(store: Store) -> None:
    email = f"{unique('ada')}@example.com"
    squatter = add_user(store, email=email)
    taken = linked(store, add_user(store))
    new = make_user(email=email)
    assert not store.identities.add_with_user(new, link_of(new, taken.key), now=NOW, takes_email_from=squatter.id)
    assert email_of(store, squatter) == email


# --- Unlinking


@pytest.mark.parametrize("other_way", ["password", "another usable link"])
def test_a_link_is_removed_when_another_way_in_stays(store: Store, other_way: str) -> None:
    user = add_user(store, password_hash="hash" if other_way == "password" else None)
    identity = linked(store, user)
    kept = [linked(store, user, new_key("acme"))] if other_way != "password" else []
    assert store.identities.remove_unless_last(identity.key, user.id, OFFERED)
    assert store.identities.list_of(user.id) == kept
    assert not store.identities.remove_unless_last(identity.key, user.id, OFFERED), "it is gone already"


def test_a_password_is_no_way_in_where_there_are_none(store: Store) -> None:
    user = add_user(store, password_hash="hash")
    identity = linked(store, user)
    assert not store.identities.remove_unless_last(identity.key, user.id, replace(OFFERED, passwords=False))
    assert owner_of(store, identity.key) == user.id


@pytest.mark.parametrize("beside", ["nothing", "a link of a connection that is not configured any more"])
def test_the_last_way_in_is_never_removed(store: Store, beside: str) -> None:
    user = add_user(store)
    identity = linked(store, user)
    if beside != "nothing":
        linked(store, user, new_key("retired"))
    linked(store, add_user(store), new_key("acme"))  # somebody else's is no way in for this person
    assert not store.identities.remove_unless_last(identity.key, user.id, OFFERED)
    assert owner_of(store, identity.key) == user.id


def test_two_accounts_at_one_provider_are_two_ways_in(store: Store) -> None:
    user = add_user(store)
    first, second = linked(store, user), linked(store, user)
    assert store.identities.remove_unless_last(first.key, user.id, OFFERED)
    assert not store.identities.remove_unless_last(second.key, user.id, OFFERED)


@pytest.mark.asvs("8.2.2")
def test_nobody_removes_the_link_of_somebody_else(store: Store) -> None:
    user, other = add_user(store, password_hash="hash"), add_user(store, password_hash="hash")
    theirs = linked(store, other)
    assert not store.identities.remove_unless_last(theirs.key, user.id, OFFERED)
    assert not store.identities.remove_unless_last(theirs.key, "u_nobody", OFFERED)
    assert owner_of(store, theirs.key) == other.id


def test_of_all_links_removed_at_the_same_instant_one_stays(store: Store) -> None:
    for _ in range(3):
        user = add_user(store)
        keys = [linked(store, user, new_key("google" if index % 2 else "acme")).key for index in range(8)]
        done = at_once(8, lambda index: store.identities.remove_unless_last(keys[index], user.id, OFFERED))  # noqa: B023  # run at once
        assert done.count(False) == 1
        assert len(store.identities.list_of(user.id)) == 1


def test_a_removed_person_takes_their_links_along_and_the_account_is_free_for_another(store: Store) -> None:
    user, other = add_user(store), add_user(store)
    identity, kept = linked(store, user), linked(store, other)
    assert store.removal.remove(user.id)
    assert store.identities.find(identity.key) is None
    with store.database.reading() as connection:
        assert connection.execute(select(identities).where(identities.c.user_id == user.id)).all() == []
    assert owner_of(store, kept.key) == other.id
    assert store.identities.add(link_of(other, identity.key))


def test_a_disabled_person_is_found_and_marked(store: Store) -> None:
    user = add_user(store)
    identity = linked(store, user)
    store.users.set_disabled(user.id, True, now=NOW)
    found = store.identities.find(identity.key)
    assert found is not None
    assert found[1].disabled


# --- People


def test_a_person_is_found_by_their_e_mail_whatever_its_case_and_never_by_a_user_name(store: Store) -> None:
    email = f"{unique('Zoë')}@Example.com"
    user = add_user(store, email=email, password_hash="hash")
    add_user(store, f"{unique('')}@example.com")
    for written in (email, email.upper(), f"  {email.lower()} "):
        found = store.users.find_by_email(written)
        assert found is not None
        assert (found[0].id, found[1]) == (user.id, True)
    assert store.users.find_by_email(user.username) is None
    named = add_user(store, f"{unique('name')}@example.com")
    assert store.users.find_by_email(named.username) is None


def test_unconfirmed_and_disabled_people_are_found_by_their_e_mail_too(store: Store) -> None:
    user = add_user(store, email=f"{unique('ada')}@example.com")
    store.users.set_disabled(user.id, True, now=NOW)
    found = store.users.find_by_email(str(user.email))
    assert found is not None
    assert (found[0].disabled, found[0].claims["email_verified"], found[1]) == (True, False, False)


@pytest.mark.parametrize("email", ["nul\0@example.com", "\ud800@example.com", "%@example.com", "", "x" * 5000])
def test_an_address_that_nobody_can_have_is_nobodys(store: Store, email: str) -> None:
    assert store.users.find_by_email(email) is None


def test_whether_there_is_a_password(store: Store) -> None:
    user = add_user(store)
    assert not store.users.has_password(user.id)
    store.users.set_password_hash(user.id, "hash", now=NOW)
    assert store.users.has_password(user.id)
    store.users.set_password_hash(user.id, None, now=NOW)
    assert not store.users.has_password(user.id)
    assert not store.users.has_password("u_nobody")


def test_a_user_name_is_free_until_somebody_has_it_in_whatever_case(store: Store) -> None:
    name = unique("Straße")
    assert store.users.is_username_free(name)
    add_user(store, name)
    for written in (name, name.upper(), name.lower(), f" {name} "):
        assert not store.users.is_username_free(written)


# --- Profiles that follow a provider


def test_what_the_provider_changes_is_brought_up_to_date_and_what_the_person_edited_stays(store: Store) -> None:
    taken = {"name": "Ada Byron", "given_name": "Ada", "picture": "https://a.example/old.png", "locale": "en"}
    edited = taken | {"name": "Countess of Lovelace", "website": "https://ada.example.com"}
    user = add_user(store, profile=edited)
    fresh = {"name": "Ada King", "given_name": "Augusta", "picture": "https://a.example/new.png", "nickname": "Ada"}
    assert store.users.refresh_profile(user.id, taken, fresh, now=NOW + 5)
    found = store.users.find(user.id)
    assert found is not None
    kept = {name: value for name, value in found.claims.items() if name not in {"preferred_username", "updated_at"}}
    assert kept == {
        "name": "Countess of Lovelace",
        "given_name": "Augusta",
        "picture": "https://a.example/new.png",
        "nickname": "Ada",
        "website": "https://ada.example.com",
    }
    assert found.claims["updated_at"] == NOW + 5


def test_what_the_person_has_taken_out_does_not_come_back(store: Store) -> None:
    user = add_user(store, profile={"name": "Ada"})
    taken = {"name": "Ada", "picture": "https://a.example/old.png"}
    fresh = {"name": "Ada", "picture": "https://a.example/new.png"}
    assert not store.users.refresh_profile(user.id, taken, fresh, now=NOW + 5)
    found = store.users.find(user.id)
    assert found is not None
    assert "picture" not in found.claims


def test_a_profile_that_is_as_it_was_is_not_touched(store: Store) -> None:
    user = add_user(store, profile={"name": "Ada"})
    assert not store.users.refresh_profile(user.id, {"name": "Ada"}, {"name": "Ada"}, now=NOW + 5)
    assert not store.users.refresh_profile("u_nobody", {"name": "Ada"}, {"name": "Grace"}, now=NOW + 5)
    found = store.users.find(user.id)
    assert found is not None
    assert found.claims["updated_at"] == NOW


def test_a_provider_changes_nothing_but_the_profile(store: Store) -> None:
    user = add_user(store, email=f"{unique('ada')}@example.com", roles=("reader",))
    fresh = {"email": "evil@example.com", "email_verified": True, "roles": ["admin"], "sub": "x", "disabled": False}
    assert not store.users.refresh_profile(user.id, {}, {**fresh, "preferred_username": "admin"}, now=NOW + 5)
    found = store.users.find(user.id)
    assert found is not None
    assert (found.email, found.roles, found.username) == (user.email, ("reader",), user.username)
    with store.database.reading() as connection:
        assert json.loads(str(connection.execute(select(users.c.profile).where(users.c.id == user.id)).scalar())) == {}


# --- Sessions


@pytest.mark.parametrize(
    ("upstream", "auth_time", "expected"),
    [
        pytest.param(None, None, (NOW, False), id="password: proved now"),
        pytest.param("google", None, (NOW, True), id="a provider that does not say when"),
        pytest.param("apple", NOW - 60, (NOW - 60, False), id="a provider that says when"),
        pytest.param("apple", NOW + 60, (NOW, False), id="a provider whose clock is ahead"),
    ],
)
@pytest.mark.asvs("6.8.4")
def test_a_session_remembers_who_vouched_and_since_when(
    store: Store, upstream: str | None, auth_time: int | None, expected: tuple[int, bool]
) -> None:
    user, cookie = add_user(store), unique("cookie")
    sign_in = sign_in_of(user, upstream=upstream, auth_time=auth_time)
    started = store.sessions.start(cookie, unique("sid"), sign_in, now=NOW, idle=600, absolute=3600)
    found = store.sessions.find(cookie, now=NOW, idle_lifetime=600)
    assert found is not None
    assert found[0] == started
    assert (started.upstream, started.auth_time, started.auth_time_unproven) == (upstream, *expected)


def test_a_renewed_session_says_how_the_person_signed_in_the_last_time(store: Store) -> None:
    user, old, new = add_user(store), unique("old"), unique("new")
    limits = {"idle": 600, "absolute": 3600}
    store.sessions.start(old, unique("sid"), sign_in_of(user, upstream="google"), now=NOW, **limits)
    by_password = SignIn(user.id, "aal1", ("pwd",))
    assert store.sessions.renew(old, new, by_password, now=NOW + 9, **limits)
    found = store.sessions.find(new, now=NOW + 9, idle_lifetime=600)
    assert found is not None
    session = found[0]
    assert (session.upstream, session.auth_time, session.auth_time_unproven, session.acr, session.amr) == (
        None, NOW + 9, False, "aal1", ("pwd",),
    )  # fmt: skip
