"""How a request of ours fails. Owns the exceptions, and what the errors of the system become."""

from collections.abc import Iterator
from contextlib import contextmanager


class FetchRefused(Exception):
    """Nothing usable was fetched. The text says which rule refused or what failed; safe for a log, not for a client."""


class NotSent(FetchRefused):
    """The look-up, the connection or TLS failed: nothing of the request was sent, so it may be repeated.

    What a rule refuses is not of this kind, because repeating it would change nothing.
    """


class AnswerRefused(FetchRefused):
    """The other side is there and has answered, but with what is never taken: a redirect, too much, an encoding."""


@contextmanager
def refusing(kind: type[FetchRefused], host: str, timeout: float) -> Iterator[None]:
    """Turn an error of the system into a refusal of this kind; `timeout` is the one that was allowed, in seconds."""
    try:
        yield
    except TimeoutError:
        raise kind(f"{host} did not answer within {timeout:g} seconds") from None
    except OSError as error:
        raise kind(f"{host} cannot be reached: {error.strerror or type(error).__name__}") from None
