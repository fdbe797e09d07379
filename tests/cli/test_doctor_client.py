"""`idp doctor --client ID`: one client's whole integration, with real requests; each mistake has its sentence."""

import json
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
import requests

from idp.jose.algorithms import generate_key
from idp.protocol.client import ClientSecret
from idp.protocol.scopes import Api
from idp.store.refusals import Refusal
from tests.cli.doctored import Doctor, Report, patiently
from tests.support.front import Front, Passing, running_front
from tests.support.idp_server import ServerUnderTest, noted, running_server

API = "https://api.example.com"
DAY = 86_400


@pytest.fixture(scope="module")
def way_in() -> Iterator[Front]:
    """What stands at the issuer, before the server."""
    with running_front() as front:
        yield front


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, signing_keys: Path, way_in: Front) -> Iterator[ServerUnderTest]:
    with ExitStack() as stack:
        stack.enter_context(patiently())
        folder = tmp_path_factory.mktemp("client-doctor")
        settings: dict[str, Any] = {
            "issuer": f"http://localhost:{way_in.port}", "trusted_proxies": "127.0.0.2", "outbound_timeout": "25",
            "outbound_allowed_hosts": "127.0.0.1",
        }  # fmt: skip
        server = stack.enter_context(running_server(folder, keys_from=signing_keys, **settings))
        way_in.upstream = server.settings.port
        server.store.apis.save(Api(API, "API", {"read": "Read"}), now=server.now)
        yield server


@pytest.fixture
def front(way_in: Front) -> Front:
    way_in.heal()
    return way_in


def look(server: ServerUnderTest, *arguments: str, _settings: dict[str, str] | None = None, **changes: Any) -> Report:
    """A client with these changes, looked at."""
    client = server.add_client(**({"audience": (API,)} | changes))
    return look_at(server, client.client_id, *arguments, **(_settings or {}))


def look_at(server: ServerUnderTest, client_id: str, *arguments: str, **changes: str) -> Report:
    assert server.log is not None
    return Doctor(server.log.parent, server.environment).look("--client", client_id, *arguments, **changes)


@pytest.mark.spec("OpenID Connect Core", "3.1.2.1", "MUST")
def test_a_sound_client_is_well_in_everything(server: ServerUnderTest, front: Front) -> None:
    uris = ("https://client.example.com/callback", "https://client.example.com/other?keep=1")
    report = look(server, redirect_uris=uris)
    assert (report.wrong, report.warnings) == ([], []), report.answer.out
    assert "Requests for 2 redirect URIs are answered" in report.one("sign-in", "well")
    assert sum("/authorize?" in asked for asked in front.asked) == 2
    report = look(server, public=True, redirect_uris=("com.example.app:/cb", "http://127.0.0.1/cb"))
    assert (report.wrong, report.warnings) == ([], []), report.answer.out
    many = tuple(f"https://client.example.com/{number}" for number in range(21))
    assert "for 20 redirect URIs" in (told := look(server, redirect_uris=many).one("sign-in", "well"))
    assert "not tried: 1 more" in told


def test_a_client_that_is_unknown_is_a_sentence(server: ServerUnderTest) -> None:
    assert server.log is not None
    answer = Doctor(server.log.parent, server.environment).run("--client", "nobody", "--json")
    assert answer.code == 1
    assert "There is no client nobody" in answer.json["error"]


