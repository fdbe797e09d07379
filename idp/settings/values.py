"""The kinds of value that settings have: how each is written in an environment variable, and what is refused.

Owns the checks of URLs (OpenID Connect Discovery §3 for issuers) and the wording of what is wrong with a value.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar
from urllib.parse import SplitResult, urlsplit

from pydantic import AfterValidator, BaseModel, BeforeValidator, Field, ValidationError
from pydantic.config import JsonDict
from pydantic.fields import FieldInfo
from pydantic_settings import NoDecode

LOOPBACK_HOSTS = frozenset({"localhost", "127.0.0.1", "::1"})
Model = TypeVar("Model", bound=BaseModel)


def setting(default: Any, description: str, *, group: str, secret: bool = False, **constraints: Any) -> Any:
    """A field with what the documents say of it; its default is `...` when it must be given. Secrets have no repr."""
    extra: JsonDict = {"group": group, "secret": secret}
    return Field(
        default=default,
        description=description,
        json_schema_extra=extra,
        validate_default=True,
        repr=not secret,
        **constraints,
    )


def holds_secret(field: FieldInfo) -> bool:
    extra = field.json_schema_extra
    return isinstance(extra, dict) and extra["secret"] is True


def validated(model: type[Model], values: Mapping[str, Any]) -> tuple[Model | None, dict[str, str]]:
    """The model without its wrong values, where that is possible, and what is wrong with each, by field name.

    Nothing of a value is repeated, since it may be secret.
    """
    try:
        return model(**values), {}
    except ValidationError as error:
        wrong = {str(item["loc"][0]): _as_clause(item["msg"]) for item in error.errors()}
    try:
        return model(**{name: value for name, value in values.items() if name not in wrong}), wrong
    except ValidationError:
        return None, wrong


def _as_clause(message: str) -> str:
    message = message.removeprefix("Value error, ")
    return message[0].lower() + message[1:]


def _split(value: Any) -> Any:
    """A list setting is written with commas or white space between its items."""
    return tuple(value.replace(",", " ").split()) if isinstance(value, str) else value


def blank_is_none(value: Any) -> Any:
    return None if isinstance(value, str) and not value.strip() else value


def _stripped(value: Any) -> Any:
    return value.strip() if isinstance(value, str) else value


def _with_line_breaks(value: Any) -> Any:
    r"""Many places that keep variables allow one line only: PEM is written there with `\n` between its lines."""
    return value.replace("\\n", "\n").strip() if isinstance(value, str) else value


SIGN_UP_FIELDS = ("given_name", "family_name", "username", "email", "phone_number")


def _check_sign_up_fields(value: tuple[str, ...]) -> tuple[str, ...]:
    names = [word.removesuffix("?") for word in value]
    wrong = [name for name in names if name not in SIGN_UP_FIELDS]
    if wrong:
        raise ValueError(f"has {wrong[0]}, which is none of {', '.join(SIGN_UP_FIELDS)}")
    if len(set(names)) != len(names):
        raise ValueError("names a field twice")
    if "email" not in value:
        raise ValueError("must contain email, and not as an optional field: the address is confirmed by a mail")
    return value


def _check_issuer(value: str) -> str:
    """OpenID Connect Discovery §3: a URL with scheme, host and optional path; no query, no fragment."""
    parts = urlsplit(value)
    if parts.scheme not in {"http", "https"} or not parts.hostname or parts.query or parts.fragment or parts.username:
        raise ValueError("must be a URL such as https://id.example.com, without query or fragment")
    if value.endswith("/"):
        raise ValueError("must not end with a slash, because clients compare it byte for byte")
    return value


MAX_UPSTREAM_ISSUER_LENGTH = 255  # a link is found by it


def _check_upstream_issuer(value: str) -> str:
    """OpenID Connect Discovery §3: https, no query, no fragment. What the provider writes is kept byte for byte."""
    parts = _split_url(value)
    if parts is None or not (parts.scheme == "https" or _is_loopback_http(parts)):
        raise ValueError(
            "must be an https URL such as https://id.example.com, without query or fragment; http is only for "
            "localhost, 127.0.0.1 and [::1]"
        )
    if len(value) > MAX_UPSTREAM_ISSUER_LENGTH:
        raise ValueError(f"must have at most {MAX_UPSTREAM_ISSUER_LENGTH} characters")
    return value


def _check_loopback_origin(value: str) -> str:
    parts = _split_url(value)
    if parts is None or parts.hostname not in LOOPBACK_HOSTS or parts.path:
        raise ValueError(
            "must be the address of a stand-in on this machine (localhost, 127.0.0.1 or [::1]), without a path or a "
            "slash at its end, such as http://127.0.0.1:8101"
        )
    return value


def _check_redis_url(value: str | None) -> str | None:
    """The forms that redis-py takes; it refuses others with a stack trace, and only when it connects."""
    if value is not None and not _is_redis_url(value):
        raise ValueError("must be a URL such as redis://127.0.0.1:6379/0 (rediss:// with TLS, or unix://)")
    return value


def _is_redis_url(value: str) -> bool:
    try:
        parts = urlsplit(value)
        has_port = parts.port != 0
    except ValueError:  # a port that is no number, a bracket without its other
        return False
    if parts.scheme == "unix":
        return bool(parts.path)
    number = parts.path.strip("/")
    return (
        parts.scheme in {"redis", "rediss"} and bool(parts.hostname) and has_port and (not number or number.isdecimal())
    )


def _split_url(value: str) -> SplitResult | None:
    """The parts of an http(s) URL of host, port and path alone, or None. `urlsplit` drops line breaks; we refuse."""
    if not value.isascii() or not value.isprintable() or set(value) & set(" ?#@\\"):
        return None
    try:
        parts = urlsplit(value)
        is_sound = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:  # a port that is no number, a bracket without its other
        return None
    return parts if is_sound else None


def _is_loopback_http(parts: SplitResult) -> bool:
    return parts.scheme == "http" and parts.hostname in LOOPBACK_HOSTS


Words = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_split)]
SignUpFields = Annotated[Words, AfterValidator(_check_sign_up_fields)]
Text = Annotated[str, BeforeValidator(_stripped)]
OptionalText = Annotated[str | None, BeforeValidator(blank_is_none), BeforeValidator(_stripped)]
OptionalPem = Annotated[str | None, BeforeValidator(blank_is_none), BeforeValidator(_with_line_breaks)]
OptionalPath = Annotated[Path | None, BeforeValidator(blank_is_none)]
RedisUrl = Annotated[OptionalText, AfterValidator(_check_redis_url)]
Issuer = Annotated[str, AfterValidator(_check_issuer)]
UpstreamIssuer = Annotated[str, AfterValidator(_check_upstream_issuer)]
LoopbackOrigin = Annotated[str, AfterValidator(_check_loopback_origin)]
Seconds = Annotated[int, Field(ge=0)]
PositiveSeconds = Annotated[int, Field(gt=0)]
SigningAlg = Literal["RS256", "PS256", "ES256", "EdDSA"]
SigningAlgs = Annotated[tuple[SigningAlg, ...], NoDecode, BeforeValidator(_split)]
