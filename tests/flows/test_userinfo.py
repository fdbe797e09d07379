"""UserInfo: OpenID Connect Core §5.3, Bearer tokens by RFC 6750, and which tokens it takes."""

import json
from typing import Any

import jwt
import pytest
import requests

from idp.jose.key_directory import KeyDirectory
from idp.protocol.scopes import SCOPE_CLAIMS
from tests.jose.tokens import forge, part
from tests.support.assertions import make_key, shared_key
from tests.support.idp_server import ServerUnderTest, TimedServer
from tests.support.relying_party import TIMEOUT, RelyingParty, claims_of, header_of
from tests.support.scene import ALL_SCOPES, Scene, fetch_jwks, open_scene, refused

FORM = "application/x-www-form-urlencoded"
EVERYTHING = {claim for claims in SCOPE_CLAIMS.values() for claim in claims}


@pytest.fixture(scope="module")
def scene(server: ServerUnderTest) -> Scene:
    return open_scene(server)


@pytest.fixture(scope="module")
def party(scene: Scene) -> RelyingParty:
    return scene.client()


@pytest.fixture(scope="module")
def token(scene: Scene, party: RelyingParty) -> str:
    return str(scene.tokens(party, scope="openid email")["access_token"])


def ask(server: ServerUnderTest, method: str = "GET", query: str = "", **options: Any) -> requests.Response:
    return requests.request(method, server.url("/userinfo") + query, timeout=TIMEOUT, **options)


def bearer(token: str, scheme: str = "Bearer") -> dict[str, str]:
    return {"Authorization": f"{scheme} {token}"}


# --- How a token is sent


@pytest.mark.spec("OpenID Connect Core", "5.3.1", "MUST")
@pytest.mark.spec("RFC 6750", "2.1", "MUST")
def test_a_token_is_taken_from_the_header_by_get_and_post_and_from_a_form(server: ServerUnderTest, token: str) -> None:
    answers = [
        ask(server, headers=bearer(token)),
        ask(server, headers=bearer(token, "bearer")),
        ask(server, "POST", headers=bearer(token)),
        ask(server, "POST", headers={**bearer(token), "Content-Type": "application/json"}, data="{}"),
        ask(server, "POST", data={"access_token": token}),
        ask(server, "POST", headers=bearer(token), data={"other": "x"}),
    ]
    assert {answer.status_code for answer in answers} == {200}
    assert len({answer.text for answer in answers}) == 1


@pytest.mark.spec("RFC 9700", "4.3.2", "MUST NOT")
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_token_in_the_query_counts_for_nothing(server: ServerUnderTest, token: str, method: str) -> None:
    answer = ask(server, method, f"?access_token={token}")
    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"] == "Bearer"


@pytest.mark.spec("RFC 6750", "2", "MUST NOT")
def test_a_token_sent_twice_is_invalid_request(server: ServerUnderTest, token: str) -> None:
    twice = [
        ask(server, "POST", headers=bearer(token), data={"access_token": token}),
        ask(server, "POST", headers={"Content-Type": FORM}, data=f"access_token={token}&access_token={token}"),
    ]
    for answer in twice:
        assert refused(answer) == (400, "invalid_request")
        assert 'error="invalid_request"' in answer.headers["WWW-Authenticate"]


@pytest.mark.spec("RFC 6750", "3.1", "SHOULD NOT")
@pytest.mark.parametrize(
    "options",
    [
        pytest.param({}, id="nothing at all"),
        pytest.param({"headers": {"Authorization": "Bearer"}}, id="a scheme alone"),
        pytest.param({"headers": {"Authorization": "Basic dTpw"}}, id="another scheme"),
        pytest.param({"method": "POST", "data": {"access_token": ""}}, id="an empty parameter"),
        pytest.param({"method": "POST", "json": {"access_token": "x"}}, id="a JSON body"),
    ],
)
def test_without_a_token_the_challenge_names_no_error(server: ServerUnderTest, options: dict[str, Any]) -> None:
    answer = ask(server, **options)
    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"] == "Bearer"
    assert "error" not in answer.text


