"""Each way to say no: RFC 6750 §3 and §3.1, RFC 9470 §3.

Two texts in each: `str(error)` is for the caller and never differs between two tokens that are refused; `detail` is for
the log and says which check failed. No text holds a token.
"""

from collections.abc import Collection


class Refusal(Exception):
    """A request that is not let in. `status` is that of the HTTP answer, `error` the code of RFC 6750 §3.1."""

    status = 401
    error: str | None = None
    public = "The request is not allowed."

    def __init__(self, detail: str = "") -> None:
        super().__init__(self.public)
        self.detail = detail

    def parameters(self) -> dict[str, str]:
        """What the challenge says beside the realm."""
        return {} if self.error is None else {"error": self.error, "error_description": self.public}

    def headers(self, realm: str) -> dict[str, str]:
        """The headers of the answer: the challenge of RFC 6750 §3."""
        parameters = {"realm": realm} | self.parameters()
        said = ", ".join(f'{name}="{value}"' for name, value in parameters.items())
        return {"WWW-Authenticate": f"Bearer {said}"}


class MissingToken(Refusal):
    """RFC 6750 §3.1: a request without any token learns nothing but that one is needed."""

    public = "An access token is required."


class InvalidToken(Refusal):
    """The token is refused, for whatever reason: the caller always hears the same."""

    error = "invalid_token"
    public = "The access token is not valid."


class InsufficientScope(Refusal):
    """The token is good, but was not granted what this request needs."""

    status = 403
    error = "insufficient_scope"
    public = "The access token was not granted the scope that this request needs."

    def __init__(self, scopes: Collection[str], detail: str = "") -> None:
        super().__init__(detail)
        self.scopes = tuple(scopes)

    def parameters(self) -> dict[str, str]:
        return super().parameters() | {"scope": " ".join(self.scopes)}


class InsufficientRole(Refusal):
    """The person lacks a role. RFC 6750 knows no better code for what no other scope could change."""

    status = 403
    error = "insufficient_scope"
    public = "This request needs a role that the person does not have."


class InsufficientAuthentication(Refusal):
    """RFC 9470 §3: the sign-in behind the token is too weak or too old; the client may ask for a better one."""

    error = "insufficient_user_authentication"
    public = "This request needs a stronger or more recent sign-in."

    def __init__(self, acr_values: Collection[str], max_age: int | None, detail: str = "") -> None:
        super().__init__(detail)
        self.acr_values, self.max_age = tuple(acr_values), max_age

    def parameters(self) -> dict[str, str]:
        parameters = super().parameters()
        if self.acr_values:
            parameters["acr_values"] = " ".join(self.acr_values)
        if self.max_age is not None:
            parameters["max_age"] = str(self.max_age)
        return parameters


class KeysUnavailable(Refusal):
    """There are no keys to verify with: the server was never reached, or not for too long. Nobody's token is at fault,
    so the answer is 503 and clients keep what they have."""

    status = 503
    public = "Access tokens cannot be checked at the moment."

    def headers(self, realm: str) -> dict[str, str]:
        return {"Retry-After": "5"}
