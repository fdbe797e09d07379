"""HTTP that endpoints and pages share: errors, headers, cookies, CSRF, CORS, limits, language, logs, proxies.

`register(app)` wires all of it; nothing here knows a path of its own.
"""

from flask import Flask

from idp.settings import Settings
from idp.web import csrf, errors, forms, inspector, limits, locale, log, mount, security_headers, session_cookie


def register(app: Flask, settings: Settings) -> None:
    app.config.update(MAX_CONTENT_LENGTH=settings.max_body_bytes, MAX_FORM_PARTS=100)
    log.register_request_log(app, settings)
    forms.register_body_limit(app)
    session_cookie.configure_cookies(app, settings)
    csrf.register_csrf(app)
    limits.register_limits(app, settings)
    locale.register_locale(app, settings)
    security_headers.register_security_headers(app, settings)
    inspector.register_inspector(app, settings)
    errors.register_errors(app)
    app.url_map.merge_slashes = False
    app.wsgi_app = mount.Mount(app.wsgi_app, settings.issuer)  # type: ignore[method-assign]
