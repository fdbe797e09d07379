"""Client authentication with a secret, or without one: RFC 6749 §2.3, exactly one method and the registered one."""

import base64
from dataclasses import replace
from typing import Any
from urllib.parse import quote, quote_plus

import pytest
import requests

from idp.protocol.client import ClientSecret
from idp.store.database import hashed
from tests.support.assertions import assertion, assertion_form, shared_key, wait_for_client_caches
from tests.support.idp_server import RegisteredClient, ServerUnderTest, TimedServer
from tests.support.relying_party import TIMEOUT
from tests.support.scene import Scene, refused

PATHS = ("/token", "/introspect", "/revoke")
SECRET = 's3cret with space+plus%percent:colon/slash=é€"quote\\'
NOT_AUTHENTICATED = (401, "invalid_client")
FORM = {"grant_type": "refresh_token", "refresh_token": "rt_unknown", "token": "rt_unknown"}


def basic(client_id: str, secret: str, *, encode: Any = quote_plus, scheme: str = "Basic") -> dict[str, str]:
    """RFC 6749 §2.3.1: both parts form-encoded, joined by a colon, in Base64."""
    raw = f"{encode(client_id)}:{encode(secret)}".encode()
    return {"Authorization": f"{scheme} {base64.b64encode(raw).decode()}"}


def ask(
    server: ServerUnderTest, path: str = "/token", headers: dict[str, str] | None = None, **form: Any
) -> requests.Response:
    data = {name: value for name, value in (FORM | form).items() if value is not None}
    return requests.post(server.url(path), data=data, headers=headers, timeout=TIMEOUT)


def is_authenticated(answer: requests.Response) -> bool:
    """With an unknown token in the form: who is authenticated hears about the token, all others about the client."""
    if answer.status_code == 401:
        assert answer.json()["error"] == "invalid_client"
        return False
    assert answer.status_code == 200 or answer.json()["error"] == "invalid_grant", answer.text
    return True


# --- client_secret_basic and client_secret_post


@pytest.mark.spec("RFC 6749", "2.3.1", "MUST")
@pytest.mark.asvs("10.4.10")
@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize(
    "secret", [SECRET, "a" * 200, "%41", "+", ":", "plain-secret_0"], ids=lambda secret: secret[:8]
)
def test_a_secret_of_any_characters_authenticates_by_either_method(
    server: ServerUnderTest, path: str, secret: str
) -> None:
    with_basic = server.add_client(secret=secret)
    with_post = server.add_client(secret=secret, token_endpoint_auth_method="client_secret_post")
    assert is_authenticated(ask(server, path, basic(with_basic.client_id, secret)))
    assert is_authenticated(ask(server, path, client_id=with_post.client_id, client_secret=secret))


@pytest.mark.spec("RFC 6749", "2.3.1", "MUST")
def test_basic_credentials_are_form_decoded_before_they_are_compared(server: ServerUnderTest) -> None:
    client = server.add_client(secret="a b+c%2Bd")
    assert is_authenticated(ask(server, headers=basic(client.client_id, "a b+c%2Bd", encode=quote_plus)))
    assert is_authenticated(ask(server, headers=basic(client.client_id, "a b+c%2Bd", encode=quote)))
    assert not is_authenticated(ask(server, headers=basic(client.client_id, "a b+c%2Bd", encode=str)))


@pytest.mark.spec("RFC 7235", "2.1", "MUST")
@pytest.mark.parametrize("scheme", ["basic", "BASIC", "bAsIc"])
def test_the_scheme_is_basic_in_any_case(server: ServerUnderTest, scheme: str) -> None:
    client = server.add_client(secret=SECRET)
    assert is_authenticated(ask(server, headers=basic(client.client_id, SECRET, scheme=scheme)))


@pytest.mark.spec("RFC 6749", "5.2", "MUST")
@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("wrong", ["nope", "", SECRET + "x", SECRET[:-1], SECRET.upper(), " " + SECRET])
def test_a_wrong_secret_is_invalid_client_with_a_challenge_when_basic_was_tried(
    server: ServerUnderTest, path: str, wrong: str
) -> None:
    client = server.add_client(secret=SECRET)
    answer = ask(server, path, basic(client.client_id, wrong))
    assert refused(answer) == NOT_AUTHENTICATED
    assert answer.headers["WWW-Authenticate"].startswith("Basic realm=")
    assert answer.headers["Cache-Control"] == "no-store"


