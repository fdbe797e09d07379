"""What the running request had sent, as the flow inspector may keep it.

The names that a specification gives, each value that is public by its nature, and of any other no more than its length.
"""

import json
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

from flask import request
from werkzeug.exceptions import HTTPException

from idp.client_auth.presented import read_presented
from idp.protocol.client import Client
from idp.protocol.errors import OAuthError
from idp.protocol.findings import measured, shown, shown_scheme, shown_uri
from idp.protocol.names import KNOWN_PARAMETERS
from idp.protocol.params import Params, is_clean

_URIS = ("redirect_uri", "post_logout_redirect_uri")
_PUBLIC = frozenset(
    {"client_id", "response_type", "response_mode", "scope", "prompt", "max_age", "display", "ui_locales"}
    | {"acr_values", "code_challenge_method", "grant_type", "resource", "client_assertion_type", "token_type_hint"}
    | {"error", "iss", *_URIS}
)
_OTHERS = frozenset(
    {"code", "code_verifier", "refresh_token", "client_secret", "client_assertion", "token", "access_token"}
    | {"logout_hint", "interaction", "user"}
)
_NAMES = KNOWN_PARAMETERS | _PUBLIC | _OTHERS
MIN_SECRET_LENGTH = 8  # what is shorter is found in any sentence
MAX_TIMES = 2  # so often a parameter is shown that came more often
MAX_VALUE = 300
MAX_SENT = 4096  # of all that was sent, as it is stored: beyond that the lengths alone
MAX_TEXT = 3000  # of any one text in what is kept, as it is stored


def claimed_client_id() -> str | None:
    """The client that the request says it comes from; nothing of it proved."""
    params = Params(_pairs())
    try:
        claimed = read_presented(params, request.headers.get("Authorization"), "").client_id
    except OAuthError:
        claimed = params.get("client_id", "")
    return claimed if claimed and is_clean(claimed) else None


def sent_values(client: Client | None) -> dict[str, str]:
    """Name → what may be shown of its value. Names that no specification knows are only counted, as `others`; so are
    the repetitions of a name beyond MAX_TIMES, and of what is beyond MAX_SENT only the lengths are told."""
    found: dict[str, str] = {}
    left = MAX_SENT
    others = 0
    for name, values in _by_name().items():
        if name not in _NAMES:
            others += len(values)
            continue
        text = " and again ".join(_cut(_shown_value(name, value, client)) for value in values[:MAX_TIMES])
        left -= _stored_length(text)
        more = len(values) - MAX_TIMES
        found[name] = (text if left >= 0 else measured(values[0])) + (f" and {more} times more" if more > 0 else "")
    scheme, _, credential = request.headers.get("Authorization", "").partition(" ")
    if credential:
        found["Authorization"] = f"{shown_scheme(scheme)} {measured(credential)}"
    if others:
        found["others"] = str(others)
    return found


def _by_name() -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for name, value in _pairs():
        found.setdefault(name, []).append(value)
    return found


def _cut(text: str) -> str:
    return text if len(text) <= MAX_VALUE else text[: MAX_VALUE - 1] + "…"


def _stored_length(text: str) -> int:
    """What a text takes in the database at most: there may be reasons to write all but ASCII as escapes."""
    return len(json.dumps(text))


def without_secrets(value: Any) -> Any:
    """The same JSON without any secret that this request had sent, whatever else it was taken for: the last net. No
    text in it is longer than MAX_TEXT as stored."""
    beginnings = {text[at : at + MIN_SECRET_LENGTH] for text in _texts(value) for at in range(len(text))}
    secrets = {secret for secret in _secrets() if secret[:MIN_SECRET_LENGTH] in beginnings}
    return _cleaned(value, sorted(secrets, key=len, reverse=True))


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list | tuple):
        for inner in value.values() if isinstance(value, dict) else value:
            yield from _texts(inner)


def _cleaned(value: Any, secrets: list[str]) -> Any:
    if isinstance(value, dict):
        return {name: _cleaned(inner, secrets) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_cleaned(inner, secrets) for inner in value]
    if isinstance(value, str):
        for secret in secrets:
            value = value.replace(secret, "…")
        if _stored_length(value) > MAX_TEXT:
            return value[: MAX_TEXT // 12] + "…"
    return value


def _shown_value(name: str, value: str, client: Client | None) -> str:
    if name == "client_id" and client is not None and value == client.client_id:
        return value
    if name in _URIS:
        registered = () if client is None else (*client.redirect_uris, *client.post_logout_redirect_uris)
        return shown_uri(value, registered)
    return shown(value) if name in _PUBLIC else measured(value)


def _secrets() -> Iterator[str]:
    """Every value that the request carried and that is not public by its nature."""
    header = request.headers.get("Authorization", "")
    values = [value for name, value in _pairs() if name not in _PUBLIC] + list(request.cookies.values())
    values += [header, header.partition(" ")[2].strip()]
    with suppress(OAuthError):  # of a Basic header that cannot be read, the whole is in the list
        values.append(read_presented(Params(()), header or None, "").credential)
    yield from (value for value in values if len(value) >= MIN_SECRET_LENGTH)


def _pairs() -> list[tuple[str, str]]:
    """Query and body; nothing where they cannot be read."""
    pairs = list(request.args.items(multi=True))
    try:
        return pairs + list(request.form.items(multi=True))
    except (HTTPException, ValueError):
        return pairs
