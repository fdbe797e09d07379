"""A POST from another site lacks our SameSite cookies: it is kept for a minute and taken up by a GET that has them.

The browser is sent to a URL with a random key and nothing of the request in it, because what clients post (an ID token
as a hint, say) must not come to stand in a browser's history or a proxy's log.
"""

import secrets

from idp.protocol.params import Params
from idp.web.current import current_server, request_time
from idp.web.forms import REPEATABLE
from idp.web.limits import limiter

KIND = "posted"
LIFETIME_SECONDS = 60


def keep_posted(params: Params, names: frozenset[str]) -> str:
    """Keep those of the parameters that have these names; the key to take them up with."""
    server, key = current_server(), secrets.token_urlsafe(24)
    pairs = [list(pair) for pair in params.pairs() if pair[0] in names]
    with limiter.limit(server.settings.ratelimit_pages, scope="posted"):
        value = {"params": pairs}
        server.store.ephemeral.put(KIND, key, value, lifetime=LIFETIME_SECONDS, now=request_time())
    return key


def find_posted(key: str) -> Params | None:
    """The parameters kept under this key; None when the minute is over."""
    value = current_server().store.ephemeral.get(KIND, key, now=request_time())
    return None if value is None else Params([(name, text) for name, text in value["params"]], repeatable=REPEATABLE)
