"""What could be done to the flow inspector, or with it: secrets read out of what it keeps, a flood of refusals turned
into a flood of writes, an answer changed because keeping failed.
"""

import base64
import secrets
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest
import requests
from sqlalchemy import select

from idp.store.tables import metadata, refusals
from idp.web import inspector
from idp.web.inspector import MAX_NETWORKS, NETWORK_BURST, PROCESS_BURST, WriteLimits
from tests.jose.tokens import forge
from tests.support.idp_server import ServerUnderTest, TimedServer, timed_server
from tests.support.relying_party import TIMEOUT, Browser, RelyingParty

PARAMETERS = (
    ("client_id", "redirect_uri", "response_type", "response_mode", "scope", "state", "nonce", "prompt", "max_age")
    + ("login_hint", "id_token_hint", "acr_values", "ui_locales", "claims", "resource", "code_challenge", "request")
    + ("code_challenge_method", "request_uri", "registration", "grant_type", "code", "code_verifier", "refresh_token")
    + ("client_secret", "client_assertion", "client_assertion_type", "token", "token_type_hint", "access_token")
    + ("post_logout_redirect_uri", "logout_hint", "error", "error_description", "username", "password", "interaction")
    + ("csrf_token", "user", "iss", "anything")
)
FORM = {"Content-Type": "application/x-www-form-urlencoded"}
PATHS = (
    "/authorize",
    "/token",
    "/introspect",
    "/revoke",
    "/userinfo",
    "/logout",
    "/login",
    "/upstream/google/callback",
)


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory, signing_keys: Path) -> Iterator[TimedServer]:
    """A server that may note as many refusals as the tests cause."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(inspector, "PROCESS_BURST", 100_000)
        google = {"upstream_google_client_id": "x", "upstream_google_client_secret": "never-sent"}
        with timed_server(tmp_path_factory.mktemp("attacked-inspector"), keys_from=signing_keys, **google) as running:
            yield running


@pytest.fixture
def party(here: TimedServer) -> RelyingParty:
    return RelyingParty(here, here.add_client(first_party=True, always_issue_refresh_token=True))


def new_secret() -> str:
    return "s3CR" + secrets.token_urlsafe(32)


def everything_stored(server: TimedServer) -> str:
    """Every cell of every table, but of that where a request waits for its person, or for a browser's cookies."""
    tables = [table for table in metadata.sorted_tables if table.name != "ephemeral"]
    with server.store.database.reading() as connection:
        rows = [connection.execute(select(table)).all() for table in tables]
    return "\n".join(str(tuple(row)) for table in rows for row in table)


def refused_count(server: TimedServer) -> int:
    return len(server.store.refusals.list(limit=1000))


def check_absent(server: TimedServer, sent: list[str]) -> None:
    """No secret, nor a part of one from which the rest could be guessed."""
    stored = everything_stored(server)
    for secret in sent:
        assert secret not in stored
        assert secret[-16:] not in stored
        assert secret[4:24] not in stored


@pytest.mark.asvs("16.2.5")
@pytest.mark.parametrize("path", PATHS)
def test_a_secret_in_any_parameter_of_any_endpoint_is_not_kept(
    here: TimedServer, party: RelyingParty, path: str
) -> None:
    """One parameter at a time, in query and in body, beside a client that is known; and each time it was noted why the
    request was refused, but where the page is shown all the same."""
    sent: list[str] = []
    shown_anyway = {"/login": ["GET"]}.get(path, [])
    for name in PARAMETERS:
        secret = new_secret()
        sent.append(secret)
        form = {"client_id": party.client.client_id, "response_type": "code", "grant_type": "authorization_code"}
        form |= {"redirect_uri": "https://wrong.example/cb", "code": "c", "token": "t"}
        form |= {"post_logout_redirect_uri": "https://wrong.example/", "csrf_token": "wrong", name: secret}
        for method in ("POST",) if path == "/token" else ("POST", "GET"):
            sent_as = {"data": form} if method == "POST" else {"params": form}
            again_as_get = path.startswith("/upstream")  # a callback that was posted: the browser's cookies are missing
            answer = requests.request(method, here.url(path), timeout=TIMEOUT, allow_redirects=again_as_get, **sent_as)
            if method not in shown_anyway:
                assert here.store.refusals.find(answer.headers["X-Request-Id"]) is not None, (method, name)
    check_absent(here, sent)


