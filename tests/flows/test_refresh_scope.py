"""What a refreshed token may do, and what ends a family of refresh tokens: scopes, lifetimes, people, clients."""

import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from idp.protocol.scopes import Api
from tests.support.idp_server import ServerUnderTest, TimedServer, timed_server
from tests.support.relying_party import Browser, RelyingParty, claims_of
from tests.support.scene import Scene, open_scene, refused

DEAD = (400, "invalid_grant")
DAY = 86_400
ORDERS, STOCK = "https://orders.example.com", "https://stock.example.com"
API_SCOPES = ("openid", "email", "offline_access", "orders:read", "orders:write", "stock:read")


@pytest.fixture(scope="module")
def scene(server: ServerUnderTest) -> Scene:
    return open_scene(server)


@pytest.fixture(scope="module")
def with_apis(tmp_path_factory: pytest.TempPathFactory, signing_keys: Path) -> Iterator[Scene]:
    with timed_server(tmp_path_factory.mktemp("apis"), keys_from=signing_keys) as timed:
        timed.store.apis.save(Api(ORDERS, "Orders", {"orders:read": "r", "orders:write": "w"}), now=timed.now)
        timed.store.apis.save(Api(STOCK, "Stock", {"stock:read": "r"}), now=timed.now)
        yield open_scene(timed)


# --- Scope


@pytest.mark.spec("RFC 6749", "6", "MUST NOT")
def test_a_narrower_scope_holds_for_this_token_and_not_for_the_grant(scene: Scene) -> None:
    party = scene.client()
    tokens = scene.tokens(party, scope="openid profile email offline_access")
    narrow = party.refresh(tokens["refresh_token"], scope="openid email").json()
    assert narrow["scope"] == claims_of(narrow["access_token"])["scope"] == "openid email"
    assert set(party.userinfo(narrow["access_token"]).json()) == {"sub", "email", "email_verified"}
    wide = party.refresh(narrow["refresh_token"]).json()
    assert wide["scope"] == "openid profile email offline_access"
    assert "name" in party.userinfo(wide["access_token"]).json()


@pytest.mark.spec("RFC 6749", "6", "MUST NOT")
@pytest.mark.parametrize("wider", ["openid profile", "openid unheard-of", "profile", "openid profile email", "OPENID"])
def test_a_wider_scope_is_refused_and_the_token_stays_good(scene: Scene, wider: str) -> None:
    party = scene.client()
    token = scene.tokens(party, scope="openid email offline_access")["refresh_token"]
    assert refused(party.refresh(token, scope=wider)) == (400, "invalid_scope")
    assert party.refresh(token).status_code == 200


def test_without_openid_there_is_no_id_token(scene: Scene) -> None:
    party = scene.client()
    token = scene.tokens(party, scope="openid email offline_access")["refresh_token"]
    narrow = party.refresh(token, scope="email").json()
    assert "id_token" not in narrow
    assert refused(party.userinfo(narrow["access_token"])) == (403, "insufficient_scope")


@pytest.mark.spec("RFC 8707", "2.2", "MUST")
@pytest.mark.asvs("9.2.4")
def test_a_refresh_may_choose_one_api_and_gets_only_its_scopes(with_apis: Scene) -> None:
    party = with_apis.client(scope=API_SCOPES, audience=(ORDERS, STOCK))
    tokens = with_apis.tokens(party, scope="openid offline_access orders:read stock:read")
    assert set(claims_of(tokens["access_token"])["aud"]) == {ORDERS, STOCK, with_apis.server.issuer}
    orders = party.refresh(tokens["refresh_token"], resource=ORDERS).json()
    assert claims_of(orders["access_token"])["aud"] == [ORDERS, with_apis.server.issuer]
    assert orders["scope"] == "openid offline_access orders:read"
    stock = party.refresh(orders["refresh_token"], resource=STOCK, scope="stock:read").json()
    assert claims_of(stock["access_token"])["aud"] == STOCK
    assert stock["scope"] == "stock:read"


@pytest.mark.spec("RFC 8707", "2.2", "MUST")
def test_a_refresh_for_an_api_that_was_not_granted_is_invalid_target(with_apis: Scene) -> None:
    party = with_apis.client(scope=API_SCOPES, audience=(ORDERS,))
    token = with_apis.tokens(party, scope="openid offline_access orders:read")["refresh_token"]
    assert refused(party.refresh(token, resource=STOCK)) == (400, "invalid_target")
    assert party.refresh(token).status_code == 200


