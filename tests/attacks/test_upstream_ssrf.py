"""What a configured provider can make this server ask for: nothing that is private, nothing without an end."""

import gzip
import json
import socket
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest

from tests.support.authorize import ask
from tests.support.forger import Begun, Forger, Write, check_nobody, press_away, running_forger, saying
from tests.support.idp_server import TimedServer, timed_server
from tests.support.relying_party import Browser, RelyingParty
from tests.support.upstream import first_party

DEADLINE = 1.0
SLACK = 5.0  # seconds that a loaded machine may take on top
STAMINA = 15.0  # seconds that a server of ours here goes on without an end
PRIVATE_NAME, REBINDING_NAME = "intranet.example", "rebinding.example"
# what a resolver makes of names, and of the odd spellings of an address
RESOLVED = {
    PRIVATE_NAME: ["10.1.2.3"],
    REBINDING_NAME: ["93.184.216.34", "127.0.0.1"],
    **{spelling: ["127.0.0.1"] for spelling in ("127.1", "2130706433", "0177.0.0.1")},
}
# Where no provider may send us; CANARY is another server on this machine, which no setting allows
TARGETS = {
    "loopback over http": "http://CANARY/x",
    "loopback over https": "https://CANARY/x",
    "loopback by name": "http://localhost:PORT/x",
    "loopback by name over https": "https://localhost:PORT/x",
    "loopback, IPv6": "https://[::1]/x",
    "loopback, mapped IPv6": "https://[::ffff:127.0.0.1]/x",
    "loopback, short": "https://127.1/x",
    "loopback, a number": "https://2130706433/x",
    "loopback, octal": "https://0177.0.0.1/x",
    "this host": "https://0.0.0.0/x",
    "private network": "https://10.0.0.1/x",
    "private network over http": "http://192.168.1.1/x",
    "carrier network": "https://100.64.0.1/x",
    "link-local": "https://169.254.1.1/x",
    "metadata address": "http://169.254.169.254/latest/meta-data/",
    "metadata address over https": "https://169.254.169.254/latest/meta-data/",
    "metadata address of Azure": "https://168.63.129.16/x",
    "unique local IPv6": "https://[fd00::1]/x",
    "link-local IPv6": "https://[fe80::1]/x",
    "NAT64 of loopback": "https://[64:ff9b::7f00:1]/x",
    "a name that is private": f"https://{PRIVATE_NAME}/x",
    "a name that is public and private": f"https://{REBINDING_NAME}/x",
    "public without TLS": "http://93.184.216.34/x",
    "credentials": "https://user:password@CANARY/x",
    "another scheme": "file:///etc/passwd",
    "gopher": "gopher://CANARY/x",
}
PLACES = ("token_endpoint", "jwks_uri", "userinfo_endpoint")


