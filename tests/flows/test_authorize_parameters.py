"""`/authorize` once the redirect URI is trusted: every refusal travels to the client, in the mode that applies, with
`state` and `iss`; what is merely unknown is passed over."""

import html
import json
from typing import Any
from urllib.parse import urlencode

import pytest

from tests.support.authorize import ask, ask_with, signed_in, third_party, trusted_party
from tests.support.idp_server import ServerUnderTest, TimedServer, timed_server
from tests.support.relying_party import ABSENT, Browser, claims_of

REFUSED: list[Any] = [
    pytest.param({"response_type": ABSENT}, "invalid_request", id="RFC 6749 §3.1.1 response_type missing"),
    pytest.param({"response_type": ""}, "invalid_request", id="RFC 6749 §3.1 response_type empty"),
    pytest.param({"response_type": "CODE"}, "unsupported_response_type", id="RFC 6749 §3.1.1 case"),
    pytest.param({"response_type": "none"}, "unsupported_response_type", id="RFC 6749 §4.1.2.1 response_type=none"),
    pytest.param({"response_mode": "smoke"}, "invalid_request", id="Multiple Response Types §2.1 unknown mode"),
    pytest.param({"scope": ABSENT}, "invalid_scope", id="RFC 6749 §3.3 scope missing"),
    pytest.param({"scope": "admin"}, "invalid_scope", id="RFC 6749 §4.1.2.1 nothing that may be granted"),
    pytest.param(
        {"code_challenge": ABSENT, "code_challenge_method": ABSENT},
        "invalid_request",
        id="RFC 7636 §4.4.1 challenge missing",
    ),
    pytest.param({"code_challenge_method": ABSENT}, "invalid_request", id="RFC 7636 §4.3 method missing means plain"),
    pytest.param({"code_challenge_method": "plain"}, "invalid_request", id="RFC 9700 §2.1.1 plain"),
    pytest.param({"code_challenge": "short"}, "invalid_request", id="RFC 7636 §4.2 challenge too short"),
    pytest.param({"request": "e30.e30."}, "request_not_supported", id="Core §6 request"),
    pytest.param(
        {"request_uri": "https://client.example.com/r"}, "request_uri_not_supported", id="Core §6 request_uri"
    ),
    pytest.param({"registration": "{}"}, "registration_not_supported", id="Core §7.2.1 registration"),
    pytest.param({"prompt": "none login"}, "invalid_request", id="Core §3.1.2.1 prompt=none with another"),
    pytest.param({"prompt": "hypnosis"}, "invalid_request", id="prompt unknown"),
    pytest.param({"max_age": "-1"}, "invalid_request", id="Core §3.1.2.1 max_age negative"),
    pytest.param({"max_age": "soon"}, "invalid_request", id="Core §3.1.2.1 max_age no number"),
    pytest.param({"max_age": "9" * 30}, "invalid_request", id="max_age beyond measure"),
    pytest.param({"claims": "{"}, "invalid_request", id="Core §5.5 claims not JSON"),
    pytest.param({"claims": '{"id_token":{"acr":{"value":NaN}}}'}, "invalid_request", id="Core §5.5 claims with NaN"),
    pytest.param(
        {"claims": json.dumps({"id_token": {"acr": {"essential": True, "values": ["aal3"]}}})},
        "unmet_authentication_requirements",
        id="Core §5.5.1.1 essential acr unmet",
    ),
    pytest.param({"id_token_hint": "rubbish"}, "invalid_request", id="Core §3.1.2.1 id_token_hint rubbish"),
    pytest.param({"resource": "https://unknown.example"}, "invalid_target", id="RFC 8707 §2 unknown resource"),
    pytest.param({"nonce": "a\x00b"}, "invalid_request", id="NUL"),
    pytest.param({"display": "x" * 17_000}, "invalid_request", id="a value of 17 KB"),
    pytest.param({"prompt": "none"}, "login_required", id="Core §3.1.2.6 prompt=none without a session"),
]
MODES = {"query": "?", "fragment": "#", "form_post": ""}


