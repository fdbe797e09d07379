"""Sign-in with each vendor's CAPTCHA over real HTTP, the vendor's verify endpoint being a stand-in."""

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qsl

import pytest

from idp.captcha import CAPTCHAS
from idp.captcha.siteverify import Turns, Unintelligible
from idp.captcha.vendor import Vendor
from idp.sandbox.captcha import SECRET, SITE_KEY, make_answer
from idp.settings.captcha import TEST_SECRETS
from tests.captcha.conftest import Asking
from tests.support.accounts import PASSWORD
from tests.support.idp_server import TimedServer
from tests.support.relying_party import Browser, Page

VENDORS = ("recaptcha_v2", "recaptcha_v3", "hcaptcha", "turnstile")
FIELDS = {
    "recaptcha_v2": "g-recaptcha-response",
    "recaptcha_v3": "g-recaptcha-response",
    "hcaptcha": "h-captcha-response",
    "turnstile": "cf-turnstile-response",
}
NO_PORT = "http://127.0.0.1:9/siteverify"
AGAIN = "We could not make sure that you are not a program."
DOWN = "We cannot check at the moment that you are not a program."
SHOW = "Show that you are not a program, then send the form again."
TEST_KEYS = [
    pytest.param("recaptcha_v2", "6LeIxAcTAAAAAGG-vFI1TnRWxMZNFuojJ4WifJWe", "03AFc-any-answer", True, id="reCAPTCHA"),
    pytest.param(
        "hcaptcha", "0x" + "0" * 40, "10000000-aaaa-bbbb-cccc-000000000001", True, id="hCaptcha, its test answer"
    ),
    pytest.param("hcaptcha", "0x" + "0" * 40, "20000000-aaaa-bbbb-cccc-000000000002", False, id="hCaptcha, another"),
    pytest.param("turnstile", "1x0000000000000000000000000000000AA", "XXXX.DUMMY.TOKEN.XXXX", True, id="passes"),
    pytest.param("turnstile", "2x0000000000000000000000000000000AA", "XXXX.DUMMY.TOKEN.XXXX", False, id="fails"),
    pytest.param("turnstile", "3x0000000000000000000000000000000AA", "XXXX.DUMMY.TOKEN.XXXX", False, id="spent"),
]

every_vendor = pytest.mark.parametrize("kind", VENDORS)


def right_answer(kind: str, **changes: str) -> str:
    score = {"action": "sign_in", "score": "0.9"} if kind == "recaptcha_v3" else {}
    return make_answer(**(score | changes))


def try_to_sign_in(server: TimedServer, kind: str, answer: str | None, *, password: str = PASSWORD) -> Page:
    """The page after the form was sent with this answer."""
    browser, user = Browser(server), server.add_user()
    given = {} if answer is None else {FIELDS[kind]: answer}
    return browser.page(browser.open("/login").submit("login", username=user.username, password=password, **given))


def is_signed_in(page: Page) -> bool:
    assert page.id in {"home-page", "login-page"}, page.text
    return page.id == "home-page"


def said(page: Page) -> str:
    found = page.soup.find(id="captcha-error")
    return " ".join(found.get_text(" ").split()) if found is not None else ""


@every_vendor
def test_a_right_answer_signs_in(asking: Asking, kind: str) -> None:
    assert is_signed_in(try_to_sign_in(asking(kind), kind, right_answer(kind)))


def test_a_browser_that_does_not_tell_where_it_is_may_answer_all_the_same(asking: Asking) -> None:
    answer = right_answer("hcaptcha", hostname="not-provided")
    assert is_signed_in(try_to_sign_in(asking("hcaptcha"), "hcaptcha", answer))


@every_vendor
def test_the_right_password_without_an_answer_is_not_looked_at(asking: Asking, kind: str) -> None:
    page = try_to_sign_in(asking(kind), kind, None)
    assert not is_signed_in(page)
    assert SHOW in said(page)
    assert page.soup.select_one("#error-summary a[href='#captcha']") is not None
    assert page.soup.find(id="captcha") is not None


@every_vendor
@pytest.mark.parametrize(
    "wrong",
    [
        pytest.param({"error": "invalid-input-response"}, id="the vendor says no"),
        pytest.param({"error": "bad-request"}, id="the vendor does not understand the answer"),
        pytest.param({"hostname": "evil.example"}, id="solved on another site"),
        pytest.param({"age": "330"}, id="solved more than five minutes ago"),
        pytest.param({"age": "-120"}, id="solved in the future"),
    ],
)
def test_a_wrong_answer_does_not_sign_in(asking: Asking, kind: str, wrong: dict[str, str]) -> None:
    page = try_to_sign_in(asking(kind), kind, right_answer(kind, **wrong))
    assert not is_signed_in(page)
    assert AGAIN in said(page)


