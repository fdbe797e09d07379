"""Putting values into the files of a recipe, so that no value can end its string and become code.

Owns the placeholders («issuer», «client_id» …), the language of each file, and how a value is written in it. A value
that a language cannot hold safely is refused with a sentence. Placeholders stand inside double quotes (in
JavaScript, Dart and Python single ones too), in the text of XML, or as the value of a variable in an `.env` file; the
tests hold the files to it.
"""

import re
from collections.abc import Callable, Mapping
from pathlib import PurePosixPath

PLACEHOLDERS = frozenset(
    {"issuer", "client_id", "client_secret", "audience", "url", "redirect_uri", "post_logout_redirect_uri", "scope"}
    | {"scheme", "random_secret"}
)
PLACEHOLDER = re.compile(r"«([^»]*)»")

LANGUAGES: Mapping[str, str] = {
    ".ts": "ts",
    ".tsx": "ts",
    ".js": "js",
    ".mjs": "js",
    ".json": "json",
    ".yml": "yaml",
    ".yaml": "yaml",
    ".swift": "swift",
    ".kt": "kotlin",
    ".kts": "kotlin",
    ".gradle": "gradle",
    ".dart": "dart",
    ".xml": "xml",
    ".plist": "xml",
    ".html": "html",
    ".py": "python",
    ".java": "java",
    ".cs": "csharp",
    ".csproj": "xml",
}
# What means nothing to a shell, to any reader of .env files, and to Docker.
_PLAIN = re.compile(r"[A-Za-z0-9 ._~:/?=%@+,\[\]*\-]*")
_XML = {"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&#39;"}
_ENV = "env"


class Unwritable(Exception):
    """A value cannot stand in a file. The message is a plain sentence, without the value."""


def language_of(path: str) -> str:
    """How a file is written, by its name; `env` for `.env` files, `text` for what is not known."""
    name = PurePosixPath(path).name
    if name.startswith(".env"):
        return _ENV
    return LANGUAGES.get(PurePosixPath(name).suffix, "text")


def fill(template: str, values: Mapping[str, str], path: str) -> str:
    """The file with its values. Raises Unwritable; an unknown placeholder is a defect (KeyError)."""
    language = language_of(path)

    def _written(found: re.Match[str]) -> str:
        name = found[1]
        return _write(values[name], language, f"{name} in {path}")

    return PLACEHOLDER.sub(_written, template)


def _write(value: str, language: str, where: str) -> str:
    if not value.isprintable():
        raise Unwritable(f"The {where} has a character that cannot be printed.")
    return WRITERS.get(language, _write_plain)(value, where)


def _write_plain(value: str, where: str) -> str:
    """Unquoted or quoted, whoever reads it: only characters that mean nothing anywhere."""
    if not _PLAIN.fullmatch(value):
        raise Unwritable(f"The {where} has a character that such files cannot hold safely, such as a quote or $.")
    return value


def _write_string(value: str, _where: str) -> str:
    """Inside the quotes, of either kind, of a language of the C family."""
    return re.sub(r"[\\\"']", r"\\\g<0>", value)


def _write_interpolated(value: str, _where: str) -> str:
    """The same where $ begins an expression."""
    return re.sub(r"[\\\"'$]", r"\\\g<0>", value)


def _write_json(value: str, _where: str) -> str:
    return re.sub(r"[\\\"]", r"\\\g<0>", value)


def _write_yaml(value: str, where: str) -> str:
    """Inside double quotes. Spring takes ${…} and #{…} for expressions after YAML has been read."""
    if "${" in value or "#{" in value:
        raise Unwritable(f"The {where} has ${{ or #{{, which Spring would work out.")
    return _write_json(value, where)


def _write_xml(value: str, _where: str) -> str:
    return "".join(_XML.get(character, character) for character in value)


WRITERS: Mapping[str, Callable[[str, str], str]] = {
    "ts": _write_string,
    "js": _write_string,
    "swift": _write_string,
    "java": _write_string,
    "csharp": _write_string,
    "python": _write_string,
    "kotlin": _write_interpolated,
    "gradle": _write_interpolated,
    "dart": _write_interpolated,
    "json": _write_json,
    "yaml": _write_yaml,
    "xml": _write_xml,
    "html": _write_xml,
}
