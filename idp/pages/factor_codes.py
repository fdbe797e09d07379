"""Setting up an authenticator app, and the page that shows new recovery codes: shared by the step and the account."""

from urllib.parse import quote

from flask import Response
from flask_babel import gettext as _

from idp.accounts.factor_changes import Change, announce
from idp.accounts.recovery_codes import make_codes
from idp.accounts.totp import confirm_enrolment
from idp.pages.factor_tries import scene
from idp.protocol.identity import User
from idp.web.current import current_server, request_time
from idp.web.pages import account_view, render_page
from idp.web.session_cookie import browser


def confirm_app(user: User, code: str, *, replaces: bool) -> bool:
    """Whether the code confirms the app that is being set up in this browser; the person is told."""
    server = current_server()
    if not confirm_enrolment(server, user, browser(), code, now=request_time(), replaces=replaces):
        return False
    announce(server, user, Change.TOTP_ADDED, scene())
    return True


def render_new_codes(user: User, next_url: str) -> Response:
    """Make a new set and show it, once. The file to keep is in the page itself, so that no address leads to it."""
    codes = make_codes(current_server(), user.id, now=request_time())
    announce(current_server(), user, Change.CODES_MADE, scene())
    service = current_server().settings.service_name
    lines = [_("Recovery codes for %(service)s", service=service), user.username, "", *codes, ""]
    return render_page(
        "recovery_codes",
        language_links=False,
        codes=codes,
        left=len(codes),
        download_url=f"data:text/plain;charset=utf-8,{quote(chr(10).join(lines))}",
        next_url=next_url,
        action=None,
        account=account_view(user),
        errors=[],
    )
