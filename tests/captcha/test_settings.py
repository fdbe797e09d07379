"""What settings of a CAPTCHA are refused, each with one sentence."""

import pytest

from idp.settings import ConfigurationError, load_settings

VENDOR = {"IDP_CAPTCHA": "turnstile", "IDP_CAPTCHA_SITE_KEY": "0xsite", "IDP_CAPTCHA_SECRET_KEY": "0xsecret"}
PRODUCTION = {
    "IDP_ENV": "production",
    "IDP_ISSUER": "https://id.example.com",
    "IDP_SECRET_KEY": "kq8Zt0b7Wc3Xr5Yv1Nn4Pm6Ls9Jd2HfGaEi",
    "IDP_SMTP_HOST": "mail.example.com",
}


def problems_with(**variables: str) -> list[str]:
    try:
        load_settings({"IDP_SECRET_KEY": PRODUCTION["IDP_SECRET_KEY"], **variables}, None)
    except ConfigurationError as error:
        return error.problems
    return []


@pytest.mark.parametrize("kind", ["recaptcha_v2", "recaptcha_v3", "hcaptcha", "turnstile"])
def test_a_vendor_needs_both_keys(kind: str) -> None:
    missing = f"is missing; IDP_CAPTCHA={kind} needs the keys that the vendor gave."
    assert problems_with(IDP_CAPTCHA=kind) == [f"IDP_CAPTCHA_SITE_KEY {missing}", f"IDP_CAPTCHA_SECRET_KEY {missing}"]
    assert problems_with(**VENDOR | {"IDP_CAPTCHA": kind}) == []


@pytest.mark.parametrize("kind", ["none", "proof_of_work"])
def test_the_built_in_one_needs_no_keys(kind: str) -> None:
    assert problems_with(IDP_CAPTCHA=kind) == []


@pytest.mark.parametrize("key", ["a b", "a'b", "<a>", "a&b", "ä"])
def test_a_key_that_could_break_out_of_the_page_is_refused(key: str) -> None:
    assert problems_with(**VENDOR | {"IDP_CAPTCHA_SITE_KEY": key}) == [
        "IDP_CAPTCHA_SITE_KEY is not a key: it holds characters that no key has."
    ]


def test_an_unknown_place_is_named() -> None:
    found = problems_with(IDP_CAPTCHA_ON="sign_in, signup")
    assert found == ["IDP_CAPTCHA_ON has signup, which is none of sign_in, sign_up, recovery, failures."]


@pytest.mark.parametrize("url", ["siteverify", "ftp://x.example/", "https://u:p@x.example/", "https://x.example/#a"])
def test_a_verify_url_is_an_address(url: str) -> None:
    [problem] = problems_with(**VENDOR | {"IDP_CAPTCHA_VERIFY_URL": url})
    assert problem.startswith("IDP_CAPTCHA_VERIFY_URL must be an address")


@pytest.mark.parametrize(
    "secret",
    [
        "6LeIxAcTAAAAAGG-vFI1TnRWxMZNFuojJ4WifJWe",
        "0x0000000000000000000000000000000000000000",
        "1x0000000000000000000000000000000AA",
    ],
)
def test_production_refuses_the_published_test_keys(secret: str) -> None:
    assert problems_with(**PRODUCTION, **VENDOR) == []
    [problem] = problems_with(**PRODUCTION, **VENDOR | {"IDP_CAPTCHA_SECRET_KEY": secret})
    assert "published test key" in problem
    assert secret not in problem


def test_production_sends_the_secret_over_https_or_within_the_machine_alone() -> None:
    [problem] = problems_with(**PRODUCTION, **VENDOR, IDP_CAPTCHA_VERIFY_URL="http://captcha.example.com/siteverify")
    assert "production needs https" in problem
    assert problems_with(**PRODUCTION, **VENDOR, IDP_CAPTCHA_VERIFY_URL="http://127.0.0.1:9000/siteverify") == []
