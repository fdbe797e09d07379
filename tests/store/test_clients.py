"""Clients: one document each, whole and exact on every database, readable by older and newer code."""

import json
from dataclasses import asdict, fields, replace

import pytest
from sqlalchemy import insert, select, update

from idp.protocol.client import Client, ClientSecret
from idp.store import Store
from idp.store.clients import CACHE_SECONDS, ClientStore
from idp.store.tables import clients
from tests.store.samples import NOW, TEXTS, add_grant, add_user, unique
from tests.support.accounts import make_client

FULL = Client(
    client_id="replaced",
    client_name=TEXTS[4],
    client_uri="https://app.example.com/",
    logo_uri="https://app.example.com/logo.png",
    policy_uri="https://app.example.com/policy",
    tos_uri="https://app.example.com/terms",
    redirect_uris=("https://app.example.com/cb", "com.example.app:/cb"),
    post_logout_redirect_uris=("https://app.example.com/bye",),
    token_endpoint_auth_method="private_key_jwt",
    token_endpoint_auth_signing_alg="ES256",
    jwks={"keys": [{"kty": "EC", "crv": "P-256", "x": "a", "y": "b"}]},
    jwks_uri="https://app.example.com/jwks",
    grant_types=("authorization_code",),
    response_types=("code",),
    scope=("openid", "orders:read"),
    id_token_signed_response_alg="PS256",
    userinfo_signed_response_alg="EdDSA",
    default_max_age=0,
    require_auth_time=True,
    first_party=True,
    require_pkce=False,
    claims_in_id_token=True,
    always_issue_refresh_token=True,
    require_second_factor=True,
    rotate_refresh_tokens=False,
    audience=("https://api.example.com",),
    serves=("https://api.example.com",),
    web_origins=("https://app.example.com",),
    upstreams=("google", "acme"),
    made_for="spa",
    access_token_lifetime=1,
    id_token_lifetime=2,
    refresh_token_lifetime=3,
    refresh_token_idle_lifetime=4,
    disabled=True,
    created_at=NOW,
    secrets=(ClientSecret(hash="ab" * 32, created_at=1, expires_at=2), ClientSecret(encrypted="1.x")),
)


@pytest.fixture
def fresh(store: Store) -> ClientStore:
    """The same database read without a cache from before."""
    return ClientStore(store.database)


def test_a_client_comes_back_with_every_member_as_it_was_stored(store: Store, fresh: ClientStore) -> None:
    default = Client(client_id="replaced")
    same = [field.name for field in fields(Client) if getattr(FULL, field.name) == getattr(default, field.name)]
    assert same == ["client_id", "response_types"], "the sample must differ from the defaults in every other member"
    client = replace(FULL, client_id=unique("full"))
    assert store.clients.add(client, now=NOW)
    assert fresh.find(client.client_id) == client
    assert client in fresh.list()


@pytest.mark.parametrize("name", TEXTS)
def test_a_client_name_in_any_script_comes_back_unchanged(store: Store, fresh: ClientStore, name: str) -> None:
    client = make_client(unique("named"), client_name=name)
    assert store.clients.add(client, now=NOW)
    found = fresh.find(client.client_id)
    assert found is not None
    assert found.client_name == name


def test_a_client_with_a_thousand_redirect_uris_is_stored_whole(store: Store, fresh: ClientStore) -> None:
    uris = tuple(f"https://app.example.com/callback/{number}?of={'x' * 100}" for number in range(1000))
    client = make_client(unique("large"), redirect_uris=uris)
    assert len(json.dumps(asdict(client))) > 65_535  # more than MariaDB's TEXT holds
    assert store.clients.add(client, now=NOW)
    assert fresh.find(client.client_id) == client


def test_a_client_id_is_given_once(store: Store, fresh: ClientStore) -> None:
    client = make_client(unique("once"))
    assert store.clients.add(client, now=NOW)
    assert not store.clients.add(replace(client, client_name="another"), now=NOW)
    assert fresh.find(client.client_id) == client


def test_client_ids_compare_byte_for_byte(store: Store, fresh: ClientStore) -> None:
    client = make_client(unique("Exact"))
    assert store.clients.add(client, now=NOW)
    for other in (client.client_id.lower(), client.client_id.upper(), client.client_id + " ", " " + client.client_id):
        assert fresh.find(other) is None, other
    assert fresh.find(client.client_id.replace("Exact", "Éxact")) is None
    lower = replace(client, client_id=client.client_id.lower())
    assert store.clients.add(lower, now=NOW), "ids that differ in case are two clients"
    assert fresh.find(client.client_id) == client
    assert fresh.find(lower.client_id) == lower


@pytest.mark.parametrize("client_id", ["nul\0inside", "lone\ud800surrogate", "x" * 5000, FULL.client_name, ""])
def test_an_id_that_no_client_can_have_is_unknown_and_no_fault(fresh: ClientStore, client_id: str) -> None:
    assert fresh.find(client_id) is None


