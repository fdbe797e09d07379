"""Authenticator apps: time-based one-time passwords (RFC 6238) of six digits, half a minute each, SHA-1.

The secret is encrypted at rest and counts only after a code of it has been given. One step before and after now is
accepted, each step once (§5.2). Tries are counted by account (ASVS 6.6.3): this slows whoever guesses, who must know
the password already, and never stands in the way of passkeys and recovery codes.
"""

import hmac
import unicodedata
from dataclasses import dataclass, field
from urllib.parse import quote

import pyotp
import segno

from idp.jose.encryption import DecryptionFailed
from idp.protocol.identity import User
from idp.server import Server
from idp.store.sign_in_failures import key_of_codes

KIND = "totp_enrolment"
ENROLMENT_SECONDS = 900
STEP_SECONDS = 30
DIGITS = 6
SECRET_CHARACTERS = 32  # base32: 160 bits, the length RFC 4226 §4 recommends
DRIFT_STEPS = (0, -1, 1)
_PURPOSE = "totp"


@dataclass(frozen=True, slots=True)
class Enrolment:
    """A secret that waits for its first code."""

    secret: str = field(repr=False)
    uri: str = field(repr=False)

    @property
    def spaced_secret(self) -> str:
        """In groups of four, to type it off."""
        return " ".join(self.secret[start : start + 4] for start in range(0, len(self.secret), 4))

    @property
    def svg(self) -> str:
        """The QR code as an element of a page; it takes its colours from there."""
        return segno.make(self.uri, error="m", micro=False).svg_inline(
            scale=4, border=4, omitsize=True, svgclass="qr", lineclass=None, dark="#000", light="#fff"
        )


@dataclass(frozen=True, slots=True)
class Tried:
    """`wait`: seconds until the next try may be made, when this one was not looked at. `tries`: so far."""

    is_right: bool
    wait: int = 0
    tries: int = 0


def begin_enrolment(server: Server, user: User, browser: str, *, now: int) -> Enrolment:
    """A secret for this person in this browser; the same one until it is confirmed or a quarter of an hour is over."""
    known = server.store.ephemeral.get(KIND, _key(user, browser), now=now)
    secret = _opened(server, known["secret"]) if known is not None else None
    if secret is None:
        secret = pyotp.random_base32(SECRET_CHARACTERS)
        sealed = {"secret": server.secret_box.encrypt(secret, purpose=_PURPOSE)}
        server.store.ephemeral.put(KIND, _key(user, browser), sealed, lifetime=ENROLMENT_SECONDS, now=now)
    return Enrolment(secret, _uri(server, user, secret))


def confirm_enrolment(server: Server, user: User, browser: str, code: str, *, now: int, replaces: bool = True) -> bool:
    """Whether the code is one of the secret that waits here; then the app is the person's, instead of any other, or,
    when it `replaces` none, only if there is none."""
    known = server.store.ephemeral.get(KIND, _key(user, browser), now=now)
    secret = _opened(server, known["secret"]) if known is not None else None
    step = _matching_step(secret, code, now) if secret is not None else None
    if secret is None or step is None or server.store.ephemeral.claim_once(KIND, _key(user, browser), now=now) is None:
        return False
    sealed = server.secret_box.encrypt(secret, purpose=_PURPOSE)
    if not server.store.totp.save(user.id, sealed, step=step, now=now, replaces=replaces):
        return False
    server.store.sign_in_failures.forget([key_of_codes(user.id)], now=now)
    return True


def try_code(server: Server, user_id: str, code: str, *, now: int) -> Tried:
    """Check a code, once per time step among all who try, and within the limit on tries."""
    stored = server.store.totp.find(user_id)
    if stored is None:
        return Tried(False)
    claim = server.store.sign_in_failures.claim(key_of_codes(user_id), now=now)
    if claim.wait:
        return Tried(False, claim.wait, claim.tries)
    secret = _opened(server, stored.secret)
    step = _matching_step(secret, code, now) if secret is not None else None
    if step is None or not server.store.totp.claim_step(user_id, step, now=now):
        return Tried(False, tries=claim.tries)
    server.store.sign_in_failures.forget([key_of_codes(user_id)], now=now)
    return Tried(True)


def _matching_step(secret: str, code: str, now: int) -> int | None:
    """The time step of a code, if it is one of those around now."""
    typed = "".join(unicodedata.normalize("NFKC", code[:32]).split())
    if len(typed) != DIGITS or not typed.isascii() or not typed.isdigit():
        return None
    codes, current = pyotp.HOTP(secret, digits=DIGITS), now // STEP_SECONDS
    matching = [step for step in DRIFT_STEPS if hmac.compare_digest(codes.at(max(0, current + step)), typed)]
    return current + matching[0] if matching else None


def _opened(server: Server, sealed: str) -> str | None:
    """None when IDP_SECRET_KEY has changed and its former value is not kept: the app is then of no use."""
    try:
        return server.secret_box.decrypt(sealed, purpose=_PURPOSE)
    except DecryptionFailed:
        return None


def _uri(server: Server, user: User, secret: str) -> str:
    """What authenticator apps read (the Key URI format): the service and the user name label the entry.

    Neither may hold a colon, which parts the two.
    """
    service, name = (text.replace(":", " ") for text in (server.settings.service_name, user.username))
    label = f"{quote(service, safe='')}:{quote(name, safe='')}"
    return f"otpauth://totp/{label}?secret={secret}&issuer={quote(service, safe='')}"


def _key(user: User, browser: str) -> str:
    return f"{user.id} {browser}"
