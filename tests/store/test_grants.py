"""Grants and the codes they carry: one use, nothing in clear, dead at once when revoked."""

import json
from dataclasses import asdict

import pytest
from sqlalchemy import select, update
from sqlalchemy.exc import IntegrityError

from idp.protocol.claims import ClaimsRequest
from idp.protocol.grant import Grant
from idp.store import Store
from idp.store.tables import grants
from tests.store.samples import NOW, TEXTS, add_grant, add_user, make_grant, redeem, unique


def is_live(store: Store, grant: Grant, jti: str = "jti") -> bool:
    return store.grants.find_live(grant.id, jti) is not None


@pytest.mark.parametrize("text", [*TEXTS, "\ud800 alone", "nul\0inside"])
def test_a_grant_comes_back_as_it_was_stored(store: Store, text: str) -> None:
    claims = ClaimsRequest(
        userinfo={"name": {"essential": True}, text: None}, id_token={"acr": {"values": [text, 1, None]}}
    )
    grant, code = add_grant(
        store,
        scopes=("openid", "https://api.example.com/Read"),
        resources=("https://api.example.com/", "urn:example:ü"),
        claims=claims,
        amr=("pwd", "otp"),
        redirect_uri_sent=False,
        code_challenge="c" * 43,
        sid=None,
    )
    issued = store.grants.find_by_code(code)
    assert issued is not None
    assert issued.grant == grant
    assert (issued.user.id, issued.expires_at, issued.used_at, issued.is_revoked) == (
        grant.user_id,
        NOW + 60,
        None,
        False,
    )
    live = store.grants.find_live(grant.id, "jti")
    assert live is not None
    assert live[0] == grant


@pytest.mark.parametrize("text", TEXTS)
def test_nonces_and_redirect_uris_come_back_byte_for_byte(store: Store, text: str) -> None:
    nonce, uri = text * 300, "com.example.app:/" + "x" * 16_000
    _, code = add_grant(store, nonce=nonce, redirect_uri=uri)
    issued = store.grants.find_by_code(code)
    assert issued is not None
    assert (issued.grant.nonce, issued.grant.redirect_uri) == (nonce, uri)


@pytest.mark.spec("RFC 6749", "10.5", "MUST")
def test_codes_compare_byte_for_byte_and_are_stored_as_a_hash(store: Store) -> None:
    grant, code = add_grant(store)
    for other in (code.lower(), code.upper(), code.swapcase(), f"{code} ", code[:-1], "", "\0", "\ud800"):
        assert store.grants.find_by_code(other) is None, repr(other)
    with store.database.reading() as connection:
        row = connection.execute(select(grants).where(grants.c.id == grant.id)).one()
    assert not any(code in str(value) for value in row)


@pytest.mark.spec("RFC 6749", "4.1.2", "MUST")
def test_a_code_is_redeemed_once(store: Store) -> None:
    grant, code = add_grant(store)
    token = unique("rt")
    assert redeem(store, grant, token)
    assert not redeem(store, grant, unique("rt"))
    issued = store.grants.find_by_code(code)
    assert issued is not None
    assert issued.used_at == NOW
    assert store.refresh_tokens.is_unused(token)


def test_a_code_that_was_redeemed_before_leaves_no_second_refresh_token(store: Store) -> None:
    grant, _ = add_grant(store)
    assert redeem(store, grant)
    late = unique("rt")
    assert not redeem(store, grant, late)
    assert store.refresh_tokens.find(late) is None


def test_a_revoked_grant_is_not_redeemed(store: Store) -> None:
    grant, code = add_grant(store)
    assert store.grants.revoke(grant.id, now=NOW, why="test")
    assert not redeem(store, grant, unique("rt"))
    issued = store.grants.find_by_code(code)
    assert issued is not None
    assert (issued.is_revoked, issued.used_at) == (True, None)


def test_a_grant_is_revoked_once_and_takes_its_refresh_tokens_along(store: Store) -> None:
    grant, _ = add_grant(store)
    token = unique("rt")
    assert redeem(store, grant, token)
    assert store.grants.revoke(grant.id, now=NOW, why="test")
    assert not store.grants.revoke(grant.id, now=NOW, why="again")
    assert not is_live(store, grant)
    stored = store.refresh_tokens.find(token)
    assert stored is not None
    assert stored.is_revoked


