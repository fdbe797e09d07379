"""People with second factors, and giving one over HTTP."""

import json
from dataclasses import dataclass
from typing import Any

import pyotp
import requests

from idp.jose.encryption import SecretBox
from idp.protocol.identity import User
from idp.store.passkeys import Passkey
from idp.store.users import NewUser
from tests.support.authenticator import Authenticator, authenticator_for, to_text
from tests.support.idp_server import ServerUnderTest
from tests.support.relying_party import Browser, Page

STEP = 30


def secret_box(server: ServerUnderTest) -> SecretBox:
    return SecretBox(server.settings.secret_key, server.settings.secret_key_previous)


@dataclass
class App:
    """An authenticator app. Codes are of the server's time; `later` counts half minutes."""

    server: ServerUnderTest
    secret: str

    def code(self, later: int = 0) -> str:
        return str(pyotp.TOTP(self.secret).at(self.server.now + later * STEP))

    def wrong_code(self) -> str:
        """One that does not fit now, nor around now."""
        near = {self.code(later) for later in range(-3, 4)}
        return next(code for code in (f"{number:06}" for number in range(100)) if code not in near)


def give_app(server: ServerUnderTest, user: NewUser | User) -> App:
    """An app that is set up already, and has not been used for a while."""
    secret = pyotp.random_base32(32)
    sealed = secret_box(server).encrypt(secret, purpose="totp")
    server.store.totp.save(user.id, sealed, step=0, now=server.now)
    return App(server, secret)


def give_codes(server: ServerUnderTest, user: NewUser, count: int = 10) -> list[str]:
    """Recovery codes, as they are stored."""
    codes = [pyotp.random_base32(32)[:24] for _ in range(count)]
    server.store.recovery_codes.replace_all(user.id, codes, now=server.now)
    return codes


def with_app(server: ServerUnderTest, **person: Any) -> tuple[NewUser, App]:
    user = server.add_user(**person)
    return user, give_app(server, user)


def options_on(page: Page, form: str = "passkey-form") -> dict[str, Any]:
    """What the page asks the browser for."""
    found = page.soup.find(id=form)
    assert found is not None, page.text[:300]
    return dict(json.loads(str(found["data-options"])))


def add_passkey(browser: Browser, *, name: str = "", **how: Any) -> Authenticator:
    """A passkey made on the account page by whoever has just signed in there."""
    device = authenticator_for(browser.server.issuer, **how)
    page = browser.open("/account/passkeys")
    answer = page.submit("add-passkey", credential=device.create(options_on(page)), name=name)
    assert answer.status_code in {200, 303}, answer.text[:300]
    assert Page(browser, browser.follow(answer)).id in {"recovery-codes-page", "passkeys-page"}
    return device


def stored_passkey(server: ServerUnderTest, device: Authenticator) -> Passkey:
    found = server.store.passkeys.find(to_text(device.credential_id))
    assert found is not None
    return found


def answer_factor(page: Page, code: str) -> requests.Response:
    assert page.id == "second-factor-page", page.text[:300]
    return page.submit("verify", code=code)
