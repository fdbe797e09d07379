"""One signing key of ours: its dates, the state they make at a given moment, and its key material.

Owns the meaning of the dates. A state is never stored, so that a planned rotation happens on every instance
at the same second without any of them writing. All dates are seconds since the epoch. ``kid`` is the
RFC 7638 thumbprint of the public half.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, cast

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, OKPKey, RSAKey

from idp.jose.algorithms import RSA_BITS, SIGNING, Algorithm, PairedKey

State = Literal["next", "active", "retired"]

KID = re.compile(r"[A-Za-z0-9_-]{43}\Z")
"""The shape of every kid of ours. A kid also names a file, so nothing else is ever joined to a path."""

_KEY_TYPES: dict[str, type[RSAKey] | type[ECKey] | type[OKPKey]] = {"RSA": RSAKey, "EC": ECKey, "OKP": OKPKey}


class KeyDirectoryError(Exception):
    """The signing keys cannot be read, written or used; the text is a plain sentence for the operator."""


@dataclass(frozen=True)
class KeyMaterial:
    """The key behind one PEM file, read when first needed and then kept.

    The public half is cheap to come by. The private half is read with the full consistency check of RSA keys
    (tens of milliseconds), hence only once per process and only for keys that sign.
    """

    path: Path
    kid: str
    alg: str

    @cached_property
    def public(self) -> PairedKey:
        """The key as joserfc wants it for verifying; raises KeyDirectoryError when the file does not fit."""
        key = self._import(checked=False)
        public = type(key).import_key(cast(Any, key.public_key))
        if key.thumbprint() != self.kid:
            raise KeyDirectoryError(f"The key in {self.path.name} is not the key that its name says.")
        return public

    @cached_property
    def private(self) -> PairedKey:
        """The key as joserfc wants it for signing; raises KeyDirectoryError when the file does not fit."""
        key = self._import(checked=True)
        if key.thumbprint() != self.kid:
            raise KeyDirectoryError(f"The key in {self.path.name} is not the key that its name says.")
        return key

    @cached_property
    def jwk(self) -> Mapping[str, str]:
        """The public members, with kid, alg and use (RFC 7517 section 4)."""
        public = cast("dict[str, str]", self.public.as_dict(private=False))
        return {**public, "use": "sig", "alg": self.alg, "kid": self.kid}

    def _import(self, *, checked: bool) -> PairedKey:
        try:
            pem = self.path.read_bytes()
        except OSError as error:
            raise KeyDirectoryError(f"The key file {self.path.name} cannot be read: {error.strerror}.") from None
        algorithm = SIGNING[self.alg]
        try:
            raw = load_pem_private_key(pem, None, unsafe_skip_rsa_key_validation=not checked)
            key: PairedKey = _KEY_TYPES[algorithm.kty](cast(Any, raw), cast(Any, raw))
            members = key.as_dict(private=False)
        except (ValueError, TypeError, KeyError, AttributeError, UnsupportedAlgorithm, JoseError):
            raise KeyDirectoryError(f"The file {self.path.name} holds no private key for {self.alg}.") from None
        if not algorithm.is_fit(members["kty"], members.get("crv")) or _bits(key) < RSA_BITS:
            raise KeyDirectoryError(f"The key in {self.path.name} does not fit the algorithm {self.alg}.")
        return key


def _bits(key: PairedKey) -> int:
    return key.raw_value.key_size if isinstance(key, RSAKey) else RSA_BITS


@dataclass(frozen=True)
class SigningKey:
    """A key and its dates.

    ``activates_at``: when it signs from, None while nobody has decided. ``retired_at``: when it stops to sign; may
    lie in the future. ``founding``: it was published from the very first key set of its algorithm on.
    ``unpublished``: withdrawn from the published set, as after a compromise.
    """

    kid: str
    alg: str
    created_at: int
    activates_at: int | None = None
    retired_at: int | None = None
    founding: bool = False
    unpublished: bool = False
    material: KeyMaterial = field(kw_only=True, repr=False, compare=False)

    @property
    def algorithm(self) -> Algorithm:
        return SIGNING[self.alg]

    @property
    def is_planned(self) -> bool:
        """It has a date to sign from and has not been retired by hand before it came."""
        return self.activates_at is not None and (self.retired_at is None or self.retired_at > self.activates_at)

    def state(self, now: int) -> State:
        """The state at `now`: retired wins over active, active over next."""
        if self.retired_at is not None and self.retired_at <= now:
            return "retired"
        return "active" if self.activates_at is not None and self.activates_at <= now else "next"

    def is_published(self, now: int, keep_for: int) -> bool:
        """Whether verifiers may still need it: next, active, or retired not longer than `keep_for` seconds."""
        return not self.unpublished and (self.retired_at is None or self.retired_at + keep_for >= now)
