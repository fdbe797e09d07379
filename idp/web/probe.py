"""How the server tells `idp doctor`, and nobody else, what it sees of a request that came over the issuer's address.

A probe is a header that only who holds IDP_SECRET_KEY can make. The answer is sealed under the same key, so that
whoever repeats a probe, or reads along, learns nothing. Without a probe that opens, nothing is different. An answer is
given to a probe of any age, or a server whose clock is wrong could not say so; but an old one hides no refusal.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from idp.jose.encryption import DecryptionFailed, SecretBox
from idp.server import Server
from idp.web.proxy import client_address, load_networks

HEADER = "IDP-Probe"
KIND = "probe"  # under which the marks of a probe are kept in the store
LIFETIME = 60  # seconds of those marks
HIDES_WITHIN = 86_400  # seconds between the doctor's clock and ours
_QUESTION, _ANSWER = "doctor probe", "doctor answer"


@dataclass(frozen=True, slots=True)
class Seen:
    """What the server saw. `peer`: who opened the connection to it; `address`: whom it takes the request to be from.

    `now`: its clock. `same_database`, `same_ephemeral`: whether it finds there what the doctor has left.
    """

    nonce: str
    now: int
    peer: str
    address: str
    forwarded_for: str | None
    forwarded_proto: str | None
    same_database: bool
    same_ephemeral: bool


def make_probe(box: SecretBox, nonce: str, *, now: int) -> str:
    """The value of the header. `nonce`: what comes back, and the key of the marks left in the store."""
    return box.encrypt(json.dumps({"nonce": nonce, "at": now}), purpose=_QUESTION)


def is_probe(server: Server, environ: Mapping[str, Any], *, now: int) -> bool:
    """Whether this request is `idp doctor`'s, of today: what it is refused on purpose is nobody's mistake."""
    asked = _load(server, environ)
    return asked is not None and abs(now - asked["at"]) < HIDES_WITHIN


def answer_probe(server: Server, environ: Mapping[str, Any], *, now: int) -> str | None:
    """What was seen, sealed; None when no probe came, or none that is ours."""
    asked = _load(server, environ)
    if asked is None:
        return None
    nonce = asked["nonce"]
    seen = Seen(
        nonce=nonce,
        now=now,
        peer=str(environ.get("REMOTE_ADDR") or "unknown"),
        address=client_address(dict(environ), load_networks(server.settings.trusted_proxies)),
        forwarded_for=_text(environ, "HTTP_X_FORWARDED_FOR"),
        forwarded_proto=_text(environ, "HTTP_X_FORWARDED_PROTO"),
        same_database=server.store.lasting.get(KIND, nonce, now=asked["at"]) is not None,
        same_ephemeral=server.store.ephemeral.get(KIND, nonce, now=asked["at"]) is not None,
    )
    return server.secret_box.encrypt(json.dumps(asdict(seen)), purpose=_ANSWER)


def read_answer(box: SecretBox, sealed: str) -> Seen:
    """What the server saw. Raises DecryptionFailed for anything that no server with our key has sealed."""
    return Seen(**json.loads(box.decrypt(sealed, purpose=_ANSWER)))


def _load(server: Server, environ: Mapping[str, Any]) -> dict[str, Any] | None:
    probe = environ.get("HTTP_IDP_PROBE")
    if not probe:
        return None
    try:
        asked: dict[str, Any] = json.loads(server.secret_box.decrypt(probe, purpose=_QUESTION))
    except DecryptionFailed:
        return None
    return asked


def _text(environ: Mapping[str, Any], name: str) -> str | None:
    value = environ.get(name)
    return None if value is None else str(value)[:300]
