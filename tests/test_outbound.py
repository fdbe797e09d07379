"""The guard of outbound requests, against real servers on this machine: what it reaches, and what it never does."""

import ipaddress
import json
import re
import socket
import ssl
import struct
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import pytest
import requests
from authlib.integrations.requests_client import OAuth2Session

from idp.outbound import AnswerRefused, FetchRefused, NotSent, OutboundFetcher, is_public
from idp.outbound.adapter import GuardedAdapter
from tests.support.authority import Authority

GOOD: dict[str, Any] = {"keys": []}
PUBLIC = "93.184.216.34"
SPECIAL = """127.0.0.1 127.255.255.254 0.0.0.0 0.1.2.3 10.0.0.1 172.16.0.1 172.31.255.255 192.168.1.1 169.254.0.1
    169.254.169.254 100.64.0.1 100.127.255.255 192.0.0.192 192.0.2.1 198.18.0.1 198.51.100.1 203.0.113.1 192.88.99.1
    224.0.0.1 239.255.255.255 240.0.0.1 255.255.255.255 168.63.129.16
    :: ::1 ::127.0.0.1 ::ffff:10.0.0.1 ::ffff:169.254.169.254 ::ffff:100.64.0.1 64:ff9b::10.0.0.1 64:ff9b:1::1 fc00::1
    fd00:ec2::254 fe80::1 febf::1 fec0::1 ff02::1 2001::1 2001:db8::1 2002:7f00:1:: 100::1 5f00::1"""

Answer = Callable[[socket.socket], None]
Session = TypeVar("Session", bound=requests.Session)


def http(body: bytes, status: str = "200 OK", *headers: str, length: int | None = None) -> Answer:
    """Answers with this, and closes."""
    head = [f"HTTP/1.1 {status}", f"Content-Length: {len(body) if length is None else length}", *headers, "", ""]
    return lambda connection: connection.sendall("\r\n".join(head).encode() + body)


class Server:
    """Accepts connections on a loopback address and lets `answer` have each, after reading the request.

    `requests` holds what was read, a character for each byte; `pause`: seconds to wait after each piece of it.
    """

    def __init__(self, tls: ssl.SSLContext | None = None, family: int = socket.AF_INET) -> None:
        self.answer: Answer = http(json.dumps(GOOD).encode())
        self.requests: list[str] = []
        self.pause = 0.0
        self._tls = tls
        self._listener = socket.create_server(("::1" if family == socket.AF_INET6 else "127.0.0.1", 0), family=family)
        self._listener.settimeout(0.1)
        self.port = self._listener.getsockname()[1]
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def close(self) -> None:
        self._stopped.set()
        self._thread.join(10)
        self._listener.close()

    def _serve(self) -> None:
        while not self._stopped.is_set():
            try:
                accepted, _ = self._listener.accept()
            except TimeoutError:
                continue
            with accepted:
                accepted.settimeout(20)
                try:
                    self._talk(accepted)
                except OSError:
                    continue  # the client hung up, which is what many of these tests are about

    def _talk(self, accepted: socket.socket) -> None:
        if self._tls is None:
            self._answer_on(accepted)
        else:
            with self._tls.wrap_socket(accepted, server_side=True) as secured:
                self._answer_on(secured)

    def _answer_on(self, connection: socket.socket) -> None:
        request = b""
        while not is_whole(request):
            received = connection.recv(65536)
            if not received or self._stopped.wait(self.pause):
                return
            request += received
        self.requests.append(request.decode("latin-1"))
        self.answer(connection)
        connection.shutdown(socket.SHUT_WR)


def is_whole(request: bytes) -> bool:
    head, separator, body = request.partition(b"\r\n\r\n")
    length = re.search(rb"(?i)\r\ncontent-length: (\d+)", head)
    return bool(separator) and len(body) >= (int(length[1]) if length else 0)


class Names:
    """Stands in for the resolver: each name has a list of answers, the last of which it keeps giving."""

    def __init__(self) -> None:
        self.answers: dict[str, list[list[str]]] = {}
        self.asked: list[str] = []
        self.really: Callable[..., Any] = socket.getaddrinfo

    def look_up(self, host: Any, port: Any, *arguments: Any, **options: Any) -> Any:
        if host not in self.answers:
            return self.really(host, port, *arguments, **options)
        self.asked.append(host)
        addresses = self.answers[host][0] if len(self.answers[host]) == 1 else self.answers[host].pop(0)
        families = [socket.AF_INET6 if ":" in address else socket.AF_INET for address in addresses]
        return [
            (family, socket.SOCK_STREAM, 6, "", (address, port))
            for family, address in zip(families, addresses, strict=True)
        ]


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> Names:
    names = Names()
    monkeypatch.setattr(socket, "getaddrinfo", names.look_up)
    return names


@pytest.fixture
def server() -> Iterator[Server]:
    server = Server()
    yield server
    server.close()


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture
def secure_server(authority: Authority) -> Iterator[Server]:
    server = Server(authority.server_context("client.example"))
    yield server
    server.close()


def allowed(server: Server, **options: Any) -> tuple[OutboundFetcher, str]:
    """A fetcher that may reach the server by plain http, and the URL of it."""
    return OutboundFetcher(allowed_hosts=["127.0.0.1"], **options), f"http://127.0.0.1:{server.port}/jwks"


# --- What is fetched -------------------------------------------------------------------------------------------------


