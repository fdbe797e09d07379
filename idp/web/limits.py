"""Rate limits per address (Flask-Limiter): in Redis when configured, else in each process's memory.

Sign-in attempts have their own limit; pages share another. Endpoints for machines have none: their callers
authenticate, and a front end's server asks for thousands of people from one address.
"""

import time
from ipaddress import ip_address, ip_network

import structlog
from flask import Flask, request
from flask_limiter import Limiter
from flask_limiter.errors import RateLimitExceeded

from idp.settings import Settings
from idp.web.log import address


def limited_network() -> str:
    """Whom a limit counts: an IPv4 address, or the /64 network of an IPv6 one, which a single household has whole."""
    try:
        parsed = ip_address(address())
    except ValueError:
        return address()
    return str(ip_network((parsed, 64), strict=False)) if parsed.version == 6 else str(parsed)


limiter = Limiter(key_func=limited_network, strategy="moving-window", headers_enabled=False)
_log = structlog.get_logger("idp.limits")
_NEVER_LIMITED = frozenset(
    f"endpoints.{name}"
    for name in ("openid_configuration", "jwks", "token", "userinfo", "introspect", "revoke", "health")
)


@limiter.request_filter
def _is_never_limited() -> bool:
    """Spares the busiest endpoints a search for limits that they do not have."""
    return request.endpoint in _NEVER_LIMITED


def register_limits(app: Flask, settings: Settings) -> None:
    app.config.update(
        RATELIMIT_ENABLED=settings.ratelimit_enabled,
        RATELIMIT_STORAGE_URI=settings.redis_url or "memory://",
        RATELIMIT_KEY_PREFIX="idp",
        RATELIMIT_IN_MEMORY_FALLBACK_ENABLED=settings.redis_url is not None,
    )
    limiter.init_app(app)


def warn_about_separate_limits(settings: Settings, workers: int) -> None:
    if settings.ratelimit_enabled and settings.redis_url is None and workers > 1:
        _log.warning(
            f"Rate limits are counted in each of the {workers} worker processes separately, so an address may reach "
            f"{workers} times the limit. Set IDP_REDIS_URL to count them together."
        )


def seconds_to_wait(error: RateLimitExceeded) -> int:
    """An honest Retry-After: until the window lets one more request in."""
    current = limiter.current_limit
    return max(1, int(current.reset_at - time.time()) + 1) if current is not None and error.limit else 60
