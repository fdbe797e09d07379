"""What every CAPTCHA has, whoever made it: a widget for the page, and a judgement of the answer."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from idp.server import Server

ANSWER_LIFETIME = 300  # seconds since it was solved in which an answer counts


class Outcome(StrEnum):
    NOT_ASKED = "not_asked"
    PASSED = "passed"
    FAILED = "failed"
    MISSING = "missing"
    UNAVAILABLE = "unavailable"


@dataclass(frozen=True, slots=True)
class Verdict:
    """What an answer is worth. True as a condition when the form may be acted on.

    `why` is for the log alone. `is_open`: UNAVAILABLE, but people are let through (`IDP_CAPTCHA_WHEN_DOWN`); the caller
    then applies stricter limits. `spends`: what must not have been used before, and the seconds to remember it for.
    """

    outcome: Outcome
    why: str = ""
    is_open: bool = False
    spends: tuple[str, int] | None = None

    def __bool__(self) -> bool:
        return self.is_open or self.outcome in {Outcome.PASSED, Outcome.NOT_ASKED}


@dataclass(frozen=True, slots=True)
class Asked:
    """One answer to judge. `address`: of the person who gave it; `now` in seconds since the epoch."""

    answer: str
    place: str
    address: str
    now: int


@dataclass(frozen=True, slots=True)
class Widget:
    """What a page shows. `script`: the vendor's, with `{language}` and `{site_key}` in it; None when there is none.

    `sources`: directive of the Content-Security-Policy → what the page needs there beyond its own. `is_posted_by_us`:
    the answer's field is ours to make and to fill; otherwise the vendor's script makes it.
    """

    kind: str
    field: str
    place: str
    sources: Mapping[str, tuple[str, ...]]
    css_class: str = ""
    site_key: str = ""
    script: str | None = None
    is_posted_by_us: bool = False
    challenge: str = ""
    puzzles: int = 0
    bits: int = 0

    def script_url(self, language: str) -> str | None:
        return None if self.script is None else self.script.format(language=language, site_key=self.site_key)


class Captcha(Protocol):
    """A line in the table. `field`: the form field with the answer."""

    @property
    def field(self) -> str: ...

    def make_widget(self, server: Server, place: str, now: int) -> Widget: ...

    def judge(self, server: Server, asked: Asked) -> Verdict: ...
