"""A HEAD is answered like a GET without a body (RFC 9110 §9.3.2): it changes nothing, whatever it carries."""

from typing import Any

import pytest
import requests
from flask import Flask
from flask_wtf.csrf import CSRFError

from idp.store import tables
from idp.web.csrf import check_form
from tests.attacks.raw import count_rows
from tests.support.accounts import PASSWORD
from tests.support.authorize import ask, signed_in, third_party, trusted_party
from tests.support.idp_server import ServerUnderTest, TimedServer
from tests.support.relying_party import Browser, Page


def head(browser: Browser, url: str, **options: Any) -> requests.Response:
    return browser.http.head(url, allow_redirects=False, timeout=15, **options)


def events_of(server: ServerUnderTest, user_id: str) -> list[str]:
    return [event["event"] for event in server.store.audit_events.list(user_id=user_id)]


@pytest.mark.spec("RFC 9110", "9.2.1", "MUST")
@pytest.mark.asvs("4.1.4")
def test_a_head_with_the_right_password_signs_nobody_in(server: ServerUnderTest, browser: Browser) -> None:
    user, asked = server.add_user(), ask(trusted_party(server), browser)
    url, fields = asked.page.fields("login")
    for target in (url, f"{url}?interaction={fields['interaction']}"):
        answer = head(browser, target, data=fields | {"username": user.username, "password": PASSWORD})
        assert "idp_session" not in answer.cookies
        assert answer.headers.get("Location") is None
    assert events_of(server, user.id) == []
    assert browser.open(asked.response.url).id == "login-page"


@pytest.mark.asvs("6.3.1")
def test_a_head_is_no_guess_at_a_password(server: ServerUnderTest, browser: Browser) -> None:
    """Otherwise it would be one that the limit on POST does not count."""
    user, page = server.add_user(), browser.open("/login")
    url, fields = page.fields("login")
    right = head(browser, url, data=fields | {"username": user.username, "password": PASSWORD})
    wrong = head(browser, url, data=fields | {"username": user.username, "password": "wrong"})
    assert (right.status_code, "idp_session" in right.cookies) == (wrong.status_code, "idp_session" in wrong.cookies)
    assert events_of(server, user.id) == []


@pytest.mark.asvs("3.5.1")
@pytest.mark.parametrize("method", ["HEAD", "GET", "PUT", "PATCH", "DELETE"])
def test_only_a_post_is_ever_taken_for_a_form(method: str) -> None:
    with Flask("nothing").test_request_context("/login", method=method), pytest.raises(CSRFError, match="Only a POST"):
        check_form()


@pytest.mark.spec("RFC 9110", "9.2.1", "MUST")
@pytest.mark.asvs("4.1.4")
def test_a_head_at_authorize_is_refused_and_issues_nothing(timed: TimedServer) -> None:
    client, user = trusted_party(timed), timed.add_user()
    browser = signed_in(timed, user.username)
    params, _ = client.request()
    asked = ask(client, browser, prompt="login")
    interaction = Page(browser, asked.response).fields("login")[1]["interaction"]
    posted = Browser(timed).post("/authorize", data=params).headers["Location"]
    before = count_rows(timed, tables.grants), count_rows(timed, tables.ephemeral)
    answers = [
        browser.http.head(timed.url("/authorize"), params=params, timeout=15, allow_redirects=False),
        browser.http.head(timed.url("/authorize"), params=params | {"prompt": "login"}, timeout=15),
        head(browser, timed.url(f"/authorize/{interaction}")),
        head(browser, timed.issuer + posted),
        head(browser, timed.url("/authorize/unknown")),
    ]
    for answer in answers:
        assert answer.status_code == 405
        assert "GET" in answer.headers["Allow"]
        assert "Location" not in answer.headers
    assert (count_rows(timed, tables.grants), count_rows(timed, tables.ephemeral)) == before
    assert "code=" in browser.get(posted).headers["Location"], "and the GET works as if nothing had been"


def test_a_head_gives_no_consent_and_no_refusal(timed: TimedServer) -> None:
    user = timed.add_user()
    browser = signed_in(timed, user.username)
    asked = ask(third_party(timed), browser)
    for button in ("allow", "deny"):
        url, fields = asked.page.fields(button)
        head(browser, f"{url}?interaction={fields['interaction']}", data=fields)
    assert count_rows(timed, tables.consents) == 0
    assert browser.open(asked.response.url).id == "consent-page"


def test_a_head_at_logout_leaves_the_session_alone(timed: TimedServer) -> None:
    client, user = trusted_party(timed), timed.add_user()
    browser = signed_in(timed, user.username)
    hint = client.tokens(browser)["id_token"]
    url, fields = browser.open("/logout").fields("logout")
    assert head(browser, url, data=fields).status_code == 405
    assert head(browser, f"{timed.issuer}/logout", params={"id_token_hint": hint}).status_code == 405
    kept = Browser(timed).post("/logout", data={"id_token_hint": hint}).headers["Location"]
    assert head(browser, timed.issuer + kept).status_code == 405
    assert count_rows(timed, tables.sessions) == 1
