"""Discovery tells the truth: every value in the document is tried, at the root and for an issuer with a path."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urljoin

import jwt
import pytest
import requests
from authlib.oauth2.rfc8414 import AuthorizationServerMetadata
from authlib.oidc.discovery import OpenIDProviderMetadata

from idp.jose.encryption import SecretBox
from idp.protocol.client import ClientSecret
from idp.protocol.scopes import Api
from tests.support.accounts import PASSWORD
from tests.support.assertions import assertion, assertion_form, make_key, public_jwk, shared_key
from tests.support.factors import answer_factor, with_app
from tests.support.idp_server import RegisteredClient, ServerUnderTest, TimedServer, running_server
from tests.support.machine import find_free_port
from tests.support.relying_party import TIMEOUT, Browser, Page, RelyingParty, claims_of, header_of
from tests.support.scene import ALL_SCOPES, Scene, fetch_jwks, open_scene, refused, verified

SPEC = "OpenID Connect Discovery"
OPENID = "/.well-known/openid-configuration"
OAUTH = "/.well-known/oauth-authorization-server"
ENDPOINTS = ("authorization", "token", "userinfo", "introspection", "revocation", "end_session")
SECRET = "a-shared-secret-of-some-length-0123456789"


@pytest.fixture(scope="module")
def scene(server: ServerUnderTest) -> Scene:
    return open_scene(server)


@pytest.fixture(scope="module")
def document(server: ServerUnderTest) -> dict[str, Any]:
    return fetch(server.url(OPENID)).json()  # type: ignore[no-any-return]


def fetch(url: str, **options: Any) -> requests.Response:
    return requests.get(url, timeout=TIMEOUT, allow_redirects=False, **options)


# --- The document


@pytest.mark.spec(SPEC, "4.2", "MUST")
@pytest.mark.spec("RFC 8414", "3.2", "MUST")
def test_both_addresses_answer_the_same_json(server: ServerUnderTest, document: dict[str, Any]) -> None:
    for path in (OPENID, OAUTH):
        answer = fetch(server.url(path))
        assert answer.status_code == 200
        assert answer.headers["Content-Type"] == "application/json"
        assert answer.json() == document


@pytest.mark.spec(SPEC, "4.3", "MUST")
@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "attacker.example.com"])
def test_the_issuer_is_the_configured_one_to_the_byte_whatever_the_host_header(
    server: ServerUnderTest, document: dict[str, Any], host: str
) -> None:
    headers = {"Host": host, "X-Forwarded-Host": host, "X-Forwarded-Proto": "https", "Forwarded": f"host={host}"}
    assert fetch(server.url(OPENID), headers=headers).json() == document
    assert document["issuer"] == server.issuer


@pytest.mark.spec(SPEC, "3", "REQUIRED")
@pytest.mark.spec("RFC 8414", "2", "REQUIRED")
def test_a_neutral_validator_finds_nothing_wrong(document: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AUTHLIB_INSECURE_TRANSPORT", "1")  # the server under test speaks plain http on loopback
    OpenIDProviderMetadata(document).validate()
    AuthorizationServerMetadata(document).validate()


@pytest.mark.spec(SPEC, "3", "OPTIONAL")
def test_what_has_another_default_is_said(document: dict[str, Any]) -> None:
    assert document["request_parameter_supported"] is False
    assert document["request_uri_parameter_supported"] is False
    assert document["claims_parameter_supported"] is True
    assert document["authorization_response_iss_parameter_supported"] is True
    assert document["code_challenge_methods_supported"] == ["S256"]
    assert document["subject_types_supported"] == ["public"]
    assert not [name for name, value in document.items() if value is None or value == []]


def test_the_document_may_be_cached_and_checked_again(server: ServerUnderTest) -> None:
    first = fetch(server.url(OPENID))
    assert "max-age=" in first.headers["Cache-Control"]
    again = fetch(server.url(OPENID), headers={"If-None-Match": first.headers["ETag"]})
    assert (again.status_code, again.content) == (304, b"")


# --- Every value of it works


def test_every_endpoint_is_there(document: dict[str, Any]) -> None:
    endpoints = {name: url for name, url in document.items() if name.endswith(("_endpoint", "_uri"))}
    assert set(endpoints) == {"jwks_uri"} | {f"{name}_endpoint" for name in ENDPOINTS}
    for name, url in endpoints.items():
        assert url.startswith(document["issuer"] + "/"), name
        assert fetch(url).status_code not in {404, 500}, name


@pytest.mark.parametrize("endpoint", ["token", "introspection", "revocation"])
def test_every_listed_authentication_method_and_algorithm_works(
    server: ServerUnderTest, document: dict[str, Any], endpoint: str
) -> None:
    methods = document[f"{endpoint}_endpoint_auth_methods_supported"]
    algs = document[f"{endpoint}_endpoint_auth_signing_alg_values_supported"]
    assert "none" not in algs
    form = {"grant_type": "refresh_token", "refresh_token": "x", "token": "x"}
    for method in methods:
        fitting = [alg for alg in algs if alg.startswith("HS") == (method == "client_secret_jwt")]
        for alg in fitting if method.endswith("_jwt") else [None]:
            options = authentication(server, method, alg)
            answer = requests.post(
                document[f"{endpoint}_endpoint"], data=form | options.pop("data"), timeout=TIMEOUT, **options
            )
            assert refused(answer) in ((200, None), (400, "invalid_grant")), (method, alg)


def authentication(server: ServerUnderTest, method: str, alg: str | None) -> dict[str, Any]:
    """A new client registered for the method (and algorithm), and how it presents itself."""
    changes: dict[str, Any] = {"token_endpoint_auth_method": method, "token_endpoint_auth_signing_alg": alg}
    if method in {"none", "client_secret_post", "client_secret_basic"}:
        client = server.add_client(secret=SECRET, **changes)
        if method == "client_secret_basic":
            return {"data": {}, "auth": (client.client_id, SECRET)}
        secret = {"client_secret": SECRET} if method == "client_secret_post" else {}
        return {"data": {"client_id": client.client_id} | secret}
    assert alg is not None
    key: Any
    if method == "client_secret_jwt":
        sealed = SecretBox(server.settings.secret_key).encrypt(SECRET, purpose="client secret")
        key, changes["secrets"] = shared_key(SECRET), (ClientSecret(encrypted=sealed),)
    else:
        key = make_key(alg)
        changes["jwks"] = {"keys": [public_jwk(key)]}
    client = server.add_client(public=True, **changes)
    return {"data": assertion_form(assertion(server, client.client_id, key, alg))}


def test_every_listed_grant_type_works_and_others_do_not(scene: Scene, document: dict[str, Any]) -> None:
    party = scene.client()
    tokens = scene.offline(party)
    granted = {"authorization_code"} if "access_token" in tokens else set()
    if party.refresh(tokens["refresh_token"]).status_code == 200:
        granted.add("refresh_token")
    service = scene.client(grant_types=("client_credentials",), scope=("jobs.run",), audience=("https://jobs.example",))
    if service.post("/token", {"grant_type": "client_credentials"}).status_code == 200:
        granted.add("client_credentials")
    assert granted == set(document["grant_types_supported"])
    for other in ("implicit", "password", "urn:ietf:params:oauth:grant-type:device_code"):
        if other not in granted:
            assert refused(party.post("/token", {"grant_type": other})) == (400, "unsupported_grant_type")


def test_every_listed_response_mode_and_type_works(scene: Scene, document: dict[str, Any]) -> None:
    party = scene.client()
    assert document["response_types_supported"] == ["code"]
    for mode in document["response_modes_supported"]:
        callback = party.sign_in(scene.browser, response_mode=mode)
        assert callback.params["iss"] == document["issuer"]
        assert party.redeem(callback).status_code == 200
    other = party.sign_in(scene.browser, response_mode="query.jwt")
    assert ("query.jwt" in document["response_modes_supported"]) is (other.error is None)


@pytest.mark.parametrize("use", ["id_token", "userinfo"])
def test_every_listed_signing_algorithm_works_and_its_key_is_published(
    scene: Scene, document: dict[str, Any], use: str
) -> None:
    algs = document[f"{use}_signing_alg_values_supported"]
    assert "RS256" in algs
    assert "none" not in algs
    published = {key["alg"] for key in fetch_jwks(scene.server).values()}
    assert set(algs) == published
    for alg in algs:
        party = scene.client(**{f"{use}_signed_response_alg": alg})
        tokens = scene.tokens(party)
        token = tokens["id_token"] if use == "id_token" else party.userinfo(tokens["access_token"]).text
        assert header_of(token)["alg"] == alg
        assert verified(scene.server, token, audience=party.client.client_id, alg=alg)["sub"] == scene.user.id


def test_every_listed_scope_is_granted_and_every_listed_claim_is_delivered(
    scene: Scene, document: dict[str, Any]
) -> None:
    assert set(ALL_SCOPES.split()) <= set(document["scopes_supported"])
    party = scene.client()
    tokens = scene.tokens(party, scope=ALL_SCOPES)
    assert set(tokens["scope"].split()) == set(ALL_SCOPES.split())
    delivered = set(party.userinfo(tokens["access_token"]).json()) | set(claims_of(tokens["id_token"]))
    assert set(document["claims_supported"]) == delivered


def test_every_listed_scope_of_an_api_is_granted(timed: TimedServer) -> None:
    timed.store.apis.save(Api("https://api.example.com", "API", {"things:read": "Read things"}), now=timed.now)
    scene = open_scene(timed)
    document = fetch(timed.url(OPENID)).json()
    assert "things:read" in document["scopes_supported"]
    party = scene.client(scope=tuple(document["scopes_supported"]))
    tokens = scene.tokens(party, scope=" ".join(document["scopes_supported"]))
    assert set(tokens["scope"].split()) == set(document["scopes_supported"])


def test_every_listed_prompt_display_locale_and_acr_is_understood(scene: Scene, document: dict[str, Any]) -> None:
    party = scene.client()
    for prompt in document["prompt_values_supported"]:
        callback = party.sign_in(scene.browser, scene.user.username, prompt=prompt)
        assert callback.error is None, prompt
    for display in document["display_values_supported"]:
        assert party.sign_in(scene.browser, display=display).error is None
    for locale in document["ui_locales_supported"]:
        page = Page(
            Browser(scene.server), requests.get(scene.server.url(f"/logout?ui_locales={locale}"), timeout=TIMEOUT)
        )
        assert page.soup.html is not None
        assert page.soup.html["lang"] == locale
    user, app = with_app(scene.server)
    two_factors = Scene(scene.server, user, Browser(scene.server))
    page = two_factors.browser.open("/login").submit("login", username=user.username, password=PASSWORD)
    answer_factor(two_factors.browser.page(page), app.code())
    for acr in document["acr_values_supported"]:
        wish = json.dumps({"id_token": {"acr": {"essential": True, "value": acr}}})
        assert claims_of(two_factors.tokens(party, claims=wish)["id_token"])["acr"] == acr


@pytest.mark.spec("OpenID Connect Core", "6", "MUST")
def test_what_is_said_to_be_unsupported_is_refused_as_such(scene: Scene, document: dict[str, Any]) -> None:
    party = scene.client()
    assert party.sign_in(scene.browser, request="a.b.c").error == "request_not_supported"
    assert party.sign_in(scene.browser, request_uri="https://c.example.com/r").error == "request_uri_not_supported"
    assert party.sign_in(scene.browser, code_challenge_method="plain").error == "invalid_request"


# --- An issuer with a path


@pytest.fixture(scope="module")
def below_a_path(tmp_path_factory: pytest.TempPathFactory, signing_keys: Path) -> Iterator[Scene]:
    folder, port = tmp_path_factory.mktemp("path"), find_free_port()
    issuer = f"http://localhost:{port}/some/path"
    with running_server(folder, keys_from=signing_keys, port=port, issuer=issuer) as server:  # type: ignore[arg-type]
        yield open_scene(server)


@pytest.mark.spec("RFC 8414", "3.1", "MUST")
@pytest.mark.spec(SPEC, "4.1", "MUST")
def test_an_issuer_with_a_path_has_its_metadata_where_each_specification_says(below_a_path: Scene) -> None:
    issuer = below_a_path.server.issuer
    origin = issuer.removesuffix("/some/path")
    for url in (issuer + OPENID, origin + OAUTH + "/some/path"):
        answer = fetch(url)
        assert answer.status_code == 200, url
        assert answer.json()["issuer"] == issuer
    for url in (origin + OPENID, origin + OAUTH, origin + "/jwks", origin + "/token", origin + "/", origin + "/login"):
        assert fetch(url).status_code == 404, url
    for url in (origin + "/some/pathology/jwks", origin + "/some/path/../../jwks", origin + OAUTH + "/some/pathology"):
        assert fetch(url).status_code == 404, url
    assert fetch(origin + "/health").status_code == 200


def test_everything_works_below_a_path(below_a_path: Scene) -> None:
    server, party = (
        below_a_path.server,
        below_a_path.client(post_logout_redirect_uris=("https://client.example.com/x",)),
    )
    test_every_endpoint_is_there(fetch(server.url(OPENID)).json())
    callback = party.sign_in(below_a_path.browser, scope="openid email offline_access")
    assert callback.params["iss"] == server.issuer
    tokens = party.redeem(callback).json()
    assert verified(server, tokens["id_token"], audience=party.client.client_id)["iss"] == server.issuer
    assert party.userinfo(tokens["access_token"]).json()["email"] == below_a_path.user.email
    assert party.introspect(tokens["access_token"]).json()["iss"] == server.issuer
    refreshed = party.refresh(tokens["refresh_token"]).json()
    assert party.revoke(refreshed["refresh_token"]).status_code == 200
    leaving = open_scene(server)
    hint = leaving.tokens(party)["id_token"]
    answer = leaving.browser.get(
        server.url("/logout"),
        params={"id_token_hint": hint, "post_logout_redirect_uri": "https://client.example.com/x"},
    )
    assert answer.headers["Location"] == "https://client.example.com/x"
    assert party.sign_in(leaving.browser, prompt="none").error == "login_required"


def test_pages_below_a_path_link_and_post_below_it(below_a_path: Scene) -> None:
    server = below_a_path.server
    browser = Browser(server)
    page = RelyingParty(server, server.add_client()).start(browser)
    login = browser.page(page)
    assert login.id == "login-page"
    assert login.fields("login")[0].startswith(server.issuer + "/")
    links = [tag.get("href") or tag.get("src") for tag in login.soup.find_all(["link", "script", "img"])]
    assert links
    for link in links:
        assert str(link).startswith(("/some/path/", "http", "data:")), link
        assert not str(link).startswith("/") or browser.get(urljoin(server.issuer, str(link))).status_code == 200
    assert {cookie.path for cookie in browser.http.cookies} <= {"/", "/some/path"}


def test_an_assertion_for_the_token_endpoint_below_a_path_is_accepted(below_a_path: Scene) -> None:
    server, key = below_a_path.server, make_key("ES256")
    changes: dict[str, Any] = {"token_endpoint_auth_method": "private_key_jwt", "jwks": {"keys": [public_jwk(key)]}}
    client: RegisteredClient = server.add_client(public=True, **changes)
    for aud, status in (
        (server.url("/token"), 400),
        (server.issuer, 400),
        (server.issuer.removesuffix("/some/path"), 401),
    ):
        form = assertion_form(assertion(server, client.client_id, key, "ES256", aud=aud))
        answer = requests.post(
            server.url("/token"), data=form | {"grant_type": "refresh_token", "refresh_token": "x"}, timeout=TIMEOUT
        )
        assert answer.status_code == status


def test_a_strangers_library_finds_the_keys_by_discovery(scene: Scene, document: dict[str, Any]) -> None:
    party = scene.client(public=True)
    token = scene.tokens(party)["id_token"]
    key = jwt.PyJWKClient(document["jwks_uri"]).get_signing_key_from_jwt(token)
    claims = jwt.decode(token, key, algorithms=["RS256"], audience=party.client.client_id, issuer=document["issuer"])
    assert claims["sub"] == scene.user.id