@pytest.mark.spec("RFC 6749", "5.1", "MUST")
def test_scopes_and_api_that_have_nothing_in_common_are_refused(with_apis: Scene) -> None:
    party = with_apis.client(scope=API_SCOPES, audience=(ORDERS, STOCK))
    token = with_apis.tokens(party, scope="openid offline_access orders:read stock:read")["refresh_token"]
    assert refused(party.refresh(token, resource=ORDERS, scope="stock:read")) == (400, "invalid_scope")


# --- Time


@pytest.mark.spec("RFC 9700", "4.14.2", "SHOULD")
@pytest.mark.parametrize("public", [True, False])
def test_a_token_not_used_for_two_weeks_ends(timed: TimedServer, public: bool) -> None:
    scene = open_scene(timed)
    party = scene.client(public=public, rotate_refresh_tokens=False)
    token = scene.offline(party)["refresh_token"]
    timed.forward(14 * DAY - 60)
    token = party.refresh(token).json()["refresh_token"]
    timed.forward(14 * DAY + 1)
    assert refused(party.refresh(token)) == DEAD


@pytest.mark.asvs("10.4.8")
@pytest.mark.parametrize("public", [True, False])
def test_a_family_ends_thirty_days_after_sign_in_whatever_its_use(timed: TimedServer, public: bool) -> None:
    scene = open_scene(timed)
    party = scene.client(public=public, rotate_refresh_tokens=False)
    token = scene.offline(party)["refresh_token"]
    for _ in range(3):
        timed.forward(10 * DAY - 20)
        token = party.refresh(token).json()["refresh_token"]
    timed.forward(61)
    assert refused(party.refresh(token)) == DEAD


@pytest.mark.asvs("10.4.8")
def test_a_client_may_have_lifetimes_of_its_own(timed: TimedServer) -> None:
    scene = open_scene(timed)
    party = scene.client(public=True, refresh_token_lifetime=1000, refresh_token_idle_lifetime=400)
    idle = scene.offline(party)["refresh_token"]
    used = scene.offline(party)["refresh_token"]
    timed.forward(390)
    used = party.refresh(used).json()["refresh_token"]
    timed.forward(20)
    assert refused(party.refresh(idle)) == DEAD
    timed.forward(300)
    used = party.refresh(used).json()["refresh_token"]
    timed.forward(280)
    used = party.refresh(used).json()["refresh_token"]
    timed.forward(20)
    assert refused(party.refresh(used)) == DEAD


@pytest.mark.asvs("10.4.8")
def test_the_absolute_end_caps_a_longer_idle_lifetime(timed: TimedServer) -> None:
    scene = open_scene(timed)
    party = scene.client(public=True, refresh_token_lifetime=100, refresh_token_idle_lifetime=10_000)
    token = scene.offline(party)["refresh_token"]
    timed.forward(101)
    assert refused(party.refresh(token)) == DEAD


@pytest.mark.spec("OpenID Connect Core", "12.2", "MUST")
@pytest.mark.parametrize("sent", ["a-nonce", None])
def test_the_id_token_of_a_refresh_keeps_who_when_and_for_whom(timed: TimedServer, sent: str | None) -> None:
    scene = open_scene(timed)
    party = scene.client()
    first = scene.offline(party, nonce=sent)
    timed.forward(1000)
    second = party.refresh(first["refresh_token"]).json()
    before, after = claims_of(first["id_token"]), claims_of(second["id_token"])
    for claim in ("iss", "sub", "aud", "auth_time", "azp", "sid", "acr", "amr"):
        assert after[claim] == before[claim]
    assert after.get("nonce") == before.get("nonce") == sent
    assert after["iat"] >= before["iat"] + 1000
    assert after["exp"] == after["iat"] + 900
    assert claims_of(second["access_token"])["auth_time"] == before["auth_time"]


def test_roles_and_claims_of_a_refreshed_token_are_those_of_now(scene: Scene) -> None:
    party = scene.client()
    tokens = scene.offline(party)
    scene.server.store.users.set_roles(scene.user.id, ("auditor",), now=scene.server.now)
    assert claims_of(party.refresh(tokens["refresh_token"]).json()["access_token"])["roles"] == ["auditor"]


# --- What ends it


@pytest.mark.asvs("7.4.2")
def test_a_disabled_person_has_no_working_token_until_enabled_again(server: ServerUnderTest) -> None:
    scene = open_scene(server)
    party = scene.client()
    tokens = scene.offline(party)
    server.store.users.set_disabled(scene.user.id, True, now=server.now)
    assert refused(party.refresh(tokens["refresh_token"])) == DEAD
    assert refused(party.userinfo(tokens["access_token"])) == (401, "invalid_token")
    assert party.introspect(tokens["access_token"]).json() == {"active": False}
    assert party.introspect(tokens["refresh_token"]).json() == {"active": False}
    assert party.sign_in(scene.browser, prompt="none").error == "login_required"


