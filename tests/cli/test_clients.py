"""`idp clients`: what is registered, what is refused, and what is never shown."""

import json
import shlex
from pathlib import Path

import pytest

from idp.jose.encryption import SecretBox
from idp.settings import load_settings
from idp.store import Store
from idp.store.database import hashed
from tests.cli.conftest import Idp, events

URI = "https://app.example.com/callback"


def test_a_confidential_client_gets_a_random_id_and_a_secret_that_is_stored_as_a_hash(idp: Idp, store: Store) -> None:
    added = idp("clients", "add", "My app", "--redirect-uri", URI, "--json").json
    client = store.clients.find(added["client_id"])
    assert client is not None
    assert client.client_name == "My app"
    assert client.token_endpoint_auth_method == "client_secret_basic"
    assert len(added["client_secret"]) >= 43
    assert [secret.hash for secret in client.secrets] == [hashed(added["client_secret"])]
    assert events(store)[-1] == "client.added"


def test_a_secret_is_printed_once_and_never_again(idp: Idp) -> None:
    secret = idp("clients", "add", "App", "--id", "app", "--redirect-uri", URI, "--json").json["client_secret"]
    for arguments in (("show", "app"), ("show", "app", "--json"), ("list", "--json"), ("update", "app", "--json")):
        answer = idp("clients", *arguments)
        assert answer.code == 0
        assert secret not in answer.out
        assert hashed(secret) not in answer.out


def test_the_secret_for_client_secret_jwt_is_stored_encrypted(idp: Idp, store: Store) -> None:
    arguments = ("--id", "jwt", "--redirect-uri", URI, "--auth-method", "client_secret_jwt", "--auth-alg", "HS256")
    secret = idp("clients", "add", "App", *arguments, "--json").json["client_secret"]
    client = store.clients.find("jwt")
    assert client is not None
    (kept,) = client.secrets
    assert kept.hash is None
    assert kept.encrypted is not None
    assert SecretBox(load_settings().secret_key).decrypt(kept.encrypted, purpose="client secret") == secret


def test_a_public_client_has_no_secret(idp: Idp) -> None:
    added = idp("clients", "add", "App", "--public", "--redirect-uri", "com.example.app:/cb", "--json").json
    assert added["token_endpoint_auth_method"] == "none"
    assert "client_secret" not in added
    assert added["secrets"] == []


def test_every_option_reaches_the_client(idp: Idp) -> None:
    arguments = shlex.split("""--id full --redirect-uri https://a.example/1 --redirect-uri https://a.example/2
        --post-logout-redirect-uri https://a.example/out --origin https://a.example --api https://api.example.com
        --serves https://api.example.com --first-party --no-pkce --claims-in-id-token --always-refresh --no-rotation
        --id-token-alg ES256 --userinfo-alg PS256 --client-uri https://a.example --logo-uri https://a.example/l.png
        --policy-uri https://a.example/p --tos-uri https://a.example/t --access-token-lifetime 60 --max-age 0
        --id-token-lifetime 61 --refresh-token-lifetime 62 --refresh-token-idle-lifetime 63
        --grant-type authorization_code --auth-method client_secret_post""")
    added = idp("clients", "add", "Full", *arguments, "--scope", "openid notes.read", "--json").json
    expected = {
        "redirect_uris": ["https://a.example/1", "https://a.example/2"],
        "post_logout_redirect_uris": ["https://a.example/out"],
        "web_origins": ["https://a.example"],
        "audience": ["https://api.example.com"],
        "serves": ["https://api.example.com"],
        "first_party": True,
        "require_pkce": False,
        "claims_in_id_token": True,
        "always_issue_refresh_token": True,
        "rotate_refresh_tokens": False,
        "id_token_signed_response_alg": "ES256",
        "userinfo_signed_response_alg": "PS256",
        "client_uri": "https://a.example",
        "logo_uri": "https://a.example/l.png",
        "policy_uri": "https://a.example/p",
        "tos_uri": "https://a.example/t",
        "default_max_age": 0,
        "access_token_lifetime": 60,
        "id_token_lifetime": 61,
        "refresh_token_lifetime": 62,
        "refresh_token_idle_lifetime": 63,
        "grant_types": ["authorization_code"],
        "token_endpoint_auth_method": "client_secret_post",
        "scope": "openid notes.read",
    }
    assert {name: added[name] for name in expected} == expected
    assert idp("clients", "show", "full", "--json").json == {k: v for k, v in added.items() if k != "client_secret"}


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        pytest.param(["--redirect-uri", "http://a.example/cb"], "http is only for loopback", id="http redirect URI"),
        pytest.param(["--redirect-uri", "https://a.example/*"], "wildcards", id="wildcard"),
        pytest.param(["--redirect-uri", "javascript:alert(1)"], "javascript", id="dangerous scheme"),
        pytest.param([], "redirect_uris", id="no redirect URI"),
        pytest.param(["--redirect-uri", URI, "--id", "a b"], "client_id", id="id with a space"),
        pytest.param(["--redirect-uri", URI, "--id", "u_1"], "u_", id="id like a person's"),
        pytest.param(["--redirect-uri", URI, "--id", "demo-web"], "demo-web already", id="id taken"),
        pytest.param(["--redirect-uri", URI, "--auth-method", "magic"], "token_endpoint_auth_method", id="method"),
        pytest.param(["--redirect-uri", URI, "--auth-method", "private_key_jwt"], "jwks", id="no keys"),
        pytest.param(["--redirect-uri", URI, "--id-token-alg", "none"], "id_token_signed_response_alg", id="alg none"),
        pytest.param(["--redirect-uri", URI, "--grant-type", "password"], "grant_types", id="unknown grant"),
        pytest.param(["--redirect-uri", URI, "--logo-uri", "javascript:x"], "logo_uri", id="logo"),
        pytest.param(["--redirect-uri", URI, "--origin", "https://a.example/x"], "web_origins", id="origin"),
        pytest.param(["--redirect-uri", URI, "--api", "https://no.example"], "idp apis add", id="unknown API"),
        pytest.param(["--redirect-uri", URI, "--jwks", "missing.json"], "cannot be read", id="no JWKS file"),
    ],
)
def test_a_client_that_breaks_a_rule_is_refused_in_words(idp: Idp, arguments: list[str], sentence: str) -> None:
    before = idp("clients", "list", "--json").json
    answer = idp("clients", "add", "App", *arguments)
    assert answer.code == 1
    assert sentence in answer.err
    assert answer.out == ""
    as_json = idp("clients", "add", "App", *arguments, "--json")
    assert as_json.code == 1
    assert list(as_json.json) == ["error"]
    assert idp("clients", "list", "--json").json == before