def test_one_plain_request_is_sent_and_the_object_comes_back(server: Server) -> None:
    fetcher, url = allowed(server)
    assert fetcher.get_json(f"{url}?a=%20b&c#fragment") == GOOD
    (request,) = server.requests
    first, *headers = request.strip().split("\r\n")
    assert first == "GET /jwks?a=%20b&c HTTP/1.1"
    assert {header.split(":")[0].lower() for header in headers} == {
        "host",
        "user-agent",
        "accept",
        "accept-encoding",
        "connection",
    }
    assert "User-Agent: idp" in headers
    assert f"Host: 127.0.0.1:{server.port}" in headers


def test_a_chunked_answer_and_one_without_a_length_are_read(server: Server) -> None:
    fetcher, url = allowed(server)
    server.answer = lambda connection: connection.sendall(
        b'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n6\r\n{"keys\r\n6\r\n": []}\r\n0\r\n\r\n'
    )
    assert fetcher.get_json(url) == GOOD
    server.answer = lambda connection: connection.sendall(b'HTTP/1.0 200 OK\r\n\r\n{"keys": []}')
    assert fetcher.get_json(url) == GOOD


def test_https_is_verified_for_the_name_while_the_connection_goes_to_the_checked_address(
    secure_server: Server, names: Names, authority: Authority
) -> None:
    names.answers = {"client.example": [["127.0.0.1"]], "other.example": [["127.0.0.1"]]}
    fetcher = OutboundFetcher(allowed_hosts=["127.0.0.0/8"], ca_bundle=authority.bundle)
    assert fetcher.get_json(f"https://client.example:{secure_server.port}/") == GOOD
    assert f"Host: client.example:{secure_server.port}" in secure_server.requests[0]
    with pytest.raises(FetchRefused, match="certificate"):
        fetcher.get_json(f"https://other.example:{secure_server.port}/")
    with pytest.raises(FetchRefused, match="certificate"):
        fetcher.get_json(f"https://127.0.0.1:{secure_server.port}/")
    assert len(secure_server.requests) == 1


def test_https_to_an_address_is_verified_for_the_address(authority: Authority) -> None:
    server = Server(authority.server_context("127.0.0.1"))
    try:
        fetcher = OutboundFetcher(allowed_hosts=["127.0.0.1"], ca_bundle=authority.bundle)
        assert fetcher.get_json(f"https://127.0.0.1:{server.port}/") == GOOD
    finally:
        server.close()


def test_a_certificate_of_an_unknown_ca_is_refused_even_for_an_allowed_host(
    secure_server: Server, names: Names
) -> None:
    names.answers = {"client.example": [["127.0.0.1"]]}
    with pytest.raises(FetchRefused, match="certificate"):
        OutboundFetcher(allowed_hosts=["client.example"]).get_json(f"https://client.example:{secure_server.port}/")
    assert secure_server.requests == []


def test_the_extra_bundle_does_not_replace_the_usual_authorities(authority: Authority) -> None:
    from idp.outbound import make_tls_context

    usual = ssl.create_default_context()
    usual_or_certifi = len(make_tls_context(None).get_ca_certs())
    assert usual_or_certifi >= max(1, len(usual.get_ca_certs()))
    assert len(make_tls_context(authority.bundle).get_ca_certs()) == usual_or_certifi + 1


def test_a_missing_bundle_is_a_refusal(secure_server: Server, names: Names, tmp_path: Path) -> None:
    names.answers = {"client.example": [["127.0.0.1"]]}
    fetcher = OutboundFetcher(allowed_hosts=["client.example"], ca_bundle=tmp_path / "absent.pem")
    with pytest.raises(FetchRefused, match="CA bundle"):
        fetcher.get_json(f"https://client.example:{secure_server.port}/")


# --- Which URLs ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "url",
    [
        "",
        "jwks",
        "//client.example/jwks",
        "http://client.example/jwks",
        "ftp://client.example/",
        "file:///etc/passwd",
        "gopher://127.0.0.1:25/",
        "data:application/json,{}",
        "https://",
        "https:///jwks",
        "https://user@client.example/",
        "https://user:secret@client.example/",
        "https://@client.example/",
        "https://client.example@127.0.0.1/",
        "https://client.example:0/",
        "https://client.example:65536/",
        "https://client.example:x/",
        "https://client.example\\@127.0.0.1/",
        "https://client..example/",
        "https://.example/",
        "https://" + "a" * 64 + ".example/",
        "https://cliént.example/",
        "https://client.example/a b",
        "https://client.example/\r\nX: y",
        "https://client.example/\x00",
        "https://client.example/" + "a" * 3000,
        "https://[::1/",
        "https://[fe80::1%25eth0]/",
        "https://%31%32%37.0.0.1/",
        None,
        b"https://client.example/",
    ],
)
def test_a_url_that_is_not_plain_https_is_refused_before_anything_is_looked_up(
    names: Names, url: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(names, "look_up", lambda *_: pytest.fail("looked up"))
    with pytest.raises(FetchRefused) as refused:
        OutboundFetcher().get_json(url)
    assert "secret" not in str(refused.value)


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1",
        "127.1",
        "2130706433",
        "0x7f.0.0.1",
        "0177.0.0.1",
        "0.0.0.0",
        "10.1.2.3",
        "169.254.169.254",
        "100.100.100.200",
        "168.63.129.16",
        "[::1]",
        "[::]",
        "[::ffff:127.0.0.1]",
        "[::ffff:7f00:1]",
        "[64:ff9b::7f00:1]",
        "[fd00:ec2::254]",
        "localhost",
    ],
)
def test_an_address_that_is_not_public_is_refused_however_it_is_written(
    host: str, monkeypatch: pytest.MonkeyPatch, refused_connections: list[str]
) -> None:
    def resolve(name: str, port: int, **_: Any) -> Any:
        # What the C library makes of old spellings, without asking a name server.
        address = socket.inet_ntoa(socket.inet_aton(name)) if name[0].isdigit() and ":" not in name else name
        address = "127.0.0.1" if name == "localhost" else address
        return [(0, 0, 0, "", (address, port))]

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    monkeypatch.setattr(socket, "create_connection", lambda *_, **__: pytest.fail("connected"))
    with pytest.raises(FetchRefused, match="not a public address"):
        OutboundFetcher().get_json(f"https://{host}/")


