"""An authorization request that waits for a person: kept on the server, bound to one browser, finished once.

Owns what the person has done for this request so far (`Progress`). Kept in the ephemeral store under a random id.
"""

import hmac
import secrets
from dataclasses import asdict, dataclass, fields, replace
from typing import Any

from idp.protocol.names import KNOWN_PARAMETERS
from idp.protocol.params import Params
from idp.server import Server
from idp.store.database import hashed

KIND = "interaction"


@dataclass(frozen=True, slots=True)
class Progress:
    """What was done for this request: the session that signed in for it, an account chosen, a consent given, or all of
    it refused. `hint_followed`: the person was sent to the provider of `idp_hint` once. `pending_link`: an account at a
    provider that waits to be linked after a sign-in. `owes_factor`: a sign-in for this request waits for its second
    factor; `skipped_factor`: the client only wished for one, and the person did not. `has_account`: the client wished
    for a new account, and the person has one already."""

    signed_in_sid: str | None = None
    chose_account: bool = False
    switches_account: bool = False
    consented_user_id: str | None = None
    refused: bool = False
    hint_followed: bool = False
    pending_link: str | None = None
    owes_factor: bool = False
    skipped_factor: bool = False
    has_account: bool = False


@dataclass(frozen=True, slots=True)
class Interaction:
    """`params` are the request's, as they came."""

    id: str
    pairs: tuple[tuple[str, str], ...]
    browser_hash: str
    progress: Progress

    def params(self, repeatable: frozenset[str]) -> Params:
        return Params(self.pairs, repeatable=repeatable)


def start_interaction(server: Server, params: Params, browser: str, *, now: int) -> Interaction:
    """Keep a request for this browser (its secret value), for the setting's lifetime."""
    pairs = tuple(pair for pair in params.pairs() if pair[0] in KNOWN_PARAMETERS)
    interaction = Interaction(secrets.token_urlsafe(24), pairs, hashed(browser), Progress())
    lifetime = server.settings.interaction_lifetime
    server.store.ephemeral.put(KIND, interaction.id, _to_value(interaction), lifetime=lifetime, now=now)
    return interaction


def find_interaction(server: Server, interaction_id: str, browser: str | None, *, now: int) -> Interaction | None:
    """The interaction, for the browser that began it; None when it has ended, or for any other browser."""
    value = server.store.ephemeral.get(KIND, interaction_id, now=now)
    if value is None or browser is None or not hmac.compare_digest(value["browser"], hashed(browser)):
        return None
    pairs = tuple((name, text) for name, text in value["params"])
    return Interaction(interaction_id, pairs, value["browser"], _to_progress(value["progress"]))


def save_progress(server: Server, interaction: Interaction, *, now: int, **changes: Any) -> None:
    """Remember what the person has just done."""
    changed = replace(interaction, progress=replace(interaction.progress, **changes))
    server.store.ephemeral.replace(KIND, interaction.id, _to_value(changed), now=now)


def claim_interaction(server: Server, interaction: Interaction, *, now: int) -> bool:
    """End it, once among all who try."""
    return server.store.ephemeral.claim_once(KIND, interaction.id, now=now) is not None


def _to_progress(value: dict[str, Any]) -> Progress:
    """By name: while a deployment rolls, an instance with newer code may have written more members."""
    return Progress(**{field.name: value[field.name] for field in fields(Progress) if field.name in value})


def _to_value(interaction: Interaction) -> dict[str, Any]:
    return {
        "params": [list(pair) for pair in interaction.pairs],
        "browser": interaction.browser_hash,
        "progress": asdict(interaction.progress),
    }
