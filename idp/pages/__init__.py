"""For people: HTML in their language, CSRF on every form, no CORS, nothing cached.

Owns the blueprint; each module is one page. Pages return to `/authorize`, never to each other.
"""

from collections.abc import Callable
from typing import Any

from flask import Blueprint

from idp.pages import account, conflict, consent, home, link, login, logout, playground, select_account, upstream
from idp.settings import Settings
from idp.web.limits import limiter

BLUEPRINT = "pages"


def make_blueprint(settings: Settings) -> Blueprint:
    """The pages with their limits; the playground only where it is switched on."""
    blueprint = Blueprint(BLUEPRINT, __name__)
    blueprint.add_url_rule("/", view_func=home.home)
    sign_in = limiter.limit(settings.ratelimit_sign_in, methods=["POST"], override_defaults=False)(login.login)
    blueprint.add_url_rule("/login", view_func=sign_in, methods=["GET", "POST"])
    blueprint.add_url_rule("/select-account", view_func=select_account.select_account, methods=["GET", "POST"])
    blueprint.add_url_rule("/consent", view_func=consent.consent, methods=["GET", "POST"])
    blueprint.add_url_rule("/logout", view_func=logout.logout, methods=["GET", "POST"])
    blueprint.add_url_rule("/logout/posted/<key>", view_func=logout.logout_posted)
    blueprint.add_url_rule("/link", view_func=link.link, methods=["GET", "POST"])
    blueprint.add_url_rule("/conflict", view_func=conflict.conflict, methods=["GET", "POST"])
    blueprint.add_url_rule("/account", view_func=account.account)
    blueprint.add_url_rule("/account/unlink", view_func=account.unlink, methods=["POST"])
    _add_upstream(blueprint, limiter.shared_limit(settings.ratelimit_upstream, scope="upstream"))
    if settings.playground_enabled:
        playground.register(blueprint)
    limiter.limit(settings.ratelimit_pages, scope="pages")(blueprint)
    return blueprint


def _add_upstream(blueprint: Blueprint, limit: Callable[[Any], Any]) -> None:
    """The ways there and back, which count together: each sign-in is one of either."""
    start, callback = limit(upstream.start), limit(upstream.callback)
    blueprint.add_url_rule("/upstream/<name>", "upstream_start", start, methods=["POST"])
    blueprint.add_url_rule("/upstream/<name>/callback", "upstream_callback", callback, methods=["GET", "POST"])
    blueprint.add_url_rule("/upstream/<name>/posted/<key>", "upstream_posted", upstream.posted)