def endless(chunk: bytes, pause: float = 0.0, **headers: str) -> Write:
    """Writes without an end, until the other side has had enough."""

    def write(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        for name, value in ({"Content_Type": "application/json"} | headers).items():
            handler.send_header(name.replace("_", "-"), value)
        handler.end_headers()
        ends_at = time.monotonic() + STAMINA
        while time.monotonic() < ends_at:
            handler.wfile.write(chunk)
            handler.wfile.flush()
            time.sleep(pause)

    return write


def dripping_head(handler: BaseHTTPRequestHandler) -> None:
    for byte in b"HTTP/1.1 200 OK\r\nX-Slow: " + b"x" * 200:
        handler.wfile.write(bytes([byte]))
        handler.wfile.flush()
        time.sleep(0.1)


def flood_of_headers(handler: BaseHTTPRequestHandler) -> None:
    handler.wfile.write(b"HTTP/1.1 200 OK\r\n" + b"".join(b"X-%d: y\r\n" % n for n in range(20_000)) + b"\r\n{}")


def one_long_header(handler: BaseHTTPRequestHandler) -> None:
    handler.wfile.write(b"HTTP/1.1 200 OK\r\nX-Long: " + b"y" * 10_000_000 + b"\r\n\r\n{}")


def another_protocol(handler: BaseHTTPRequestHandler) -> None:
    handler.wfile.write(b"SSH-2.0-x\r\n")


def silence(handler: BaseHTTPRequestHandler) -> None:
    time.sleep(STAMINA)


def redirect(status: int, *, to_itself: bool = False) -> Write:
    """To a place that is not allowed, or to one that is: neither is followed, for it would get a code and a secret."""

    def write(handler: BaseHTTPRequestHandler) -> None:
        canary = handler.server.canary  # type: ignore[attr-defined]
        handler.send_response(status)
        handler.send_header("Location", "/followed" if to_itself else f"{canary}/x")
        handler.send_header("Content-Length", "0")
        handler.end_headers()

    return write


BOMB = gzip.compress(b'{"padding": "' + b"x" * 50_000_000 + b'"}')
ANSWERS: dict[str, Write] = {
    "10 MB announced": saying(b"{" + b" " * 10_000_000 + b"}"),
    "10 MB not announced": endless(b" " * 65536),
    "10 MB under a small length": saying(b"{" + b" " * 1_000_000 + b"}", Content_Length="10"),
    "a length that is none": saying(b"{}", Content_Length="-1"),
    "dripping": endless(b" ", 0.05),
    "dripping head": dripping_head,
    "silence": silence,
    "a gzip bomb": saying(BOMB, Content_Encoding="gzip"),
    "a brotli claim": saying(b"{}", Content_Encoding="br"),
    "a flood of headers": flood_of_headers,
    "one long header": one_long_header,
    "not HTTP": another_protocol,
    "nested beyond all measure": saying("[" * 200_000),
    "301": redirect(301),
    "302": redirect(302),
    "303": redirect(303),
    "307": redirect(307),
    "308": redirect(308),
    "302 to itself": redirect(302, to_itself=True),
    "307 to itself": redirect(307, to_itself=True),
}


def wrapped(*, padding: int = 0, **headers: str) -> Write:
    """A profile that is right, in a wrapping that is not: no length announced, or in an encoding."""

    def write(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        for name, value in headers.items():
            handler.send_header(name.replace("_", "-"), value)
        handler.end_headers()
        handler.wfile.write(json.dumps({"sub": "lean", "name": "Lean"}).encode() + b" " * padding)

    return write


WRAPPED = {
    "as it should be": wrapped(),
    "more than half a megabyte": wrapped(padding=600_000),
    "br": wrapped(Content_Encoding="br"),
    "gzip": wrapped(Content_Encoding="gzip"),
}


@pytest.fixture(scope="module")
def canary() -> Iterator[Forger]:
    """A server on this machine that nobody may be sent to."""
    with running_forger() as running:
        yield running


@pytest.fixture(scope="module")
def forger(canary: Forger) -> Iterator[Forger]:
    with running_forger() as running:
        running._server.canary = canary.origin  # type: ignore[attr-defined]
        yield running


def target(canary: Forger, name: str) -> str:
    return TARGETS[name].replace("CANARY", canary.host).replace("PORT", canary.host.partition(":")[2])


@pytest.fixture(scope="module")
def stage(
    forger: Forger, canary: Forger, tmp_path_factory: pytest.TempPathFactory, signing_keys: Path
) -> Iterator[TimedServer]:
    """A connection for each target in each place, and for each answer in each place. It runs in this process, so that
    the guard of the tests sees whatever it would connect to."""
    changes: dict[str, str] = {}
    for place in PLACES:
        for number, name in enumerate(TARGETS):
            path = f"/{place}/t{number}"
            forger.metadata[path] = {place: target(canary, name)}
            changes |= forger.connection(name_of(path), path)
        for number, write in enumerate(ANSWERS.values()):
            path = f"/{place}/a{number}"
            forger.metadata[path] = {place: f"{forger.origin}{path}/here"}
            forger.answers[f"{path}/here"] = write
            changes |= forger.connection(name_of(path), path)
    for number, write in enumerate(ANSWERS.values()):
        path = f"/discovery/a{number}"
        forger.answers[f"{path}/.well-known/openid-configuration"] = write
        changes |= forger.connection(name_of(path), path)
    for number, write in enumerate(WRAPPED.values()):
        path = f"/userinfo_endpoint/w{number}"
        forger.metadata[path] = {"userinfo_endpoint": f"{forger.origin}{path}/here"}
        forger.answers[f"{path}/here"] = write
        changes |= forger.connection(name_of(path), path)
    changes |= forger.connection("usual")
    for name, issuer in (
        ("closed", canary.origin),
        ("private", f"https://{PRIVATE_NAME}"),
        ("meta", "https://169.254.169.254"),
    ):
        changes |= forger.connection(name) | {f"upstream_{name}_issuer": issuer}
    folder = tmp_path_factory.mktemp("ssrf")
    with timed_server(
        folder,
        keys_from=signing_keys,
        outbound_allowed_hosts=forger.host,
        outbound_timeout=str(DEADLINE),
        **changes,
    ) as server:
        yield server


@pytest.fixture(autouse=True)
def names(monkeypatch: pytest.MonkeyPatch) -> None:
    """Names that a resolver answers with addresses inside."""
    true_look_up = socket.getaddrinfo

    def look_up(host: Any, port: Any, *arguments: Any, **options: Any) -> Any:
        found = RESOLVED.get(host)
        if found is None:
            return true_look_up(host, port, *arguments, **options)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)) for address in found]

    monkeypatch.setattr(socket, "getaddrinfo", look_up)


