"""What the flow inspector says of requests that no rule of a specification refused: forms, pages that have ended, and
what HTTP itself forbids.
"""

from collections.abc import Mapping

from flask import request

from idp.authorization.interaction import KIND
from idp.protocol.findings import Finding, shown
from idp.web.current import current_server, request_time


def explain_form(reason: str) -> Finding:
    """A form without a good CSRF token, or from another site."""
    site = request.headers.get("Sec-Fetch-Site", "not said")
    cookies = "with cookies" if request.cookies else "without any cookie"
    received = f"{reason} Sec-Fetch-Site: {shown(site)}; {cookies}"
    hint = "Is the address the issuer's own (not another name of the same machine), and are cookies allowed for it?"
    return Finding("form", ("a form of ours, in the browser that it was shown in",), received, hint)


def explain_interaction(has_browser: bool) -> Finding:
    """A page of a sign-in that cannot go on: whether it has ended, or is another browser's."""
    expected = ("a sign-in that is under way in this browser",)
    interaction_id = (request.view_args or {}).get("interaction_id") or request.values.get("interaction") or ""
    server = current_server()
    is_there = server.store.ephemeral.get(KIND, interaction_id, now=request_time()) is not None
    if is_there and not has_browser:
        hint = "Cookies are blocked, or the address is not the issuer's own (another host name or scheme)."
        return Finding("interaction", expected, "under way, but this browser sent no cookie of ours", hint)
    if is_there:
        hint = "The link was opened in another browser or profile than the one that began."
        return Finding("interaction", expected, "under way in another browser", hint)
    hint = f"It lives {server.settings.interaction_lifetime} s and is finished once: by Back, a reload, or another tab."
    return Finding("interaction", expected, "ended, finished already, or never begun here", hint)


def describe_status(status: int, name: str, headers: Mapping[str, str]) -> str:
    """What to change, for the `error_description` of an answer that HTTP itself forbids."""
    allowed = headers.get("Allow")
    if allowed:
        methods = " or ".join(sorted(set(allowed.split(", ")) - {"OPTIONS", "HEAD"}))
        return f"The method is not allowed here; use {methods}."
    if status == 413:
        return f"The request body is too large; send at most {current_server().settings.max_body_bytes} bytes."
    return f"{status} {name}"


def explain_status(status: int, headers: Mapping[str, str]) -> Finding:
    """A method, a size or a path that HTTP refuses."""
    allowed = headers.get("Allow")
    if allowed is not None:
        return Finding("method", (allowed,), request.method, "Send the request with a method that this endpoint has.")
    if status == 413:
        limit = current_server().settings.max_body_bytes
        return Finding("body", (f"at most {limit} bytes",), f"{request.content_length or 'more'} bytes")
    return Finding("request", (), str(status))