@pytest.mark.parametrize(
    "address",
    SPECIAL.split(),
)
def test_every_kind_of_special_address_is_known(address: str) -> None:
    assert not is_public(ipaddress.ip_address(address))


@pytest.mark.parametrize(
    "address", [PUBLIC, "8.8.8.8", "100.63.0.1", "2606:4700::1", "::ffff:8.8.8.8", "64:ff9b::8.8.8.8"]
)
def test_public_addresses_are_public(address: str) -> None:
    assert is_public(ipaddress.ip_address(address))


def test_one_private_address_among_public_ones_refuses_the_name(names: Names, monkeypatch: pytest.MonkeyPatch) -> None:
    names.answers = {"client.example": [[PUBLIC, "2606:4700::1", "10.0.0.1"]]}
    monkeypatch.setattr(socket, "create_connection", lambda *_, **__: pytest.fail("connected"))
    with pytest.raises(FetchRefused, match=r"10\.0\.0\.1"):
        OutboundFetcher().get_json("https://client.example/")


def test_a_name_that_changes_its_address_after_the_check_gains_nothing(
    names: Names, monkeypatch: pytest.MonkeyPatch
) -> None:
    names.answers = {"client.example": [[PUBLIC], ["127.0.0.1"]]}
    connected = []

    def connect(address: tuple[str, int], **_: Any) -> socket.socket:
        connected.append(address)
        raise ConnectionRefusedError(111, "Connection refused")

    monkeypatch.setattr(socket, "create_connection", connect)
    with pytest.raises(FetchRefused, match="Connection refused"):
        OutboundFetcher().get_json("https://client.example/")
    assert connected == [(PUBLIC, 443)]
    assert names.asked == ["client.example"]


def test_the_name_is_looked_up_once_for_a_whole_fetch(server: Server, names: Names) -> None:
    names.answers = {"client.example": [["127.0.0.1"], ["10.0.0.1"]]}
    fetcher = OutboundFetcher(allowed_hosts=["127.0.0.0/8"])
    assert fetcher.get_json(f"http://client.example:{server.port}/") == GOOD
    assert names.asked == ["client.example"]


