"""Passkeys: WebAuthn Level 3 registration (§7.1) and authentication (§7.2), with the issuer's host as RP ID.

A challenge is made without storing anything: it carries its own end and is sealed for one browser, one purpose and one
person; it is marked when it is used, so that it is good once. No attestation is asked for. What is stored is `store`'s;
what the answer means for a session is `second_factor`'s.
"""

import hashlib
import hmac
import json
import secrets
from dataclasses import dataclass
from enum import StrEnum
from ipaddress import ip_address
from typing import Any
from urllib.parse import urlsplit

from webauthn import (
    base64url_to_bytes,
    generate_authentication_options,
    generate_registration_options,
    verify_authentication_response,
    verify_registration_response,
)
from webauthn.helpers import bytes_to_base64url, parse_client_data_json
from webauthn.helpers.options_to_json_dict import options_to_json_dict
from webauthn.helpers.structs import (
    AuthenticatorSelectionCriteria,
    AuthenticatorTransport,
    CredentialDeviceType,
    PublicKeyCredentialDescriptor,
    ResidentKeyRequirement,
    UserVerificationRequirement,
)

from idp.protocol.identity import User
from idp.protocol.redirect_uri import origin_of
from idp.server import Server
from idp.store.passkeys import Passkey

USED_KIND = "passkey_challenge"
CHALLENGE_SECONDS = 300
SIGN_IN_CHALLENGE_SECONDS = 3600  # that of a sign-in page is made with the page, which may stand open for a while
MAX_CREDENTIAL_LENGTH = 16_384
MAX_CREDENTIAL_ID_BYTES = 1023  # §7.1 step 25
MAX_PASSKEYS = 20
_TRANSPORTS = {transport.value for transport in AuthenticatorTransport}


class Purpose(StrEnum):
    REGISTER = "register"
    SECOND_FACTOR = "second factor"
    SIGN_IN = "sign in"


class PasskeyRefused(Exception):
    """An answer that proves nothing. `why` is for the log; it holds nothing of the answer."""

    def __init__(self, why: str, passkey: Passkey | None = None, *, is_copied: bool = False) -> None:
        self.why, self.passkey, self.is_copied = why, passkey, is_copied
        super().__init__(why)


@dataclass(frozen=True, slots=True)
class Proof:
    """A passkey that has just been used. `is_synced`: its key may be copied to other devices."""

    passkey: Passkey
    user_verified: bool
    is_synced: bool


@dataclass(frozen=True, slots=True)
class Ceremony:
    """What an answer must have been made for. `user_id` is empty where anybody may sign in."""

    server: Server
    browser: str
    purpose: Purpose
    user_id: str
    now: int

    @property
    def rp_id(self) -> str:
        return urlsplit(self.server.issuer).hostname or ""

    @property
    def origin(self) -> str:
        return origin_of(self.server.issuer) or ""


def allows_passkeys(server: Server) -> bool:
    """WebAuthn §5.1: only on https or localhost, and a host that is a name."""
    host = urlsplit(server.issuer).hostname or ""
    try:
        ip_address(host)
    except ValueError:
        return server.settings.is_https or host == "localhost" or host.endswith(".localhost")
    return False


def make_registration_options(ceremony: Ceremony, user: User) -> dict[str, Any]:
    """What the browser is asked to make (§5.4), as JSON; not a second key on an authenticator that has one."""
    known = ceremony.server.store.passkeys.list_of(user.id)
    options = generate_registration_options(
        rp_id=ceremony.rp_id,
        rp_name=ceremony.server.settings.service_name,
        user_id=_user_handle(user.id),
        user_name=user.username,
        user_display_name=user.name,
        challenge=_make_challenge(ceremony),
        timeout=CHALLENGE_SECONDS * 1000,
        authenticator_selection=AuthenticatorSelectionCriteria(
            resident_key=ResidentKeyRequirement.PREFERRED, user_verification=UserVerificationRequirement.PREFERRED
        ),
        exclude_credentials=[_descriptor(passkey) for passkey in known],
    )
    return options_to_json_dict(options)


def make_authentication_options(ceremony: Ceremony) -> dict[str, Any]:
    """What the browser is asked for (§5.5), as JSON: one of the person's, or any with its holder verified."""
    known = ceremony.server.store.passkeys.list_of(ceremony.user_id) if ceremony.user_id else []
    verification = UserVerificationRequirement.PREFERRED if ceremony.user_id else UserVerificationRequirement.REQUIRED
    options = generate_authentication_options(
        rp_id=ceremony.rp_id,
        challenge=_make_challenge(ceremony),
        timeout=CHALLENGE_SECONDS * 1000,
        allow_credentials=[_descriptor(passkey) for passkey in known],
        user_verification=verification,
    )
    return options_to_json_dict(options)


def register(ceremony: Ceremony, answer: str, name: str) -> Proof:
    """Store the passkey of an answer, which has just been used for the first time. Raises PasskeyRefused."""
    credential, challenge = _read(ceremony, answer)
    try:
        made = verify_registration_response(
            credential=credential,
            expected_challenge=challenge,
            expected_rp_id=ceremony.rp_id,
            expected_origin=ceremony.origin,
        )
    except Exception as error:  # the library raises its own errors, and others where an answer is malformed
        raise PasskeyRefused(f"registration: {type(error).__name__}") from None
    if len(made.credential_id) > MAX_CREDENTIAL_ID_BYTES:
        raise PasskeyRefused("registration: an id that is too long")
    sent = credential["response"].get("transports")
    passkey = Passkey(
        user_id=ceremony.user_id,
        credential_id=bytes_to_base64url(made.credential_id),
        public_key=bytes_to_base64url(made.credential_public_key),
        sign_count=made.sign_count,
        name=name,
        transports=tuple(text for text in sent if text in _TRANSPORTS) if _is_texts(sent) else (),
        backed_up=made.credential_backed_up,
        created_at=ceremony.now,
    )
    if not ceremony.server.store.passkeys.add(passkey, now=ceremony.now):
        raise PasskeyRefused("registration: a known credential")
    return Proof(passkey, made.user_verified, made.credential_device_type is CredentialDeviceType.MULTI_DEVICE)