@pytest.mark.spec("RFC 6750", "3.1", "SHOULD")
@pytest.mark.asvs("9.1.1")
@pytest.mark.parametrize("bad", ["x", "a.b.c", "a b", "é", "." * 50, "x" * 20_000, "null", "Bearer Bearer"])
def test_a_bad_token_is_invalid_token_with_a_challenge(server: ServerUnderTest, bad: str) -> None:
    answer = ask(server, "POST", data={"access_token": bad})
    assert answer.status_code in {400, 401}
    error = answer.json()["error"]
    assert error == ("invalid_token" if answer.status_code == 401 else "invalid_request")
    assert answer.headers["WWW-Authenticate"].startswith(f'Bearer error="{error}"')
    assert answer.headers["Cache-Control"] == "no-store"


# --- Which tokens it takes


@pytest.mark.spec("RFC 9068", "4", "MUST")
@pytest.mark.asvs("9.2.2")
def test_an_id_token_is_no_access_token(scene: Scene, party: RelyingParty) -> None:
    tokens = scene.offline(party)
    assert refused(party.userinfo(tokens["id_token"])) == (401, "invalid_token")
    assert refused(party.userinfo(tokens["refresh_token"])) == (401, "invalid_token")


@pytest.mark.spec("OpenID Connect Core", "3.1.2.1", "MUST")
@pytest.mark.asvs("9.2.2")
def test_an_access_token_is_no_id_token_hint(scene: Scene, party: RelyingParty, token: str) -> None:
    answer = party.sign_in(scene.browser, id_token_hint=token, prompt="none")
    assert answer.error == "invalid_request"
    page = scene.browser.open(f"/logout?id_token_hint={token}")
    assert page.id == "logout-page"


@pytest.mark.spec("RFC 8725", "3.1", "MUST")
@pytest.mark.asvs("9.1.1", "9.1.2", "9.1.3")
@pytest.mark.parametrize("attack", ["none", "HS256 with our public key", "our kid, own key", "own jwk", "no kid"])
def test_a_forged_token_is_refused(server: ServerUnderTest, token: str, attack: str) -> None:
    header, claims = header_of(token), claims_of(token)
    own = make_key("RS256")
    jwk = fetch_jwks(server)[header["kid"]]
    if attack == "none":
        forged = forge({**header, "alg": "none"}, claims)
    elif attack == "HS256 with our public key":
        forged = forge({**header, "alg": "HS256"}, claims, shared_key(json.dumps(jwk)))
    elif attack == "our kid, own key":
        forged = forge(header, claims, own)
    elif attack == "own jwk":
        forged = forge({**header, "kid": "mine", "jwk": own.as_dict(private=False)}, claims, own)
    else:
        forged = forge({"alg": "RS256", "typ": "at+jwt"}, claims, own)
    assert refused(ask(server, headers=bearer(forged))) == (401, "invalid_token")


@pytest.mark.asvs("9.1.1")
def test_a_changed_token_is_refused(server: ServerUnderTest, token: str) -> None:
    header, _, signature = token.split(".")
    richer = part({**claims_of(token), "scope": ALL_SCOPES, "sub": "u_somebody"})
    assert refused(ask(server, headers=bearer(f"{header}.{richer}.{signature}"))) == (401, "invalid_token")


@pytest.mark.spec("RFC 9068", "4", "MUST")
@pytest.mark.asvs("9.1.2")
def test_a_key_of_ours_under_another_algorithm_is_refused(scene: Scene, party: RelyingParty) -> None:
    """The kid of the PS256 key with alg RS256: the key's own record decides, never the header."""
    tokens = scene.tokens(scene.client(id_token_signed_response_alg="PS256"))
    _, claims, signature = tokens["access_token"].split(".")
    other_kid = header_of(tokens["id_token"])["kid"]
    for changes in ({"kid": other_kid}, {"alg": "PS256"}, {"alg": "PS256", "kid": other_kid}):
        forged = part({**header_of(tokens["access_token"]), **changes}) + f".{claims}.{signature}"
        assert refused(party.userinfo(forged)) == (401, "invalid_token")


def sign_with_our_key(server: ServerUnderTest, header: dict[str, Any], claims: dict[str, Any]) -> str:
    """A token with a good RS256 signature by the server's own key, whatever its header and claims say."""
    keys = KeyDirectory(server.settings.keys_dir).list(server.now)
    key = next(key for key in keys if key.alg == "RS256" and key.state(server.now) == "active")
    signing_input = f"{part({'kid': key.kid, **header})}.{part(claims)}"
    return f"{signing_input}.{part(key.algorithm.model.sign(signing_input.encode(), key.material.private))}"


