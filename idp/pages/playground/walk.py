"""One walk through the playground: what was sent, what came back, what was made of it.

Owns how a walk is kept: for an hour in the ephemeral store, encrypted because it holds a person's tokens, under a key
that only the browser which began it can name (its cookie and the id of the walk together). Nothing here is in words:
texts belong to `texts`, so that a person may change the language on the way.
"""

import json
import secrets
from dataclasses import asdict, dataclass, field
from typing import Any

from idp.jose.encryption import DecryptionFailed
from idp.server import Server

KIND = "playground"
LIFETIME = 3600  # seconds
_PURPOSE = "playground walk"

Pairs = list[tuple[str, str]]


@dataclass(slots=True)
class CheckedToken:
    """A token and what the relying party says of it; `problem` names a rule that it breaks, None means none."""

    name: str
    raw: str
    problem: str | None = None


@dataclass(slots=True)
class Step:
    """One exchange. `headers` and `params` are as shown: a secret in them is masked already.

    `kind` and `problem` are keys of the tables in `texts`; `detail` is what goes into the problem's sentence.
    """

    kind: str
    method: str = ""
    url: str = ""
    headers: Pairs = field(default_factory=list)
    params: Pairs = field(default_factory=list)
    status: int | None = None
    body: str = ""
    tokens: list[CheckedToken] = field(default_factory=list)
    note: str | None = None
    problem: str | None = None
    detail: str = ""

    @property
    def is_ok(self) -> bool:
        return self.problem is None and all(token.problem is None for token in self.tokens)


@dataclass(slots=True)
class Walk:
    """`id` is also the `state` of the request. `metadata` is the server's discovery document, as fetched."""

    id: str
    nonce: str
    code_verifier: str
    metadata: dict[str, Any] = field(default_factory=dict)
    steps: list[Step] = field(default_factory=list)
    access_token: str | None = None
    refresh_token: str | None = None
    id_token: str | None = None
    id_token_claims: dict[str, Any] = field(default_factory=dict)

    def begin(self, step: Step) -> Step:
        """Put a step at the end; an earlier one of its kind goes, so that a walk cannot grow without end."""
        self.steps = [each for each in self.steps if each.kind != step.kind]
        self.steps.append(step)
        return step


def new_walk() -> Walk:
    return Walk(secrets.token_urlsafe(24), secrets.token_urlsafe(24), secrets.token_urlsafe(48))


def save_walk(server: Server, walk: Walk, browser: str, *, now: int) -> None:
    sealed = server.secret_box.encrypt(json.dumps(asdict(walk)), purpose=_PURPOSE)
    server.store.ephemeral.put(KIND, _key(browser, walk.id), {"sealed": sealed}, lifetime=LIFETIME, now=now)


def find_walk(server: Server, walk_id: str | None, browser: str | None, *, now: int) -> Walk | None:
    """None when it has ended, never was, or belongs to another browser."""
    if not walk_id or browser is None:
        return None
    kept = server.store.ephemeral.get(KIND, _key(browser, walk_id), now=now)
    if kept is None:
        return None
    try:
        values = json.loads(server.secret_box.decrypt(kept["sealed"], purpose=_PURPOSE))
    except DecryptionFailed:
        return None
    steps = [Step(**(each | _read_step(each))) for each in values["steps"]]
    return Walk(**(values | {"steps": steps}))


def forget_walk(server: Server, walk_id: str | None, browser: str | None, *, now: int) -> bool:
    """Whether there was such a walk in this browser; now there is none. Whoever signs out leaves no tokens behind."""
    if not walk_id or browser is None:
        return False
    return server.store.ephemeral.claim_once(KIND, _key(browser, walk_id), now=now) is not None


def claim_callback(server: Server, walk: Walk, *, now: int) -> bool:
    """True for the first callback of a walk only: a code is redeemed once, however often the page is loaded."""
    return server.store.ephemeral.put_new(f"{KIND} callback", walk.id, {}, lifetime=LIFETIME, now=now)


def _key(browser: str, walk_id: str) -> str:
    return f"{browser}.{walk_id}"


def _read_step(values: dict[str, Any]) -> dict[str, Any]:
    return {
        "headers": [(name, value) for name, value in values["headers"]],
        "params": [(name, value) for name, value in values["params"]],
        "tokens": [CheckedToken(**token) for token in values["tokens"]],
    }
