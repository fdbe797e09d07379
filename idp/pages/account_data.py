"""All that is stored about a person, as a file for them (GDPR articles 15 and 20). Needs a sign-in of the last five
minutes, because whoever finds an open session would otherwise carry everything away at once."""

import json

from flask import Response, request, url_for

from idp import audit
from idp.accounts.data_export import export_data
from idp.pages.account_nav import for_person, is_proven, render_account_page
from idp.protocol.identity import Session, User
from idp.web.current import current_server, request_time
from idp.web.pages import see_other

WORD = "account-data"
FILE_NAME = "account-data.json"


@for_person(WORD)
def account_data(session: Session, user: User) -> Response:
    if request.method != "POST":
        return render_account_page("account_data", WORD, session, user, action=url_for("pages.account_data"))
    if not is_proven(session, user):
        return see_other(url_for("pages.account_data"))
    server, now = current_server(), request_time()
    audit.record(server, audit.Event.DATA_DOWNLOADED, now=now, user_id=user.id)
    response = Response(json.dumps(export_data(server, user, now=now), indent=2), mimetype="application/json")
    response.headers["Content-Disposition"] = f'attachment; filename="{FILE_NAME}"'
    response.headers["Cache-Control"] = "no-store"
    return response
