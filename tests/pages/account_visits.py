"""What the tests of the account pages do again and again: open one, send its form, read what was recorded."""

import json
from typing import Any

from idp.store.users import NewUser
from tests.support.accounts import PASSWORD
from tests.support.authorize import signed_in
from tests.support.idp_server import TimedServer
from tests.support.mail import WrittenMail
from tests.support.relying_party import Browser, Page

FRESH_SECONDS = 300
NEW_PASSWORD = "seven green otters juggle"


def person(server: TimedServer, **changes: Any) -> tuple[NewUser, Browser]:
    """Somebody new, signed in."""
    user = server.add_user(**changes)
    return user, signed_in(server, user.username)


def opened(browser: Browser, path: str) -> Page:
    page = browser.open(path)
    assert page.id == path.replace("/", "-").strip("-") + "-page", page.text[:300]
    return page


def has(page: Page, control: str) -> bool:
    return page.soup.find(id=control) is not None


def says(page: Page, element: str = "error-summary") -> str:
    found = page.soup.find(id=element)
    return " ".join(found.get_text(" ").split()) if found is not None else ""


def sent(page: Page, control: str, **fields: str) -> Page:
    """The page that follows."""
    return page.browser.page(page.submit(control, **fields))


def events(server: TimedServer, user: NewUser, name: str) -> list[dict[str, Any]]:
    """The details of what was recorded about this person under this name, the oldest first."""
    rows = server.store.audit_events.list(user_id=user.id, events=(name,), limit=100)
    return [json.loads(row["detail"]) for row in reversed(rows)]


def templates(server: TimedServer, address: str | None) -> list[str]:
    """Which mails were written to this address."""
    return [mail.template for mail in server.mails(str(address))]


def mail(server: TimedServer, address: str | None, template: str) -> WrittenMail:
    """The newest of these."""
    return [each for each in server.mails(str(address)) if each.template == template][-1]


def is_signed_in(browser: Browser) -> bool:
    return browser.open("/account").id == "account-page"


def session_cookie(browser: Browser) -> str:
    return str(browser.http.cookies.get("idp_session"))


def can_sign_in(server: TimedServer, name: str, password: str = PASSWORD) -> bool:
    page = Browser(server).open("/login")
    return page.submit("login", username=name, password=password).status_code == 303
