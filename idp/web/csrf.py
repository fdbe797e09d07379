"""CSRF: every form of a page carries a token bound to the browser (Flask-WTF), and cross-site posts are refused
outright.

The token is the rule; `Sec-Fetch-Site` is a second one that needs no cookie (ASVS 3.5.1).
"""

from flask import Blueprint, Flask, current_app, request
from flask_wtf.csrf import CSRFError, CSRFProtect, validate_csrf

csrf = CSRFProtect()


def register_csrf(app: Flask) -> None:
    app.config.update(
        WTF_CSRF_CHECK_DEFAULT=False,
        WTF_CSRF_TIME_LIMIT=None,  # a form is good as long as its browser cookie
        WTF_CSRF_SSL_STRICT=False,  # that check wants a Referer, which our Referrer-Policy withholds
    )
    csrf.init_app(app)


def protect_forms(blueprint: Blueprint) -> None:
    @blueprint.before_request
    def _protect() -> None:
        if request.method == "POST":
            check_form()


def check_form() -> None:
    """Raises CSRFError unless this is a POST, from a form of ours, in this browser."""
    if request.method != "POST":
        raise CSRFError("Only a POST can send a form.")
    if request.headers.get("Sec-Fetch-Site", "same-origin") not in {"same-origin", "none"}:
        raise CSRFError("The form was sent from another site.")
    try:
        csrf.protect()
    except CSRFError:
        if not any(_is_of_key(former) for former in current_app.config["SECRET_KEY_FALLBACKS"]):
            raise


def _is_of_key(secret_key: str) -> bool:
    """Whether the form was made under this key: a change of the secret key does not spoil forms that are open."""
    try:
        validate_csrf(request.form.get("csrf_token", ""), secret_key=secret_key)
    except ValueError:
        return False
    return True
