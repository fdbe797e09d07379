"""People who make an account: the form filled in validly, so that a test changes one thing."""

import secrets
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import requests

from tests.support.idp_server import ServerUnderTest
from tests.support.mail import WrittenMail
from tests.support.relying_party import Browser, Page

NEW_PASSWORD = "glacial otter 84 lantern"


def new_email() -> str:
    return f"person-{secrets.token_hex(6)}@mail.example"


@dataclass
class Newcomer:
    """Somebody at the sign-up form in a browser."""

    server: ServerUnderTest
    browser: Browser
    email: str = field(default_factory=new_email)
    username: str = field(default_factory=lambda: f"new-{secrets.token_hex(5)}")
    password: str = NEW_PASSWORD

    def fill_in(self, page: Page | None = None, **changes: str) -> requests.Response:
        """Send the form; the answer as it comes."""
        page = page or self.browser.open("/sign-up")
        assert page.id == "sign-up-page", page.text[:300]
        values = {
            "given_name": "Grace",
            "family_name": "Hopper",
            "username": self.username,
            "email": self.email,
            "password": self.password,
            "password_again": self.password,
        }
        return page.submit("sign-up", **(values | changes))

    def begin(self, page: Page | None = None, **changes: str) -> Page:
        """Up to the page that asks for the code."""
        answer = self.fill_in(page, **changes)
        assert answer.status_code == 303, answer.text[-2000:]
        page = self.browser.page(answer)
        assert page.id == "confirm-page", page.text[:300]
        return page

    @property
    def mail(self) -> WrittenMail:
        """The newest mail to this person."""
        return self.server.mails(self.email)[-1]

    @property
    def user_id(self) -> str | None:
        found = self.server.store.users.find_by_email(self.email)
        return None if found is None else found[0].id


def newcomer(server: ServerUnderTest, browser: Browser | None = None, **changes: Any) -> Newcomer:
    return Newcomer(server, browser or Browser(server), **changes)


def is_signed_in(browser: Browser, username: str) -> bool:
    """Whether the home page names this person."""
    return username in browser.open("/").text


def path_of(link: str) -> str:
    """The path and query of an address of the server."""
    parts = urlsplit(link)
    return f"{parts.path}?{parts.query}"
