"""Proof Key for Code Exchange: RFC 7636 under RFC 9700 §2.1.1 and §4.8 (S256 only, no downgrade)."""

import hashlib
import hmac
import re
from base64 import urlsafe_b64encode

from idp.protocol.errors import InvalidGrant, InvalidRequest

METHODS = ("S256",)
_VERIFIER = re.compile(r"[A-Za-z0-9\-._~]{43,128}")
_S256_CHALLENGE = re.compile(r"[A-Za-z0-9\-_]{43}")


def check_challenge(challenge: str | None, method: str | None, *, required: bool) -> None:
    """RFC 7636 §4.3, §4.4.1: S256 only. A missing method means plain, hence is refused like plain."""
    if challenge is None:
        if method is not None:
            raise InvalidRequest("code_challenge_method is there without a code_challenge.")
        if required:
            raise InvalidRequest("code_challenge is required: use PKCE with code_challenge_method=S256.")
        return
    if method not in METHODS:
        raise InvalidRequest("code_challenge_method must be S256; plain is not allowed.")
    if not _S256_CHALLENGE.fullmatch(challenge):
        raise InvalidRequest("code_challenge must be the base64url of a SHA-256 digest, 43 characters without padding.")


def check_verifier(challenge: str | None, verifier: str | None) -> None:
    """RFC 7636 §4.6; RFC 9700 §4.8.2: a verifier without a challenge before it is refused."""
    if challenge is None:
        if verifier is not None:
            raise InvalidGrant("code_verifier was sent, but the authorization request had no code_challenge.")
        return
    if verifier is None:
        raise InvalidGrant("code_verifier is required, because the authorization request had a code_challenge.")
    if not _VERIFIER.fullmatch(verifier):
        raise InvalidGrant("code_verifier must be 43 to 128 characters of A-Z a-z 0-9 - . _ ~")
    if not hmac.compare_digest(s256(verifier), challenge):
        raise InvalidGrant("code_verifier does not fit the code_challenge.")


def s256(verifier: str) -> str:
    """RFC 7636 §4.2: BASE64URL-ENCODE(SHA256(ASCII(code_verifier)))."""
    return urlsafe_b64encode(hashlib.sha256(verifier.encode("ascii")).digest()).rstrip(b"=").decode("ascii")
