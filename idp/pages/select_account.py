"""`prompt=select_account` (Core §3.1.2.1): go on as the person who is signed in, or as another one."""

from flask import Response, request, url_for

from idp.authorization.interaction import save_progress
from idp.pages.providers import allow_hinted_provider
from idp.protocol.identity import User
from idp.web.csrf import check_form
from idp.web.current import current_server, request_time
from idp.web.errors import render_expired
from idp.web.interactions import find_waiting
from idp.web.pages import account_view, client_view, render_page, see_other
from idp.web.session_cookie import current_session

SWITCH = {"switches_account": True, "signed_in_sid": None, "consented_user_id": None, "chose_account": False}


def was_shown_to(user: User) -> bool:
    """Whether the form was shown to the person who is signed in now: another tab may have changed who that is."""
    return request.form.get("account", user.username) == user.username


def select_account() -> Response:
    waiting = find_waiting(request.values.get("interaction"))
    if waiting is None:
        return render_expired()
    _, user = current_session()
    if user is None:
        return see_other(waiting.resume_url)
    if request.method == "POST":
        check_form()
        chosen = {"chose_account": True} if request.form.get("choice") == "continue" else SWITCH
        if was_shown_to(user):
            save_progress(current_server(), waiting.interaction, now=request_time(), **chosen)
        return see_other(waiting.resume_url)
    allow_hinted_provider(waiting)
    return render_page(
        "select_account",
        action=url_for("pages.select_account"),
        interaction_id=waiting.interaction.id,
        client=client_view(waiting.request.client),
        account=account_view(user),
    )
