"""Headers of every answer, forms that only our own pages can send, and request ids."""

import re
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.support.accounts import PASSWORD
from tests.support.authorize import ask, signed_in, third_party, trusted_party
from tests.support.idp_server import ServerUnderTest, timed_server
from tests.support.relying_party import Browser, Page

PAGES = ["/", "/login", "/logout", "/authorize", "/nowhere", "/consent", "/select-account", "/authorize/unknown"]
ENDPOINTS = ["/.well-known/openid-configuration", "/.well-known/oauth-authorization-server", "/jwks", "/health",
             "/userinfo", "/token", "/introspect", "/revoke"]  # fmt: skip


def directives(response: requests.Response) -> dict[str, list[str]]:
    policy = response.headers["Content-Security-Policy"]
    return {part.split()[0]: part.split()[1:] for part in policy.split(";") if part.strip()}


@pytest.mark.asvs("3.4.3", "3.4.4", "3.4.5", "3.4.6", "3.4.8")
@pytest.mark.parametrize("path", PAGES)
def test_every_page_has_the_strict_headers(server: ServerUnderTest, path: str) -> None:
    response = requests.get(server.url(path), timeout=15, allow_redirects=False)
    headers, policy = response.headers, directives(response)
    assert headers["Content-Type"] == "text/html; charset=utf-8"
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["X-Frame-Options"] == "DENY"
    assert headers["Referrer-Policy"] == "no-referrer"
    assert headers["Cross-Origin-Opener-Policy"] == "same-origin"
    assert headers["Cross-Origin-Resource-Policy"] == "same-origin"
    assert headers["Cache-Control"] == "no-store"
    assert policy["default-src"] == policy["base-uri"] == policy["frame-ancestors"] == ["'none'"]
    assert policy["script-src"] == policy["style-src"] == policy["form-action"] == ["'self'"]
    assert "unsafe" not in headers["Content-Security-Policy"]
    assert "Access-Control-Allow-Origin" not in headers
    assert "Strict-Transport-Security" not in headers, "the issuer is http"
    assert "Server" not in headers


@pytest.mark.asvs("3.4.4", "3.4.6", "4.1.1")
@pytest.mark.parametrize("path", ENDPOINTS)
def test_every_endpoint_has_the_strict_headers(server: ServerUnderTest, path: str) -> None:
    for response in (requests.get(server.url(path), timeout=15), requests.post(server.url(path), timeout=15)):
        headers = response.headers
        assert headers["Content-Type"].partition(";")[0] == "application/json"
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["X-Frame-Options"] == "DENY"
        assert headers["Referrer-Policy"] == "no-referrer"
        assert directives(response) == {"default-src": ["'none'"], "frame-ancestors": ["'none'"]}
        cached = path.startswith("/.well-known") or path == "/jwks"
        assert ("no-store" in headers["Cache-Control"]) is not (cached and response.ok)


@pytest.mark.asvs("14.3.2")
@pytest.mark.parametrize("mode", ["query", "fragment", "form_post"])
def test_an_answer_with_a_code_is_never_stored_and_leaks_no_referrer(server: ServerUnderTest, mode: str) -> None:
    response = ask(trusted_party(server), signed_in(server, server.add_user().username), response_mode=mode).response
    assert response.headers["Cache-Control"] == "no-store"
    assert response.headers["Referrer-Policy"] == "no-referrer"


@pytest.mark.asvs("3.4.1")
def test_over_https_browsers_are_told_to_stay_there(tmp_path: Path, signing_keys: Path) -> None:
    with timed_server(tmp_path, keys_from=signing_keys, issuer="https://id.example.com") as server:
        for path in ("/login", "/jwks", "/nowhere", "/static/idp.css", "/token"):
            response = requests.get(f"http://127.0.0.1:{server.settings.port}{path}", timeout=15)
            value = response.headers["Strict-Transport-Security"]
            assert int(re.search(r"max-age=(\d+)", value)[1]) >= 31_536_000, path  # type: ignore[index]
            assert "includeSubDomains" in value


@pytest.mark.asvs("3.4.3")
@pytest.mark.parametrize(
    ("uri", "allowed"),
    [
        ("https://client.example.com/cb", ["'self'", "https:"]),
        ("http://localhost:3000/cb", ["'self'", "https:", "http://localhost:*", "http://127.0.0.1:*"]),
        ("nextarget://callback", ["'self'", "https:", "nextarget:"]),
    ],
)
def test_the_forms_of_a_request_may_end_at_its_client_and_pop_ups_stay_reachable(
    server: ServerUnderTest, uri: str, allowed: list[str]
) -> None:
    client, user = third_party(server, redirect_uris=(uri,)), server.add_user()
    asked = ask(client, Browser(server), prompt="login select_account consent")
    for _ in range(2):
        assert sorted(directives(asked.response)["form-action"]) == sorted(allowed)
        assert "Cross-Origin-Opener-Policy" not in asked.response.headers
        asked = asked.log_in(user.username) if asked.page.id == "login-page" else asked


