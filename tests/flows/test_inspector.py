"""The flow inspector: each refusal carries an id, and under that id stands the check that failed, with what it expected
and what it was given. Over HTTP on one side, in the store that every instance shares on the other.
"""

import base64
import hashlib
import re
import secrets
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
import requests

from idp.protocol.client import ClientSecret
from idp.protocol.findings import Finding, load_finding
from idp.protocol.pkce import s256
from idp.store.database import hashed
from idp.store.refusals import Refusal
from idp.web import inspector
from tests.jose.tokens import forge
from tests.support.assertions import assertion, assertion_form, make_key, public_jwk
from tests.support.authorize import signed_in
from tests.support.idp_server import TimedServer, timed_server
from tests.support.relying_party import TIMEOUT, Browser, Page, RelyingParty

REDIRECT_URI = "https://client.example.com/callback"


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory, signing_keys: Path) -> Iterator[TimedServer]:
    """A server that may note as many refusals as the tests cause."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(inspector, "PROCESS_BURST", 100_000)
        with timed_server(tmp_path_factory.mktemp("inspected"), keys_from=signing_keys) as running:
            yield running


@pytest.fixture
def party(here: TimedServer) -> RelyingParty:
    return RelyingParty(here, here.add_client(first_party=True, always_issue_refresh_token=True))


@pytest.fixture
def person(here: TimedServer) -> Browser:
    """A browser in which somebody is signed in."""
    return signed_in(here, here.add_user().username)


def refusal(here: TimedServer, answer: requests.Response) -> Refusal:
    """What is kept of this very answer."""
    found = here.store.refusals.find(answer.headers["X-Request-Id"])
    assert found is not None, answer.text[:300]
    return found


def finding(here: TimedServer, answer: requests.Response) -> Finding:
    """The one check that failed."""
    findings = [load_finding(members) for members in refusal(here, answer).document["findings"]]
    assert len(findings) == 1, findings
    return findings[0]


def seconds_ago(found: Finding) -> int:
    """As it was received; the requests before it have taken a moment as well."""
    said = re.search(r"\b(\d+) s ago\b", found.received or "")
    assert said is not None, found
    return int(said[1])


# --- What HTTP itself forbids


def test_a_body_of_another_type_a_method_and_a_size_say_what_to_send(here: TimedServer) -> None:
    url = here.url("/token")
    answer = requests.post(url, json={"grant_type": "refresh_token"}, timeout=TIMEOUT)
    wrong_type = finding(here, answer)
    assert wrong_type.check == "Content-Type"
    assert wrong_type.expected == ("application/x-www-form-urlencoded",)
    assert wrong_type.received == "application/json"
    assert wrong_type.hint
    assert finding(here, requests.post(url, timeout=TIMEOUT)).received == "none"
    answer = requests.get(url, timeout=TIMEOUT)
    assert answer.json()["error_description"] == "The method is not allowed here; use POST."
    assert refusal(here, answer).document["description"] == "The method is not allowed here; use POST."
    answer = requests.put(here.url("/userinfo"), timeout=TIMEOUT)
    assert answer.json()["error_description"] == "The method is not allowed here; use GET or POST."
    answer = requests.post(url, data={"x": "y" * 70_000}, timeout=TIMEOUT)
    assert answer.json()["error_description"] == "The request body is too large; send at most 65536 bytes."


# --- The id is on everything that is refused


def test_every_refusal_carries_the_id_that_finds_it(here: TimedServer, party: RelyingParty, person: Browser) -> None:
    in_json = {
        "token": party.refresh("rt_unknown"),
        "no credential": requests.post(here.url("/token"), timeout=TIMEOUT),
        "method": requests.get(here.url("/token"), timeout=TIMEOUT),
        "too large": requests.post(here.url("/token"), data={"x": "y" * 70_000}, timeout=TIMEOUT),
        "no token": requests.get(here.url("/userinfo"), timeout=TIMEOUT),
        "bad token": party.userinfo("bad"),
        "introspection": party.post("/introspect", {}),
        "revocation": party.post("/revoke", {}),
    }
    for name, answer in in_json.items():
        assert answer.status_code >= 400
        assert answer.json()["request_id"] == answer.headers["X-Request-Id"], name
        assert refusal(here, answer).at <= here.now
    for mode in ("query", "fragment", "form_post"):
        answer = party.start(person, scope="unheard", response_mode=mode)
        assert party.callback(answer, {}).params["request_id"] == answer.headers["X-Request-Id"]
        assert refusal(here, answer).error == "invalid_scope"
    shown = [
        party.start(person, client_id="nobody"),
        person.get("/authorize/ended"),
        person.post("/login", data={"username": "x", "password": "y"}),
        person.get("/logout?post_logout_redirect_uri=https://other.example"),
        person.get("/upstream/google/callback?state=x"),
        person.get("/dev/nothing"),
    ]
    for answer in shown:
        page = Page(person, answer)
        reference = page.soup.find(id="error-reference")
        assert reference is not None
        assert reference.get_text() == answer.headers["X-Request-Id"], page.text[:200]


def test_nothing_is_kept_of_what_is_answered(here: TimedServer, party: RelyingParty, person: Browser) -> None:
    before = here.store.refusals.list(limit=1000)
    tokens = party.tokens(person)
    assert party.userinfo(tokens["access_token"]).status_code == 200
    assert party.refresh(tokens["refresh_token"]).status_code == 200
    assert party.introspect("unknown").json() == {"active": False}
    assert here.store.refusals.list(limit=1000) == before


# --- At /authorize


@pytest.mark.parametrize(
    ("sent", "words"),
    [
        pytest.param(REDIRECT_URI + "/", "slash too many at the end", id="slash"),
        pytest.param("http://client.example.com/callback", "scheme is http, not https", id="http"),
        pytest.param("https://client.example.com/Callback", "capital and small letters", id="case"),
        pytest.param("https://client.example.com:8443/callback", "port is 8443", id="port"),
        pytest.param("https://client.example.com/callback?next=1", "a query (?…) that is not registered", id="query"),
        pytest.param("https://www.client.example.com/callback", "www. or not", id="www"),
        pytest.param("https%3A%2F%2Fclient.example.com%2Fcallback", "percent-encoded once too often", id="encoded"),
        pytest.param(REDIRECT_URI + "#done", "fragment", id="fragment"),
        pytest.param("https://client.example.com/other", "path is another one", id="path"),
    ],
)
def test_a_redirect_uri_that_is_not_registered_is_put_beside_the_nearest_that_is(
    here: TimedServer, person: Browser, sent: str, words: str
) -> None:
    uris = ("http://localhost:3000/callback", REDIRECT_URI)
    party = RelyingParty(here, here.add_client(redirect_uris=uris))
    answer = party.start(person, redirect_uri=sent)
    found = finding(here, answer)
    assert (found.check, found.expected[0], found.is_compared) == ("redirect_uri", REDIRECT_URI, True)
    assert set(found.expected) == set(uris)
    assert words.lower() in found.hint.lower()
    kept = refusal(here, answer)
    assert (kept.client_id, kept.document["endpoint"]) == (party.client.client_id, "/authorize")
    assert kept.document["sent"]["scope"] == "openid"


def test_localhost_is_not_its_address(here: TimedServer, person: Browser) -> None:
    party = RelyingParty(here, here.add_client(redirect_uris=("http://localhost:3000/cb",)))
    found = finding(here, party.start(person, redirect_uri="http://127.0.0.1:3001/cb"))
    assert "The host is 127.0.0.1, not localhost" in found.hint
    assert "the port is 3001, not 3000" in found.hint


@pytest.mark.parametrize(
    ("overrides", "check", "expected", "received"),
    [
        ({"response_type": "token"}, "response_type", "code", "token"),
        ({"response_mode": "jwt"}, "response_mode", "query", "jwt"),
        ({"code_challenge_method": "plain"}, "pkce", "S256", "plain"),
        ({"code_challenge_method": None}, "pkce", "S256", "no method, which means plain"),
        ({"code_challenge": "a" * 43 + "="}, "pkce", "43 characters of base64url", "(44 characters)"),
        ({"prompt": "consnt"}, "prompt", "none", "consnt"),
        ({"max_age": "1h"}, "max_age", "a whole number of seconds", "1h"),
        ({"scope": "api:read"}, "scope", "address", "api:read"),
        ({"resource": "https://api.example.com/"}, "resource", None, "https://api.example.com/"),
        ({"id_token_hint": "x.y.z"}, "id_token_hint", "an ID token issued to", "not an ID token of this server"),
    ],
)
def test_a_parameter_that_cannot_be_is_shown_beside_what_can(
    here: TimedServer,
    party: RelyingParty,
    person: Browser,
    overrides: dict[str, Any],
    check: str,
    expected: str | None,
    received: str,
) -> None:
    answer = party.start(person, **overrides)
    found = finding(here, answer)
    assert found.check == check
    assert received in (found.received or "")
    assert expected is None or any(value.startswith(expected) for value in found.expected)
    assert refusal(here, answer).client_id == party.client.client_id


def test_a_silent_sign_in_says_which_step_was_left(here: TimedServer, party: RelyingParty) -> None:
    found = finding(here, party.start(Browser(here), prompt="none"))
    assert (found.check, found.received) == ("prompt=none", "no session in this browser")
    assert "login" in found.expected[0]


def test_an_unknown_client_is_told_its_neighbours_in_development(here: TimedServer, party: RelyingParty) -> None:
    mistyped = party.client.client_id[:-1] + ("0" if party.client.client_id[-1] != "0" else "1")
    answer = party.start(Browser(here), client_id=mistyped)
    found = finding(here, answer)
    assert (found.check, found.received) == ("client_id", mistyped)
    assert party.client.client_id in found.expected
    assert refusal(here, answer).client_id is None


# --- At /token: the code


def test_a_wrong_verifier_is_explained(here: TimedServer, party: RelyingParty, person: Browser) -> None:
    verifier = secrets.token_urlsafe(32)
    raw = base64.urlsafe_b64decode(verifier + "=")
    of_bytes = base64.urlsafe_b64encode(hashlib.sha256(raw).digest()).rstrip(b"=").decode()
    cases = [
        (s256(verifier), secrets.token_urlsafe(32), "another sign-in"),
        (s256(verifier), s256(verifier), "The code_challenge itself was sent"),
        (s256(s256(verifier)), verifier, "hashed twice"),
        (of_bytes, verifier, "digest of the decoded bytes"),
        (s256(verifier), verifier[:40], "too short, 40 characters"),
        (s256(verifier), verifier + "=", "padded"),
        (s256(verifier), verifier[:-1] + "+", "base64url has - and _"),
    ]
    for challenge, sent, words in cases:
        callback = party.sign_in(person, code_challenge=challenge)
        found = finding(here, party.redeem(callback, code_verifier=sent))
        assert found.check == "pkce"
        assert words in found.hint
        assert sent not in str(found)
    missing = party.redeem(party.sign_in(person), code_verifier=None)
    assert finding(here, missing).expected == ("a code_verifier",)


@pytest.mark.spec("RFC 6749", "4.1.2", "MUST")
def test_a_used_code_says_when_where_and_by_whom(here: TimedServer, party: RelyingParty, person: Browser) -> None:
    callback = party.sign_in(person)
    first = party.redeem(callback)
    here.forward(7)
    second = party.redeem(callback)
    found = finding(here, second)
    assert found.check == "code"
    assert found.received is not None
    for words in (party.client.client_id, "127.0.0.0/24", first.headers["X-Request-Id"]):
        assert words in found.received
    assert 7 <= seconds_ago(found) < 60
    assert "revoked now" in found.hint
    assert callback.code not in str(refusal(here, second))
    assert "were revoked before" in finding(here, party.redeem(callback)).hint


def test_a_code_that_is_late_or_anothers_or_none(here: TimedServer, party: RelyingParty, person: Browser) -> None:
    other = RelyingParty(here, here.add_client(first_party=True))
    callback = party.sign_in(person)
    foreign = other.redeem(callback)
    assert party.client.client_id in (finding(here, foreign).received or "")
    assert party.client.client_id not in foreign.text
    unknown = party.redeem(callback, code=callback.code[:-3])
    assert "43 characters" in finding(here, unknown).hint
    assert unknown.json()["error_description"] == foreign.json()["error_description"], "they tell a client nothing"
    here.forward(here.settings.code_lifetime + 20)
    late = finding(here, party.redeem(callback))
    assert "ended at" in (late.received or "")
    assert 20 <= seconds_ago(late) < 80


def test_the_redirect_uri_of_the_code_is_compared_too(here: TimedServer, party: RelyingParty, person: Browser) -> None:
    found = finding(here, party.redeem(party.sign_in(person), redirect_uri=REDIRECT_URI + "/"))
    assert (found.check, found.expected, found.is_compared) == ("redirect_uri", (REDIRECT_URI,), True)
    assert "of the authorization request" in found.hint
    assert "register" not in found.hint, "it is registered: the code was made for it"
    missing = finding(here, party.redeem(party.sign_in(person), redirect_uri=None))
    assert (missing.expected, missing.received) == ((REDIRECT_URI,), None)


# --- At /token: refresh tokens, scopes, grant types


def test_a_refresh_token_that_is_refused_says_why(here: TimedServer, party: RelyingParty, person: Browser) -> None:
    first = party.tokens(person)["refresh_token"]
    other = RelyingParty(here, here.add_client(first_party=True))
    assert party.client.client_id in (finding(here, other.refresh(first)).received or "")
    second = party.refresh(first).json()["refresh_token"]
    more = party.refresh(second, scope="openid email")
    assert (finding(here, more).check, finding(here, more).received) == ("scope", "email")
    here.forward(here.settings.refresh_token_reuse_window + 5)
    replayed = finding(here, party.refresh(first))
    assert f"by {party.client.client_id}" in (replayed.received or "")
    assert 35 <= seconds_ago(replayed) < 95
    assert "revoked" in (finding(here, party.refresh(second)).received or "")
    idle = party.tokens(person)["refresh_token"]
    here.forward(here.settings.refresh_token_idle_lifetime + 10)
    assert "not used for too long" in (finding(here, party.refresh(idle)).received or "")


def test_a_grant_type_is_compared_with_those_registered(here: TimedServer) -> None:
    party = RelyingParty(here, here.add_client(grant_types=("authorization_code",)))
    found = finding(here, party.refresh("rt_x"))
    assert (found.expected, found.received) == (("authorization_code",), "refresh_token")
    assert finding(here, party.post("/token", {"grant_type": "password"})).received == "password"


# --- Client authentication


def test_a_wrong_secret_says_what_would_have_made_it_right(here: TimedServer) -> None:
    secret, old = "s3cret+with%41/characters-" + secrets.token_hex(8), secrets.token_urlsafe(32)
    kept = (ClientSecret(hash=hashed(secret)), ClientSecret(hash=hashed(old), expires_at=here.now - 60))
    post = here.add_client(secret=secret, token_endpoint_auth_method="client_secret_post")
    assert here.store.clients.save(replace(post.metadata, secrets=kept), now=here.now)

    def answer(sent: str) -> requests.Response:
        form = {"grant_type": "refresh_token", "client_id": post.client_id, "client_secret": sent}
        return requests.post(here.url("/token"), data=form, timeout=TIMEOUT)

    for sent, words in (
        (secret + " ", "without the white space"),
        (f'"{secret}"', "without the quotes"),
        (quote(secret, safe=""), "percent-decoded once more"),
        (secret.replace("+", " "), "A + in it came as a space"),
        ("completely-wrong-0123456789", "make a new one"),
    ):
        refused = answer(sent)
        found = finding(here, refused)
        assert words in found.hint
        assert found.received == f"({len(sent)} characters)", "never a character of a secret"
        assert sent not in str(refusal(here, refused))
    expired = finding(here, answer(old))
    assert "expired at" in (expired.received or "")
    assert expired.hint == "Use the newer secret."


def test_another_method_than_the_registered_one_is_named(here: TimedServer, party: RelyingParty) -> None:
    form = {"grant_type": "refresh_token", "client_id": party.client.client_id, "client_secret": party.client.secret}
    found = finding(here, requests.post(here.url("/token"), data=form, timeout=TIMEOUT))
    assert (found.expected, found.received) == (("client_secret_basic",), "client_secret_post")
    del form["client_secret"]
    assert (
        "Nothing but a client_id came"
        in finding(here, requests.post(here.url("/token"), data=form, timeout=TIMEOUT)).hint
    )


def test_an_assertion_says_which_claim_is_wrong_and_by_how_much(here: TimedServer) -> None:
    key, other = make_key("ES256"), make_key("ES256")
    client = here.add_client(
        public=True,
        token_endpoint_auth_method="private_key_jwt",
        jwks={"keys": [public_jwk(key, kid="k1")]},
    )

    def answer(*, signer: Any = key, kid: str = "k1", **claims: Any) -> Finding:
        signed = assertion(here, client.client_id, signer, "ES256", header={"kid": kid}, **claims)
        form = {"grant_type": "refresh_token", "refresh_token": "x"} | assertion_form(signed)
        refused = requests.post(here.url("/token"), data=form, timeout=TIMEOUT)
        assert refused.json()["error_description"].startswith("Client authentication failed: check")
        assert refusal(here, refused).client_id == client.client_id
        return finding(here, refused)

    aud = answer(aud=here.issuer + "/")
    assert (aud.check, aud.expected[0], aud.received) == ("client_assertion aud", here.issuer, here.issuer + "/")
    ahead = answer(iat=here.now + 300)
    assert "ahead of this server's clock" in (ahead.received or "")
    assert any(f"{seconds} s" in (ahead.received or "") for seconds in range(240, 301))
    assert "behind this server's clock" in (answer(exp=here.now - 200, iat=here.now - 260).received or "")
    assert "milliseconds" in answer(exp=here.now * 1000).hint
    assert answer(iss="somebody").check == "client_assertion iss"
    unknown = answer(kid="k2")
    assert unknown.check == "client_assertion signature"
    assert "kid k2" in (unknown.received or "")
    assert "k1" in unknown.expected[0]
    assert "signature" in (answer(signer=other).received or "")


@pytest.mark.spec("RFC 7523", "3", "MAY")
def test_a_repeated_assertion_names_its_jti(here: TimedServer) -> None:
    key = make_key("ES256")
    jwks = {"keys": [public_jwk(key)]}
    client = here.add_client(public=True, token_endpoint_auth_method="private_key_jwt", jwks=jwks)
    form = {"grant_type": "x"} | assertion_form(assertion(here, client.client_id, key, "ES256"))
    assert requests.post(here.url("/token"), data=form, timeout=TIMEOUT).json()["error"] == "unsupported_grant_type"
    found = finding(here, requests.post(here.url("/token"), data=form, timeout=TIMEOUT))
    assert found.check == "client_assertion jti"


# --- Bearer tokens, sign-out, browsers


def test_a_bearer_token_says_what_it_is(here: TimedServer, party: RelyingParty, person: Browser) -> None:
    tokens = party.tokens(person)
    assert "looks like an ID token" in finding(here, party.userinfo(tokens["id_token"])).hint
    foreign = forge({"alg": "none", "typ": "at+jwt"}, {"iss": "https://other.example", "aud": "me"}, None)
    assert "iss https://other.example" in (finding(here, party.userinfo(foreign)).received or "")
    assert "the refresh token" in finding(here, party.userinfo(tokens["refresh_token"])).hint
    assert finding(here, requests.get(here.url("/userinfo"), timeout=TIMEOUT)).received == "no Authorization header"
    here.forward(here.settings.access_token_lifetime + 30)
    expired = party.userinfo(tokens["access_token"])
    assert "ago" in (finding(here, expired).received or "")
    assert refusal(here, expired).client_id == party.client.client_id
    fresh = party.refresh(tokens["refresh_token"]).json()["access_token"]
    party.revoke(fresh)
    assert "revoked" in (finding(here, party.userinfo(fresh)).received or "")
    bare = RelyingParty(here, here.add_client(first_party=True))
    assert "openid" in finding(here, bare.userinfo(bare.tokens(person, scope="profile")["access_token"])).expected


def test_a_return_after_sign_out_is_compared_with_those_registered(
    here: TimedServer, party: RelyingParty, person: Browser
) -> None:
    uri, client_id = "https://client.example.com/signed-out/", party.client.client_id
    answer = person.get("/logout", params={"client_id": client_id, "post_logout_redirect_uri": uri})
    found = finding(here, answer)
    assert (found.check, found.expected) == ("post_logout_redirect_uri", (uri.rstrip("/"),))
    assert "slash too many at the end" in found.hint
    assert refusal(here, answer).client_id == client_id


def test_a_browser_that_is_not_the_one_is_told_from_one_that_came_late(here: TimedServer, party: RelyingParty) -> None:
    page = party.start(Browser(here)).headers["Location"]
    nowhere, elsewhere = Browser(here).get(page), signed_in(here, here.add_user().username).get(page)
    assert "no cookie of ours" in (finding(here, nowhere).received or "")
    assert "another browser" in (finding(here, elsewhere).received or "")
    assert "ended" in (finding(here, Browser(here).get("/login?interaction=ended")).received or "")


def test_a_form_from_elsewhere_and_a_callback_of_nobody(here: TimedServer, person: Browser) -> None:
    form = person.post("/login", data={"username": "x"}, headers={"Sec-Fetch-Site": "cross-site"})
    assert refusal(here, form).error == "form_refused"
    assert "cross-site" in (finding(here, form).received or "")
    callback = person.get("/upstream/nothing/callback?state=abc")
    assert callback.status_code in {400, 404}


def test_an_origin_that_is_not_registered_is_named(here: TimedServer) -> None:
    spa = here.add_client(public=True, redirect_uris=("https://app.example.org/cb",))
    headers = {"Origin": "http://app.example.org", "Access-Control-Request-Method": "POST"}
    preflight = requests.options(here.url("/token"), headers=headers, timeout=TIMEOUT)
    assert refusal(here, preflight).error == "origin_not_registered"
    assert finding(here, preflight).received == "http://app.example.org"
    form = {"grant_type": "refresh_token", "client_id": spa.client_id, "refresh_token": "x"}
    refused = requests.post(here.url("/token"), data=form, headers={"Origin": headers["Origin"]}, timeout=TIMEOUT)
    kept = refusal(here, refused)
    assert kept.error == "invalid_grant"
    origin = load_finding(kept.document["findings"][-1])
    assert (origin.check, origin.expected) == ("origin", ("https://app.example.org",))
    registered = requests.options(
        here.url("/token"), headers=headers | {"Origin": "https://app.example.org"}, timeout=TIMEOUT
    )
    assert here.store.refusals.find(registered.headers["X-Request-Id"]) is None
