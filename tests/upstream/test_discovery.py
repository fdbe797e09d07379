"""What is believed of a provider's metadata, and how often it is asked."""

import json
from typing import Any

import pytest

from idp.outbound import FetchRefused, OutboundResponse
from idp.upstream.discovery import FLOOR_SECONDS, TTL_SECONDS, Discovery, read_metadata
from idp.upstream.errors import Unavailable, Untrustworthy

ISSUER = "https://op.example/tenant"
GOOD: dict[str, Any] = {
    "issuer": ISSUER,
    "authorization_endpoint": "https://op.example/authorize?tenant=1",
    "token_endpoint": "https://op.example/token",
    "jwks_uri": "https://keys.example/jwks",
    "userinfo_endpoint": "https://op.example/userinfo",
    "id_token_signing_alg_values_supported": ["none", "HS256", "ES256", "RS256"],
}


def test_the_metadata_of_a_plain_provider() -> None:
    found = read_metadata(GOOD, ISSUER)
    assert (found.authorization, found.token) == (GOOD["authorization_endpoint"], GOOD["token_endpoint"])
    assert (found.userinfo, found.jwks_uri, found.issuer) == (GOOD["userinfo_endpoint"], GOOD["jwks_uri"], ISSUER)
    assert (found.client_auth, found.sends_iss, found.takes_pkce) == ("client_secret_basic", False, True)


@pytest.mark.spec("RFC 8725", "2.1", "MUST")
@pytest.mark.asvs("6.8.2")
@pytest.mark.parametrize(
    ("algs", "expected"),
    [
        (["none", "HS256", "ES256", "RS256"], ("ES256", "RS256")),
        (["none"], ("RS256",)),
        (["HS256", "HS512"], ("RS256",)),
        (None, ("RS256",)),
        ("RS256", ("RS256",)),
        ([7, None, "EdDSA"], None),
    ],
)
def test_metadata_cannot_bring_in_an_algorithm_without_a_public_key(
    algs: Any, expected: tuple[str, ...] | None
) -> None:
    found = read_metadata(GOOD | {"id_token_signing_alg_values_supported": algs}, ISSUER).algs
    assert not {"none", "HS256", "HS512"} & set(found)
    assert expected is None or found == expected


@pytest.mark.spec("OpenID Connect Discovery", "4.3", "MUST")
@pytest.mark.asvs("10.5.3")
@pytest.mark.parametrize(
    "issuer",
    [None, "", "https://evil.example", f"{ISSUER}/", ISSUER.upper(), "https://op.example", [ISSUER], {"x": ISSUER}],
)
def test_metadata_of_another_issuer_are_refused(issuer: Any) -> None:
    with pytest.raises(Untrustworthy):
        read_metadata(GOOD | {"issuer": issuer}, ISSUER)


@pytest.mark.parametrize("document", [None, [], "x", 7, {}])
def test_what_is_no_metadata_is_refused(document: Any) -> None:
    with pytest.raises(Untrustworthy):
        read_metadata(document, ISSUER)


@pytest.mark.parametrize("name", ["authorization_endpoint", "token_endpoint", "jwks_uri", "userinfo_endpoint"])
@pytest.mark.parametrize(
    "address",
    [
        "http://op.example/x",
        "javascript:alert(1)",
        "/x",
        "https://",
        "https://u:p@op.example/x",
        7,
        ["https://x.example"],
    ]
    + ["https://op.example/x#f", "https://[bad", "file:///etc/passwd"]
    + ["https://op.example/\r\nSet-Cookie: a=b", "https://op.example/a b", "https://op.example/\ud800"],
)
@pytest.mark.asvs("10.5.3")
def test_every_address_is_https(name: str, address: Any) -> None:
    with pytest.raises(Untrustworthy):
        read_metadata(GOOD | {name: address}, ISSUER)


