"""Makes tokens for the tests by hand, good and bad, without the code under test that signs and reads them."""

import base64
import json
from pathlib import Path
from typing import Any

from joserfc.jwk import OctKey

from idp.jose.algorithms import CLIENT_KEY, CLIENT_SECRET, PairedKey
from idp.jose.key_directory import KeyDirectory
from idp.jose.signing_keys import SigningKeys

T0 = 1_800_000_000
HOUR = 3600


def part(value: Any) -> str:
    """Base64url of bytes, of text, or of a value as JSON."""
    raw = (
        value if isinstance(value, bytes) else value.encode() if isinstance(value, str) else json.dumps(value).encode()
    )
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def forge(header: Any, payload: Any, key: PairedKey | OctKey | None = None) -> str:
    """A token with this header and payload, signed with `key` by the algorithm that the header names, if any."""
    signing_input = f"{part(header)}.{part(payload)}"
    if key is None:
        return f"{signing_input}."
    model = {**CLIENT_KEY, **CLIENT_SECRET}[header["alg"]].model
    return f"{signing_input}.{part(model.sign(signing_input.encode(), key))}"


class Clock:
    """A monotonic clock that stands still until it is moved."""

    def __init__(self) -> None:
        self.time = 1000.0

    def __call__(self) -> float:
        return self.time


def make_keys(path: Path, *algs: str, clock: Clock | None = None, keep_for: int = HOUR) -> SigningKeys:
    """Fresh keys in `path`; the view looks again whenever the clock has moved by a second."""
    directory = KeyDirectory(path)
    directory.init(algs or ("ES256",), T0)
    return SigningKeys(directory, keep_for=keep_for, monotonic=clock or Clock())
