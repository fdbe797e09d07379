"""NexTarget: a phone app and an API in FastAPI, set up as `docs/migrate/nextarget.md` says.

| need | shown by |
|---|---|
| code and PKCE; private-use scheme, reverse domain, loopback with any port, claimed https; no token in a URL | test_the_app_signs_in_over_every_kind_of_redirect, test_a_thief_of_the_code_gets_nothing |
| Google, Facebook and Apple; local passwords off | test_people_sign_in_with_google_facebook_and_apple, test_there_are_no_passwords |
| only what the requested scopes need is stored | test_what_the_provider_was_not_asked_for_is_not_stored |
| state: random, single use, ten minutes, bound to the browser; a replayed callback is refused | test_the_way_back_is_random_for_one_browser_and_once, test_the_way_back_is_open_for_ten_minutes |
| refresh tokens with rotation | test_refresh_tokens_rotate_and_a_replay_ends_the_family |
| limits backed by Redis; PostgreSQL with Alembic | test_nextarget_two_instances.py |
| structured logs | test_every_line_of_the_log_is_json |
| OpenTelemetry, Prometheus | not yet |
| tests of the social flows against mock providers | this file: the stand-ins of `idp sandbox` |
| a provider is one small file and configuration | test_another_provider_is_configuration, test_a_provider_with_manners_of_its_own_is_one_small_file |
| /health; documentation; .env with an example; strict CORS | test_the_doors_of_the_server, test_the_documentation_of_the_api_is_interactive, test_every_setting_of_the_page_is_in_the_example |
| one-file deployment; 512 MB; cold start | test_a_cold_start_is_quick_and_small, test_the_deployment_file_fits_the_settings |
| token errors: bad signature, expired, wrong type 401; unknown user not found | test_the_api_tells_who_is_unknown_from_who_is_not_let_in |
| how people move (docs/migrate) | test_people_keep_their_accounts |
"""  # noqa: E501  # a row of a table is one line

import csv
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import requests
import yaml

from idp.cli.import_rows import derive_user_id
from idp.jose.jws import sign
from idp.jose.key_directory import KeyDirectory
from idp.sandbox.connections import load_apple_key
from idp.settings import Settings
from tests.cli.environment import is_setting
from tests.examples.phone import native
from tests.flows.systems import MigrationPage, System, for_providers, open_system
from tests.support.authorize import ask
from tests.support.idp_server import ROOT
from tests.support.machine import find_free_port
from tests.support.relying_party import TIMEOUT, Browser, RelyingParty, claims_of, header_of
from tests.support.upstream import (
    like,
    open_sandbox,
    press,
    sandboxed_timed_server,
    sign_in_with,
    somebody,
    users_of,
)

PAGE = MigrationPage("nextarget")
APP, API = "nextarget-app", "https://api.nextarget.example"
SCOPE = "openid profile email offline_access"
REDIRECTS = [
    pytest.param("nextarget://callback", id="private-use scheme of today's app"),
    pytest.param("example.nextarget.app:/callback", id="reverse domain"),
    pytest.param("https://nextarget.example/app/callback", id="claimed https"),
    pytest.param("http://127.0.0.1:52417/callback", id="loopback, any port"),
    pytest.param("http://127.0.0.1:9/callback", id="loopback, another port"),
]


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory, signing_keys: Path) -> Iterator[System]:
    """The page's settings, with stand-ins, and with two more connections that the tests below are about."""
    folder = tmp_path_factory.mktemp("nextarget")
    with open_sandbox(folder / "sandbox") as (_, environment):
        further: dict[str, Any] = for_providers(PAGE, environment)
        further |= like(environment, "google", "lean", kind="google", scopes="openid email")
        further |= like(environment, "acme", "acme")
        with open_system("nextarget", folder, keys_from=signing_keys, log_format="json", **further) as running:
            yield running


def sign_in(system: System, connection: str = "google", person: Any = None, **how: Any) -> dict[str, Any]:
    """The tokens of the app for somebody at a provider."""
    party = system.party(APP, how.pop("redirect_uri", None))
    asked = sign_in_with(party, system.browser(), connection, person or somebody(connection), scope=SCOPE, **how)
    answer = party.redeem(asked.callback)
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


# --- The app


@pytest.mark.spec("RFC 8252", "7", "MUST")
@pytest.mark.parametrize("redirect_uri", REDIRECTS)
def test_the_app_signs_in_over_every_kind_of_redirect(system: System, redirect_uri: str, tmp_path: Path) -> None:
    """With `examples/mobile/native_app.py`, which does what AppAuth does."""
    person, browser = somebody("google"), system.browser()
    settings = native.Settings(system.server.issuer, APP, redirect_uri, scope=SCOPE)
    app = native.NativeApp(settings, native.TokenFile(tmp_path / "tokens.json"))
    pending = app.begin(redirect_uri)
    answer = browser.follow(press(browser.open(pending.url), "google").choose(person))
    came_back = answer.headers["Location"]
    assert came_back.startswith(redirect_uri + "?")
    assert set(parse_qs(urlsplit(came_back).query)) == {"code", "state", "iss"}, "no token is in a URL"
    app.finish(pending, came_back)
    first = app.access_token()
    assert API in claims_of(first)["aud"]
    assert app.userinfo()["email"] == person.email
    assert app.refresh() != first
    app.revoke()
    with pytest.raises(native.SignedOut):
        app.access_token()


