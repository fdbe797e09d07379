"""The token endpoint as HTTP: what it reads, what it refuses, and in which words (RFC 6749 §3.2 and §5)."""

import json
from typing import Any

import pytest
import requests

from tests.support.idp_server import ServerUnderTest
from tests.support.relying_party import TIMEOUT, RelyingParty
from tests.support.scene import Scene, open_scene, refused

FORM = "application/x-www-form-urlencoded"
MACHINE_ENDPOINTS = ("/token", "/introspect", "/revoke")


@pytest.fixture(scope="module")
def scene(server: ServerUnderTest) -> Scene:
    return open_scene(server)


@pytest.fixture(scope="module")
def party(scene: Scene) -> RelyingParty:
    return scene.client()


def send(party: RelyingParty, path: str, body: bytes | str, content_type: str | None = FORM) -> requests.Response:
    """A raw body, with the client's own credentials in the header."""
    headers = {"Content-Type": content_type} if content_type else {}
    auth = (party.client.client_id, str(party.client.secret))
    return requests.post(party.server.url(path), data=body, headers=headers, auth=auth, timeout=TIMEOUT)


# --- What is read


@pytest.mark.spec("RFC 6749", "3.2", "MUST")
@pytest.mark.parametrize("path", MACHINE_ENDPOINTS)
@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "PATCH"])
def test_only_post_is_answered(server: ServerUnderTest, path: str, method: str) -> None:
    answer = requests.request(method, server.url(path), timeout=TIMEOUT)
    assert refused(answer) == (405, "invalid_request")
    assert "POST" in answer.headers["Allow"]
    assert answer.headers["Cache-Control"] == "no-store"


@pytest.mark.spec("RFC 6749", "3.2", "MUST")
@pytest.mark.parametrize("path", MACHINE_ENDPOINTS)
def test_parameters_in_the_query_are_not_read(party: RelyingParty, path: str) -> None:
    query = "?grant_type=refresh_token&refresh_token=x&token=x&client_id=" + party.client.client_id
    answer = send(party, path + query, "")
    assert refused(answer) == (400, "invalid_request")


@pytest.mark.spec("RFC 6749", "3.2", "MUST")
def test_credentials_in_the_query_do_not_authenticate(party: RelyingParty) -> None:
    client = party.client
    url = party.server.url(f"/token?client_id={client.client_id}&client_secret={client.secret}")
    answer = requests.post(url, data={"grant_type": "refresh_token", "refresh_token": "x"}, timeout=TIMEOUT)
    assert refused(answer) == (401, "invalid_client")


@pytest.mark.spec("RFC 6749", "3.2", "MUST")
@pytest.mark.parametrize("path", MACHINE_ENDPOINTS)
@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        pytest.param("application/json", b'{"grant_type":"refresh_token","token":"x"}', id="JSON"),
        pytest.param("multipart/form-data; boundary=b", b"--b--\r\n", id="multipart"),
        pytest.param("text/plain", b"grant_type=refresh_token&token=x", id="text"),
        pytest.param(None, b"grant_type=refresh_token&token=x", id="no content type"),
    ],
)
def test_another_content_type_is_a_clean_refusal(
    party: RelyingParty, path: str, content_type: str | None, body: bytes
) -> None:
    answer = send(party, path, body, content_type)
    assert answer.status_code in {400, 415}
    assert answer.json()["error"] == "invalid_request"


@pytest.mark.spec("RFC 6749", "3.2", "MUST NOT")
@pytest.mark.parametrize("path", MACHINE_ENDPOINTS)
def test_a_parameter_sent_twice_is_refused(party: RelyingParty, path: str) -> None:
    body = "grant_type=refresh_token&grant_type=refresh_token&refresh_token=x&token=x&token=x"
    assert refused(send(party, path, body)) == (400, "invalid_request")


@pytest.mark.spec("RFC 6749", "3.2", "MUST")
def test_a_parameter_without_a_value_counts_as_absent(party: RelyingParty) -> None:
    assert refused(send(party, "/token", "grant_type=&refresh_token=x")) == (400, "invalid_request")
    assert refused(send(party, "/token", "grant_type=refresh_token&refresh_token=&refresh_token=x&code=")) == (
        400,
        "invalid_grant",
    )


@pytest.mark.spec("RFC 6749", "3.2", "MUST")
def test_unknown_parameters_are_ignored(party: RelyingParty) -> None:
    body = "grant_type=refresh_token&refresh_token=x&vendor_extension=1&password=p"
    assert refused(send(party, "/token", body)) == (400, "invalid_grant")


@pytest.mark.spec("RFC 6749", "3.2", "MUST")
def test_the_content_type_may_name_its_charset(party: RelyingParty) -> None:
    answer = send(party, "/token", "grant_type=refresh_token&refresh_token=x", f"{FORM}; charset=UTF-8")
    assert refused(answer) == (400, "invalid_grant")


@pytest.mark.parametrize("path", [*MACHINE_ENDPOINTS, "/userinfo"])
@pytest.mark.parametrize(
    ("body", "statuses"),
    [
        pytest.param(
            b"grant_type=%FF%FE&token=%FF&access_token=%FF", {400}, id="percent-encoded bytes that are no UTF-8"
        ),
        pytest.param(b"grant_type=\xff\xfe&token=\xff&access_token=\xff", {400}, id="raw bytes that are no UTF-8"),
        pytest.param(b"grant_type=refresh_token%00&token=a%00b&access_token=a%00", {400}, id="NUL"),
        pytest.param(b"&".join(b"a%d=1" % n for n in range(2000)), {400, 401}, id="2,000 parameters"),
        pytest.param(b"token=" + b"x" * 60_000 + b"&access_token=x", {400}, id="one long value"),
        pytest.param(b"token=" + b"x" * 1_000_000, {413}, id="a megabyte"),
        pytest.param(b"", {400, 401}, id="nothing"),
    ],
)
def test_whatever_the_bytes_the_answer_is_a_clean_refusal_in_json(
    party: RelyingParty, path: str, body: bytes, statuses: set[int]
) -> None:
    headers = {"Content-Type": FORM}
    auth = None if path == "/userinfo" else (party.client.client_id, str(party.client.secret))
    answer = requests.post(party.server.url(path), data=body, headers=headers, auth=auth, timeout=TIMEOUT)
    assert answer.status_code in statuses, answer.text
    assert answer.headers["Content-Type"] == "application/json"
    assert answer.headers["Cache-Control"] == "no-store"


