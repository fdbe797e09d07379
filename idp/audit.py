"""The audit trail: every security event once in the table `audit_events` and once in the log.

Owns the names of the events (`<subject>.<what happened>`). Never given a token, code, secret or password.
"""

import getpass
from enum import StrEnum
from typing import TYPE_CHECKING, Any

import structlog

from idp.protocol.findings import network_of
from idp.store import Store

if TYPE_CHECKING:
    from idp.server import Server

_log = structlog.get_logger("idp.audit")


class Event(StrEnum):
    SIGN_IN_SUCCEEDED = "sign_in.succeeded"
    SIGN_IN_FAILED = "sign_in.failed"
    SIGN_IN_LIMITED = "sign_in.limited"
    SIGNED_OUT = "session.signed_out"
    SESSION_ENDED = "session.ended"
    CAPTCHA_FAILED = "captcha.failed"
    CAPTCHA_UNAVAILABLE = "captcha.unavailable"
    CONSENT_GIVEN = "consent.given"
    CONSENT_DENIED = "consent.denied"
    CONSENT_WITHDRAWN = "consent.withdrawn"
    CODE_REPLAYED = "code.replayed"
    REFRESH_TOKEN_REPLAYED = "refresh_token.replayed"
    GRANT_REVOKED = "grant.revoked"
    ACCESS_TOKEN_REVOKED = "access_token.revoked"
    CLIENT_SIGNED_IN = "client.signed_in"
    CLIENT_AUTHENTICATION_FAILED = "client.authentication_failed"
    CLIENT_ADDED = "client.added"
    CLIENT_CHANGED = "client.changed"
    CLIENT_REMOVED = "client.removed"
    CLIENT_SECRET_CHANGED = "client.secret_changed"
    API_SAVED = "api.saved"
    API_REMOVED = "api.removed"
    IDENTITY_LINKED = "identity.linked"
    IDENTITY_UNLINKED = "identity.unlinked"
    LINK_REFUSED = "identity.link_refused"
    UNLINK_REFUSED = "identity.unlink_refused"
    EMAIL_LOST = "email.lost"
    EMAIL_CHANGE_STARTED = "email.change_started"
    EMAIL_CHANGED = "email.changed"
    EMAIL_CHANGE_UNDONE = "email.change_undone"
    UPSTREAM_FAILED = "upstream.failed"
    SIGN_UP_STARTED = "sign_up.started"
    SIGN_UP_OF_KNOWN_EMAIL = "sign_up.known_email"
    RECOVERY_STARTED = "recovery.started"
    EMAIL_CONFIRMED = "email.confirmed"
    USER_INVITED = "user.invited"
    USER_ADDED = "user.added"
    USERS_IMPORTED = "user.imported"
    USER_REMOVED = "user.removed"
    DELETION_ASKED = "user.deletion_asked"
    DELETION_UNDONE = "user.deletion_undone"
    DATA_DOWNLOADED = "user.data_downloaded"
    USER_DISABLED = "user.disabled"
    USER_ENABLED = "user.enabled"
    USER_ROLES_CHANGED = "user.roles_changed"
    PROFILE_CHANGED = "profile.changed"
    USERNAME_CHANGED = "username.changed"
    PASSWORD_CHANGED = "password.changed"
    FACTOR_ADDED = "factor.added"
    FACTOR_REMOVED = "factor.removed"
    FACTOR_FAILED = "factor.failed"
    FACTOR_LIMITED = "factor.limited"
    FACTORS_RESET = "factors.reset"
    STEPPED_UP = "session.stepped_up"
    RECOVERY_CODES_MADE = "recovery_codes.made"
    RECOVERY_CODE_USED = "recovery_codes.used"
    PASSKEY_COPIED = "passkey.copied"
    DEVICE_TRUSTED = "device.trusted"
    DEVICE_TRUST_ENDED = "device.trust_ended"
    MAIL_FAILED = "mail.failed"
    KEYS_ROTATED = "keys.rotated"
    KEY_RETIRED = "keys.retired"
    KEYS_PRUNED = "keys.pruned"


def record(
    server: "Server",
    event: Event,
    *,
    now: int,
    user_id: str | None = None,
    client_id: str | None = None,
    **detail: Any,
) -> None:
    """Write one event. Address and request id come from the log context of the request."""
    context = structlog.contextvars.get_contextvars()
    server.store.audit_events.append(
        event.value,
        at=now,
        user_id=user_id,
        client_id=client_id,
        address=context.get("address"),
        request_id=context.get("request_id"),
        detail=detail,
    )
    _log.info(event.value, user_id=user_id, client_id=client_id, **detail)


def origin_of_request() -> tuple[str | None, str | None]:
    """Where the running request comes from, as coarse as it may be kept with a person's grant, and its id."""
    context = structlog.contextvars.get_contextvars()
    return network_of(context.get("address")), context.get("request_id")


def record_once_a_minute(server: "Server", event: Event, key: str, *, now: int, **ids_and_detail: Any) -> None:
    """For events that a stranger can cause at will: one a minute for each key, so that nobody fills the table."""
    if server.store.ephemeral.put_new("audit", f"{event} {key}", {}, lifetime=60, now=now):
        record(server, event, now=now, **ids_and_detail)


def record_by_operator(
    store: Store,
    event: Event,
    *,
    now: int,
    user_id: str | None = None,
    client_id: str | None = None,
    **detail: Any,
) -> None:
    """Write one event that an operator caused at the command line, with the name of their account on that machine.

    It goes to the table alone: the log belongs to the running server.
    """
    detail["operator"] = _account_name()
    store.audit_events.append(event.value, at=now, user_id=user_id, client_id=client_id, detail=detail)


def _account_name() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError):  # a container may run under a number without a name
        return "unknown"
