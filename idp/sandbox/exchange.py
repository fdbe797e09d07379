"""The token endpoint, as far as it is the same everywhere: who asks, which code, which fault (RFC 6749 §4.1.3).

A provider's module gives its own way to authenticate, its own errors, and its own answer.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from flask import Response, request

from idp.sandbox import clients, codes
from idp.sandbox.codes import CodeRefused, SignIn
from idp.sandbox.desk import Desk

Reason = Literal["unknown_client", "wrong_secret", "grant_type"] | codes.Reason
Authenticate = Callable[[Desk], str]


class ExchangeRefused(Exception):
    """No tokens. `reason` is what the provider makes its own error of; `given` are the words it may quote."""

    def __init__(self, reason: Reason) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True)
class Exchange:
    """`refuse` makes the error body, `grant` the success; `authenticate` answers the client_id or raises."""

    refuse: Callable[[Desk, Reason], Response]
    grant: Callable[[Desk, SignIn], Response]
    authenticate: Authenticate
    in_query: bool = False
    needs_grant_type: bool = True
    needs_redirect_uri: bool = True

    def __call__(self, desk: Desk, **_path: str) -> Response:
        given = request.values if self.in_query else request.form
        try:
            client_id = self.authenticate(desk)
            if self.needs_grant_type and given.get("grant_type") != "authorization_code":
                raise ExchangeRefused("grant_type")
            code = given.get("code", "")
            offered = desk.codes.find_code(code)
            if offered is not None and (faulty := desk.find_faulty_answer(offered, "token")) is not None:
                return faulty
            redirect_uri, verifier = given.get("redirect_uri", ""), given.get("code_verifier", "")
            if offered is not None and not redirect_uri and not self.needs_redirect_uri:
                redirect_uri = offered.redirect_uri
            sign_in = desk.codes.claim(code, client_id, redirect_uri, verifier, desk.now)
        except (ExchangeRefused, CodeRefused) as refusal:
            return self.refuse(desk, refusal.reason)
        return self.grant(desk, sign_in)


def by_secret(*, basic: bool, query: bool = False) -> Authenticate:
    """RFC 6749 §2.3.1: client_id and client_secret in the form; `basic`: or in the header; `query`: or in the URL."""

    def authenticate(desk: Desk) -> str:
        client_id, secret = clients.read_credentials(request, basic=basic, query=query)
        if client_id not in desk.clients:
            raise ExchangeRefused("unknown_client")
        if not clients.is_secret_of(desk.clients[client_id], secret):
            raise ExchangeRefused("wrong_secret")
        return client_id

    return authenticate
