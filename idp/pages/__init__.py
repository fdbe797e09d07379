"""For people: HTML in their language, CSRF on every form, no CORS, nothing cached.

Owns the blueprint; each module is one page. Pages return to `/authorize`, never to each other.
"""

from flask import Blueprint

from idp.pages import consent, home, login, logout, playground, select_account
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
    if settings.playground_enabled:
        playground.register(blueprint)
    limiter.limit(settings.ratelimit_pages, scope="pages")(blueprint)
    return blueprint
