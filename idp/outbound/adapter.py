"""Lets a ``requests.Session``, and the libraries that stand on one, go through the guard. Owns only the translation."""

import http.client
import io
from typing import Any

import requests
from requests.adapters import BaseAdapter
from requests.structures import CaseInsensitiveDict
from requests.utils import get_encoding_from_headers

from idp.outbound.exchange import OutboundResponse
from idp.outbound.fetcher import OutboundFetcher


class GuardedAdapter(BaseAdapter):
    """Sends what a session has prepared with an OutboundFetcher; mount it for both ``https://`` and ``http://``.

    requests' own `timeout`, `verify`, `cert`, `proxies` and `stream` are ignored on purpose: the fetcher's deadline,
    authorities and size limit hold, there are no proxies, and the answer is read whole. No cookie is kept.
    """

    def __init__(self, fetcher: OutboundFetcher) -> None:
        super().__init__()
        self._fetcher = fetcher

    def send(self, request: requests.PreparedRequest, *args: Any, **kwargs: Any) -> requests.Response:
        """The answer, of any status but a redirect. Raises FetchRefused (or NotSent) as the fetcher does.

        Raises TypeError for a body that is neither text nor bytes: a stream has no length to be sent ahead of it.
        """
        headers = {_text(name): _text(value) for name, value in request.headers.items()}
        body = _load_body(request.body)
        answer = self._fetcher.send(request.method or "", request.url or "", headers=headers, body=body)
        return _make_response(request, answer)

    def close(self) -> None:
        """Nothing stays open between two requests."""


def _text(value: str | bytes) -> str:
    return value.decode("latin-1") if isinstance(value, bytes) else value


def _load_body(body: object) -> bytes | None:
    if body is None or isinstance(body, bytes):
        return body
    if isinstance(body, str):
        return body.encode("utf-8")
    raise TypeError(f"the body of a guarded request is text or bytes, not {type(body).__name__}")


def _make_response(request: requests.PreparedRequest, answer: OutboundResponse) -> requests.Response:
    response = requests.Response()
    response.status_code = answer.status
    response.reason = http.client.responses.get(answer.status, "")
    response.headers = CaseInsensitiveDict(answer.headers)
    response.encoding = get_encoding_from_headers(response.headers)
    response.raw = io.BytesIO(answer.body)  # which requests reads as it reads any file
    response.url = request.url or ""
    response.request = request
    return response
