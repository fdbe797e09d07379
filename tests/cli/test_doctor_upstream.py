"""`idp doctor upstream`: what must be registered, and what is wrong, in sentences; never a secret, never a guess."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import requests

from idp.cli.checks.connections import examine
from idp.outbound import AnswerRefused, FetchRefused, NotSent, OutboundResponse
from idp.sandbox.servers import Sandbox
from idp.settings import Settings, UpstreamSettings
from idp.upstream import PROVIDERS
from idp.upstream.connection import load_connections
from idp.upstream.upstreams import Upstreams
from tests.cli.conftest import Answer, run_idp
from tests.cli.doctored import patiently
from tests.support.machine import find_free_port
from tests.support.upstream import CONNECTIONS, open_sandbox

GOOGLE = {"IDP_UPSTREAM_GOOGLE_CLIENT_ID": "ours", "IDP_UPSTREAM_GOOGLE_CLIENT_SECRET": "hidden-secret"}
APPLE = {
    "IDP_UPSTREAM_APPLE_CLIENT_ID": "com.example.signin",
    "IDP_UPSTREAM_APPLE_TEAM_ID": "TEAM000000",
    "IDP_UPSTREAM_APPLE_KEY_ID": "KEY0000000",
}


@dataclass(frozen=True)
class StandIns:
    sandbox: Sandbox
    variables: dict[str, str]

    def break_keys(self, kind: str, fault: str | None) -> None:
        answer = requests.post(f"{self.sandbox.origins[kind]}/sandbox/faults", json={"keys": fault}, timeout=60)
        assert answer.status_code == 200


@pytest.fixture(scope="module")
def stand_ins(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StandIns]:
    with open_sandbox(tmp_path_factory.mktemp("sandbox")) as (sandbox, environment):
        yield StandIns(sandbox, {f"IDP_{name.upper()}": value for name, value in environment.items()})


@pytest.fixture
def configure(empty_folder: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Nothing but settings: no database and no keys are needed."""

    def set_all(variables: dict[str, str]) -> None:
        for name, value in variables.items():
            monkeypatch.setenv(name, value)

    return set_all


def doctor(*arguments: str) -> Answer:
    return run_idp("doctor", "upstream", *arguments)


def checks_of(answer: Answer, name: str) -> dict[str, str]:
    (report,) = [each for each in answer.json if each["name"] == name]
    return {check["what"]: f"{check['result']}: {check['sentence']}" for check in report["checks"]}


def test_every_stand_in_is_found_well_and_its_redirect_uri_is_there_to_copy(
    configure: Any, stand_ins: StandIns
) -> None:
    configure(stand_ins.variables | {"IDP_ISSUER": "http://localhost:8123/id"})
    answer = doctor()
    assert answer.code == 0, answer.out + answer.err
    lines = answer.out.splitlines()
    reports = {report["name"]: report for report in doctor("--json").json}
    assert set(reports) == set(CONNECTIONS)
    for name, report in reports.items():
        uri = f"http://localhost:8123/id/upstream/{name}/callback"
        assert report["redirect_uri"] == uri
        assert any(line.endswith(f" {uri}") for line in lines)
        assert report["kind"] == CONNECTIONS[name]
        assert report["is_well"]
        assert {check["result"] for check in report["checks"]} == {"well"}
        assert report["register_at"].startswith("http")
        assert report["register_at"] in answer.out
    assert "discovery" in checks_of(doctor("acme", "--json"), "acme")
    assert "key" in checks_of(doctor("apple", "--json"), "apple")
    assert "keys" not in checks_of(doctor("github", "--json"), "github"), "there is no ID token to verify"


def test_no_secret_is_shown(configure: Any, stand_ins: StandIns) -> None:
    configure(stand_ins.variables)
    hidden = [value for name, value in stand_ins.variables.items() if name.endswith(("_SECRET", "_PRIVATE_KEY"))]
    hidden += [line for line in hidden[0].split("\\n") if line and not line.startswith("-")]
    assert len(hidden) >= 7
    for answer in (doctor(), doctor("--json"), doctor("--offline")):
        assert not any(value in answer.out + answer.err for value in hidden)


def test_the_settings_that_matter_are_shown(configure: Any) -> None:
    options = {"TRUST_EMAIL": "ask", "SIGN_UP": "closed", "STORE_TOKENS": "true", "HOSTED_DOMAIN": "example.com"}
    configure(GOOGLE | {f"IDP_UPSTREAM_GOOGLE_{name}": value for name, value in options.items()})
    (report,) = doctor("google", "--offline", "--json").json
    expected = {
        "label": "Google",
        "client_id": "ours",
        "scopes": ["openid", "email", "profile"],
        "trust_email": "ask",
        "sign_up": "closed",
        "store_tokens": True,
        "hosted_domain": "example.com",
        "can_prove_fresh_sign_in": False,
        "sandbox_url": None,
    }
    assert {name: report[name] for name in expected} == expected
    out = doctor("google", "--offline").out
    assert all(word in out for word in ("openid email profile", "ask", "closed", "example.com"))


