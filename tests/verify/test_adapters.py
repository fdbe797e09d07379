"""What callers of an API are told, in FastAPI, Starlette and Flask alike: RFC 6750, RFC 9470, and WebSockets."""

import logging
from typing import Any

import pytest
from flask import Flask
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from idp_verify import Rule, Token, TokenVerifier, requires_authentication, requires_role, requires_scope
from idp_verify.fastapi import SUBPROTOCOL
from idp_verify.flask import Guard as FlaskGuard
from idp_verify.flask import current_token
from idp_verify.starlette import Guard as StarletteGuard
from tests.verify.apps import AUTHORIZED, ask_fastapi, ask_flask, call, make_fastapi, open_websocket
from tests.verify.event_loop import run_in_loop
from tests.verify.issuer import Issuer

ASK = [pytest.param(ask_flask, id="Flask"), pytest.param(ask_fastapi, id="FastAPI")]
EVERYWHERE = [*ASK, pytest.param(open_websocket, id="WebSocket")]
INVALID = 'Bearer realm="api", error="invalid_token", error_description="The access token is not valid."'
SCOPE_SENTENCE = "The access token was not granted the scope that this request needs."
ROLE_SENTENCE = "This request needs a role that the person does not have."
SIGN_IN_SENTENCE = "This request needs a stronger or more recent sign-in."


@pytest.fixture
def issuer() -> Issuer:
    return Issuer()


@pytest.mark.spec("RFC 6750", "3.1", "SHOULD NOT")
@pytest.mark.parametrize("ask", EVERYWHERE)
@pytest.mark.parametrize("authorization", [None, "", "Bearer", "Bearer   ", "Basic dXNlcjpwYXNz", "DPoP abc", "token"])
def test_without_a_token_the_caller_learns_only_that_one_is_needed(
    issuer: Issuer, ask: Any, authorization: str | None
) -> None:
    answer = ask(issuer.verifier(), authorization)
    assert (answer.status, answer.challenge) == (401, 'Bearer realm="api"')


@pytest.mark.spec("RFC 9110", "11.1", "MUST")
@pytest.mark.parametrize("ask", ASK)
@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER", "Bearer  "])
def test_the_scheme_is_read_in_any_case(issuer: Issuer, ask: Any, scheme: str) -> None:
    assert ask(issuer.verifier(), f"{scheme} {issuer.token()}").status == 200


@pytest.mark.spec("RFC 9700", "4.3.2", "MUST NOT")
def test_a_token_in_the_url_is_not_looked_at(issuer: Issuer) -> None:
    query = f"access_token={issuer.token()}".encode()
    assert ask_fastapi(issuer.verifier(), None, query=query).challenge == 'Bearer realm="api"'
    assert open_websocket(issuer.verifier(), None, query=query).challenge == 'Bearer realm="api"'


def test_a_header_sent_twice_is_no_token(issuer: Issuer) -> None:
    header = (b"authorization", f"Bearer {issuer.token()}".encode())
    answer = run_in_loop(call(make_fastapi(issuer.verifier()), [header, header]))
    assert (answer.status, answer.challenge) == (401, INVALID)


@pytest.mark.spec("RFC 6750", "3.1", "SHOULD")
@pytest.mark.parametrize("ask", EVERYWHERE)
@pytest.mark.parametrize(
    ("rule", "status", "challenge"),
    [
        pytest.param(
            requires_scope("orders.read", "orders.write"),
            403,
            f'error="insufficient_scope", error_description="{SCOPE_SENTENCE}", scope="orders.read orders.write"',
            id="scope",
        ),
        pytest.param(
            requires_role("Admin", "Owner"),
            403,
            f'error="insufficient_scope", error_description="{ROLE_SENTENCE}"',
            id="role",
        ),
        pytest.param(
            requires_authentication("aal2", max_age=60),
            401,
            f'error="insufficient_user_authentication", error_description="{SIGN_IN_SENTENCE}", '
            'acr_values="aal2", max_age="60"',
            id="acr",
        ),
        pytest.param(
            requires_authentication(max_age=60),
            401,
            f'error="insufficient_user_authentication", error_description="{SIGN_IN_SENTENCE}", max_age="60"',
            id="max_age",
        ),
    ],
)
def test_a_good_token_that_is_not_enough_is_told_what_would_be(
    issuer: Issuer, ask: Any, rule: Rule, status: int, challenge: str
) -> None:
    answer = ask(issuer.verifier(), f"Bearer {issuer.token()}", rule)
    assert (answer.status, answer.challenge) == (status, f'Bearer realm="api", {challenge}')


@pytest.mark.parametrize("ask", EVERYWHERE)
def test_a_good_token_that_is_enough_is_let_in(issuer: Issuer, ask: Any) -> None:
    rules = (
        requires_scope("orders.read"),
        requires_role("reader", "Admin"),
        requires_authentication("aal1", max_age=100),
    )
    answer = ask(issuer.verifier(), f"Bearer {issuer.token()}", *rules)
    assert answer.status in {200, 101}


@pytest.mark.spec("RFC 9470", "3", "MUST")
def test_a_sign_in_whose_time_nobody_knows_is_never_recent(issuer: Issuer) -> None:
    answer = ask_flask(issuer.verifier(), f"Bearer {issuer.token(auth_time=None)}", requires_authentication(max_age=60))
    assert answer.status == 401


