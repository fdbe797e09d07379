"""What settings of a CAPTCHA must go together: a vendor has keys, a place exists, real people never get a test key."""

from collections.abc import Iterator
from urllib.parse import urlsplit

from idp.settings.fields import Settings
from idp.settings.values import LOOPBACK_HOSTS

PLACES = ("sign_in", "sign_up", "recovery", "failures")
# The secrets that vendors publish for tests: with one of them, every answer of anybody is right.
TEST_SECRETS = frozenset(
    {
        "6LeIxAcTAAAAAGG-vFI1TnRWxMZNFuojJ4WifJWe",  # reCAPTCHA v2
        "0x0000000000000000000000000000000000000000",  # hCaptcha
        *(f"{digit}x0000000000000000000000000000000AA" for digit in "123"),  # Turnstile
    }
)
_WITHOUT_KEYS = frozenset({"none", "proof_of_work"})


def captcha_problems(settings: Settings) -> list[str]:
    """One sentence for each thing to mend."""
    return [*_place_problems(settings), *_key_problems(settings), *_address_problems(settings)]


def _place_problems(settings: Settings) -> Iterator[str]:
    for place in settings.captcha_on:
        if place not in PLACES:
            yield f"IDP_CAPTCHA_ON has {place}, which is none of {', '.join(PLACES)}."


def _key_problems(settings: Settings) -> Iterator[str]:
    if settings.captcha in _WITHOUT_KEYS:
        return
    for name in ("captcha_site_key", "captcha_secret_key"):
        value = getattr(settings, name)
        if not value:
            yield f"IDP_{name.upper()} is missing; IDP_CAPTCHA={settings.captcha} needs the keys that the vendor gave."
        elif not value.isascii() or not value.isprintable() or set(value) & set(" \"'<>&#?"):
            yield f"IDP_{name.upper()} is not a key: it holds characters that no key has."
    if settings.is_production and settings.captcha_secret_key in TEST_SECRETS:
        yield "IDP_CAPTCHA_SECRET_KEY is a published test key, with which every answer is right; use your own."


def _address_problems(settings: Settings) -> Iterator[str]:
    url = settings.captcha_verify_url
    if url is None:
        return
    try:
        parts = urlsplit(url)
        is_sound = url.isascii() and url.isprintable() and " " not in url and bool(parts.hostname) and parts.port != 0
    except ValueError:
        is_sound = False
    if not is_sound or parts.scheme not in {"http", "https"} or parts.username or parts.fragment:
        yield "IDP_CAPTCHA_VERIFY_URL must be an address such as https://captcha.example.com/siteverify."
    elif settings.is_production and parts.scheme == "http" and parts.hostname not in LOOPBACK_HOSTS:
        yield "IDP_CAPTCHA_VERIFY_URL is an http address, but a secret is sent there; production needs https."
