"""Authorization codes at the token endpoint: once, by the right client, for the right request, in time."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from idp.protocol.pkce import s256
from idp.store.grants import GrantStore
from tests.support.idp_server import ServerUnderTest, TimedServer
from tests.support.races import meet_before
from tests.support.scene import Scene, open_scene, refused

OTHER_VERIFIER = "another-verifier-that-is-long-enough-0123456789"


@pytest.fixture(scope="module")
def scene(server: ServerUnderTest) -> Scene:
    return open_scene(server)


@pytest.mark.spec("RFC 6749", "4.1.2", "MUST NOT")
@pytest.mark.spec("RFC 6749", "4.1.2", "SHOULD")
@pytest.mark.asvs("10.4.2")
def test_a_code_used_twice_is_refused_and_its_tokens_die_in_the_same_second(scene: Scene) -> None:
    party = scene.client()
    callback = party.sign_in(scene.browser, scope="openid offline_access")
    tokens = party.redeem(callback).json()
    assert party.userinfo(tokens["access_token"]).status_code == 200
    assert refused(party.redeem(callback)) == (400, "invalid_grant")
    assert refused(party.userinfo(tokens["access_token"])) == (401, "invalid_token")
    assert party.introspect(tokens["access_token"]).json() == {"active": False}
    assert party.introspect(tokens["refresh_token"]).json() == {"active": False}
    assert refused(party.refresh(tokens["refresh_token"])) == (400, "invalid_grant")


@pytest.mark.spec("RFC 6749", "4.1.2", "SHOULD")
@pytest.mark.asvs("10.4.2")
def test_a_replayed_code_kills_what_was_refreshed_from_it_as_well(scene: Scene) -> None:
    party = scene.client()
    callback = party.sign_in(scene.browser, scope="openid offline_access")
    refreshed = party.refresh(party.redeem(callback).json()["refresh_token"]).json()
    party.redeem(callback)
    assert party.userinfo(refreshed["access_token"]).status_code == 401
    assert refused(party.refresh(refreshed["refresh_token"])) == (400, "invalid_grant")


@pytest.mark.spec("RFC 6749", "4.1.2", "MUST NOT")
@pytest.mark.asvs("10.4.2")
def test_a_code_is_redeemed_once_even_by_many_requests_at_the_same_instant(scene: Scene) -> None:
    party = scene.client()
    callback = party.sign_in(scene.browser, scope="openid offline_access")
    with ThreadPoolExecutor(12) as pool:
        answers = list(pool.map(lambda _: party.redeem(callback), range(12)))
    won = [answer for answer in answers if answer.status_code == 200]
    assert len(won) == 1
    assert {refused(answer) for answer in answers if answer not in won} == {(400, "invalid_grant")}
    assert party.userinfo(won[0].json()["access_token"]).status_code == 401


@pytest.mark.spec("RFC 6749", "4.1.2", "MUST NOT")
@pytest.mark.asvs("10.4.2")
def test_of_two_requests_that_both_found_the_code_unused_one_wins_and_its_tokens_die(
    timed: TimedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene = open_scene(timed)
    party = scene.client()
    callback = party.sign_in(scene.browser, scope="openid offline_access")
    meet_before(monkeypatch, GrantStore, "redeem_code", callers=2)
    with ThreadPoolExecutor(2) as pool:
        answers = sorted(pool.map(lambda _: party.redeem(callback), range(2)), key=lambda answer: answer.status_code)
    assert [answer.status_code for answer in answers] == [200, 400]
    tokens = answers[0].json()
    assert party.userinfo(tokens["access_token"]).status_code == 401
    assert refused(party.refresh(tokens["refresh_token"])) == (400, "invalid_grant")


# --- What a code is bound to

NOT_THE_REQUEST = [
    pytest.param({"code_verifier": OTHER_VERIFIER}, "invalid_grant", id="RFC 7636 4.6 another verifier"),
    pytest.param({"code_verifier": None}, "invalid_grant", id="RFC 7636 4.6 no verifier"),
    pytest.param({"code_verifier": "short"}, "invalid_grant", id="RFC 7636 4.1 42 characters or fewer"),
    pytest.param({"code_verifier": "v" * 129}, "invalid_grant", id="RFC 7636 4.1 129 characters"),
    pytest.param({"code_verifier": "é" * 50}, "invalid_grant", id="RFC 7636 4.1 not of the unreserved characters"),
    pytest.param({"redirect_uri": "https://client.example.com/other"}, "invalid_grant", id="another redirect_uri"),
    pytest.param({"redirect_uri": "https://client.example.com/callback/"}, "invalid_grant", id="a slash more"),
    pytest.param({"redirect_uri": "https://CLIENT.example.com/callback"}, "invalid_grant", id="another case"),
    pytest.param({"redirect_uri": None}, "invalid_request", id="no redirect_uri"),
    pytest.param({"resource": "https://unknown.example.com"}, "invalid_target", id="RFC 8707 2.2 another resource"),
]


@pytest.mark.spec("RFC 7636", "4.6", "MUST")
@pytest.mark.spec("RFC 6749", "4.1.3", "MUST")
@pytest.mark.asvs("10.4.6")
@pytest.mark.parametrize(("overrides", "error"), NOT_THE_REQUEST)
def test_a_request_that_does_not_fit_is_refused_and_does_not_burn_the_code(
    scene: Scene, overrides: dict[str, Any], error: str
) -> None:
    party = scene.client(redirect_uris=("https://client.example.com/callback", "https://client.example.com/other"))
    callback = party.sign_in(scene.browser)
    assert refused(party.redeem(callback, **overrides)) == (400, error)
    assert party.redeem(callback).status_code == 200


@pytest.mark.spec("RFC 6749", "4.1.3", "MUST")
@pytest.mark.parametrize("others_are_public", [True, False])
def test_another_client_cannot_redeem_a_code_nor_burn_it(scene: Scene, others_are_public: bool) -> None:
    party, other = scene.client(), scene.client(public=others_are_public)
    callback = party.sign_in(scene.browser)
    assert refused(other.redeem(callback)) == (400, "invalid_grant")
    tokens = party.redeem(callback).json()
    assert refused(other.redeem(callback)) == (400, "invalid_grant")
    assert party.userinfo(tokens["access_token"]).status_code == 200


@pytest.mark.spec("RFC 9700", "4.8.2", "MUST")
@pytest.mark.asvs("10.4.6")
def test_a_verifier_without_a_challenge_before_it_is_refused(scene: Scene) -> None:
    party = scene.client(require_pkce=False)
    callback = party.sign_in(scene.browser, code_challenge=None, code_challenge_method=None)
    assert refused(party.redeem(callback, code_verifier=OTHER_VERIFIER)) == (400, "invalid_grant")
    assert party.redeem(callback).status_code == 200


@pytest.mark.spec("RFC 7636", "4.1", "MUST")
@pytest.mark.parametrize("verifier", ["v" * 43, "A-._~" * 25 + "xyz"], ids=["43 characters", "128 characters"])
def test_verifiers_of_every_permitted_length_are_accepted(scene: Scene, verifier: str) -> None:
    party = scene.client(public=True)
    callback = party.sign_in(scene.browser, code_challenge=s256(verifier))
    assert party.redeem(callback, code_verifier=verifier).status_code == 200


@pytest.mark.spec("RFC 6749", "4.1.3", "REQUIRED")
def test_a_redirect_uri_left_out_before_is_left_out_at_the_token_endpoint_too(scene: Scene) -> None:
    party = scene.client()
    callback = party.sign_in(scene.browser, redirect_uri=None, scope="profile email")
    assert refused(party.redeem(callback, redirect_uri=party.redirect_uri)) == (400, "invalid_grant")
    assert party.redeem(callback).status_code == 200


@pytest.mark.spec("RFC 8252", "7.3", "MUST")
def test_a_loopback_port_chosen_at_run_time_must_come_back_the_same(scene: Scene) -> None:
    party = scene.client(public=True, redirect_uris=("http://127.0.0.1/cb",))
    chosen = "http://127.0.0.1:49152/cb"
    callback = party.sign_in(scene.browser, redirect_uri=chosen, prompt="consent")
    assert refused(party.redeem(callback, redirect_uri="http://127.0.0.1/cb")) == (400, "invalid_grant")
    assert refused(party.redeem(callback, redirect_uri="http://127.0.0.1:49153/cb")) == (400, "invalid_grant")
    assert party.redeem(callback, redirect_uri=chosen).status_code == 200


# --- When a code is not valid any more


@pytest.mark.spec("RFC 6749", "4.1.2", "MUST")
@pytest.mark.asvs("10.4.3")
@pytest.mark.parametrize(("seconds", "status"), [(40, 200), (61, 400)])
def test_a_code_lives_for_a_minute(timed: TimedServer, seconds: int, status: int) -> None:
    scene = open_scene(timed)
    party = scene.client()
    callback = party.sign_in(scene.browser)
    timed.forward(seconds)
    assert party.redeem(callback).status_code == status


@pytest.mark.spec("RFC 6749", "4.1.2", "SHOULD")
@pytest.mark.asvs("10.4.2")
def test_a_code_replayed_after_its_end_still_kills_the_tokens(timed: TimedServer) -> None:
    scene = open_scene(timed)
    party = scene.client()
    callback = party.sign_in(scene.browser)
    tokens = party.redeem(callback).json()
    timed.forward(61)
    assert refused(party.redeem(callback)) == (400, "invalid_grant")
    assert party.userinfo(tokens["access_token"]).status_code == 401


@pytest.mark.asvs("7.4.2")
def test_a_code_of_a_person_disabled_meanwhile_is_worth_nothing(scene: Scene) -> None:
    theirs = open_scene(scene.server)
    party = theirs.client()
    callback = party.sign_in(theirs.browser)
    scene.server.store.users.set_disabled(theirs.user.id, True, now=scene.server.now)
    assert refused(party.redeem(callback)) == (400, "invalid_grant")


def test_a_code_dies_with_the_session_when_the_person_signs_out(scene: Scene) -> None:
    theirs = open_scene(scene.server)
    party = theirs.client()
    callback = party.sign_in(theirs.browser)
    theirs.browser.page(theirs.browser.get("/logout")).submit("logout")
    assert refused(party.redeem(callback)) == (400, "invalid_grant")


# --- Whether a refresh token comes with it


@pytest.mark.spec("OpenID Connect Core", "11", "MUST")
@pytest.mark.parametrize(
    ("changes", "overrides", "expected"),
    [
        pytest.param({}, {"scope": "openid"}, False, id="not asked for"),
        pytest.param({}, {"scope": "openid offline_access"}, True, id="asked for by a first-party client"),
        pytest.param({"first_party": False}, {"scope": "openid offline_access"}, False, id="ignored without consent"),
        pytest.param(
            {"first_party": False}, {"scope": "openid offline_access", "prompt": "consent"}, True, id="with consent"
        ),
        pytest.param({"always_issue_refresh_token": True}, {"scope": "openid"}, True, id="as the client is registered"),
        pytest.param(
            {"grant_types": ("authorization_code",), "always_issue_refresh_token": True},
            {"scope": "openid offline_access"},
            False,
            id="the client may not refresh",
        ),
    ],
)
def test_a_refresh_token_is_issued_on_good_grounds_only(
    scene: Scene, changes: dict[str, Any], overrides: dict[str, str], expected: bool
) -> None:
    tokens = scene.tokens(scene.client(**changes), **overrides)
    assert ("refresh_token" in tokens) is expected
