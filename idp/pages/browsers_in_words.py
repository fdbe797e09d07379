"""A browser and where it is, in words a person recognises: enough to tell their own devices apart, and no more.

What a browser says of itself proves nothing and is never used for anything but showing.
"""

import ipaddress

from flask_babel import gettext as _

# The first word that is found decides: most browsers name others too, for the sake of old sites.
_BROWSERS = (
    ("Edg", "Edge"),
    ("OPR/", "Opera"),
    ("SamsungBrowser", "Samsung Internet"),
    ("Vivaldi", "Vivaldi"),
    ("Firefox", "Firefox"),
    ("FxiOS", "Firefox"),
    ("CriOS", "Chrome"),
    ("Chrome", "Chrome"),
    ("Safari", "Safari"),
    ("curl/", "curl"),
)
_SYSTEMS = (
    ("Windows", "Windows"),
    ("iPhone", "iPhone"),
    ("iPad", "iPad"),
    ("Android", "Android"),
    ("CrOS", "ChromeOS"),
    ("Mac OS", "Mac"),
    ("Linux", "Linux"),
)


def describe_browser(user_agent: str | None) -> str:
    """Such as "Firefox on Linux"; a browser we do not know is not guessed at."""
    browser, system = (_first(names, user_agent or "") for names in (_BROWSERS, _SYSTEMS))
    if browser and system:
        return str(_("%(browser)s on %(system)s", browser=browser, system=system))
    return browser or system or str(_("Unknown browser"))


def shorten_address(address: str | None) -> str | None:
    """The network alone: three numbers of an IPv4 address, the first half of an IPv6 address."""
    try:
        found = ipaddress.ip_address((address or "").partition("%")[0])
    except ValueError:
        return None
    if isinstance(found, ipaddress.IPv6Address) and found.ipv4_mapped is not None:
        found = found.ipv4_mapped
    if isinstance(found, ipaddress.IPv4Address):
        return ".".join([*str(found).split(".")[:3], "…"])
    return ":".join(f"{int(part, 16):x}" for part in found.exploded.split(":")[:4]) + ":…"


def _first(names: tuple[tuple[str, str], ...], user_agent: str) -> str | None:
    return next((name for word, name in names if word in user_agent), None)