@pytest.mark.parametrize(
    ("changes", "what", "words"),
    [
        pytest.param({"disabled": True}, "client", "--enable", id="disabled"),
        pytest.param({"redirect_uris": ("http://app.example.com/cb",)}, "redirect URIs", "use https", id="http"),
        pytest.param({"redirect_uris": ("javascript:alert(1)",)}, "redirect URIs", "not allowed", id="dangerous"),
        pytest.param({"redirect_uris": ()}, "client", "needs at least one", id="no redirect URI"),
        pytest.param({"secrets": (ClientSecret(hash="x", expires_at=1),)}, "authentication", "--new-secret", id="over"),
        pytest.param({"audience": ("https://gone",)}, "scopes", "idp apis add https://gone", id="no such API"),
        pytest.param(
            {"grant_types": ("client_credentials",), "redirect_uris": (), "scope": ("openid",)}, "scopes",
            "Every token in its own name is refused", id="a service without a scope",
        ),
        pytest.param({"made_for": "spa"}, "client", "--auth-method none", id="a secret that its kind cannot keep"),
        pytest.param({"made_for": "flask"}, "client", "flask is an API", id="an API that people sign in to"),
        pytest.param({"upstreams": ("acme",)}, "connections", "acme", id="no such connection"),
        pytest.param({"web_origins": ("https://a.example.com/x",)}, "CORS", "https://a.example.com.", id="no origin"),
        pytest.param(
            {"token_endpoint_auth_method": "private_key_jwt", "jwks": {"keys": []}}, "authentication", "cannot be used",
            id="no keys",
        ),
    ],
)  # fmt: skip
def test_what_cannot_work_is_wrong(
    server: ServerUnderTest, front: Front, changes: dict[str, Any], what: str, words: str
) -> None:
    report = look(server, **changes)
    assert report.has("wrong", what, words), report.answer.out


def test_of_a_disabled_client_no_request_is_tried(server: ServerUnderTest, front: Front) -> None:
    report = look(server, disabled=True)
    assert len(report.wrong) == 1, report.answer.out
    assert not [asked for asked in front.asked if "/authorize?" in asked]


@pytest.mark.parametrize(
    ("changes", "what", "words"),
    [
        pytest.param({"require_pkce": False}, "PKCE", "--pkce", id="no PKCE"),
        pytest.param({"post_logout_redirect_uris": ()}, "sign-out", "--post-logout-redirect-uri", id="no way back"),
        pytest.param({"audience": ()}, "scopes", "--api", id="no API"),
        pytest.param({"scope": ("openid", "offline_access", "write")}, "scopes", "write", id="a scope of nobody"),
        pytest.param({"scope": ("openid", "profile")}, "refresh", "offline_access", id="no offline_access"),
        pytest.param({"grant_types": ("authorization_code",)}, "refresh", "--grant-type", id="no refresh grant"),
        pytest.param(
            {"refresh_token_lifetime": 60, "refresh_token_idle_lifetime": 90}, "refresh", "never counts", id="idle"
        ),
        pytest.param({"redirect_uris": ("app://cb",)}, "redirect URIs", "RFC 8252", id="a scheme of anybody"),
        pytest.param(
            {"redirect_uris": ("https://a.example.com", "https://a.example.com/")}, "redirect URIs", "slash", id="twins"
        ),
        pytest.param({"client_name": ""}, "client", "--name", id="no name"),
        pytest.param(
            {"secrets": (ClientSecret(hash="x", expires_at=int(time.time()) + DAY),)}, "authentication", "--new-secret",
            id="a secret that ends soon",
        ),
    ],
)  # fmt: skip
def test_what_may_be_meant_so_is_a_warning(
    server: ServerUnderTest, front: Front, changes: dict[str, Any], what: str, words: str
) -> None:
    report = look(server, **changes)
    assert report.has("warning", what, words), report.answer.out
    assert report.wrong == []


def test_localhost_and_loopback_are_told_apart(server: ServerUnderTest, front: Front) -> None:
    report = look(server, public=True, redirect_uris=("http://localhost/cb", "com.example.app:/cb"))
    assert "127.0.0.1" in report.one("redirect URIs", "warning")
    production = {
        "env": "production", "issuer": "https://id.example.com", "secret_key": "abcdefghijklmnopqrstuvwxyz0123456789",
        "argon2_memory_kib": "19456",
    }  # fmt: skip
    report = look(server, "--offline", _settings=production, redirect_uris=("http://localhost:3000/cb",))
    assert "developer's machine" in report.one("redirect URIs", "warning")


def test_a_client_that_returns_elsewhere_than_its_kind_is_warned_of(server: ServerUnderTest, front: Front) -> None:
    assert "made for nextauth" in look(server, made_for="nextauth").one("client", "well")
    assert "/api/auth/callback/idp" in look(server, made_for="nextauth").one("client", "warning")
    below = ("https://app.example.com/app/api/auth/callback/idp",)  # which the library would never send
    assert "https://HOST/api/auth" in look(server, made_for="nextauth", redirect_uris=below).one("client", "warning")
    uris = ("https://app.example.com/cb", "https://app.example.com/api/auth/callback/idp")
    assert look(server, made_for="nextauth", redirect_uris=uris).warnings == []