@pytest.mark.parametrize("kind", ["recaptcha_v3", "turnstile"])
def test_an_answer_for_another_form_does_not_sign_in(asking: Asking, kind: str) -> None:
    page = try_to_sign_in(asking(kind), kind, right_answer(kind, action="sign_up"))
    assert not is_signed_in(page)


@pytest.mark.parametrize(
    ("score", "passes"), [("0.5", True), ("0.49", False), ("0.0", False), ("1.0", True)], ids=lambda value: str(value)
)
def test_the_score_decides_with_recaptcha_v3(asking: Asking, score: str, passes: bool) -> None:
    page = try_to_sign_in(asking("recaptcha_v3"), "recaptcha_v3", right_answer("recaptcha_v3", score=score))
    assert is_signed_in(page) is passes


def test_an_answer_of_the_tick_box_is_none_for_recaptcha_v3(asking: Asking) -> None:
    page = try_to_sign_in(asking("recaptcha_v3"), "recaptcha_v3", make_answer())
    assert not is_signed_in(page)


@every_vendor
def test_an_answer_counts_once(asking: Asking, kind: str) -> None:
    answer = right_answer(kind)
    assert is_signed_in(try_to_sign_in(asking(kind), kind, answer))
    assert not is_signed_in(try_to_sign_in(asking(kind), kind, answer))


def test_each_answer_has_the_field_that_the_vendors_script_makes() -> None:
    assert {kind: captcha.field for kind, captcha in CAPTCHAS.items()} == FIELDS | {"proof_of_work": "proof"}


@every_vendor
def test_an_answer_counts_once_even_when_the_vendor_accepts_it_twice(asking: Asking, kind: str) -> None:
    with vendor(
        b'{"success": true, "hostname": "localhost", "action": "sign_in", "score": 1.0, "challenge_ts": "%s"}'
    ) as (
        url,
        received,
    ):
        server = asking(kind, captcha_verify_url=url)
        assert is_signed_in(try_to_sign_in(server, kind, "the-same-answer"))
        assert not is_signed_in(try_to_sign_in(server, kind, "the-same-answer"))
    assert len(received) == 2


@every_vendor
def test_the_vendor_gets_the_secret_the_answer_and_no_private_address(asking: Asking, kind: str) -> None:
    with vendor(b'{"success": false, "error-codes": []}') as (url, received):
        try_to_sign_in(asking(kind, captcha_verify_url=url, captcha_failures="7"), kind, "an-answer")
    expected = {"secret": SECRET, "response": "an-answer"}
    assert received == [expected | ({"sitekey": SITE_KEY} if kind == "hcaptcha" else {})]


@pytest.mark.parametrize(
    "answer", ["x" * 8193, "with a space", "with\na line", "ünïcödé"], ids=["long", "space", "line", "é"]
)
def test_what_cannot_be_an_answer_is_not_sent_to_the_vendor(asking: Asking, answer: str) -> None:
    with vendor(b'{"success": true}') as (url, received):
        page = try_to_sign_in(asking("turnstile", captcha_verify_url=url, captcha_failures="8"), "turnstile", answer)
    assert not is_signed_in(page)
    assert received == []


@every_vendor
@pytest.mark.parametrize("fault", ["http_500", "malformed_json", "huge_answer"])
def test_a_vendor_that_is_down_lets_people_in_or_nobody_as_configured(asking: Asking, kind: str, fault: str) -> None:
    assert is_signed_in(try_to_sign_in(asking(kind), kind, make_answer(fault=fault)))
    page = try_to_sign_in(asking(kind, captcha_when_down="closed"), kind, make_answer(fault=fault))
    assert not is_signed_in(page)
    assert DOWN in said(page)


@pytest.mark.parametrize("status", [408, 429, 503])
def test_a_vendor_that_turns_us_away_is_down(asking: Asking, status: int) -> None:
    with vendor(b"later", status) as (url, _):
        server = asking("turnstile", captcha_verify_url=url, captcha_when_down="closed")
        assert DOWN in said(try_to_sign_in(server, "turnstile", "an-answer"))


def test_a_vendor_that_refuses_what_we_send_is_not_down(asking: Asking) -> None:
    """Otherwise an answer that it takes offence at would open the door."""
    with vendor(b"bad request", 400) as (url, _):
        page = try_to_sign_in(asking("turnstile", captcha_verify_url=url), "turnstile", "an-answer")
    assert not is_signed_in(page)
    assert AGAIN in said(page)


@pytest.mark.parametrize(("when_down", "passes"), [("open", True), ("closed", False)])
def test_a_vendor_that_cannot_be_reached_gives_no_widget_either(asking: Asking, when_down: str, passes: bool) -> None:
    server = asking("turnstile", captcha_verify_url=NO_PORT, captcha_when_down=when_down)
    assert is_signed_in(try_to_sign_in(server, "turnstile", None)) is passes
    assert is_signed_in(try_to_sign_in(server, "turnstile", "an-answer")) is passes


