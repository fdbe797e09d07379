"""What `idp doctor` looks at: one module for each topic, one function for each check, all of them in two tables.

A check is given the `Subject` and says what it finds, in sentences. Checks run beside each other, each in a thread of
its own that nobody waits for longer than PATIENCE: one that hangs cannot hold up the rest. No check changes anything,
but for a mark in the store, gone after a minute, by which the server is recognised.

- `finding`         what a check says
- `subject`, `site` what is looked at: the deployment from inside, and the server as others reach it
- `configuration`   settings, secret key
- `storage`         database, schema, Redis, disk
- `signing`         the keys on disk
- `correspondence`  mail, CAPTCHA
- `reach`           the issuer's address, https, proxies
- `documents`       discovery, endpoints, key set
- `browsers`        security headers, cookies, CORS
- `clocks`          of the server, of the stores
- `connections`     other providers: `idp doctor upstream`
- `registration`    one client as it is registered; `sign_in`: its requests, really sent
"""

import queue
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from idp.cli.checks import (
    browsers,
    clocks,
    configuration,
    connections,
    correspondence,
    documents,
    reach,
    registration,
    sign_in,
    signing,
    storage,
)
from idp.cli.checks.finding import Finding, unknown, wrong
from idp.cli.checks.site import Unreachable
from idp.cli.checks.subject import Subject
from idp.cli.command import find_sentence
from idp.settings import Settings

PATIENCE = 10.0  # seconds for all checks together
_NO_ANSWER = "Not looked at, because the issuer does not answer."


@dataclass(frozen=True, slots=True)
class Check:
    """`what`: its topic. `asks_network`: it asks the issuer, or somebody else, and is left out offline."""

    what: str
    examine: Callable[[Subject], Iterable[Finding]]
    asks_network: bool = False


CHECKS: tuple[Check, ...] = (
    Check("settings", configuration.examine_settings),
    Check("secret key", configuration.examine_secret_key),
    Check("database", storage.examine_database),
    Check("redis", storage.examine_redis),
    Check("disk", storage.examine_disk),
    Check("keys", signing.examine_keys),
    Check("mail", correspondence.examine_mail),
    Check("captcha", correspondence.examine_captcha),
    Check("clock", clocks.examine_clocks),
    Check("issuer", reach.examine_issuer, asks_network=True),
    Check("https", reach.examine_https, asks_network=True),
    Check("proxies", reach.examine_proxies, asks_network=True),
    Check("discovery", documents.examine_discovery, asks_network=True),
    Check("endpoints", documents.examine_endpoints, asks_network=True),
    Check("jwks", documents.examine_jwks, asks_network=True),
    Check("headers", browsers.examine_headers, asks_network=True),
    Check("CORS", browsers.examine_cors, asks_network=True),
)

CLIENT_CHECKS: tuple[Check, ...] = (
    Check("client", registration.examine_registration),
    Check("redirect URIs", registration.examine_redirect_uris),
    Check("authentication", registration.examine_authentication),
    Check("scopes", registration.examine_scopes),
    Check("connections", registration.examine_upstreams),
    Check("refusals", registration.examine_refusals),
    Check("issuer", reach.examine_issuer, asks_network=True),
    Check("discovery", documents.examine_discovery, asks_network=True),
    Check("sign-in", sign_in.examine_requests, asks_network=True),
    Check("CORS", browsers.examine_cors, asks_network=True),
)


def connection_checks(settings: Settings) -> tuple[Check, ...]:
    """A check for each connection with another provider; offline they look at the settings alone."""
    return tuple(Check(each.name, connections.check_of(each)) for each in settings.upstream)


def run_checks(checks: Sequence[Check], subject: Subject) -> list[Finding]:
    """What all of them say, in the order of the table, within PATIENCE seconds."""
    patience = PATIENCE
    asked = [check for check in checks if not (subject.offline and check.asks_network)]
    answers: queue.SimpleQueue[tuple[int, list[Finding]]] = queue.SimpleQueue()
    for place, check in enumerate(asked):
        threading.Thread(target=_answer, args=(place, check, subject, answers), daemon=True).start()
    found: dict[int, list[Finding]] = {}
    end = time.monotonic() + patience
    while len(found) < len(asked):
        try:
            place, findings = answers.get(timeout=max(0.0, end - time.monotonic()))
        except queue.Empty:
            break
        found[place] = findings
    late = f"Nothing came back within {patience:g} seconds, so something it needs hangs."
    left_out = [unknown("network", "Nothing was asked over the network.")] if subject.offline else []
    every = [found.get(place, [wrong(check.what, late)]) for place, check in enumerate(asked)]
    return _joined([*(finding for findings in every for finding in findings), *left_out])


def _joined(findings: list[Finding]) -> list[Finding]:
    """What an issuer that does not answer keeps from being looked at, in one line instead of many."""
    missed = [finding.what for finding in findings if finding.sentence == _NO_ANSWER]
    told = [finding for finding in findings if finding.sentence != _NO_ANSWER]
    return [*told, unknown("network", f"{_NO_ANSWER[:-1]}: {', '.join(missed)}.")] if missed else told


def _answer(
    place: int, check: Check, subject: Subject, answers: "queue.SimpleQueue[tuple[int, list[Finding]]]"
) -> None:
    answers.put((place, list(_examined(check, subject))))


def _examined(check: Check, subject: Subject) -> Iterator[Finding]:
    """The findings of one check; what it could not go on for is one, too."""
    try:
        yield from check.examine(subject)
    except Unreachable:
        if check.what != "clock":
            yield unknown(check.what, _NO_ANSWER)
    except Exception as error:  # whatever fails, the other checks speak
        yield wrong(check.what, find_sentence(error) or f"This check failed itself ({type(error).__name__}).")