@pytest.mark.spec("RFC 8252", "8.1", "MUST")
def test_a_thief_of_the_code_gets_nothing(system: System) -> None:
    """Another app on the same scheme sees the redirect, and has not the verifier."""
    party = system.party(APP, "nextarget://callback")
    for verifier in (None, "a" * 43):
        asked = sign_in_with(party, system.browser(), "google", somebody("google"), scope=SCOPE)
        stolen = party.redeem(asked.callback, code_verifier=verifier)
        assert (stolen.status_code, stolen.json()["error"]) in {(400, "invalid_grant"), (400, "invalid_request")}
    without = party.callback(party.start(system.browser(), code_challenge=None, code_challenge_method=None), {})
    assert without.error == "invalid_request"


def test_refresh_tokens_rotate_and_a_replay_ends_the_family(system: System) -> None:
    party, first = system.party(APP), sign_in(system)
    second = party.refresh(first["refresh_token"]).json()
    third = party.refresh(second["refresh_token"]).json()
    assert len({each["refresh_token"] for each in (first, second, third)}) == 3
    assert party.refresh(first["refresh_token"]).json()["error"] == "invalid_grant"
    assert party.refresh(third["refresh_token"]).json()["error"] == "invalid_grant", "nobody knows who the thief is"


# --- People


@pytest.mark.parametrize("connection", ["google", "facebook", "apple"])
def test_people_sign_in_with_google_facebook_and_apple(system: System, connection: str) -> None:
    person = somebody(connection)
    first, again = (sign_in(system, connection, person) for _ in range(2))
    assert claims_of(first["id_token"])["sub"] == claims_of(again["id_token"])["sub"]
    claims = system.party(APP).userinfo(first["access_token"]).json()
    assert (claims["name"], claims["email"]) == ("Grace Hopper", person.email)


def test_there_are_no_passwords(system: System) -> None:
    page = ask(system.party(APP), system.browser()).page
    assert page.soup.find(id="password") is None
    buttons = [str(each["id"]) for each in page.soup.select("[id^=continue-with-]")]
    assert buttons[:3] == ["continue-with-google", "continue-with-apple", "continue-with-facebook"]
    assert system.browser().open("/sign-up").status == 403


@pytest.mark.asvs("14.2.6")
def test_what_the_provider_was_not_asked_for_is_not_stored(system: System) -> None:
    """`IDP_UPSTREAM_…_SCOPES`; and the provider's own tokens are forgotten at once."""
    person, party = somebody("google"), system.party(APP)
    asked = ask(party, system.browser(), scope=SCOPE)
    away = press(asked.page, "lean")
    assert away.asked["scope"] == "openid email"
    asked = asked.then(away.choose(person))
    claims = party.userinfo(party.redeem(asked.callback).json()["access_token"]).json()
    assert (claims["email"], "name" in claims, "picture" in claims) == (person.email, False, False)
    (user,) = users_of(system.server, "lean", person)
    (link,) = system.server.store.identities.list_of(user.id)
    assert (dict(link.profile), link.tokens) == ({}, None)


def test_people_keep_their_accounts(system: System, tmp_path: Path) -> None:
    """The import of the page: by the id at the provider, whatever address the provider gives now."""
    people = [
        {"id": "41", "provider": "google", "provider_id": somebody("google").sub, "email": "ada@gmail.com"},
        {"id": "42", "provider": "facebook", "provider_id": somebody("facebook").sub, "email": "bob@example.org"},
    ]
    source, mapping = tmp_path / "people.csv", tmp_path / "nextarget.toml"
    with source.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, ["id", "email", "name", "google", "facebook"])
        writer.writeheader()
        for each in people:
            row = {"id": each["id"], "email": each["email"], "name": "Of old", each["provider"]: each["provider_id"]}
            writer.writerow(row)
    mapping.write_text(PAGE.file("nextarget.toml"), encoding="utf-8")
    _, done = system.run("import", {"people.csv": str(source), "nextarget.toml": str(mapping)})
    assert (done["added"], done["refused"]) == (2, 0), done
    for each in people:
        tokens = sign_in(system, each["provider"], somebody(each["provider"], sub=each["provider_id"]))
        assert claims_of(tokens["id_token"])["sub"] == derive_user_id("nextarget", each["id"])


