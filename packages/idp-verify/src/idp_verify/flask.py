"""Guards views of Flask, plain and async: RFC 6750 §3.

guard = Guard(TokenVerifier("https://id.example.com", "https://api.example.com"))

@app.get("/orders")
@guard(requires_scope("orders.read"))
def orders():
    return {"for": current_token().subject}
"""

from collections.abc import Callable
from functools import wraps
from typing import Any, NoReturn

from flask import abort, current_app, g, jsonify, make_response, request

from idp_verify.bearer import check_realm, load_bearer_token, log_refusal
from idp_verify.errors import InvalidToken, KeysUnavailable, Refusal
from idp_verify.rules import Rule
from idp_verify.token import Token
from idp_verify.verifier import TokenVerifier

View = Callable[..., Any]


class Guard:
    """Makes a decorator for each set of rules; it goes below the route."""

    def __init__(self, verifier: TokenVerifier, *, realm: str = "api") -> None:
        check_realm(realm)
        self._verifier, self._realm = verifier, realm

    def __call__(self, *rules: Rule) -> Callable[[View], View]:
        def decorate(view: View) -> View:
            @wraps(view)
            def guarded(*args: Any, **kwargs: Any) -> Any:
                self.check(*rules)
                return current_app.ensure_sync(view)(*args, **kwargs)

            return guarded

        return decorate

    def check(self, *rules: Rule) -> Token:
        """The token of this request, for a `before_request` of a whole blueprint; ends the request otherwise."""
        try:
            token = self._verifier.verify(load_bearer_token(request.headers.get("Authorization")))
            now = self._verifier.clock()
            for rule in rules:
                rule(token, now)
        except Refusal as refusal:
            if not isinstance(refusal, InvalidToken | KeysUnavailable):  # which the verifier has logged
                log_refusal(refusal)
            self._refuse(refusal)
        g.idp_verify_token = token
        return token

    def _refuse(self, refusal: Refusal) -> NoReturn:
        body = {"error": refusal.error, "error_description": refusal.public} if refusal.error else {}
        response = make_response(jsonify(body), refusal.status)
        response.headers.update(refusal.headers(self._realm))
        abort(response)


def current_token() -> Token:
    """The token of this request. Raises LookupError in a view without a guard."""
    token = g.get("idp_verify_token")
    if not isinstance(token, Token):
        raise LookupError("no guard has run for this request")
    return token