def test_a_name_that_does_not_exist_is_a_refusal(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any, **__: Any) -> Any:
        raise socket.gaierror(-2, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", fail)
    with pytest.raises(FetchRefused, match="cannot be found"):
        OutboundFetcher().get_json("https://client.example/")


# --- The allow-list --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("entry", ["client.example", "CLIENT.example", "client.example:{port}", "127.0.0.0/8"])
def test_an_allowed_host_may_be_private_and_without_tls(server: Server, names: Names, entry: str) -> None:
    names.answers = {"client.example": [["127.0.0.1"]]}
    fetcher = OutboundFetcher(allowed_hosts=[entry.format(port=server.port)])
    assert fetcher.get_json(f"http://client.example:{server.port}/") == GOOD
    assert fetcher.get_json(f"http://Client.Example:{server.port}/") == GOOD


@pytest.mark.parametrize("entry", ["example", "lient.example", "client.example:1", "10.0.0.0/8", "127.0.0.2/32"])
def test_what_only_resembles_an_allowed_host_is_refused(server: Server, names: Names, entry: str) -> None:
    names.answers = {"client.example": [["127.0.0.1"]]}
    fetcher = OutboundFetcher(allowed_hosts=[entry])
    for scheme in ("http", "https"):
        with pytest.raises(FetchRefused):
            fetcher.get_json(f"{scheme}://client.example:{server.port}/")
    assert server.requests == []


def test_an_allowed_name_never_stands_for_a_metadata_service(names: Names, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "create_connection", lambda *_, **__: pytest.fail("connected"))
    for address in ("169.254.169.254", "fe80::1", "0.0.0.0", "168.63.129.16", "224.0.0.1"):
        names.answers = {"client.example": [[address]]}
        with pytest.raises(FetchRefused, match="not a public address"):
            OutboundFetcher(allowed_hosts=["client.example"]).get_json("http://client.example/")


def test_ipv6_hosts_can_be_allowed_and_reached() -> None:
    server = Server(family=socket.AF_INET6)
    try:
        for entry in ("::1", "[::1]", f"[::1]:{server.port}", "::1/128"):
            assert OutboundFetcher(allowed_hosts=[entry]).get_json(f"http://[::1]:{server.port}/") == GOOD
        assert f"Host: [::1]:{server.port}" in server.requests[0]
    finally:
        server.close()


@pytest.mark.parametrize("entry", ["", " ", "http://a", "a/b", "10.0.0.0/33", "10.0.0.1/8", "a b", "ü.example", "u@h"])
def test_an_entry_that_is_no_host_and_no_network_is_an_error_at_once(entry: str) -> None:
    with pytest.raises(ValueError):
        OutboundFetcher(allowed_hosts=[entry])


# --- Answers ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", ["301 Moved", "302 Found", "303 See Other", "307 Temporary", "308 Permanent"])
def test_a_redirect_is_never_followed(server: Server, status: str) -> None:
    fetcher, url = allowed(server)
    server.answer = http(b'{"keys": []}', status, f"Location: {url}/elsewhere")
    with pytest.raises(FetchRefused, match=f"status {status[:3]}"):
        fetcher.get_json(url)
    assert len(server.requests) == 1


@pytest.mark.parametrize(
    ("answer", "sentence"),
    [
        pytest.param(http(b"{}", "404 Not Found"), "status 404", id="404"),
        pytest.param(http(b"{}", "201 Created"), "status 201", id="201"),
        pytest.param(http(b"", "204 No Content"), "status 204", id="204"),
        pytest.param(http(b"{}", "500 Oops"), "status 500", id="500"),
        pytest.param(http(b""), "not JSON", id="empty"),
        pytest.param(http(b"<html>"), "not JSON", id="HTML"),
        pytest.param(http(b'{"a":"\xff"}'), "not JSON", id="not UTF-8"),
        pytest.param(http(b"[" * 100_000), "not JSON", id="nested without end"),
        pytest.param(http(b'{"a":' + b"9" * 5000 + b"}"), "not JSON", id="endless number"),
        pytest.param(http(b"[]"), "not a JSON object", id="list"),
        pytest.param(http(b"null"), "not a JSON object", id="null"),
        pytest.param(http(b"{}", "200 OK", "Content-Encoding: gzip"), "encoding", id="gzip"),
        pytest.param(http(b"{}", length=100), "broke off", id="cut"),
        pytest.param(lambda connection: None, "does not answer as a web server", id="nothing"),
        pytest.param(lambda connection: connection.sendall(b"SSH-2.0-x\r\n"), "as a web server", id="SSH"),
        pytest.param(
            lambda connection: connection.sendall(b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 500 + b"\r\n{}"),
            "as a web server",
            id="too many headers",
        ),
        pytest.param(
            lambda connection: connection.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"),
            "as a web server",
            id="broken chunks",
        ),
    ],
)
def test_an_answer_that_is_no_json_object_is_a_refusal(server: Server, answer: Answer, sentence: str) -> None:
    fetcher, url = allowed(server)
    server.answer = answer
    with pytest.raises(FetchRefused, match=sentence):
        fetcher.get_json(url)


@pytest.mark.parametrize("announced", [True, False])
def test_a_body_that_is_too_large_is_cut_off_while_it_comes(server: Server, announced: bool) -> None:
    fetcher, url = allowed(server, max_bytes=1000)
    fits, too_large = json.dumps({"a": "x" * 991}).encode(), json.dumps({"a": "x" * 992}).encode()
    server.answer = http(fits)
    assert len(fetcher.get_json(url)["a"]) == 991
    server.answer = http(too_large)
    if not announced:
        server.answer = lambda connection: connection.sendall(b"HTTP/1.0 200 OK\r\n\r\n" + too_large)
    with pytest.raises(FetchRefused, match="more than 1000 bytes"):
        fetcher.get_json(url)


def test_an_endless_body_is_cut_off(server: Server) -> None:
    fetcher, url = allowed(server)

    def pour(connection: socket.socket) -> None:
        connection.sendall(b"HTTP/1.0 200 OK\r\n\r\n")
        for _ in range(10_000):
            connection.sendall(b"x" * 10_000)

    server.answer = pour
    with pytest.raises(FetchRefused, match="more than 524288 bytes"):
        fetcher.get_json(url)


# --- Time ------------------------------------------------------------------------------------------------------------

GIVEN_UP = 5.0  # seconds: much less than the servers here go on for, much more than a busy machine adds to a deadline


def silence(connection: socket.socket) -> None:
    """No answer, for as long as somebody waits for one."""
    connection.recv(1)


def drip(prefix: bytes, drop: bytes) -> Answer:
    def answer(connection: socket.socket) -> None:
        connection.sendall(prefix)
        for _ in range(300):
            connection.sendall(drop)
            time.sleep(0.05)

    return answer


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(silence, id="silence"),
        pytest.param(drip(b"", b"H"), id="a status line that drips"),
        pytest.param(drip(b"HTTP/1.1 200 OK\r\n", b"X: y\r\n"), id="headers that drip"),
        pytest.param(drip(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n", b" "), id="a body that drips"),
        pytest.param(
            drip(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"1\r\n \r\n"), id="chunks that drip"
        ),
        pytest.param(drip(b"HTTP/1.1 100 Continue\r\n\r\n", b"HTTP/1.1 100 Continue\r\n\r\n"), id="endless 100"),
    ],
)
def test_the_deadline_holds_over_everything_however_slowly_it_drips(server: Server, answer: Answer) -> None:
    fetcher, url = allowed(server, timeout=0.4)
    server.answer = answer
    started = time.monotonic()
    with pytest.raises(FetchRefused, match=r"within 0\.4 seconds"):
        fetcher.get_json(url)
    assert time.monotonic() - started < GIVEN_UP


def test_a_handshake_that_never_comes_ends_at_the_deadline(names: Names) -> None:
    names.answers = {"client.example": [["127.0.0.1"]]}
    with socket.create_server(("127.0.0.1", 0)) as silent:
        fetcher = OutboundFetcher(allowed_hosts=["client.example"], timeout=0.4)
        started = time.monotonic()
        with pytest.raises(FetchRefused, match="within"):
            fetcher.get_json(f"https://client.example:{silent.getsockname()[1]}/")
        assert time.monotonic() - started < GIVEN_UP


def test_a_resolver_that_hangs_ends_at_the_deadline(monkeypatch: pytest.MonkeyPatch) -> None:
    released = threading.Event()
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: released.wait(20) and [])
    started = time.monotonic()
    try:
        with pytest.raises(FetchRefused, match="within"):
            OutboundFetcher(timeout=0.3).get_json("https://client.example/")
        assert time.monotonic() - started < GIVEN_UP
    finally:
        released.set()


