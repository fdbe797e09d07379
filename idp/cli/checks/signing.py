"""The signing keys on disk: there, kept to their owner, not too old, and each with a successor that others know."""

from collections.abc import Iterator

from idp.cli.checks.finding import Finding, warning, well, wrong
from idp.cli.checks.subject import Subject
from idp.cli.output import iso
from idp.jose.key_directory import KeyDirectory
from idp.jose.key_pair import KeyDirectoryError, SigningKey

DAY = 86_400
OLD_DAYS = 365


def examine_keys(subject: Subject) -> Iterator[Finding]:
    directory, settings = subject.keys, subject.settings
    try:
        keys = directory.list(subject.now)
        _read_all(keys, subject.now)
    except KeyDirectoryError as error:
        is_denied = "denied" in str(error).lower()
        advice = "Run idp doctor as the account that the server runs as." if is_denied else "Run: idp init"
        yield wrong("keys", f"IDP_KEYS_DIR: {error} {advice}")
        return
    yield from _examine_permissions(directory, is_production=settings.is_production)
    for alg in settings.signing_algs:
        yield from _examine_algorithm(alg, [key for key in keys if key.alg == alg], subject)


def _read_all(keys: list[SigningKey], now: int) -> None:
    """Both halves of the keys that sign, the public halves of the rest."""
    for key in keys:
        if not key.unpublished:
            _ = key.material.jwk
        if key.state(now) == "active":
            _ = key.material.private


def _examine_permissions(directory: KeyDirectory, *, is_production: bool) -> Iterator[Finding]:
    open_files = directory.insecure_files()
    for file in open_files:
        result = wrong if is_production else warning
        yield result("keys", f"{file} can be read or written by others; run: chmod go-rwx {file}")
    if not open_files:
        yield well("keys", f"The files in {directory.path} are their owner's alone.")


def _examine_algorithm(alg: str, keys: list[SigningKey], subject: Subject) -> Iterator[Finding]:
    now = subject.now
    active = [key for key in keys if key.state(now) == "active"]
    waiting = [key for key in keys if key.state(now) == "next"]
    if not active:
        yield wrong("keys", f"No key signs for {alg}; run: idp init")
        return
    since = max(key.activates_at or 0 for key in active)
    days = (now - since) // DAY
    if days > OLD_DAYS:
        yield warning("keys", f"The {alg} key has signed for {days} days; hand over to the next one: idp keys rotate")
    else:
        yield well("keys", f"The {alg} key has signed since {iso(since)}.")
    planned = [key for key in waiting if key.is_planned]
    if planned:
        yield well("keys", f"The next {alg} key takes over at {iso(planned[0].activates_at)}.")
    elif not waiting:
        yield warning("keys", f"There is no next key for {alg}, so a rotation would have to wait; run: idp init")
    elif not any(_is_known(key, subject) for key in waiting):
        wait = max(key.created_at for key in waiting) + subject.settings.jwks_max_age
        yield well("keys", f"The next {alg} key is published; it can take over from {iso(wait)} on.")


def _is_known(key: SigningKey, subject: Subject) -> bool:
    """Whether it has been published for as long as others may keep an old key set."""
    return key.founding or key.created_at + subject.settings.jwks_max_age <= subject.now
