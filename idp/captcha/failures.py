"""How many wrong tries to sign in were made lately by somebody, or at an account (`failures` in IDP_CAPTCHA_ON).

Counts no further than the settings want to know, in marks that exist or not, so that many processes count as one.
"""

from collections.abc import Sequence

from idp.server import Server

LIFETIME = 900  # seconds that a wrong try counts
_KIND = "captcha_failures"


def is_counted(server: Server) -> bool:
    return server.settings.captcha != "none" and "failures" in server.settings.captcha_on


def count_failures(server: Server, whom: Sequence[str], now: int) -> int:
    """The most that is counted for one of these: `captcha_failures` when as many are, otherwise 0."""
    if not is_counted(server):
        return 0
    enough = server.settings.captcha_failures
    last = (server.store.ephemeral.get(_KIND, f"{enough - 1} {each}", now=now) for each in whom)
    return enough if any(mark is not None for mark in last) else 0


def add_failure(server: Server, whom: Sequence[str], now: int) -> None:
    """One more wrong try by, or at, each of these."""
    if not is_counted(server):
        return
    for each in whom:
        for number in range(server.settings.captcha_failures):
            if server.store.ephemeral.put_new(_KIND, f"{number} {each}", {}, lifetime=LIFETIME, now=now):
                break
