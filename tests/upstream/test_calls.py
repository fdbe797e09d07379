"""Asking providers: few at a time, again only where that is safe, and an answer is a JSON document or a failure."""

import threading
import time
from collections import Counter
from contextlib import suppress
from typing import Any

import pytest

from idp.outbound import FetchRefused, NotSent, OutboundResponse
from idp.upstream.calls import Slots, get_json
from idp.upstream.errors import Busy, Denied, Refused, StateRefused, Unavailable, Untrustworthy, UpstreamFailed
from idp.upstream.provider import Endpoints
from idp.upstream.upstreams import check_issuer_parameter, check_success


class Fetcher:
    """Gives these answers, one after the other."""

    def __init__(self, *answers: OutboundResponse | Exception) -> None:
        self.answers = list(answers)
        self.sent: list[tuple[str, str, dict[str, str]]] = []

    def send(self, method: str, url: str, *, headers: dict[str, str]) -> OutboundResponse:
        self.sent.append((method, url, headers))
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer


def said(status: int, body: bytes = b'{"id": "1"}') -> OutboundResponse:
    return OutboundResponse(status, {}, body)


def ask(*answers: OutboundResponse | Exception, **options: Any) -> tuple[Any, Fetcher]:
    fetcher: Any = Fetcher(*answers)
    return get_json(fetcher, "https://api.example/me", **options), fetcher


def test_a_token_travels_in_the_header_and_a_query_in_the_address() -> None:
    value, fetcher = ask(said(200), token="t", query={"fields": "id,name"})
    assert value == {"id": "1"}
    ((method, url, headers),) = fetcher.sent
    assert (method, url) == ("GET", "https://api.example/me?fields=id%2Cname")
    assert headers == {"Accept": "application/json", "Authorization": "Bearer t"}


@pytest.mark.parametrize("first", [NotSent("refused"), said(500), said(503)], ids=["not sent", "500", "503"])
def test_a_get_that_said_nothing_is_repeated_once(first: Any) -> None:
    value, fetcher = ask(first, said(200))
    assert value == {"id": "1"}
    assert len(fetcher.sent) == 2


@pytest.mark.parametrize(
    ("answers", "failure", "times"),
    [
        ([NotSent("a"), NotSent("b")], Unavailable, 2),
        ([said(500), said(502)], Unavailable, 2),
        ([said(500), FetchRefused("slow")], Unavailable, 2),
        ([FetchRefused("too slow")], Unavailable, 1),
        ([said(429)], Unavailable, 1),
        ([said(401)], Untrustworthy, 1),
        ([said(404)], Untrustworthy, 1),
        ([said(204, b"")], Untrustworthy, 1),
        ([said(200, b"<html>")], Untrustworthy, 1),
        ([said(200, b"\xff\xfe")], Untrustworthy, 1),
        ([said(200, b"[" * 100_000)], Untrustworthy, 1),
        ([said(200, b"")], Untrustworthy, 1),
    ],
)
def test_what_else_may_come(answers: list[Any], failure: type[UpstreamFailed], times: int) -> None:
    fetcher: Any = Fetcher(*answers)
    with pytest.raises(failure):
        get_json(fetcher, "https://api.example/me", token="the-token")
    assert len(fetcher.sent) == times


def test_no_failure_tells_the_token() -> None:
    for answer in (said(401), FetchRefused("api.example: too slow"), said(200, b"the-token {")):
        fetcher: Any = Fetcher(answer)
        with pytest.raises(UpstreamFailed) as caught:
            get_json(fetcher, "https://api.example/me", token="the-token")
        assert "the-token" not in caught.value.detail


# --- Slots


def hold(slots: Slots, connection: str, times: int) -> list[Any]:
    held = [slots.taken(connection) for _ in range(times)]
    for each in held:
        each.__enter__()
    return held


