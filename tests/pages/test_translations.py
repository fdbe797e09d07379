"""The catalogues: complete, compiled, and well set in each language."""

import re
from io import BytesIO
from pathlib import Path

import pytest
from babel.messages.catalog import Catalog
from babel.messages.extract import extract_from_dir
from babel.messages.frontend import parse_mapping_cfg
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po

import idp

PACKAGE = Path(idp.__file__).parent
CATALOGUES = sorted(PACKAGE.glob("translations/*/LC_MESSAGES/messages.po"))
KEYWORDS = {"_": None, "gettext": None, "ngettext": (1, 2), "lazy_gettext": None, "_l": None}

every_catalogue = pytest.mark.parametrize("path", CATALOGUES, ids=lambda path: path.parent.parent.name)


def load_catalogue(path: Path) -> Catalog:
    with path.open("rb") as file:
        return read_po(file, locale=path.parent.parent.name)


def list_texts() -> set[str]:
    """Every text that the code and the templates ask to have translated."""
    with (PACKAGE.parent / "babel.cfg").open() as file:
        mapping, options = parse_mapping_cfg(file)
    found = extract_from_dir(PACKAGE, mapping, options, KEYWORDS)
    return {message if isinstance(message, str) else message[0] for _, _, message, _, _ in found}


def list_translations(path: Path) -> list[tuple[str, str]]:
    pairs = []
    for message in load_catalogue(path):
        originals = message.id if isinstance(message.id, tuple) else (message.id,)
        strings = message.string if isinstance(message.string, tuple) else (message.string,)
        pairs += [(originals[-1], string) for string in strings if message.id]
    return pairs


def test_there_is_a_french_catalogue() -> None:
    assert [path.parent.parent.name for path in CATALOGUES] == ["fr"]


@every_catalogue
def test_every_text_is_translated_and_no_translation_is_left_over(path: Path) -> None:
    translated = {
        message.id if isinstance(message.id, str) else message.id[0]
        for message in load_catalogue(path)
        if message.id and message.string and not message.fuzzy
    }
    assert translated == list_texts(), "run scripts/translations, translate, then scripts/translations compile"


@every_catalogue
def test_the_compiled_catalogue_is_the_written_one(path: Path) -> None:
    compiled = BytesIO()
    write_mo(compiled, load_catalogue(path))
    assert path.with_suffix(".mo").read_bytes() == compiled.getvalue(), "run scripts/translations compile"


@every_catalogue
def test_a_translation_keeps_the_placeholders_of_its_text(path: Path) -> None:
    placeholder = re.compile(r"%(?:\(\w+\)[sd]|.)")
    for original, string in list_translations(path):
        assert sorted(placeholder.findall(string)) == sorted(placeholder.findall(original)), original


def test_french_puts_no_break_spaces_before_its_double_signs() -> None:
    wrong = re.compile("(?<!\u00a0)[:»]|(?<!\u202f)[;!?]|«(?!\u00a0)|'|\\.\\.\\.")
    texts = [string for _, string in list_translations(PACKAGE / "translations/fr/LC_MESSAGES/messages.po")]
    assert [text for text in texts if wrong.search(text.replace("://", ""))] == []


def test_french_addresses_the_person_politely() -> None:
    texts = [string for _, string in list_translations(PACKAGE / "translations/fr/LC_MESSAGES/messages.po")]
    assert [text for text in texts if re.search(r"\b(tu|toi|ton|ta|tes)\b", text, re.IGNORECASE)] == []
