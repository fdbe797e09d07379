"""hCaptcha: docs.hcaptcha.com, sections on verification, Content-Security-Policy and test keys."""

from idp.captcha.vendor import Vendor

_HOSTS = ("https://hcaptcha.com", "https://*.hcaptcha.com")

CAPTCHA = Vendor(
    kind="hcaptcha",
    field="h-captcha-response",
    script="https://js.hcaptcha.com/1/api.js?hl={language}&recaptchacompat=off",
    sources=dict.fromkeys(("script-src", "frame-src", "style-src", "connect-src"), _HOSTS),
    verify_url="https://api.hcaptcha.com/siteverify",
    css_class="h-captcha",
    test_secrets=frozenset({"0x0000000000000000000000000000000000000000"}),
    names_site=True,
)
