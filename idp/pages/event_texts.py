"""What events of the audit trail say to the person they are about, in plain words.

Owns SENTENCES: an event that is not in it is not shown to people.
"""

import json
from collections.abc import Mapping
from typing import Any

from flask_babel import gettext, ngettext
from flask_babel import lazy_gettext as _

from idp.accounts.factor_changes import Change
from idp.audit import Event
from idp.web.current import current_server, current_upstreams

SENTENCES: Mapping[Event, Any] = {
    Event.SIGN_IN_SUCCEEDED: _("Signed in"),
    Event.SIGN_IN_FAILED: _("A sign-in did not succeed"),
    Event.SIGN_IN_LIMITED: _("Passwords were wrong too often, so that there was a wait"),
    Event.SIGNED_OUT: _("Signed out"),
    Event.SESSION_ENDED: _("Another session was ended"),
    Event.STEPPED_UP: _("A second factor was given"),
    Event.CONSENT_GIVEN: _("An application was given access"),
    Event.CONSENT_DENIED: _("An application was refused access"),
    Event.CONSENT_WITHDRAWN: _("The access of an application was taken back"),
    Event.CODE_REPLAYED: _("The access of an application was ended, because its code was used twice"),
    Event.REFRESH_TOKEN_REPLAYED: _("The access of an application was ended, because an old token was used again"),
    Event.GRANT_REVOKED: _("An application gave its access back"),
    Event.ACCESS_TOKEN_REVOKED: _("An application gave a token back"),
    Event.IDENTITY_LINKED: _("A way to sign in was linked"),
    Event.IDENTITY_UNLINKED: _("A way to sign in was taken away"),
    Event.LINK_REFUSED: _("A way to sign in was not linked"),
    Event.UNLINK_REFUSED: _("A way to sign in stayed, because it was the last one"),
    Event.EMAIL_LOST: _("Your unconfirmed e-mail address went to somebody who has confirmed it"),
    Event.EMAIL_CONFIRMED: _("The e-mail address was confirmed"),
    Event.EMAIL_CHANGE_STARTED: _("A change of the e-mail address was begun"),
    Event.EMAIL_CHANGED: _("The e-mail address was changed"),
    Event.EMAIL_CHANGE_UNDONE: _("The change of the e-mail address was undone"),
    Event.SIGN_UP_OF_KNOWN_EMAIL: _("Somebody wanted to make another account with your e-mail address"),
    Event.RECOVERY_STARTED: _("A link for a new password was asked for"),
    Event.USER_INVITED: _("An invitation was sent"),
    Event.USER_ADDED: _("The account was made"),
    Event.USERS_IMPORTED: _("The account was taken over from another system"),
    Event.USER_DISABLED: _("The account was locked"),
    Event.USER_ENABLED: _("The account was unlocked"),
    Event.USER_ROLES_CHANGED: _("The roles were changed"),
    Event.PROFILE_CHANGED: _("The profile was changed"),
    Event.USERNAME_CHANGED: _("The user name was changed"),
    Event.PASSWORD_CHANGED: _("The password was changed"),
    Event.FACTOR_ADDED: _("A second factor was added"),
    Event.FACTOR_REMOVED: _("A second factor was removed"),
    Event.FACTOR_FAILED: _("A second factor was wrong"),
    Event.FACTOR_LIMITED: _("Second factors were wrong too often, so that there was a wait"),
    Event.FACTORS_RESET: _("All second factors were removed"),
    Event.RECOVERY_CODES_MADE: _("New recovery codes were made"),
    Event.RECOVERY_CODE_USED: _("A recovery code was used"),
    Event.PASSKEY_COPIED: _("A passkey was refused, because there seems to be a copy of it"),
    Event.DEVICE_TRUSTED: _("A browser was remembered"),
    Event.DEVICE_TRUST_ENDED: _("A browser was forgotten"),
    Event.DATA_DOWNLOADED: _("The data of the account were downloaded"),
    Event.DELETION_ASKED: _("The deletion of the account was asked for"),
    Event.DELETION_UNDONE: _("The deletion of the account was undone"),
}
# Worth a second look: they may have been somebody else's doing.
ALARMING = frozenset(
    {Event.SIGN_IN_FAILED, Event.SIGN_IN_LIMITED, Event.FACTOR_FAILED, Event.FACTOR_LIMITED, Event.CODE_REPLAYED}
    | {Event.PASSKEY_COPIED, Event.REFRESH_TOKEN_REPLAYED, Event.SIGN_UP_OF_KNOWN_EMAIL, Event.EMAIL_LOST}
    | {Event.FACTORS_RESET}
)
# Of what is in `detail`, what is meant for people: why a sign-in failed, which factor it was.
_WORDS: Mapping[str, Any] = {
    "wrong password": _("wrong password"),
    "disabled user": _("the account is locked"),
    "account_disabled": _("the account is locked"),
    Change.TOTP_ADDED.value: _("authenticator app"),
    Change.TOTP_REMOVED.value: _("authenticator app"),
    Change.PASSKEY_ADDED.value: _("passkey"),
    Change.PASSKEY_REMOVED.value: _("passkey"),
    "recovery": _("with the link from a mail"),
    "link": _("with the link from a mail"),
    "email undo": _("with the link from a mail"),
}


def described(row: Mapping[str, Any]) -> dict[str, Any]:
    """An event for the page: its sentence, and what more there is to say, such as with which application."""
    event, detail = Event(row["event"]), json.loads(row["detail"])
    found = (_client(row["client_id"]), _upstream(detail), *(_word(detail, name) for name in ("why", "what", "by")))
    said = [text for text in (*found, _name(detail), _tries(detail)) if text]
    if "operator" in detail:
        said.append(gettext("by the operator of this service"))
    return {
        "text": str(SENTENCES[event]),
        "more": said,
        "address": row["address"],
        "is_alarming": event in ALARMING,
    }


def _client(client_id: str | None) -> str | None:
    client = current_server().store.clients.find(client_id) if client_id else None
    return client.name if client is not None else client_id


def _upstream(detail: Mapping[str, Any]) -> str | None:
    name = detail.get("upstream")
    connection = current_upstreams().find(name) if isinstance(name, str) else None
    return connection.label if connection is not None else name


def _word(detail: Mapping[str, Any], name: str) -> str | None:
    value = detail.get(name)
    return str(_WORDS[value]) if isinstance(value, str) and value in _WORDS else None


def _name(detail: Mapping[str, Any]) -> str | None:
    """Of a passkey."""
    name = detail.get("name")
    return name if isinstance(name, str) else None


def _tries(detail: Mapping[str, Any]) -> str | None:
    tries = detail.get("tries")
    return ngettext("%(num)d try", "%(num)d tries", tries) if isinstance(tries, int) else None
