"""How gunicorn runs the server, whether `idp serve` or plain `gunicorn wsgi:app` starts it.

Owns gunicorn's settings and hooks. The application is loaded once, before the workers are forked, so that they share
its memory; nothing that must not be shared (threads, connections) exists at that moment. Host, scheme and client
address are never taken from a proxy's headers here: the issuer says the first two, and `web.proxy` judges the third.
"""

import gc
import json
import os
import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from gunicorn import glogging
from gunicorn.app.base import BaseApplication
from gunicorn.http import wsgi

from idp import create_app
from idp.cli.housekeeping import start_housekeeping
from idp.cli.worker import Worker
from idp.mail.mailer import Mailer, warn_about_mail
from idp.server import Server
from idp.settings import Settings
from idp.web.inspector import WRITER
from idp.web.limits import warn_about_separate_limits

KEEP_ALIVE_SECONDS = 75
GRACEFUL_SECONDS = 10  # what requests under way have to end, when the server stops
NOTES_SECONDS = 1.0  # for the refusals that wait to be written when the process ends
REQUEST_LINE_BYTES = 8190  # an authorization request with a state of 2 KB and a claims parameter fits
SHARED_MEMORY = "/dev/shm"  # noqa: S108  # where gunicorn's heartbeat files never wait for a disk


class ServerApplication(BaseApplication):  # type: ignore[misc]
    """Our application under gunicorn, in this process and without gunicorn's own command line."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        super().__init__()

    def load_config(self) -> None:
        for name, value in gunicorn_options(self._settings).items():
            self.cfg.set(name, value)

    def load(self) -> Any:
        return create_app(self._settings)


class Log(glogging.Logger):  # type: ignore[misc]
    """Gunicorn's messages in our format: handed on to the root logger, no handler of their own."""

    def setup(self, cfg: Any) -> None:
        super().setup(cfg)
        self.error_log.handlers.clear()
        self.error_log.propagate = True


def gunicorn_options(settings: Settings) -> dict[str, Any]:
    """Gunicorn's settings by name, its hooks among them."""
    remove_server_header()
    return {
        "bind": addresses(settings),
        "workers": settings.workers or os.cpu_count() or 1,
        "worker_class": Worker,
        "threads": settings.threads + (settings.upstream_concurrency if settings.upstream else 0),
        "preload_app": True,
        "keepalive": KEEP_ALIVE_SECONDS,
        "timeout": 30,
        "graceful_timeout": GRACEFUL_SECONDS,
        "max_requests": 0,
        "limit_request_line": REQUEST_LINE_BYTES,
        "limit_request_fields": 64,
        "limit_request_field_size": 8190,
        "forwarded_allow_ips": "",
        "secure_scheme_headers": {},
        "forwarder_headers": "",
        "accesslog": None,
        "errorlog": "-",
        "loglevel": "info" if settings.is_production else "warning",
        "logger_class": Log,
        "control_socket_disable": True,
        "worker_tmp_dir": SHARED_MEMORY if os.access(SHARED_MEMORY, os.W_OK) else None,
        "proc_name": "idp",
        **_hooks(settings),
    }


def addresses(settings: Settings) -> list[str]:
    """Where to listen. `localhost` is both of its addresses, since browsers try either one first."""
    if settings.host == "localhost":
        hosts = ["127.0.0.1", "[::1]"] if _has_ipv6_loopback() else ["127.0.0.1"]
    else:
        hosts = [f"[{settings.host}]" if ":" in settings.host else settings.host]
    return [f"{host}:{settings.port}" for host in hosts]


def remove_server_header() -> None:
    """Gunicorn has no setting for it: answers leave without a Server header, which only helps who looks for targets."""
    original: Callable[[Any], list[str]] = wsgi.Response.default_headers
    if getattr(original, "without_server", False):
        return

    def default_headers(response: Any) -> list[str]:
        return [line for line in original(response) if not line.startswith("Server:")]

    default_headers.without_server = True  # type: ignore[attr-defined]
    wsgi.Response.default_headers = default_headers


def banner(settings: Settings) -> str:
    """What a developer wants to know: what to open, who can sign in, how to stop."""
    lines = ["", f"  {settings.service_name} is ready: {settings.issuer}/", ""]
    with suppress(OSError, ValueError, KeyError):
        path = settings.var_dir / "demo.json"
        demo = json.loads(path.read_text(encoding="utf-8"))
        lines += [f"  Sign in as   {demo['username']}", f"  Password     {demo['password']}"]
        lines += [f"  For tools    {path} (demo clients and their secrets)"]
    stand_ins = [each.sandbox_url for each in settings.upstream if each.sandbox_url is not None]
    if stand_ins:
        lines += [f"  Sandbox      {len(stand_ins)} stand-ins for other providers, from {stand_ins[0]} on"]
    return "\n".join([*lines, "  To stop      Ctrl+C", ""])


def _hooks(settings: Settings) -> dict[str, Callable[..., None]]:
    return {
        "when_ready": _when_ready(settings),
        "pre_fork": _pre_fork,
        "post_fork": _post_fork,
        "post_worker_init": _post_worker_init,
        "worker_exit": _worker_exit,
    }


def _when_ready(settings: Settings) -> Callable[[Any], None]:
    def when_ready(arbiter: Any) -> None:
        warn_about_separate_limits(settings, arbiter.cfg.workers)
        warn_about_mail(settings)
        if not settings.is_production:
            print(banner(settings), flush=True)

    return when_ready


def _pre_fork(arbiter: Any, _worker: Any) -> None:
    """In the parent: close what start-up opened, and leave its objects out of garbage collection, hence shared."""
    _server_of(arbiter.app.wsgi()).store.database.dispose()
    for thread in threading.enumerate():
        if isinstance(
            thread, threading.Timer
        ):  # the limits' store in memory tidies up once; each worker starts its own
            thread.join(1)
    others = [thread.name for thread in threading.enumerate() if thread is not threading.main_thread()]
    if others:
        arbiter.log.warning("Threads are running before the fork and will be missing in the workers: %s", others)
    if gc.get_freeze_count() == 0:
        gc.collect()
        gc.freeze()
    gc.enable()


def _post_fork(arbiter: Any, worker: Any) -> None:
    worker.early_signals = arbiter.SIG_QUEUE


def _post_worker_init(worker: Any) -> None:
    server = _server_of(worker.wsgi)
    start_housekeeping(server)
    worker.mailer = Mailer(server)
    worker.mailer.start()


def _worker_exit(_arbiter: Any, worker: Any) -> None:
    """A mail that is being handed over is finished, or it would have to be sent a second time; and what was refused
    last is written, if the database takes it."""
    mailer: Mailer | None = getattr(worker, "mailer", None)
    if mailer is not None:
        mailer.stop()
        worker.wsgi.extensions[WRITER].wait(NOTES_SECONDS)


def _server_of(app: Any) -> Server:
    server: Server = app.extensions["idp"]
    return server


def _has_ipv6_loopback() -> bool:
    with suppress(OSError), socket.socket(socket.AF_INET6, socket.SOCK_STREAM) as probe:
        probe.bind(("::1", 0))
        return True
    return False
