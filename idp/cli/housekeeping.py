"""What each worker process does beside answering requests: deleting what has expired, and the accounts
that their people have asked to delete, every few minutes.

One daemon thread a process. The rounds of all processes are spread by chance, and `prune_in_turn` lets one of them do
the work. A round that fails is logged and the next one comes all the same.
"""

import random
import threading
from collections.abc import Callable

import structlog

from idp.accounts.deletion import delete_due
from idp.jose.key_directory import KeyDirectory
from idp.server import Server
from idp.store.pruning import ROUND_SECONDS, prune_in_turn

JITTER = 0.2  # part of a round by which it is shifted at random
_log = structlog.get_logger("idp.housekeeping")


def start_housekeeping(server: Server) -> threading.Thread:
    """Begin the rounds of this process; the thread ends with the process."""
    thread = threading.Thread(target=_run, args=(server, threading.Event().wait), name="housekeeping", daemon=True)
    thread.start()
    return thread


def do_round(server: Server, *, now: int) -> None:
    """One round: accounts whose time has come, expired rows, spent signing keys. What goes wrong is logged, never
    raised."""
    try:
        delete_due(server, now=now)
    except Exception:
        _log.exception("Deleting accounts failed; the next round tries again.")
    try:
        counts = prune_in_turn(
            server.store.database,
            server.store.ephemeral,
            now=now,
            audit_retention=server.settings.audit_retention,
            refusal_retention=server.settings.inspect_retention,
        )
        if any(counts.values()):
            _log.info("pruned", **{table: count for table, count in counts.items() if count})
    except Exception:
        _log.exception("Deleting expired rows failed; the next round tries again.")
    try:
        settings = server.settings
        for key in KeyDirectory(settings.keys_dir).prune(now, settings.longest_token_lifetime):
            _log.info("signing key deleted", kid=key.kid, alg=key.alg)
    except Exception:
        _log.exception("Deleting retired signing keys failed; the next round tries again.")


def _run(server: Server, wait: Callable[[float], object]) -> None:
    while True:
        wait(ROUND_SECONDS * random.uniform(1 - JITTER, 1 + JITTER))  # noqa: S311  # not for security
        do_round(server, now=server.clock())
