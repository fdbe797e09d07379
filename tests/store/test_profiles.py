"""What people change of themselves: names and addresses stay one person's, and a change is of what was there."""

from idp.protocol.identity import User
from idp.store import Store
from idp.store.identities import Key, LinkedIdentity
from idp.store.users import NewUser
from tests.store.samples import NOW, add_grant, add_user, redeem, sign_in_of, unique
from tests.support.accounts import FULL_PROFILE


def somebody(store: Store) -> NewUser:
    return add_user(store, email=f"{unique('ada')}@example.com", profile=FULL_PROFILE)


def found(store: Store, user: NewUser) -> User:
    user_now = store.users.find(user.id)
    assert user_now is not None
    return user_now


def test_an_edit_changes_what_it_names_and_nothing_else(store: Store) -> None:
    user = somebody(store)
    before = found(store, user).claims
    assert store.profiles.edit(user.id, {"given_name": "Zoë", "picture": None, "roles": "admin"}, now=NOW + 5)
    after = found(store, user).claims
    assert after["given_name"] == "Zoë"
    assert "picture" not in after
    same = set(before) - {"given_name", "picture", "updated_at"}
    assert {name: after[name] for name in same} == {name: before[name] for name in same}


def test_a_name_or_an_address_that_is_taken_is_refused_whatever_its_case(store: Store) -> None:
    user, other = somebody(store), somebody(store)
    assert not store.profiles.edit(user.id, {"given_name": "Lost"}, now=NOW, username=other.username.upper())
    assert not store.profiles.change_email(user.id, str(other.email).upper(), instead_of=user.email, now=NOW)
    assert not store.profiles.restore_email(user.id, str(other.email), instead_of=user.email, now=NOW)
    assert (found(store, user).username, found(store, user).email) == (user.username, user.email)
    assert found(store, user).claims["given_name"] != "Lost"


def test_an_address_changes_only_from_the_one_that_was_there(store: Store) -> None:
    user, new = somebody(store), f"{unique('new')}@example.org"
    assert not store.profiles.change_email(user.id, new, instead_of="other@example.org", now=NOW)
    assert not store.profiles.change_email(user.id, new, instead_of=None, now=NOW)
    assert store.profiles.change_email(user.id, new, instead_of=user.email, now=NOW)
    assert (found(store, user).email, found(store, user).claims["email_verified"]) == (new, True)
    nobody = add_user(store)
    assert store.profiles.change_email(nobody.id, f"{unique('a')}@example.org", instead_of=None, now=NOW)


def test_an_address_comes_back_from_who_never_confirmed_it_and_from_nobody_else(store: Store) -> None:
    user, squatter = somebody(store), somebody(store)
    owner = add_user(store, email=f"{unique('owner')}@example.com", email_verified=True)
    for other in (squatter, owner):
        had, wanted = found(store, user).email, str(other.email)
        assert not store.profiles.restore_email(user.id, wanted, instead_of="x@x.example", takes_from=other.id, now=NOW)
        assert found(store, other).email == other.email
        store.profiles.restore_email(user.id, wanted, instead_of=had, takes_from=other.id, now=NOW)
    assert (found(store, user).email, found(store, squatter).email) == (squatter.email, None)
    assert found(store, owner).email == owner.email


def test_a_password_changes_only_from_the_one_that_was_checked(store: Store) -> None:
    user = add_user(store, password_hash="one")
    assert not store.profiles.change_password(user.id, "three", instead_of="two", now=NOW)
    assert not store.profiles.change_password(user.id, "three", instead_of=None, now=NOW)
    assert store.profiles.password_changed_at(user.id) is None
    assert store.profiles.change_password(user.id, "two", instead_of="one", now=NOW + 7)
    assert store.profiles.password_changed_at(user.id) == NOW + 7


def test_access_is_the_consents_and_the_grants_that_are_alive_with_their_last_use(store: Store) -> None:
    user, consented, granted = add_user(store), unique("client"), unique("client")
    store.consents.add(user.id, consented, ["openid", "email"], now=NOW)
    grant, _code = add_grant(store, user_id=user.id, client_id=granted)
    token = unique("rt")
    assert redeem(store, grant, token, now=NOW)
    add_grant(store, user_id=user.id, client_id=unique("client"))  # its code was never redeemed
    listed = {each.client_id: each for each in store.consents.list_access(user.id, now=NOW)}
    assert set(listed) == {consented, granted}
    assert (listed[consented].scopes, listed[consented].last_used_at) == ({"openid", "email"}, None)
    assert store.refresh_tokens.rotate(token, unique("rt"), grant.id, now=NOW + 60, expires_at=NOW + 900)
    (used,) = [each for each in store.consents.list_access(user.id, now=NOW) if each.client_id == granted]
    assert used.last_used_at == NOW + 60
    store.consents.revoke(user.id, granted, now=NOW)
    assert [each.client_id for each in store.consents.list_access(user.id, now=NOW)] == [consented]
    assert store.consents.list_access(add_user(store).id, now=NOW) == []


def test_live_sessions_are_listed_the_last_used_first_and_no_others(store: Store) -> None:
    user, limits = add_user(store), {"idle": 600, "absolute": 900}
    sids = [unique("sid") for _ in range(3)]
    for number, sid in enumerate(sids):
        store.sessions.start(unique("cookie"), sid, sign_in_of(user), now=NOW + number, **limits)
    assert [each.sid for each in store.sessions.list_live(user.id, now=NOW + 5)] == sids[::-1]
    assert [each.sid for each in store.sessions.list_live(user.id, now=NOW + 601)] == sids[:1:-1]
    assert store.sessions.list_live(user.id, now=NOW + 602) == []
    assert {*sids} <= {each.sid for each in store.sessions.list_live(now=NOW + 5)}


def test_links_made_since_a_moment_go_and_older_ones_stay(store: Store) -> None:
    user = add_user(store)
    keys = [Key("google", "https://issuer.example", unique("subject")) for _ in range(2)]
    for number, key in enumerate(keys):
        assert store.identities.add(LinkedIdentity(key, user.id, "sign_up", linked_at=NOW + number, last_used_at=NOW))
    assert store.identities.remove_since(user.id, NOW + 1) == 1
    assert [each.key for each in store.identities.list_of(user.id)] == keys[:1]
