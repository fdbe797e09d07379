"""One GET with limits, against a server that misbehaves."""

import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from idp_verify.fetching import MAX_DOCUMENT_BYTES, FetchFailed, fetch

Answer = Callable[[BaseHTTPRequestHandler], None]


@contextmanager
def answering(answer: Answer) -> Iterator[str]:
    class Web(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            with suppress(OSError):
                answer(self)

        def log_message(self, *_: object) -> None:
            """Quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Web)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/jwks"
    finally:
        server.shutdown()
        server.server_close()
        thread.join(5)


def status(code: int, **headers: str) -> Answer:
    def answer(web: BaseHTTPRequestHandler) -> None:
        web.send_response(code)
        for name, value in headers.items():
            web.send_header(name, value)
        web.end_headers()
        web.wfile.write(b"{}")

    return answer


def endless(web: BaseHTTPRequestHandler) -> None:
    web.send_response(200)
    web.end_headers()
    while True:
        web.wfile.write(b"x" * 65536)


def dripping_body(web: BaseHTTPRequestHandler) -> None:
    web.send_response(200)
    web.end_headers()
    while True:
        web.wfile.write(b" ")
        web.wfile.flush()
        time.sleep(0.05)


def dripping_head(web: BaseHTTPRequestHandler) -> None:
    while True:
        web.wfile.write(b"H")
        web.wfile.flush()
        time.sleep(0.05)


def silent(web: BaseHTTPRequestHandler) -> None:
    time.sleep(60)


def test_a_document_is_read_whole() -> None:
    with answering(status(200)) as url:
        assert fetch(url, timeout=5) == b"{}"


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(status(302, Location="https://evil.example/"), id="redirect"),
        pytest.param(status(500), id="error"),
        pytest.param(status(204), id="nothing"),
        pytest.param(endless, id="endless"),
        pytest.param(dripping_body, id="a body that drips"),
        pytest.param(dripping_head, id="a head that drips"),
        pytest.param(silent, id="silence"),
        pytest.param(lambda web: web.wfile.write(b"SSH-2.0-x\r\n"), id="not the web"),
    ],
)
def test_any_other_answer_fails_within_the_time(answer: Answer) -> None:
    with answering(answer) as url:
        began = time.monotonic()
        try:
            document = fetch(url, timeout=0.5)
        except FetchFailed:
            pass
        else:  # cut off in the middle: never a whole document
            assert document.strip() == b""
        assert time.monotonic() - began < 15


def test_the_size_is_limited() -> None:
    def large(web: BaseHTTPRequestHandler) -> None:
        web.send_response(200)
        web.end_headers()
        web.wfile.write(b"x" * (MAX_DOCUMENT_BYTES + 1))

    with answering(large) as url, pytest.raises(FetchFailed, match="more than"):
        fetch(url, timeout=5)


@pytest.mark.parametrize("url", ["http://id.example.com/jwks", "file:///etc/passwd", "https://[bad/", "https:///x"])
def test_what_is_not_https_is_not_fetched(url: str) -> None:
    with pytest.raises(FetchFailed):
        fetch(url, timeout=5)


def test_a_certificate_that_nobody_vouches_for_is_refused(tmp_path_factory: pytest.TempPathFactory) -> None:
    with answering(status(200)) as url, pytest.raises(FetchFailed):
        fetch(url.replace("http:", "https:"), timeout=5, context=ssl.create_default_context())


def test_a_server_that_is_not_there_fails_at_once() -> None:
    with pytest.raises(FetchFailed):
        fetch("http://127.0.0.1:9/jwks", timeout=5)
