"""Asking a vendor about one answer: through the guard of `idp.outbound`, in bounded time, by few threads at a time.

Owns what counts as a vendor that is down. It never includes anything that a wrong answer could cause, because people
may be let through while a vendor is down.
"""

import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import lru_cache
from typing import Any
from urllib.parse import urlencode, urlsplit

from idp.outbound import FetchRefused, OutboundFetcher
from idp.settings import Settings

MAX_BYTES = 64 * 1024


class Unavailable(Exception):
    """The vendor does not answer, or says itself that it cannot. The text is for the log."""


class Unintelligible(Exception):
    """There is an answer, but it is none of this protocol; or it is not our turn. The text is for the log."""


class Turns:
    """At most `total` threads of a process wait for vendors, so that a slow one cannot hold them all."""

    def __init__(self, total: int) -> None:
        self._free = threading.BoundedSemaphore(total)

    @contextmanager
    def taken(self) -> Iterator[None]:
        """Raises Unintelligible at once when there is none (waiting would hold a thread too): a crowd must not open the
        door (see Unavailable)."""
        if not self._free.acquire(blocking=False):
            raise Unintelligible("too many answers are being verified")
        try:
            yield
        finally:
            self._free.release()


def ask(settings: Settings, url: str, form: Mapping[str, str]) -> Mapping[str, Any]:
    """The JSON object that the vendor answers with. Raises Unavailable or Unintelligible."""
    headers = {"Content-Type": "application/x-www-form-urlencoded", "Accept": "application/json"}
    with _turns(max(1, settings.threads - 2)).taken():  # the other threads stay free
        try:
            response = _fetcher_for(settings).send("POST", url, headers=headers, body=urlencode(form).encode("ascii"))
        except FetchRefused as refusal:
            raise Unavailable(str(refusal)) from None
    if response.status >= 500 or response.status in {408, 429}:
        raise Unavailable(f"status {response.status}")
    try:
        answer = json.loads(response.body.decode("utf-8"))
    except (ValueError, RecursionError):
        answer = None
    if not isinstance(answer, dict) or not isinstance(answer.get("success"), bool):
        kind = Unavailable if response.status == 200 else Unintelligible
        raise kind(f"status {response.status}, and not the JSON of a verification")
    return answer


def _fetcher_for(settings: Settings) -> OutboundFetcher:
    """The address that an operator has named may be a stand-in or a proxy inside their network."""
    named = urlsplit(settings.captcha_verify_url).netloc if settings.captcha_verify_url else None
    allowed = (*settings.outbound_allowed_hosts, *([named] if named else []))
    return _fetcher(allowed, settings.outbound_ca_bundle, settings.outbound_timeout)


@lru_cache(maxsize=8)
def _fetcher(allowed: tuple[str, ...], ca_bundle: Any, timeout: float) -> OutboundFetcher:
    return OutboundFetcher(allowed_hosts=allowed, ca_bundle=ca_bundle, timeout=timeout, max_bytes=MAX_BYTES)


@lru_cache(maxsize=8)
def _turns(total: int) -> Turns:
    return Turns(total)
