"""The playground's words, and a walk as its template wants it. Tables: what a step is, what a broken rule means."""

import json
from collections.abc import Mapping
from typing import Any

from flask_babel import lazy_gettext as _

from idp.jose import jws
from idp.pages.playground.walk import CheckedToken, Step, Walk

STEPS = {
    "discovery": (_("Discovery"), _("The application reads where the server's endpoints are.")),
    "authorize": (
        _("Authorization request"),
        _(
            "The application made a new code_verifier, state and nonce, kept them, and sent the browser to the server "
            "with these parameters. Only the hash of the code_verifier travels (PKCE)."
        ),
    ),
    "callback": (
        _("Callback"),
        _(
            "The browser came back. The application checked that state is the one it gave to this browser, and that "
            "iss is this server."
        ),
    ),
    "token": (
        _("Token request"),
        _(
            "The application redeems the code. It proves who it is with its secret, and with the code_verifier that "
            "the request was its own."
        ),
    ),
    "check": (
        _("Check of the tokens"),
        _("The application fetches the server's public keys and checks what it was given before it believes it."),
    ),
    "userinfo": (
        _("Userinfo"),
        _("The access token opens what the person has shared. Its sub must be the one of the ID token."),
    ),
    "refresh": (
        _("Refresh"),
        _("The refresh token gets a new access token without the person. It works once: a new one comes with it."),
    ),
    "refresh_check": (
        _("Check of the refreshed tokens"),
        _("The new ID token must speak of the same person and the same sign-in as the first."),
    ),
    "introspect": (_("Introspection"), _("The server says whether the access token is valid at this moment.")),
    "revoke": (
        _("Revocation"),
        _("The application gives its tokens back. Ask userinfo, refresh or introspect now, and see them refused."),
    ),
}
NOTES = {
    "active": _("It is valid."),
    "inactive": _("It is not valid any more, or never was."),
}
PROBLEMS = {
    "timeout": _(
        "The server did not answer itself within %(detail)s seconds. With one worker of one thread it cannot: while "
        "this page waits, nobody is there to answer. Set IDP_WORKERS or IDP_THREADS to 2 or more."
    ),
    "unreachable": _(
        "The server cannot reach itself at %(detail)s. The playground speaks to the public address (IDP_ISSUER): it "
        "must lead back here from this machine, too."
    ),
    "certificate": _(
        "The certificate of %(detail)s is not trusted here. Name its authority in IDP_OUTBOUND_CA_BUNDLE."
    ),
    "ca_bundle": _("IDP_OUTBOUND_CA_BUNDLE cannot be used: %(detail)s."),
    "refused": _("The server refused: %(detail)s."),
    "not_json": _("The answer is not a JSON object."),
    "issuer": _("The document speaks of another issuer: %(detail)s."),
    "endpoints": _("The document does not name: %(detail)s."),
    "response_iss": _("The answer does not say that it comes from this server (iss)."),
    "code": _("There is no code in the answer."),
    "token_response": _("There is no %(detail)s in the answer."),
    "tokens": _("A token is not as it must be."),
    "sub": _("Userinfo speaks of somebody else than the ID token (sub)."),
    "unchecked": _("The keys could not be fetched, so nothing was checked."),
    "signature": _("No key of this server made this signature."),
    "typ": _("This is another type of token (typ)."),
    "iss": _("It was issued by somebody else (iss)."),
    "aud": _("It was not issued to this application (aud, azp or client_id)."),
    "times": _("It has expired, or comes from the future (exp, iat)."),
    "nonce": _("It does not answer this request (nonce)."),
    "at_hash": _("It does not belong to this access token (at_hash)."),
    "refreshed": _("It speaks of another person or another sign-in than the first ID token."),
}
VERIFIED = {
    "id_token": _("Signed by the key %(kid)s with %(alg)s. iss, aud, azp, exp, iat, nonce and at_hash are right."),
    "access_token": _(
        "Signed by the key %(kid)s with %(alg)s. An API checks it like this; for the application it has no inside."
    ),
}


def describe_walk(walk: Walk) -> dict[str, Any]:
    """The variables `steps` and `ok` of the template. `ok` is what the last step says."""
    return {
        "steps": [_describe_step(step) for step in walk.steps],
        "ok": bool(walk.steps) and walk.steps[-1].is_ok,
    }


def _describe_step(step: Step) -> dict[str, Any]:
    title, explanation = STEPS[step.kind]
    note = f" {NOTES[step.note]}" if step.note is not None else ""
    sent = {"method": step.method, "url": step.url, "headers": step.headers, "params": step.params}
    return {
        "id": step.kind,
        "title": str(title),
        "explanation": f"{explanation}{note}",
        "request": sent if step.url else None,
        "response": {"status": step.status, "body": step.body} if step.status is not None else None,
        "tokens": [_describe_token(token) for token in step.tokens],
        "problem": _problem(step.problem, step.detail) if step.problem is not None else None,
        "ok": step.is_ok,
    }


def _problem(problem: str, detail: str) -> str:
    return str(PROBLEMS[problem]) % {"detail": detail}


def _describe_token(token: CheckedToken) -> dict[str, Any]:
    try:
        header, claims = jws.peek(token.raw)
    except jws.InvalidToken:
        header, claims = {}, {}
    if token.problem is not None:
        verification = _problem(token.problem, "")
    else:
        verification = str(VERIFIED[token.name]) % {"kid": header.get("kid"), "alg": header.get("alg")}
    return {
        "name": token.name,
        "raw": token.raw,
        "header": _pretty(header),
        "claims": _pretty(claims),
        "verified": token.problem is None,
        "verification": verification,
    }


def _pretty(value: Mapping[str, Any]) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False) if value else ""