@pytest.mark.spec("RFC 6749", "5.2", "MUST")
def test_a_wrong_secret_in_the_body_is_invalid_client(server: ServerUnderTest) -> None:
    client = server.add_client(secret=SECRET, token_endpoint_auth_method="client_secret_post")
    answer = ask(server, client_id=client.client_id, client_secret="nope")
    assert refused(answer) == NOT_AUTHENTICATED
    assert "Basic" not in answer.headers.get("WWW-Authenticate", "")


def test_an_unknown_client_a_disabled_one_and_a_wrong_secret_get_the_same_answer(server: ServerUnderTest) -> None:
    known = server.add_client(secret=SECRET)
    disabled = server.add_client(secret=SECRET, disabled=True)
    answers = [
        ask(server, headers=basic(known.client_id, "nope")),
        ask(server, headers=basic("nobody", SECRET)),
        ask(server, headers=basic(disabled.client_id, SECRET)),
    ]
    said = []
    for answer in answers:
        assert answer.json()["request_id"] == answer.headers["X-Request-Id"]
        text = answer.text.replace(answer.headers["X-Request-Id"], "id")
        said.append((answer.status_code, text, answer.headers["WWW-Authenticate"]))
    assert set(said) == {(401, said[0][1], said[0][2])}


@pytest.mark.spec("RFC 6749", "2.3.1", "MUST")
@pytest.mark.parametrize(
    "value",
    [
        pytest.param("Basic", id="nothing after the scheme"),
        pytest.param("Basic !!!not-base64!!!", id="no Base64"),
        pytest.param("Basic " + base64.b64encode(b"no-colon").decode(), id="no colon"),
        pytest.param("Basic " + base64.b64encode(b":secret").decode(), id="no client"),
        pytest.param("Basic " + base64.b64encode(b"\xff\xfe:\xff").decode(), id="no UTF-8"),
        pytest.param("Basic " + base64.b64encode(b"%FF%FE:x").decode(), id="no UTF-8 after decoding"),
        pytest.param("Basic " + base64.b64encode(b"a%00b:x").decode(), id="NUL"),
        pytest.param("Basic " + base64.b64encode(b"a:" + b"x" * 5000).decode(), id="a very long secret"),
    ],
)
def test_a_broken_basic_header_is_invalid_client(server: ServerUnderTest, value: str) -> None:
    answer = ask(server, headers={"Authorization": value})
    assert refused(answer) == NOT_AUTHENTICATED
    assert answer.headers["WWW-Authenticate"].startswith("Basic")


# --- Exactly one method, and the registered one


def presentations(server: ServerUnderTest, client: RegisteredClient) -> dict[str, dict[str, Any]]:
    """The same client, presented by each method."""
    secret = str(client.secret)
    return {
        "client_secret_basic": {"headers": basic(client.client_id, secret)},
        "client_secret_post": {"client_id": client.client_id, "client_secret": secret},
        "client_secret_jwt": assertion_form(assertion(server, client.client_id, shared_key(secret), "HS256")),
        "none": {"client_id": client.client_id},
    }


@pytest.mark.spec("OpenID Connect Core", "9", "MUST")
@pytest.mark.parametrize("used", ["client_secret_basic", "client_secret_post", "client_secret_jwt", "none"])
@pytest.mark.parametrize("registered", ["client_secret_basic", "client_secret_post", "none", "private_key_jwt"])
def test_only_the_registered_method_is_accepted(server: ServerUnderTest, registered: str, used: str) -> None:
    client = server.add_client(secret="x" * 40, token_endpoint_auth_method=registered)
    answer = ask(server, **presentations(server, client)[used])
    assert is_authenticated(answer) is (used == registered)


@pytest.mark.spec("RFC 6749", "2.3", "MUST NOT")
@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize(
    "both",
    [
        ("client_secret_basic", "client_secret_post"),
        ("client_secret_basic", "client_secret_jwt"),
        ("client_secret_post", "client_secret_jwt"),
    ],
    ids="+".join,
)
def test_two_methods_in_one_request_are_invalid_request(
    server: ServerUnderTest, path: str, both: tuple[str, str]
) -> None:
    client = server.add_client(secret="x" * 40)
    ways = presentations(server, client)
    assert refused(ask(server, path, **(ways[both[0]] | ways[both[1]]))) == (400, "invalid_request")