def test_a_secret_that_the_vendor_does_not_know_is_no_fault_of_the_person(asking: Asking) -> None:
    page = try_to_sign_in(asking("turnstile", captcha_secret_key="not-ours"), "turnstile", make_answer())
    assert is_signed_in(page)


def test_a_wrong_password_stays_wrong_while_the_vendor_is_down(asking: Asking) -> None:
    page = try_to_sign_in(asking("turnstile"), "turnstile", make_answer(fault="http_500"), password="wrong")
    assert not is_signed_in(page)


def test_while_the_vendor_is_down_fewer_tries_are_let_through(asking: Asking) -> None:
    limits = {"ratelimit_enabled": "true", "ratelimit_sign_in": "100 per minute", "ratelimit_pages": "1000 per minute"}
    server = asking("turnstile", captcha_verify_url=NO_PORT, **limits)
    pages = [try_to_sign_in(server, "turnstile", "an-answer") for _ in range(4)]
    assert [page.status for page in pages] == [200, 200, 200, 429]
    assert int(pages[-1].response.headers["Retry-After"]) > 0


def test_a_slow_vendor_costs_bounded_time(asking: Asking) -> None:
    server = asking("hcaptcha", outbound_timeout="1")
    began = time.monotonic()
    page = try_to_sign_in(server, "hcaptcha", make_answer(fault="hanging"))
    assert time.monotonic() - began < 10  # the vendor would take thirty seconds
    assert is_signed_in(page)


@pytest.mark.parametrize(("threads", "waiting"), [("2", 1), ("4", 2)])
def test_many_answers_at_a_slow_vendor_leave_threads_for_others_and_open_no_door(
    asking: Asking, threads: str, waiting: int
) -> None:
    server = asking("hcaptcha", outbound_timeout="4", threads=threads)
    forms = [(Browser(server).open("/login"), server.add_user().username) for _ in range(3)]
    pages: list[Page] = []

    def send(form: Page, username: str) -> None:
        given = {FIELDS["hcaptcha"]: make_answer(fault="hanging")}
        pages.append(form.browser.page(form.submit("login", username=username, password=PASSWORD, **given)))

    tries = [threading.Thread(target=send, args=form) for form in forms]
    for each in tries:
        each.start()
    for each in tries:
        each.join(30)
    assert [is_signed_in(page) for page in pages] == [False] * (3 - waiting) + [True] * waiting, "the refused at once"


def test_whoever_finds_all_turns_taken_does_not_wait_for_one() -> None:
    turns, began = Turns(1), time.monotonic()
    with turns.taken(), pytest.raises(Unintelligible), turns.taken():
        raise AssertionError
    assert time.monotonic() - began < 1
    with turns.taken():
        pass


@pytest.mark.parametrize(("kind", "secret", "answer", "passes"), TEST_KEYS)
def test_the_published_test_keys_work(asking: Asking, kind: str, secret: str, answer: str, passes: bool) -> None:
    server = asking(kind, captcha_secret_key=secret)
    for _ in range(2):  # a test answer is always the same, and counts every time
        assert is_signed_in(try_to_sign_in(server, kind, answer)) is passes


def test_the_published_test_keys_are_those_that_production_refuses() -> None:
    vendors = [captcha for captcha in CAPTCHAS.values() if isinstance(captcha, Vendor)]
    assert frozenset().union(*(each.test_secrets for each in vendors)) == TEST_SECRETS


def test_why_an_answer_was_refused_is_in_the_audit_trail_without_the_answer(asking: Asking) -> None:
    server = asking("turnstile", captcha_failures="9")
    answer = right_answer("turnstile", hostname="evil.example")
    try_to_sign_in(server, "turnstile", answer)
    found = server.store.audit_events.list(events=["captcha.failed"])
    assert [json.loads(event["detail"])["why"] for event in found] == ["solved on another host: evil.example"]
    assert answer not in str(found)


@contextmanager
def vendor(body: bytes, status: int = 200) -> Iterator[tuple[str, list[dict[str, str]]]]:
    """A verify endpoint that says the same to everybody, `%s` being the time; its address, and what it received."""
    received: list[dict[str, str]] = []

    class Answer(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            text = self.rfile.read(int(self.headers["Content-Length"])).decode()
            received.append(dict(parse_qsl(text)))
            said_now = body.replace(b"%s", time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()).encode())
            self.send_response(status)
            self.send_header("Content-Length", str(len(said_now)))
            self.end_headers()
            self.wfile.write(said_now)

        def log_message(self, format: str, *args: object) -> None:
            """Nothing: what came is in `received`."""

    http = ThreadingHTTPServer(("127.0.0.1", 0), Answer)
    thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{http.server_port}/siteverify", received
    finally:
        http.shutdown()
        http.server_close()
        thread.join(5)