def prove(ceremony: Ceremony, answer: str) -> Proof:
    """The passkey that made an answer, its counter moved on. Raises PasskeyRefused.

    Without a person in the ceremony, the holder must have been verified: then the passkey is two factors by itself.
    """
    credential, challenge = _read(ceremony, answer)
    passkey = _find_passkey(ceremony, credential)
    try:
        used = verify_authentication_response(
            credential=credential,
            expected_challenge=challenge,
            expected_rp_id=ceremony.rp_id,
            expected_origin=ceremony.origin,
            credential_public_key=base64url_to_bytes(passkey.public_key),
            credential_current_sign_count=0,  # compared where it is stored, so that two at once cannot both pass
            require_user_verification=not ceremony.user_id,
        )
    except Exception as error:  # see `register`
        raise PasskeyRefused(f"authentication: {type(error).__name__}", passkey) from None
    count, store = used.new_sign_count, ceremony.server.store.passkeys
    if not store.claim_use(passkey, sign_count=count, backed_up=used.credential_backed_up, now=ceremony.now):
        raise PasskeyRefused("authentication: the counter has not grown", passkey, is_copied=True)
    is_synced = used.credential_device_type is CredentialDeviceType.MULTI_DEVICE
    return Proof(passkey, used.user_verified, is_synced)


def _find_passkey(ceremony: Ceremony, credential: dict[str, Any]) -> Passkey:
    """§7.2 steps 5 and 6: one of ours, of the person asked for, or of the one the answer itself names."""
    credential_id, handle = credential.get("id"), credential["response"].get("userHandle")
    passkey = ceremony.server.store.passkeys.find(credential_id) if isinstance(credential_id, str) else None
    if passkey is None or passkey.credential_id != credential_id:
        raise PasskeyRefused("authentication: an unknown credential")
    if ceremony.user_id and passkey.user_id != ceremony.user_id:
        raise PasskeyRefused("authentication: another person's credential")
    may_be_absent = bool(ceremony.user_id)  # §7.2 step 6: only where the person is known already
    if not (handle == bytes_to_base64url(_user_handle(passkey.user_id)) or (may_be_absent and not handle)):
        raise PasskeyRefused("authentication: another user handle", passkey)
    return passkey


def _read(ceremony: Ceremony, answer: str) -> tuple[dict[str, Any], bytes]:
    """The answer, and its challenge once that has proved to be ours, for this, and unused. Raises PasskeyRefused."""
    if len(answer) > MAX_CREDENTIAL_LENGTH:
        raise PasskeyRefused("too long")
    try:
        credential = json.loads(answer)
        challenge = parse_client_data_json(base64url_to_bytes(credential["response"]["clientDataJSON"])).challenge
    except Exception as error:  # anything may stand where the answer should
        raise PasskeyRefused(f"malformed: {type(error).__name__}") from None
    if not _claim_challenge(ceremony, challenge):
        raise PasskeyRefused("challenge: not ours, too old, or used before")
    return credential, challenge


def _make_challenge(ceremony: Ceremony) -> bytes:
    lasts = SIGN_IN_CHALLENGE_SECONDS if ceremony.purpose is Purpose.SIGN_IN else CHALLENGE_SECONDS
    nonce, end = secrets.token_urlsafe(16), str(ceremony.now + lasts)
    sealed = next(_seals(ceremony, nonce, end))
    return f"{nonce}.{end}.{sealed}".encode("ascii")


def _claim_challenge(ceremony: Ceremony, challenge: bytes) -> bool:
    """Whether it was made for this, is not over, and nobody has used it; now it is used."""
    try:
        nonce, end, seal = challenge.decode("ascii").split(".")
        left = int(end) - ceremony.now
    except ValueError:
        return False
    if not any(hmac.compare_digest(seal, each) for each in _seals(ceremony, nonce, end)):
        return False
    ephemeral = ceremony.server.store.ephemeral
    return left > 0 and ephemeral.put_new(USED_KIND, nonce, {}, lifetime=left, now=ceremony.now)


def _seals(ceremony: Ceremony, nonce: str, end: str) -> Any:
    parts = (nonce, end, ceremony.browser, ceremony.purpose.value, ceremony.user_id)
    return ceremony.server.secret_box.derive_all("passkey challenge", *parts)


def _user_handle(user_id: str) -> bytes:
    """§5.4.3: what an authenticator knows the person by; it says nothing about them."""
    return hashlib.sha256(f"idp passkey {user_id}".encode()).digest()


def _descriptor(passkey: Passkey) -> PublicKeyCredentialDescriptor:
    transports = [AuthenticatorTransport(text) for text in passkey.transports if text in _TRANSPORTS]
    return PublicKeyCredentialDescriptor(id=base64url_to_bytes(passkey.credential_id), transports=transports or None)


def _is_texts(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(each, str) for each in value)
