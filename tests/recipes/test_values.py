"""No value can leave its place in a file and become code: it comes out of a parser of that language as it went in, or
is refused."""

import ast
import io
import json
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from xml.etree import ElementTree

import pytest
import yaml
from dotenv import dotenv_values

from idp.recipes import Unwritable
from idp.recipes.placeholders import WRITERS, fill, language_of

NAMES = [
    "Shop",
    'He said "hi"',
    "Rock 'n' Roll",
    "back\\slash \\",
    '\\"; process.exit(1); //',
    '"; import os; os.abort() #',
    "$(touch /tmp/x) `id` $HOME ${HOME}",
    "${jndi:ldap://x} #{T(java.lang.Runtime)}",
    "\\(print(1)) \\u0022",
    "</string><key>x</key> & <!-- ]]>",
    "% {{ name }} {% raw %} <%= x %>",
    "naïve café 商店 🛍 «issuer»",
    "a: b # c - [d] {e} *f &g !h |i >j @k",
]
UNPRINTABLE = ["two\nlines", "carriage\rreturn", "a\u2028b", "null\0", "right\u202eleft", "tab\t", "bell\a", "\ud800"]
Read = Callable[[str], str]


def read_c(text: str) -> str:
    """A string of the C family: its end is the first quote that is not escaped, which must be the last character."""
    found = re.fullmatch(r'"((?:[^"\\\n]|\\.)*)"', text)
    assert found is not None, f"the string ends early: {text}"
    return re.sub(r"\\(.)", r"\1", found[1])


def read_interpolated(text: str) -> str:
    assert not re.search(r"(?<!\\)(?:\\\\)*\$", text), "an expression begins"
    return read_c(text)


def read_env(text: str) -> str:
    return dotenv_values(stream=io.StringIO(f"V={text}\nW=w\n"))["V"] or ""


READERS: dict[str, tuple[str, Read]] = {
    "a.py": ('"«name»"', ast.literal_eval),
    "a.json": ('"«name»"', json.loads),
    "a.yml": ('"«name»"', yaml.safe_load),
    "Info.plist": ("<string>«name»</string>", lambda text: ElementTree.fromstring(text).text or ""),
    "a.xml": ('<a b="«name»"/>', lambda text: ElementTree.fromstring(text).attrib["b"]),
    "a.ts": ('"«name»"', read_c),
    "a.js": ('"«name»"', read_c),
    "a.swift": ('"«name»"', read_c),
    "A.java": ('"«name»"', read_c),
    "a.cs": ('"«name»"', read_c),
    "a.kt": ('"«name»"', read_interpolated),
    "build.gradle": ('"«name»"', read_interpolated),
    "a.dart": ('"«name»"', read_interpolated),
    ".env": ('"«name»"', read_env),
    ".env.local": ("«name»", read_env),
}


@pytest.mark.asvs("1.2.1", "1.2.5")
@pytest.mark.parametrize("path", READERS)
@pytest.mark.parametrize("name", NAMES)
def test_a_value_is_read_as_it_was_given_or_refused(path: str, name: str) -> None:
    template, read = READERS[path]
    try:
        text = fill(template, {"name": name}, path)
    except Unwritable:
        text = None
    if text is None:
        assert path.startswith(".env") or path.endswith(".yml")
    else:
        assert read(text) == name


@pytest.mark.parametrize("path", [*READERS, "unknown.file"])
@pytest.mark.parametrize("value", UNPRINTABLE)
def test_a_value_with_a_line_end_or_another_control_character_is_refused_everywhere(path: str, value: str) -> None:
    with pytest.raises(Unwritable):
        fill('"«name»"', {"name": value}, path)


@pytest.mark.parametrize("name", NAMES)
def test_javascript_reads_them_too(name: str, tmp_path: Path) -> None:
    node = shutil.which("node")
    if node is None:
        pytest.skip("needs the Debian package nodejs")
    program = tmp_path / "a.mjs"
    program.write_text(fill('process.stdout.write("«name»");\n', {"name": name}, "a.mjs"), encoding="utf-8")
    done = subprocess.run([node, str(program)], capture_output=True, timeout=60, check=True)
    assert done.stdout.decode() == name


@pytest.mark.parametrize("value", ["a b", "a.b~c-d_e", "https://a.example/b?c=d%20e@f", "[::1]:8080", "a*b,c+d"])
def test_a_shell_and_a_reader_of_env_files_agree_on_what_is_let_through(value: str, tmp_path: Path) -> None:
    file = tmp_path / "env"
    file.write_text(fill('V="«name»"\n', {"name": value}, ".env"), encoding="utf-8")
    done = subprocess.run(["sh", "-c", '. "$1"; printf %s "$V"', "sh", str(file)], capture_output=True, check=True)
    assert done.stdout.decode() == value == dotenv_values(file)["V"]


def test_a_file_of_an_unknown_language_takes_plain_values_only() -> None:
    assert language_of("notes.unknown") == "text"
    assert fill("«name»", {"name": "a-b"}, "notes.unknown") == "a-b"
    with pytest.raises(Unwritable):
        fill("«name»", {"name": "a'b"}, "notes.unknown")


def test_every_language_but_env_and_text_has_its_own_way_of_writing() -> None:
    languages = {language_of(path) for path in READERS}
    assert languages - {"env"} == set(WRITERS) - {"html"}
