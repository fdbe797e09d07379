"""The CAPTCHA of a posted form, as a page needs it: one sentence when the form may not be acted on.

Owns the stricter limit that holds while a vendor is down and people are let through (`IDP_CAPTCHA_WHEN_DOWN=open`).
"""

from flask import request
from flask_babel import gettext as _

from idp.accounts.guessing import find_counted
from idp.captcha import Outcome, check_captcha
from idp.captcha.failures import add_failure, count_failures, is_counted
from idp.web.current import current_server, request_time
from idp.web.limits import limited_network, limiter
from idp.web.log import address
from idp.web.trusted_device import device_cookie

FIELD = "captcha"  # the id of the control, and the name under which templates look for its message
LIMIT_WHILE_DOWN = "3 per minute"  # per address and place, in each process unless there is Redis


def find_captcha_error(place: str, *, failures: int = 0) -> dict[str, str | None] | None:
    """What to say of the answer in this form; None when the form may be acted on. Call it once for each form.

    Raises RateLimitExceeded when too many are let through without an answer.
    """
    verdict = check_captcha(current_server(), request.form, place, address(), request_time(), failures=failures)
    if verdict.is_open:
        with limiter.limit(LIMIT_WHILE_DOWN, scope=f"captcha {place}"):
            return None
    return None if verdict else {"field": FIELD, "message": _describe(verdict.outcome)}


def _describe(outcome: Outcome) -> str:
    if outcome is Outcome.MISSING:
        return str(_("Show that you are not a program, then send the form again. This needs JavaScript."))
    if outcome is Outcome.UNAVAILABLE:
        return str(_("We cannot check at the moment that you are not a program. Please try again in a few minutes."))
    return str(_("We could not make sure that you are not a program. Please try once more."))


def known_failures(username: str) -> int:
    """Wrong tries of late, from this network or at this account: for `captcha_for` and `find_captcha_error`."""
    return count_failures(current_server(), _whom(username), request_time())


def note_failure(username: str) -> None:
    add_failure(current_server(), _whom(username), request_time())


def _whom(username: str) -> list[str]:
    """The network, and the account as tries at its password count: what strangers do to it bothers nobody in a browser
    that is known to be theirs."""
    server = current_server()
    if not is_counted(server):
        return []
    name = username.strip()
    counted = [find_counted(server, name, device_cookie(), now=request_time()).key] if name else []
    return [f"network {limited_network()}", *counted]
