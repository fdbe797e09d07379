"""The documents tell the truth of this commit."""

import re
import subprocess
from pathlib import Path

import pytest

from tests.support.compliance import ANSWERS, ASVS_LEVELS, render

ROOT = Path(__file__).parent.parent
DOCUMENTS = sorted(
    document
    for place in ("README.md", "docs/**/*.md", "examples/**/*.md", "packages/**/*.md")
    for document in ROOT.glob(place)
    if "node_modules" not in document.parts
)
_LINK = re.compile(r"\]\((?!https?:|#)([^)#]+)")
_PATH = re.compile(r"`((?:idp|tests|docs|scripts|examples|packages)/[\w./*-]+)`")


def test_the_compliance_page_is_what_the_marks_say(request: pytest.FixtureRequest) -> None:
    """Read from the tests of this very run when they are all there, since collecting them again takes a while."""
    config = request.config
    if config.args == config.getini("testpaths") and not config.option.keyword and not config.option.markexpr:
        page = (ROOT / "docs" / "compliance.md").read_text(encoding="utf-8")
        assert page == render(request.session.items), "docs/compliance.md is stale; run: scripts/compliance"
    else:
        done = subprocess.run([ROOT / "scripts" / "compliance", "--check"], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout[-3000:] + done.stderr


def test_every_asvs_requirement_of_our_chapters_is_shown_or_answered() -> None:
    page = (ROOT / "docs" / "compliance.md").read_text(encoding="utf-8")
    assert "**nothing**" not in page
    assert set(ANSWERS) <= set(ASVS_LEVELS)


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_and_paths_in_the_documents_lead_somewhere(document: Path) -> None:
    text = document.read_text(encoding="utf-8")
    missing = [link for link in _LINK.findall(text) if not (document.parent / link).exists()]
    missing += [path for path in _PATH.findall(text) if not list(ROOT.glob(path.rstrip("/")))]
    assert not missing
