"""The client credentials grant: RFC 6749 §4.4. A service in its own name, for an API, and never for a person."""

import time
from typing import Any

import pytest

from idp.audit import Event
from idp.store.tables import audit_events, grants
from tests.support.idp_server import ServerUnderTest
from tests.support.relying_party import RelyingParty, claims_of, header_of
from tests.support.scene import ALL_SCOPES, Scene, open_scene, refused, verified

JOBS = "https://jobs.example.com"
GRANT = {"grant_type": "client_credentials"}


@pytest.fixture(scope="module")
def scene(server: ServerUnderTest) -> Scene:
    return open_scene(server)


def service(scene: Scene, **changes: Any) -> RelyingParty:
    """A client as `--for service` registers it; its scope belongs to no API, so that discovery stays as it is."""
    settings = {"grant_types": ("client_credentials",), "scope": ("jobs.run", "jobs.read"), "audience": (JOBS,)}
    client = scene.server.add_client(**(settings | {"redirect_uris": (), "post_logout_redirect_uris": ()} | changes))
    return RelyingParty(scene.server, client, redirect_uri="https://client.example.com/callback")


def token_of(party: RelyingParty, **form: Any) -> dict[str, Any]:
    answer = party.post("/token", GRANT | form)
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


@pytest.fixture(scope="module")
def jobs(scene: Scene) -> RelyingParty:
    return service(scene)


# --- What it gets


@pytest.mark.spec("RFC 6749", "4.4.3", "SHOULD NOT")
def test_a_service_gets_an_access_token_and_nothing_else(jobs: RelyingParty) -> None:
    answer = token_of(jobs)
    assert set(answer) == {"access_token", "token_type", "expires_in", "scope"}
    assert (answer["token_type"], answer["expires_in"], answer["scope"]) == ("Bearer", 900, "jobs.run jobs.read")


@pytest.mark.spec("RFC 9068", "2.2", "MUST")
@pytest.mark.spec("RFC 9068", "2.2.1", "MAY")
def test_the_token_is_about_the_client_and_about_no_person(jobs: RelyingParty) -> None:
    token = token_of(jobs)["access_token"]
    claims = verified(jobs.server, token, audience=JOBS)
    assert set(claims) == {"iss", "sub", "aud", "exp", "iat", "jti", "client_id", "scope"}
    assert claims["sub"] == claims["client_id"] == jobs.client.client_id
    assert claims["exp"] - claims["iat"] == 900
    assert header_of(token)["typ"] == "at+jwt"


def test_each_token_has_an_id_and_a_lifetime_of_its_own(scene: Scene) -> None:
    party = service(scene, access_token_lifetime=60)
    first, second = (claims_of(token_of(party)["access_token"]) for _ in range(2))
    assert first["jti"] != second["jti"]
    assert first["exp"] - first["iat"] == 60


@pytest.mark.parametrize("method", ["client_secret_basic", "client_secret_post"])
def test_it_works_by_every_way_to_send_a_secret(scene: Scene, method: str) -> None:
    assert token_of(service(scene, token_endpoint_auth_method=method))["scope"] == "jobs.run jobs.read"


def test_nothing_is_kept_of_a_token_but_one_line_for_the_auditor(scene: Scene) -> None:
    party, database = service(scene), scene.server.store.database
    for order in ("jobs.run jobs.read", "jobs.read jobs.run", "jobs.run jobs.read jobs.run"):
        token_of(party, scope=order)
    with database.reading() as connection:
        assert not connection.execute(grants.select().where(grants.c.client_id == party.client.client_id)).all()
        mine = audit_events.select().where(audit_events.c.client_id == party.client.client_id)
        [event] = connection.execute(mine).all()
    assert (event.event, event.user_id) == (Event.CLIENT_SIGNED_IN.value, None)
    assert JOBS in str(event.detail)


# --- Scope and resource


@pytest.mark.spec("RFC 6749", "4.4.2", "OPTIONAL")
def test_it_may_ask_for_less(jobs: RelyingParty) -> None:
    assert token_of(jobs, scope="jobs.read")["scope"] == "jobs.read"


@pytest.mark.spec("RFC 6749", "5.1", "REQUIRED")
def test_a_scope_that_it_may_not_have_is_left_out_and_the_answer_says_so(jobs: RelyingParty) -> None:
    assert token_of(jobs, scope="jobs.read jobs.delete")["scope"] == "jobs.read"
    assert refused(jobs.post("/token", GRANT | {"scope": "jobs.delete"})) == (400, "invalid_scope")


@pytest.mark.parametrize("word", ALL_SCOPES.split())
def test_a_scope_about_people_is_never_granted_even_when_registered(scene: Scene, word: str) -> None:
    party = service(scene, scope=("jobs.read", *ALL_SCOPES.split()))
    answer = token_of(party, scope=f"jobs.read {word}")
    assert (answer["scope"], "id_token" in answer, "refresh_token" in answer) == ("jobs.read", False, False)
    refusal = party.post("/token", GRANT | {"scope": word})
    assert refused(refusal) == (400, "invalid_scope")
    assert "people" in refusal.json()["error_description"]


def test_without_any_scope_of_an_api_there_is_no_token(scene: Scene) -> None:
    assert refused(service(scene, scope=()).post("/token", GRANT)) == (400, "invalid_scope")
    assert refused(service(scene, scope=("openid",)).post("/token", GRANT)) == (400, "invalid_scope")