def test_a_dead_address_leaves_time_for_the_next_one(
    server: Server, names: Names, monkeypatch: pytest.MonkeyPatch
) -> None:
    names.answers = {"client.example": [["127.0.0.9", "127.0.0.1"]]}
    really_connect = socket.create_connection

    def connect(address: tuple[str, int], timeout: float) -> socket.socket:
        if address[0] == "127.0.0.9":
            assert timeout <= 1.0
            raise TimeoutError
        return really_connect(address, timeout=timeout)

    monkeypatch.setattr(socket, "create_connection", connect)
    fetcher = OutboundFetcher(allowed_hosts=["client.example"], timeout=2)
    assert fetcher.get_json(f"http://client.example:{server.port}/") == GOOD


# --- Surroundings ----------------------------------------------------------------------------------------------------


def test_proxies_of_the_environment_are_not_used(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "https_proxy", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    fetcher, url = allowed(server)
    assert fetcher.get_json(url) == GOOD


def test_no_cookie_comes_back(server: Server) -> None:
    fetcher, url = allowed(server)
    server.answer = http(b"{}", "200 OK", "Set-Cookie: a=b; Path=/")
    fetcher.get_json(url)
    fetcher.get_json(url)
    assert not any("cookie" in request.lower() for request in server.requests)


# --- Requests of every kind ------------------------------------------------------------------------------------------


def split(request: str) -> tuple[str, dict[str, str], bytes]:
    """The first line, the headers by their names in lower case, and the body of what a server has read."""
    head, _, body = request.partition("\r\n\r\n")
    first, *lines = head.split("\r\n")
    pairs = [line.split(": ", 1) for line in lines]
    assert len({name.lower() for name, _ in pairs}) == len(pairs), "no header is sent twice"
    return first, {name.lower(): value for name, value in pairs}, body.encode("latin-1")


@pytest.mark.parametrize("length", [0, 1, 100_000])
def test_a_post_arrives_whole_with_its_length_and_headers(server: Server, length: int) -> None:
    fetcher, url = allowed(server)
    body = bytes(number % 256 for number in range(length))
    answer = fetcher.send("POST", url, headers={"Content-Type": "application/octet-stream", "X-A": "b c"}, body=body)
    assert (answer.status, json.loads(answer.body)) == (200, GOOD)
    first, headers, arrived = split(server.requests[0])
    assert first == "POST /jwks HTTP/1.1"
    assert arrived == body
    assert headers == {
        "host": f"127.0.0.1:{server.port}",
        "user-agent": "idp",
        "content-type": "application/octet-stream",
        "content-length": str(length),
        "x-a": "b c",
        "accept-encoding": "identity",
        "connection": "close",
    }


def test_a_post_without_a_body_says_that_it_has_none(server: Server) -> None:
    fetcher, url = allowed(server)
    fetcher.send("POST", url)
    assert split(server.requests[0])[1]["content-length"] == "0"


def test_headers_of_the_exchange_itself_are_not_the_callers_to_choose(server: Server) -> None:
    fetcher, url = allowed(server)
    given = {
        "HOST": "other.example",
        "connection": "keep-alive",
        "Accept-encoding": "gzip",
        "Content-Length": "1",
        "Transfer-Encoding": "chunked",
    }
    fetcher.send("POST", url, headers=given, body=b"whole")
    _, headers, body = split(server.requests[0])
    assert body == b"whole"
    assert headers == {
        "host": f"127.0.0.1:{server.port}",
        "user-agent": "idp",
        "content-length": "5",
        "accept-encoding": "identity",
        "connection": "close",
    }


def test_a_caller_may_name_itself(server: Server) -> None:
    fetcher, url = allowed(server)
    fetcher.send("GET", url, headers={"user-agent": "other"})
    assert split(server.requests[0])[1]["user-agent"] == "other"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        pytest.param("X", "a\r\nY: b", id="a second header in the value"),
        pytest.param("X", "a\r\n\r\nGET / HTTP/1.1", id="a second request in the value"),
        pytest.param("X", "a\nb", id="LF"),
        pytest.param("X", "a\rb", id="CR"),
        pytest.param("X", "a\n", id="LF at the end"),
        pytest.param("X", "a\r\n b", id="a folded value"),
        pytest.param("X", "\x00", id="NUL"),
        pytest.param("X", "é", id="not ASCII"),
        pytest.param("X\r\nY", "a", id="CRLF in the name"),
        pytest.param("X\n", "a", id="LF at the end of the name"),
        pytest.param("X: b", "a", id="colon in the name"),
        pytest.param("X ", "a", id="space in the name"),
        pytest.param("", "a", id="no name"),
        pytest.param("Host", "a\r\nY: b", id="in a header that would be left out"),
    ],
)
def test_a_header_that_could_mean_more_than_one_is_refused(server: Server, name: str, value: str) -> None:
    fetcher, url = allowed(server)
    for method in ("GET", "POST"):
        with pytest.raises(FetchRefused, match="header of the request is malformed") as refused:
            fetcher.send(method, url, headers={name: value})
        assert type(refused.value) is FetchRefused
    assert server.requests == []


