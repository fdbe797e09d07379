"""One row of an import becomes one person, or a reason why not.

Owns how values are understood: dates, yes and no, roles, user ids. A reason never repeats a value: a mapping may be
wrong, and the value be a password.
"""

import hashlib
import json
import re
from base64 import b32encode
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import Any

from idp.accounts.password_hashes import UnusableHash, check_hash
from idp.cli.command import Refused
from idp.cli.import_mapping import ADDRESS_MEMBERS, IDENTITY, TEXT_CLAIMS, ColumnMapping
from idp.cli.user_options import check_email, check_roles, check_username
from idp.protocol.names import USER_ID_PREFIX
from idp.store.database import is_storable

_YES, _NO = frozenset({"1", "true", "yes", "y", "t", "on"}), frozenset({"0", "false", "no", "n", "f", "off"})
_BIRTHDATE = re.compile(r"\d{4}(-\d{2}-\d{2})?")  # OpenID Connect Core §5.1
_MILLISECONDS_FROM = 100_000_000_000
MAX_TEXT = 1000


class RowRefused(Exception):
    """Why a row is not imported; one sentence without any value of the row."""


@dataclass(frozen=True, slots=True)
class Person:
    """What a row says. None, or an empty value, where it says nothing."""

    external_id: str | None
    user_id: str | None
    username: str | None
    email: str | None
    email_verified: bool
    phone_number: str | None
    phone_number_verified: bool
    profile: Mapping[str, Any]
    roles: tuple[str, ...] | None
    password_hash: str | None
    created_at: int | None
    is_disabled: bool
    identities: Mapping[str, str] = field(default_factory=dict)  # connection → id of the account there


def load_person(record: Mapping[str, Any], mapping: ColumnMapping) -> Person:
    """Raises RowRefused."""
    values = mapping.values(record)
    username, email = _text(values, "username", 64), _text(values, "email", 254)
    identities = _identities(values)
    _check_names(username, email, identities)
    external_id = _text(values, "external_id", 255)
    return Person(
        external_id=external_id,
        user_id=None if external_id is None else derive_user_id(mapping.namespace, external_id),
        username=username,
        email=email,
        email_verified=email is not None and _truth(values, "email_verified"),
        phone_number=_text(values, "phone_number", 64),
        phone_number_verified="phone_number" in values and _truth(values, "phone_number_verified"),
        profile=_profile(values, mapping),
        roles=_roles(values, mapping),
        password_hash=_password_hash(values),
        created_at=_moment(values, mapping),
        is_disabled=_truth(values, "disabled"),
        identities=identities,
    )


def derive_user_id(namespace: str, external_id: str) -> str:
    """The user id (`sub`) of an external id, always the same: the first 16 bytes of SHA-256 over both, in base32."""
    digest = hashlib.sha256(f"{namespace}\0{external_id}".encode()).digest()[:16]
    return USER_ID_PREFIX + b32encode(digest).decode("ascii").rstrip("=").lower()


def _check_names(username: str | None, email: str | None, identities: Mapping[str, str]) -> None:
    if username is None and email is None and not identities:
        raise RowRefused("There is neither a user name nor an e-mail.")
    try:
        if username is not None:
            check_username(username)
    except Refused as refused:
        raise RowRefused(refused.message) from None
    try:
        if email is not None:
            check_email(email)
    except Refused:
        raise RowRefused("The e-mail is not an e-mail address.") from None


def _text(values: Mapping[str, Any], name: str, longest: int = MAX_TEXT) -> str | None:
    value = values.get(name)
    if isinstance(value, bytes):
        value = value.decode("utf-8", "surrogateescape")
    if isinstance(value, dict | list):
        raise RowRefused(f"{name} is not a text.")
    text = "" if value is None else str(value).strip()
    if len(text) > longest:
        raise RowRefused(f"{name} has more than {longest} characters.")
    if not is_storable(text):
        raise RowRefused(f"{name} has characters that cannot be stored, or is not UTF-8.")
    return text or None


def _identities(values: Mapping[str, Any]) -> dict[str, str]:
    names = [name for name in values if name.startswith(IDENTITY)]
    found = {name.removeprefix(IDENTITY): _text(values, name, 255) for name in names}
    return {name: subject for name, subject in found.items() if subject is not None}


