"""Second factors, as a summary: what there is, and where each is set up or taken away."""

from flask import Response, url_for

from idp.accounts.second_factor import factor_summary
from idp.pages.account_nav import for_person, render_account_page, shown_date
from idp.protocol.identity import Session, User
from idp.web.current import current_server

WORD = "account-factors"


@for_person(WORD)
def summary(session: Session, user: User) -> Response:
    found = factor_summary(current_server(), user.id)
    totp, passkeys = found["totp"], found["passkeys"]
    return render_account_page(
        "account_factors",
        WORD,
        session,
        user,
        is_on=found["is_on"],
        totp=None if totp is None else {name: shown_date(seconds) for name, seconds in totp.items()},
        passkeys=[{"name": each["name"], "last_used_at": shown_date(each["last_used_at"])} for each in passkeys],
        codes_left=found["recovery_codes_left"],
        totp_url=url_for("pages.totp"),
        remove_totp_action=url_for("pages.remove_totp"),
        passkeys_url=url_for("pages.passkeys"),
        codes_url=url_for("pages.recovery_codes"),
    )
