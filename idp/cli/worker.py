"""The worker process: gunicorn's threads, and a limit on how long one request may hold one of them.

Reading a request happens in a thread that serves nobody else meanwhile, and a client that sends a byte now and then
could keep it for ever. A watchdog closes the connection of a request that is not done in time. A reverse proxy in front
that reads requests whole (our Caddyfile does) is the real defence; this one stands behind it.
"""

import contextlib
import queue
import signal
import socket
import threading
import time
from typing import Any

from gunicorn.workers.gthread import _DEFER, ThreadWorker

REQUEST_SECONDS = 20.0  # longer than anything we do: waiting for a password hash, fetching a client's keys
CHECK_SECONDS = 1.0
FIRST_BYTE_SECONDS = 0.01  # a connection that stays silent waits in the poller, not in a thread (gunicorn: 5 s)


STOP_SIGNALS = {signal.SIGTERM, signal.SIGINT, signal.SIGQUIT}


class Worker(ThreadWorker):  # type: ignore[misc]
    early_signals: "queue.SimpleQueue[int]"  # what arrived between the fork and the worker's own handlers

    def init_process(self) -> None:
        self._running: dict[int, tuple[float, Any]] = {}
        threading.Thread(target=self._watch, name="watchdog", daemon=True).start()
        super().init_process()

    def init_signals(self) -> None:
        """Gunicorn's, then heed a request to stop that came before: until here the parent's handler took it."""
        super().init_signals()
        with contextlib.suppress(queue.Empty):
            while True:
                if self.early_signals.get_nowait() in STOP_SIGNALS:
                    self.alive = False

    def handle_quit(self, sig: int, frame: Any) -> None:
        """Stop at once (Ctrl+C, SIGQUIT): the main loop is told so, and ends without waiting for connections.

        Gunicorn's closes the pool of threads in here, and waits for ever when it has interrupted what holds its lock.
        """
        self.cfg.set("graceful_timeout", 0)
        self.nr_conns = 0
        self.handle_exit(sig, frame)

    def handle(self, conn: Any) -> Any:
        """One request on one connection, in a thread of its own."""
        if not conn.initialized and not conn.wait_for_data(FIRST_BYTE_SECONDS):
            return _DEFER
        me = threading.get_ident()
        self._running[me] = (time.monotonic() + REQUEST_SECONDS, conn)
        try:
            return super().handle(conn)
        finally:
            self._running.pop(me, None)

    def _watch(self) -> None:
        while True:
            time.sleep(CHECK_SECONDS)
            self.end_late(time.monotonic())

    def end_late(self, now: float) -> None:
        """Close the connections of requests past their time; their threads notice and are free again."""
        for deadline, conn in list(self._running.values()):
            if now > deadline:
                with contextlib.suppress(OSError):
                    conn.sock.shutdown(socket.SHUT_RDWR)
