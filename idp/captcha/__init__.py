"""The test that keeps programs out of forms: which one is asked for where, and whether an answer to it is right.

Owns the table of what can be asked (CAPTCHAS) and the rule that every answer counts once. Knows no HTTP of ours: a page
shows the `Widget` and hands over its form.

- `plug`            what every CAPTCHA has: Widget, Verdict
- `vendor`          a CAPTCHA of somebody else, described by a module of its own: `recaptcha_v2`, `recaptcha_v3`,
                    `hcaptcha`, `turnstile`
- `siteverify`      asking a vendor whether an answer is right, through the guard of `idp.outbound`
- `failures`        wrong tries to sign in, as far as they decide whether it is asked for
- `proof_of_work`   the built-in one, which needs nobody else
"""

from collections.abc import Mapping

from idp import audit
from idp.captcha import hcaptcha, proof_of_work, recaptcha_v2, recaptcha_v3, turnstile
from idp.captcha.plug import Asked, Captcha, Outcome, Verdict, Widget
from idp.server import Server
from idp.settings import Settings

__all__ = ["CAPTCHAS", "PLACES", "Outcome", "Verdict", "Widget", "captcha_for", "check_captcha"]

CAPTCHAS: Mapping[str, Captcha] = {
    "recaptcha_v2": recaptcha_v2.CAPTCHA,
    "recaptcha_v3": recaptcha_v3.CAPTCHA,
    "hcaptcha": hcaptcha.CAPTCHA,
    "turnstile": turnstile.CAPTCHA,
    "proof_of_work": proof_of_work.CAPTCHA,
}
PLACES = ("sign_in", "sign_up", "recovery")
_NOTHING = "none"  # what is judged when there is no answer: while a vendor is down, its script gives people none
SPENT = "captcha"  # the kind under which used answers are remembered


def is_asked(settings: Settings, place: str, failures: int = 0) -> bool:
    """Whether a form of this place asks for it; `failures`: wrong tries to sign in that were counted before."""
    if settings.captcha == "none":
        return False
    after_failures = "failures" in settings.captcha_on and failures >= settings.captcha_failures
    return place in settings.captcha_on or (place == "sign_in" and after_failures)


def captcha_for(server: Server, place: str, *, failures: int = 0, now: int | None = None) -> Widget | None:
    """What the form of a place must show, or None where it asks for nothing. `now`: by default the server's clock."""
    settings = server.settings
    if not is_asked(settings, place, failures):
        return None
    return CAPTCHAS[settings.captcha].make_widget(server, place, server.clock() if now is None else now)


def check_captcha(
    server: Server, form: Mapping[str, str], place: str, address: str, now: int, *, failures: int = 0
) -> Verdict:
    """Judge the answer in a form; true when the form may be acted on. Never raises for the sake of a vendor.

    `address`: of the person. An answer counts once, in whichever process or instance it arrives first.
    """
    settings = server.settings
    if not is_asked(settings, place, failures):
        return Verdict(Outcome.NOT_ASKED)
    captcha = CAPTCHAS[settings.captcha]
    answer = form.get(captcha.field, "")
    verdict = captcha.judge(server, Asked(answer or _NOTHING, place, address, now))
    if not answer and verdict.outcome is not Outcome.UNAVAILABLE:
        return Verdict(Outcome.MISSING, "no answer")
    if verdict.outcome is Outcome.PASSED and verdict.spends is not None:
        verdict = _spend(server, verdict, now)
    if verdict.outcome is not Outcome.PASSED:
        _record(server, verdict, place, address, now)
    return verdict


def _spend(server: Server, verdict: Verdict, now: int) -> Verdict:
    key, lifetime = verdict.spends or ("", 0)
    is_new = server.store.ephemeral.put_new(SPENT, f"{server.settings.captcha} {key}", {}, lifetime=lifetime, now=now)
    return verdict if is_new else Verdict(Outcome.FAILED, "used before")


def _record(server: Server, verdict: Verdict, place: str, address: str, now: int) -> None:
    """At most one event a minute for each address, and for a vendor that is down: strangers cause them at will."""
    is_down = verdict.outcome is Outcome.UNAVAILABLE
    event = audit.Event.CAPTCHA_UNAVAILABLE if is_down else audit.Event.CAPTCHA_FAILED
    key = server.settings.captcha if is_down else f"{place} {address}"
    detail = {"captcha": server.settings.captcha, "place": place, "why": verdict.why}
    audit.record_once_a_minute(server, event, key, now=now, **detail)
