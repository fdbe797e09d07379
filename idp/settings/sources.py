"""Where values come from: the environment, `.env`, files of secrets, and development's own secret."""

import contextlib
import os
import secrets
from collections.abc import Mapping
from pathlib import Path

from dotenv import dotenv_values


class UnreadableFile(Exception):
    """A file that a variable names cannot be read; the text is a plain sentence."""


def read_variables(environ: Mapping[str, str], env_file: Path | None) -> dict[str, str]:
    """All variables by name; the environment wins over the file."""
    from_file = dotenv_values(env_file) if env_file is not None and env_file.is_file() else {}
    merged = {name: value for name, value in from_file.items() if value is not None}
    return merged | dict(environ)


def read_secret_file(variable: str, path: Path) -> str:
    """The content of the file that `variable` names, without white space around it; raises UnreadableFile."""
    try:
        return path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError):
        raise UnreadableFile(f"{variable} names {path}, which cannot be read.") from None


def development_secret(var_dir: Path) -> str:
    """A random secret of this checkout's own in `var/secret_key` (0600), shared by all workers and starts."""
    var_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    path = var_dir / "secret_key"
    if not path.exists():
        fresh = path.with_name(f"secret_key.{os.getpid()}")
        with open(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:
            file.write(secrets.token_urlsafe(48))
        with contextlib.suppress(FileExistsError):
            os.link(fresh, path)  # of two processes that start together, the first to link decides
        fresh.unlink()
    return path.read_text(encoding="utf-8").strip()
