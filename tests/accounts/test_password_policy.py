"""New passwords: what is refused and why, what is not, and the list of leaked ones."""

import hashlib
import threading
import time
import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from unittest.mock import Mock

import pytest
from zxcvbn.frequency_lists import FREQUENCY_LISTS

from idp.accounts import password_policy
from idp.accounts.password_policy import (
    Reason,
    Strength,
    check_new_password,
    is_made_of,
    rate_password,
)
from idp.server import Server
from idp.settings import load_settings

ABOUT = ("Zoé", "Lefèvre-Martin", "zoelef", "zoe.lefevre@mail.example.org")
GOOD = "seven purple umbrellas"


def server_with(house: Server, **changes: Any) -> Server:
    values = {
        "IDP_SERVICE_NAME": "Move Acces",
        "IDP_ISSUER": "https://login.kingfisher.example",
        "IDP_PASSWORD_BLOCKED_WORDS": "pelican",
        "IDP_SECRET_KEY": house.settings.secret_key,
    } | {f"IDP_{name.upper()}": value for name, value in changes.items()}
    return replace(house, settings=load_settings(values, None))


@pytest.fixture(scope="module")
def server(house: Server) -> Server:
    return server_with(house)


@pytest.mark.asvs("6.2.5")
@pytest.mark.parametrize(
    "password",
    [
        GOOD,
        "jfieowpqxm",
        "ΚαλημέραΚόσμε",
        "пароль не скажу",
        "密码是一个秘密的词语组合",
        "🐢🦜🌵🧲🪁🧦🪐🥨",
        "    spaces   everywhere   ",
        "tab\tand\x00nul and \u202e direction",
        "'; DROP TABLE users; --",
    ],
)
def test_any_characters_make_a_password(server: Server, password: str) -> None:
    assert check_new_password(server.settings, password, about=ABOUT) == []


@pytest.mark.asvs("6.2.1")
def test_length_is_counted_in_characters_as_they_are_hashed(server: Server) -> None:
    assert check_new_password(server.settings, "xqzvkwj", about=()) == [Reason.TOO_SHORT]
    assert check_new_password(server.settings, "xqzvkwjp", about=()) == []
    decomposed = unicodedata.normalize("NFD", "éàüöñçê")
    assert len(decomposed) > 8
    assert Reason.TOO_SHORT in check_new_password(server.settings, decomposed, about=())
    fifteen = server_with(server, password_min_length="15")
    assert check_new_password(fifteen.settings, "xqzvkwjpmrtyoa", about=()) == [Reason.TOO_SHORT]


@pytest.mark.asvs("6.2.9")
def test_256_characters_are_allowed_and_one_more_is_not(server: Server) -> None:
    longest = "".join(chr(0x4E00 + 7 * number) for number in range(256))
    assert check_new_password(server.settings, longest, about=()) == []
    assert check_new_password(server.settings, longest + "x", about=()) == [Reason.TOO_LONG]
    assert check_new_password(server.settings, "x" * 10_000_000, about=()) == [Reason.TOO_LONG]
    composed = "éàüöñçêô" * 32
    decomposed = unicodedata.normalize("NFD", composed)
    assert len(decomposed) == 512
    elsewhere = check_new_password(server.settings, decomposed, about=())
    assert Reason.TOO_LONG not in elsewhere, "the same password, typed elsewhere"
    grows = "\ufdfa" * 15  # 18 characters each, after NFKC
    assert check_new_password(server.settings, grows, about=()) == [Reason.TOO_LONG]


@pytest.mark.asvs("6.2.4")
def test_every_one_of_the_most_used_passwords_that_is_long_enough_is_refused(server: Server) -> None:
    fitting = [word for word in FREQUENCY_LISTS["passwords"] if len(word) >= 8]
    assert len(fitting) >= 3000
    for word in fitting:
        assert Reason.COMMON in check_new_password(server.settings, word, about=()), word