def test_saving_replaces_a_client_even_with_itself_and_never_makes_one(store: Store, fresh: ClientStore) -> None:
    client = make_client(unique("saved"))
    assert not store.clients.save(client, now=NOW)
    assert fresh.find(client.client_id) is None
    assert store.clients.add(client, now=NOW)
    assert store.clients.save(client, now=NOW), "an update that changes nothing is still an update"
    changed = replace(client, client_name="changed")
    assert store.clients.save(changed, now=NOW)
    assert fresh.find(client.client_id) == changed


def test_a_removed_client_takes_its_consents_and_grants_with_it(store: Store, fresh: ClientStore) -> None:
    client, other = make_client(unique("removed")), make_client(unique("kept"))
    user = add_user(store)
    for each in (client, other):
        assert store.clients.add(each, now=NOW)
        store.consents.add(user.id, each.client_id, ["email"], now=NOW)
    dead, _ = add_grant(store, user_id=user.id, client_id=client.client_id)
    alive, _ = add_grant(store, user_id=user.id, client_id=other.client_id)
    assert store.clients.remove(client.client_id, now=NOW)
    assert not store.clients.remove(client.client_id, now=NOW)
    assert fresh.find(client.client_id) is None
    assert store.consents.find(user.id, client.client_id) == frozenset()
    assert store.consents.find(user.id, other.client_id) == {"email"}
    assert store.grants.find_live(dead.id, "jti") is None
    assert store.grants.find_live(alive.id, "jti") is not None


def test_an_origin_is_registered_as_long_as_some_client_has_it(store: Store) -> None:
    origin = f"https://{unique('app')}.example.com"
    first = make_client(unique("first"), redirect_uris=(f"{origin}/cb",))
    second = make_client(unique("second"), web_origins=(origin,))
    assert not ClientStore(store.database).is_registered_origin(origin)
    for client in (first, second):
        assert store.clients.add(client, now=NOW)
    assert ClientStore(store.database).is_registered_origin(origin)
    assert store.clients.remove(first.client_id, now=NOW)
    assert ClientStore(store.database).is_registered_origin(origin)
    assert store.clients.save(replace(second, web_origins=("https://elsewhere.example.com",)), now=NOW)
    assert not ClientStore(store.database).is_registered_origin(origin)


@pytest.mark.asvs("3.4.2")
def test_origins_compare_byte_for_byte(store: Store) -> None:
    origin = f"https://{unique('app')}.example.com"
    assert store.clients.add(make_client(unique("origin"), web_origins=(origin,)), now=NOW)
    for other in (origin.upper(), f"{origin} ", f"{origin}/", f"{origin}:443", f"{origin}\0", origin.replace("a", "á")):
        assert not ClientStore(store.database).is_registered_origin(other), other


# --- Rolling deployments: two versions of the code share a database


def test_members_that_this_version_does_not_know_are_left_alone_in_reading(store: Store, fresh: ClientStore) -> None:
    """A newer version has stored a client; this one must go on serving it."""
    client = make_client(unique("newer"), secret="s" * 32)
    document = asdict(client) | {"invented_later": {"deep": [1, 2]}}
    document["secrets"] = [secret | {"invented_later": True} for secret in document["secrets"]]
    _write_document(store, client.client_id, document)
    assert fresh.find(client.client_id) == client


def test_members_that_an_older_version_did_not_store_get_their_default(store: Store, fresh: ClientStore) -> None:
    client_id = unique("older")
    _write_document(store, client_id, {"client_id": client_id, "redirect_uris": ["https://a.example.com/"]})
    assert fresh.find(client_id) == Client(client_id=client_id, redirect_uris=("https://a.example.com/",))


def _write_document(store: Store, client_id: str, document: object) -> None:
    row = {"client_id": client_id, "document": json.dumps(document), "created_at": NOW, "updated_at": NOW}
    with store.database.writing() as connection:
        connection.execute(insert(clients), row)


# --- The cache


def test_a_change_made_by_another_process_is_seen_within_a_second(store: Store) -> None:
    clock = [100.0]
    cached, client = ClientStore(store.database, lambda: clock[0]), make_client(unique("cached"))
    assert cached.find(client.client_id) is None
    assert store.clients.add(client, now=NOW)
    assert cached.find(client.client_id) == client, "a client that is not there is never remembered"
    with store.database.writing() as connection:
        document = asdict(replace(client, disabled=True))
        change = update(clients).where(clients.c.client_id == client.client_id)
        connection.execute(change.values(document=json.dumps(document)))
    assert cached.find(client.client_id) == client
    clock[0] += CACHE_SECONDS
    found = cached.find(client.client_id)
    assert found is not None
    assert found.disabled


def test_unknown_ids_do_not_fill_the_cache(store: Store) -> None:
    cached = ClientStore(store.database)
    for number in range(50):
        assert cached.find(f"nobody-{number}") is None
    assert not cached._cache


def test_a_secret_is_stored_as_its_hash_only(store: Store) -> None:
    client = make_client(unique("secret"), secret="a secret that must not be found")
    assert store.clients.add(client, now=NOW)
    with store.database.reading() as connection:
        query = select(clients.c.document).where(clients.c.client_id == client.client_id)
        text = connection.execute(query).scalar_one()
    assert "must not be found" not in text
