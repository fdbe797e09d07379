"""Cloudflare Turnstile: developers.cloudflare.com/turnstile, on validation, Content-Security-Policy and testing."""

from idp.captcha.vendor import Vendor, has_our_host, is_for_this_place, is_recent

_HOST = ("https://challenges.cloudflare.com",)

CAPTCHA = Vendor(
    kind="turnstile",
    field="cf-turnstile-response",
    script="https://challenges.cloudflare.com/turnstile/v0/api.js",
    sources=dict.fromkeys(("script-src", "frame-src"), _HOST),
    verify_url="https://challenges.cloudflare.com/turnstile/v0/siteverify",
    css_class="cf-turnstile",
    test_secrets=frozenset(f"{digit}x0000000000000000000000000000000AA" for digit in "123"),
    rules=(has_our_host, is_recent, is_for_this_place),
)