@pytest.mark.asvs("6.2.4")
@pytest.mark.parametrize(
    "password",
    ["PASSWORD", "Password1!", "P@ssw0rd123", "qwerty123456", "aaaaaaaaaa", "a" * 256, "abcdefghij", "20240101"],
)
def test_slight_changes_of_common_passwords_are_refused(server: Server, password: str) -> None:
    assert check_new_password(server.settings, password, about=()) == [Reason.COMMON]


@pytest.mark.asvs("6.2.11")
@pytest.mark.parametrize(
    ("password", "reason"),
    [
        ("zoelefevre", Reason.PERSONAL),
        ("ZOÉLEFÈVRE", Reason.PERSONAL),
        ("zoé-lefèvre-1990!", Reason.PERSONAL),
        ("lefevre19900214", Reason.PERSONAL),
        ("ervefel1990", Reason.PERSONAL),
        ("L3f3vr3_2024", Reason.PERSONAL),
        ("1efevre1efevre", Reason.PERSONAL),
        ("martinzoelef", Reason.PERSONAL),
        ("my-lefevre-99", Reason.PERSONAL),
        ("moveacces2024", Reason.SITE),
        ("M0v3Acc3s!", Reason.SITE),
        ("seccaevom", Reason.SITE),
        ("kingfisher1", Reason.SITE),
        ("Pelican2024", Reason.SITE),
        ("p3l1c4n!!", Reason.SITE),
    ],
)
def test_a_password_made_of_the_persons_or_the_services_words_is_refused(
    server: Server, password: str, reason: Reason
) -> None:
    assert reason in check_new_password(server.settings, password, about=ABOUT)


@pytest.mark.parametrize("password", ["zoe eats blue cheese", "pelicans never whistle", "zoe82937465019"])
def test_a_word_within_something_of_ones_own_is_fine(server: Server, password: str) -> None:
    assert check_new_password(server.settings, password, about=ABOUT) == []


def test_short_names_empty_names_and_strange_names_break_nothing() -> None:
    assert not is_made_of("plenty of letters", ("", " ", "A", "@", "@@", "-", "İ", "ß", "a@b"))
    assert is_made_of("straße-straße", ("Strasse",))
    assert is_made_of("ＺＯＥＬＥＦ", ABOUT), "full-width letters are the same letters"


def test_a_name_of_somebody_else_stays_with_them(server: Server) -> None:
    rate_password("bartholomew", ("Bartholomew",))
    assert rate_password("xqkbartholomew", ("Bartholomew",)) <= rate_password("xqkbartholomew", ())
    assert check_new_password(server.settings, "quartermaine-obrecht", about=("Ada",)) == []


def test_strength_has_five_steps() -> None:
    assert [rate_password(text, ()) for text in ("", "password", "Password1!", "jfieowpq", "jfieowpqx", GOOD)] == [
        Strength.VERY_WEAK,
        Strength.VERY_WEAK,
        Strength.WEAK,
        Strength.FAIR,
        Strength.GOOD,
        Strength.STRONG,
    ]
    assert rate_password("xoqvijanxy", ("Xoqvijan",)) < rate_password("xoqvijanxy", ())


@pytest.mark.parametrize(
    "pattern", ["4@8({[<369!1|0$5+7%2zZ", "1!|iI4@aA0oO3eE$5sS7tT+", "p@$$w0rd1!l0v3y0u|+7%2z", "ab"]
)
def test_rating_takes_little_time_whatever_is_typed(pattern: str) -> None:
    rate_password("warm up", ())
    began = time.thread_time()
    rate_password((pattern * 200)[:256], ABOUT)
    assert time.thread_time() - began < 1.5


# --- Leaked passwords


