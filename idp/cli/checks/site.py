"""The server as others reach it: requests over the issuer's address, one at a time, each within a few seconds.

The issuer comes from the operator's own settings, so that it may be anywhere, also on this machine: `idp.outbound`'s
rules on addresses do not apply, its look-up, TLS and deadline do. Redirects are shown, not followed.
"""

import http.client
import json
import socket
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any
from urllib.parse import urlencode

from idp.outbound import FetchRefused, make_tls_context
from idp.outbound.connection import connect, look_up, wrap
from idp.outbound.deadline import Deadline, DeadlineSocket
from idp.outbound.targets import Target, load_target
from idp.web.probe import HEADER

MAX_BYTES = 512 * 1024
EXPIRED = 10  # OpenSSL: X509_V_ERR_CERT_HAS_EXPIRED
_NOTHING: Mapping[str, str] = MappingProxyType({})
_OURS = {"Accept-Encoding": "identity", "Connection": "close"}


class Unreachable(Exception):
    """No answer; the text says why. `certificate`: because its certificate is not accepted. `expired`: it is over."""

    def __init__(self, why: str, *, certificate: bool = False, expired: bool = False) -> None:
        self.certificate, self.expired = certificate, expired
        super().__init__(why)


@dataclass(frozen=True, slots=True)
class Answer:
    """`headers`: name in lower case → every value. `local_address`: ours. `certificate`: as `ssl` gives it, or None."""

    status: int
    headers: Mapping[str, list[str]]
    body: bytes
    local_address: str
    certificate: Mapping[str, Any] | None = field(repr=False, default=None)

    def header(self, name: str) -> str | None:
        """The values of a header, joined; None when it is not there."""
        values = self.headers.get(name.lower())
        return None if values is None else ", ".join(values)

    @property
    def json(self) -> dict[str, Any] | None:
        """The body as a JSON object; None when it is none."""
        try:
            found = json.loads(self.body.decode("utf-8"))
        except (ValueError, RecursionError):
            return None
        return found if isinstance(found, dict) else None


class Site:
    """Sends requests. `timeout`: seconds for each. Once the issuer has been silent, nobody else waits for it again.

    `probe`: sent along to the issuer, by which a server of ours knows whose requests these are.
    """

    def __init__(self, issuer: str, *, ca_bundle: Path | None, timeout: float, probe: str | None = None) -> None:
        self.issuer = issuer
        self._probe: Mapping[str, str] = {HEADER: probe} if probe is not None else _NOTHING
        self._ca_bundle, self._timeout = ca_bundle, timeout
        self._failure: Unreachable | None = None

    def get(self, path: str, headers: Mapping[str, str] = _NOTHING, *, query: Mapping[str, str] = _NOTHING) -> Answer:
        return self.send("GET", path + (f"?{urlencode(query)}" if query else ""), headers)

    def post(self, path: str, headers: Mapping[str, str] = _NOTHING) -> Answer:
        """An empty form."""
        form = {"Content-Type": "application/x-www-form-urlencoded"}
        return self.send("POST", path, {**form, **headers}, body=b"")

    def send(
        self, method: str, path: str, headers: Mapping[str, str] = _NOTHING, *, body: bytes | None = None
    ) -> Answer:
        """The answer to one request below the issuer, or at a whole URL. Raises Unreachable."""
        url = path if path.startswith(("http://", "https://")) else self.issuer + path
        is_issuer = url.startswith(self.issuer + "/")
        if is_issuer and self._failure is not None:
            raise self._failure
        try:
            return self._send(method, url, {**self._probe, **headers} if is_issuer else headers, body)
        except Unreachable as failure:
            self._failure = failure if is_issuer else self._failure
            raise

    def _send(self, method: str, url: str, headers: Mapping[str, str], body: bytes | None) -> Answer:
        deadline = Deadline(self._timeout)
        try:
            target = load_target(url)
            with self._open(target, deadline) as connection:
                client = http.client.HTTPConnection(target.host, target.port)
                client.sock = DeadlineSocket(connection, deadline)
                ours = {"Host": target.authority, "User-Agent": "idp-doctor", **_OURS}
                client.request(method, target.path, body=body, headers={**ours, **headers})
                return _read(client, connection)
        except FetchRefused as refusal:
            raise Unreachable(str(refusal)) from None
        except ssl.SSLCertVerificationError as error:
            is_expired = error.verify_code == EXPIRED
            raise Unreachable(error.verify_message, certificate=True, expired=is_expired) from None
        except TimeoutError:
            raise Unreachable(f"no answer within {self._timeout:g} seconds") from None
        except OSError as error:
            raise Unreachable(error.strerror or type(error).__name__) from None
        except (http.client.HTTPException, ValueError):
            raise Unreachable("what answers does not speak HTTP") from None

    def _open(self, target: Target, deadline: Deadline) -> socket.socket:
        connection = connect(look_up(target, deadline), target.port, deadline)
        if not target.secure:
            return connection
        return wrap(connection, make_tls_context(self._ca_bundle), target.host, deadline)


def _read(client: http.client.HTTPConnection, connection: socket.socket) -> Answer:
    with client.getresponse() as response:
        found: dict[str, list[str]] = {}
        for name, value in response.headers.items():
            found.setdefault(name.lower(), []).append(value)
        certificate = connection.getpeercert() if isinstance(connection, ssl.SSLSocket) else None
        address = str(connection.getsockname()[0])
        return Answer(response.status, found, response.read(MAX_BYTES), address, certificate)
