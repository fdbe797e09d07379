"""For people: HTML in their language, CSRF on every form, no CORS, nothing cached.

Owns the blueprint; each module is one page. Pages return to `/authorize`, never to each other.
"""

from flask import Blueprint

from idp.pages import (
    account,
    account_apps,
    account_data,
    account_delete,
    account_email,
    account_factors,
    account_history,
    account_password,
    account_profile,
    account_sessions,
    admin_clients,
    confirm,
    conflict,
    consent,
    dev_inspect,
    dev_mail,
    factors,
    home,
    keep_account,
    link,
    login,
    logout,
    passkeys,
    playground,
    recover,
    second_factor,
    select_account,
    sign_up,
    upstream,
)
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
    _add_account(blueprint, settings)
    blueprint.add_url_rule("/sign-up", view_func=sign_up.sign_up, methods=["GET", "POST"])
    blueprint.add_url_rule("/sign-up/confirm", view_func=confirm.confirm, methods=["GET", "POST"])
    blueprint.add_url_rule("/recover", view_func=recover.recover, methods=["GET", "POST"])
    blueprint.add_url_rule("/recover/reset", view_func=recover.reset, methods=["GET", "POST"])
    _add_leaving(blueprint)
    _add_factors(blueprint)
    blueprint.add_url_rule("/admin/clients", "admin_clients", admin_clients.clients)
    blueprint.add_url_rule("/admin/clients/<client_id>", "admin_client", admin_clients.client)
    _add_upstream(blueprint, settings)
    if not settings.is_production:
        dev_inspect.register(blueprint)
        dev_mail.register(blueprint)
    if settings.playground_enabled:
        playground.register(blueprint)
    limiter.limit(settings.ratelimit_pages, scope="pages")(blueprint)
    return blueprint


def _add_leaving(blueprint: Blueprint) -> None:
    """What is known of a person, and the end of their account."""
    blueprint.add_url_rule("/account/history", view_func=account_history.account_history)
    blueprint.add_url_rule("/account/data", view_func=account_data.account_data, methods=["GET", "POST"])
    blueprint.add_url_rule("/account/delete", view_func=account_delete.account_delete, methods=["GET", "POST"])
    blueprint.add_url_rule("/keep-account", view_func=keep_account.keep_account, methods=["GET", "POST"])


def _add_account(blueprint: Blueprint, settings: Settings) -> None:
    """Where a password is tried or a mail is sent, the limits of sign-in and of sign-up hold."""
    both = ["GET", "POST"]
    tries = limiter.limit(settings.ratelimit_sign_in, methods=["POST"], override_defaults=False)
    mails = limiter.limit(settings.ratelimit_sign_up, methods=["POST"], override_defaults=False)
    blueprint.add_url_rule("/account", view_func=account.account)
    blueprint.add_url_rule("/account/unlink", view_func=account.unlink, methods=["POST"])
    blueprint.add_url_rule("/account/profile", "account_profile", account_profile.profile, methods=both)
    blueprint.add_url_rule("/account/email", "account_email", mails(account_email.email), methods=both)
    blueprint.add_url_rule("/account/email/confirm", "account_email_confirm", account_email.confirm, methods=both)
    blueprint.add_url_rule("/account/email/undo", "account_email_undo", account_email.undo, methods=both)
    blueprint.add_url_rule("/account/password", "account_password", tries(account_password.password), methods=both)
    blueprint.add_url_rule("/account/factors", "account_factors", account_factors.summary)
    blueprint.add_url_rule("/account/sessions", "account_sessions", account_sessions.sessions)
    blueprint.add_url_rule("/account/sessions/end", "end_session", account_sessions.end, methods=["POST"])
    blueprint.add_url_rule("/account/sessions/trust", "end_trust", account_sessions.end_trust, methods=["POST"])
    blueprint.add_url_rule("/account/apps", "account_apps", account_apps.apps)
    blueprint.add_url_rule("/account/apps/withdraw", "withdraw_access", account_apps.withdraw, methods=["POST"])


def _add_factors(blueprint: Blueprint) -> None:
    """The step, and one's own factors. Codes are limited by account (`store.sign_in_failures`), not by address."""
    blueprint.add_url_rule("/second-factor", view_func=second_factor.second_factor, methods=["GET", "POST"])
    blueprint.add_url_rule("/login/passkey", "passkey_sign_in", passkeys.sign_in, methods=["POST"])
    blueprint.add_url_rule("/account/totp", "totp", factors.totp, methods=["GET", "POST"])
    blueprint.add_url_rule("/account/totp/remove", "remove_totp", factors.remove_totp, methods=["POST"])
    blueprint.add_url_rule("/account/recovery-codes", "recovery_codes", factors.recovery_codes, methods=["GET", "POST"])
    blueprint.add_url_rule("/account/passkeys", "passkeys", passkeys.passkeys, methods=["GET", "POST"])
    blueprint.add_url_rule("/account/passkeys/remove", "remove_passkey", passkeys.remove_passkey, methods=["POST"])


def _add_upstream(blueprint: Blueprint, settings: Settings) -> None:
    """The ways there and back are counted apart, so that whoever may begin a sign-in may finish it."""
    limit = limiter.limit(settings.ratelimit_upstream)
    start, callback = limit(upstream.start), limit(upstream.callback)
    blueprint.add_url_rule("/upstream/<name>", "upstream_start", start, methods=["POST"])
    blueprint.add_url_rule("/upstream/<name>/callback", "upstream_callback", callback, methods=["GET", "POST"])
    blueprint.add_url_rule("/upstream/<name>/posted/<key>", "upstream_posted", upstream.posted)