@pytest.mark.asvs("3.2.2")
def test_pages_have_no_inline_scripts_styles_or_handlers(server: ServerUnderTest) -> None:
    user = server.add_user()
    asked = ask(third_party(server), Browser(server), prompt="login", scope="openid profile")
    pages = [asked.page, asked.log_in(user.username).page]
    pages += [Browser(server).open(path) for path in PAGES]
    for page in pages:
        for tag in page.soup.find_all(True):
            assert tag.name != "style"
            assert not [name for name in tag.attrs if name == "style" or name.startswith("on")], tag
            if tag.name == "script":
                assert str(tag["src"]).startswith("/static/")


# --- CSRF

FORMS: list[Any] = [
    ("login", {"username": "x", "password": "y"}),
    ("cancel", {}),
]


def refused(response: requests.Response) -> bool:
    page = Page(Browser.__new__(Browser), response)
    return (response.status_code, page.id) == (400, "error-page") and "Location" not in response.headers


@pytest.mark.asvs("3.5.1")
@pytest.mark.parametrize(("control", "values"), FORMS)
def test_a_form_without_our_token_or_with_a_foreign_one_is_refused(
    server: ServerUnderTest, control: str, values: dict[str, str]
) -> None:
    browser, foreign = Browser(server), Browser(server)
    asked = ask(third_party(server), browser)
    theirs = foreign.open("/login").fields("login")[1]["csrf_token"]
    for token in ("", "rubbish", theirs):
        assert refused(asked.page.submit(control, csrf_token=token, **values)), token
    url, fields = asked.page.fields(control)
    del fields["csrf_token"]
    assert refused(browser.post(url, data=fields | values))
    assert asked.then(asked.page.submit("cancel")).callback.error == "access_denied", "nothing had happened"


@pytest.mark.asvs("3.5.1")
@pytest.mark.parametrize("press", ["allow", "deny", "switch"])
def test_a_consent_without_our_token_is_refused(server: ServerUnderTest, press: str) -> None:
    client, user = third_party(server), server.add_user()
    asked = ask(client, signed_in(server, user.username), scope="openid email")
    assert refused(asked.page.submit(press, csrf_token=""))
    assert server.store.consents.find(user.id, client.client.client_id) == frozenset()
    assert asked.then(asked.page.submit("allow")).callback.error is None


@pytest.mark.asvs("3.5.1")
def test_choosing_an_account_and_signing_out_without_our_token_are_refused(server: ServerUnderTest) -> None:
    client, browser = trusted_party(server), signed_in(server, server.add_user().username)
    assert refused(ask(client, browser, prompt="select_account").page.submit("continue", csrf_token=""))
    assert refused(browser.open("/logout").submit("logout", csrf_token="rubbish"))
    assert ask(client, browser, prompt="none").callback.error is None, "still signed in"


@pytest.mark.asvs("3.5.1")
@pytest.mark.parametrize(("site", "accepted"), [("same-origin", True), ("none", True), ("cross-site", False),
                                                ("same-site", False), ("rubbish", False)])  # fmt: skip
def test_a_form_sent_from_another_site_is_refused_whatever_its_token(
    server: ServerUnderTest, browser: Browser, site: str, accepted: bool
) -> None:
    client, user = trusted_party(server), server.add_user()
    asked = ask(client, browser)
    url, fields = asked.page.fields("login")
    fields |= {"username": user.username, "password": PASSWORD}
    answer = browser.post(url, data=fields, headers={"Sec-Fetch-Site": site})
    assert refused(answer) is not accepted
    assert (answer.status_code == 303) is accepted


@pytest.mark.spec("OpenID Connect Core", "3.1.2.1", "MUST")
@pytest.mark.asvs("3.5.3")
def test_a_request_from_another_site_is_what_authorize_is_for(server: ServerUnderTest, browser: Browser) -> None:
    params, _ = trusted_party(server).request()
    headers = {"Sec-Fetch-Site": "cross-site", "Origin": "https://client.example.com"}
    assert browser.post("/authorize", data=params, headers=headers).status_code == 303
    assert browser.get("/authorize", params=params, headers=headers).status_code == 303


def test_reading_a_page_changes_nothing(server: ServerUnderTest) -> None:
    client, user = third_party(server), server.add_user()
    browser = signed_in(server, user.username)
    asked = ask(client, browser, scope="openid email")
    _, fields = asked.page.fields("allow")
    browser.get("/consent", params=fields)
    assert server.store.consents.find(user.id, client.client.client_id) == frozenset()
    browser.get("/logout", params=browser.open("/logout").fields("logout")[1])
    assert ask(client, browser, prompt="none").callback.error == "consent_required", "still signed in"


# --- Request ids


@pytest.mark.asvs("16.5.1")
def test_every_answer_has_a_request_id_of_ours_that_error_pages_show(server: ServerUnderTest) -> None:
    ids = []
    for path in (*PAGES, *ENDPOINTS, "/static/idp.css"):
        response = requests.get(server.url(path), headers={"X-Request-Id": "forged"}, timeout=15)
        ids.append(response.headers["X-Request-Id"])
        reference = Page(Browser(server), response).soup.select_one("#error-reference")
        assert reference is None or reference.get_text() == ids[-1], path
    assert len(set(ids)) == len(ids)
    assert all(re.fullmatch(r"[0-9a-f]{16}", value) for value in ids)