@pytest.mark.spec("RFC 6749", "4.1.2.1", "MUST")
@pytest.mark.spec("RFC 9207", "2", "MUST")
@pytest.mark.spec("OpenID Connect Core", "3.1.2.6", "MUST")
@pytest.mark.parametrize(("overrides", "error"), REFUSED)
def test_a_refusal_travels_to_the_client_with_state_and_iss(
    server: ServerUnderTest, browser: Browser, overrides: dict[str, Any], error: str
) -> None:
    long = any(len(value or "") > 5000 for value in overrides.values())
    asked = ask(trusted_party(server), browser, method="POST" if long else "GET", **overrides)
    answer = asked.callback
    assert answer.url.startswith("https://client.example.com/callback?")
    assert answer.error == error
    assert set(answer.params) == {"error", "error_description", "request_id", "state", "iss"}
    assert answer.params["state"] == asked.params["state"]
    assert answer.params["iss"] == server.issuer
    description = answer.params["error_description"]
    assert description.isascii()
    assert description.isprintable()
    assert not set(description) & set('"\\'), "RFC 6749 §4.1.2.1"


@pytest.mark.spec("OAuth 2.0 Multiple Response Types", "2.1", "MUST")
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(
    ("overrides", "error"),
    [({"prompt": "none"}, "login_required"), ({"response_type": "token"}, "unsupported_response_type"),
     ({"scope": ABSENT}, "invalid_scope"), ({"claims": "["}, "invalid_request")],
)  # fmt: skip
def test_a_refusal_uses_the_response_mode_asked_for(
    server: ServerUnderTest, browser: Browser, mode: str, overrides: dict[str, Any], error: str
) -> None:
    asked = ask(trusted_party(server), browser, response_mode=mode, **overrides)
    assert asked.callback.error == error
    assert asked.callback.params["iss"] == server.issuer
    assert asked.callback.url.startswith(f"https://client.example.com/callback{MODES[mode]}")
    assert asked.response.status_code == (200 if mode == "form_post" else 303)


@pytest.mark.asvs("10.6.1")
@pytest.mark.spec("OAuth 2.0 Multiple Response Types", "5", "MUST")
@pytest.mark.parametrize("response_type", ["token", "id_token", "code token", "code id_token", "id_token token"])
def test_a_response_type_whose_answers_are_fragments_is_refused_in_a_fragment(
    server: ServerUnderTest, browser: Browser, response_type: str
) -> None:
    asked = ask(trusted_party(server), browser, response_type=response_type)
    assert asked.response.headers["Location"].startswith("https://client.example.com/callback#error=unsupported_resp")
    assert asked.callback.params["state"] == asked.params["state"]


@pytest.mark.spec("OAuth 2.0 Multiple Response Types", "2.1", "MUST")
@pytest.mark.spec("RFC 9207", "2", "MUST")
@pytest.mark.asvs("10.4.2")
@pytest.mark.parametrize("mode", MODES)
def test_a_code_uses_the_response_mode_asked_for(server: ServerUnderTest, mode: str) -> None:
    client, browser = trusted_party(server), signed_in(server, server.add_user().username)
    asked = ask(client, browser, response_mode=mode)
    assert set(asked.callback.params) == {"code", "state", "iss"}
    assert asked.callback.url.startswith(f"https://client.example.com/callback{MODES[mode]}")
    assert client.redeem(asked.callback).status_code == 200


@pytest.mark.spec("RFC 6749", "3.1.2", "MUST")
@pytest.mark.parametrize("mode", MODES)
def test_a_redirect_uri_keeps_its_own_query(server: ServerUnderTest, mode: str) -> None:
    uri = "https://client.example.com/callback?tenant=a%20b&code=mine"
    client = trusted_party(server, redirect_uris=(uri,))
    asked = ask(client, signed_in(server, server.add_user().username), response_mode=mode)
    target = asked.callback.url
    assert target.startswith(uri)
    if mode == "query":
        assert target.startswith(f"{uri}&code=")
    assert client.redeem(asked.callback).status_code == 200