@pytest.mark.parametrize("method", ["", "get", "PUT", "CONNECT", "TRACE", "GET / HTTP/1.1\r\nX: y\r\n\r\nGET", "GET "])
def test_only_get_and_post_are_sent(server: Server, method: str) -> None:
    fetcher, url = allowed(server)
    with pytest.raises(FetchRefused, match="neither GET nor POST"):
        fetcher.send(method, url)
    assert server.requests == []


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize("status", [201, 206, 400, 401, 403, 404, 409, 429, 500, 502, 503, 599])
def test_an_error_status_is_an_answer_and_its_body_is_kept(server: Server, method: str, status: int) -> None:
    fetcher, url = allowed(server)
    server.answer = http(b'{"error": "invalid_grant"}', f"{status} Whatever", "Retry-After: 7")
    answer = fetcher.send(method, url)
    assert (answer.status, answer.body, answer.headers["retry-after"]) == (status, b'{"error": "invalid_grant"}', "7")
    with pytest.raises(FetchRefused, match=f"status {status}"):
        fetcher.get_json(url)


def test_an_answer_without_content_is_an_answer(server: Server) -> None:
    fetcher, url = allowed(server)
    server.answer = lambda connection: connection.sendall(b"HTTP/1.1 204 No Content\r\n\r\n")
    answer = fetcher.send("POST", url, body=b"x")
    assert (answer.status, answer.body) == (204, b"")


def test_answer_headers_have_lower_case_names_and_values_of_one_line(server: Server) -> None:
    fetcher, url = allowed(server)
    server.answer = http(b"{}", "200 OK", "X-Request-ID: 1", "Vary: a", "VARY: b", "X-Folded: c\r\n  d", "X-None:")
    headers = fetcher.send("GET", url).headers
    assert headers == {
        "content-length": "2",
        "x-request-id": "1",
        "vary": "a, b",
        "x-folded": "c d",
        "x-none": "",
    }


def test_an_interim_answer_is_passed_over_or_refused_but_never_taken_for_the_answer(server: Server) -> None:
    fetcher, url = allowed(server)
    whole = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"
    server.answer = lambda connection: connection.sendall(b"HTTP/1.1 100 Continue\r\n\r\n" + whole)
    assert fetcher.send("POST", url, body=b"x").body == b"{}"
    for interim in (b"101 Switching Protocols", b"103 Early Hints"):
        server.answer = lambda connection, line=interim: connection.sendall(  # type: ignore[misc]
            b"HTTP/1.1 " + line + b"\r\n\r\n" + whole
        )
        with pytest.raises(FetchRefused, match=f"status {interim[:3].decode()}"):
            fetcher.send("POST", url, body=b"x")


@pytest.mark.parametrize("status", ["300 Many", "301 Moved", "302 Found", "303 See", "304 Same", "307 T", "308 P"])
def test_a_post_is_never_carried_on_to_where_a_redirect_points(server: Server, status: str) -> None:
    fetcher, url = allowed(server)
    server.answer = http(b"", status, f"Location: {url}/elsewhere")
    with pytest.raises(FetchRefused, match=f"status {status[:3]}") as refused:
        fetcher.send("POST", url, body=b"client_secret=x")
    assert type(refused.value) is AnswerRefused
    assert len(server.requests) == 1


@pytest.mark.parametrize(
    "url", ["https://127.0.0.1/", "https://169.254.169.254/", "https://[::1]/", "https://10.0.0.1/"]
)
def test_a_post_to_an_address_that_is_not_public_is_refused(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "create_connection", lambda *_, **__: pytest.fail("connected"))
    with pytest.raises(FetchRefused, match="not a public address") as refused:
        OutboundFetcher().send("POST", url, body=b"x")
    assert type(refused.value) is FetchRefused, "repeating it would change nothing"


def test_a_post_without_tls_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: pytest.fail("looked up"))
    with pytest.raises(FetchRefused, match="without TLS"):
        OutboundFetcher().send("POST", "http://client.example/", body=b"x")


@pytest.mark.parametrize("announced", [True, False])
@pytest.mark.parametrize("status", ["200 OK", "500 Oops"])
def test_ten_megabytes_are_refused_long_before_they_have_been_read(
    server: Server, status: str, announced: bool
) -> None:
    fetcher, url = allowed(server)
    poured = []
    length = "Content-Length: 10000000\r\n" if announced else ""

    def pour(connection: socket.socket) -> None:
        connection.sendall(f"HTTP/1.1 {status}\r\n{length}\r\n".encode())
        for _ in range(1000):
            connection.sendall(b"x" * 10_000)
            poured.append(10_000)

    server.answer = pour
    with pytest.raises(FetchRefused, match="announced more than 524288" if announced else "more than 524288"):
        fetcher.send("POST", url, body=b"x")
    server.close()
    assert sum(poured) < 8_000_000, "what fits between two sockets may have left; the rest was not waited for"


def test_an_announced_length_is_refused_before_any_of_the_body_has_come(server: Server) -> None:
    fetcher, url = allowed(server, timeout=3, max_bytes=1000)
    released = threading.Event()

    def announce(connection: socket.socket) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1001\r\n\r\n")
        released.wait(5)

    server.answer = announce
    try:
        with pytest.raises(FetchRefused, match="announced more than 1000 bytes"):
            fetcher.send("GET", url)
    finally:
        released.set()


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(silence, id="silence"),
        pytest.param(drip(b"HTTP/1.1 200 OK\r\n", b"X: y\r\n"), id="headers that drip"),
        pytest.param(drip(b"HTTP/1.1 500 Oops\r\nContent-Length: 1000\r\n\r\n", b" "), id="an error that drips"),
    ],
)
def test_the_deadline_holds_for_a_post(server: Server, answer: Answer) -> None:
    fetcher, url = allowed(server, timeout=0.4)
    server.answer = answer
    started = time.monotonic()
    with pytest.raises(FetchRefused, match=r"within 0\.4 seconds") as refused:
        fetcher.send("POST", url, body=b"x")
    assert time.monotonic() - started < GIVEN_UP
    assert type(refused.value) is FetchRefused, "it may have been carried out"


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_the_deadline_holds_while_a_server_reads_too_slowly(authority: Authority, scheme: str) -> None:
    server = Server(authority.server_context("127.0.0.1") if scheme == "https" else None)
    server.pause = 0.05
    fetcher = OutboundFetcher(allowed_hosts=["127.0.0.1"], ca_bundle=authority.bundle, timeout=0.6)
    try:
        started = time.monotonic()
        with pytest.raises(FetchRefused, match=r"within 0\.6 seconds") as refused:
            fetcher.send("POST", f"{scheme}://127.0.0.1:{server.port}/", body=b"x" * 30_000_000)
        assert time.monotonic() - started < GIVEN_UP
        assert type(refused.value) is FetchRefused
    finally:
        server.close()


