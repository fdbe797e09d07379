"""A mail room for each test, a certificate authority, and an SMTP server on loopback."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.mail.office import Office, open_office
from tests.support.authority import Authority
from tests.support.mail import SmtpServer, smtp_server

OpenOffice = Callable[..., Office]


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("mail-authority"))


@pytest.fixture
def open_one(tmp_path: Path, signing_keys: Path) -> Iterator[OpenOffice]:
    """Opens an office with the settings given; of several, each has a database of its own unless it is told one."""
    opened: list[Office] = []

    def open_now(**changes: Any) -> Office:
        folder = tmp_path / f"office{len(opened)}"
        folder.mkdir()
        opened.append(open_office(folder, signing_keys, **changes))
        return opened[-1]

    yield open_now
    for office in opened:
        office.server.store.database.dispose()


@pytest.fixture
def post() -> Iterator[SmtpServer]:
    """A mail server without TLS, which takes everything."""
    with smtp_server() as running:
        yield running


@pytest.fixture
def office(open_one: OpenOffice, post: SmtpServer) -> Office:
    """A development server's office that sends to `post`."""
    return open_one(**plain(post.port))


def plain(port: int) -> dict[str, Any]:
    """The settings for a mail server on this machine without TLS."""
    return {"smtp_host": "127.0.0.1", "smtp_port": str(port), "smtp_security": "none"}