STATES = {
    "RFC 6749 §A.5 every printable character": "".join(map(chr, range(0x20, 0x7F))),
    "separators": "a&b=c&error=access_denied#x?y;z",
    "plus and percent": "+%2B%25%+ %",
    "already encoded": "%E2%9C%93%00",
    "not ASCII": "état ✓ 状態 \U0001f511",
    "combining, not normalised": "e\u0301é",
    "JSON": '{"to":"/x?y=1&z=\\"2\\""}',
    "HTML": "\"'><script>alert(1)</script><input name=code value=x>",
    "spaces around": "  x  ",
    "2 KB": "a+%&" * 512,
}


@pytest.mark.spec("RFC 6749", "4.1.2", "MUST")
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("state", STATES.values(), ids=STATES.keys())
def test_state_comes_back_byte_for_byte(server: ServerUnderTest, browser: Browser, mode: str, state: str) -> None:
    client, user = trusted_party(server), server.add_user()
    asked = ask(client, browser, state=state, nonce=state[:256], response_mode=mode).log_in(user.username)
    assert asked.callback.params["state"] == state
    assert claims_of(client.redeem(asked.callback).json()["id_token"])["nonce"] == state[:256]
    refused = ask(client, browser, state=state, prompt="hypnosis", response_mode=mode)
    assert refused.callback.params["state"] == state


@pytest.mark.spec("RFC 6749", "4.1.2", "MUST")
def test_without_a_state_none_comes_back(server: ServerUnderTest) -> None:
    client, browser = trusted_party(server), signed_in(server, server.add_user().username)
    for state in (ABSENT, ""):
        assert set(ask(client, browser, state=state).callback.params) == {"code", "iss"}


@pytest.mark.spec("OAuth 2.0 Form Post Response Mode", "2", "MUST")
@pytest.mark.asvs("3.2.2")
def test_form_post_escapes_its_values_and_needs_no_script_of_the_page(server: ServerUnderTest) -> None:
    client, browser = trusted_party(server), signed_in(server, server.add_user().username)
    evil = "\"><script>alert('x')</script>"
    response = ask(client, browser, response_mode="form_post", state=evil).response
    assert "<script>alert" not in response.text
    assert html.escape(evil).replace("&quot;", "&#34;").replace("&#x27;", "&#39;") in response.text
    page = ask(client, browser, response_mode="form_post").page
    assert page.id == "form-post-page"
    assert all(tag.get("src") and not tag.text.strip() for tag in page.soup.find_all("script"))
    assert not [tag for tag in page.soup.find_all(True) if any(name.startswith("on") for name in tag.attrs)]
    form = page.soup.select_one("form#form-post")
    assert form is not None
    assert (form["method"], form["action"]) == ("post", client.redirect_uri)
    assert form.select_one("button[type=submit]") is not None, "works without JavaScript"
    assert response.headers["Cache-Control"] == "no-store"
    assert "unsafe" not in response.headers["Content-Security-Policy"]


# --- Repeated, unknown, empty


@pytest.mark.spec("RFC 6749", "3.1", "MUST NOT")
@pytest.mark.parametrize(
    "name",
    ["state", "nonce", "scope", "response_type", "response_mode", "code_challenge", "prompt", "max_age", "unheard_of"],
)
def test_a_repeated_parameter_is_refused(server: ServerUnderTest, browser: Browser, name: str) -> None:
    client = trusted_party(server)
    known = {"prompt": "login", "max_age": "9", "response_mode": "query", "unheard_of": "x"}
    overrides = {name: known[name]} if name in known else {}
    params, _ = client.request(**overrides)
    asked = ask_with(client, browser, [(name, params[name])], **overrides)
    assert asked.callback.error == "invalid_request"
    assert ("state" in asked.callback.params) is (name != "state"), "which of two states would it be?"


