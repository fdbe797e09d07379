"""Refusals on their way to the database: a short queue in each process, and one thread that writes what waits in it.

So a database that is slow, locked or gone holds up no answer and no thread that answers. The thread begins with the
first refusal, in the process that has it (the application is loaded before the fork), and ends when nothing came for a
while.
"""

import threading
from collections import deque
from collections.abc import Callable

import structlog

from idp.store.refusals import Refusal

MAX_WAITING = 200  # refusals; what comes when so many wait is not kept
IDLE_SECONDS = 10.0
_log = structlog.get_logger("idp.inspector")


class NoteWriter:
    """`write` stores one refusal, however long it takes; what it raises is logged."""

    def __init__(self, write: Callable[[Refusal], None]) -> None:
        self._write = write
        self._waiting: deque[Refusal] = deque()  # the one that is being written stays the first until it is
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None
        self._is_well = True

    @property
    def is_well(self) -> bool:
        """Whether the last one could be written."""
        return self._is_well

    def put(self, refusal: Refusal) -> bool:
        """Have it written soon, without waiting for anything; False when too many wait already."""
        with self._changed:
            if len(self._waiting) >= MAX_WAITING:
                return False
            if self._thread is None or not self._thread.is_alive():
                self._thread = threading.Thread(target=self._run, name="notes", daemon=True)
                self._thread.start()
            self._waiting.append(refusal)
            self._changed.notify_all()
        return True

    def wait(self, seconds: float, request_id: str | None = None) -> bool:
        """Until this refusal, or all of this process, are written or given up, `seconds` at most; whether they are."""
        with self._changed:
            return self._changed.wait_for(lambda: not self._is_waiting(request_id), seconds)

    def _is_waiting(self, request_id: str | None) -> bool:
        return any(request_id in {None, refusal.request_id} for refusal in self._waiting)

    def _run(self) -> None:
        while (refusal := self._next()) is not None:
            try:
                self._is_well = self._wrote(refusal)
            finally:
                with self._changed:
                    self._waiting.popleft()
                    self._changed.notify_all()

    def _next(self) -> Refusal | None:
        with self._changed:
            if self._changed.wait_for(lambda: bool(self._waiting), IDLE_SECONDS):
                return self._waiting[0]
            self._thread = None
            return None

    def _wrote(self, refusal: Refusal) -> bool:
        try:
            self._write(refusal)
        except Exception as failure:  # whatever it is, the next one is tried all the same
            _log.warning("a refusal could not be noted", kind=type(failure).__name__, request_id=refusal.request_id)
            return False
        return True
