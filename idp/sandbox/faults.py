"""What can be made to go wrong, as a literal table, and the going wrong.

A fault belongs to one sign-in: it is chosen with the person and remembered with the code, so that sign-ins going on at
the same time never disturb each other. Only the keys endpoints, which know no sign-in, have a fault for everybody.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from flask import Response

HANGING_SECONDS = 30
CLOCK_SECONDS = 300
HUGE_BYTES = 10 * 1024 * 1024
_CHUNK = b'"' + b"x" * 65_533 + b'",'  # 64 KiB of a JSON array of strings

Where = Literal["redirect", "code", "id_token", "answer"]
Claims = dict[str, Any]


@dataclass(frozen=True)
class Fault:
    """`where` it shows: in the redirect, when the code is redeemed, in the id_token, or as the answer itself."""

    title: str
    where: Where


FAULTS: Mapping[str, Fault] = {
    "denied": Fault("The person refuses", "redirect"),
    "wrong_iss_parameter": Fault("The iss parameter names another provider", "redirect"),
    "code_expired": Fault("The code has expired", "code"),
    "wrong_nonce": Fault("id_token with another nonce", "id_token"),
    "wrong_audience": Fault("id_token for another application", "id_token"),
    "wrong_issuer": Fault("id_token of another issuer", "id_token"),
    "bad_signature": Fault("id_token signed with another key", "id_token"),
    "alg_none": Fault("id_token without a signature (alg none)", "id_token"),
    "hs256": Fault("id_token signed with the public key as a secret (HS256)", "id_token"),
    "key_rotated": Fault("The signing key is changed just now", "id_token"),
    "clock_off": Fault("id_token issued 5 minutes in the future", "id_token"),
    "clock_behind": Fault("id_token that ended 5 minutes ago", "id_token"),
    "http_500": Fault("HTTP 500", "answer"),
    "hanging": Fault("No answer for 30 seconds", "answer"),
    "malformed_json": Fault("Malformed JSON", "answer"),
    "huge_answer": Fault("An answer of 10 MB", "answer"),
}
ANSWER_FAULTS = tuple(name for name, fault in FAULTS.items() if fault.where == "answer")
SIGNATURE_FAULTS = ("bad_signature", "alg_none", "hs256", "key_rotated")

PLACES: Mapping[str, str] = {"token": "the token endpoint", "userinfo": "the profile endpoint"}


def spoil_claims(fault: str | None, claims: Claims, now: int) -> Claims:
    """The claims of an id_token as the fault wants them; as they are without one that concerns claims."""
    spoil = _SPOILERS.get(fault or "")
    return claims if spoil is None else {**claims, **spoil(claims, now)}


def _other_issuer(claims: Claims, _now: int) -> Claims:
    """The same provider's issuer for another tenant where there are tenants, another provider's otherwise."""
    tenant = claims.get("tid")
    if tenant:
        return {"iss": str(claims["iss"]).replace(tenant, "5a4db0c5-2222-4000-8000-000000000003")}
    return {"iss": str(claims["iss"]).replace("://", "://not-", 1)}


def _ahead(claims: Claims, now: int) -> Claims:
    lifetime = claims["exp"] - claims["iat"]
    begin = now + CLOCK_SECONDS
    return {"iat": begin, "exp": begin + lifetime} | {name: begin for name in ("nbf", "auth_time") if name in claims}


def _behind(claims: Claims, now: int) -> Claims:
    begin = now - CLOCK_SECONDS - (claims["exp"] - claims["iat"])
    past = {name: begin for name in ("nbf", "auth_time") if name in claims}
    return {"iat": begin, "exp": now - CLOCK_SECONDS} | past


_SPOILERS: Mapping[str, Callable[[Claims, int], Claims]] = {
    "wrong_nonce": lambda _claims, _now: {"nonce": "the-nonce-of-another-sign-in"},
    "wrong_audience": lambda _claims, _now: {"aud": "another-application"},
    "wrong_issuer": _other_issuer,
    "clock_off": _ahead,
    "clock_behind": _behind,
}


def find_faulty_answer(fault: str | None, closing: threading.Event) -> Response | None:
    """The answer that the fault puts in the place of the true one. None: answer truly, if late after `hanging`.

    `closing` ends the waiting early, so that a server that hangs can still be stopped.
    """
    match fault:
        case "http_500":
            return Response("Internal Server Error", 500, mimetype="text/plain")
        case "malformed_json":
            return Response('{"access_token": "cut off in the mid', mimetype="application/json")
        case "huge_answer":
            return Response(_huge(closing), mimetype="application/json")
        case "hanging":
            closing.wait(HANGING_SECONDS)
    return None


def _huge(closing: threading.Event) -> Iterator[bytes]:
    """A well-formed JSON object of 10 MB that never exists as a whole."""
    yield b'{"padding": ['
    for _ in range(HUGE_BYTES // len(_CHUNK)):
        if closing.is_set():
            return
        yield _CHUNK
    yield b'""]}'