def test_a_setting_of_the_whole_server_shows_through(configure: Any) -> None:
    configure(GOOGLE | {"IDP_SIGN_UP": "closed"})
    assert doctor("--offline", "--json").json[0]["sign_up"] == "closed"


def test_a_microsoft_connection_says_which_tenant_it_takes(configure: Any) -> None:
    configure({"IDP_UPSTREAM_MICROSOFT_CLIENT_ID": "ours", "IDP_UPSTREAM_MICROSOFT_CLIENT_SECRET": "x"})
    assert doctor("--offline", "--json").json[0]["tenant"] == "common"


def test_without_a_connection_it_says_how_to_begin(configure: Any) -> None:
    answer = doctor()
    assert (answer.code, doctor("--json").json) == (0, [])
    assert "docs/providers/README.md" in answer.out


def test_a_connection_is_named_in_either_spelling_and_an_unknown_one_is_answered_with_the_known(configure: Any) -> None:
    configure({name.replace("GOOGLE", "GOOGLE_STAFF"): value for name, value in GOOGLE.items()})
    configure({"IDP_UPSTREAM_GOOGLE_STAFF_KIND": "google"})
    for spelling in ("google-staff", "GOOGLE_STAFF"):
        assert doctor(spelling, "--offline", "--json").json[0]["name"] == "google-staff"
    answer = doctor("nobody")
    assert answer.code == 1
    assert "nobody" in answer.err
    assert "google-staff" in answer.err


def test_the_whole_doctor_looks_at_every_connection_too(configure: Any, stand_ins: StandIns) -> None:
    configure(stand_ins.variables | {"IDP_ISSUER": f"http://localhost:{find_free_port()}/id"})
    with patiently():
        found = run_idp("doctor", "--json").json
    assert [
        each["sentence"] for each in found["checks"] if each["what"] in CONNECTIONS and each["result"] != "well"
    ] == []
    for name in CONNECTIONS:
        uri = f"{found['issuer']}/upstream/{name}/callback"
        sentences = [each["sentence"] for each in found["checks"] if each["what"] == name]
        assert any(sentence.startswith("redirect URI to be registered at http") for sentence in sentences)
        assert any(sentence.endswith(f": {uri}") for sentence in sentences)


# --- What is wrong


@pytest.mark.parametrize(
    ("variables", "sentence"),
    [
        pytest.param(
            {"IDP_UPSTREAM_GOOGLE_CLIENT_ID": "ours"}, "IDP_UPSTREAM_GOOGLE_CLIENT_SECRET is missing", id="a secret"
        ),
        pytest.param(
            GOOGLE | {"IDP_UPSTREAM_GOOGLE_KIND": "gogle"}, "IDP_UPSTREAM_GOOGLE_KIND is gogle", id="the kind"
        ),
        pytest.param(APPLE, "IDP_UPSTREAM_APPLE_PRIVATE_KEY is missing", id="a key"),
        pytest.param(
            APPLE | {"IDP_UPSTREAM_APPLE_PRIVATE_KEY": "-----BEGIN PRIVATE KEY-----\\nhidden"},
            "IDP_UPSTREAM_APPLE_PRIVATE_KEY",
            id="a key that is none",
        ),
        pytest.param(
            {
                "IDP_UPSTREAM_MICROSOFT_CLIENT_ID": "ours",
                "IDP_UPSTREAM_MICROSOFT_CLIENT_SECRET": "hidden",
                "IDP_UPSTREAM_MICROSOFT_TENANT": "example.com",
            },
            "IDP_UPSTREAM_MICROSOFT_TENANT",
            id="a tenant by its domain",
        ),
        pytest.param(
            {"IDP_UPSTREAM_ACME_CLIENT_ID": "ours", "IDP_UPSTREAM_ACME_CLIENT_SECRET": "hidden"},
            "IDP_UPSTREAM_ACME_ISSUER is missing",
            id="an issuer",
        ),
    ],
)
def test_settings_that_are_not_complete_are_named_and_nothing_is_asked(
    configure: Any, variables: dict[str, str], sentence: str
) -> None:
    configure(variables)
    answer = doctor()
    assert answer.code == 1
    assert "wrong" in answer.out
    assert sentence in answer.out
    assert "hidden" not in answer.out
    as_json = doctor("--json")
    assert as_json.code == 1
    assert as_json.json[0]["is_well"] is False


