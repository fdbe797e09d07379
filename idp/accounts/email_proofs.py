"""Proof that somebody reads the mail of an address: a link, or a code of six digits for the browser that asked.

A link alone does nothing (GET shows a page, and a mail scanner that follows it uses nothing up); the code is only good
in the browser in which the proof was begun, five tries long, and twenty tries a day for one address however many proofs
are begun (ASVS 6.5.1, 6.6.2, 6.6.3). Past that, the link still works. What is proved for is the caller's: `purpose` and
`data`, encrypted while they wait.
"""

import hmac
import json
import secrets
from dataclasses import dataclass
from typing import Any

from idp.accounts.tries import claim_try, mailbox_key
from idp.jose.encryption import DecryptionFailed
from idp.server import Server
from idp.store.database import hashed

KIND, LINK_KIND, TRY_KIND = "email_proof", "email_proof_link", "email_proof_try"
LIFETIME_SECONDS = 3600
CODE_DIGITS, CODE_TRIES = 6, 5
DAILY_TRY_KIND, DAILY_TRIES, DAY = "email_proof_day", 20, 86_400
_PURPOSE = "email proof"


@dataclass(frozen=True, slots=True)
class EmailProof:
    """A proof that is under way. `email`: the address as it was typed."""

    id: str
    purpose: str
    email: str
    data: dict[str, Any]
    browser_hash: str
    code_hash: str


@dataclass(frozen=True, slots=True)
class Started:
    """What goes into the mail (`token`, `code`) and what the browser remembers (`id`)."""

    id: str
    token: str
    code: str


def start_proof(server: Server, purpose: str, email: str, data: dict[str, Any], browser: str, *, now: int) -> Started:
    """Begin a proof for this browser (its secret value)."""
    started = Started(secrets.token_urlsafe(24), secrets.token_urlsafe(32), _new_code())
    content = json.dumps({"purpose": purpose, "email": email, "data": data})
    value = {
        "sealed": server.secret_box.encrypt(content, purpose=_PURPOSE),
        "browser": hashed(browser),
        "code": _code_hash(server, started.id, started.code),
    }
    ephemeral = server.store.ephemeral
    ephemeral.put(KIND, started.id, value, lifetime=LIFETIME_SECONDS, now=now)
    ephemeral.put(LINK_KIND, started.token, {"id": started.id}, lifetime=LIFETIME_SECONDS, now=now)
    return started


def find_proof(server: Server, proof_id: str | None, *, purpose: str, now: int) -> EmailProof | None:
    """None when it has ended, or was for something else."""
    value = server.store.ephemeral.get(KIND, proof_id, now=now) if proof_id else None
    return None if value is None else _load(server, str(proof_id), value, purpose)


def find_by_link(server: Server, token: str | None, *, purpose: str, now: int) -> EmailProof | None:
    """The proof that this link is for. It stays good: only `claim_proof` ends it."""
    value = server.store.ephemeral.get(LINK_KIND, token, now=now) if token else None
    return None if value is None else find_proof(server, value["id"], purpose=purpose, now=now)


def is_right_code(server: Server, proof: EmailProof, code: str, *, now: int) -> bool:
    """Whether the code fits. Each call uses up one of the tries, over all instances; none is left after the fifth."""
    if not _claim_try(server, proof, now=now):
        return False
    typed = "".join(character for character in code if character.isdecimal() and character.isascii())
    return any(hmac.compare_digest(proof.code_hash, expected) for expected in _code_hashes(server, proof.id, typed))


def _claim_try(server: Server, proof: EmailProof, *, now: int) -> bool:
    """One of this proof, and one of this address today: else whoever begins often enough would guess one code."""
    ephemeral, address = server.store.ephemeral, mailbox_key(proof.email)
    lifetime = LIFETIME_SECONDS  # from each try on, so longer than the proof has left
    return claim_try(ephemeral, TRY_KIND, proof.id, tries=CODE_TRIES, lifetime=lifetime, now=now) and claim_try(
        ephemeral, DAILY_TRY_KIND, address, tries=DAILY_TRIES, lifetime=DAY, now=now
    )


def is_of_browser(proof: EmailProof, browser: str | None) -> bool:
    return browser is not None and hmac.compare_digest(proof.browser_hash, hashed(browser))


def claim_proof(server: Server, proof: EmailProof, *, now: int) -> bool:
    """End it, once among all who try."""
    return server.store.ephemeral.claim_once(KIND, proof.id, now=now) is not None


def _new_code() -> str:
    return f"{secrets.randbelow(10**CODE_DIGITS):0{CODE_DIGITS}}"


def _code_hash(server: Server, proof_id: str, code: str) -> str:
    """Under the server's key, because a million codes are soon tried against a bare hash (ASVS 6.5.2)."""
    return server.secret_box.derive("email code", proof_id, code)


def _code_hashes(server: Server, proof_id: str, code: str) -> list[str]:
    return list(server.secret_box.derive_all("email code", proof_id, code))


def _load(server: Server, proof_id: str, value: dict[str, Any], purpose: str) -> EmailProof | None:
    try:
        content = json.loads(server.secret_box.decrypt(value["sealed"], purpose=_PURPOSE))
    except DecryptionFailed:
        return None
    if content["purpose"] != purpose:
        return None
    return EmailProof(proof_id, purpose, content["email"], content["data"], value["browser"], value["code"])