# --- The way back from a provider


@pytest.mark.asvs("10.2.1")
def test_the_way_back_is_random_for_one_browser_and_once(system: System) -> None:
    party, browser = system.party(APP), system.browser()
    asked = ask(party, browser, scope=SCOPE)
    away = press(asked.page, "google")
    assert re.fullmatch(r"[A-Za-z0-9_-]{43}", away.asked["state"])
    back = away.way_back(somebody("google"))
    assert back.go(system.browser()).status_code == 400, "another browser"
    assert asked.then(back.go(browser)).callback.code
    browser.http.cookies.pop("idp_session")
    assert back.go(browser).status_code == 400, "a replay"
    assert "idp_session" not in browser.http.cookies


def test_the_way_back_is_open_for_ten_minutes(tmp_path: Path, signing_keys: Path) -> None:
    with sandboxed_timed_server(tmp_path, keys_from=signing_keys, local_passwords="false") as (server, _):
        for seconds, is_open in ((590, True), (601, False)):
            party = RelyingParty(server, server.add_client(public=True, first_party=True))
            asked = ask(party, Browser(server))
            back = press(asked.page, "facebook").way_back(somebody("facebook"))
            server.forward(seconds)  # type: ignore[attr-defined]
            answer = asked.then(back.go(asked.browser))
            assert ("Location" in answer.response.headers) is is_open


# --- Providers


def test_another_provider_is_configuration(system: System) -> None:
    tokens = sign_in(system, "acme")
    assert claims_of(tokens["id_token"])["acr"] == "federated"
    documented = (ROOT / "docs" / "providers" / "oidc.md").read_text(encoding="utf-8")
    assert all(f"_{option}" in documented for option in ("KIND", "ISSUER", "CLIENT_ID", "CLIENT_SECRET"))


def test_a_provider_with_manners_of_its_own_is_one_small_file() -> None:
    """Facebook differs most from the standard, and Apple."""
    for name in ("google", "facebook", "discord"):
        assert len((ROOT / "idp" / "upstream" / f"{name}.py").read_text(encoding="utf-8").splitlines()) < 100


# --- The API


@contextmanager
def running_users_api(system: System, folder: Path) -> Iterator[str]:
    """The `main.py` of the page, served by uvicorn; its URL."""
    (folder / "main.py").write_text(PAGE.file("main.py"), encoding="utf-8")
    port, log = find_free_port(), folder / "api.log"
    environment = os.environ | {"ISSUER": system.server.issuer, "AUDIENCE": API}
    command = [sys.executable, "-m", "uvicorn", "main:app", "--port", str(port)]
    with log.open("wb") as out:
        process = subprocess.Popen(command, cwd=folder, env=environment, stdout=out, stderr=out)
    try:
        wait_until_answering(process, f"http://127.0.0.1:{port}/health", log)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(20)


