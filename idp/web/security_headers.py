"""Headers that every response carries (ASVS 3.4): a strict CSP, no framing, no sniffing, no referrer, HSTS on https.

A page with a form that ends at a client names that client's address for `form-action`, because browsers check every
redirect that follows a form; https is allowed as a whole there, because a client may redirect on to another host of its
own (see `docs/decisions`), and so is loopback where the client itself is there.

A page with a CAPTCHA names what that one needs, and no other page does.
"""

from collections.abc import Mapping

from flask import Flask, Response, g, request

from idp.protocol.redirect_uri import origin_of
from idp.settings import Settings

_COMMON = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=(), payment=(), usb=()",
}
_OF_DATA = [("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")]
_PAGE_CSP = (
    "default-src 'none'; script-src 'self'{script}; style-src 'self'{style}; img-src 'self' https:{images}; "
    "base-uri 'none'; frame-ancestors 'none'; form-action 'self'{targets}{more}"
)

_LOOPBACK = ("http://localhost:*", "http://127.0.0.1:*")


def register_security_headers(app: Flask, settings: Settings) -> None:
    common = [*_COMMON.items()]
    if settings.is_https:
        common.append(("Strict-Transport-Security", "max-age=31536000; includeSubDomains"))
    images = "" if settings.is_production else " http:"

    @app.after_request
    def _add(response: Response) -> Response:
        wanted = [*common, *(_of_page(images) if response.mimetype == "text/html" else _OF_DATA)]
        if request.endpoint != "static":
            wanted.append(("Cache-Control", "no-store"))
        present = {name for name, _ in response.headers}
        response.headers.extend([pair for pair in wanted if pair[0] not in present])
        return response


def _of_page(images: str) -> list[tuple[str, str]]:
    policy = _PAGE_CSP.format(images=images, targets=_form_targets(), **_captcha_sources())
    opener = [] if g.get("keeps_opener") else [("Cross-Origin-Opener-Policy", "same-origin")]
    return [("Content-Security-Policy", policy), *opener]


def _captcha_sources() -> dict[str, str]:
    """What a CAPTCHA adds: to the lists that every page has, and as directives of its own (`more`)."""
    named: dict[str, tuple[str, ...]] = dict(g.get("captcha_sources", {}))
    script, style = (_listed(named.pop(directive, ())) for directive in ("script-src", "style-src"))
    more = "".join(f"; {directive}{_listed(sources)}" for directive, sources in sorted(named.items()))
    return {"script": script, "style": style, "more": more}


def _listed(sources: tuple[str, ...]) -> str:
    return "".join(f" {source}" for source in sources)


def allow_captcha_sources(sources: Mapping[str, tuple[str, ...]]) -> None:
    """Let this page load what its CAPTCHA needs: directive → sources, beside those that every page has."""
    named = g.setdefault("captcha_sources", {})
    for directive, added in sources.items():
        known = named.get(directive, ())
        named[directive] = (*known, *(source for source in added if source not in known))


def _form_targets() -> str:
    return "".join(f" {target}" for target in sorted(g.get("form_targets", ())))


def _allow(*targets: str) -> None:
    g.setdefault("form_targets", set()).update(targets)


def allow_form_target(redirect_uri: str) -> None:
    """Let the forms of this page end at a client. The opener stays reachable, because clients sign in by pop-up too."""
    origin = origin_of(redirect_uri)
    if origin is None:
        _allow(f"{redirect_uri.partition(':')[0]}:")
    elif not origin.startswith("https:"):
        _allow(*(["http:"] if "[" in origin else _LOOPBACK))  # CSP has no way to write an IPv6 address
    _allow("https:")
    g.keeps_opener = True


def allow_upstream_target(sandbox_url: str | None) -> None:
    """Let the forms of this page end at another provider, or at its stand-in on this machine. https is allowed as a
    whole, because a provider sends people on among hosts of its own."""
    _allow("https:")
    if sandbox_url is not None:
        _allow(sandbox_url)


def allow_issuer_target(issuer: str) -> None:
    """Let the forms of this page end at the issuer when the page was opened by another name of the same machine."""
    origin = origin_of(issuer)
    if origin is not None and "[" not in origin:
        _allow(origin)
        g.keeps_opener = True