@pytest.mark.spec("RFC 8725", "3.1", "MUST")
@pytest.mark.spec("RFC 9068", "4", "MUST")
@pytest.mark.asvs("9.1.2", "9.2.2")
@pytest.mark.parametrize(
    ("header", "changes", "status"),
    [
        pytest.param({}, {}, 200, id="as it should be"),
        pytest.param({"typ": "application/at+jwt"}, {}, 200, id="9068 4 the long form of typ"),
        pytest.param({"alg": "PS256"}, {}, 401, id="8725 3.1 another alg of the same key type"),
        pytest.param({"alg": "RS512"}, {}, 401, id="8725 3.1 another hash"),
        pytest.param({"alg": "none"}, {}, 401, id="8725 3.2 none"),
        pytest.param({"typ": "JWT"}, {}, 401, id="9068 4 another typ"),
        pytest.param({"typ": None}, {}, 401, id="9068 4 no typ"),
        pytest.param({"crit": ["exp"]}, {}, 401, id="7515 4.1.11 crit"),
        pytest.param({}, {"iss": "https://other.example.com"}, 401, id="9068 4 another issuer"),
        pytest.param({}, {"exp": 1_000_000_000}, 401, id="9068 4 expired"),
        pytest.param({}, {"jti": "no-such-grant.x"}, 401, id="a grant that does not exist"),
    ],
)
def test_a_good_signature_alone_is_not_enough(
    server: ServerUnderTest, token: str, header: dict[str, Any], changes: dict[str, Any], status: int
) -> None:
    made = sign_with_our_key(server, {"alg": "RS256", "typ": "at+jwt"} | header, claims_of(token) | changes)
    assert ask(server, headers=bearer(made)).status_code == status


@pytest.mark.spec("RFC 6750", "3.1", "SHOULD")
def test_a_token_without_openid_is_insufficient_scope(scene: Scene, party: RelyingParty) -> None:
    answer = party.userinfo(scene.tokens(party, scope="email")["access_token"])
    assert refused(answer) == (403, "insufficient_scope")
    assert 'scope="openid"' in answer.headers["WWW-Authenticate"]


@pytest.mark.asvs("9.2.1")
def test_a_token_is_dead_at_the_second_it_expires(timed: TimedServer) -> None:
    scene = open_scene(timed)
    party, short = scene.client(), scene.client(access_token_lifetime=60)
    tokens, sooner = scene.tokens(party), scene.tokens(short)
    assert (tokens["expires_in"], sooner["expires_in"]) == (900, 60)
    timed.forward(60)
    assert refused(short.userinfo(sooner["access_token"])) == (401, "invalid_token")
    timed.forward(780)
    assert party.userinfo(tokens["access_token"]).status_code == 200
    timed.forward(60)
    assert refused(party.userinfo(tokens["access_token"])) == (401, "invalid_token")


# --- What it says


@pytest.mark.spec("OpenID Connect Core", "5.4", "MUST")
@pytest.mark.parametrize("scope", ["openid", *(f"openid {name}" for name in ("profile", "email", "address", "phone"))])
def test_each_scope_gives_its_claims_and_no_others(scene: Scene, party: RelyingParty, scope: str) -> None:
    answer = party.userinfo(scene.tokens(party, scope=scope)["access_token"]).json()
    assert set(answer) == {claim for name in scope.split() for claim in SCOPE_CLAIMS[name]}
    assert answer["sub"] == scene.user.id


@pytest.mark.spec("OpenID Connect Core", "5.1", "MUST")
def test_claims_have_the_types_of_the_specification(scene: Scene, party: RelyingParty) -> None:
    answer = party.userinfo(scene.tokens(party, scope=ALL_SCOPES)["access_token"])
    claims = answer.json()
    assert set(claims) == EVERYTHING
    assert claims["email_verified"] is True
    assert claims["phone_number_verified"] is True
    assert type(claims["updated_at"]) is int
    assert isinstance(claims["address"], dict)
    assert claims["roles"] == ["reader", "Admin"]
    assert all(isinstance(value, str) for name, value in claims["address"].items())
    assert answer.headers["Content-Type"] == "application/json"
    assert answer.headers["Cache-Control"] == "no-store"