@pytest.mark.parametrize(("total", "each"), [(8, 6), (4, 3), (2, 1), (1, 1), (64, 48)])
def test_one_provider_never_has_all_slots(total: int, each: int) -> None:
    slots = Slots(total)
    held = hold(slots, "slow", each)
    with pytest.raises(Busy), slots.taken("slow"):
        pass
    if total > each:
        with slots.taken("quick"):
            pass
    assert len(held) == each


def test_all_providers_together_have_no_more_than_the_total() -> None:
    slots = Slots(4)
    held = hold(slots, "a", 2) + hold(slots, "b", 2)
    with pytest.raises(Busy), slots.taken("c"):
        pass
    held.pop().__exit__(None, None, None)
    with slots.taken("c"):
        pass


def test_a_slot_is_free_again_whatever_happened_in_it() -> None:
    slots = Slots(1)
    for _ in range(3):
        with pytest.raises(KeyError), slots.taken("a"):
            raise KeyError
    held = hold(slots, "a", 1)
    held[0].__exit__(None, None, None)
    with slots.taken("b"):
        pass


def test_slots_are_counted_right_by_many_threads() -> None:
    slots, lock, started = Slots(4), threading.Lock(), threading.Barrier(12)
    inside, seen = 0, Counter[int]()

    def work() -> None:
        nonlocal inside
        started.wait(5)
        for _ in range(100):
            with suppress(Busy), slots.taken("a"):
                with lock:
                    inside += 1
                    seen[inside] += 1
                time.sleep(0.0005)
                with lock:
                    inside -= 1

    threads = [threading.Thread(target=work) for _ in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert max(seen) == 3
    held = hold(slots, "a", 3)  # none was lost
    with pytest.raises(Busy), slots.taken("a"):
        pass
    assert len(held) == 3


# --- The answer at the callback


def endpoints(*, sends_iss: bool) -> Endpoints:
    return Endpoints("https://op.example/a", "https://op.example/t", issuer="https://op.example", sends_iss=sends_iss)


@pytest.mark.spec("RFC 9207", "2.4", "MUST")
@pytest.mark.asvs("10.2.2")
@pytest.mark.parametrize(
    ("sends_iss", "iss", "is_taken"),
    [
        (True, "https://op.example", True),
        (True, None, False),
        (True, "https://op.example/", False),
        (True, "", False),
        (False, None, True),
        (False, "https://op.example", True),
        (False, "https://evil.example", False),
    ],
)
def test_the_iss_parameter(sends_iss: bool, iss: str | None, is_taken: bool) -> None:
    if is_taken:
        check_issuer_parameter(endpoints(sends_iss=sends_iss), iss)
    else:
        with pytest.raises(StateRefused):
            check_issuer_parameter(endpoints(sends_iss=sends_iss), iss)


@pytest.mark.parametrize(
    ("callback", "failure"),
    [
        ({"error": "access_denied"}, Denied),
        ({"error": "user_cancelled_authorize"}, Denied),
        ({"error": "access_denied", "code": "c"}, Denied),
        ({"error": "server_error"}, Unavailable),
        ({"error": "temporarily_unavailable"}, Unavailable),
        ({"error": "invalid_request"}, Refused),
        ({"error": ""}, Refused),
        ({"error": "invalid_request", "code": "c"}, Refused),
        ({}, Refused),
        ({"code": ""}, Refused),
    ],
)
@pytest.mark.spec("RFC 6749", "4.1.2.1", "MUST")
def test_an_error_is_told_apart_from_a_refusal(callback: dict[str, str], failure: type[UpstreamFailed]) -> None:
    with pytest.raises(failure):
        check_success(callback)


def test_a_code_alone_is_a_success() -> None:
    check_success({"code": "c"})


def test_a_strange_error_reaches_the_log_neither_whole_nor_with_control_characters() -> None:
    for error in ("x" * 500, "a\nb", "\x1b[31m"):
        with pytest.raises(Refused) as caught:
            check_success({"error": error})
        assert len(caught.value.detail) < 120
        assert caught.value.detail.isprintable()