@pytest.mark.spec("RFC 7009", "2.1", "MUST")
def test_one_access_token_dies_alone_and_may_be_revoked_twice(store: Store) -> None:
    grant, _ = add_grant(store)
    jti = f"{grant.id}.One"
    for _ in range(2):
        store.grants.revoke_access_token(jti, expires_at=NOW + 900)
    assert not is_live(store, grant, jti)
    assert is_live(store, grant, jti.lower())
    assert is_live(store, grant, f"{grant.id}.Two")


def test_grant_ids_compare_byte_for_byte(store: Store) -> None:
    grant, _ = add_grant(store, id="Grant" + unique(""))
    assert is_live(store, grant)
    assert store.grants.find_live(grant.id.lower(), "jti") is None
    assert not store.grants.revoke(grant.id.upper(), now=NOW, why="test")
    assert is_live(store, grant)


@pytest.mark.spec("OpenID Connect Back-Channel Logout", "2.7", "SHOULD")
def test_sign_out_revokes_the_session_s_grants_but_other_clients_keep_offline_access(store: Store) -> None:
    user, sid, leaving = add_user(store), unique("sid"), unique("leaving")
    offline = ("openid", "offline_access")

    def add(**changes: object) -> Grant:
        return add_grant(store, **({"user_id": user.id, "sid": sid} | changes))[0]

    own, own_offline = add(client_id=leaving), add(client_id=leaving, scopes=offline)
    other, other_offline, other_session = add(), add(scopes=offline), add(sid=unique("sid"))
    store.grants.revoke_for_session(sid, client_id=leaving, now=NOW)
    assert [is_live(store, grant) for grant in (own, own_offline, other)] == [False, False, False]
    assert [is_live(store, grant) for grant in (other_offline, other_session)] == [True, True]


def test_all_grants_over_a_connection_die_also_where_their_session_is_over_or_did_not_say(store: Store) -> None:
    """Grants of a former version do not say it; they go with their session."""
    user, (kept, ended) = add_user(store), [unique("sid") for _ in range(2)]
    google = {"upstream": "google", "scopes": ("openid", "offline_access")}

    def add(**changes: object) -> Grant:
        return add_grant(store, **({"user_id": user.id} | changes))[0]

    dying = [add(**google), add(**google, sid=None), add(sid=ended)]
    staying = [add(), add(upstream="github"), add(**google, sid=kept), add_grant(store, **google)[0]]
    for sids in ([ended], []):
        store.grants.revoke_of_upstream(user.id, "google", sids=sids, keep=kept, now=NOW, why="test")
    assert [is_live(store, grant) for grant in dying] == [False] * 3
    assert [is_live(store, grant) for grant in staying] == [True] * 4


def test_a_person_s_grants_are_revoked_for_one_client_or_for_all_and_counted_once(store: Store) -> None:
    user, client_id = add_user(store), unique("client")
    mine = [add_grant(store, user_id=user.id, client_id=client_id)[0] for _ in range(2)]
    elsewhere, foreign = add_grant(store, user_id=user.id)[0], add_grant(store, client_id=client_id)[0]
    assert store.grants.revoke_for(user.id, client_id=client_id, now=NOW, why="test") == 2
    assert [is_live(store, grant) for grant in (*mine, elsewhere, foreign)] == [False, False, True, True]
    assert store.grants.revoke_for(user.id, now=NOW, why="test") == 1
    assert not is_live(store, elsewhere)
    assert is_live(store, foreign)


def test_a_grant_that_newer_code_has_written_can_be_read(store: Store) -> None:
    """Rolling deployment: the claims request of the future has one member more."""
    grant, code = add_grant(store)
    document = json.dumps(asdict(grant.claims) | {"invented_later": {}})
    with store.database.writing() as connection:
        connection.execute(update(grants).where(grants.c.id == grant.id).values(claims=document))
    issued = store.grants.find_by_code(code)
    assert issued is not None
    assert issued.grant == grant


def test_two_grants_never_share_a_code(store: Store) -> None:
    user, code = add_user(store), unique("code")
    store.grants.add(make_grant(user.id), code, code_expires_at=NOW + 60)
    with pytest.raises(IntegrityError):
        store.grants.add(make_grant(user.id), code, code_expires_at=NOW + 60)
