"""A second factor as a form brings it (a code, a recovery code, a passkey's answer), and what is said when it fails."""

from dataclasses import dataclass

from flask import request
from flask_babel import gettext as _
from flask_babel import ngettext

from idp import audit
from idp.accounts.factor_changes import Change, announce, warn_of_guessing
from idp.accounts.notices import Scene, tell_way_in_changed
from idp.accounts.passkeys import Ceremony, PasskeyRefused, Proof, Purpose, prove
from idp.accounts.recovery_codes import FEW, claim_code
from idp.accounts.second_factor import BY_CODE, Factors, by_key
from idp.accounts.totp import try_code
from idp.protocol.identity import User
from idp.store.sign_in_failures import FREE_TRIES
from idp.web.current import current_server, request_time
from idp.web.log import address
from idp.web.session_cookie import browser


@dataclass(frozen=True, slots=True)
class Mistake:
    """`wait`: seconds until codes are looked at again."""

    field: str | None
    message: str
    wait: int = 0

    @property
    def shown(self) -> dict[str, str | None]:
        return {"field": self.field, "message": self.message}


def scene() -> Scene:
    """Here and now."""
    return Scene(request_time(), address())


def ceremony_for(purpose: Purpose, user_id: str = "") -> Ceremony:
    return Ceremony(current_server(), browser(), purpose, user_id, request_time())


def try_factor(user: User, factors: Factors, client_id: str | None) -> tuple[str, ...] | Mistake:
    """What the form proves, as it goes into `amr`; or what is wrong with it."""
    if request.form.get("credential"):
        proof = try_passkey(ceremony_for(Purpose.SECOND_FACTOR, user.id), client_id)
        return by_key(proof) if isinstance(proof, Proof) else proof
    if request.form.get("recovery_code", "").strip():
        return _try_recovery_code(user, client_id)
    if not factors.has_totp or not request.form.get("code", "").strip():
        field = "code" if factors.has_totp else None
        return Mistake(field, _("Enter the code."))
    return _try_app(user, client_id)


def try_passkey(ceremony: Ceremony, client_id: str | None) -> Proof | Mistake:
    try:
        return prove(ceremony, request.form.get("credential", ""))
    except PasskeyRefused as refused:
        user_id = refused.passkey.user_id if refused.passkey is not None else ceremony.user_id or None
        record_failure(user_id, client_id, refused.why)
        owner = ceremony.server.store.users.find(user_id) if refused.is_copied and user_id else None
        if owner is not None:
            announce(ceremony.server, owner, Change.PASSKEY_COPIED, scene())
        return Mistake(None, _("This passkey could not be used. Try again, or choose another way."))


def record_failure(user_id: str | None, client_id: str | None, why: str) -> None:
    """Nobody's failures (anybody can send anything as a passkey) once a minute for each address."""
    server, event, now = current_server(), audit.Event.FACTOR_FAILED, request_time()
    ids = {"user_id": user_id, "client_id": client_id}
    if user_id is None:
        audit.record_once_a_minute(server, event, address() or "", now=now, **ids, why=why)
    else:
        audit.record(server, event, now=now, **ids, why=why)


def _try_app(user: User, client_id: str | None) -> tuple[str, ...] | Mistake:
    tried = try_code(current_server(), user.id, request.form["code"], now=request_time())
    if tried.is_right:
        return BY_CODE
    if tried.wait:
        minutes = (tried.wait + 59) // 60
        said = ngettext(
            "There were too many wrong codes. Wait a minute, then try the next code.",
            "There were too many wrong codes. Wait %(num)s minutes, then try the next code.",
            minutes,
        )
        return Mistake("code", said, tried.wait)
    record_failure(user.id, client_id, "wrong code")
    if tried.tries == FREE_TRIES:
        warn_of_guessing(current_server(), user, tried.tries, scene())
    return Mistake("code", _("This code is wrong, or has been used. Enter the one that your app shows now."))


def _try_recovery_code(user: User, client_id: str | None) -> tuple[str, ...] | Mistake:
    server = current_server()
    if not claim_code(server, user.id, request.form["recovery_code"], now=request_time()):
        record_failure(user.id, client_id, "wrong recovery code")
        return Mistake("recovery_code", _("This recovery code is wrong, or has been used."))
    left = server.store.recovery_codes.count_unused(user.id)
    announce(server, user, Change.CODE_USED, scene(), left=left)
    if left <= FEW:
        tell_way_in_changed(server, user, Change.CODES_LOW.value, scene())
    return BY_CODE
