"""A CAPTCHA of somebody else, as data: its script, its field, its Content-Security-Policy, how its answer is judged.

All of them verify in the same way: a form with secret and answer goes to the vendor, JSON comes back.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from ipaddress import ip_address
from typing import Any
from urllib.parse import urlsplit

from idp.captcha.plug import ANSWER_LIFETIME, Asked, Outcome, Verdict, Widget
from idp.captcha.siteverify import Unavailable, Unintelligible, ask
from idp.outbound import is_public
from idp.server import Server
from idp.settings import Settings

Answer = Mapping[str, Any]
Rule = Callable[[Settings, Asked, Answer], str | None]
"""Gives what is wrong, for the log; None when nothing is."""

MAX_ANSWER_LENGTH = 8192
CLOCK_SKEW = 60  # seconds that the vendor's clock may be ahead of ours
_ANSWER = re.compile(r"[!-~]+")
_UNTOLD = (None, "", "not-provided")  # the last one is hCaptcha's, for browsers that hide where they are
# Codes that a wrong answer cannot cause: our configuration, or the vendor, is at fault.
_NOT_THE_ANSWER = frozenset({"missing-input-secret", "invalid-input-secret", "internal-error"})


def has_our_host(settings: Settings, _asked: Asked, answer: Answer) -> str | None:
    """An answer that was solved on another site is no answer here."""
    hostname = answer.get("hostname")
    ours = urlsplit(settings.issuer).hostname
    return None if hostname in (*_UNTOLD, ours) else f"solved on another host: {str(hostname)[:100]}"


def is_recent(_settings: Settings, asked: Asked, answer: Answer) -> str | None:
    """`challenge_ts`: ISO 8601 with an offset."""
    try:
        solved_at = datetime.fromisoformat(str(answer.get("challenge_ts")))
        age = asked.now - solved_at.timestamp() if solved_at.tzinfo is not None else None
    except (ValueError, OverflowError):
        age = None
    if age is None:
        return "without a readable challenge_ts"
    return None if -CLOCK_SKEW <= age <= ANSWER_LIFETIME else f"solved {age:.0f} seconds ago"


def is_for_this_place(_settings: Settings, asked: Asked, answer: Answer) -> str | None:
    """`action`: what our page named; a vendor that was not told one gives none back."""
    action = answer.get("action")
    return None if action in (None, "", asked.place) else f"solved for {str(action)[:100]}"


@dataclass(frozen=True)
class Vendor:
    """`test_secrets`: published keys whose answers name other hosts, are always the same, and prove nothing.

    `names_site`: the verification names the site key too. `rules`: what must hold beside `success`.
    """

    kind: str
    field: str
    script: str
    sources: Mapping[str, tuple[str, ...]]
    verify_url: str
    css_class: str = ""
    test_secrets: frozenset[str] = frozenset()
    rules: tuple[Rule, ...] = (has_our_host, is_recent)
    names_site: bool = False
    is_posted_by_us: bool = False

    def make_widget(self, server: Server, place: str, now: int) -> Widget:
        del now
        return Widget(
            kind=self.kind,
            field=self.field,
            place=place,
            css_class=self.css_class,
            site_key=server.settings.captcha_site_key or "",
            script=self.script,
            sources=self.sources,
            is_posted_by_us=self.is_posted_by_us,
        )

    def judge(self, server: Server, asked: Asked) -> Verdict:
        settings = server.settings
        if len(asked.answer) > MAX_ANSWER_LENGTH or not _ANSWER.fullmatch(asked.answer):
            return Verdict(Outcome.FAILED, "not of the shape of an answer")
        try:
            answer = ask(settings, settings.captcha_verify_url or self.verify_url, self._form(settings, asked))
        except Unavailable as reason:
            return Verdict(Outcome.UNAVAILABLE, str(reason), is_open=settings.captcha_when_down == "open")
        except Unintelligible as reason:
            return Verdict(Outcome.FAILED, str(reason))
        return self._weigh(settings, asked, answer)

    def _form(self, settings: Settings, asked: Asked) -> dict[str, str]:
        """`remoteip` is an optional parameter of every vendor here; an address inside our network says nothing."""
        form = {"secret": settings.captcha_secret_key or "", "response": asked.answer}
        if self.names_site and settings.captcha_site_key:
            form["sitekey"] = settings.captcha_site_key
        return form | ({"remoteip": asked.address} if _is_public(asked.address) else {})

    def _weigh(self, settings: Settings, asked: Asked, answer: Answer) -> Verdict:
        if answer.get("success") is not True:
            codes = _codes(answer)
            why = f"{self.kind} says {', '.join(codes) or 'no'}"
            if codes and _NOT_THE_ANSWER.issuperset(codes):
                return Verdict(Outcome.UNAVAILABLE, why, is_open=settings.captcha_when_down == "open")
            return Verdict(Outcome.FAILED, why)
        if settings.captcha_secret_key in self.test_secrets:
            return Verdict(Outcome.PASSED)
        wrong = next(filter(None, (rule(settings, asked, answer) for rule in self.rules)), None)
        if wrong is not None:
            return Verdict(Outcome.FAILED, wrong)
        return Verdict(Outcome.PASSED, spends=(asked.answer, ANSWER_LIFETIME + CLOCK_SKEW))


def _codes(answer: Answer) -> list[str]:
    codes = answer.get("error-codes")
    return [str(code)[:60] for code in codes[:8]] if isinstance(codes, list) else []


def _is_public(address: str) -> bool:
    try:
        return is_public(ip_address(address))
    except ValueError:
        return False