def test_settings_that_cannot_be_read_at_all_are_a_sentence(configure: Any) -> None:
    configure({"IDP_UPSTREAM_GOOGLE_CLIENT_SECRET": "hidden"})
    answer = doctor()
    assert answer.code == 1
    assert "IDP_UPSTREAM_GOOGLE_CLIENT_ID is missing" in answer.err


def test_one_bad_connection_does_not_hide_the_others(configure: Any, stand_ins: StandIns) -> None:
    configure(stand_ins.variables | {"IDP_UPSTREAM_BROKEN_CLIENT_ID": "ours"})
    answer = doctor("--json")
    assert answer.code == 1
    assert {report["name"] for report in answer.json if not report["is_well"]} == {"broken"}
    assert len(answer.json) == len(CONNECTIONS) + 1


@pytest.mark.parametrize("fault", ["http_500", "malformed_json", "huge_answer"])
@pytest.mark.parametrize(("kind", "name", "what"), [("oidc", "acme", "discovery"), ("google", "google", "keys")])
def test_metadata_or_keys_that_cannot_be_had_are_wrong(
    configure: Any, stand_ins: StandIns, fault: str, kind: str, name: str, what: str
) -> None:
    configure(stand_ins.variables)
    stand_ins.break_keys(kind, fault)
    try:
        answer = doctor(name, "--json")
    finally:
        stand_ins.break_keys(kind, None)
    assert answer.code == 1
    assert checks_of(answer, name)[what].startswith("wrong: ")


@pytest.mark.spec("OpenID Connect Discovery 1.0", "4.3", "MUST")
@pytest.mark.asvs("10.5.3")
def test_metadata_of_another_issuer_is_wrong(configure: Any, stand_ins: StandIns) -> None:
    configure(stand_ins.variables | {"IDP_UPSTREAM_ACME_ISSUER": stand_ins.sandbox.origins["oidc"] + "/"})
    answer = doctor("acme", "--json")
    assert answer.code == 1
    assert "not that of the issuer" in checks_of(answer, "acme")["discovery"]


def test_a_provider_that_is_not_there_is_wrong(configure: Any) -> None:
    configure(GOOGLE | {"IDP_UPSTREAM_GOOGLE_SANDBOX_URL": f"http://127.0.0.1:{find_free_port()}"})
    answer = doctor("--json")
    assert answer.code == 1
    checks = checks_of(answer, "google")
    assert checks["keys"].startswith("wrong: ")
    assert checks["token endpoint"].startswith("wrong: ")
    assert checks["authorization endpoint"].startswith("warning: ")


def test_what_the_guard_of_outbound_requests_refuses_is_wrong(configure: Any, stand_ins: StandIns) -> None:
    """A provider on the inside, which IDP_OUTBOUND_ALLOWED_HOSTS does not name."""
    inside = {name: value for name, value in stand_ins.variables.items() if "ACME" in name and "SANDBOX" not in name}
    configure(inside)
    answer = doctor("--json")
    assert answer.code == 1
    assert checks_of(answer, "acme")["discovery"].startswith("wrong: ")
    configure({"IDP_OUTBOUND_ALLOWED_HOSTS": "127.0.0.1"})
    assert doctor("--json").code == 0


def test_offline_asks_nothing(configure: Any) -> None:
    """The guard of these tests would see the attempt."""
    configure(GOOGLE | {"IDP_UPSTREAM_ACME_CLIENT_ID": "x", "IDP_UPSTREAM_ACME_CLIENT_SECRET": "x"})
    configure({"IDP_UPSTREAM_ACME_ISSUER": "https://id.invalid"})
    answer = doctor("--offline", "--json")
    assert answer.code == 0
    for name in ("google", "acme"):
        assert checks_of(answer, name)["network"].startswith("unknown: ")


# --- Where people are sent back to


@pytest.mark.parametrize(
    ("issuer", "kind", "is_warned"),
    [
        ("https://id.example.com", "google", False),
        ("https://id.example.com", "apple", False),
        ("http://localhost:8000", "google", False),
        ("http://127.0.0.1:8000", "google", False),
        ("http://id.example.com", "google", True),
        ("http://192.168.1.7:8000", "google", True),
        ("http://localhost:8000", "apple", True),
        ("https://localhost", "apple", True),
        ("https://203.0.113.7", "apple", True),
        ("http://id.example.com", "apple", True),
    ],
)
def test_an_address_that_the_provider_will_not_register_is_warned_of(
    configure: Any, stand_ins: StandIns, issuer: str, kind: str, is_warned: bool
) -> None:
    key = stand_ins.variables["IDP_UPSTREAM_APPLE_PRIVATE_KEY"]
    configure(
        (GOOGLE if kind == "google" else APPLE | {"IDP_UPSTREAM_APPLE_PRIVATE_KEY": key}) | {"IDP_ISSUER": issuer}
    )
    answer = doctor("--offline", "--json")
    assert answer.code == 0, "a warning is not a fault"
    sentence = checks_of(answer, kind).get("redirect URI", "")
    assert sentence.startswith("warning: ") is is_warned
    assert ("IDP_ISSUER" in sentence) is is_warned


