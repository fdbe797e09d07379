"""The guard for every request made because a client or an administrator named a URL (as RFC 9101 section 10.4 warns).

Owns what such a request may reach and cost: https and public addresses only, except what the operator has allowed;
one look-up, every address checked, and the connection made to the very address that was checked, so that a name
cannot mean something else a moment later; no redirects, proxies, cookies or credentials of the environment; one
deadline and one size limit over everything.

In the order in which a request meets them: `targets` (the URL), `addresses` (what is public), `connection` (look-up,
TCP, TLS), `exchange` (request and answer), all under the `deadline`; `fetcher` puts them together. `adapter` gives
the guard to a ``requests.Session``; it is imported by its full name, because it loads requests.

It stands on ``http.client``: that sends one request over a socket that we hand it, and does nothing else by itself.
"""

from idp.outbound.addresses import is_public
from idp.outbound.connection import make_tls_context
from idp.outbound.exchange import OutboundResponse
from idp.outbound.fetcher import OutboundFetcher
from idp.outbound.refusals import AnswerRefused, FetchRefused, NotSent

__all__ = [
    "AnswerRefused",
    "FetchRefused",
    "NotSent",
    "OutboundFetcher",
    "OutboundResponse",
    "is_public",
    "make_tls_context",
]
