"""Google reCAPTCHA v3: nothing to tick, a score from 0 to 1. developers.google.com/recaptcha/docs/v3."""

from idp.captcha.plug import Asked
from idp.captcha.recaptcha_v2 import FIELD, SOURCES, VERIFY_URL
from idp.captcha.vendor import Answer, Vendor, has_our_host, is_for_this_place, is_recent
from idp.settings import Settings


def has_score(settings: Settings, _asked: Asked, answer: Answer) -> str | None:
    """An answer without a score or an action comes from another kind of key."""
    score = answer.get("score")
    if isinstance(score, bool) or not isinstance(score, int | float):
        return "without a score"
    if not answer.get("action"):
        return "without an action"
    return None if score >= settings.captcha_min_score else f"score {score:.2f}"


CAPTCHA = Vendor(
    kind="recaptcha_v3",
    field=FIELD,
    script="https://www.google.com/recaptcha/api.js?render={site_key}&hl={language}",
    sources=SOURCES,
    verify_url=VERIFY_URL,
    rules=(has_our_host, is_recent, is_for_this_place, has_score),
    is_posted_by_us=True,
)
