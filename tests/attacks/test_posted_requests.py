"""Requests posted from another site come without our SameSite cookies: kept for a minute, taken up by a GET."""

import json
import re

import pytest
from sqlalchemy import select

from idp.store import tables
from tests.attacks.raw import count_rows
from tests.support.authorize import signed_in, trusted_party
from tests.support.idp_server import TimedServer
from tests.support.relying_party import Browser, Page, claims_of

SECRETS = {"state": "the-state-value", "nonce": "the-nonce-value", "login_hint": "ada@example.com"}


def kept_values(timed: TimedServer) -> list[dict[str, object]]:
    with timed.store.database.reading() as connection:
        return [json.loads(text) for text in connection.execute(select(tables.ephemeral.c.value)).scalars()]


def cross_site(timed: TimedServer) -> Browser:
    """The person's browser as it sends a form from another site: without cookies."""
    return Browser(timed, **{"Origin": "https://client.example.com", "Sec-Fetch-Site": "cross-site"})


@pytest.mark.spec("OpenID Connect Core", "3.1.2.1", "MUST")
@pytest.mark.asvs("14.2.1")
def test_a_request_posted_across_sites_finds_the_session_and_leaves_nothing_in_the_url(timed: TimedServer) -> None:
    client, user = trusted_party(timed), timed.add_user()
    browser = signed_in(timed, user.username)
    params, verifier = client.request(**SECRETS)
    answer = cross_site(timed).post("/authorize", data=params | {"extra": "unknown-value", "another": "x"})
    assert answer.status_code == 303
    assert answer.headers["Cache-Control"] == "no-store"
    assert not answer.cookies, "no cookie that would stand in the way of those the browser has"
    location = answer.headers["Location"]
    assert re.fullmatch(r"/authorize/posted/[\w-]{32}", location)
    (kept,) = kept_values(timed)
    assert "unknown-value" not in json.dumps(kept)
    assert "another" not in json.dumps(kept)
    timed.forward(58)
    callback = client.callback(browser.get(location), params, verifier)
    assert callback.params["state"] == SECRETS["state"]
    assert claims_of(client.redeem(callback).json()["id_token"])["sub"] == user.id


@pytest.mark.asvs("14.2.1")
def test_a_posted_request_whose_minute_is_over_is_a_page_that_says_so(timed: TimedServer) -> None:
    client, user = trusted_party(timed), timed.add_user()
    browser = signed_in(timed, user.username)
    params, _ = client.request()
    location = cross_site(timed).post("/authorize", data=params).headers["Location"]
    timed.forward(61)
    answer = browser.get(location)
    assert "It has expired" in answer.text
    assert (answer.status_code, Page(browser, answer).id) == (400, "error-page")
    assert "Location" not in answer.headers
    for unknown in ("/authorize/posted/x", "/logout/posted/x"):
        assert browser.get(unknown).status_code == 400


@pytest.mark.spec("RFC 6749", "4.1.2.1", "MUST NOT")
def test_only_a_request_that_is_sound_is_kept(timed: TimedServer) -> None:
    client = trusted_party(timed)
    params, _ = client.request(redirect_uri="https://evil.example/cb")
    answer = cross_site(timed).post("/authorize", data=params)
    assert (answer.status_code, "Location" in answer.headers) == (400, False)
    params, _ = client.request(response_type="nonsense")
    answer = cross_site(timed).post("/authorize", data=params)
    assert client.callback(answer, params).error == "unsupported_response_type"
    assert count_rows(timed, tables.ephemeral) == 0


@pytest.mark.spec("OpenID Connect RP-Initiated Logout", "2", "MUST")
@pytest.mark.asvs("7.4.1")
def test_a_posted_logout_with_a_hint_signs_out_when_the_cookie_comes(timed: TimedServer) -> None:
    client, user = trusted_party(timed), timed.add_user()
    browser = signed_in(timed, user.username)
    hint = client.tokens(browser)["id_token"]
    back = client.client.metadata.post_logout_redirect_uris[0]
    form = {"id_token_hint": hint, "post_logout_redirect_uri": back, "state": "bye", "more": "unknown-value"}
    answer = cross_site(timed).post("/logout", data=form)
    assert answer.status_code == 303
    assert re.fullmatch(r"/logout/posted/[\w-]{32}", answer.headers["Location"])
    assert "unknown-value" not in json.dumps(kept_values(timed))
    assert count_rows(timed, tables.sessions) == 1, "not before the cookie has come"
    ended = browser.get(answer.headers["Location"])
    assert (ended.status_code, ended.headers["Location"]) == (303, f"{back}?state=bye")
    assert count_rows(timed, tables.sessions) == 0
    assert browser.open("/login").id == "login-page"


def test_a_posted_logout_without_a_hint_asks_the_person(timed: TimedServer) -> None:
    browser = signed_in(timed, timed.add_user().username)
    location = cross_site(timed).post("/logout", data={"state": "x"}).headers["Location"]
    page = browser.open(location)
    assert page.id == "logout-page"
    assert count_rows(timed, tables.sessions) == 1
    assert page.submit("logout").status_code == 200
    assert count_rows(timed, tables.sessions) == 0


def test_a_posted_logout_that_is_too_late_ends_nothing(timed: TimedServer) -> None:
    client, user = trusted_party(timed), timed.add_user()
    browser = signed_in(timed, user.username)
    hint = client.tokens(browser)["id_token"]
    location = cross_site(timed).post("/logout", data={"id_token_hint": hint}).headers["Location"]
    timed.forward(61)
    assert browser.get(location).status_code == 400
    assert count_rows(timed, tables.sessions) == 1


@pytest.mark.asvs("3.5.1")
def test_the_answer_of_our_own_form_cannot_be_posted_from_another_site(timed: TimedServer) -> None:
    browser = signed_in(timed, timed.add_user().username)
    url, fields = browser.open("/logout").fields("logout")
    for headers, form in [({"Sec-Fetch-Site": "cross-site"}, fields), ({}, fields | {"csrf_token": "forged"})]:
        answer = browser.post(url, data=form, headers=headers)
        assert answer.status_code == 400
    assert count_rows(timed, tables.sessions) == 1
