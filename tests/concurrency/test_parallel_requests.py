"""Requests at the same instant, against three worker processes, on each database."""

import secrets
from collections import Counter

import jwt
import pytest
import requests

from idp.jose.encryption import SecretBox
from idp.protocol.client import ClientSecret
from tests.concurrency.families import grant_of, revoked_why, unused_hashes
from tests.support.crowd import at_once
from tests.support.idp_server import RegisteredClient, ServerUnderTest
from tests.support.relying_party import Browser, Page, RelyingParty

CROWD = 50


def outcomes(answers: list[requests.Response]) -> Counter[tuple[int, str | None]]:
    return Counter((answer.status_code, answer.json().get("error")) for answer in answers)


def make_client(server: ServerUnderTest, **changes: object) -> RelyingParty:
    return RelyingParty(server, server.add_client(always_issue_refresh_token=True, **changes))


@pytest.mark.spec("RFC 6749", "4.1.2", "MUST")
@pytest.mark.asvs("10.4.1")
def test_a_code_is_redeemed_once_even_by_fifty_requests_at_the_same_instant_and_then_everything_is_revoked(
    busy_server: ServerUnderTest,
) -> None:
    client, user = make_client(busy_server), busy_server.add_user()
    callback = client.sign_in(Browser(busy_server), user.username)
    answers = at_once(CROWD, lambda _: client.redeem(callback))
    assert outcomes(answers) == {(200, None): 1, (400, "invalid_grant"): CROWD - 1}
    won = next(answer for answer in answers if answer.status_code == 200).json()
    dead = client.userinfo(won["access_token"])
    assert (dead.status_code, 'error="invalid_token"' in dead.headers["WWW-Authenticate"]) == (401, True)
    assert client.introspect(won["access_token"]).json() == {"active": False}
    assert outcomes([client.refresh(won["refresh_token"])]) == {(400, "invalid_grant"): 1}
    assert revoked_why(busy_server.store, grant_of(busy_server.store, won["refresh_token"])) == "code replayed"


@pytest.mark.spec("RFC 9700", "4.14.2", "MUST")
@pytest.mark.asvs("10.4.5")
def test_fifty_refreshes_of_one_token_at_the_same_instant_leave_one_live_branch(busy_server: ServerUnderTest) -> None:
    client, user = make_client(busy_server), busy_server.add_user()
    first = client.tokens(Browser(busy_server), user.username)["refresh_token"]
    grant_id = grant_of(busy_server.store, first)
    answers = at_once(CROWD, lambda _: client.refresh(first))
    assert outcomes(answers) == {(200, None): CROWD}
    successors = {answer.json()["refresh_token"] for answer in answers}
    assert len(successors) == 1
    assert len(unused_hashes(busy_server.store, grant_id)) == 1
    assert len({answer.json()["access_token"] for answer in answers}) == CROWD
    assert all(client.userinfo(answer.json()["access_token"]).status_code == 200 for answer in answers[:3])
    assert client.refresh(successors.pop()).status_code == 200
    assert len(unused_hashes(busy_server.store, grant_id)) == 1


@pytest.mark.spec("RFC 9700", "4.14.2", "MUST")
@pytest.mark.asvs("10.4.5")
def test_a_replay_and_an_honest_refresh_at_the_same_instant_end_in_revocation(busy_server: ServerUnderTest) -> None:
    """The first token is two generations old: whoever sends it is not the client that has the third one."""
    client, user = make_client(busy_server), busy_server.add_user()
    first = client.tokens(Browser(busy_server), user.username)["refresh_token"]
    second = client.refresh(first).json()["refresh_token"]
    third = client.refresh(second).json()["refresh_token"]
    answers = at_once(10, lambda index: client.refresh(first if index % 2 else third))
    assert {answer.status_code for answer in answers[1::2]} == {400}
    assert {answer.status_code for answer in answers} <= {200, 400}
    assert client.refresh(third).status_code == 400
    for answer in answers[::2]:
        if answer.status_code == 200:
            assert client.refresh(answer.json()["refresh_token"]).status_code == 400
            assert client.userinfo(answer.json()["access_token"]).status_code == 401
    assert revoked_why(busy_server.store, grant_of(busy_server.store, first)) == "refresh token replayed"


