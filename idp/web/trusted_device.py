"""The cookie of a browser in which people have signed in: random, HttpOnly, stored as a hash.

By it their own browsers are told from a stranger's (`accounts.guessing`), and those which they have chosen to trust
with their second factor from the others. Its value is new for each person who is new to it, so that one that was
planted, or read before, is worth nothing.
"""

import secrets

from flask import Response, g, request

from idp import audit
from idp.protocol.identity import User
from idp.web.current import current_server, request_time
from idp.web.log import address

MAX_LENGTH = 128
KNOWN_SECONDS = 31_536_000  # a year after the last sign-in


def is_trusted_by(user: User) -> bool:
    """Whether this person has chosen not to be asked for a second factor in this browser for a while."""
    server, cookie = current_server(), device_cookie()
    if cookie is None or not server.settings.trusted_device_lifetime:
        return False
    return server.store.devices.is_trusted(cookie, user.id, now=request_time())


def known_device_key() -> str | None:
    """What the list of devices names this browser by."""
    cookie = device_cookie()
    return None if cookie is None else current_server().store.devices.key_of(cookie)


def trust_device(response: Response, user: User) -> None:
    """From now on, for as long as IDP_TRUSTED_DEVICE_LIFETIME says."""
    server, now, cookie = current_server(), request_time(), secrets.token_urlsafe(32)
    until = now + server.settings.trusted_device_lifetime
    server.store.devices.trust(device_cookie(), cookie, user.id, until=until, now=now, **_where())
    audit.record(server, audit.Event.DEVICE_TRUSTED, now=now, user_id=user.id)
    _set(response, cookie)


def remember_device(response: Response, user_id: str) -> str | None:
    """This person has proved who they are in this browser; its cookie if it was known to them, None if it is new."""
    devices, now, known = current_server().store.devices, request_time(), device_cookie()
    until = now + KNOWN_SECONDS
    if known is not None and devices.is_known(known, user_id, now=now):
        devices.touch(known, user_id, until=until, now=now)
        _set(response, known)
        return known
    cookie = secrets.token_urlsafe(32)
    devices.remember(known, cookie, user_id, until=until, now=now, **_where())
    _set(response, cookie)
    return None


def device_cookie() -> str | None:
    """The cookie of this browser, as it will be after this request."""
    cookie = g.get("device_cookie") or request.cookies.get(_name())
    return cookie if cookie and len(cookie) <= MAX_LENGTH else None


def _where() -> dict[str, str | None]:
    return {"address": address(), "user_agent": request.headers.get("User-Agent")}


def _set(response: Response, cookie: str) -> None:
    g.device_cookie = cookie
    secure = current_server().settings.is_https
    response.set_cookie(_name(), cookie, max_age=KNOWN_SECONDS, path="/", secure=secure, httponly=True, samesite="Lax")


def _name() -> str:
    return "__Host-idp_device" if current_server().settings.is_https else "idp_device"
