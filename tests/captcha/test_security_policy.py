"""The Content-Security-Policy names what a CAPTCHA needs, on the pages that show it and on no other."""

import pytest
import requests

from idp.settings import Settings
from tests.captcha.conftest import Asking
from tests.support.relying_party import TIMEOUT, Browser

WITHOUT = {
    "default-src": "'none'",
    "script-src": "'self'",
    "style-src": "'self'",
    "img-src": "'self' https: http:",
    "base-uri": "'none'",
    "frame-ancestors": "'none'",
    "form-action": "'self'",
}
GOOGLE = {
    "script-src": "'self' https://www.google.com/recaptcha/ https://www.gstatic.com/recaptcha/",
    "frame-src": "https://www.google.com/recaptcha/ https://recaptcha.google.com/recaptcha/",
    "connect-src": "https://www.google.com/recaptcha/",
}
HCAPTCHA = "https://hcaptcha.com https://*.hcaptcha.com"
NEEDS = {
    "recaptcha_v2": GOOGLE,
    "recaptcha_v3": GOOGLE,
    "hcaptcha": {
        "script-src": f"'self' {HCAPTCHA}",
        "style-src": f"'self' {HCAPTCHA}",
        "frame-src": HCAPTCHA,
        "connect-src": HCAPTCHA,
    },
    "turnstile": {
        "script-src": "'self' https://challenges.cloudflare.com",
        "frame-src": "https://challenges.cloudflare.com",
    },
    "proof_of_work": {"worker-src": "'self'"},
}
SCRIPTS = {
    "recaptcha_v2": "https://www.google.com/recaptcha/api.js?hl=fr",
    "recaptcha_v3": "https://www.google.com/recaptcha/api.js?render=sandbox-captcha-site-key&hl=fr",
    "hcaptcha": "https://js.hcaptcha.com/1/api.js?hl=fr&recaptchacompat=off",
    "turnstile": "https://challenges.cloudflare.com/turnstile/v0/api.js",
}

every_captcha = pytest.mark.parametrize("kind", NEEDS)


def policy_of(response: requests.Response) -> dict[str, str]:
    directives = [each.strip().partition(" ") for each in response.headers["Content-Security-Policy"].split(";")]
    named = [name for name, _, _ in directives]
    assert len(named) == len(set(named)), "of a directive that is named twice, browsers take the first"
    return {name: sources for name, _, sources in directives}


@pytest.mark.asvs("3.4.3")
@every_captcha
def test_the_page_with_the_captcha_may_load_what_it_needs_and_nothing_else(asking: Asking, kind: str) -> None:
    response = Browser(asking(kind)).get("/login")
    assert policy_of(response) == WITHOUT | NEEDS[kind]


@pytest.mark.asvs("3.4.3")
@every_captcha
def test_every_other_page_keeps_the_strict_policy(asking: Asking, kind: str) -> None:
    server = asking(kind)
    Browser(server).get("/login")
    for path in ("/", "/nowhere", "/login?interaction=gone"):
        assert policy_of(requests.get(server.url(path), timeout=TIMEOUT)) == WITHOUT


@pytest.mark.parametrize("kind", SCRIPTS)
def test_the_vendors_script_comes_in_the_persons_language(asking: Asking, kind: str) -> None:
    page = Browser(asking(kind)).open("/login?lang=fr")
    found = [str(tag["src"]) for tag in page.soup.select("script[src^='https:']")]
    assert found == [SCRIPTS[kind]]
    assert page.soup.select("script:not([src])") == []


def test_a_page_that_asks_for_nothing_loads_nothing_from_elsewhere(asking: Asking) -> None:
    page = Browser(asking("turnstile", captcha_on="sign_up")).open("/login")
    assert page.soup.find(id="captcha") is None
    assert page.soup.select("script[src^='https:']") == []
    assert policy_of(page.response) == WITHOUT


def test_every_kind_that_can_be_set_is_in_the_table() -> None:
    from typing import get_args

    from idp.captcha import CAPTCHAS

    assert {*CAPTCHAS, "none"} == set(get_args(Settings.model_fields["captcha"].annotation))
