"""The environment tests run the command in: a folder, cheap password hashes, and no setting of the developer's."""

import os
from pathlib import Path

import pytest

CHEAP = {
    "IDP_SIGNING_ALGS": "RS256,ES256",
    "IDP_ARGON2_MEMORY_KIB": "64",
    "IDP_ARGON2_ITERATIONS": "1",
    "IDP_LOG_LEVEL": "WARNING",
}


def clean_environment() -> dict[str, str]:
    """This process's environment without any setting in it, and with cheap ones."""
    kept = {name: value for name, value in os.environ.items() if not is_setting(name)}
    return kept | CHEAP


def is_setting(name: str) -> bool:
    return name.startswith("IDP_") or name in {"HOST", "PORT"}


def use_folder(patch: pytest.MonkeyPatch, folder: Path) -> None:
    """Work in `folder`, whose `.env`, `var/` and `keys/` are then the server's."""
    for name in filter(is_setting, list(os.environ)):
        patch.delenv(name)
    for name, value in CHEAP.items():
        patch.setenv(name, value)
    patch.chdir(folder)
