"""Where the application is: at the issuer, whatever the request says.

Host and scheme are the issuer's (nothing may derive from the Host header), and a path in the issuer
(https://example.com/id) is where the application answers, and nowhere else.

RFC 8414 §3.1 puts the path after `/.well-known/oauth-authorization-server`; that one address is mapped back. `/health`
answers at the root as well, because platforms probe there.
"""

from collections.abc import Callable, Iterable
from typing import Any
from urllib.parse import urlsplit

Wsgi = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]
_METADATA = "/.well-known/oauth-authorization-server"
_ALSO_AT_ROOT = frozenset({"/health"})


class Mount:
    def __init__(self, app: Wsgi, issuer: str) -> None:
        parts = urlsplit(issuer)
        self._app, self._path, self._host, self._scheme = app, parts.path, parts.netloc, parts.scheme

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        environ["HTTP_HOST"], environ["wsgi.url_scheme"] = self._host, self._scheme
        if self._path:
            self._enter(environ)
        return self._app(environ, start_response)

    def _enter(self, environ: dict[str, Any]) -> None:
        path = environ.get("PATH_INFO", "")
        inside = path.removeprefix(self._path)
        if path == _METADATA + self._path:
            inside = _METADATA
        elif path in _ALSO_AT_ROOT:
            inside = path
        elif inside == path or (inside and not inside.startswith("/")):
            inside = "/.outside-the-issuer"  # no route has this path: the answer is our own 404
        environ["SCRIPT_NAME"], environ["PATH_INFO"] = self._path, inside or "/"
