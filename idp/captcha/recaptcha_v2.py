"""Google reCAPTCHA v2: the tick box. developers.google.com/recaptcha/docs/display and /verify."""

from idp.captcha.vendor import Vendor

SOURCES = {
    "script-src": ("https://www.google.com/recaptcha/", "https://www.gstatic.com/recaptcha/"),
    "frame-src": ("https://www.google.com/recaptcha/", "https://recaptcha.google.com/recaptcha/"),
    "connect-src": ("https://www.google.com/recaptcha/",),
}
VERIFY_URL = "https://www.google.com/recaptcha/api/siteverify"
FIELD = "g-recaptcha-response"
TEST_SECRETS = frozenset({"6LeIxAcTAAAAAGG-vFI1TnRWxMZNFuojJ4WifJWe"})

CAPTCHA = Vendor(
    kind="recaptcha_v2",
    field=FIELD,
    script="https://www.google.com/recaptcha/api.js?hl={language}",
    sources=SOURCES,
    verify_url=VERIFY_URL,
    css_class="g-recaptcha",
    test_secrets=TEST_SECRETS,
)
