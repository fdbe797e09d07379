"""The ``Authorization`` header: RFC 6750 §2.1. A token in a form or a URL is not looked at (RFC 9700 §4.3.2)."""

import logging

from idp_verify.errors import InvalidToken, KeysUnavailable, MissingToken, Refusal

logger = logging.getLogger("idp_verify")


def load_bearer_token(header: str | None) -> str:
    """The text after ``Bearer``, not checked yet; raises MissingToken.

    A header sent twice comes as one, joined by a comma, and is then no token.
    """
    scheme, _, token = (header or "").partition(" ")
    token = token.strip(" ")
    if scheme.lower() != "bearer" or not token:
        raise MissingToken("there is no bearer token")
    return token


def check_realm(realm: str) -> None:
    """RFC 9110 §5.6.4: text that may stand between quotes. Raises ValueError."""
    if not realm.isascii() or not realm.isprintable() or '"' in realm or "\\" in realm:
        raise ValueError("a realm is printable ASCII without quotes and backslashes")


def log_refusal(refusal: Refusal) -> None:
    """One line that says which check failed, and holds nothing of the token but verified claims."""
    if isinstance(refusal, InvalidToken):
        logger.warning("access token refused: %s", refusal.detail)
    elif isinstance(refusal, KeysUnavailable):
        logger.error("access tokens cannot be checked: %s", refusal.detail)
    else:
        logger.info("request refused: %s", refusal.detail)