# --- What is said


@pytest.mark.spec("RFC 6749", "5.2", "REQUIRED")
@pytest.mark.parametrize(
    ("form", "error"),
    [
        pytest.param({}, "invalid_request", id="no grant_type"),
        pytest.param({"grant_type": "authorization_code"}, "invalid_request", id="no code"),
        pytest.param({"grant_type": "refresh_token"}, "invalid_request", id="no refresh_token"),
        pytest.param({"grant_type": "authorization_code", "code": "x"}, "invalid_grant", id="unknown code"),
        pytest.param({"grant_type": "refresh_token", "refresh_token": "x"}, "invalid_grant", id="unknown token"),
        pytest.param(
            {"grant_type": "password", "username": "a", "password": "b"}, "unsupported_grant_type", id="password"
        ),
        pytest.param({"grant_type": "Authorization_Code", "code": "x"}, "unsupported_grant_type", id="another case"),
        pytest.param({"grant_type": "x\x00"}, "invalid_request", id="control characters"),
        pytest.param({"grant_type": 'é"\\\u202e'}, "unsupported_grant_type", id="quotes and non-ASCII"),
    ],
)
def test_each_error_has_its_code_and_is_plain_json(party: RelyingParty, form: dict[str, str], error: str) -> None:
    answer = party.post("/token", form)
    assert refused(answer) == (400, error)
    check_error_shape(answer)


def check_error_shape(answer: requests.Response) -> None:
    """RFC 6749 §5.2: JSON of ASCII, error and error_description in their character sets, never cached."""
    assert answer.headers["Content-Type"] == "application/json"
    assert answer.headers["Cache-Control"] == "no-store"
    body: dict[str, Any] = json.loads(answer.content.decode("ascii"))
    allowed = set(map(chr, range(0x20, 0x7F))) - {'"', "\\"}
    assert set(body) == {"error", "error_description", "request_id"}
    assert body["request_id"] == answer.headers["X-Request-Id"]
    assert set(body["error"]) | set(body["error_description"]) <= allowed


@pytest.mark.spec("RFC 6749", "5.2", "MUST")
@pytest.mark.asvs("10.4.4")
@pytest.mark.parametrize(
    ("registered", "asked"),
    [(("authorization_code",), "refresh_token"), (("refresh_token",), "authorization_code")],
)
def test_a_grant_that_the_client_is_not_registered_for_is_unauthorized_client(
    scene: Scene, registered: tuple[str, ...], asked: str
) -> None:
    party = scene.client(grant_types=registered)
    answer = party.post("/token", {"grant_type": asked, "code": "x", "refresh_token": "x"})
    assert refused(answer) == (400, "unauthorized_client")


@pytest.mark.spec("RFC 6749", "3.2.1", "MUST")
@pytest.mark.asvs("10.4.10")
def test_the_client_is_authenticated_before_anything_is_said_about_the_grant(scene: Scene, party: RelyingParty) -> None:
    callback = party.sign_in(scene.browser)
    answer = party.redeem(callback, client_id=party.client.client_id, client_secret="wrong")
    assert refused(answer) == (401, "invalid_client")
    assert party.redeem(callback).status_code == 200


@pytest.mark.spec("RFC 6749", "5.1", "MUST")
def test_the_token_response_is_json_that_nobody_keeps(scene: Scene, party: RelyingParty) -> None:
    answer = party.redeem(party.sign_in(scene.browser, scope="openid offline_access"))
    assert answer.headers["Content-Type"] == "application/json"
    assert answer.headers["Cache-Control"] == "no-store"
    assert "Set-Cookie" not in answer.headers
    body = answer.json()
    assert set(body) == {"access_token", "token_type", "expires_in", "scope", "refresh_token", "id_token"}
    assert (body["token_type"], body["expires_in"]) == ("Bearer", 900)


@pytest.mark.spec("RFC 6749", "5.1", "REQUIRED")
def test_a_granted_scope_that_differs_from_the_one_asked_is_said(scene: Scene) -> None:
    party = scene.client(scope=("openid", "email"))
    tokens = scene.tokens(party, scope="openid email profile unheard-of offline_access")
    assert tokens["scope"] == "openid email"


def test_tokens_and_secrets_stay_out_of_the_log(scene: Scene, party: RelyingParty) -> None:
    callback = party.sign_in(scene.browser, scope="openid offline_access")
    tokens = party.redeem(callback).json()
    party.redeem(callback)
    party.refresh(tokens["refresh_token"])
    party.post("/token", {"grant_type": "refresh_token", "refresh_token": "rt_a-made-up-one", "scope": "a-word"})
    party.userinfo(tokens["access_token"])
    party.introspect(tokens["access_token"])
    log = scene.server.log_text()
    assert callback.code not in log
    assert not [name for name in ("access_token", "refresh_token", "id_token") if tokens[name] in log]
    assert "rt_a-made-up-one" not in log
    assert str(party.client.secret) not in log
