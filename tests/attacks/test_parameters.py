"""Parameters and bodies as attackers and careless clients write them."""

import json

import pytest
import requests
from sqlalchemy import select

from idp.protocol.names import KNOWN_PARAMETERS
from idp.store import tables
from tests.attacks.raw import exchange, request_bytes
from tests.support.authorize import ask, signed_in, third_party, trusted_party
from tests.support.idp_server import ServerUnderTest, TimedServer
from tests.support.relying_party import Browser, Page

FORM = "Content-Type: application/x-www-form-urlencoded"


def chunked(path: str, size: int, content_type: str = FORM, *headers: str) -> bytes:
    piece = b"a=" + b"b" * 4094
    body = b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for _ in range(size // len(piece))) + b"0\r\n\r\n"
    return request_bytes("POST", path, content_type, "Transfer-Encoding: chunked", *headers, body=body)


@pytest.mark.asvs("4.2.1")
@pytest.mark.parametrize("path", ["/token", "/introspect", "/revoke", "/authorize", "/logout", "/login", "/consent"])
def test_a_body_over_the_limit_is_refused_however_it_is_sent(server: ServerUnderTest, path: str) -> None:
    too_much = server.settings.max_body_bytes + 8192
    assert exchange(server, chunked(path, too_much)).status == 413
    body = b"a=" + b"b" * too_much
    announced = request_bytes("POST", path, FORM, f"Content-Length: {len(body)}", body=body)
    assert exchange(server, announced).status == 413


def test_a_chunked_body_within_the_limit_is_read_whole(server: ServerUnderTest) -> None:
    form = b"grant_type=authorization_code&client_id=nobody&client_secret=x"
    pieces = b"".join(b"1\r\n%c\r\n" % byte for byte in form) + b"0\r\n\r\n"
    answer = exchange(server, request_bytes("POST", "/token", FORM, "Transfer-Encoding: chunked", body=pieces))
    assert (answer.status, b"invalid_client" in answer.raw) == (401, True)


@pytest.mark.asvs("4.2.1")
def test_a_body_with_two_lengths_is_never_read_twice(server: ServerUnderTest) -> None:
    """Request smuggling: whatever the length, the hidden request is not answered."""
    hidden = b"GET /.well-known/openid-configuration HTTP/1.1\r\nHost: x\r\n\r\n"
    both = request_bytes("POST", "/token", FORM, f"Content-Length: {len(hidden) + 5}", "Transfer-Encoding: chunked",
                         body=b"0\r\n\r\n" + hidden)  # fmt: skip
    for request in (both, both.replace(b"Transfer-Encoding: chunked", b"Transfer-Encoding: xchunked"),
                    both.replace(b"Transfer-Encoding: chunked", b"Content-Length: 5")):  # fmt: skip
        answer = exchange(server, request)
        assert answer.raw.count(b"HTTP/1.1 ") == 1
        assert 400 <= answer.status < 600
        assert b"authorization_endpoint" not in answer.raw


# --- Spaces


@pytest.mark.spec("RFC 6749", "3.3", "MUST")
def test_doubled_and_trailing_spaces_between_scopes_mean_nothing(server: ServerUnderTest, browser: Browser) -> None:
    client, user = trusted_party(server), server.add_user()
    tokens = client.tokens(browser, user.username, scope="  openid   email  ")
    assert tokens["scope"] == "openid email"


@pytest.mark.spec("OpenID Connect Core", "3.1.2.1", "MUST")
def test_doubled_and_trailing_spaces_in_prompt_mean_nothing(server: ServerUnderTest) -> None:
    client, user = trusted_party(server), server.add_user()
    browser = signed_in(server, user.username)
    assert ask(client, browser, prompt=" none ").callback.code
    assert ask(client, browser, prompt="login  consent ").page.id == "login-page"
    assert ask(client, browser, prompt="  ").callback.code
    assert ask(client, browser, prompt="none  login").callback.error == "invalid_request"


def test_a_scope_of_nothing_but_spaces_is_invalid_scope(server: ServerUnderTest, browser: Browser) -> None:
    assert ask(third_party(server), browser, scope="   ").callback.error == "invalid_scope"


# --- Control characters


@pytest.mark.spec("RFC 6749", "A.5", "MUST")
@pytest.mark.parametrize("name", ["state", "nonce", "login_hint", "scope", "acr_values"])
@pytest.mark.parametrize("character", ["\r", "\n", "\t", "\0", "\x1b", "\x7f"], ids=repr)
def test_control_characters_are_invalid_request_and_are_not_sent_back(
    server: ServerUnderTest, browser: Browser, name: str, character: str
) -> None:
    callback = ask(third_party(server), browser, **{name: f"a{character}b"}).callback
    assert callback.error == "invalid_request"
    assert character not in str(callback.params)
    assert "%0D" not in callback.url.upper()
    assert "%0A" not in callback.url.upper()
    if name == "state":
        assert "state" not in callback.params


@pytest.mark.spec("OpenID Connect Core", "5.5", "MUST")
def test_claims_may_be_printed_prettily(server: ServerUnderTest, browser: Browser) -> None:
    client, user = trusted_party(server), server.add_user()
    claims = json.dumps({"userinfo": {"email": None}}, indent="\t").replace("\n", "\r\n")
    tokens = client.tokens(browser, user.username, claims=claims)
    assert client.userinfo(tokens["access_token"]).json()["email"] == user.email


def test_claims_may_not_hold_other_control_characters(server: ServerUnderTest, browser: Browser) -> None:
    for character in "\0\x0b\x0c\x1b\x7f":
        assert ask(third_party(server), browser, claims="{}" + character).callback.error == "invalid_request"


# --- Origins


@pytest.mark.asvs("3.4.2")
def test_an_origin_that_only_begins_like_a_registered_one_is_foreign(server: ServerUnderTest) -> None:
    registered = "https://" + ".".join(["a" * 60] * 4) + ".co"
    registered += "m" * (255 - len(registered))
    assert len(registered) == 255
    server.add_client(web_origins=(registered,))
    url = server.url("/jwks")
    for _ in range(4):  # both workers
        good = requests.get(url, headers={"Origin": registered}, timeout=15)
        assert good.headers["Access-Control-Allow-Origin"] == registered
        for foreign in (registered + "x", registered + ":8443", registered[:-1], registered + "." + "x" * 5000):
            answer = requests.get(url, headers={"Origin": foreign}, timeout=15)
            assert answer.status_code == 200
            assert "Access-Control-Allow-Origin" not in answer.headers


# --- What is kept


@pytest.mark.asvs("14.2.4")
def test_only_parameters_that_mean_something_are_kept_with_a_request(timed: TimedServer) -> None:
    client, browser = third_party(timed), Browser(timed)
    extra = {f"extra{number}": "x" * 50 for number in range(40)} | {"password": "typed-into-the-wrong-place"}
    params, _ = client.request(ui_locales="fr", login_hint="ada")
    for asked in (browser.post("/authorize", data=params | extra), browser.get("/authorize", params=params | extra)):
        assert Page(browser, browser.follow(asked)).id == "login-page"
    with timed.store.database.reading() as connection:
        kept = [json.loads(text) for text in connection.execute(select(tables.ephemeral.c.value)).scalars()]
    assert len(kept) == 3, "the posted request, and an interaction each"
    for value in kept:
        names = {name for name, _ in value["params"]}
        assert names <= KNOWN_PARAMETERS
        assert names == set(params)
