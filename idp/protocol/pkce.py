"""Proof Key for Code Exchange: RFC 7636 under RFC 9700 §2.1.1 and §4.8 (S256 only, no downgrade)."""

import binascii
import hashlib
import hmac
import re
from base64 import urlsafe_b64decode, urlsafe_b64encode

from idp.protocol.errors import InvalidGrant, InvalidRequest
from idp.protocol.findings import Finding, masked, shown

METHODS = ("S256",)
_VERIFIER = re.compile(r"[A-Za-z0-9\-._~]{43,128}")
_S256_CHALLENGE = re.compile(r"[A-Za-z0-9\-_]{43}")


def check_challenge(challenge: str | None, method: str | None, *, required: bool) -> None:
    """RFC 7636 §4.3, §4.4.1: S256 only. A missing method means plain, hence is refused like plain."""
    if challenge is None:
        if method is not None:
            raise InvalidRequest("code_challenge_method is there without a code_challenge.")
        if required:
            finding = Finding("pkce", ("a code_challenge",), hint="Switch PKCE on in the client library.")
            raise InvalidRequest(
                "code_challenge is required: use PKCE with code_challenge_method=S256.", findings=[finding]
            )
        return
    if method not in METHODS:
        received = "no method, which means plain" if method is None else shown(method)
        raise InvalidRequest(
            "code_challenge_method must be S256; plain is not allowed.",
            findings=[Finding("pkce", METHODS, received, "Send code_challenge_method=S256, in capital letters.")],
        )
    if not _S256_CHALLENGE.fullmatch(challenge):
        finding = Finding("pkce", ("43 characters of base64url",), masked(challenge), _explain_challenge(challenge))
        raise InvalidRequest(
            "code_challenge must be the base64url of a SHA-256 digest, 43 characters without padding.",
            findings=[finding],
        )


def check_verifier(challenge: str | None, verifier: str | None) -> None:
    """RFC 7636 §4.6; RFC 9700 §4.8.2: a verifier without a challenge before it is refused."""
    if challenge is None:
        if verifier is not None:
            hint = "Send code_challenge with the authorization request, or no code_verifier here."
            raise InvalidGrant(
                "code_verifier was sent, but the authorization request had no code_challenge.",
                findings=[Finding("pkce", ("no code_verifier",), masked(verifier), hint)],
            )
        return
    if verifier is None:
        hint = "Keep the code_verifier over the redirect (in the session, or a cookie), and send it with the code."
        raise InvalidGrant(
            "code_verifier is required, because the authorization request had a code_challenge.",
            findings=[Finding("pkce", ("a code_verifier",), None, hint)],
        )
    if not _VERIFIER.fullmatch(verifier):
        finding = Finding("pkce", ("43 to 128 characters",), masked(verifier), _explain_form(verifier))
        raise InvalidGrant("code_verifier must be 43 to 128 characters of A-Z a-z 0-9 - . _ ~", findings=[finding])
    if not hmac.compare_digest(s256(verifier), challenge):
        expected, received = f"code_challenge {masked(challenge)}", f"S256 of code_verifier {masked(s256(verifier))}"
        finding = Finding("pkce", (expected,), received, _explain_mismatch(challenge, verifier))
        raise InvalidGrant(
            "code_verifier does not fit the code_challenge; send the one that the challenge was made from.",
            findings=[finding],
        )


def s256(verifier: str) -> str:
    """RFC 7636 §4.2: BASE64URL-ENCODE(SHA256(ASCII(code_verifier)))."""
    return urlsafe_b64encode(hashlib.sha256(verifier.encode("ascii")).digest()).rstrip(b"=").decode("ascii")


def _explain_challenge(challenge: str) -> str:
    """Which mistake makes a challenge of this form."""
    if challenge.endswith("="):
        return "It is padded: leave the = at the end off."
    if re.fullmatch("[0-9a-fA-F]{64}", challenge):
        return "It is the digest in hexadecimal: encode its 32 bytes with base64url."
    if set("+/") & set(challenge):
        return "It is base64: base64url has - and _ instead of + and /."
    return "It must be the base64url, without padding, of the SHA-256 digest of code_verifier."


def _explain_form(verifier: str) -> str:
    """Why this cannot be a verifier."""
    if len(verifier) < 43:
        return f"It is too short, {len(verifier)} characters: make one of 32 random bytes in base64url."
    if len(verifier) > 128:
        return f"It is too long, {len(verifier)} characters: make one of 32 random bytes in base64url."
    if verifier.endswith("="):
        return "It is padded: leave the = at the end off, before the challenge is made of it."
    if verifier != verifier.strip():
        return "There is white space around it."
    if set("+/") & set(verifier):
        return "It is base64: base64url has - and _ instead of + and /."
    return "It has a character that is not allowed; was it percent-encoded twice?"


def _explain_mismatch(challenge: str, verifier: str) -> str:
    """Which mistake makes a verifier that does not fit; the usual ones can be told by trying them."""
    if hmac.compare_digest(verifier, challenge):
        return "The code_challenge itself was sent: send the random value that it was made from (or it was sent plain)."
    if hmac.compare_digest(s256(s256(verifier)), challenge):
        return "The challenge was hashed twice: it is S256 of S256 of this verifier."
    if hmac.compare_digest(_s256_of_decoded(verifier), challenge):
        return "The challenge is the digest of the decoded bytes: hash the verifier as text, as it is sent."
    return (
        "It is the verifier of another sign-in: a new one was made after the redirect, or two sign-ins (two tabs, two "
        "instances) keep theirs under one name. Keep one verifier for each state."
    )


def _s256_of_decoded(verifier: str) -> str:
    try:
        raw = urlsafe_b64decode(verifier + "=" * (-len(verifier) % 4))
    except (ValueError, binascii.Error):
        return ""
    return urlsafe_b64encode(hashlib.sha256(raw).digest()).rstrip(b"=").decode("ascii")
