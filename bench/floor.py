"""The least that any application pays here: gunicorn with an empty WSGI application, and with an empty Flask one."""

from collections.abc import Callable, Iterable
from typing import Any

from flask import Flask, Response

flask = Flask("floor")


@flask.get("/flask")
def _answer() -> Response:
    return Response("{}", mimetype="application/json")


def app(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    """`/flask` goes through Flask, every other path straight back."""
    if environ["PATH_INFO"] == "/flask":
        return flask(environ, start_response)
    start_response("200 OK", [("Content-Type", "application/json"), ("Content-Length", "2")])
    return [b"{}"]
