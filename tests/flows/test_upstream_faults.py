"""Everything that a stand-in can do wrong, with each provider: the person reads what happened, nobody is signed in, the
log keeps no code or token, and the same request can still be finished.
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import requests

from idp.jose.client_keys import RemoteKeys
from idp.sandbox.faults import ANSWER_FAULTS
from idp.sandbox.servers import PROVIDERS, Sandbox
from idp.upstream import discovery
from tests.support.authorize import Asked, ask
from tests.support.federation import Federation
from tests.support.idp_server import ServerUnderTest
from tests.support.relying_party import TIMEOUT, Browser, Page, RelyingParty, claims_of
from tests.support.upstream import (
    CONNECTIONS,
    Person,
    elsewhere,
    first_party,
    follow_link,
    press,
    sandboxed_timed_server,
    sign_in_with,
    somebody,
    users_of,
)

CORE = "OpenID Connect Core"
LABELS = {name: name.title() for name in CONNECTIONS} | {"github": "GitHub"}
NO_ANSWER = (503, "does not answer at the moment")
NOT_WORKED = (400, "did not work")
NOT_TRUSTED = (502, "cannot be trusted")
STALE = (400, "This sign-in cannot be continued")

# fault → the status and the sentence of the page it leads to. `denied` and `key_rotated` lead on.
PAGES: dict[str, tuple[int, str]] = {
    "wrong_iss_parameter": STALE,
    "code_expired": NOT_WORKED,
    "wrong_nonce": NOT_TRUSTED,
    "wrong_audience": NOT_TRUSTED,
    "wrong_issuer": NOT_TRUSTED,
    "bad_signature": NOT_TRUSTED,
    "alg_none": NOT_TRUSTED,
    "hs256": NOT_TRUSTED,
    "clock_off": NOT_TRUSTED,
    "clock_behind": NOT_TRUSTED,
    "http_500": NO_ANSWER,
    "hanging": NO_ANSWER,
    "malformed_json": NOT_TRUSTED,
    "huge_answer": NO_ANSWER,
}
LEADS_ON = {"denied", "key_rotated"}
RULES = {
    "wrong_iss_parameter": ("RFC 9207", "2.4", "MUST", "10.2.2"),
    "wrong_nonce": (CORE, "3.1.3.7", "MUST", "10.5.1"),
    "wrong_audience": (CORE, "3.1.3.7", "MUST", "10.5.4"),
    "wrong_issuer": (CORE, "3.1.3.7", "MUST", "6.8.1"),
    "bad_signature": (CORE, "3.1.3.7", "MUST", "6.8.2"),
    "alg_none": (CORE, "3.1.3.7", "MUST", "6.8.2"),
    "hs256": ("RFC 8725", "2.1", "MUST", "6.8.2"),
    "clock_off": (CORE, "3.1.3.7", "MAY", "6.8.2"),
    "clock_behind": (CORE, "3.1.3.7", "MUST", "6.8.2"),
}
KINDS = {provider.kind: provider for provider in PROVIDERS}
# Google's and Microsoft's profiles come in the ID token: their profile endpoints are never asked
ASKED_FOR_PROFILE = ("facebook", "discord", "github", "acme")


def every_fault() -> Iterator[object]:
    """(connection, fault, where it shows) for all that the stand-ins offer."""
    for name, kind in CONNECTIONS.items():
        for fault in KINDS[kind].faults:
            places = ["token"]
            if fault in ANSWER_FAULTS and name in ASKED_FOR_PROFILE:
                places.append("userinfo")
            marks = []
            if fault in RULES:
                spec, section, level, asvs = RULES[fault]
                marks = [pytest.mark.spec(spec, section, level), pytest.mark.asvs(asvs)]
            for place in places if fault not in LEADS_ON else []:
                yield pytest.param(name, fault, place, id=f"{name} {fault} {place}", marks=marks)


@pytest.fixture(scope="module")
def server(federation: Federation) -> ServerUnderTest:
    return federation.server


@pytest.fixture(scope="module")
def party(server: ServerUnderTest) -> RelyingParty:
    return first_party(server)


@contextmanager
def nothing_leaks(federation: Federation) -> Iterator[None]:
    """What is logged meanwhile has no code or token of a provider in it, and tells of no error of our own."""
    start = federation.log_size
    yield
    text = federation.read_log(start)
    assert '"path": "/upstream/' in text, "the walk itself was logged"
    assert [secret for secret in federation.secrets() if secret in text] == []
    lines = [json.loads(line) for line in text.splitlines() if line.startswith("{")]
    assert [line for line in lines if line.get("level") in {"error", "critical"} or line.get("status") == 500] == []
    assert "Traceback" not in text


def check_trouble(asked: Asked, name: str, expected: tuple[int, str]) -> Page:
    page, (status, sentence) = asked.page, expected
    assert (page.status, page.id) == (status, "trouble-page"), page.text[:300]
    assert sentence in page.text
    if expected != STALE:
        assert LABELS[name] in str(page.soup.h1)
    reference = page.soup.find(id="error-reference")
    assert reference is not None
    assert page.response.headers["Cache-Control"] == "no-store"
    return page


def check_nobody(asked: Asked, name: str, person: Person) -> None:
    """Nobody is signed in, and there is no account that was not there before."""
    store = asked.client.server.store
    assert "idp_session" not in asked.browser.http.cookies
    assert ask(asked.client, asked.browser, prompt="none").callback.error == "login_required"
    assert users_of(asked.client.server, name, person) == []
    assert store.users.find_by_email(person.email) is None


def check_goes_on(asked: Asked, name: str, person: Person) -> None:
    """The same request, by another attempt: the client gets its answer for the `state` that it sent."""
    control = asked.page.soup.find(id="try-again")
    if control is not None:
        again = elsewhere(asked.browser, asked.page.submit("try-again"))
    else:  # that page cannot know which request it was about
        again = press(ask(asked.client, asked.browser).page, name)
    done = asked.then(again.choose(person))
    assert done.callback.code, done.page.text[:300]
    if control is not None:
        assert done.callback.params["state"] == asked.params["state"]
        assert done.client.redeem(done.callback).status_code == 200
    assert len(users_of(asked.client.server, name, person)) == 1


@pytest.mark.parametrize(("name", "fault", "place"), list(every_fault()))
def test_whatever_a_provider_does_wrong_nobody_is_signed_in_and_the_request_can_go_on(
    federation: Federation, party: RelyingParty, name: str, fault: str, place: str
) -> None:
    person = somebody(name)
    with nothing_leaks(federation):
        asked = ask(party, Browser(party.server))
        asked = asked.then(press(asked.page, name).choose(person, fault=fault, at=place))
        check_trouble(asked, name, PAGES[fault])
        check_nobody(asked, name, person)
        check_goes_on(asked, name, person)


def test_every_fault_of_every_stand_in_is_in_the_table() -> None:
    offered = {fault for provider in PROVIDERS for fault in provider.faults}
    assert offered == {*PAGES, *LEADS_ON}


@pytest.mark.parametrize("name", CONNECTIONS)
def test_the_refused_request_itself_is_still_there_after_a_wrong_iss_parameter_or_any_other_trouble(
    party: RelyingParty, name: str
) -> None:
    first = ask(party, Browser(party.server))
    there, login_url = press(first.page, name), first.page.response.url
    fault = "wrong_iss_parameter" if name in {"google", "acme"} else "code_expired"
    first.then(there.choose(somebody(name), fault=fault))
    again = first.then(first.browser.get(login_url))  # back in the browser's history
    done = again.then(press(again.page, name).choose(somebody(name)))
    assert done.callback.params["state"] == first.params["state"]
    assert done.callback.code


@pytest.mark.parametrize(
    "claims", [{"nonce": "\ud800"}, {"iss": ["https://accounts.google.com"]}, {"aud": {}}], ids=str
)
def test_claims_that_are_no_texts_are_a_page_and_no_error_of_ours(
    federation: Federation, party: RelyingParty, claims: dict[str, Any]
) -> None:
    with nothing_leaks(federation):
        asked = ask(party, Browser(party.server))
        asked = asked.then(press(asked.page, "google").choose(somebody("google"), claims=claims))
        check_trouble(asked, "google", NOT_TRUSTED)


@pytest.mark.parametrize("name", CONNECTIONS)
def test_another_way_is_offered_beside_trying_again(party: RelyingParty, name: str) -> None:
    user = party.server.add_user()
    asked = ask(party, Browser(party.server))
    asked = asked.then(press(asked.page, name).choose(somebody(name), fault="http_500"))
    asked = follow_link(asked, "another-way")
    assert claims_of(asked.client.redeem(asked.log_in(user.username).callback).json()["id_token"])["sub"] == user.id


@pytest.mark.parametrize("name", CONNECTIONS)
def test_the_fault_denied_is_a_refusal_of_the_person(party: RelyingParty, name: str) -> None:
    asked = ask(party, Browser(party.server))
    asked = asked.then(press(asked.page, name).choose(somebody(name), fault="denied"))
    assert (asked.page.status, asked.page.id) == (200, "login-page")


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        ("server_error", NO_ANSWER),
        ("temporarily_unavailable", NO_ANSWER),
        ("invalid_scope", NOT_WORKED),
        ("unauthorized_client", NOT_WORKED),
        ("<script>alert(1)</script>", NOT_WORKED),
        ("", NOT_WORKED),
    ],
)
@pytest.mark.spec("RFC 6749", "4.1.2.1", "MUST")
def test_an_error_at_the_authorization_endpoint_is_a_page_and_the_request_goes_on(
    federation: Federation, party: RelyingParty, error: str, expected: tuple[int, str]
) -> None:
    with nothing_leaks(federation):
        asked = ask(party, Browser(party.server))
        back = press(asked.page, "github").leave({"cancel": "1"})
        params = {"state": back.params["state"], "error": error, "error_description": "<b>reflected</b>"}
        asked = asked.then(asked.browser.get(back.url.partition("?")[0], params=params))
        page = check_trouble(asked, "github", expected)
        assert "reflected" not in page.response.text
        assert "alert(1)" not in page.response.text
        check_goes_on(asked, "github", somebody("github"))


def test_an_answer_with_neither_a_code_nor_an_error_is_a_page(party: RelyingParty) -> None:
    asked = ask(party, Browser(party.server))
    back = press(asked.page, "discord").leave({"cancel": "1"})
    asked = asked.then(asked.browser.get(back.url.partition("?")[0], params={"state": back.params["state"]}))
    check_trouble(asked, "discord", NOT_WORKED)


# --- Keys and metadata: for everybody, so on servers of their own ----------------------------------------------------

WITH_KEYS = ("google", "apple", "microsoft", "acme")


@pytest.fixture(scope="module")
def quick_floors() -> Iterator[None]:
    """Keys and metadata may be fetched again at once, rather than after ten seconds."""
    with pytest.MonkeyPatch.context() as patch:
        defaults: Any = RemoteKeys.__init__.__kwdefaults__
        patch.setitem(defaults, "floor", 0)
        patch.setattr(discovery, "FLOOR_SECONDS", 0.0)
        yield


@pytest.fixture(scope="module", params=ANSWER_FAULTS)
def spoiled(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, signing_keys: Path, quick_floors: None
) -> Iterator[tuple[ServerUnderTest, Sandbox, str]]:
    """A server that has no keys and no metadata yet, and the fault that is tried on it."""
    folder = tmp_path_factory.mktemp("spoiled")
    patience = "1" if request.param == "hanging" else "10"
    with sandboxed_timed_server(folder, keys_from=signing_keys, outbound_timeout=patience) as (server, sandbox):
        yield server, sandbox, request.param


def spoil_keys(sandbox: Sandbox, name: str, fault: str | None) -> None:
    origin = sandbox.origins[CONNECTIONS[name]]
    requests.post(f"{origin}/sandbox/faults", json={"keys": fault}, timeout=TIMEOUT).raise_for_status()


def check_log(capfd: pytest.CaptureFixture[str], sandbox: Sandbox) -> None:
    """The one process of this server logs where pytest sees it. Its development server's own lines have addresses in
    them, which ours never have."""
    text = "\n".join(line for line in capfd.readouterr().err.splitlines() if "HTTP/1.1" not in line)
    secrets = Federation(ServerUnderTest.__new__(ServerUnderTest), sandbox).secrets()
    assert [secret for secret in secrets if secret in text] == []
    assert "Traceback" not in text


@pytest.mark.parametrize("name", WITH_KEYS)
@pytest.mark.asvs("6.8.2")
def test_without_keys_nobody_is_signed_in_and_trying_again_works_when_they_are_back(
    spoiled: tuple[ServerUnderTest, Sandbox, str], capfd: pytest.CaptureFixture[str], name: str
) -> None:
    server, sandbox, fault = spoiled
    person = somebody(name)
    asked = ask(first_party(server), Browser(server))
    if name == "acme":  # its keys are found by metadata, which have the same fault
        spoil_keys(sandbox, name, fault)
        asked_there = asked.then(asked.page.submit("continue-with-acme"))
        check_trouble(asked_there, name, PAGES[fault])
        check_nobody(asked_there, name, person)
        spoil_keys(sandbox, name, None)
    there = press(asked.page, name)
    spoil_keys(sandbox, name, fault)
    try:
        asked = asked.then(there.choose(person))
        check_trouble(asked, name, NO_ANSWER)
        check_nobody(asked, name, person)
    finally:
        spoil_keys(sandbox, name, None)
    check_goes_on(asked, name, person)
    check_log(capfd, sandbox)


@pytest.fixture(scope="module")
def rotating(
    tmp_path_factory: pytest.TempPathFactory, signing_keys: Path, quick_floors: None
) -> Iterator[tuple[ServerUnderTest, Sandbox]]:
    folder = tmp_path_factory.mktemp("rotating")
    with sandboxed_timed_server(folder, keys_from=signing_keys) as (server, sandbox):
        yield server, sandbox


@pytest.mark.parametrize("name", WITH_KEYS)
@pytest.mark.spec(CORE, "10.1.1", "SHOULD")
def test_a_key_that_was_changed_just_now_is_fetched_and_the_sign_in_succeeds(
    rotating: tuple[ServerUnderTest, Sandbox], name: str
) -> None:
    server, _ = rotating
    party, person = first_party(server), somebody(name)
    assert sign_in_with(party, Browser(server), name, somebody(name)).callback.code, "the old key is known"
    asked = ask(party, Browser(server))
    asked = asked.then(press(asked.page, name).choose(person, fault="key_rotated"))
    assert asked.callback.code
    assert len(users_of(server, name, person)) == 1
    assert sign_in_with(party, Browser(server), name, person).callback.code, "and from then on"


@pytest.mark.parametrize("name", WITH_KEYS)
def test_keys_that_are_known_serve_while_the_provider_cannot_give_them(
    rotating: tuple[ServerUnderTest, Sandbox], name: str
) -> None:
    server, sandbox = rotating
    party = first_party(server)
    assert sign_in_with(party, Browser(server), name, somebody(name)).callback.code
    spoil_keys(sandbox, name, "http_500")
    try:
        assert sign_in_with(party, Browser(server), name, somebody(name)).callback.code
    finally:
        spoil_keys(sandbox, name, None)


def test_a_provider_that_has_gone_away_is_a_page_and_the_password_still_works(
    tmp_path: Path, signing_keys: Path
) -> None:
    with sandboxed_timed_server(tmp_path, keys_from=signing_keys) as (server, sandbox):
        user, party = server.add_user(), first_party(server)
        waiting = []
        for name in CONNECTIONS:
            asked = ask(party, Browser(server))
            if name != "acme":
                waiting.append((name, asked, press(asked.page, name).way_back(somebody(name))))
        sandbox.close()
        for name, asked, back in waiting:
            answered = asked.then(back.go(asked.browser))
            check_trouble(answered, name, NO_ANSWER)
            assert "idp_session" not in answered.browser.http.cookies
        asked = ask(party, Browser(server))
        asked = asked.then(asked.page.submit("continue-with-acme"))
        check_trouble(asked, "acme", NO_ANSWER)
        asked = follow_link(asked, "another-way")
        assert asked.log_in(user.username).callback.code
