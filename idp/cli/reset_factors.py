"""`idp users reset-factors`: the way back for somebody who has lost every second factor and every recovery code.

How to make sure who they are is written in `docs/second-factors.md`; the reason given here says how it was done, and
stays in the audit trail. The person is told by mail.
"""

import time

import click

from idp import audit
from idp.audit import Event
from idp.cli.command import Command, Refused
from idp.cli.opening import opened_store
from idp.cli.output import answer
from idp.cli.user_options import load_user
from idp.settings import load_settings

MAX_REASON_LENGTH = 500


@click.command("reset-factors", cls=Command)
@click.argument("user")
@click.option("--reason", required=True, help="How you made sure who they are; kept in the audit trail.")
def command(user: str, reason: str) -> None:
    """Take away all second factors of a person, who is signed out everywhere and told by mail."""
    from idp.accounts.factor_changes import Change
    from idp.accounts.notices import Scene, tell_way_in_changed
    from idp.accounts.second_factor import remove_factors
    from idp.mail import MailParts

    why, settings, now = " ".join(reason.split()), load_settings(), int(time.time())
    if not why or len(why) > MAX_REASON_LENGTH or not why.isprintable():
        raise Refused(f"The reason is 1 to {MAX_REASON_LENGTH} printable characters.")
    with opened_store(settings) as store:
        found = load_user(store, user)
        if not remove_factors(store, found.id, now=now):
            raise Refused(f"{found.username} has no second factor.")
        store.users.sign_out_everywhere(found.id, now=now, why="factors reset")
        audit.record_by_operator(store, Event.FACTORS_RESET, now=now, user_id=found.id, reason=why)
        parts = MailParts(settings, store)
        tell_way_in_changed(parts, found, Change.FACTORS_RESET.value, Scene(now, None))
    sentence = f"{found.username} has no second factor any more, and is signed out everywhere."
    answer({"id": found.id, "factors_reset": True}, sentence)