def test_a_secret_in_a_redirect_uri_is_not_kept(here: TimedServer, party: RelyingParty) -> None:
    templates = (
        "https://client.example.com/callback?token={}",
        "https://client.example.com/callback?{}",
        "https://client.example.com/callback#access_token={}",
        "https://ada:{}@client.example.com/callback",
        "https://client.example.com/{}/callback",
        "{}",
        "https://client.example.com/callback;jsessionid={}",
        "https://client.example.com/callback,{}!",
        "https://{}.example.com/callback",
        "https://ada:p@{}@client.example.com/callback",
        "https://client.example.com/?" + "!" * 20 + "{}=x",
        "https://client.example.com/" + "!" * 960 + "/{}",
        "com.app:/callback({})",
    )
    sent = []
    for template in templates:
        secret = new_secret()
        sent.append(secret)
        assert party.start(Browser(here), redirect_uri=template.format(secret)).status_code == 400
    check_absent(here, sent)
    kept = here.store.refusals.list(limit=len(templates))
    assert all(each.document["findings"][0]["received"] for each in kept), "the rest of the URI is there to compare"


def test_a_secret_that_other_characters_touch_is_not_kept(here: TimedServer, party: RelyingParty) -> None:
    """Quotes that came along out of a file of settings, id and secret in one, a word before it: in no place that is
    shown by its nature."""
    around = (
        '"{}"',
        "'{}'",
        "id:{}",
        "id={}",
        "Bearer:{}",
        "({})",
        "<{}>",
        '{{"token":"{}"}}',
        "{},",
        "{}!",
        "{}\t",
        "x|{}",
    )
    names = ("client_id", "scope", "prompt", "resource", "grant_type", "acr_values", "token_type_hint", "iss")
    client_id, sent = party.client.client_id, []
    for template in around:
        secret = new_secret()
        sent.append(secret)
        form = {"client_id": client_id, "redirect_uri": party.redirect_uri, "response_type": "code"}
        form |= dict.fromkeys(names, "openid " + template.format(secret))
        form["client_id"] = template.format(secret)
        requests.post(here.url("/token"), data=form, timeout=TIMEOUT)
        form["client_id"] = client_id
        requests.post(here.url("/token"), data=form, timeout=TIMEOUT)
        requests.get(here.url("/authorize"), params=form, timeout=TIMEOUT, allow_redirects=False)
    for header in (f"Token:{sent[0]} x", f"Token={sent[1]}", f"{sent[2]} {sent[3]}", "pass-and-word x"):
        answer = requests.get(here.url("/userinfo"), headers={"Authorization": header}, timeout=TIMEOUT)
        assert here.store.refusals.find(answer.headers["X-Request-Id"]) is not None
    check_absent(here, [*sent, "pass-and-word"])


def test_a_secret_sent_as_client_id_is_not_logged(server: ServerUnderTest) -> None:
    secret = new_secret()
    for name in ("client_id", secret):
        requests.post(server.url("/token"), data=f"{name}=a&{name}=b", headers=FORM, timeout=TIMEOUT)
    for client_id in (f"id:{secret}", f'"{secret}"', f"client_id={secret},"):
        answer = requests.post(
            server.url("/token"), data={"grant_type": "client_credentials", "client_id": client_id}, timeout=TIMEOUT
        )
        page = requests.get(server.url("/authorize"), params={"client_id": client_id}, timeout=TIMEOUT)
        assert (answer.status_code, page.status_code) == (401, 400)
    log = server.log_text()
    assert "unknown client 'id:s3CR… " in log or "unknown client 'id:s3CR\\u2026 " in log, "refusals are logged"
    assert secret[4:24] not in log