def test_a_rule_may_be_written_by_the_api_itself(issuer: Issuer) -> None:
    from idp_verify import InsufficientRole

    def is_ada(token: Token, now: float) -> None:
        if token.subject != "u_ada":
            raise InsufficientRole("somebody else")

    assert ask_fastapi(issuer.verifier(), f"Bearer {issuer.token()}", is_ada).status == 200
    assert ask_fastapi(issuer.verifier(), f"Bearer {issuer.token(sub='u_bob')}", is_ada).status == 403


@pytest.mark.parametrize("ask", EVERYWHERE)
def test_when_nothing_can_be_checked_it_is_not_the_tokens_fault(issuer: Issuer, ask: Any) -> None:
    issuer.is_down = True
    answer = ask(issuer.verifier(), f"Bearer {issuer.token()}")
    assert (answer.status, answer.challenge, answer.retry_after) == (503, None, "5")


def test_a_refusal_is_in_the_log_once(issuer: Issuer, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "idp_verify")
    verifier = issuer.verifier()
    for make, said in (
        (lambda: ask_flask(verifier, f"Bearer {issuer.token(aud='x')}"), "access token refused: its aud is 'x', not"),
        (lambda: ask_fastapi(verifier, f"Bearer {issuer.token(exp=1)}"), "access token refused: it expired"),
        (lambda: ask_flask(verifier, f"Bearer {issuer.token()}", requires_scope("a")), "it lacks the scope a"),
        (lambda: ask_fastapi(verifier, f"Bearer {issuer.token()}", requires_role("a")), "none of the roles a"),
    ):
        caplog.clear()
        make()
        [message] = [record.getMessage() for record in caplog.records if record.name == "idp_verify"]
        assert said in message


@pytest.mark.parametrize("make", [requires_scope, requires_role, requires_authentication])
def test_a_rule_without_anything_to_ask_for_is_a_mistake(make: Any) -> None:
    with pytest.raises(ValueError):
        make()


@pytest.mark.parametrize("word", ['a"b', "a b", "", "a\\b", "é", "a\n"])
def test_what_could_break_out_of_a_header_is_refused_when_the_rule_is_made(issuer: Issuer, word: str) -> None:
    with pytest.raises(ValueError):
        requires_scope(word)
    with pytest.raises(ValueError):
        requires_authentication(word)
    if word not in {"", "a b"}:
        with pytest.raises(ValueError):
            FlaskGuard(issuer.verifier(), realm=word)


# --- WebSocket -------------------------------------------------------------------------------------------------------


def test_a_browser_brings_its_token_as_a_subprotocol_and_never_gets_it_back(issuer: Issuer) -> None:
    offered = (SUBPROTOCOL, issuer.token())
    answer = open_websocket(issuer.verifier(), None, subprotocols=offered)
    assert (answer.status, answer.body) == (101, SUBPROTOCOL)


@pytest.mark.parametrize("offered", [(), (SUBPROTOCOL,), ("chat",), ("chat", "x.y.z")])
def test_other_subprotocols_are_no_token(issuer: Issuer, offered: tuple[str, ...]) -> None:
    answer = open_websocket(issuer.verifier(), None, subprotocols=offered)
    assert (answer.status, answer.challenge) == (401, 'Bearer realm="api"')


def test_a_token_in_two_places_is_no_token(issuer: Issuer) -> None:
    offered = (SUBPROTOCOL, issuer.token())
    answer = open_websocket(issuer.verifier(), f"Bearer {issuer.token()}", subprotocols=offered)
    assert (answer.status, answer.challenge) == (401, INVALID)


def test_where_the_server_cannot_answer_a_websocket_by_http_it_is_closed(issuer: Issuer) -> None:
    answer = open_websocket(issuer.verifier(), "Bearer x", can_deny=False)
    assert (answer.status, answer.body) == (1008, "The access token is not valid.")


# --- Frameworks ------------------------------------------------------------------------------------------------------


def test_starlette_alone_is_enough(issuer: Issuer) -> None:
    access = StarletteGuard(issuer.verifier(), realm="orders")(requires_scope("orders.read"))

    async def whoami(request: Request) -> PlainTextResponse:
        return PlainTextResponse((await access(request)).subject)

    app = Starlette(routes=[Route("/", whoami)])
    good = [(b"authorization", f"Bearer {issuer.token()}".encode())]
    assert run_in_loop(call(app, good)).body == AUTHORIZED
    assert run_in_loop(call(app, [])).challenge == 'Bearer realm="orders"'


def test_the_openapi_document_says_which_operations_need_a_token(issuer: Issuer) -> None:
    document = make_fastapi(issuer.verifier()).openapi()
    assert document["components"]["securitySchemes"]["access token"]["scheme"] == "bearer"
    assert document["paths"]["/"]["get"]["security"] == [{"access token": []}]


def test_flask_guards_async_views_and_whole_applications(issuer: Issuer) -> None:
    app, guard = Flask("tests"), FlaskGuard(issuer.verifier())
    app.before_request(lambda: guard.check(requires_scope("orders.read")) and None)

    @app.get("/")
    def whoami() -> str:
        return current_token().subject

    good = {"Authorization": f"Bearer {issuer.token()}"}
    assert app.test_client().get("/", headers=good).text == AUTHORIZED
    assert app.test_client().get("/").status_code == 401
    assert app.test_client().get("/nowhere").status_code == 401


def test_flask_has_no_token_where_no_guard_has_run() -> None:
    app = Flask("tests")
    with app.test_request_context(), pytest.raises(LookupError):
        current_token()


def test_a_verifier_is_made_without_any_framework() -> None:
    assert TokenVerifier("https://id.example.com", "api").audience == "api"