@dataclass
class RangeApi:
    """A copy of the range API on this machine, which remembers what it was asked."""

    url: str = ""
    leaked: dict[str, int] = field(default_factory=dict)
    asked: list[tuple[str, str | None]] = field(default_factory=list)
    status: int = 200
    delay: float = 0.0

    def lines(self, prefix: str) -> str:
        digests = {hashlib.sha1(word.encode()).hexdigest().upper(): count for word, count in self.leaked.items()}
        fitting = [f"{digest[5:]}:{count}" for digest, count in digests.items() if digest[:5] == prefix]
        return "\r\n".join([*fitting, "0" * 35 + ":0"])


@contextmanager
def running_range_api() -> Iterator[RangeApi]:
    api = RangeApi()

    class Answering(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            api.asked.append((self.path, self.headers.get("Add-Padding")))
            time.sleep(api.delay)
            body = api.lines(self.path.rpartition("/")[2]).encode()
            self.send_response(api.status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *args: object) -> None:
            pass

    http = ThreadingHTTPServer(("127.0.0.1", 0), Answering)
    thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    api.url = f"http://127.0.0.1:{http.server_port}/range/"
    try:
        yield api
    finally:
        http.shutdown()
        http.server_close()
        thread.join(5)


@pytest.fixture
def api() -> Iterator[RangeApi]:
    with running_range_api() as running:
        yield running


def asking(house: Server, api: RangeApi, **changes: str) -> Server:
    return server_with(house, pwned_passwords_url=api.url, outbound_allowed_hosts="127.0.0.1", **changes)


@pytest.mark.asvs("6.2.12")
def test_a_leaked_password_is_refused_and_only_five_digits_of_its_hash_leave(house: Server, api: RangeApi) -> None:
    api.leaked = {GOOD: 3}
    server = asking(house, api)
    assert check_new_password(server.settings, GOOD, about=()) == [Reason.BREACHED]
    assert check_new_password(server.settings, GOOD + "!", about=()) == []
    assert api.asked[0] == ("/range/" + hashlib.sha1(GOOD.encode()).hexdigest().upper()[:5], "true")
    assert all(len(path) == len("/range/") + 5 for path, _ in api.asked)


def test_padding_is_no_leak(house: Server, api: RangeApi) -> None:
    api.leaked = {GOOD: 0}
    assert check_new_password(asking(house, api).settings, GOOD, about=()) == []
    assert len(api.asked) == 1


def test_nothing_is_asked_about_a_password_that_is_refused_anyway(house: Server, api: RangeApi) -> None:
    server = asking(house, api)
    for refused in ("short", "password1", "x" * 300, "zoelefevre"):
        assert check_new_password(server.settings, refused, about=ABOUT)
    assert api.asked == []


@pytest.mark.parametrize("trouble", ["slow", "failing", "away", "forbidden"])
def test_when_the_list_does_not_answer_the_password_passes_within_the_time_out(
    house: Server, api: RangeApi, trouble: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = Mock()
    monkeypatch.setattr(password_policy, "_log", log)
    api.leaked = {GOOD: 3}
    server = asking(house, api, outbound_timeout="0.5")
    if trouble == "slow":
        api.delay = 8.0
    elif trouble == "failing":
        api.status = 503
    elif trouble == "away":
        server = server_with(
            house,
            pwned_passwords_url="http://127.0.0.1:1/",
            outbound_allowed_hosts="127.0.0.1",
            outbound_timeout="0.5",
        )
    else:
        server = server_with(house, pwned_passwords_url=api.url)
    began = time.monotonic()
    assert check_new_password(server.settings, GOOD, about=()) == []
    assert time.monotonic() - began < 4  # less than the usual time-out, and than it takes to answer
    assert [call.args for call in log.warning.call_args_list] == [("pwned_passwords.unavailable",)]
    assert GOOD not in str(log.mock_calls)


def test_without_the_setting_nothing_is_asked(server: Server, refused_connections: list[str]) -> None:
    assert server.settings.pwned_passwords_url is None
    assert check_new_password(server.settings, GOOD, about=()) == []
    assert refused_connections == []
