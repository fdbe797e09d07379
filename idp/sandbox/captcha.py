"""Stand-ins for the verify endpoints of reCAPTCHA, hCaptcha and Turnstile: `/captcha/<vendor>/siteverify`.

With a vendor's published test secret an answer is judged as that vendor judges it. With `SECRET`, the answer itself
says what is to happen: `make_answer(hostname=…, age=…, action=…, score=…, fault=…, error=…)`; each is right once.
"""

from __future__ import annotations

import secrets
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qsl, urlencode

from flask import Response, request

from idp.sandbox.answers import render_json
from idp.sandbox.desk import Desk
from idp.sandbox.faults import ANSWER_FAULTS, find_faulty_answer

SITE_KEY = "sandbox-captcha-site-key"
SECRET = "sandbox-captcha-secret"
PREFIX = "sandbox:"
REMEMBERED = 10_000


@dataclass(frozen=True)
class Vendor:
    """`test_secrets`: published ones → the error code that they lead to, None for success. `used`: of a used answer."""

    test_secrets: Mapping[str, str | None]
    test_host: str
    used: str = "timeout-or-duplicate"
    test_answer: str | None = None
    """The only answer that is right with a test secret; None where every one is."""


_RECAPTCHA = Vendor({"6LeIxAcTAAAAAGG-vFI1TnRWxMZNFuojJ4WifJWe": None}, "testkey.google.com")
VENDORS: Mapping[str, Vendor] = {
    "recaptcha_v2": _RECAPTCHA,
    "recaptcha_v3": _RECAPTCHA,
    "hcaptcha": Vendor(
        {"0x0000000000000000000000000000000000000000": None},
        "dummy-key-pass",
        used="already-seen-response",
        test_answer="10000000-aaaa-bbbb-cccc-000000000001",
    ),
    "turnstile": Vendor(
        {
            "1x0000000000000000000000000000000AA": None,
            "2x0000000000000000000000000000000AA": "invalid-input-response",
            "3x0000000000000000000000000000000AA": "timeout-or-duplicate",
        },
        "example.com",
    ),
}

_seen: dict[str, None] = {}
_lock = threading.Lock()


def make_answer(**wanted: str) -> str:
    """An answer as the widget would give it, and what the stand-in is to say of it; a new one every time."""
    return PREFIX + urlencode({**wanted, "id": secrets.token_hex(8)})


def verify(desk: Desk, vendor: str) -> Response:
    """A POST of `secret` and `response`, as form."""
    known = VENDORS.get(vendor)
    if known is None:
        return render_json({"error": "There is no such vendor."}, 404)
    secret, answer = request.form.get("secret", ""), request.form.get("response", "")
    if not secret or not answer:
        return _refuse("missing-input-response" if secret else "missing-input-secret")
    if secret in known.test_secrets:
        return _answer_test_key(desk, known, secret, answer)
    if secret != SECRET or not answer.startswith(PREFIX):
        return _refuse("invalid-input-response" if secret == SECRET else "invalid-input-secret")
    return _answer_as_wanted(desk, known, answer)


def _answer_test_key(desk: Desk, vendor: Vendor, secret: str, answer: str) -> Response:
    error = vendor.test_secrets[secret]
    if error is None and vendor.test_answer not in (None, answer):
        error = "not-using-dummy-passcode"
    return _refuse(error) if error is not None else render_json(_success(desk.now, vendor.test_host))


def _answer_as_wanted(desk: Desk, vendor: Vendor, answer: str) -> Response:
    wanted = dict(parse_qsl(answer.removeprefix(PREFIX)))
    fault = wanted.get("fault")
    faulty = find_faulty_answer(fault if fault in ANSWER_FAULTS else None, desk.closing)
    if faulty is not None:
        return faulty
    if wanted.get("error"):
        return _refuse(wanted["error"])
    if not _is_first(answer):
        return _refuse(vendor.used)
    body = _success(desk.now - int(wanted.get("age", "0")), wanted.get("hostname", "localhost"))
    if "action" in wanted:
        body["action"] = wanted["action"]
    if "score" in wanted:
        body["score"] = float(wanted["score"])
    return render_json(body)


def _success(solved_at: int, hostname: str) -> dict[str, Any]:
    at = datetime.fromtimestamp(solved_at, UTC).isoformat().replace("+00:00", "Z")
    return {"success": True, "challenge_ts": at, "hostname": hostname, "error-codes": []}


def _refuse(code: str) -> Response:
    return render_json({"success": False, "error-codes": [code]})


def _is_first(answer: str) -> bool:
    """Whether this answer comes for the first time; the oldest are forgotten."""
    with _lock:
        if answer in _seen:
            return False
        _seen[answer] = None
        if len(_seen) > REMEMBERED:
            del _seen[next(iter(_seen))]
    return True