def test_a_stand_in_takes_any_address_of_this_machine_and_no_other(configure: Any, stand_ins: StandIns) -> None:
    configure(stand_ins.variables)
    assert "redirect URI" not in checks_of(doctor("apple", "--offline", "--json"), "apple")
    configure({"IDP_ISSUER": "https://id.example.com"})
    assert "stand-in" in checks_of(doctor("apple", "--offline", "--json"), "apple")["redirect URI"]


# --- What comes back, of every kind


@dataclass
class Fetcher:
    """Answers as told, by what the URL ends in."""

    answers: dict[str, Any] = field(default_factory=dict)
    asked: list[tuple[str, str]] = field(default_factory=list)

    def send(self, method: str, url: str, **_rest: Any) -> OutboundResponse:
        self.asked.append((method, url))
        answer = next((value for end, value in self.answers.items() if url.endswith(end)), 400)
        if isinstance(answer, Exception):
            raise answer
        return OutboundResponse(answer, {}, b"") if isinstance(answer, int) else OutboundResponse(200, {}, answer)

    def get_json(self, url: str) -> Any:
        return json.loads(self.send("GET", url).body)


def look(fetcher: Fetcher) -> dict[str, str]:
    google = UpstreamSettings(name="google", client_id="ours", client_secret="hidden")
    settings = Settings(issuer="https://id.example.com", upstream=(google,))
    connections, problems = load_connections([google], PROVIDERS, settings.issuer)
    assert problems == []
    upstreams = Upstreams(settings, connections, fetcher)  # type: ignore[arg-type]
    found = examine(connections["google"], upstreams, fetcher, offline=False, clock=lambda: 0)  # type: ignore[arg-type]
    return {finding.what: f"{finding.result}: {finding.sentence}" for finding in found}


@pytest.mark.parametrize(
    ("answer", "result"),
    [
        (200, "well"), (302, "well"), (400, "well"), (405, "well"), (500, "wrong"), (503, "wrong"),
        (AnswerRefused("answered with status 302"), "well"), (NotSent("cannot be reached"), "wrong"),
        (FetchRefused("did not answer within 5 seconds"), "wrong"),
    ],
)  # fmt: skip
def test_an_endpoint_answers_when_anything_sensible_comes_back(answer: Any, result: str) -> None:
    keys = {"/certs": b'{"keys": []}'}
    assert look(Fetcher(keys | {"/token": answer}))["token endpoint"].startswith(f"{result}: ")
    expected = "well" if result == "well" else "warning"
    assert look(Fetcher(keys | {"/auth": answer}))["authorization endpoint"].startswith(f"{expected}: ")


@pytest.mark.parametrize(
    "keys",
    [
        pytest.param(b'{"keys": []}', id="no key"),
        pytest.param(b'{"keys": [{"kty": "oct", "k": "c2VjcmV0"}]}', id="a secret"),
        pytest.param(b'{"keys": [{"kty": "RSA", "n": "AQAB", "e": "AQAB"}]}', id="too short"),
        pytest.param(b'{"keys": [{"kty": "EC", "crv": "P-256", "x": "a", "y": "b"}]}', id="of another kind"),
        pytest.param(b'{"keys": 5}', id="no list"),
        pytest.param(b"{}", id="no key set"),
    ],
)
def test_keys_that_no_id_token_can_be_verified_with_are_wrong(keys: bytes) -> None:
    assert look(Fetcher({"/certs": keys}))["keys"].startswith("wrong: ")


def test_nothing_but_bare_gets_is_sent() -> None:
    fetcher = Fetcher({"/certs": b'{"keys": []}'})
    look(fetcher)
    assert [method for method, _ in fetcher.asked] == ["GET"] * 3
    assert not any("?" in url or "hidden" in url or "ours" in url for _, url in fetcher.asked)


@pytest.mark.parametrize(
    ("date", "result"),
    [
        ("Thu, 01 Jan 1970 00:00:05 GMT", None),
        ("Thu, 01 Jan 1970 00:00:30 GMT", "warning"),
        ("Thu, 01 Jan 1970 00:10:00 GMT", "wrong"),
        ("soon", None),
    ],
)
def test_the_clock_of_a_provider_is_compared_with_ours(date: str, result: str | None) -> None:
    @dataclass
    class Dated(Fetcher):
        def send(self, method: str, url: str, **rest: Any) -> OutboundResponse:
            answer = super().send(method, url, **rest)
            return OutboundResponse(answer.status, {"date": date}, answer.body)

    found = look(Dated({"/certs": b'{"keys": []}'}))
    assert found.get("clock", "").partition(":")[0] == (result or "")
