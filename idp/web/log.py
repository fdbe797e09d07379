"""Structured logs: one JSON object a line on standard error, each with the request's id and address (ASVS 16.2).

Owns the request id, which is also in the `X-Request-Id` header and on every error page. Never logged: query strings,
bodies, header values; an authorization code or a token can hide in each of them.
"""

import json
import logging
import secrets
import sys
import time
from typing import Any
from urllib.parse import quote

import structlog
from flask import Flask, Response, g, request

from idp.settings import Settings
from idp.web.proxy import client_address, load_networks

_log = structlog.get_logger("idp.request")
_to_json = json.JSONEncoder(default=repr).encode  # made once: json.dumps would make an encoder for each line


def configure_logs(settings: Settings) -> None:
    """Set up structlog and the standard library's logging to write the same lines."""
    is_json = (settings.log_format or ("json" if settings.is_production else "console")) == "json"
    in_console = structlog.dev.ConsoleRenderer(colors=False)
    renderer: Any = structlog.processors.JSONRenderer(_render) if is_json else in_console
    last: list[Any] = [renderer] if is_json else [_escape, renderer]  # JSON escapes by itself
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    structlog.configure(
        processors=[*shared, structlog.processors.format_exc_info, *last],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelName(settings.log_level)),
        logger_factory=structlog.WriteLoggerFactory(file=sys.stderr),
        cache_logger_on_first_use=True,
    )
    formatter = structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=shared,
        processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, _exceptions, *last],
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(formatter)
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(max(logging.INFO, logging.getLevelName(settings.log_level)))


def _render(event: Any, **_options: Any) -> str:
    return _to_json(event)


def _escape(_logger: Any, _name: str, event: Any) -> Any:
    """No control character and no change of direction reaches a terminal; only a traceback has lines (ASVS 16.4.1)."""
    return {
        name: "\n".join(map(_escaped, value.split("\n"))) if name == "exception" else _escaped(value)
        for name, value in event.items()
    }


def _escaped(value: Any) -> Any:
    if not isinstance(value, str) or value.isprintable():
        return value
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in value)


def _exceptions(logger: Any, name: str, event: Any) -> Any:
    return structlog.processors.format_exc_info(logger, name, event)


def register_request_log(app: Flask, settings: Settings) -> None:
    trusted = load_networks(settings.trusted_proxies)
    log = _log.bind()  # resolved once, now that structlog is configured

    @app.before_request
    def _begin() -> None:
        g.request_id = secrets.token_hex(8)
        g.address = client_address(request.environ, trusted)
        g.began = time.perf_counter()
        structlog.contextvars.clear_contextvars()
        structlog.contextvars.bind_contextvars(request_id=g.request_id, address=g.address)

    @app.after_request
    def _end(response: Response) -> Response:
        if "began" not in g:
            return response
        response.headers["X-Request-Id"] = g.request_id
        took = round((time.perf_counter() - g.began) * 1000, 1)
        log.info("request", method=request.method, path=quote(request.path), status=response.status_code, ms=took)
        return response


def request_id() -> str:
    """The id of the running request: what a person can tell us, and what the log knows."""
    return str(g.get("request_id", ""))


def address() -> str:
    return str(g.get("address", "unknown"))
