"""One request and its answer over a connection that is there (RFC 9110, RFC 9112).

Owns what a request may say, which statuses are an answer, and how much of one is read.
"""

from __future__ import annotations

import re
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from idp.outbound.deadline import Deadline, DeadlineSocket
from idp.outbound.refusals import AnswerRefused, FetchRefused
from idp.outbound.targets import Target

if TYPE_CHECKING:
    import http.client

_METHODS = frozenset({"GET", "POST"})
_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")  # a token, RFC 9110 section 5.6.2
_VALUE = re.compile(r"[\t -~]*")
_OURS = frozenset({"host", "accept-encoding", "connection", "content-length", "transfer-encoding"})
"""Headers that belong to the exchange and not to the caller, whose own are left out."""
_CHUNK = 16 * 1024


@dataclass(frozen=True, slots=True)
class OutboundResponse:
    """An answer: header names are in lower case, values of one name joined by commas; `body` is whole."""

    status: int
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class Request:
    """A request after its checks, with the headers that are the caller's to choose."""

    method: str
    headers: Mapping[str, str]
    body: bytes | None


def load_request(method: str, headers: Mapping[str, str], body: bytes | None) -> Request:
    """The request that we would send; raises FetchRefused for a method or a header that could mean something else."""
    if method not in _METHODS:
        raise FetchRefused("the method is neither GET nor POST")
    for name, value in headers.items():
        if not _NAME.fullmatch(name) or not _VALUE.fullmatch(value):
            raise FetchRefused("a header of the request is malformed")
    kept = {name: value for name, value in headers.items() if name.lower() not in _OURS}
    if not any(name.lower() == "user-agent" for name in kept):
        kept["User-Agent"] = "idp"
    return Request(method, kept, body)


def exchange(
    connection: socket.socket, target: Target, request: Request, deadline: Deadline, max_bytes: int
) -> OutboundResponse:
    """Send the request and read the answer; raises AnswerRefused for a redirect and for a body too large."""
    import http.client

    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # head and body go out as two writes
    client = http.client.HTTPConnection(target.host, target.port)
    client.sock = watched = DeadlineSocket(connection, deadline)
    ours = {"Host": target.authority, "Accept-Encoding": "identity", "Connection": "close"}
    try:
        client.request(request.method, target.path, body=request.body, headers={**ours, **request.headers})
        with client.getresponse() as response:
            if watched.has_ended:  # which http.client takes for the end of the headers
                raise FetchRefused(f"{target.host} broke off in the middle of its answer")
            _check_answer(response, target.host, max_bytes)
            return OutboundResponse(response.status, _headers(response), _read_body(response, target.host, max_bytes))
    except (http.client.HTTPException, ValueError):
        raise FetchRefused(f"{target.host} does not answer as a web server does") from None


def _check_answer(response: http.client.HTTPResponse, host: str, max_bytes: int) -> None:
    """Refuse by the head what need not be read (RFC 9110 sections 8.4, 8.6, 15.2 and 15.4)."""
    if response.status < 200 or 300 <= response.status < 400:
        raise AnswerRefused(f"{host} answered with status {response.status}")
    if response.headers.get("Content-Encoding", "identity").lower() != "identity":
        raise AnswerRefused(f"{host} answered with an encoding that was not asked for")
    if response.length is not None and response.length > max_bytes:
        raise AnswerRefused(f"{host} announced more than {max_bytes} bytes")


def _headers(response: http.client.HTTPResponse) -> dict[str, str]:
    """Lower-case names; a value that was folded over several lines becomes one line (RFC 9112 section 5.2)."""
    joined: dict[str, str] = {}
    for name, value in response.headers.items():
        line = " ".join(part.strip() for part in value.splitlines())
        joined[name.lower()] = f"{joined[name.lower()]}, {line}" if name.lower() in joined else line
    return joined


def _read_body(response: http.client.HTTPResponse, host: str, max_bytes: int) -> bytes:
    announced = response.length
    body = bytearray()
    while chunk := response.read(min(_CHUNK, max_bytes + 1 - len(body))):
        body += chunk
        if len(body) > max_bytes:
            raise AnswerRefused(f"{host} answered with more than {max_bytes} bytes")
    if announced is not None and len(body) != announced:
        raise FetchRefused(f"{host} broke off in the middle of its answer")
    return bytes(body)