@pytest.mark.spec("RFC 6749", "3.1", "MUST")
@pytest.mark.spec("OpenID Connect Core", "3.1.2.1", "MUST")
@pytest.mark.parametrize(
    "extra",
    [
        pytest.param({"unheard_of": "x", "utm_source": "y"}, id="RFC 6749 §3.1 unknown parameters"),
        pytest.param(
            {"prompt": "", "max_age": "", "claims": "", "request": "", "id_token_hint": "", "resource": ""},
            id="RFC 6749 §3.1 empty means absent",
        ),
        pytest.param({"display": "hologram"}, id="Core §3.1.2.1 display unknown"),
        pytest.param({"display": "popup"}, id="Core §3.1.2.1 display"),
        pytest.param({"ui_locales": "tlh xx-YY"}, id="Core §3.1.2.1 ui_locales unknown"),
        pytest.param({"claims_locales": "tlh"}, id="Core §5.2 claims_locales unknown"),
        pytest.param({"acr_values": "aal9 urn:unheard"}, id="Core §3.1.2.1 acr_values unknown"),
        pytest.param({"login_hint": "somebody@else.example"}, id="Core §3.1.2.1 login_hint of somebody else"),
        pytest.param(
            {"claims": json.dumps({"id_token": {"acr": {"values": ["aal9"]}}})}, id="Core §5.5.1.1 voluntary acr"
        ),
        pytest.param({"scope": "openid unheard:of"}, id="Core §3.1.2.1 unknown scope"),
    ],
)
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_what_is_unknown_never_fails_a_request(server: ServerUnderTest, extra: dict[str, str], method: str) -> None:
    client, user = trusted_party(server), server.add_user()
    asked = ask(client, signed_in(server, user.username), method=method, **extra)
    tokens = client.redeem(asked.callback).json()
    assert tokens["scope"] == "openid"
    claims = claims_of(tokens["id_token"])
    assert (claims["sub"], claims["acr"]) == (user.id, "aal1")


# --- GET and POST


@pytest.mark.spec("OpenID Connect Core", "3.1.2.1", "MUST")
def test_a_request_by_post_is_answered_like_one_by_get(server: ServerUnderTest) -> None:
    client, browser = trusted_party(server), signed_in(server, server.add_user().username)
    answers = [ask(client, browser, method=method).callback for method in ("GET", "POST")]
    assert [client.redeem(answer).status_code for answer in answers] == [200, 200]


@pytest.mark.spec("OpenID Connect Core", "3.1.2.1", "MUST")
@pytest.mark.spec("RFC 9700", "4.12", "MUST")
def test_a_post_that_comes_without_our_cookies_is_turned_into_a_get_that_has_them(server: ServerUnderTest) -> None:
    client, user = trusted_party(server), server.add_user()
    browser, cross_site = signed_in(server, user.username), Browser(server)
    params, verifier = client.request(state="a&b+c% é")
    response = cross_site.post("/authorize", data=params)
    assert response.status_code == 303
    assert "Set-Cookie" not in response.headers, "the cookies of the browser must not be written over"
    assert response.headers["Location"].startswith("/authorize/posted/")
    assert params["state"] not in response.headers["Location"]
    answer = client.callback(browser.get(response.headers["Location"]), params, verifier)
    assert claims_of(client.redeem(answer).json()["id_token"])["sub"] == user.id


def test_a_posted_request_that_is_unknown_or_has_expired_is_a_page(timed: TimedServer) -> None:
    client, browser = trusted_party(timed), Browser(timed)
    params, _ = client.request()
    kept = browser.post("/authorize", data=params).headers["Location"]
    assert browser.open(kept).id == "login-page"
    timed.forward(timed.settings.interaction_lifetime + 1)
    for path in (kept, "/authorize/posted/unknown", "/authorize/posted/%00"):
        page = browser.open(path)
        assert (page.status, page.id) == (400, "error-page"), path