def test_credentials_in_headers_and_cookies_are_not_kept(here: TimedServer, party: RelyingParty) -> None:
    sent = [new_secret() for _ in range(6)]
    client_id = party.client.client_id
    swapped = base64.b64encode(f"{sent[0]}:{client_id}".encode()).decode()
    headers = [
        {"Authorization": f"Basic {base64.b64encode(f'{client_id}:{sent[1]}'.encode()).decode()}"},
        {"Authorization": f"Basic {swapped}"},
        {"Authorization": f"Basic {sent[2]}"},
        {"Authorization": f"Bearer {sent[3]}"},
        {"Authorization": sent[4]},
        {"Cookie": f"idp={sent[5]}"},
    ]
    for header in headers:
        for path in ("/token", "/userinfo", "/introspect"):
            answer = requests.post(here.url(path), data={"grant_type": "x"}, headers=header, timeout=TIMEOUT)
            assert answer.status_code >= 400
            assert here.store.refusals.find(answer.json()["request_id"]) is not None
    check_absent(here, sent)
    assert swapped not in everything_stored(here)


def test_a_secret_that_looks_like_none_is_not_kept_where_it_was_sent_as_something_else_too(
    here: TimedServer, party: RelyingParty
) -> None:
    """Two variables mixed up: the same words as secret and as scope, or as code and in the redirect URI."""
    secret, code = "only-words-and-yet-a-secret", "nothing-but-words"
    form = {"client_id": party.client.client_id, "client_secret": secret, "scope": secret, "grant_type": secret}
    requests.post(here.url("/token"), data=form, timeout=TIMEOUT)
    query = {"client_id": party.client.client_id, "code": code, "redirect_uri": f"https://client.example.com/{code}"}
    answer = requests.get(here.url("/authorize"), params=query, timeout=TIMEOUT)
    assert here.store.refusals.find(answer.headers["X-Request-Id"]) is not None
    check_absent(here, [secret, code])


def test_living_credentials_that_are_refused_are_not_kept(here: TimedServer, party: RelyingParty) -> None:
    """Those that would still be good somewhere: a code with a wrong verifier, a token at the wrong place."""
    user, browser = here.add_user(), Browser(here)
    callback = party.sign_in(browser, user.username)
    verifier = new_secret()
    assert party.redeem(callback, code_verifier=verifier).status_code == 400
    tokens = party.redeem(callback).json()
    other = RelyingParty(here, here.add_client(first_party=True))
    answers = [
        other.refresh(tokens["refresh_token"]),
        party.userinfo(tokens["id_token"]),
        party.userinfo(tokens["refresh_token"]),
        party.start(browser, id_token_hint=tokens["id_token"] + "x"),
        requests.post(here.url("/token"), data={"client_assertion": tokens["id_token"], "grant_type": "x"}, timeout=9),
    ]
    assert all(here.store.refusals.find(answer.headers["X-Request-Id"]) for answer in answers)
    check_absent(here, [callback.code, verifier, callback.verifier, *(str(tokens[n]) for n in ("id_token",))])
    with here.store.database.reading() as connection:
        kept = "\n".join(connection.execute(select(refusals.c.document)).scalars())
    for person in (user.username, user.email or "-", user.id):
        assert person not in kept
    assert tokens["refresh_token"][4:24] not in kept


def test_a_person_in_a_parameter_is_not_shown(here: TimedServer, party: RelyingParty) -> None:
    for name in ("login_hint", "scope", "prompt", "acr_values", "client_id"):
        party.start(Browser(here), **{"redirect_uri": "https://wrong.example/", name: "ada.private@example.com"})
    for encoded in ("ada.private@example.com", "ada.private%40example.com", "ada.private%2540example.com"):
        party.start(Browser(here), redirect_uri=f"https://wrong.example/{encoded}", scope=f"for {encoded}")
    assert "ada.private" not in everything_stored(here)