def make_jwt_client(server: ServerUnderTest) -> tuple[RegisteredClient, str]:
    """A client of client_secret_jwt, and its secret."""
    secret = secrets.token_urlsafe(48)
    sealed = SecretBox(server.settings.secret_key).encrypt(secret, purpose="client secret")
    method = {"token_endpoint_auth_method": "client_secret_jwt", "secrets": (ClientSecret(encrypted=sealed),)}
    return server.add_client(**method), secret


@pytest.mark.spec("OpenID Connect Core", "9", "MUST")
@pytest.mark.asvs("10.4.16")
def test_a_client_assertion_is_accepted_once_even_from_fifty_requests_at_the_same_instant(
    busy_server: ServerUnderTest,
) -> None:
    client, secret = make_jwt_client(busy_server)
    claims = {"iss": client.client_id, "sub": client.client_id, "aud": busy_server.issuer, "jti": secrets.token_hex(16)}
    assertion = jwt.encode(claims | {"exp": busy_server.now + 60}, secret, "HS256")
    form = {
        "client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
        "client_assertion": assertion,
        "token": "whatever",
    }
    party = RelyingParty(busy_server, client)
    answers = at_once(CROWD, lambda _: party.post("/introspect", form))
    assert outcomes(answers) == {(200, None): 1, (401, "invalid_client"): CROWD - 1}


def to_consent(client: RelyingParty, browser: Browser, scope: str) -> tuple[Page, dict[str, str], str]:
    params, verifier = client.request(scope=scope)
    page = Page(browser, browser.follow(browser.get("/authorize", params=params)))
    assert page.id == "consent-page"
    return page, params, verifier


@pytest.mark.spec("OpenID Connect Core", "3.1.2.4", "MUST")
def test_twenty_first_consents_in_twenty_tabs_at_the_same_instant_all_reach_the_client(
    busy_server: ServerUnderTest,
) -> None:
    client, user, browser = make_client(busy_server), busy_server.add_user(), Browser(busy_server)
    assert RelyingParty(busy_server, busy_server.add_client(first_party=True)).sign_in(browser, user.username).code
    scopes = ["openid email", "openid profile"]
    tabs = [to_consent(client, browser, scopes[number % 2]) for number in range(20)]

    def allow(index: int) -> requests.Response:
        page, params, verifier = tabs[index]
        return client.redeem(client.callback(browser.follow(page.submit("allow")), params, verifier))

    assert outcomes(at_once(20, allow)) == {(200, None): 20}
    assert busy_server.store.consents.find(user.id, client.client.client_id) >= {"email", "profile"}


@pytest.mark.spec("RFC 9700", "4.5.3", "MUST")
def test_one_consent_given_twenty_times_at_the_same_instant_makes_one_code(busy_server: ServerUnderTest) -> None:
    client, user, browser = make_client(busy_server), busy_server.add_user(), Browser(busy_server)
    assert RelyingParty(busy_server, busy_server.add_client(first_party=True)).sign_in(browser, user.username).code
    page, _, _ = to_consent(client, browser, "openid email")
    ends = at_once(20, lambda _: browser.follow(page.submit("allow")))
    delivered = [end for end in ends if "code=" in end.headers.get("Location", "")]
    assert len(delivered) == 1
    assert {Page(browser, end).id for end in ends if end not in delivered} <= {"expired-page", "error-page"}
    assert {end.status_code for end in ends} <= {303, 400}


def test_twelve_people_who_sign_in_at_the_same_instant_are_never_mixed_up(busy_server: ServerUnderTest) -> None:
    client = RelyingParty(busy_server, busy_server.add_client(first_party=True))
    users = [busy_server.add_user() for _ in range(12)]
    callbacks = at_once(12, lambda index: client.sign_in(Browser(busy_server), users[index].username))
    answers = [client.redeem(callback) for callback in callbacks]
    names = [client.userinfo(answer.json()["access_token"]).json()["sub"] for answer in answers]
    assert names == [user.id for user in users]