def name_of(path: str) -> str:
    """`/jwks_uri/t3` → `jwks-t3`."""
    place, last = path.strip("/").split("/")
    return f"{place.partition('_')[0]}-{last}"


def party_for(stage: TimedServer, name: str) -> RelyingParty:
    """A client whose people see one button instead of hundreds."""
    return first_party(stage, upstreams=(name,))


def finish(forger: Forger, stage: TimedServer, path: str, **claims: Any) -> tuple[Begun, Any, float]:
    """Sign in as far as it goes; the answer of our callback, and how long it took."""
    begun = press_away(party_for(stage, name_of(path)), Browser(stage), name_of(path))
    lean = forger.sign(forger.claims(begun, path, name=None, email=None, **claims))
    code, began = forger.issue(lean), time.monotonic()
    response = begun.answer(code=code)
    return begun, response, time.monotonic() - began


def test_the_same_walk_works_where_nothing_is_hidden(forger: Forger, stage: TimedServer) -> None:
    begun = press_away(party_for(stage, "usual"), Browser(stage), "usual")
    forger.userinfo = {"sub": "lean", "name": "Lean", "email": "lean@example.net", "email_verified": True}
    lean = forger.sign(forger.claims(begun, sub="lean", name=None, email=None))
    assert begun.land(code=forger.issue(lean)).callback.code
    assert [path for path in forger.paths() if path == "/userinfo"]


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("name", TARGETS)
def test_nothing_private_is_asked_for(
    forger: Forger, canary: Forger, stage: TimedServer, place: str, name: str
) -> None:
    """A connection that the guard of the tests would have to stop fails the test too."""
    path = f"/{place}/t{list(TARGETS).index(name)}"
    asked = ask(party_for(stage, name_of(path)), Browser(stage))
    started = asked.page.submit(f"continue-with-{name_of(path)}")
    if started.status_code == 303:
        begun, response, _ = finish(forger, stage, path)
        check_nobody(begun.browser, response, 502, 503)
    else:
        check_nobody(asked.browser, started, 502, 503)  # the metadata itself is refused for such an address
    assert canary.seen == []


