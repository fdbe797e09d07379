"""The verifier against the real server: its tokens, its discovery, its rotations, and its absence."""

import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from idp.protocol.scopes import Api
from idp_verify import InvalidToken, KeysUnavailable, TokenVerifier
from idp_verify.fetching import fetch
from tests.support.forked import run_idp
from tests.support.idp_server import ServerUnderTest, running_server, start, stop
from tests.support.relying_party import Browser, RelyingParty, header_of

API = "https://api.example.com"
ROOT = Path(__file__).parent.parent.parent


class Counting:
    """The real fetch, counted by the last part of the URL."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()

    def __call__(self, url: str) -> bytes:
        self.counts[url.rpartition("/")[2]] += 1
        return fetch(url, timeout=5)


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory, signing_keys: Path) -> Iterator[ServerUnderTest]:
    """A server of this file's own, whose keys are rotated and which is stopped."""
    folder = tmp_path_factory.mktemp("verify")
    with running_server(folder, keys_from=signing_keys, jwks_max_age="1") as running:
        yield running


def get_tokens(server: ServerUnderTest, **changes: Any) -> dict[str, Any]:
    server.store.apis.save(Api(API, "Orders", {"orders.read": "See orders"}), now=server.now)
    scope = "openid profile orders.read"
    client = RelyingParty(
        server, server.add_client(first_party=True, audience=(API,), scope=tuple(scope.split()), **changes)
    )
    person = server.add_user(roles=("reader", "Admin"))
    return client.tokens(Browser(server), person.username, scope=scope) | {"person": person, "client": client}


def idp(server: ServerUnderTest, *arguments: str) -> None:
    """The operator's command, with the server's settings."""
    run_idp(server.environment, *arguments).check_returncode()


@pytest.mark.spec("RFC 9068", "4", "MUST")
def test_a_token_of_the_server_is_let_in_with_all_that_it_says(own: ServerUnderTest) -> None:
    tokens = get_tokens(own)
    token = TokenVerifier(own.issuer, API).verify(tokens["access_token"])
    assert token.subject == tokens["person"].id
    assert token.client_id == tokens["client"].client.client_id
    assert token.scopes == {"openid", "profile", "orders.read"}
    assert token.roles == {"reader", "Admin"}
    assert token.acr == "aal1"
    assert abs(time.time() - (token.auth_time or 0)) < 60
    assert 0 < token.expires_at - time.time() <= own.settings.access_token_lifetime


@pytest.mark.spec("RFC 9068", "4", "MUST")
@pytest.mark.asvs("9.2.2", "9.2.3")
def test_an_id_token_a_refresh_token_and_a_token_for_another_api_are_refused(own: ServerUnderTest) -> None:
    tokens = get_tokens(own)
    id_token = tokens["id_token"]
    for audience in (API, tokens["client"].client.client_id, own.issuer):
        with pytest.raises(InvalidToken) as refused:
            TokenVerifier(own.issuer, audience).verify(id_token)
        assert "typ" in refused.value.detail
    with pytest.raises(InvalidToken):
        TokenVerifier(own.issuer, API).verify("rt_" + "a" * 43)
    with pytest.raises(InvalidToken) as refused:
        TokenVerifier(own.issuer, "https://other.example.com").verify(tokens["access_token"])
    assert "aud" in refused.value.detail


def test_the_server_under_another_name_is_another_issuer(own: ServerUnderTest) -> None:
    elsewhere = own.issuer.replace("localhost", "127.0.0.1")
    with pytest.raises(KeysUnavailable) as refused:
        TokenVerifier(elsewhere, API).verify(get_tokens(own)["access_token"])
    assert "never fetched" in refused.value.detail


def test_rotations_by_the_operator_are_followed_without_a_restart(own: ServerUnderTest) -> None:
    counting = Counting()
    verifier = TokenVerifier(own.issuer, API, cooldown=0.5, fetch=counting)
    tokens = [get_tokens(own)["access_token"]]
    verifier.verify(tokens[0])
    for _ in range(2):  # the second one is to a key that nobody has ever seen
        idp(own, "keys", "rotate", "--now")
        tokens.append(wait_for_another_key(own, tokens[-1]))
        for token in tokens:
            assert verifier.verify(token).client_id
    assert len({header_of(token)["kid"] for token in tokens}) == 3
    assert counting.counts["jwks"] <= 3


@pytest.mark.asvs("9.1.3")
def test_a_flood_of_made_up_kids_hardly_reaches_the_server(own: ServerUnderTest) -> None:
    from tests.jose.tokens import part

    counting = Counting()
    verifier = TokenVerifier(own.issuer, API, fetch=counting)
    good = get_tokens(own)["access_token"]
    verifier.verify(good)
    _, payload, signature = good.split(".")
    for number in range(500):
        head = part({"alg": "RS256", "typ": "at+jwt", "kid": f"made-up-{number}"})
        with pytest.raises(InvalidToken):
            verifier.verify(f"{head}.{payload}.{signature}")
    assert counting.counts["jwks"] <= 2
    assert verifier.verify(good)


def test_the_last_keys_serve_while_the_server_is_down_and_new_ones_after_it(own: ServerUnderTest) -> None:
    verifier = TokenVerifier(own.issuer, API, max_age=0.5, cooldown=0.1, timeout=2)
    token = get_tokens(own)["access_token"]
    verifier.verify(token)
    stop(own)
    try:
        for _ in range(10):
            time.sleep(0.1)
            assert verifier.verify(token)
        with pytest.raises(KeysUnavailable):
            TokenVerifier(own.issuer, API).verify(token)
    finally:
        start(own)
    idp(own, "keys", "rotate", "--now")
    assert wait_until_let_in(verifier, wait_for_another_key(own, token))


def wait_for_another_key(server: ServerUnderTest, before: str) -> str:
    """The first token signed with another key; the workers notice a rotation within a second or so."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        token = str(get_tokens(server)["access_token"])
        if header_of(token)["kid"] != header_of(before)["kid"]:
            return token
        time.sleep(0.2)
    raise AssertionError("still signing with the old key")


def wait_until_let_in(verifier: TokenVerifier, token: str) -> bool:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        try:
            return bool(verifier.verify(token))
        except InvalidToken:
            time.sleep(0.1)
    return False
