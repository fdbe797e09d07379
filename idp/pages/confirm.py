"""The end of making an account: the link of the mail, or its code, proves the address.

Following the link shows a page and does nothing; its button confirms. Only the browser in which the form was sent is
signed in by it: a link that somebody else sent never signs anybody in as them. In any other browser the password that
was chosen is asked for, so that nobody confirms with one click an account that a stranger has begun with their address.
"""

from typing import Any

from flask import Response, request, url_for
from flask_babel import gettext as _

from idp.accounts.email_proofs import EmailProof, claim_proof, find_by_link, find_proof, is_of_browser, is_right_code
from idp.accounts.passwords import MAX_TYPED_LENGTH
from idp.accounts.registration import PURPOSE, complete
from idp.accounts.sign_in import password_mark
from idp.accounts.tries import claim_try
from idp.pages.messages import render_message
from idp.pages.sign_up import Errors, render_taken
from idp.store.database import hashed
from idp.web.csrf import check_form
from idp.web.current import current_passwords, current_server, request_time
from idp.web.interactions import Waiting, find_waiting
from idp.web.pages import client_view, render_page
from idp.web.session_cookie import known_browser, known_proof, remember_proof
from idp.web.sign_in import interaction_id_of, sign_in_by_password

DONE_KIND = "registration_done"
DONE_LIFETIME_SECONDS = 3600
PASSWORD_TRIES = 10


def confirm() -> Response:
    token, server, now = request.values.get("token"), current_server(), request_time()
    if token:
        proof = find_by_link(server, token, purpose=PURPOSE, now=now)
    else:
        proof = find_proof(server, known_proof(), purpose=PURPOSE, now=now)
    if request.method == "POST":
        check_form()
        if request.form.get("check"):
            return _go_on(proof)
        return _confirm(proof, token)
    if proof is not None:
        return _render(proof, token)
    done = _find_done() if not token else None
    return _stale() if done is None else _render_done(done)


def _confirm(proof: EmailProof | None, token: str | None) -> Response:
    server, now = current_server(), request_time()
    if proof is None:
        return _stale()
    if not token and not is_right_code(server, proof, request.form.get("code", ""), now=now):
        message = _("This code is not right, or it was tried too often. Take it from the newest mail, or use its link.")
        return _render(proof, token, errors=[{"field": "code", "message": message}])
    if not is_of_browser(proof, known_browser()) and not _knows_password(proof):
        message = _("This is not the password that was chosen for the new account, or it was tried too often.")
        return _render(proof, token, errors=[{"field": "password", "message": message}])
    user = complete(server, proof, now=now) if claim_proof(server, proof, now=now) else None
    if user is None:
        return render_taken(_waiting_of(proof.data["waits"]))
    if is_of_browser(proof, known_browser()):
        remember_proof(None)
        return sign_in_by_password(_waiting_of(proof.data["waits"]), user, proof.data["waits"]["to"])
    mark = password_mark(server.store, user)
    value = {"user_id": user.id, "browser": proof.browser_hash, "waits": proof.data["waits"], "password": mark}
    server.store.ephemeral.put(DONE_KIND, proof.id, value, lifetime=DONE_LIFETIME_SECONDS, now=now)
    return render_message(
        None, status=200,
        title=_("Your address is confirmed"),
        message=_("Your account is made."),
        advice=_("Go back to where you began, and continue there; or sign in here."),
    )  # fmt: skip


def _knows_password(proof: EmailProof) -> bool:
    """Whether it is the person who filled in the form; each call uses up one of a few tries."""
    server, now, chosen = current_server(), request_time(), proof.data["registration"]["password_hash"]
    limits = {"tries": PASSWORD_TRIES, "lifetime": DONE_LIFETIME_SECONDS}
    if not claim_try(server.store.ephemeral, "registration_password", proof.id, now=now, **limits):
        return False
    return current_passwords().is_right(request.form.get("password", "")[:MAX_TYPED_LENGTH], chosen)


def _waiting_of(waits: dict[str, str]) -> Waiting | None:
    """The request that waits in this browser, if the form was sent from one."""
    return find_waiting(waits["interaction"])


def _find_done() -> dict[str, Any] | None:
    """The account that was made from this browser and confirmed in another one."""
    proof_id, known = known_proof(), known_browser()
    done = current_server().store.ephemeral.get(DONE_KIND, proof_id, now=request_time()) if proof_id else None
    return done if done is not None and known is not None and done["browser"] == hashed(known) else None


def _go_on(proof: EmailProof | None) -> Response:
    """Whether the link was followed elsewhere: then this browser, which sent the form, goes on, as long as the account
    has the password that was typed here."""
    server, now, done = current_server(), request_time(), _find_done()
    if done is None:
        return _stale() if proof is None else _render(proof, None, is_waiting=True)
    if server.store.ephemeral.claim_once(DONE_KIND, str(known_proof()), now=now) is None:
        return _stale()
    remember_proof(None)
    user = server.store.users.find(done["user_id"])
    if user is None or user.disabled or password_mark(server.store, user) != done["password"]:
        return _stale()
    return sign_in_by_password(_waiting_of(done["waits"]), user, done["waits"]["to"])


def _stale() -> Response:
    return render_message(
        None, status=400,
        title=_("This link cannot be used any more"),
        message=_("It has been used already, or it is more than an hour old."),
        advice=_("If you have an account, sign in. Otherwise begin again, and use the newest mail."),
    )  # fmt: skip


def _render(
    proof: EmailProof, token: str | None, *, errors: Errors | None = None, is_waiting: bool = False
) -> Response:
    waiting, waits = _waiting_of(proof.data["waits"]), proof.data["waits"]
    again = url_for("pages.sign_up", interaction=interaction_id_of(waiting) or None, to=waits["to"] or None)
    is_same = is_of_browser(proof, known_browser())
    return _page(
        waiting, token=token or "", email=proof.email, is_same_browser=is_same, again_url=again,
        is_waiting=is_waiting, is_done=False, errors=errors or [],
    )  # fmt: skip


def _render_done(done: dict[str, Any]) -> Response:
    return _page(
        _waiting_of(done["waits"]), token="", email="", is_same_browser=True, again_url="",
        is_waiting=False, is_done=True, errors=[],
    )  # fmt: skip


def _page(waiting: Waiting | None, **shown: Any) -> Response:
    client = client_view(waiting.request.client) if waiting is not None else None
    status = 400 if shown["errors"] else 200
    return render_page("confirm", status=status, action=url_for("pages.confirm"), client=client, **shown)
