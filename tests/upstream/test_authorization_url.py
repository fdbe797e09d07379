"""The address that a person is sent to."""

from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from idp.protocol.pkce import s256
from idp.settings import UpstreamSettings
from idp.upstream import PROVIDERS
from idp.upstream.authorization_url import Wishes, make_authorization_url, new_secrets
from idp.upstream.connection import load_connections
from idp.upstream.provider import Endpoints
from idp.upstream.state import Pending
from tests.upstream.samples import CLIENT_ID, NOW, SECRET, endpoints_of, make_connection

KINDS = ("google", "facebook", "discord", "apple", "github", "microsoft", "oidc")
PENDING = Pending("x", "the-nonce", "v" * 64, NOW)
NOTHING = Wishes()


def url_of(kind: str, wishes: Wishes = NOTHING, pending: Pending = PENDING, **settings: Any) -> str:
    connection = make_connection(kind, **({"issuer": "https://op.example"} if kind == "oidc" else {}) | settings)
    return make_authorization_url(connection, endpoints_of(connection), pending, "the-state", wishes)


def query_of(url: str) -> dict[str, list[str]]:
    return parse_qs(urlsplit(url).query)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.spec("RFC 6749", "4.1.1", "REQUIRED")
def test_every_parameter_stands_there_once(kind: str) -> None:
    everything = Wishes("grace@example.org", "fr", "select_account")
    query = query_of(url_of(kind, everything, Pending("x", "n", "v" * 64, NOW, max_age=0)))
    assert {name: len(values) for name, values in query.items()} == dict.fromkeys(query, 1)
    assert query["response_type"] == ["code"]
    assert query["client_id"] == [CLIENT_ID]
    assert query["redirect_uri"] == [f"https://idp.example/upstream/{kind}/callback"]
    assert query["state"] == ["the-state"]


@pytest.mark.parametrize("kind", KINDS)
def test_neither_the_secret_nor_the_verifier_is_in_it(kind: str) -> None:
    url = url_of(kind)
    assert SECRET not in url
    assert PENDING.code_verifier not in url


def test_the_challenge_is_that_of_the_verifier() -> None:
    assert query_of(url_of("google"))["code_challenge"] == [s256("v" * 64)]


def test_a_query_of_the_endpoints_own_is_kept() -> None:
    connection = make_connection("oidc", issuer="https://op.example")
    endpoints = Endpoints("https://op.example/authorize?tenant=1&empty=", "https://op.example/token")
    query = parse_qs(
        urlsplit(make_authorization_url(connection, endpoints, PENDING, "the-state", NOTHING)).query,
        keep_blank_values=True,
    )
    assert (query["tenant"], query["empty"], query["state"]) == (["1"], [""], ["the-state"])


def test_scopes_of_the_settings_replace_the_providers_own() -> None:
    assert query_of(url_of("google", scopes="openid custom"))["scope"] == ["openid custom"]


@pytest.mark.parametrize(
    ("kind", "scopes", "is_sound"),
    [
        ("google", "email profile", False),
        ("google", "openid email", True),
        ("google", "", True),
        ("discord", "identify", True),
    ],
)
def test_scopes_without_openid_keep_the_server_from_starting_where_an_id_token_depends_on_it(
    kind: str, scopes: str, is_sound: bool
) -> None:
    settings = UpstreamSettings(name=kind, client_id=CLIENT_ID, client_secret=SECRET, scopes=scopes)  # type: ignore[arg-type]
    _, problems = load_connections([settings], PROVIDERS, "https://idp.example")
    variable = f"IDP_UPSTREAM_{kind.upper()}_SCOPES"
    assert problems == ([] if is_sound else [f"{variable} must have openid among them."])


def test_what_a_person_typed_cannot_bring_in_another_parameter() -> None:
    query = query_of(url_of("google", Wishes("x&prompt=none&state=evil#f", "fr&nonce=evil")))
    assert query["login_hint"] == ["x&prompt=none&state=evil#f"]
    assert (query["state"], query["nonce"]) == (["the-state"], ["the-nonce"])
    assert "prompt" not in query


def test_a_demand_for_a_fresh_sign_in_wins_over_a_wish_for_another_account() -> None:
    pending = Pending("x", "n", "v" * 64, NOW, not_before=NOW)
    assert query_of(url_of("microsoft", Wishes(prompt="select_account"), pending))["prompt"] == ["login"]


def test_only_prompts_that_the_provider_understands_travel() -> None:
    for prompt in ("none", "consent", "login", None):
        assert "prompt" not in query_of(url_of("google", Wishes(prompt=prompt)))


def test_google_is_asked_for_accounts_of_the_hosted_domain() -> None:
    assert query_of(url_of("google", hosted_domain="staff.example"))["hd"] == ["staff.example"]
    assert "hd" not in query_of(url_of("google"))


@pytest.mark.parametrize(("language", "locale"), [("fr", "fr_FR"), ("en", "en_US"), ("de", "de")])
def test_a_language_is_written_as_the_provider_writes_it(language: str, locale: str) -> None:
    assert query_of(url_of("facebook", Wishes(ui_locales=language)))["locale"] == [locale]
    assert query_of(url_of("google", Wishes(ui_locales=language)))["hl"] == [language]


def test_secrets_are_long_and_new_each_time() -> None:
    made = [new_secrets() for _ in range(20)]
    assert len({each["nonce"] for each in made} | {each["code_verifier"] for each in made}) == 40
    assert all(len(each["nonce"]) == 43 and 43 <= len(each["code_verifier"]) <= 128 for each in made)


def test_a_stand_in_has_every_fixed_address_below_its_origin() -> None:
    connection = make_connection("github", sandbox_url="http://127.0.0.1:8105")
    stood_in = connection.url("https://api.github.com/user/emails")
    assert stood_in == "http://127.0.0.1:8105/api.github.com/user/emails"
    assert connection.url(stood_in) == stood_in
    assert make_connection("github").url("https://api.github.com/user") == "https://api.github.com/user"