@pytest.mark.spec("RFC 9110", "9.3.2", "MUST")
def test_a_head_request_issues_no_code(server: ServerUnderTest) -> None:
    client, browser = trusted_party(server), signed_in(server, server.add_user().username)
    params, _ = client.request()
    answer = browser.http.head(server.url("/authorize"), params=params, allow_redirects=False, timeout=15)
    assert answer.status_code == 405
    assert "Location" not in answer.headers


def test_a_post_too_long_for_a_url_works_all_the_same(server: ServerUnderTest, browser: Browser) -> None:
    client, user = trusted_party(server), server.add_user()
    state = "é" * 2048
    asked = ask(client, browser, method="POST", state=state)
    assert asked.page.id == "login-page"
    assert asked.log_in(user.username).callback.params["state"] == state


@pytest.mark.spec("RFC 6749", "3.1", "MUST")
def test_parameters_in_the_url_of_a_post_do_not_count(server: ServerUnderTest, browser: Browser) -> None:
    client = trusted_party(server)
    params, _ = client.request()
    response = browser.post(f"/authorize?{urlencode(params)}", data={"state": "x"})
    assert response.status_code == 400
    assert "Location" not in response.headers


# --- PKCE by policy


@pytest.mark.spec("RFC 9700", "2.1.1", "MUST")
@pytest.mark.asvs("10.4.6")
@pytest.mark.parametrize(
    ("changes", "error"),
    [
        pytest.param({}, "invalid_request", id="confidential, server default all"),
        pytest.param({"public": True}, "invalid_request", id="public"),
        pytest.param({"public": True, "require_pkce": False}, "invalid_request", id="public, relaxed in vain"),
        pytest.param({"require_pkce": False}, None, id="confidential, relaxed by itself"),
    ],
)
def test_who_may_go_without_pkce(server: ServerUnderTest, changes: dict[str, Any], error: str | None) -> None:
    client, browser = trusted_party(server, **changes), signed_in(server, server.add_user().username)
    asked = ask(client, browser, code_challenge=ABSENT, code_challenge_method=ABSENT)
    assert asked.callback.error == error
    if error is None:
        assert client.redeem(asked.callback).status_code == 200


@pytest.mark.spec("RFC 9700", "2.1.1", "MUST")
def test_a_deployment_can_relax_pkce_for_confidential_clients_alone(tmp_path: Any, signing_keys: Any) -> None:
    with timed_server(tmp_path, keys_from=signing_keys, require_pkce="public") as lax:
        browser = signed_in(lax, lax.add_user().username)
        absent: dict[str, Any] = {"code_challenge": ABSENT, "code_challenge_method": ABSENT}
        assert ask(trusted_party(lax), browser, **absent).callback.error is None
        assert ask(trusted_party(lax, public=True), browser, **absent).callback.error == "invalid_request"
        assert ask(trusted_party(lax, require_pkce=True), browser, **absent).callback.error == "invalid_request"


# --- Which client


@pytest.mark.spec("RFC 6749", "3.3", "MUST")
def test_a_request_of_which_nothing_can_be_granted_is_refused(server: ServerUnderTest, browser: Browser) -> None:
    asked = ask(third_party(server), browser, scope="offline_access")
    assert asked.callback.error == "invalid_scope", "offline_access alone, and not even that (Core §11)"


@pytest.mark.spec("RFC 6749", "4.1.2.1", "MUST")
def test_a_client_not_registered_for_codes_is_told_so(server: ServerUnderTest, browser: Browser) -> None:
    asked = ask(trusted_party(server, grant_types=("refresh_token",)), browser)
    assert asked.callback.error == "unauthorized_client"
