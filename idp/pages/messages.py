"""A page that says one thing and what to do next, where nothing is asked."""

from flask import Response, url_for
from flask_babel import gettext as _

from idp.web.inspector import note
from idp.web.interactions import Waiting
from idp.web.log import request_id
from idp.web.pages import client_view, render_page


def render_message(
    waiting: Waiting | None,
    *,
    status: int,
    title: str,
    message: str,
    advice: str | None,
    next_url: str | None = None,
    next_label: str | None = None,
) -> Response:
    """`next_url` and `next_label`: the button; by default it leads to the sign-in of the request that waits."""
    if status >= 400:
        note(
            "message_page", "A page told the person that this cannot be done, such as a link of a mail that has ended."
        )
    interaction = waiting.interaction.id if waiting is not None else None
    return render_page(
        "message",
        status=status,
        language_links=False,
        client=client_view(waiting.request.client) if waiting is not None else None,
        is_good=status < 400,
        title=title,
        message=message,
        advice=advice,
        next_url=next_url or url_for("pages.login", interaction=interaction),
        next_label=next_label or _("Sign in"),
        reference=request_id() if status >= 400 else None,
    )
