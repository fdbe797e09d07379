"""Servers that ask for a CAPTCHA, each vendor's verify endpoint being a stand-in; made when first asked for."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from idp.sandbox import captcha as stand_in
from idp.sandbox.servers import Sandbox
from tests.support.idp_server import TimedServer, timed_server
from tests.support.upstream import open_sandbox

Asking = Callable[..., TimedServer]


@pytest.fixture(scope="session")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    with open_sandbox(tmp_path_factory.mktemp("sandbox")) as (running, _environment):
        yield running


@pytest.fixture(scope="module")
def asking(tmp_path_factory: pytest.TempPathFactory, signing_keys: Path, sandbox: Sandbox) -> Iterator[Asking]:
    """`asking("turnstile", captcha_when_down="closed")`: a server with this CAPTCHA at sign-in; the same each time."""
    running: dict[tuple[str, ...], TimedServer] = {}
    with ExitStack() as stack:

        def get(kind: str, **changes: str) -> TimedServer:
            key = (kind, *sorted(f"{name}={value}" for name, value in changes.items()))
            if key not in running:
                settings = settings_for(kind, sandbox) | changes
                folder = tmp_path_factory.mktemp(kind)
                running[key] = stack.enter_context(timed_server(folder, keys_from=signing_keys, **settings))
            return running[key]

        yield get


def settings_for(kind: str, sandbox: Sandbox) -> dict[str, str]:
    """What makes a server ask for it at sign-in; a vendor is its stand-in."""
    asked = {"captcha": kind, "captcha_on": "sign_in"}
    if kind == "proof_of_work":
        return asked
    return asked | {
        "captcha_site_key": stand_in.SITE_KEY,
        "captcha_secret_key": stand_in.SECRET,
        "captcha_verify_url": f"{sandbox.origins['oidc']}/captcha/{kind}/siteverify",
    }