@pytest.mark.asvs("16.4.1")
def test_a_refusal_cannot_forge_its_own_members(here: TimedServer, party: RelyingParty) -> None:
    """What is sent is a value in the document, whatever it looks like, and whatever the masking takes out of it."""
    hostile = '","received":"x","findings":[],"\\u0000\n\u202e\ud800'
    params = {"client_id": party.client.client_id, "response_type": hostile, "state": '","received":"'}
    query = "&".join(f"{name}={quote(value, errors='surrogatepass')}" for name, value in params.items())
    answer = requests.get(here.url(f"/authorize?{query}"), timeout=TIMEOUT, allow_redirects=False)
    kept = here.store.refusals.find(answer.headers["X-Request-Id"])
    assert kept is not None
    assert set(kept.document) == {"method", "endpoint", "description", "findings", "sent", "network"}


# --- Floods


def test_a_flood_of_refusals_is_no_flood_of_writes(tmp_path: Path, signing_keys: Path) -> None:
    with timed_server(tmp_path, keys_from=signing_keys, ratelimit_enabled="true") as server, requests.Session() as http:
        began = time.monotonic()
        for _ in range(NETWORK_BURST + 40):
            answer = http.get(server.url("/userinfo"), timeout=TIMEOUT)
            assert (answer.status_code, list(answer.json())) == (401, ["request_id"])
        took = time.monotonic() - began
        assert NETWORK_BURST <= refused_count(server) <= NETWORK_BURST + took + 2
        assert server.store.refusals.find(answer.json()["request_id"]) is None or took > 1