@pytest.mark.parametrize("name", ["closed", "private", "meta"])
def test_an_issuer_on_the_inside_is_not_discovered_unless_it_is_allowed(
    canary: Forger, stage: TimedServer, name: str
) -> None:
    asked = ask(party_for(stage, name), Browser(stage))
    check_nobody(asked.browser, asked.page.submit(f"continue-with-{name}"), 503)
    assert canary.seen == []


def test_an_issuer_on_the_inside_works_when_it_is_allowed(canary: Forger, tmp_path: Path, signing_keys: Path) -> None:
    changes = canary.connection("inside", "/inside")
    with timed_server(tmp_path, keys_from=signing_keys, outbound_allowed_hosts=canary.host, **changes) as server:
        begun = press_away(first_party(server), Browser(server), "inside")
        assert begun.land(code=canary.issue(canary.sign(canary.claims(begun, "/inside")))).callback.code
    canary.seen.clear()


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("answer", ANSWERS)
def test_an_answer_without_end_or_measure_is_given_up(
    forger: Forger, canary: Forger, stage: TimedServer, place: str, answer: str
) -> None:
    path = f"/{place}/a{list(ANSWERS).index(answer)}"
    begun, response, took = finish(forger, stage, path)
    check_nobody(begun.browser, response, 400, 502, 503)
    assert took < 2 * DEADLINE + SLACK, "one deadline, or two where a GET is repeated"
    assert canary.seen == []
    assert "/followed" not in forger.paths()
    assert begun.asked.log_in(stage.add_user().username).callback.code, "the request is still there"


@pytest.mark.parametrize("answer", ANSWERS)
def test_discovery_without_end_or_measure_is_given_up(
    forger: Forger, canary: Forger, stage: TimedServer, answer: str
) -> None:
    browser, name = Browser(stage), f"discovery-a{list(ANSWERS).index(answer)}"
    asked, began = ask(party_for(stage, name), browser), time.monotonic()
    check_nobody(browser, asked.page.submit(f"continue-with-{name}"), 502, 503)
    assert time.monotonic() - began < 2 * DEADLINE + SLACK
    assert canary.seen == []
    count = len(forger.seen)
    check_nobody(browser, asked.page.submit(f"continue-with-{name}"), 502, 503)
    assert len(forger.seen) == count, "it is not asked again at once"


@pytest.mark.parametrize("wrapping", WRAPPED)
def test_what_is_too_long_or_encoded_is_refused_though_it_were_right(
    forger: Forger, stage: TimedServer, wrapping: str
) -> None:
    path = f"/userinfo_endpoint/w{list(WRAPPED).index(wrapping)}"
    begun, response, _ = finish(forger, stage, path, sub="lean")
    if wrapping == "as it should be":
        assert begun.asked.then(response).callback.code
    else:
        check_nobody(begun.browser, response, 503)


def test_a_code_is_sent_once_however_the_token_endpoint_fails(forger: Forger, stage: TimedServer) -> None:
    """A repeated request could spend what the first one has bought, or hand the code to whoever makes it fail."""
    for answer in ("silence", "not HTTP", "302"):
        path = f"/token_endpoint/a{list(ANSWERS).index(answer)}"
        before = forger.paths().count(f"{path}/here")
        finish(forger, stage, path)
        assert forger.paths().count(f"{path}/here") == before + 1


def test_our_secret_goes_to_the_token_endpoint_and_nowhere_else(forger: Forger, stage: TimedServer) -> None:
    begun = press_away(party_for(stage, "usual"), Browser(stage), "usual")
    forger.userinfo = {"sub": "lean"}
    forger.seen.clear()
    lean = forger.sign(forger.claims(begun, sub="lean", name=None, email=None))
    begun.answer(code=forger.issue(lean))
    for seen in forger.seen:
        text = json.dumps([seen.headers, seen.form])
        assert ("Basic " in text) == seen.path.endswith("/token")
        assert "Cookie" not in seen.headers
        assert "code_verifier" not in text or seen.path.endswith("/token")
        assert "Bearer " not in text or seen.path.endswith("/userinfo")
