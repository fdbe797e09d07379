"""The mails that development keeps, for whoever tries things out: `/dev/mail` and `/dev/mail/<id>`.

In production these addresses do not exist. A mail is shown as text, with its links to press, and as the source of its
HTML: the content security policy stays as strict as on any other page.
"""

import re
from urllib.parse import urlsplit

from flask import Blueprint, Response, abort, url_for

from idp.jose.encryption import DecryptionFailed
from idp.mail import read_mail
from idp.mail.rendering import Rendered
from idp.store.mail_outbox import OutgoingMail
from idp.web.current import current_server
from idp.web.pages import render_page

_LINK = re.compile(r"https?://\S+")
SHOWN = 50


def register(blueprint: Blueprint) -> None:
    blueprint.add_url_rule("/dev/mail", view_func=dev_mails)
    blueprint.add_url_rule("/dev/mail/<int:mail_id>", view_func=dev_mail)


def dev_mails() -> Response:
    """The newest first."""
    mails = []
    for mail in current_server().store.mail_outbox.list(limit=SHOWN):
        content = _read(mail)
        mails.append(
            {
                "url": url_for("pages.dev_mail", mail_id=mail.id) if content is not None else None,
                "recipient": mail.recipient,
                "subject": content.subject if content is not None else mail.template,
                "state": mail.state,
                "error": mail.last_error,
                "id": mail.id,
            }
        )
    return render_page("dev_mails", mails=mails)


def dev_mail(mail_id: int) -> Response:
    mail = current_server().store.mail_outbox.find(mail_id) if mail_id < 2**62 else None
    content = _read(mail) if mail is not None else None
    if mail is None or content is None:
        abort(404)
    links = [url for url in dict.fromkeys(_LINK.findall(content.text)) if url != current_server().issuer + "/"]
    return render_page(
        "dev_mail",
        recipient=mail.recipient,
        subject=content.subject,
        state=mail.state,
        error=mail.last_error,
        text=content.text,
        links=[{"url": url, "path": urlsplit(url).path} for url in links],
        html=content.html,
        list_url=url_for("pages.dev_mails"),
    )


def _read(mail: OutgoingMail) -> Rendered | None:
    try:
        return read_mail(current_server(), mail)
    except DecryptionFailed:  # the secret of a development server may be a new one
        return None