@pytest.mark.spec("RFC 6749", "2.3", "MUST NOT")
@pytest.mark.parametrize("used", ["client_secret_basic", "client_secret_post", "client_secret_jwt"])
def test_a_public_client_that_sends_a_secret_is_refused(server: ServerUnderTest, used: str) -> None:
    client = server.add_client(public=True)
    assert is_authenticated(ask(server, client_id=client.client_id))
    made_up = replace(client, secret="x" * 40)
    assert refused(ask(server, **presentations(server, made_up)[used])) == NOT_AUTHENTICATED


@pytest.mark.spec("RFC 6749", "2.3.1", "MAY")
def test_client_id_may_stand_in_the_body_beside_basic_when_it_is_the_same(server: ServerUnderTest) -> None:
    client, other = server.add_client(secret=SECRET), server.add_client(secret=SECRET)
    header = basic(client.client_id, SECRET)
    assert is_authenticated(ask(server, headers=header, client_id=client.client_id))
    assert refused(ask(server, headers=header, client_id=other.client_id)) == (400, "invalid_request")


@pytest.mark.spec("RFC 6749", "3.2.1", "MUST")
@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize(
    "form",
    [{}, {"client_id": "nobody"}, {"client_secret": "secret alone"}, {"client_id": "", "client_secret": "x"}],
    ids=str,
)
def test_nobody_is_answered_who_does_not_say_who_they_are(
    server: ServerUnderTest, path: str, form: dict[str, str]
) -> None:
    assert refused(ask(server, path, **form)) == NOT_AUTHENTICATED


@pytest.mark.spec("RFC 6749", "2.3", "MUST")
def test_a_bearer_token_is_no_client_authentication(scene: Scene) -> None:
    party = scene.client()
    token = scene.tokens(party)["access_token"]
    answer = ask(scene.server, headers={"Authorization": f"Bearer {token}"}, client_id=party.client.client_id)
    assert refused(answer) == NOT_AUTHENTICATED


# --- Several secrets, and their end


def test_two_secrets_overlap_while_one_replaces_the_other(timed: TimedServer) -> None:
    client = timed.add_client(secret="the-old-secret")
    old = replace(client.metadata.secrets[0], expires_at=timed.now + 100)
    new = ClientSecret(hash=hashed("the-new-secret"), created_at=timed.now)
    timed.store.clients.save(replace(client.metadata, secrets=(new, old)), now=timed.now)
    wait_for_client_caches()
    for secret in ("the-old-secret", "the-new-secret"):
        assert is_authenticated(ask(timed, headers=basic(client.client_id, secret)))
    timed.forward(101)
    assert not is_authenticated(ask(timed, headers=basic(client.client_id, "the-old-secret")))
    assert is_authenticated(ask(timed, headers=basic(client.client_id, "the-new-secret")))


@pytest.mark.spec("RFC 7591", "3.2.1", "MUST")
def test_a_secret_is_dead_at_the_second_it_expires(timed: TimedServer) -> None:
    secrets = (ClientSecret(hash=hashed("short-lived"), expires_at=timed.now + 50),)
    client = timed.add_client(public=True)
    confidential = replace(client.metadata, token_endpoint_auth_method="client_secret_basic", secrets=secrets)
    timed.store.clients.save(confidential, now=timed.now)
    wait_for_client_caches()
    assert is_authenticated(ask(timed, headers=basic(client.client_id, "short-lived")))
    timed.forward(50)
    assert not is_authenticated(ask(timed, headers=basic(client.client_id, "short-lived")))


def test_a_client_without_any_secret_cannot_authenticate_with_an_empty_one(server: ServerUnderTest) -> None:
    client = server.add_client(public=True).metadata
    bare = replace(client, client_id=client.client_id + "-bare", token_endpoint_auth_method="client_secret_post")
    assert server.store.clients.add(bare, now=server.now)
    assert refused(ask(server, client_id=bare.client_id, client_secret=" ")) == NOT_AUTHENTICATED
    assert refused(ask(server, headers=basic(bare.client_id, ""))) == NOT_AUTHENTICATED
