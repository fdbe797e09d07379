"""The cookies: the browser's session (a random id, known to the server as a hash) and the form cookie.

`__Host-` names and Secure whenever the issuer is https; HttpOnly; SameSite=Lax. The form cookie is Flask's signed
session: it holds the CSRF secret, the value that binds interactions to this browser, and the language chosen.
"""

import secrets
from typing import cast

from flask import Flask, Request, Response, g, request
from flask import session as form_cookie
from flask.sessions import SecureCookieSession, SecureCookieSessionInterface
from itsdangerous import URLSafeTimedSerializer

from idp.protocol.identity import Session, User
from idp.settings import Settings
from idp.store.sessions import SignIn
from idp.web.current import current_server, request_time

FRESH_SECONDS = 300


class FormCookie(SecureCookieSessionInterface):
    """Flask's signed cookie, with its serializer made once, and without a look at requests that bring no cookie."""

    _serializer: URLSafeTimedSerializer | None = None

    def get_signing_serializer(self, app: Flask) -> URLSafeTimedSerializer | None:
        if self._serializer is None:
            self._serializer = super().get_signing_serializer(app)
        return self._serializer

    def open_session(self, app: Flask, request: Request) -> SecureCookieSession | None:
        if "HTTP_COOKIE" not in request.environ:
            return self.session_class()
        return super().open_session(app, request)


def configure_cookies(app: Flask, settings: Settings) -> None:
    app.session_interface = FormCookie()
    prefix = "__Host-" if settings.is_https else ""
    app.config.update(
        SECRET_KEY=settings.secret_key,
        SECRET_KEY_FALLBACKS=list(settings.secret_key_previous),
        SESSION_COOKIE_NAME=f"{prefix}idp_form",
        SESSION_COOKIE_PATH="/",
        SESSION_COOKIE_HTTPONLY=True,
        SESSION_COOKIE_SAMESITE="Lax",
        SESSION_COOKIE_SECURE=settings.is_https,
    )


def _name() -> str:
    return "__Host-idp_session" if current_server().settings.is_https else "idp_session"


def has_session_cookie() -> bool:
    return _name() in request.cookies


def current_session() -> tuple[Session, User] | tuple[None, None]:
    """Who is signed in in this browser; looked up once per request."""
    if "session_and_user" not in g:
        g.session_and_user = _find() or (None, None)
    return cast(tuple[Session, User] | tuple[None, None], g.session_and_user)


def known_person() -> User | None:
    """Who is signed in, where this request has looked already; never looks by itself."""
    return cast(User | None, g.get("session_and_user", (None, None))[1])


def _find() -> tuple[Session, User] | None:
    cookie = request.cookies.get(_name())
    if not cookie or len(cookie) > 128:
        return None
    server = current_server()
    return server.store.sessions.find(cookie, now=request_time(), idle_lifetime=server.settings.session_idle_lifetime)


def is_fresh(session: Session, seconds: int = FRESH_SECONDS) -> bool:
    """Whether the person signed in lately enough to change how they sign in (ASVS 7.5.1). What another provider vouched
    for counts from the moment it did."""
    return request_time() - session.auth_time <= seconds


def start_session(response: Response, sign_in: SignIn) -> str:
    """A session for a person who has just proved who they are: always a new cookie value (ASVS 7.2.4).

    The same person's session goes on under it; another person's ends. Gives the session's `sid`.
    """
    server, now = current_server(), request_time()
    old, _ = current_session()
    cookie = secrets.token_urlsafe(32)
    limits = {
        "now": now,
        "idle": server.settings.session_idle_lifetime,
        "absolute": server.settings.session_absolute_lifetime,
    }
    renewed = old is not None and server.store.sessions.renew(request.cookies[_name()], cookie, sign_in, **limits)
    if old is not None and renewed:
        sid = old.sid
    else:
        if old is not None and old.user_id != sign_in.user_id:
            server.store.sessions.end(old.sid)
        sid = secrets.token_urlsafe(16)
        server.store.sessions.start(cookie, sid, sign_in, **limits)
    _set(response, cookie)
    g.pop("session_and_user", None)
    return sid


def lift_session(response: Response, session: Session, sign_in: SignIn) -> bool:
    """More is known of this session from now on: a new cookie value, the same end. False when it is over by now."""
    server, now, cookie = current_server(), request_time(), secrets.token_urlsafe(32)
    limits = {"now": now, "idle": server.settings.session_idle_lifetime, "absolute": session.expires_at - now}
    if not server.store.sessions.renew(request.cookies[_name()], cookie, sign_in, **limits):
        return False
    _set(response, cookie)
    g.pop("session_and_user", None)
    return True


def rotate_session(response: Response, session: Session) -> None:
    """A new cookie value for the same session, after a change that makes its holder more, or another, than before: what
    knew the old value is out (ASVS 7.2.4). Nothing else of it changes, least of all when it ends."""
    same = SignIn(
        session.user_id,
        session.acr,
        session.amr,
        upstream=session.upstream,
        auth_time=session.auth_time,
        auth_time_unproven=session.auth_time_unproven,
    )
    lift_session(response, session, same)


def forget_session(response: Response) -> None:
    """Take the cookie away; the session itself is ended in the store."""
    response.delete_cookie(_name(), path="/", secure=current_server().settings.is_https, httponly=True, samesite="Lax")
    g.pop("session_and_user", None)


def _set(response: Response, cookie: str) -> None:
    secure = current_server().settings.is_https
    response.set_cookie(_name(), cookie, path="/", secure=secure, httponly=True, samesite="Lax")


def browser() -> str:
    """The secret value of this browser, made at first need; binds interactions to it."""
    if "browser" not in form_cookie:
        form_cookie["browser"] = secrets.token_urlsafe(24)
    return str(form_cookie["browser"])


def known_browser() -> str | None:
    value = form_cookie.get("browser")
    return value if isinstance(value, str) else None


def remember_arrival(key: str | None) -> None:
    """The account at a provider that waits to be linked in this browser, where no request of a client remembers it."""
    form_cookie["arrival"] = key


def known_arrival() -> str | None:
    value = form_cookie.get("arrival")
    return value if isinstance(value, str) else None


def remember_proof(proof_id: str | None) -> None:
    """The proof of an e-mail that was begun in this browser."""
    form_cookie["proof"] = proof_id


def known_proof() -> str | None:
    value = form_cookie.get("proof")
    return value if isinstance(value, str) else None