@pytest.mark.parametrize("name", ["authorization_endpoint", "token_endpoint", "jwks_uri"])
def test_no_needed_address_may_be_missing(name: str) -> None:
    with pytest.raises(Untrustworthy):
        read_metadata({key: value for key, value in GOOD.items() if key != name}, ISSUER)


def test_a_provider_without_userinfo_has_none() -> None:
    assert read_metadata(GOOD | {"userinfo_endpoint": None}, ISSUER).userinfo is None


@pytest.mark.parametrize(
    ("methods", "expected"),
    [
        (None, "client_secret_basic"),
        (["client_secret_post"], "client_secret_post"),
        (["client_secret_post", "client_secret_basic"], "client_secret_basic"),
        ("client_secret_post", "client_secret_basic"),
    ],
)
@pytest.mark.spec("OpenID Connect Discovery", "3", "OPTIONAL")
def test_how_the_client_authenticates(methods: Any, expected: str) -> None:
    found = read_metadata(GOOD | {"token_endpoint_auth_methods_supported": methods}, ISSUER)
    assert found.client_auth == expected


@pytest.mark.parametrize(
    ("methods", "takes"), [(None, True), (["S256"], True), (["plain", "S256"], True), (["plain"], False)]
)
def test_pkce_is_used_unless_only_plain_is_offered(methods: Any, takes: bool) -> None:
    assert read_metadata(GOOD | {"code_challenge_methods_supported": methods}, ISSUER).takes_pkce is takes


@pytest.mark.spec("RFC 9207", "3", "OPTIONAL")
@pytest.mark.parametrize(("value", "sends"), [(True, True), ("true", False), (1, False), (None, False)])
def test_only_the_value_true_announces_the_iss_parameter(value: Any, sends: bool) -> None:
    document = GOOD | {"authorization_response_iss_parameter_supported": value}
    assert read_metadata(document, ISSUER).sends_iss is sends


# --- Fetching


class Provider:
    """Answers for `issuer` as long as it is up, and counts."""

    def __init__(self) -> None:
        self.is_up, self.now = True, 0.0
        self.asked: list[str] = []
        self.document = dict(GOOD)

    def send(self, method: str, url: str, **_: Any) -> OutboundResponse:
        self.asked.append(url)
        if not self.is_up:
            raise FetchRefused("too slow")
        return OutboundResponse(200, {}, json.dumps(self.document).encode())


@pytest.fixture
def provider() -> Provider:
    return Provider()


@pytest.fixture
def found(provider: Provider) -> Discovery:
    fetcher: Any = provider
    return Discovery(fetcher, monotonic=lambda: provider.now)


@pytest.mark.spec("OpenID Connect Discovery", "4", "MUST")
def test_metadata_are_fetched_below_the_issuer_and_kept_for_an_hour(provider: Provider, found: Discovery) -> None:
    for moment in (0.0, 10.0, TTL_SECONDS - 1):
        provider.now = moment
        assert found.load(ISSUER).issuer == ISSUER
    assert provider.asked == [f"{ISSUER}/.well-known/openid-configuration"]
    provider.now = TTL_SECONDS
    found.load(ISSUER)
    assert len(provider.asked) == 2


def test_a_provider_that_is_down_is_not_asked_again_for_ten_seconds(provider: Provider, found: Discovery) -> None:
    provider.is_up = False
    for _ in range(3):
        with pytest.raises(Unavailable):
            found.load(ISSUER)
    assert len(provider.asked) == 1
    provider.is_up, provider.now = True, FLOOR_SECONDS
    assert found.load(ISSUER).issuer == ISSUER


def test_the_copy_serves_while_the_provider_is_down_or_tells_something_else(
    provider: Provider, found: Discovery
) -> None:
    first = found.load(ISSUER)
    provider.now, provider.is_up = TTL_SECONDS + 1, False
    assert found.load(ISSUER) == first
    provider.now, provider.is_up = TTL_SECONDS * 2, True
    provider.document["issuer"] = "https://evil.example"
    assert found.load(ISSUER) == first