# --- What may be sent again ------------------------------------------------------------------------------------------


def test_a_refused_connection_has_sent_nothing() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with pytest.raises(NotSent, match="Connection refused"):
        OutboundFetcher(allowed_hosts=["127.0.0.1"]).send("POST", f"http://127.0.0.1:{port}/", body=b"x")


def test_an_unknown_host_has_been_sent_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any, **__: Any) -> Any:
        raise socket.gaierror(-2, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", fail)
    with pytest.raises(NotSent, match="cannot be found"):
        OutboundFetcher().send("POST", "https://client.example/", body=b"x")


def test_a_resolver_or_a_connection_that_hangs_has_sent_nothing(monkeypatch: pytest.MonkeyPatch, names: Names) -> None:
    def hang(*_: Any, timeout: float, **__: Any) -> socket.socket:
        raise TimeoutError

    names.answers = {"client.example": [[PUBLIC]]}
    monkeypatch.setattr(socket, "create_connection", hang)
    with pytest.raises(NotSent, match="within"):
        OutboundFetcher().send("POST", "https://client.example/", body=b"x")
    released = threading.Event()
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: released.wait(20) and [])
    try:
        with pytest.raises(NotSent, match="within"):
            OutboundFetcher(timeout=0.2).send("POST", "https://client.example/", body=b"x")
    finally:
        released.set()


def test_a_failure_of_tls_has_sent_nothing(
    secure_server: Server, server: Server, names: Names, authority: Authority
) -> None:
    names.answers = {"client.example": [["127.0.0.1"]], "other.example": [["127.0.0.1"]]}
    with pytest.raises(NotSent, match="certificate"):  # of an unknown authority
        OutboundFetcher(allowed_hosts=["client.example"]).send("POST", f"https://client.example:{secure_server.port}/")
    fetcher = OutboundFetcher(allowed_hosts=["127.0.0.1/32"], ca_bundle=authority.bundle)
    with pytest.raises(NotSent, match="certificate"):  # of another host
        fetcher.send("POST", f"https://other.example:{secure_server.port}/")
    hurried = OutboundFetcher(allowed_hosts=["127.0.0.1"], timeout=0.3)
    with socket.create_server(("127.0.0.1", 0)) as silent, pytest.raises(NotSent, match="within"):
        hurried.send("POST", f"https://127.0.0.1:{silent.getsockname()[1]}/")
    assert secure_server.requests == server.requests == []


