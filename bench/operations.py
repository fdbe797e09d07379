"""The requests that are measured, in the order in which they feed one another: authorize yields codes, the code
exchange yields tokens, refresh, userinfo and introspection use them.

An operation makes its next request and takes the answer. Adding one is a class and a line in OPERATIONS.
"""

import base64
import hashlib
import json
import secrets
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from urllib.parse import parse_qs, urlencode, urlsplit

from bench.connection import Answer, BadAnswer


@dataclass
class Account:
    """What `prepare` made on one server, and what has been got from it so far; shared by the connections of a run."""

    cookie: str
    client_id: str
    client_secret: str
    redirect_uri: str
    scope: str
    host: str
    verifier: str = field(default_factory=lambda: secrets.token_urlsafe(48))
    codes: deque[str] = field(default_factory=deque)
    refresh_tokens: deque[str] = field(default_factory=deque)
    access_token: str = ""

    @property
    def basic(self) -> str:
        return base64.b64encode(f"{self.client_id}:{self.client_secret}".encode()).decode()


class Operation:
    """Base: a GET of one path that must be answered 200."""

    path = ""
    status = 200

    def __init__(self, account: Account) -> None:
        self.account = account

    def next_request(self) -> bytes | None:
        """The next request; None when there is nothing left to send."""
        return self.get(self.path)

    def take(self, answer: Answer) -> None:
        """Look at the answer. Raises BadAnswer when it is not the expected one."""
        if answer.status != self.status:
            raise BadAnswer(f"{type(self).__name__}: {answer.status} {answer.body[:300]!r}")

    def get(self, target: str, **headers: str) -> bytes:
        return self._request("GET", target, headers, b"")

    def post(self, form: Mapping[str, str], **headers: str) -> bytes:
        body = urlencode(form).encode()
        more = {"Content-Type": "application/x-www-form-urlencoded", "Content-Length": str(len(body))}
        return self._request("POST", self.path, headers | more, body)

    def _request(self, method: str, target: str, headers: Mapping[str, str], body: bytes) -> bytes:
        lines = [f"{method} {target} HTTP/1.1", f"Host: {self.account.host}", "Accept: */*", "User-Agent: idp-bench"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        return "\r\n".join((*lines, "", "")).encode() + body


class Discovery(Operation):
    path = "/.well-known/openid-configuration"


class Jwks(Operation):
    path = "/jwks"


class Authorize(Operation):
    """With a session and a consent there already: straight to a code."""

    path = "/authorize"
    status = 303

    def next_request(self) -> bytes:
        account = self.account
        challenge = base64.urlsafe_b64encode(hashlib.sha256(account.verifier.encode()).digest()).rstrip(b"=").decode()
        query = {
            "client_id": account.client_id,
            "response_type": "code",
            "redirect_uri": account.redirect_uri,
            "scope": account.scope,
            "state": secrets.token_urlsafe(8),
            "nonce": secrets.token_urlsafe(8),
            "code_challenge": challenge,
            "code_challenge_method": "S256",
        }
        return self.get(f"{self.path}?{urlencode(query)}", Cookie=account.cookie)

    def take(self, answer: Answer) -> None:
        super().take(answer)
        location = answer.header(b"Location").decode()
        code = parse_qs(urlsplit(location).query).get("code")
        if code is None:
            raise BadAnswer(f"authorize: sent to {location.partition('?')[0]} without a code")
        self.account.codes.append(code[0])


class CodeExchange(Operation):
    """JWT access token, ID token and refresh token: two signatures, one transaction."""

    path = "/token"

    def next_request(self) -> bytes | None:
        account = self.account
        try:
            code = account.codes.popleft()
        except IndexError:
            return None
        form = {"grant_type": "authorization_code", "code": code, "redirect_uri": account.redirect_uri}
        return self.post(form | {"code_verifier": account.verifier}, Authorization=f"Basic {account.basic}")

    def take(self, answer: Answer) -> None:
        super().take(answer)
        tokens = json.loads(answer.body)
        self.account.access_token = tokens["access_token"]
        self.account.refresh_tokens.append(tokens["refresh_token"])
        if "id_token" not in tokens:
            raise BadAnswer("code exchange: no id_token")


class Refresh(CodeExchange):
    """A rotation: the answer's refresh token is used next."""

    def next_request(self) -> bytes | None:
        try:
            token = self.account.refresh_tokens.popleft()
        except IndexError:
            return None
        form = {"grant_type": "refresh_token", "refresh_token": token}
        return self.post(form, Authorization=f"Basic {self.account.basic}")


class UserInfo(Operation):
    path = "/userinfo"

    def next_request(self) -> bytes:
        return self.get(self.path, Authorization=f"Bearer {self.account.access_token}")


class Introspect(Operation):
    path = "/introspect"

    def next_request(self) -> bytes:
        return self.post({"token": self.account.access_token}, Authorization=f"Basic {self.account.basic}")

    def take(self, answer: Answer) -> None:
        super().take(answer)
        if not answer.body.startswith(b'{"active":true'):
            raise BadAnswer(f"introspect: {answer.body[:100]!r}")


class EmptyApplication(Operation):
    path = "/empty"


class EmptyFlask(Operation):
    path = "/flask"


FLOOR: Mapping[str, Callable[[Account], Operation]] = {
    "empty application": EmptyApplication,
    "empty Flask application": EmptyFlask,
}

OPERATIONS: Mapping[str, Callable[[Account], Operation]] = {
    "discovery": Discovery,
    "jwks": Jwks,
    "authorize": Authorize,
    "code exchange": CodeExchange,
    "refresh": Refresh,
    "userinfo": UserInfo,
    "introspect": Introspect,
}
