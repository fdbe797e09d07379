"""Clocks: ours, the server's, the database's, Redis'. Codes live a minute, so minutes matter."""

from collections.abc import Iterator
from email.utils import parsedate_to_datetime

from idp.cli.checks.finding import Finding, warning, well, wrong
from idp.cli.checks.reach import ask_server
from idp.cli.checks.site import Unreachable
from idp.cli.checks.subject import Subject
from idp.store.condition import RedisUnreachable, condition_of, redis_condition

SOME_SECONDS, MANY_SECONDS = 10, 60


def examine_clocks(subject: Subject) -> Iterator[Finding]:
    yield from _examine_stores(subject)
    if subject.offline:
        return
    try:
        answer = subject.site.get("/health")
        sent = seconds_of(answer.header("Date"))
        if sent is not None:
            yield compared("the server's answers", sent - subject.clock())
        seen, _ = ask_server(subject)
        if seen is not None and sent is None:
            yield compared("the server", seen.now - subject.clock())
    except Unreachable:
        return  # said by the check of the issuer


def _examine_stores(subject: Subject) -> Iterator[Finding]:
    if subject.store is not None:
        clock = condition_of(subject.store.database).clock
        if clock is not None:
            yield compared("the database", clock - subject.clock())
    if subject.settings.redis_url is not None:
        try:
            yield compared("Redis", redis_condition(subject.settings.redis_url).clock - subject.clock())
        except (RedisUnreachable, ImportError):
            return  # said by the check of Redis


def seconds_of(date: str | None) -> float | None:
    """A Date header (RFC 9110 §6.6.1) in seconds since the epoch; None when it is none."""
    try:
        return parsedate_to_datetime(date).timestamp() if date else None
    except ValueError:
        return None


def compared(whose: str, ahead: float) -> Finding:
    """`ahead`: seconds, negative for a clock that is behind ours."""
    by = f"{abs(ahead):.0f} seconds {'ahead of' if ahead > 0 else 'behind'} ours"
    if abs(ahead) >= MANY_SECONDS:
        return wrong("clock", f"The clock of {whose} is {by}: codes and tokens are taken for expired. Set it by NTP.")
    if abs(ahead) >= SOME_SECONDS:
        return warning("clock", f"The clock of {whose} is {by}. Set it by NTP.")
    return well("clock", f"The clock of {whose} agrees with ours.")
