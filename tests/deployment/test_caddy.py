"""The Caddyfile that ships, run by the real Caddy over https in front of a server with several workers."""

import socket
import ssl
import threading
import time
import warnings
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from http.cookies import SimpleCookie
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar

import pytest
import requests
from requests.adapters import HTTPAdapter

from tests.support.accounts import PASSWORD
from tests.support.idp_server import ROOT, ServerUnderTest, running_server
from tests.support.machine import ProgramMissing, find_free_port, find_program
from tests.support.processes import KeptProcess
from tests.support.relying_party import Browser, Page, RelyingParty, claims_of
from tests.support.services import Bench, RunningCaddy

CADDYFILE = ROOT / "Caddyfile"
CLIENT_ADDRESS = "127.0.0.2"  # another one than Caddy's own, so that the two cannot be taken for each other
MAX_BODY = 65_536


@dataclass(frozen=True)
class Site:
    """The server, and Caddy in front of it."""

    server: ServerUnderTest
    caddy: RunningCaddy
    http_port: int
    https_port: int

    @property
    def root_certificate(self) -> str:
        return str(self.caddy.root_certificate)


class FromAddress(HTTPAdapter):
    """Connects from CLIENT_ADDRESS."""

    def init_poolmanager(self, *arguments: object, **options: object) -> None:
        super().init_poolmanager(*arguments, source_address=(CLIENT_ADDRESS, 0), **options)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def site(bench: Bench, tmp_path_factory: pytest.TempPathFactory, signing_keys: Path) -> Iterator[Site]:
    http_port, https_port = find_free_port(), find_free_port()
    settings = {"issuer": f"https://localhost:{https_port}", "trusted_proxies": "127.0.0.1"}
    folder = tmp_path_factory.mktemp("behind-caddy")
    with running_server(folder, keys_from=signing_keys, **settings) as server:
        variables = {
            "CADDY_SITE": "localhost",
            "CADDY_UPSTREAM": f"127.0.0.1:{server.settings.port}",
            "CADDY_HTTP_PORT": str(http_port),
            "CADDY_HTTPS_PORT": str(https_port),
        }
        try:
            with bench.caddy(CADDYFILE, port=https_port, environment=variables) as caddy:
                yield Site(server, caddy, http_port, https_port)
        except ProgramMissing as missing:
            pytest.skip(str(missing))


