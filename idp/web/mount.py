"""An issuer with a path (https://example.com/id): the application answers below it, and nowhere else.

RFC 8414 §3.1 puts the path after `/.well-known/oauth-authorization-server`; that one address is mapped back. `/health`
answers at the root as well, because platforms probe there.
"""

from collections.abc import Callable, Iterable
from typing import Any

Wsgi = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]
_METADATA = "/.well-known/oauth-authorization-server"
_ALSO_AT_ROOT = frozenset({"/health"})


class Mount:
    def __init__(self, app: Wsgi, path: str) -> None:
        self._app, self._path = app, path

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        path = environ.get("PATH_INFO", "")
        inside = path.removeprefix(self._path)
        if path == _METADATA + self._path:
            inside = _METADATA
        elif path in _ALSO_AT_ROOT:
            inside = path
        elif inside == path or (inside and not inside.startswith("/")):
            inside = "/.outside-the-issuer"  # no route has this path: the answer is our own 404
        environ["SCRIPT_NAME"], environ["PATH_INFO"] = self._path, inside or "/"
        return self._app(environ, start_response)