@pytest.mark.spec("OpenID Connect Core", "5.3.2", "SHOULD")
def test_absent_values_are_left_out_and_false_is_not_absent(server: ServerUnderTest) -> None:
    profile = {"name": "Bob", "nickname": "", "website": None, "address": {}}
    scene = open_scene(
        server, phone_number=None, phone_number_verified=False, email_verified=False, profile=profile, roles=()
    )
    party = scene.client()
    claims = party.userinfo(scene.tokens(party, scope=ALL_SCOPES)["access_token"]).json()
    assert set(claims) == {"sub", "name", "preferred_username", "updated_at", "email", "email_verified"}
    assert claims["email_verified"] is False


@pytest.mark.spec("OpenID Connect Core", "5.5", "MUST")
def test_claims_asked_for_by_name_come_without_their_scope(scene: Scene, party: RelyingParty) -> None:
    wish = {
        "userinfo": {"given_name": None, "phone_number": {"essential": True}, "unheard_of": None},
        "id_token": {"email": None},
    }
    tokens = scene.tokens(party, scope="openid", claims=json.dumps(wish))
    assert set(party.userinfo(tokens["access_token"]).json()) == {"sub", "given_name", "phone_number"}
    id_token = claims_of(tokens["id_token"])
    assert id_token["email"] == scene.user.email
    assert "given_name" not in id_token


def test_the_claims_are_those_of_now_and_not_of_the_sign_in(server: ServerUnderTest) -> None:
    scene = open_scene(server)
    party = scene.client()
    token = scene.tokens(party, scope="openid profile")["access_token"]
    server.store.users.set_roles(scene.user.id, ("auditor",), now=server.now)
    assert party.userinfo(token).json()["roles"] == ["auditor"]


@pytest.mark.spec("OpenID Connect Core", "8", "MUST")
@pytest.mark.asvs("10.3.3")
def test_sub_is_the_same_everywhere_for_every_client(scene: Scene) -> None:
    subjects = set()
    for public in (True, False):
        party = scene.client(public=public)
        tokens = scene.tokens(party)
        subjects |= {claims_of(tokens["id_token"])["sub"], claims_of(tokens["access_token"])["sub"]}
        subjects.add(party.userinfo(tokens["access_token"]).json()["sub"])
        if not public:
            subjects.add(party.introspect(tokens["access_token"]).json()["sub"])
    assert subjects == {scene.user.id}


@pytest.mark.spec("OpenID Connect Core", "5.3.2", "MUST")
@pytest.mark.parametrize("alg", ["RS256", "PS256", "ES256", "EdDSA"])
def test_a_client_registered_for_it_gets_a_signed_answer(scene: Scene, alg: str) -> None:
    party = scene.client(userinfo_signed_response_alg=alg)
    answer = party.userinfo(scene.tokens(party, scope="openid email")["access_token"])
    assert answer.headers["Content-Type"] == "application/jwt"
    assert answer.headers["Cache-Control"] == "no-store"
    header = jwt.get_unverified_header(answer.text)
    key = jwt.PyJWK(fetch_jwks(scene.server)[header["kid"]], algorithm=alg).key
    claims = jwt.decode(answer.text, key, algorithms=[alg], audience=party.client.client_id, issuer=scene.server.issuer)
    assert set(claims) == {"iss", "aud", "sub", "email", "email_verified"}


@pytest.mark.asvs("9.2.2")
def test_a_signed_answer_is_no_token(scene: Scene) -> None:
    party = scene.client(userinfo_signed_response_alg="RS256")
    signed = party.userinfo(scene.tokens(party, scope="openid email")["access_token"]).text
    assert refused(party.userinfo(signed)) == (401, "invalid_token")
    assert party.introspect(signed).json() == {"active": False}
    assert party.sign_in(scene.browser, id_token_hint=signed, prompt="none").error == "invalid_request"


def test_other_methods_are_refused(server: ServerUnderTest, token: str) -> None:
    for method in ("PUT", "DELETE", "PATCH"):
        assert refused(ask(server, method, headers=bearer(token))) == (405, "invalid_request")