@pytest.fixture
def trusted(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """Clients trust Caddy's own authority, and nothing else is switched off."""
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", site.root_certificate)


@pytest.fixture
def person(site: Site, trusted: None) -> Iterator[Browser]:
    """A browser whose connections come from CLIENT_ADDRESS."""
    browser = Browser(site.server)
    browser.http.verify = site.root_certificate
    browser.http.mount("https://", FromAddress())
    yield browser
    browser.http.close()


def address_of_sign_in(server: ServerUnderTest, user_id: str) -> str:
    events = server.store.audit_events.list(user_id=user_id)
    return str(next(event["address"] for event in events if event["event"] == "sign_in.succeeded"))


def names_of_cookies(answer: requests.Response) -> dict[str, str]:
    """Each cookie set, with its attributes, as the header has them."""
    values = answer.raw.headers.getlist("Set-Cookie")
    return {value.partition("=")[0]: value for value in values}


def wait_for_line(process: KeptProcess, text: str) -> str:
    """The log, once it has this text; Caddy writes it after the answer."""
    deadline = time.monotonic() + 60
    while text not in process.log.read_text() and time.monotonic() < deadline:
        time.sleep(0.05)
    log = process.log.read_text()
    assert text in log
    return log


@pytest.mark.spec("OpenID Connect Core", "3.1", "MUST")
def test_the_whole_walk_works_over_https_through_caddy(site: Site, person: Browser) -> None:
    client, user = RelyingParty(site.server, site.server.add_client()), site.server.add_user()
    tokens = client.tokens(person, user.username, scope="openid email")
    assert claims_of(tokens["id_token"])["iss"] == site.server.issuer
    assert claims_of(tokens["access_token"])["iss"] == site.server.issuer
    assert client.userinfo(tokens["access_token"]).json()["email"] == user.email
    logout = {
        "id_token_hint": tokens["id_token"],
        "post_logout_redirect_uri": client.client.metadata.post_logout_redirect_uris[0],
    }
    assert person.get("/logout", params=logout).headers["Location"] == logout["post_logout_redirect_uri"]
    assert client.start(person, prompt="none").headers["Location"].find("error=login_required") > 0


@pytest.mark.spec("OpenID Connect Discovery", "4.3", "MUST")
def test_discovery_names_the_https_issuer_and_only_addresses_below_it(site: Site, person: Browser) -> None:
    document = person.get("/.well-known/openid-configuration").json()
    assert document["issuer"] == site.server.issuer == f"https://localhost:{site.https_port}"
    addresses = [value for name, value in document.items() if name.endswith(("_endpoint", "_uri"))]
    assert len(addresses) >= 7
    assert all(address.startswith(site.server.issuer + "/") for address in addresses)


@pytest.mark.asvs("3.3.1", "3.3.3", "3.3.4")
def test_the_session_cookie_is_bound_to_the_host_and_secure(site: Site, person: Browser) -> None:
    client, user = RelyingParty(site.server, site.server.add_client()), site.server.add_user()
    page = person.page(client.start(person))
    answer = page.submit("login", username=user.username, password=PASSWORD)
    cookie = SimpleCookie(names_of_cookies(answer)["__Host-idp_session"])["__Host-idp_session"]
    assert cookie["secure"]
    assert cookie["httponly"]
    assert (cookie["path"], cookie["domain"], cookie["samesite"]) == ("/", "", "Lax")
    assert all(cookie.name.startswith("__Host-") and cookie.secure for cookie in person.http.cookies)


@pytest.mark.asvs("3.4.1")
@pytest.mark.parametrize("path", ["/login", "/jwks", "/static/idp.css", "/nowhere"])
def test_every_answer_demands_https_and_names_no_software(site: Site, person: Browser, path: str) -> None:
    headers = person.get(path).headers
    assert headers["Strict-Transport-Security"] == "max-age=31536000; includeSubDomains"
    assert not headers.keys() & {"Server", "Via", "X-Powered-By"}


@pytest.mark.asvs("16.2.1")
def test_the_audit_trail_has_the_true_address_whatever_a_client_claims(site: Site, person: Browser) -> None:
    client, user = RelyingParty(site.server, site.server.add_client()), site.server.add_user()
    person.http.headers.update(
        {"X-Forwarded-For": "203.0.113.9", "Forwarded": "for=203.0.113.9", "X-Real-IP": "203.0.113.9"}
    )
    client.sign_in(person, user.username)
    assert address_of_sign_in(site.server, user.id) == CLIENT_ADDRESS


class Taker(BaseHTTPRequestHandler):
    """Takes whatever comes, so that only Caddy can be the one who refuses; `taken` says what reached it whole."""

    protocol_version = "HTTP/1.1"
    taken: ClassVar[list[tuple[str, int]]] = []

    def do_GET(self) -> None:
        self._answer()

    def do_POST(self) -> None:
        body = self._read()
        if body is not None:
            self.taken.append((self.path, len(body)))
            self._answer()

    def log_message(self, *arguments: object) -> None:
        """Says nothing."""

    def _read(self) -> bytes | None:
        """The whole body; None when it breaks off."""
        if "Content-Length" in self.headers:
            return self.rfile.read(int(self.headers["Content-Length"]))
        body = b""
        while line := self.rfile.readline():
            size = int(line, 16)
            body += self.rfile.read(size + 2)[:size]
            if size == 0:
                return body
        self.close_connection = True
        return None

    def _answer(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()


@pytest.fixture
def before_a_taker(bench: Bench) -> "Iterator[BaseSession]":
    """A session whose requests go through Caddy to a Taker."""
    upstream = ThreadingHTTPServer(("127.0.0.1", 0), Taker)
    thread = threading.Thread(target=upstream.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    Taker.taken.clear()
    https_port = find_free_port()
    variables = {
        "CADDY_UPSTREAM": f"127.0.0.1:{upstream.server_port}",
        "CADDY_HTTP_PORT": str(find_free_port()),
        "CADDY_HTTPS_PORT": str(https_port),
    }
    try:
        with bench.caddy(CADDYFILE, port=https_port, environment=variables) as caddy, BaseSession() as session:
            session.trust_env = False
            session.verify, session.base = str(caddy.root_certificate), f"https://localhost:{https_port}"
            yield session
    except ProgramMissing as missing:
        pytest.skip(str(missing))
    finally:
        upstream.shutdown()
        upstream.server_close()
        thread.join(5)


class BaseSession(requests.Session):
    """A session that knows where its site is."""

    base = ""

    def request(self, method: str, url: str, **options: Any) -> requests.Response:  # type: ignore[override]
        return super().request(method, self.base + url, timeout=60, **options)


def pieces(size: int) -> Iterator[bytes]:
    """A body sent in chunks, without a length."""
    yield from (b"x" * 4096 for _ in range(size // 4096))


def test_a_body_over_the_limit_is_refused_before_the_server_hears_of_it(before_a_taker: BaseSession) -> None:
    answer = before_a_taker.post("/declared", data=b"x" * (MAX_BODY + 1))
    assert (answer.status_code, answer.headers.get("Server")) == (413, None)
    assert answer.headers["Strict-Transport-Security"]
    assert answer.headers["Cache-Control"] == "no-store"
    assert before_a_taker.post("/within", data=b"x" * MAX_BODY).status_code == 200
    assert Taker.taken == [("/within", MAX_BODY)]


def test_a_body_without_a_length_is_cut_off_at_the_limit_and_nobody_else_waits(before_a_taker: BaseSession) -> None:
    assert before_a_taker.post("/within", data=pieces(MAX_BODY)).status_code == 200
    assert before_a_taker.post("/endless", data=pieces(MAX_BODY * 3)).status_code == 413
    assert Taker.taken == [("/within", MAX_BODY)]
    next_one = before_a_taker.get("/jwks")
    assert next_one.status_code == 200
    assert next_one.elapsed.total_seconds() < 4


def test_http_is_answered_only_by_a_redirect_to_https(site: Site) -> None:
    answer = requests.get(f"http://localhost:{site.http_port}/jwks", allow_redirects=False, timeout=30)
    assert answer.status_code == 308
    assert answer.headers["Location"] == "https://localhost/jwks"


@pytest.mark.parametrize(("version", "accepted"), [("TLSv1_1", False), ("TLSv1_2", True), ("TLSv1_3", True)])
def test_only_current_tls_versions_are_spoken(site: Site, version: str, accepted: bool) -> None:
    context = ssl.create_default_context(cafile=site.root_certificate)
    context.set_ciphers("DEFAULT:@SECLEVEL=0")  # this side would refuse old versions by itself
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        context.minimum_version = context.maximum_version = ssl.TLSVersion[version]
    spoken = None
    with (
        suppress(ssl.SSLError),
        socket.create_connection(("127.0.0.1", site.https_port), timeout=30) as plain,
        context.wrap_socket(plain, server_hostname="localhost") as connection,
    ):
        spoken = connection.version()
    assert spoken == (version.replace("_", ".") if accepted else None)


def test_style_is_compressed_and_pages_are_not(site: Site, person: Browser) -> None:
    accepts = {"Accept-Encoding": "zstd, gzip"}
    style = person.get("/static/idp.css", headers={"Accept-Encoding": "gzip"})
    assert style.headers["Content-Encoding"] == "gzip"
    assert "Accept-Encoding" in style.headers["Vary"]
    client = RelyingParty(site.server, site.server.add_client())
    page: Page = person.page(client.start(person))
    assert page.id == "login-page"
    assert "Content-Encoding" not in person.get(page.response.url, headers=accepts).headers
    assert "Content-Encoding" not in person.get("/jwks", headers=accepts).headers


def test_cross_origin_answers_pass_through(site: Site, trusted: None) -> None:
    client = site.server.add_client(redirect_uris=("https://app.example.com/cb",))
    assert client.metadata.origins() == {"https://app.example.com"}
    answer = requests.options(
        site.server.url("/token"),
        headers={"Origin": "https://app.example.com", "Access-Control-Request-Method": "POST"},
        timeout=30,
    )
    assert answer.headers["Access-Control-Allow-Origin"] == "https://app.example.com"
    assert "*" not in answer.headers.values()


def test_while_the_server_is_away_caddy_says_so_and_keeps_queries_and_credentials_out_of_its_log(
    bench: Bench, tmp_path: Path
) -> None:
    caddyfile = tmp_path / "Caddyfile"
    caddyfile.write_text(CADDYFILE.read_text().replace("\timport headers\n", "\timport headers\n\tlog\n", 1))
    if find_program("caddy") is None:
        pytest.skip(str(ProgramMissing("caddy")))
    https_port = find_free_port()
    variables = {
        "CADDY_UPSTREAM": f"127.0.0.1:{find_free_port()}",
        "CADDY_HTTP_PORT": str(find_free_port()),
        "CADDY_HTTPS_PORT": str(https_port),
    }
    with bench.caddy(caddyfile, port=https_port, environment=variables) as caddy:
        answer = requests.get(
            f"https://localhost:{https_port}/logout?id_token_hint=secret-of-the-query",
            headers={"Authorization": "Bearer secret-of-the-header", "Cookie": "a=secret-of-the-cookie"},
            verify=str(caddy.root_certificate),
            timeout=60,
        )
        log = wait_for_line(caddy.process, '"uri":"/logout"')
    assert answer.status_code in {502, 503}
    assert (answer.headers.get("Server"), answer.headers["Cache-Control"]) == (None, "no-store")
    assert "secret-of" not in log
