"""What the flow inspector says of a code that was refused: whose it was, when it ended, who used it before.

None of it reaches the client, which is told the same few words whether a code ever existed or not (RFC 6749 §5.2).
"""

from idp.grants.token_request import TokenRequest
from idp.protocol.differences import redirect_uri_finding
from idp.protocol.findings import Finding, duration, masked, measured, moment
from idp.protocol.grant import Grant
from idp.store.grants import IssuedCode

CODE_LENGTH = 43
_LIVING = ("a code that was not used, of this client, in time",)


def unknown_code(code: str) -> Finding:
    """No code of ours, or of one so long ago that it is forgotten."""
    hint = "Is it a code of this very server, and whole? One that ended more than an hour ago is unknown as well."
    if code != code.strip():
        hint = "There is white space around it."
    elif "%" in code:
        hint = "It is percent-encoded: decode the query of the callback once, then encode the form once."
    elif len(code) != CODE_LENGTH:
        hint = f"Codes of this server have {CODE_LENGTH} characters: it was cut, or comes from elsewhere."
    return Finding("code", _LIVING, masked(code), hint)


def used_code(request: TokenRequest, issued: IssuedCode, *, revoked_now: bool) -> Finding:
    """A second use: when and by whom it was used first, and what that has cost."""
    network, request_id = issued.used_from
    when = "at the same moment" if issued.used_at is None else f"at {moment(issued.used_at)}"
    ago = "" if issued.used_at is None else f", {duration(request.now - issued.used_at)} ago,"
    where = f" from {network}" if network else ""
    received = f"{masked(request.form['code'])}, used {when}{ago} by {issued.grant.client_id}{where}"
    if request_id:
        received += f" in request {request_id}"
    revoked = "are revoked now" if revoked_now else "were revoked before"
    hint = (
        f"All tokens that came of it (their jti begins with {issued.grant.id[:6]}…) {revoked}. Redeem a code once: the "
        "usual causes are a callback page that was reloaded, two handlers for it, a retry, a prefetch."
    )
    return Finding("code", _LIVING, received, hint)


def expired_code(request: TokenRequest, issued: IssuedCode) -> Finding:
    late = duration(request.now - issued.expires_at)
    received = f"{masked(request.form['code'])}, ended at {moment(issued.expires_at)}, {late} ago"
    lives = f"a code is good for {duration(issued.expires_at - issued.grant.created_at)}"
    hint = "Redeem it at once when it arrives; IDP_CODE_LIFETIME says how long it lives."
    return Finding("code", (lives,), received, hint)


def dead_code(request: TokenRequest, issued: IssuedCode) -> Finding:
    why = "revoked, by a sign-out or by the person" if issued.is_revoked else "of an account that is disabled"
    return Finding("code", _LIVING, f"{masked(request.form['code'])}, {why}", "Let the person sign in again.")


def other_redirect_uri(request: TokenRequest, grant: Grant) -> Finding:
    """RFC 6749 §4.1.3: not the string of the authorization request."""
    if not grant.redirect_uri_sent:
        hint = "The authorization request had none: leave it out here as well, or send it there."
        return Finding("redirect_uri", ("none",), measured(request.form["redirect_uri"]), hint)
    received, remedy = request.form["redirect_uri"], "send the one of the authorization request here as well"
    return redirect_uri_finding("redirect_uri", received, [grant.redirect_uri], remedy=remedy)