def wait_until_answering(process: "subprocess.Popen[bytes]", url: str, log: Path, seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline and process.poll() is None:
        try:
            if requests.get(url, timeout=5).status_code == 200:
                return
        except requests.RequestException:
            time.sleep(0.02)
    raise AssertionError(log.read_text(errors="replace")[-4000:])


@pytest.fixture(scope="module")
def api(system: System, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with running_users_api(system, tmp_path_factory.mktemp("api")) as url:
        yield url


def test_the_api_tells_who_is_unknown_from_who_is_not_let_in(system: System, api: str) -> None:
    def call(method: str, token: str, **options: Any) -> requests.Response:
        headers = {"Authorization": f"Bearer {token}"}
        return requests.request(method, f"{api}/users/me", headers=headers, timeout=TIMEOUT, **options)

    tokens = sign_in(system)
    assert call("GET", tokens["access_token"]).status_code == 404
    assert call("PUT", tokens["access_token"], json={"name": "Grace"}).status_code == 200
    assert call("GET", tokens["access_token"]).json() == {"name": "Grace"}
    head, payload, signature = tokens["access_token"].split(".")
    wrong = {
        "bad signature": f"{head}.{payload}.{signature[::-1]}",
        "wrong type": tokens["id_token"],
        "expired": signed_again(system, tokens["access_token"], exp=system.server.now - 60),
        "a refresh token": tokens["refresh_token"],
    }
    answers = {name: call("GET", token) for name, token in wrong.items()}
    assert {name: answer.status_code for name, answer in answers.items()} == dict.fromkeys(wrong, 401)
    assert len({answer.text for answer in answers.values()}) == 1


def signed_again(system: System, token: str, **changes: Any) -> str:
    """The token with other claims, truly signed: what the server itself would have made at another time."""
    (key,) = (key for key in KeyDirectory(system.server.settings.keys_dir).read() if key.kid == header_of(token)["kid"])
    return sign(claims_of(token) | changes, key, typ="at+jwt")


def test_the_documentation_of_the_api_is_interactive(api: str) -> None:
    assert "swagger" in requests.get(f"{api}/docs", timeout=TIMEOUT).text
    assert "/users/me" in requests.get(f"{api}/openapi.json", timeout=TIMEOUT).json()["paths"]


# --- Running it


def test_every_line_of_the_log_is_json(system: System) -> None:
    sign_in(system)
    text = system.server.log_text()
    lines = text[text.index("{") :].splitlines()  # before that, what people read when it starts
    assert [line for line in lines if not line.startswith(("{", "Mail to "))] == []  # in development mails are shown
    requests_seen, sign_ins = system.logged("request"), system.logged("sign_in.succeeded")
    assert all(line["request_id"] and line["address"] for line in requests_seen)
    assert sign_ins[-1]["address"].startswith("198.51."), "the person's, not the proxy's"


def test_the_doors_of_the_server(system: System) -> None:
    health = requests.get(system.server.url("/health"), timeout=TIMEOUT)
    assert health.json() == {"status": "ok", "database": "ok", "ephemeral": "ok"}
    discovery = requests.get(system.server.url("/.well-known/openid-configuration"), timeout=TIMEOUT).json()
    for name in ("authorization_endpoint", "token_endpoint", "jwks_uri", "revocation_endpoint"):
        assert discovery[name].startswith(system.server.issuer)
    for origin, allowed in (("https://nextarget.example", "https://nextarget.example"), ("https://evil.example", None)):
        answer = requests.get(discovery["jwks_uri"], headers={"Origin": origin}, timeout=TIMEOUT)
        assert answer.headers.get("Access-Control-Allow-Origin") == allowed


def test_every_setting_of_the_page_is_in_the_example() -> None:
    example = (ROOT / ".env.example").read_text(encoding="utf-8")
    for name in PAGE.settings():
        if not name.startswith("upstream_") or name == "upstream_order":
            assert f"IDP_{name.removesuffix('_file').upper()}" in example
    assert "IDP_UPSTREAM_NAME_CLIENT_ID" in example


def test_the_deployment_file_fits_the_settings() -> None:
    (service,) = yaml.safe_load((ROOT / "render.yaml").read_text(encoding="utf-8"))["services"]
    assert (service["runtime"], service["healthCheckPath"], service["plan"]) == ("docker", "/health", "free")
    names = {variable["key"].removeprefix("IDP_").lower() for variable in service["envVars"]}
    assert names <= set(Settings.model_fields)


MAX_IDLE_MIB = 256  # of the 512 that the free plan has; a password hash would take 64 more
COLD_START_SECONDS = 60  # one or two when the machine has nothing else to do


@pytest.mark.slow
def test_a_cold_start_is_quick_and_small(tmp_path: Path) -> None:
    """The page's settings as they are, production and all: only folders and the port are of this machine."""
    apple_key = load_apple_key(tmp_path / "sandbox")
    variables = {f"IDP_{name.upper()}": value for name, value in PAGE.settings().items()}
    for name in [name for name in variables if name.endswith("_FILE")]:
        secret = tmp_path / name.lower()
        secret.touch(mode=0o600)
        secret.write_text(apple_key if "APPLE" in name else "only-for-this-test-" * 4)
        variables[name] = str(secret)
    port = find_free_port()
    variables |= {
        "IDP_DATABASE_URL": f"sqlite:///{tmp_path}/idp.sqlite3",
        "IDP_KEYS_DIR": str(tmp_path / "keys"),
        "IDP_VAR_DIR": str(tmp_path / "var"),
        "IDP_HOST": "127.0.0.1",
        "IDP_PORT": str(port),
        "PYTHONPATH": str(ROOT),
    }
    kept = {name: value for name, value in os.environ.items() if not is_setting(name)}
    log = tmp_path / "out"
    began = time.monotonic()
    with log.open("wb") as out:
        command = [sys.executable, "-m", "idp.cli", "serve", "--init"]
        process = subprocess.Popen(command, cwd=tmp_path, env=kept | variables, stdout=out, stderr=out)
    try:
        wait_until_answering(process, f"http://127.0.0.1:{port}/health", log, COLD_START_SECONDS)
        seconds = time.monotonic() - began
        mebibytes = memory_of(process.pid)
    finally:
        process.terminate()
        process.wait(30)
    assert seconds < COLD_START_SECONDS
    assert 20 < mebibytes < MAX_IDLE_MIB


def memory_of(pid: int) -> float:
    """MiB of a process and all below it; what they share counts once (PSS)."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    rollup = Path(f"/proc/{pid}/smaps_rollup").read_text()
    found = re.search(r"^Pss:\s+(\d+) kB", rollup, re.MULTILINE)
    assert found is not None
    return int(found[1]) / 1024 + sum(memory_of(int(child)) for child in children)