@pytest.mark.spec("RFC 8707", "2", "MUST")
def test_a_token_for_no_api_is_refused_with_what_to_change(scene: Scene) -> None:
    answer = service(scene, audience=()).post("/token", GRANT)
    assert refused(answer) == (400, "invalid_target")
    assert answer.json()["error_description"].endswith("send resource, or register the client with one.")


@pytest.mark.spec("RFC 8707", "2", "SHOULD")
def test_resource_chooses_among_its_apis_and_no_others(scene: Scene) -> None:
    other = "https://reports.example.com"
    party = service(scene, audience=(JOBS, other))
    assert claims_of(token_of(party)["access_token"])["aud"] == [JOBS, other]
    assert claims_of(token_of(party, resource=other)["access_token"])["aud"] == other
    for foreign in ("https://foreign.example.com", party.server.issuer):
        answer = party.post("/token", GRANT | {"resource": [JOBS, foreign]})
        assert refused(answer) == (400, "invalid_target")


# --- Who may


@pytest.mark.spec("RFC 6749", "4.4", "MUST")
@pytest.mark.asvs("10.4.4")
def test_only_a_client_that_is_registered_for_it_may(scene: Scene) -> None:
    party = service(scene, grant_types=("authorization_code", "refresh_token"))
    assert refused(party.post("/token", GRANT)) == (400, "unauthorized_client")


@pytest.mark.spec("RFC 6749", "4.4", "MUST")
@pytest.mark.spec("RFC 6749", "2.1", "MUST")
def test_a_public_client_may_not_even_if_it_were_registered(scene: Scene) -> None:
    assert refused(service(scene, public=True).post("/token", GRANT)) == (400, "unauthorized_client")


@pytest.mark.spec("RFC 6749", "4.4.2", "MUST")
def test_a_client_that_does_not_prove_itself_gets_nothing(scene: Scene, jobs: RelyingParty) -> None:
    mine = jobs.client.client_id
    assert refused(jobs.post("/token", GRANT | {"client_id": mine})) == (401, "invalid_client")
    wrong = jobs.post("/token", GRANT, auth=(mine, "wrong"))
    assert refused(wrong) == (401, "invalid_client")
    disabled = service(scene, disabled=True)
    assert refused(disabled.post("/token", GRANT)) == (401, "invalid_client")


def test_it_cannot_sign_a_person_in(scene: Scene) -> None:
    party = service(scene, redirect_uris=("https://client.example.com/callback",))
    assert party.sign_in(scene.browser).error == "unauthorized_client"


# --- What the token is good for


@pytest.mark.spec("OpenID Connect Core", "5.3.1", "MUST")
def test_userinfo_has_nothing_to_say_about_it(jobs: RelyingParty) -> None:
    answer = jobs.userinfo(token_of(jobs)["access_token"])
    assert answer.status_code == 403
    assert 'error="insufficient_scope"' in answer.headers["WWW-Authenticate"]


@pytest.mark.spec("RFC 7662", "2.2", "OPTIONAL")
def test_introspection_knows_it_for_its_client_and_its_api_alone(scene: Scene, jobs: RelyingParty) -> None:
    token = token_of(jobs)["access_token"]
    known = {"active": True, "token_type": "Bearer"} | claims_of(token)
    api = scene.client(serves=(JOBS,))
    for party in (jobs, api):
        assert party.introspect(token).json() == known
    assert scene.client().introspect(token).json() == {"active": False}


@pytest.mark.spec("RFC 7009", "2.1", "MUST")
def test_its_client_can_revoke_it_and_nobody_else(scene: Scene, jobs: RelyingParty) -> None:
    token, kept = token_of(jobs)["access_token"], token_of(jobs)["access_token"]
    assert service(scene).revoke(token).status_code == 200
    assert jobs.introspect(token).json()["active"] is True
    for _ in range(2):
        assert jobs.revoke(token).status_code == 200
    assert jobs.introspect(token).json() == {"active": False}
    assert jobs.userinfo(token).status_code == 401
    assert jobs.introspect(kept).json()["active"] is True


def test_it_is_not_active_any_more_once_its_client_is_gone(scene: Scene) -> None:
    party, api = service(scene), scene.client(serves=(JOBS,))
    token = token_of(party)["access_token"]
    assert api.introspect(token).json()["active"] is True
    scene.server.store.clients.remove(party.client.client_id, now=scene.server.now)
    deadline = time.monotonic() + 30
    while api.introspect(token).json()["active"]:  # a worker may remember the client for a second
        assert time.monotonic() < deadline


@pytest.mark.spec("RFC 9068", "5", "MUST")
def test_no_client_can_be_taken_for_a_person(scene: Scene, jobs: RelyingParty) -> None:
    person = claims_of(scene.tokens(scene.client())["access_token"])["sub"]
    assert person.startswith("u_")
    assert not claims_of(token_of(jobs)["access_token"])["sub"].startswith("u_")


def test_its_secret_and_token_stay_out_of_the_log(jobs: RelyingParty) -> None:
    token = token_of(jobs)["access_token"]
    log = jobs.server.log_text()
    assert token not in log
    assert str(jobs.client.secret) not in log
