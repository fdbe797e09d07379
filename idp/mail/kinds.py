"""TEMPLATES: every mail there is, the variables it is given, and how long it is worth delivering."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

NOTICE_SECONDS = 2 * 86_400  # how long a notice that something happened is worth delivering
LONGEST_SECONDS = 4 * 86_400  # when a mail is given up at the latest (RFC 5321 §4.5.4.1)
_UNITS = {"minutes": 60, "days": 86_400}


@dataclass(frozen=True, slots=True)
class Kind:
    """`ends_with`: the variable (`minutes`, `days`) that says how long what the mail offers is good."""

    variables: tuple[str, ...]
    ends_with: str | None = None

    def lifetime(self, variables: Mapping[str, Any]) -> int:
        """Seconds after which the mail is of no use any more, and is not sent."""
        if self.ends_with is None:
            return NOTICE_SECONDS
        return min(int(variables[self.ends_with]) * _UNITS[self.ends_with], LONGEST_SECONDS)


# `when` is in seconds since the epoch. `name`, `inviter`, `address`, `user_agent` and `undo_url` may be None or empty.
# `what` is a key of templates/mail/_what.txt.
# `how_far` they got: `nowhere`, `password` (right, but the second factor was not), `in`.
TEMPLATES: Mapping[str, Kind] = {
    "verify_email": Kind(("name", "url", "code", "minutes"), "minutes"),
    "account_exists": Kind(("name", "sign_in_url", "recover_url")),
    "invitation": Kind(("inviter", "url", "days"), "days"),
    "password_reset": Kind(("name", "url", "minutes"), "minutes"),
    "password_changed": Kind(("name", "when", "address", "recover_url")),
    "email_change": Kind(("name", "url", "code", "new_email", "minutes"), "minutes"),
    "email_changed": Kind(("name", "new_email_masked", "undo_url", "days"), "days"),
    "factor_changed": Kind(("name", "what", "when", "address", "account_url")),
    "new_sign_in": Kind(("name", "when", "address", "user_agent", "account_url")),
    "suspicious_sign_in": Kind(("name", "when", "address", "tries", "how_far", "recover_url")),
    "account_deletion": Kind(("name", "when", "undo_url")),
    "identity_linked": Kind(("name", "provider", "when", "account_url")),
    "test": Kind(()),
}