def test_the_latest_refusal_is_named_and_the_doctors_own_requests_leave_none(
    server: ServerUnderTest, front: Front
) -> None:
    client = server.add_client(audience=(API,))

    def kept() -> list[Refusal]:
        """But for those of other clients: one of an earlier test may be written now."""
        found = server.store.refusals.list(limit=1000)
        return [each for each in found if each.client_id in {None, client.client_id}]

    before = kept()
    assert look_at(server, client.client_id).warnings == []
    assert server.log is not None
    assert "endpoints" in Doctor(server.log.parent, server.environment).look().topics("well")
    params = {"client_id": client.client_id, "redirect_uri": "https://client.example.com/callbak", "prompt": "none"}
    refused = requests.get(server.url("/authorize"), params=params, timeout=60)
    assert refused.status_code == 400
    latest = noted(server, refused.headers["X-Request-Id"])
    assert [each for each in kept() if each != latest] == before
    sentence = look_at(server, client.client_id).one("refusals", "warning")
    assert f"idp inspect {refused.headers['X-Request-Id']}" in sentence


# --- Requests


def test_a_server_that_does_not_know_the_client_shows_a_page(server: ServerUnderTest, front: Front) -> None:
    def refuse(passing: Passing) -> None:
        if passing.path.startswith("/authorize?"):
            passing.status, passing.body = 400, b"page"
            passing.set("Location", None)

    front.spoil = refuse
    assert "leads to a page (status 400)" in look(server).one("sign-in", "wrong")


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("error=login_required", "error=unauthorized_client", "refused with unauthorized_client"),
        ("state=", "state=x", "another iss or state"),
        ("iss=http", "iss=https", "another iss or state"),
        ("https://client.example.com/callback", "https://client.example.com/elsewhere", "leads to a page"),
        ("https://client.example.com/callback", "https://client.example.com/callback.evil", "leads to a page"),
    ],
)
def test_an_answer_that_is_not_as_it_must_be_is_wrong(
    server: ServerUnderTest, front: Front, old: str, new: str, words: str
) -> None:
    def change(passing: Passing) -> None:
        where = dict(passing.headers).get("Location", "")
        if passing.path.startswith("/authorize?"):
            passing.set("Location", where.replace(old, new))

    front.spoil = change
    assert words in look(server).one("sign-in", "wrong")


def test_a_client_that_may_not_sign_people_in_needs_no_redirect_uri(server: ServerUnderTest, front: Front) -> None:
    report = look(server, grant_types=("client_credentials",), redirect_uris=(), post_logout_redirect_uris=())
    assert "needs none" in report.one("redirect URIs", "well")
    assert "sign-in" not in report.topics("well")


# --- Keys


def test_the_keys_behind_a_jwks_uri_are_fetched_through_the_guard(server: ServerUnderTest, front: Front) -> None:
    jwk = {**generate_key("ES256").as_dict(private=False), "use": "sig", "kid": "a"}
    answers = {"/good": {"keys": [jwk]}, "/none": {"keys": [{"kty": "oct", "k": "x"}]}, "/odd": {"keys": 5}}

    def say(passing: Passing) -> None:
        if passing.path in answers:
            passing.status, passing.body = 200, json.dumps(answers[passing.path]).encode()

    with running_front() as keys:
        keys.spoil = say
        there = f"http://127.0.0.1:{keys.port}"
        for path, result, words in (
            ("/good", "well", "1 of its keys"),
            ("/none", "wrong", "None of its keys"),
            ("/odd", "wrong", "cannot be used"),
            ("/gone", "wrong", "status 502"),
        ):
            changes: dict[str, Any] = {"token_endpoint_auth_method": "private_key_jwt", "jwks_uri": there + path}
            assert words in look(server, **changes).one("authentication", result)
        refused = look(server, _settings={"outbound_allowed_hosts": ""}, **changes)
        assert "without TLS" in refused.one("authentication", "wrong")
        assert look(server, "--offline", **changes).has("unknown", "authentication", "not fetched")
