"""What a server must be configured with to use the stand-ins: as settings, or as variables of the environment.

Also owns Apple's private key, which the server signs with and the stand-in verifies with: both read the same file.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from idp.jose.algorithms import generate_key
from idp.sandbox.clients import APPLE_KEY_ID, APPLE_TEAM_ID, CLIENT_IDS, client_secret
from idp.settings import UpstreamSettings

KINDS = ("google", "facebook", "discord", "apple", "github", "microsoft", "oidc")
GENERIC_NAME = "acme"
"""What the connection to the plain OpenID Connect provider is called."""


def sandbox_upstreams(origins: Mapping[str, str], apple_private_key: str) -> tuple[UpstreamSettings, ...]:
    """Connections to the stand-ins at `origins` (kind → `http://127.0.0.1:8101`), ready for `Settings.upstream`."""
    return tuple(
        UpstreamSettings(**_options(kind, origins[kind], apple_private_key))  # type: ignore[arg-type]
        for kind in KINDS
        if kind in origins
    )


def sandbox_environment(origins: Mapping[str, str], apple_private_key: str) -> dict[str, str]:
    """The same as variables `IDP_UPSTREAM_<NAME>_<OPTION>`, each on one line: line breaks of a key are `\\n`."""
    variables = {}
    for kind in KINDS:
        if kind not in origins:
            continue
        options = _options(kind, origins[kind], apple_private_key)
        name = options.pop("name")
        if name == kind:
            del options["kind"]
        for option, value in options.items():
            variables[f"IDP_UPSTREAM_{name}_{option}".upper()] = value.strip().replace("\n", "\\n")
    return variables


def load_apple_key(folder: Path) -> str:
    """The PEM in `apple.p8` in `folder`; an EC P-256 key, made (0600) when it is missing.

    Of several processes that start together, the first to make it decides.
    """
    path = folder / "apple.p8"
    if not path.exists():
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        draft = folder / f".apple.p8.{secrets.token_hex(8)}"
        with open(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(generate_key("ES256").as_pem(private=True))
        with suppress(FileExistsError):
            os.link(draft, path)
        draft.unlink()
    return path.read_text(encoding="ascii")


def _options(kind: str, origin: str, apple_private_key: str) -> dict[str, str]:
    """The fields of UpstreamSettings that have a value."""
    options = {"name": kind, "kind": kind, "client_id": CLIENT_IDS[kind], "client_secret": client_secret(kind)}
    match kind:
        case "apple":
            del options["client_secret"]
            options |= {"team_id": APPLE_TEAM_ID, "key_id": APPLE_KEY_ID, "private_key": apple_private_key}
        case "microsoft":
            options |= {"tenant": "common"}
        case "oidc":
            options |= {"name": GENERIC_NAME, "label": "Acme", "issuer": origin}
    return {**options, "sandbox_url": origin}