def _truth(values: Mapping[str, Any], name: str) -> bool:
    """Yes or no; a time means yes, for columns that say since when."""
    value = values.get(name)
    if isinstance(value, bool | int) or value is None:
        return bool(value)
    if isinstance(value, date):
        return True
    if isinstance(value, bytes) and value in (b"\0", b"\1"):  # BIT(1) of MariaDB
        return value == b"\1"
    text = (_text(values, name) or "").lower()
    if text in _YES or text in _NO or not text:
        return text in _YES
    try:
        datetime.fromisoformat(text)
    except ValueError:
        raise RowRefused(f"{name} is neither yes nor no.") from None
    return True


def _profile(values: Mapping[str, Any], mapping: ColumnMapping) -> dict[str, Any]:
    texts = {name: _text(values, name) for name in TEXT_CLAIMS if name != "birthdate"}
    profile: dict[str, Any] = {name: text for name, text in texts.items() if text}
    names = [profile[part] for part in ("given_name", "family_name") if part in profile]
    if names and "name" not in profile:
        profile["name"] = " ".join(names)
    birthdate = _birthdate(values, mapping)
    if birthdate:
        profile["birthdate"] = birthdate
    members = {member: _text(values, f"address.{member}") for member in ADDRESS_MEMBERS}
    address = {member: text for member, text in members.items() if text}
    return profile | ({"address": address} if address else {})


def _birthdate(values: Mapping[str, Any], mapping: ColumnMapping) -> str | None:
    value = values.get("birthdate")
    if isinstance(value, date):
        return f"{value:%Y-%m-%d}"
    text = _text(values, "birthdate")
    if text is None:
        return None
    try:
        if "birthdate" in mapping.formats:
            return datetime.strptime(text, mapping.formats["birthdate"]).strftime("%Y-%m-%d")
        day = text[:10] if text[10:11] in {"T", " "} else text
        if not _BIRTHDATE.fullmatch(day):
            raise ValueError
        if len(day) > 4 and not day.startswith("0000"):
            date.fromisoformat(day)
    except ValueError:
        raise RowRefused("birthdate is not a date; the mapping's [formats] can say how it is written.") from None
    return day


def _moment(values: Mapping[str, Any], mapping: ColumnMapping) -> int | None:
    """`created_at` in seconds since the epoch; a time without a zone is UTC."""
    value = values.get("created_at")
    if value is None:
        return None
    try:
        if isinstance(value, datetime):
            when = value
        elif isinstance(value, date):
            when = datetime(value.year, value.month, value.day, tzinfo=UTC)
        elif re.fullmatch(r"\d{1,15}(\.\d+)?", str(value)):
            seconds = float(str(value))
            return int(seconds / 1000 if seconds >= _MILLISECONDS_FROM else seconds)
        elif "created_at" in mapping.formats:
            when = datetime.strptime(str(value).strip(), mapping.formats["created_at"])
        else:
            when = datetime.fromisoformat(str(value).strip())
        return max(0, int((when if when.tzinfo else when.replace(tzinfo=UTC)).timestamp()))
    except (ValueError, OverflowError):
        raise RowRefused("created_at is not a time; the mapping's [formats] can say how it is written.") from None


def _roles(values: Mapping[str, Any], mapping: ColumnMapping) -> tuple[str, ...] | None:
    """A list, a JSON array, or words with commas, semicolons or spaces between them."""
    if "roles" not in values:
        return None
    found = values["roles"]
    if not isinstance(found, list):
        text = _text(values, "roles") or ""
        try:
            found = json.loads(text) if text.startswith("[") else None
        except ValueError:
            found = None
        if not isinstance(found, list):
            between = mapping.formats.get("roles")
            found = [part.strip() for part in (text.split(between) if between else re.split(r"[,;\s]+", text))]
    roles = tuple(dict.fromkeys(str(role) for role in found if role))
    try:
        check_roles(roles)
    except Refused as refused:
        raise RowRefused(refused.message) from None
    if not all(map(is_storable, roles)):
        raise RowRefused("roles has characters that cannot be stored, or is not UTF-8.")
    return roles


def _password_hash(values: Mapping[str, Any]) -> str | None:
    password_hash = _text(values, "password_hash")
    if password_hash is not None:
        try:
            check_hash(password_hash, _text(values, "scheme"))
        except UnusableHash as error:
            raise RowRefused(str(error)) from None
    return password_hash
