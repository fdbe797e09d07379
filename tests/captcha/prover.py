"""What a browser does for a proof of work, in Python: found by its definition, not by the server's code."""

import hashlib
from itertools import count

from bs4 import Tag

from tests.support.relying_party import Page


def solve(challenge: str, puzzles: int, bits: int) -> str:
    """The proof for a challenge."""
    return f"{challenge}~{','.join(str(_number(challenge, puzzle, bits)) for puzzle in range(puzzles))}"


def _number(challenge: str, puzzle: int, bits: int) -> int:
    for number in count():
        digest = hashlib.sha256(f"{challenge}:{puzzle}:{number}".encode()).hexdigest()
        if f"{int(digest, 16):0256b}".startswith("0" * bits):
            return number
    raise AssertionError


def challenge_of(page: Page) -> tuple[str, int, int]:
    """The challenge on a page, how many puzzles it has and how many bits."""
    work = page.soup.find(id="captcha-work")
    assert isinstance(work, Tag), f"no proof of work on: {page.text[:300]}"
    return str(work["data-challenge"]), int(str(work["data-puzzles"])), int(str(work["data-bits"]))


def prove(page: Page) -> str:
    """The proof for the challenge on a page."""
    return solve(*challenge_of(page))