def test_a_jwks_with_a_private_key_is_refused(idp: Idp, folder: Path) -> None:
    key = {"kty": "EC", "crv": "P-256", "x": "AA", "y": "AA", "d": "AA"}
    (folder / "jwks.json").write_text(json.dumps({"keys": [key]}), "utf-8")
    answer = idp(
        "clients", "add", "App", "--redirect-uri", URI, "--auth-method", "private_key_jwt", "--jwks", "jwks.json"
    )
    assert answer.code == 1
    assert "secret" in answer.err


def test_update_changes_only_what_is_given(idp: Idp) -> None:
    before = idp("clients", "show", "demo-web", "--json").json
    after = idp("clients", "update", "demo-web", "--access-token-lifetime", "77", "--first-party", "--json").json
    assert after == before | {"access_token_lifetime": 77, "first_party": True}


def test_update_without_changes_says_so_and_leaves_no_event(idp: Idp, store: Store) -> None:
    before = events(store)
    assert "Nothing has changed" in idp("clients", "update", "demo-web").out
    assert events(store) == before


def test_an_empty_text_takes_a_value_away(idp: Idp) -> None:
    assert idp("clients", "update", "demo-web", "--logo-uri", "", "--json").json["logo_uri"] is None


def test_lists_are_replaced_and_single_redirect_uris_come_and_go(idp: Idp) -> None:
    replaced = idp("clients", "update", "demo-spa", "--redirect-uri", URI, "--json").json
    assert replaced["redirect_uris"] == [URI]
    added = idp("clients", "update", "demo-spa", "--add-redirect-uri", URI + "2", "--json").json
    assert added["redirect_uris"] == [URI, URI + "2"]
    removed = idp("clients", "update", "demo-spa", "--remove-redirect-uri", URI, "--json").json
    assert removed["redirect_uris"] == [URI + "2"]
    assert idp("clients", "update", "demo-spa", "--remove-redirect-uri", URI).code == 1


def test_a_new_secret_replaces_the_old_one_at_once(idp: Idp, store: Store) -> None:
    new = idp("clients", "update", "demo-web", "--new-secret", "--json").json["client_secret"]
    client = store.clients.find("demo-web")
    assert client is not None
    assert [secret.hash for secret in client.secrets] == [hashed(new)]
    assert events(store)[-1] == "client.secret_changed"


def test_with_overlap_the_old_secret_works_until_its_end(idp: Idp, store: Store) -> None:
    before = store.clients.find("demo-web")
    new = idp("clients", "update", "demo-web", "--new-secret", "--keep-old", "600", "--json").json["client_secret"]
    store.clients._forget()
    client = store.clients.find("demo-web")
    assert before is not None
    assert client is not None
    current, old = client.secrets
    assert (current.hash, current.expires_at) == (hashed(new), 0)
    assert old.hash == before.secrets[0].hash
    assert old.expires_at == current.created_at + 600


def test_a_change_of_method_makes_or_forgets_secrets_as_it_needs(idp: Idp) -> None:
    to_jwt = idp("clients", "update", "demo-web", "--auth-method", "client_secret_jwt", "--json").json
    assert "client_secret" in to_jwt
    public = idp("clients", "update", "demo-web", "--auth-method", "none", "--json").json
    assert public["secrets"] == []
    assert (
        "client_secret" in idp("clients", "update", "demo-web", "--auth-method", "client_secret_basic", "--json").json
    )


def test_disable_and_enable(idp: Idp) -> None:
    assert idp("clients", "update", "demo-web", "--disable", "--json").json["disabled"] is True
    assert idp("clients", "update", "demo-web", "--enable", "--json").json["disabled"] is False


def test_remove_and_then_it_is_unknown(idp: Idp, store: Store) -> None:
    assert idp("clients", "remove", "demo-web").code == 0
    for command in ("show", "remove", "update"):
        answer = idp("clients", command, "demo-web", "--json")
        assert answer.code == 1
        assert "demo-web" in answer.json["error"]
    assert events(store)[-1] == "client.removed"


def test_the_table_names_every_client_and_is_not_cut_off(idp: Idp) -> None:
    idp("clients", "add", "N" * 100, "--redirect-uri", URI)
    out = idp("clients", "list").out
    assert {"demo-web", "demo-spa", "demo-mobile", "N" * 100} <= set(out.split())


def test_usage_mistakes_end_with_code_2(idp: Idp) -> None:
    assert idp("clients", "add").code == 2
    assert idp("clients", "add", "App", "--public", "--auth-method", "client_secret_basic").code == 2
    assert idp("clients", "update", "demo-web", "--keep-old", "5").code == 2
    answer = idp("clients", "add", "App", "--access-token-lifetime", "soon", "--json")
    assert answer.code == 2
    assert "access-token-lifetime" in answer.json["error"]
