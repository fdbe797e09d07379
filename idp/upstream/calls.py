"""Asking a provider: every request through the guard of `idp.outbound`, few at a time, repeated once where it is safe.

Owns the slots that keep a slow provider from holding the threads of this process. The guard gives every request one
deadline and one size limit.
"""

import json
import threading
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlencode

from idp.outbound import FetchRefused, NotSent, OutboundFetcher, OutboundResponse
from idp.upstream.errors import Busy, Unavailable, Untrustworthy


class Slots:
    """At most `total` sign-ins talk to providers at the same time, and one provider never has them all."""

    def __init__(self, total: int) -> None:
        self._total, self._each = total, max(1, total - max(1, total // 4))
        self._taken: Counter[str] = Counter()
        self._lock = threading.Lock()

    @contextmanager
    def taken(self, connection: str) -> Iterator[None]:
        """Hold a slot; raises Busy at once when there is none, because waiting would cost the thread it protects."""
        with self._lock:
            if self._taken[connection] >= self._each or self._taken.total() >= self._total:
                raise Busy(f"{self._taken[connection]} sign-ins wait for {connection}")
            self._taken[connection] += 1
        try:
            yield
        finally:
            with self._lock:
                self._taken[connection] -= 1


def get_json(
    fetcher: OutboundFetcher, url: str, *, query: Mapping[str, str] | None = None, token: str | None = None
) -> Any:
    """The JSON value at `url`, asked twice when the first time says nothing. Raises Unavailable or Untrustworthy."""
    headers = {"Accept": "application/json"}
    if token is not None:
        headers["Authorization"] = f"Bearer {token}"
    address = f"{url}?{urlencode(query)}" if query else url
    response = _get(fetcher, address, headers)
    if response.status >= 500 or response.status == 429:
        raise Unavailable(f"status {response.status}")
    if response.status != 200:
        raise Untrustworthy(f"status {response.status} instead of an answer")
    try:
        return json.loads(response.body.decode("utf-8"))
    except (ValueError, RecursionError):
        raise Untrustworthy("the answer is not JSON") from None


def _get(fetcher: OutboundFetcher, url: str, headers: Mapping[str, str]) -> OutboundResponse:
    """A GET may be repeated; it is when nothing was sent, or the other side answered with a fault of its own."""
    try:
        first = fetcher.send("GET", url, headers=headers)
        if first.status < 500:
            return first
    except NotSent:
        pass
    except FetchRefused as refusal:
        raise Unavailable(str(refusal)) from None
    try:
        return fetcher.send("GET", url, headers=headers)
    except FetchRefused as refusal:
        raise Unavailable(str(refusal)) from None
