"""The authorization code flow, end to end, over several worker processes."""

import pytest

from tests.support.idp_server import ServerUnderTest, TimedServer
from tests.support.relying_party import Browser, RelyingParty, claims_of


@pytest.mark.spec("OpenID Connect Core", "3.1", "MUST")
def test_a_person_signs_in_and_the_client_gets_tokens_that_say_who_it_is(
    server: ServerUnderTest, browser: Browser
) -> None:
    client, user = RelyingParty(server, server.add_client()), server.add_user()
    tokens = client.tokens(browser, user.username, scope="openid email", nonce="n-1")
    assert claims_of(tokens["id_token"])["sub"] == user.id
    assert claims_of(tokens["id_token"])["nonce"] == "n-1"
    assert client.userinfo(tokens["access_token"]).json()["email"] == user.email


@pytest.mark.spec("RFC 6749", "4.1.2", "MUST")
@pytest.mark.asvs("10.4.3")
def test_a_code_expires_after_a_minute(timed: TimedServer) -> None:
    client, user = RelyingParty(timed, timed.add_client()), timed.add_user()
    callback = client.sign_in(Browser(timed), user.username)
    timed.forward(61)
    answer = client.redeem(callback)
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_grant")
