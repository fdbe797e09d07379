"""From a code to an Identity: the token request (RFC 6749 §4.1.3), the ID token, the provider's profile.

Stands on Authlib's OAuth2Session for the request itself; what may be believed of the answer is decided here.
"""

import base64
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote_plus

from authlib.integrations.base_client.errors import OAuthError
from authlib.integrations.requests_client import OAuth2Session
from requests import RequestException

from idp.jose.client_keys import RemoteKeys
from idp.outbound import FetchRefused, NotSent, OutboundFetcher
from idp.outbound.adapter import GuardedAdapter
from idp.protocol.identity import Identity
from idp.upstream.calls import get_json
from idp.upstream.connection import Connection
from idp.upstream.errors import NotFresh, Refused, Unavailable, Untrustworthy
from idp.upstream.id_token import SKEW_SECONDS, check_subject, load_claims
from idp.upstream.provider import Answer, Endpoints
from idp.upstream.state import Pending

KEPT_TOKENS = ("access_token", "refresh_token", "expires_at", "scope")
_TROUBLE = frozenset({"server_error", "temporarily_unavailable"})


def load_identity(
    connection: Connection,
    endpoints: Endpoints,
    pending: Pending,
    callback: Mapping[str, str],
    *,
    fetcher: OutboundFetcher,
    keys: RemoteKeys,
    now: int,
) -> tuple[Identity, Mapping[str, Any]]:
    """Who has signed in over there, and the provider's tokens. Raises UpstreamFailed."""
    session = _make_session(connection, endpoints, fetcher, now)
    form = {"grant_type": "authorization_code", "code": callback["code"], "redirect_uri": connection.redirect_uri}
    if endpoints.takes_pkce:
        form["code_verifier"] = pending.code_verifier
    tokens = _redeem(session, endpoints, form)
    claims: Mapping[str, Any] = {}
    if connection.provider.has_id_token:
        claims = load_claims(tokens.get("id_token"), connection, endpoints, pending, keys, now=now)

    def fetch(url: str, query: Mapping[str, str] | None = None) -> Any:
        return get_json(fetcher, connection.url(url), query=query, token=str(tokens["access_token"]))

    answer = Answer(connection, tokens, claims, callback, fetch, endpoints)
    try:
        identity = connection.provider.to_identity(answer)
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise Untrustworthy(f"the profile has another shape ({type(error).__name__})") from None
    check_subject(identity.subject)
    check_fresh(identity, pending, now)
    return identity, {name: tokens[name] for name in KEPT_TOKENS if name in tokens}


def check_fresh(identity: Identity, pending: Pending, now: int) -> None:
    """Core §3.1.2.1 prompt=login and max_age: the provider must say when the person proved themselves, and not long
    ago. Raises NotFresh."""
    bounds = [bound for bound in (pending.not_before, _oldest(pending.max_age, now)) if bound is not None]
    if not bounds:
        return
    if identity.auth_time is None:
        raise NotFresh("no auth_time")
    if identity.auth_time + SKEW_SECONDS < max(bounds):
        raise NotFresh(f"auth_time is {now - identity.auth_time} seconds ago")


def _oldest(max_age: int | None, now: int) -> int | None:
    return None if max_age is None else now - max_age


def _redeem(session: Any, endpoints: Endpoints, form: Mapping[str, str]) -> Mapping[str, Any]:
    """The token response. A code is good once, so the request is repeated only when nothing of it was sent."""
    with session:
        try:
            tokens = _post_twice(session, endpoints.token, form)
        except OAuthError as error:
            raise _judged(error) from None
        except FetchRefused as refusal:
            raise Unavailable(str(refusal)) from None
        except RequestException as error:
            status = getattr(error.response, "status_code", None)
            kind = Unavailable if status is not None and (status >= 500 or status == 429) else Untrustworthy
            raise kind(f"token endpoint: status {status}") from None
        except (ValueError, TypeError, ArithmeticError, RecursionError):  # Authlib reads expires_in, whatever it is
            raise Untrustworthy("the token response has another shape") from None
    if not isinstance(tokens.get("access_token"), str):
        raise Untrustworthy("no access token came")
    return tokens


def _post_twice(session: Any, url: str, form: Mapping[str, str]) -> Mapping[str, Any]:
    try:
        return dict(session.fetch_token(url, **form))
    except NotSent:
        return dict(session.fetch_token(url, **form))


def _make_session(connection: Connection, endpoints: Endpoints, fetcher: OutboundFetcher, now: int) -> Any:
    settings, make_secret = connection.settings, connection.provider.make_secret
    secret = settings.client_secret if make_secret is None else make_secret(settings, now)
    session = OAuth2Session(
        settings.client_id, secret, token_endpoint_auth_method=endpoints.client_auth if secret else "none"
    )
    session.register_client_auth_method(("client_secret_basic", _encode_basic))
    session.register_compliance_hook("access_token_response", _check_not_overloaded)
    session.trust_env = False
    session.headers["User-Agent"] = "idp"
    for scheme in ("https://", "http://"):
        session.mount(scheme, GuardedAdapter(fetcher))
    return session


def _check_not_overloaded(response: Any) -> Any:
    """RFC 6585 §4: too many requests is the provider's trouble, whatever its body says."""
    if response.status_code == 429:
        raise Unavailable("token endpoint: status 429")
    return response


def _encode_basic(client: Any, _method: str, uri: str, headers: dict[str, str], body: Any) -> tuple[Any, ...]:
    """RFC 6749 §2.3.1: both parts are form-encoded before they are joined; Authlib's own does not."""
    pair = f"{quote_plus(client.client_id)}:{quote_plus(client.client_secret)}"
    headers["Authorization"] = "Basic " + base64.b64encode(pair.encode("ascii")).decode("ascii")
    return uri, headers, body


def _judged(error: OAuthError) -> Refused | Unavailable:
    """An error answer of the token endpoint (RFC 6749 §5.2), which some providers write in their own way."""
    code = error.error if isinstance(error.error, str) else "of a shape of its own"
    detail = f"token endpoint: error {code[:64] if code.isprintable() else 'unprintable'}"
    return Unavailable(detail) if code in _TROUBLE else Refused(detail)