def hang_up_hard(connection: socket.socket) -> None:
    """Close with a reset instead of an end."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(lambda connection: None, id="closed"),
        pytest.param(hang_up_hard, id="reset"),
        pytest.param(lambda connection: connection.sendall(b"HTTP/1.1 200"), id="half a status line"),
        pytest.param(lambda connection: connection.sendall(b"HTTP/1.1 200 OK\r\nX: y\r\n"), id="half a head"),
        pytest.param(http(b"{}", length=3), id="half a body"),
        pytest.param(lambda connection: connection.sendall(b"SSH-2.0-x\r\n"), id="another protocol"),
    ],
)
def test_what_a_server_has_received_is_never_said_to_be_unsent(server: Server, answer: Answer) -> None:
    fetcher, url = allowed(server)
    server.answer = answer
    with pytest.raises(FetchRefused) as refused:
        fetcher.send("POST", url, body=b"code=x")
    assert type(refused.value) is FetchRefused
    assert len(server.requests) == 1


@pytest.mark.parametrize("url", ["", "ftp://client.example/", "https://user@client.example/", "http://client.example/"])
def test_what_a_rule_refuses_is_not_worth_sending_again(url: str) -> None:
    with pytest.raises(FetchRefused) as refused:
        OutboundFetcher().send("GET", url)
    assert type(refused.value) is FetchRefused


def test_a_missing_bundle_is_not_worth_sending_again(secure_server: Server, tmp_path: Path) -> None:
    fetcher = OutboundFetcher(allowed_hosts=["127.0.0.1"], ca_bundle=tmp_path / "absent.pem")
    with pytest.raises(FetchRefused, match="CA bundle") as refused:
        fetcher.send("GET", f"https://127.0.0.1:{secure_server.port}/")
    assert type(refused.value) is FetchRefused


# --- Sessions of requests, and Authlib's -----------------------------------------------------------------------------


def guarded(session: Session, fetcher: OutboundFetcher) -> Session:
    session.trust_env = False
    for scheme in ("http://", "https://"):
        session.mount(scheme, GuardedAdapter(fetcher))
    return session


def test_a_session_gets_and_posts_through_the_guard(server: Server) -> None:
    fetcher, url = allowed(server)
    server.answer = http(b'{"a": "\xc3\xa9"}', "200 OK", "Content-Type: application/json; charset=utf-8")
    with guarded(requests.Session(), fetcher) as session:
        got = session.get(url, params={"q": "a b"}, headers={"X-A": "b"})
        posted = session.post(url, data={"code": "é", "state": "a b"})
        assert session.post(url, json={"a": 1}, stream=True).json() == {"a": "é"}
    for answer in (got, posted):
        assert (answer.status_code, answer.reason, answer.json()) == (200, "OK", {"a": "é"})
        assert (answer.headers["CONTENT-TYPE"], answer.encoding) == ("application/json; charset=utf-8", "utf-8")
    assert (got.url, got.request.method) == (f"{url}?q=a+b", "GET")
    first, headers, _ = split(server.requests[0])
    assert (first, headers["x-a"], headers["accept-encoding"]) == ("GET /jwks?q=a+b HTTP/1.1", "b", "identity")
    first, headers, body = split(server.requests[1])
    assert (first, headers["content-type"]) == ("POST /jwks HTTP/1.1", "application/x-www-form-urlencoded")
    assert body == b"code=%C3%A9&state=a+b"
    assert split(server.requests[2])[2] == b'{"a": 1}'


def test_a_session_over_tls_trusts_what_the_fetcher_trusts_whatever_it_is_told(
    secure_server: Server, authority: Authority, names: Names
) -> None:
    names.answers = {"client.example": [["127.0.0.1"]]}
    url = f"https://client.example:{secure_server.port}/"
    trusting = OutboundFetcher(allowed_hosts=["client.example"], ca_bundle=authority.bundle)
    assert guarded(requests.Session(), trusting).get(url, proxies={"https": "http://127.0.0.1:1"}).json() == GOOD
    with pytest.raises(NotSent, match="certificate"):
        guarded(requests.Session(), OutboundFetcher(allowed_hosts=["client.example"])).get(url, verify=False)


@pytest.mark.parametrize("status", ["400 Bad Request", "503 Service Unavailable", "599 What"])
def test_a_session_is_given_an_error_status_as_any_answer(server: Server, status: str) -> None:
    fetcher, url = allowed(server)
    server.answer = http(b"{}", status)
    answer = guarded(requests.Session(), fetcher).get(url)
    assert (answer.status_code, answer.ok) == (int(status[:3]), False)
    assert answer.reason == ("" if status.startswith("599") else status[4:])
    with pytest.raises(requests.HTTPError, match=status[:3]):
        answer.raise_for_status()


def test_a_session_is_refused_what_the_guard_refuses(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    fetcher, url = allowed(server, timeout=1.5, max_bytes=10)
    session = guarded(requests.Session(), fetcher)
    server.answer = http(b"", "302 Found", f"Location: {url}/elsewhere")
    with pytest.raises(FetchRefused, match="status 302"):
        session.get(url)
    server.answer = http(b"x" * 11)
    with pytest.raises(FetchRefused, match="more than 10 bytes"):
        session.get(url, stream=True)
    server.answer = silence
    with pytest.raises(FetchRefused, match=r"within 1\.5 seconds"):
        session.get(url, timeout=60)
    assert len(server.requests) == 3
    monkeypatch.setattr(socket, "create_connection", lambda *_, **__: pytest.fail("connected"))
    for elsewhere in ("https://10.0.0.1/", "http://127.0.0.2/", "https://169.254.169.254/latest"):
        with pytest.raises(FetchRefused):
            session.post(elsewhere, data={"a": "b"})


def test_a_session_keeps_no_cookie(server: Server) -> None:
    fetcher, url = allowed(server)
    server.answer = http(b"{}", "200 OK", "Set-Cookie: a=b; Path=/")
    session = guarded(requests.Session(), fetcher)
    session.get(url)
    session.get(url)
    assert not any("cookie" in request.lower() for request in server.requests)


def test_a_session_cannot_send_a_stream(server: Server) -> None:
    fetcher, url = allowed(server)
    with pytest.raises(TypeError, match="text or bytes"):
        guarded(requests.Session(), fetcher).post(url, data=iter([b"a", b"b"]))
    assert server.requests == []


def test_authlib_fetches_a_token_and_uses_it_through_the_guard(server: Server) -> None:
    fetcher, url = allowed(server)
    session = guarded(OAuth2Session("client", "secret", redirect_uri="https://rp.example/cb"), fetcher)
    server.answer = http(b'{"access_token": "at", "token_type": "Bearer"}', "200 OK", "Content-Type: application/json")
    token = session.fetch_token(url, code="the-code", code_verifier="v" * 43)
    assert token["access_token"] == "at"
    assert session.get(url, params={"fields": "id"}).json()["token_type"] == "Bearer"
    first, headers, body = split(server.requests[0])
    assert (first, headers["authorization"]) == ("POST /jwks HTTP/1.1", "Basic Y2xpZW50OnNlY3JldA==")
    assert {"grant_type=authorization_code", "code=the-code"} <= set(body.decode().split("&"))
    first, headers, _ = split(server.requests[1])
    assert (first, headers["authorization"]) == ("GET /jwks?fields=id HTTP/1.1", "Bearer at")


def test_authlib_lets_a_refusal_of_the_guard_pass(server: Server) -> None:
    fetcher, url = allowed(server)
    session = guarded(OAuth2Session("client", "secret"), fetcher)
    server.answer = http(b"", "307 Temporary Redirect", f"Location: {url}/elsewhere")
    with pytest.raises(FetchRefused, match="status 307"):
        session.fetch_token(url, code="the-code")
    with pytest.raises(FetchRefused, match="not a public address"):
        session.fetch_token("https://10.0.0.1/token", code="the-code")
    assert len(server.requests) == 1
