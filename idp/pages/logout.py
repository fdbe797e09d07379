"""RP-initiated logout: OpenID Connect RP-Initiated Logout 1.0, and the sign-out button of our own pages.

With a valid `id_token_hint` of the person who is signed in, the session ends at once; otherwise the person is asked.
The person is sent on only to a registered `post_logout_redirect_uri` of the client that the hint or `client_id` names.
"""

from dataclasses import dataclass

from flask import Response, request, url_for

from idp import audit
from idp.protocol.client import Client
from idp.protocol.differences import redirect_uri_finding
from idp.protocol.errors import InvalidRequest
from idp.protocol.findings import Finding, shown
from idp.protocol.params import Params
from idp.protocol.redirect_uri import matches_redirect_uri, with_parameters
from idp.tokens.id_token import read_id_token_hint
from idp.web.csrf import check_form
from idp.web.current import current_server, request_time
from idp.web.errors import render_expired
from idp.web.forms import check_not_head, read_body, read_query
from idp.web.locale import wish_for_locales
from idp.web.pages import account_view, client_view, render_page, see_other
from idp.web.posted import find_posted, keep_posted
from idp.web.security_headers import allow_form_target
from idp.web.session_cookie import current_session, forget_session, has_session_cookie

_FIELDS = ("id_token_hint", "client_id", "post_logout_redirect_uri", "state", "logout_hint", "ui_locales")


@dataclass(frozen=True, slots=True)
class LogoutRequest:
    """A checked request. `hinted_sub` is who the client believes is signed in; `redirect_uri` may be followed."""

    client: Client | None
    hinted_sub: str | None
    redirect_uri: str | None
    state: str | None
    params: Params


def logout() -> Response:
    """A client's request by GET or POST (§2), or the answer of the person on our own page."""
    check_not_head(request)
    params = read_body(request) if request.method == "POST" else read_query(request)
    if request.method != "POST":
        return _begin(params)
    asked = _load(params)
    if "csrf_token" in params:
        check_form()
        return see_other(url_for("pages.home")) if params.get("choice") == "stay" else _sign_out(asked)
    if not has_session_cookie():
        return see_other(url_for("pages.logout_posted", key=keep_posted(params, frozenset(_FIELDS))))
    return _begin(params)


def logout_posted(key: str) -> Response:
    """A request that was posted from a client's page, now with our cookies."""
    check_not_head(request)
    params = find_posted(key)
    return render_expired() if params is None else _begin(params)


def _begin(params: Params) -> Response:
    asked = _load(params)
    session, _ = current_session()
    if session is None or asked.hinted_sub == session.user_id:
        return _sign_out(asked)
    return _ask(asked)


def _load(params: Params) -> LogoutRequest:
    """RP-Initiated Logout §2 and §3. Raises InvalidRequest, shown on a page: nothing is redirected on an error."""
    params.check_well_formed()
    wish_for_locales(params.get("ui_locales"))
    server, now = current_server(), request_time()
    hint = read_id_token_hint(server, params["id_token_hint"], now=now) if "id_token_hint" in params else None
    client_id = params.get("client_id")
    if hint is not None and client_id is not None and hint["aud"] != client_id:
        finding = Finding("client_id", (shown(str(hint["aud"])),), shown(client_id), is_compared=True)
        raise InvalidRequest("client_id is not the client that the id_token_hint was issued to.", findings=[finding])
    client_id = str(hint["aud"]) if hint is not None else client_id
    client = server.store.clients.find(client_id) if client_id is not None else None
    redirect_uri = params.get("post_logout_redirect_uri")
    if redirect_uri is not None:
        _check_redirect_uri(client, redirect_uri)
    return LogoutRequest(
        client, str(hint["sub"]) if hint is not None else None, redirect_uri, params.get("state"), params
    )


def _check_redirect_uri(client: Client | None, redirect_uri: str) -> None:
    if client is None:
        words = "Send the ID token of the sign-in as id_token_hint, or client_id."
        finding = Finding(
            "post_logout_redirect_uri", ("an id_token_hint or client_id",), "neither that is valid", words
        )
        raise InvalidRequest(
            "post_logout_redirect_uri needs a valid id_token_hint or client_id of its client.", findings=[finding]
        )
    if not matches_redirect_uri(redirect_uri, client.post_logout_redirect_uris):
        name, registered = "post_logout_redirect_uri", client.post_logout_redirect_uris
        finding = redirect_uri_finding(name, redirect_uri, registered)
        error = InvalidRequest(f"{name} is not registered for this client.", findings=[finding])
        error.client_id = client.client_id
        raise error


def _ask(asked: LogoutRequest) -> Response:
    _, user = current_session()
    if asked.redirect_uri is not None:
        allow_form_target(asked.redirect_uri)
    return render_page(
        "logout",
        action=url_for("pages.logout"),
        client=client_view(asked.client),
        account=account_view(user),
        fields={name: asked.params[name] for name in _FIELDS if name in asked.params},
    )


def _sign_out(asked: LogoutRequest) -> Response:
    server, now = current_server(), request_time()
    session, _ = current_session()
    client_id = asked.client.client_id if asked.client is not None else None
    if session is not None:
        server.store.sessions.end(session.sid)
        server.store.grants.revoke_for_session(session.sid, client_id=client_id, now=now)
        audit.record(server, audit.Event.SIGNED_OUT, now=now, user_id=session.user_id, client_id=client_id)
    if asked.redirect_uri is not None:
        state = [] if asked.state is None else [("state", asked.state)]
        response = see_other(with_parameters(asked.redirect_uri, state) if state else asked.redirect_uri)
    else:
        response = render_page("logged_out", client=client_view(asked.client))
    forget_session(response)
    return response
