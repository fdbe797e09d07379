"""What browsers go by: security headers and cookies, and CORS for the origins of clients."""

import time
from collections.abc import Iterable, Iterator, Mapping
from http.cookies import CookieError, SimpleCookie

from idp.cli.checks.finding import Finding, counted, warning, well, wrong
from idp.cli.checks.site import Answer, Site
from idp.cli.checks.subject import Subject
from idp.protocol.client import Client
from idp.protocol.errors import InvalidRedirectUri
from idp.protocol.redirect_uri import origin_of

# header → what its only value must contain, as the server sends it
HEADERS: Mapping[str, str] = {
    "Content-Security-Policy": "frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}
SOFTWARE = ("Server", "X-Powered-By", "Via")
YEAR = 31_536_000
STRANGER = "https://doctor.invalid"  # RFC 2606: nobody's
SECONDS = 4.0  # for trying origins, one after the other; beyond that none is begun
PREFLIGHT = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "authorization,content-type"}


def examine_headers(subject: Subject) -> Iterator[Finding]:
    """The sign-in page, as a browser gets it."""
    answer = subject.site.get("/login")
    expected = dict(HEADERS)
    if subject.settings.is_https:
        expected["Strict-Transport-Security"] = f"max-age={YEAR}"
    changed = [name for name, part in expected.items() if not _arrives(answer, name, part)]
    for name in changed:
        yield wrong(
            "headers",
            f"{name} of the sign-in page arrives as {_shown(answer, name)}; the server sends one that has "
            f"{expected[name]}. Let the proxy pass it on, once and unchanged.",
        )
    if not changed:
        yield well("headers", "The security headers of pages arrive as they are sent.")
    told = [f"{name}: {answer.header(name)}" for name in SOFTWARE if answer.header(name) is not None]
    if told:
        yield warning("headers", f"Answers tell what software runs here ({'; '.join(told)[:120]}); let the proxy not.")
    yield from _examine_cookies(answer, is_https=subject.settings.is_https)


def _arrives(answer: Answer, name: str, part: str) -> bool:
    values = answer.headers.get(name.lower(), [])
    return len(values) == 1 and part in values[0]


def _shown(answer: Answer, name: str) -> str:
    values = answer.headers.get(name.lower(), [])
    return " and ".join(repr(value[:80]) for value in values) or "nothing"


def _examine_cookies(answer: Answer, *, is_https: bool) -> Iterator[Finding]:
    cookies: SimpleCookie = SimpleCookie()
    try:
        for value in answer.headers.get("set-cookie", []):
            cookies.load(value)
    except CookieError:
        yield wrong("cookies", "A cookie of the sign-in page cannot be read as one.")
        return
    name = f"{'__Host-' if is_https else ''}idp_form"
    cookie = cookies.get(name)
    if cookie is None:
        arrived = ", ".join(cookies) or "none"
        yield wrong("cookies", f"The cookie {name} does not arrive ({arrived} does), so that nobody can sign in.")
        return
    lost = [flag for flag in ("httponly", "samesite", *(["secure"] if is_https else [])) if not cookie[flag]]
    if lost or cookie["domain"] or cookie["path"] != "/":
        what = " and ".join(lost) or "its own path and host"
        yield wrong("cookies", f"The cookie {name} arrives without {what}. Let the proxy leave cookies alone.")
    else:
        yield well("cookies", f"Cookies arrive as they are sent{', Secure and bound to the host' if is_https else ''}.")


def examine_cors(subject: Subject) -> Iterator[Finding]:
    """A preflight for every origin of the clients, as a browser sends it; and one for an origin of nobody."""
    if subject.store is None:
        return
    clients = [subject.client] if subject.client is not None else subject.store.clients.list()
    clients = [client for client in clients if not client.disabled]
    origins, malformed = _origins(clients)
    yield from malformed
    tried, refused, end = 0, list[Finding](), time.monotonic() + SECONDS
    for origin, client_id in origins.items():
        if tried and time.monotonic() > end:
            break
        tried += 1
        refused += _refused(subject.site, origin, client_id)
    yield from refused
    stranger = _answer_to(subject.site, STRANGER).headers.get("access-control-allow-origin")
    if stranger is not None:
        yield wrong(
            "CORS",
            f"A page of a stranger may read our answers (Access-Control-Allow-Origin: {stranger[0][:60]}). Take that "
            "header out of the proxy: idp sets it, for the origins of its clients alone.",
        )
    if tried and not refused:
        more = f"; not tried, for want of time: {len(origins) - tried} more" if len(origins) > tried else ""
        yield well("CORS", f"{counted(tried, 'origin')} of clients may call from a browser{more}.")


def _origins(clients: Iterable[Client]) -> tuple[dict[str, str], list[Finding]]:
    """Origin → the client that has it; and what is no origin at all."""
    origins, malformed = dict[str, str](), list[Finding]()
    for client in clients:
        for origin in sorted(client.origins()):
            written = _written(origin)
            if written == origin:
                origins.setdefault(origin, client.client_id)
                continue
            advice = f"write {written}" if written else "write one such as https://app.example.com"
            sentence = f"{origin} of client {client.client_id} is no web origin, as browsers send it: {advice}."
            malformed.append(wrong("CORS", sentence))
    return origins, malformed


def _written(origin: str) -> str | None:
    try:
        return origin_of(origin)
    except InvalidRedirectUri:
        return None


def _answer_to(site: Site, origin: str) -> Answer:
    return site.send("OPTIONS", "/token", {"Origin": origin, **PREFLIGHT})


def _refused(site: Site, origin: str, client_id: str) -> Iterator[Finding]:
    answers = {"token": _answer_to(site, origin), "userinfo": site.get("/userinfo", {"Origin": origin})}
    for endpoint, answer in answers.items():
        allowed = answer.headers.get("access-control-allow-origin", [])
        if allowed != [origin]:
            yield wrong("CORS", _not_allowed(origin, client_id, endpoint, allowed))
            return


def _not_allowed(origin: str, client_id: str, endpoint: str, allowed: list[str]) -> str:
    came = " and ".join(allowed)[:120] or "nothing"
    return (
        f"A page of {origin} (client {client_id}) may not call /{endpoint}: Access-Control-Allow-Origin arrives as "
        f"{came}. Let the proxy pass OPTIONS requests on, and set no header of CORS itself."
    )