def test_one_network_in_flood_leaves_room_for_the_others_up_to_what_a_process_may_write(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(inspector, "PROCESS_BURST", PROCESS_BURST)
    now = [0.0]
    limits = WriteLimits(per_network=True, monotonic=lambda: now[0])
    assert sum(limits.allows("10.0.0.0/24") for _ in range(1000)) == NETWORK_BURST
    assert limits.allows("10.0.1.0/24")
    others = sum(limits.allows(f"10.1.{number}.0/24") for number in range(900))
    assert others == PROCESS_BURST - NETWORK_BURST - 1
    now[0] += 1.0
    assert limits.allows("10.0.0.0/24")
    assert not limits.allows("10.0.0.0/24"), "one a second"
    for number in range(3 * MAX_NETWORKS):
        limits.allows(f"network {number}")
    assert len(limits._networks) <= MAX_NETWORKS


def hostile_forms(client_id: str) -> list[str]:
    """Bodies below the limit of 64 KiB whose masking might take long."""
    long = "&".join(f"redirect_uri={'b' * 2040}" for _ in range(31))
    broken = "&".join(f"redirect_uri={'b!' * 600}%2540" for _ in range(50))
    words = "&".join(f"resource=://{'b' * 600}" for _ in range(100))
    many = "&".join(["scope=" + "a+" * 4000, *(f"q={number:08}" for number in range(900))])
    return [f"client_id={client_id}&{rest}" for rest in (long, broken, words, many)]


def test_masking_takes_no_longer_than_what_is_masked(here: TimedServer, party: RelyingParty) -> None:
    began = time.process_time()  # the server is in this process; others on the machine do not count
    for form in 4 * hostile_forms(party.client.client_id):
        answer = requests.post(here.url("/token"), data=form, headers=FORM, timeout=60)
        assert answer.status_code == 400
        assert here.store.refusals.find(answer.headers["X-Request-Id"]) is not None
    for _ in range(20):
        assert party.start(Browser(here), redirect_uri="https://x/" + "b" * 2000).status_code == 400
    assert time.process_time() - began < 3


@pytest.mark.parametrize("text", ["a ", "\U0001f600 ", "%ED%A0%80 "])
def test_what_is_kept_of_one_request_is_small(here: TimedServer, party: RelyingParty, text: str) -> None:
    """Everything that may be shown, as long and as often as a request can carry it."""
    names = (
        "response_type response_mode scope prompt max_age display ui_locales acr_values grant_type resource iss error"
    )
    pairs = [f"{name}={text * 150}" for name in names.split() for _ in range(3)]
    body = "&".join([f"client_id={party.client.client_id}", f"redirect_uri={text * 150}", *pairs]).encode()[:65_000]
    for path in ("/token", "/authorize"):
        answer = requests.post(here.url(path), data=body, headers=FORM, timeout=TIMEOUT)
        assert here.store.refusals.find(answer.headers["X-Request-Id"]) is not None
        with here.store.database.reading() as connection:
            row = refusals.c.request_id == answer.headers["X-Request-Id"]
            document = connection.execute(select(refusals.c.document).where(row)).scalar_one()
        assert len(document.encode()) < 12_000
        assert "times more" in document or "again" in document


# --- Trouble of its own


def test_keeping_that_fails_changes_no_answer(tmp_path: Path, signing_keys: Path) -> None:
    with timed_server(tmp_path, keys_from=signing_keys) as server:
        party = RelyingParty(server, server.add_client())
        before = (
            party.refresh("rt_x"),
            party.start(Browser(server), scope="x"),
            party.start(Browser(server), client_id="x"),
        )
        with server.store.database.writing() as connection:
            refusals.drop(connection)
        after = [party.refresh("rt_x"), party.start(Browser(server), scope="x")]
        server.wait_for_notes()
        after.append(party.start(Browser(server), client_id="x"))
        assert [answer.status_code for answer in after] == [answer.status_code for answer in before]
        assert after[0].json() == before[0].json() | {"request_id": after[0].headers["X-Request-Id"]}
        assert 'id="inspect"' in before[2].text
        assert 'id="inspect"' not in after[2].text


def test_nothing_is_kept_where_nothing_shall_be(tmp_path: Path, signing_keys: Path) -> None:
    with timed_server(tmp_path, keys_from=signing_keys, inspect_retention="0") as server:
        party = RelyingParty(server, server.add_client())
        assert party.refresh("rt_x").json()["request_id"]
        assert refused_count(server) == 0


def test_another_instance_shows_what_one_has_refused(here: TimedServer, tmp_path: Path, signing_keys: Path) -> None:
    answer = requests.get(here.url("/userinfo"), timeout=TIMEOUT)
    url = here.settings.database_url
    with timed_server(tmp_path, keys_from=signing_keys, database_url=url) as second:
        page = Browser(second).open(f"/dev/inspect/{answer.json()['request_id']}")
        assert (page.status, page.id) == (200, "dev-refusal-page")


def test_the_client_is_told_nothing_of_what_the_inspector_knows(here: TimedServer, party: RelyingParty) -> None:
    """One answer for an unknown client and a wrong secret; one for a code of nobody and of somebody else."""
    form = {"grant_type": "refresh_token", "refresh_token": "x"}
    wrong = requests.post(here.url("/token"), data=form, auth=(party.client.client_id, "wrong"), timeout=TIMEOUT)
    unknown = requests.post(here.url("/token"), data=form, auth=("nobody", "wrong"), timeout=TIMEOUT)
    assert said(wrong) == said(unknown)
    callback = party.sign_in(Browser(here), here.add_user().username)
    other = RelyingParty(here, here.add_client())
    assert said(other.redeem(callback)) == said(other.redeem(callback, code="nothing"))
    token = forge({"alg": "none", "typ": "at+jwt"}, {"iss": here.issuer, "aud": "x"}, None)
    assert said(party.userinfo(token)) == said(party.userinfo("x.y.z"))


def said(answer: requests.Response) -> tuple[int, dict[str, str]]:
    return answer.status_code, {name: value for name, value in answer.json().items() if name != "request_id"}