@pytest.mark.asvs("7.4.2")
def test_a_removed_person_has_no_working_token(server: ServerUnderTest) -> None:
    scene = open_scene(server)
    party = scene.client()
    tokens = scene.offline(party)
    assert server.store.removal.remove(scene.user.id)
    assert refused(party.refresh(tokens["refresh_token"])) == DEAD
    assert refused(party.userinfo(tokens["access_token"])) == (401, "invalid_token")


def test_signing_a_person_out_everywhere_ends_sessions_and_tokens(server: ServerUnderTest) -> None:
    scene = open_scene(server)
    party = scene.client()
    tokens = scene.offline(party)
    server.store.users.sign_out_everywhere(scene.user.id, now=server.now, why="password changed")
    assert refused(party.refresh(tokens["refresh_token"])) == DEAD
    assert refused(party.userinfo(tokens["access_token"])) == (401, "invalid_token")
    assert party.sign_in(scene.browser, prompt="none").error == "login_required"


def test_a_withdrawn_consent_ends_this_clients_tokens_and_nobody_elses(scene: Scene) -> None:
    party, other = scene.client(first_party=False), scene.client()
    tokens = scene.offline(party, prompt="consent")
    others = scene.offline(other)
    assert scene.server.store.consents.revoke(scene.user.id, party.client.client_id, now=scene.server.now)
    assert refused(party.refresh(tokens["refresh_token"])) == DEAD
    assert refused(party.userinfo(tokens["access_token"])) == (401, "invalid_token")
    assert other.refresh(others["refresh_token"]).status_code == 200


def test_a_removed_client_has_no_working_token(scene: Scene) -> None:
    party = scene.client()
    tokens = scene.offline(party)
    assert scene.server.store.clients.remove(party.client.client_id, now=scene.server.now)
    assert refused(party.userinfo(tokens["access_token"])) == (401, "invalid_token")
    answer = party.refresh(tokens["refresh_token"])
    assert refused(answer) in (DEAD, (401, "invalid_client"))


def test_a_disabled_client_cannot_refresh_and_its_access_tokens_rest(timed: TimedServer) -> None:
    scene = open_scene(timed)
    party = scene.client()
    api = scene.client(serves=(timed.issuer,))
    tokens = scene.offline(party)
    assert api.introspect(tokens["access_token"]).json()["active"] is True
    timed.store.clients.save(replace(party.client.metadata, disabled=True), now=timed.now)
    wait_for_client_caches()
    assert refused(party.refresh(tokens["refresh_token"])) == (401, "invalid_client")
    assert refused(party.userinfo(tokens["access_token"])) == (401, "invalid_token")
    assert api.introspect(tokens["access_token"]).json() == {"active": False}


def wait_for_client_caches() -> None:
    """A process reads a client at most once a second."""
    time.sleep(1.1)


# --- Sign-out


@pytest.mark.spec("OpenID Connect Back-Channel Logout", "2.7", "SHOULD")
@pytest.mark.asvs("7.4.1")
def test_sign_out_ends_what_the_session_gave_except_other_clients_offline_access(server: ServerUnderTest) -> None:
    scene = open_scene(server)
    leaving, other = scene.client(), scene.client(always_issue_refresh_token=True)
    mine = scene.offline(leaving)
    theirs_online = scene.tokens(other, scope="openid")
    theirs_offline = scene.offline(other)
    sign_out(scene, leaving, mine)
    for party, tokens in ((leaving, mine), (other, theirs_online)):
        assert refused(party.refresh(tokens["refresh_token"])) == DEAD
        assert refused(party.userinfo(tokens["access_token"])) == (401, "invalid_token")
    assert other.refresh(theirs_offline["refresh_token"]).status_code == 200
    assert other.userinfo(theirs_offline["access_token"]).status_code == 200


def test_sign_out_in_one_browser_leaves_another_one_alone(server: ServerUnderTest) -> None:
    scene = open_scene(server)
    party, elsewhere = scene.client(always_issue_refresh_token=True), Browser(server)
    here = scene.tokens(party)
    there = party.tokens(elsewhere, scene.user.username)
    sign_out(scene, party, here)
    assert refused(party.refresh(here["refresh_token"])) == DEAD
    assert party.refresh(there["refresh_token"]).status_code == 200
    assert "code" in party.sign_in(elsewhere, prompt="none").params


def sign_out(scene: Scene, party: RelyingParty, tokens: dict[str, str]) -> None:
    answer = scene.browser.get("/logout", params={"id_token_hint": tokens["id_token"]})
    assert answer.status_code == 200
    assert scene.browser.page(answer).id == "logged-out-page"
