"""Reading profiles that others write: only texts of a sensible length, only pictures over https, only plain truths."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

MAX_TEXT_LENGTH = 200
MAX_URL_LENGTH = 2048
MAX_EMAIL_LENGTH = 320
NAMES = ("name", "given_name", "family_name", "middle_name", "nickname")


def read_text(value: object) -> str | None:
    """A printable text without space around; None for anything else."""
    if not isinstance(value, str) or not value.strip():
        return None
    text = value.strip()
    return text if len(text) <= MAX_TEXT_LENGTH and text.isprintable() else None


def read_email(value: object) -> str | None:
    """Something that looks like one address."""
    if not isinstance(value, str) or len(value) > MAX_EMAIL_LENGTH or not value.isprintable() or " " in value:
        return None
    local, at, domain = value.rpartition("@")
    return value if at and local and "@" not in local and "." in domain.strip(".") else None


def read_https_url(value: object) -> str | None:
    if not isinstance(value, str) or len(value) > MAX_URL_LENGTH or not value.isprintable() or " " in value:
        return None
    try:
        parts = urlsplit(value)
    except ValueError:
        return None
    return value if parts.scheme == "https" and parts.hostname else None


def is_true(value: object) -> bool:
    """Some providers write booleans as words (Apple: "true"; Microsoft: "1")."""
    return value is True or value == 1 or (isinstance(value, str) and value.lower() in {"true", "1"})


def read_claims(source: Mapping[str, Any]) -> dict[str, Any]:
    """The standard claims of a person (Core §5.1) that have a usable value, without those that reveal more."""
    claims: dict[str, Any] = {name: text for name in NAMES if (text := read_text(source.get(name)))}
    if picture := read_https_url(source.get("picture")):
        claims["picture"] = picture
    locale = read_text(source.get("locale"))
    if locale is not None and len(locale) <= 35:  # RFC 5646 §4.4.1
        claims["locale"] = locale
    return claims


def read_names(*candidates: object) -> tuple[str, ...]:
    """What a user name may be made of."""
    return tuple(text for candidate in candidates if (text := read_text(candidate)))
