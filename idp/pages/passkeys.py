"""Passkeys: adding, naming and removing one's own, and signing in with one and nothing else.

What the browser is asked for stands in the page, and its answer comes back in a form, so that scripts call nobody.
"""

from flask import Response, request, url_for
from flask_babel import gettext as _

from idp.accounts.factor_changes import Change, announce
from idp.accounts.passkeys import (
    MAX_PASSKEYS,
    PasskeyRefused,
    Proof,
    Purpose,
    allows_passkeys,
    make_registration_options,
    register,
)
from idp.accounts.second_factor import Factors, by_key
from idp.pages.account_nav import Errors, shown_date
from idp.pages.factor_codes import render_new_codes
from idp.pages.factor_tries import ceremony_for, record_failure, scene, try_passkey
from idp.pages.factors import OVERVIEW, after_addition, after_removal, ask_before_last, for_changes
from idp.pages.login import render_refused_passkey, takes_passkey
from idp.pages.messages import render_message
from idp.protocol.identity import Session, User
from idp.store.passkeys import MAX_NAME_LENGTH
from idp.store.ways_in import Offered
from idp.web.csrf import check_form
from idp.web.current import current_server, current_upstreams
from idp.web.errors import render_expired
from idp.web.interactions import find_waiting
from idp.web.pages import account_view, render_page, see_other
from idp.web.sign_in import read_return_to, sign_in_by_passkey


@for_changes("account-passkeys")
def passkeys(session: Session, user: User, factors: Factors) -> Response:
    """One's own, and a form for one more."""
    server = current_server()
    if request.method != "POST":
        return _render(user, factors)
    if not allows_passkeys(server) or len(factors.passkeys) >= MAX_PASSKEYS:
        return see_other(url_for("pages.passkeys"))
    try:
        ceremony = ceremony_for(Purpose.REGISTER, user.id)
        proof = register(ceremony, request.form.get("credential", ""), _chosen_name(len(factors.passkeys)))
    except PasskeyRefused as refused:
        record_failure(user.id, None, refused.why)
        message = _("The passkey could not be added. Try again.")
        return _render(user, factors, errors=[{"field": None, "message": message}])
    announce(server, user, Change.PASSKEY_ADDED, scene(), name=proof.passkey.name)
    page = url_for("pages.passkeys")
    response = see_other(page) if factors.codes_left else render_new_codes(user, page)
    after_addition(response, session, by_key(proof))
    return response


@for_changes("account-passkeys")
def remove_passkey(session: Session, user: User, factors: Factors) -> Response:
    chosen = next((each for each in factors.passkeys if each.key == request.form.get("key")), None)
    if chosen is None:
        return see_other(url_for("pages.passkeys"))
    store, offered = current_server().store, _offered()
    if store.passkeys.is_last_way_in(user.id, chosen.key, offered):
        return _render_kept()
    asked = ask_before_last(user, factors, name=chosen.name)
    if asked is not None:
        return asked
    if not store.passkeys.remove(user.id, chosen.key, keeps_last=factors.count > 1, offered=offered):
        is_last = store.passkeys.is_last_way_in(user.id, chosen.key, offered)  # the others have just gone
        return _render_kept() if is_last else see_other(url_for(OVERVIEW))
    announce(current_server(), user, Change.PASSKEY_REMOVED, scene(), name=chosen.name)
    return after_removal(session, user)


def _offered() -> Offered:
    return Offered(current_server().settings.local_passwords, frozenset(current_upstreams().connections))


def _render_kept() -> Response:
    return render_message(
        None, status=409,
        title=_("This passkey stays"),
        message=_("It is the only way to sign in to your account."),
        advice=_("Add another one first. Then you can take this one away."),
        next_url=url_for("pages.passkeys"),
        next_label=_("Back to the passkeys"),
    )  # fmt: skip


def sign_in() -> Response:
    """The sign-in page's other form: a passkey says who the person is, and its device has checked that it is them."""
    interaction_id = request.values.get("interaction")
    waiting = find_waiting(interaction_id)
    if interaction_id and waiting is None:
        return render_expired()
    check_form()
    if not takes_passkey(waiting):
        return see_other(waiting.resume_url if waiting is not None else url_for("pages.login"))
    client_id = waiting.request.client.client_id if waiting is not None else None
    proof = try_passkey(ceremony_for(Purpose.SIGN_IN), client_id)
    if not isinstance(proof, Proof):
        return render_refused_passkey(waiting, proof.message)
    user = current_server().store.users.find(proof.passkey.user_id)
    if user is None or user.disabled:
        record_failure(proof.passkey.user_id, client_id, "disabled user")
        return render_refused_passkey(waiting, _("This passkey could not be used. Try again, or choose another way."))
    return sign_in_by_passkey(waiting, user, proof, read_return_to())


def _chosen_name(known: int) -> str:
    typed = " ".join(request.form.get("name", "").split())[:MAX_NAME_LENGTH]
    return typed if typed.isprintable() and typed else str(_("Passkey %(number)s", number=known + 1))


def _render(user: User, factors: Factors, *, errors: Errors | None = None) -> Response:
    server = current_server()
    may_add = allows_passkeys(server) and len(factors.passkeys) < MAX_PASSKEYS
    return render_page(
        "passkeys",
        account=account_view(user),
        passkeys=[
            {
                "key": each.key,
                "name": each.name,
                "created_at": shown_date(each.created_at),
                "last_used_at": shown_date(each.last_used_at),
                "backed_up": each.backed_up,
            }
            for each in factors.passkeys
        ],
        options=make_registration_options(ceremony_for(Purpose.REGISTER, user.id), user) if may_add else None,
        action=url_for("pages.passkeys"),
        remove_action=url_for("pages.remove_passkey"),
        max_name_length=MAX_NAME_LENGTH,
        back_url=url_for(OVERVIEW),
        errors=errors or [],
    )
