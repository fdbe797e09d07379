"""One client as it is registered: what cannot work, and what a developer is likely to have meant otherwise."""

from collections.abc import Iterator, Mapping

from idp.cli.checks.finding import Finding, counted, unknown, warning, well, wrong
from idp.cli.checks.subject import Subject
from idp.cli.command import Refused
from idp.cli.output import iso
from idp.jose.algorithms import CLIENT_KEY
from idp.jose.client_jwks import InvalidKeys, is_usable, load_keys
from idp.outbound import FetchRefused
from idp.protocol.client import Client
from idp.protocol.errors import InvalidRedirectUri
from idp.protocol.redirect_uri import LOOPBACK_NAMES, check_redirect_uri_registration, host_of
from idp.protocol.scopes import IDENTITY_SCOPES, OFFLINE_ACCESS, Api
from idp.recipes import RECIPES, find_base_url

DAY = 86_400
MANY = 100  # refusals looked at
_USUAL = frozenset({"login_required", "consent_required", "interaction_required", "access_denied"})  # nobody's mistake
SOON_DAYS = 30
CODE, REFRESH, SERVICE = "authorization_code", "refresh_token", "client_credentials"


def examine_registration(subject: Subject) -> Iterator[Finding]:
    client = _client(subject)
    from idp.cli.client_options import check_whole_client
    from idp.protocol.errors import OAuthError

    if client.disabled:
        advice = f"Run: idp clients update {client.client_id} --enable"
        yield wrong("client", f"It is disabled, so every request of it is refused. {advice}")
    try:
        check_whole_client(client)
    except (OAuthError, InvalidKeys, Refused) as error:
        yield wrong("client", f"It could not be registered like this today: {error}")
    else:
        made_for = client.made_for
        yield well("client", f"{client.name} is registered{f', made for {made_for}' if made_for else ''}.")
        yield from _examine_kind(client)
    if not client.client_name:
        yield warning("client", f"It has no name for people to read: idp clients update {client.client_id} --name NAME")


def _examine_kind(client: Client) -> Iterator[Finding]:
    """The kind of application that it was registered for expects to be returned to at a path of its own."""
    recipe = RECIPES.get(client.made_for or "")
    if recipe is None or not recipe.redirect_paths or not client.redirect_uris:
        return
    if not any(find_base_url(recipe, uri) for uri in client.redirect_uris):
        where = f"https://HOST{recipe.redirect_paths[0]}" if recipe.is_at_root else f"…{recipe.redirect_paths[0]}"
        yield warning(
            "client", f"An application made with {client.made_for} returns to {where}, which is no redirect URI of it."
        )


def examine_refusals(subject: Subject) -> Iterator[Finding]:
    """What the flow inspector has kept of its requests; the doctor's own are not among them."""
    client = _client(subject)
    if subject.store is None or subject.settings.inspect_retention == 0:
        return
    found = subject.store.refusals.list(client_id=client.client_id, limit=MANY)
    late = [each for each in found if each.at > subject.now - DAY and each.error not in _USUAL]
    if late:
        yield warning(
            "refusals",
            f"{counted(len(late), 'request')} of it {'was' if len(late) == 1 else 'were'} refused in the last day, the "
            f"latest with {late[0].error}. Why: idp inspect {late[0].request_id}",
        )
    else:
        yield well("refusals", "None of its requests was refused lately for a mistake.")


def _client(subject: Subject) -> Client:
    assert subject.client is not None
    return subject.client


def examine_redirect_uris(subject: Subject) -> Iterator[Finding]:
    client = _client(subject)
    if CODE not in client.grant_types:
        yield well("redirect URIs", "It needs none: people do not sign in to it.")
        return
    for uri in (*client.redirect_uris, *client.post_logout_redirect_uris):
        try:
            check_redirect_uri_registration(uri)
        except InvalidRedirectUri as error:
            yield wrong("redirect URIs", f"{uri}: {error}")
        else:
            yield from _doubts(uri, subject)
    twins = {uri for uri in client.redirect_uris if uri + "/" in client.redirect_uris}
    for uri in sorted(twins):
        yield warning("redirect URIs", f"{uri} is registered with and without a slash at its end; keep the one used.")
    if client.redirect_uris:
        yield well("redirect URIs", f"Registered, to be sent to the letter: {' '.join(client.redirect_uris)}")
    if client.post_logout_redirect_uris:
        yield well("sign-out", f"After signing out people return to {' '.join(client.post_logout_redirect_uris)}")
    else:
        yield warning(
            "sign-out",
            "It has no post-logout redirect URI, so people who sign out there stay here: idp clients update "
            f"{client.client_id} --post-logout-redirect-uri URL",
        )


def _doubts(uri: str, subject: Subject) -> Iterator[Finding]:
    host, scheme = host_of(uri), uri.partition(":")[0]
    is_web = scheme in {"http", "https"}
    if is_web and host == "localhost" and scheme == "http" and _client(subject).is_public and _is_native(subject):
        yield warning("redirect URIs", f"{uri}: apps use http://127.0.0.1 (RFC 8252 §8.3), where any port is taken.")
    elif is_web and host in LOOPBACK_NAMES and subject.settings.is_production and not _is_native(subject):
        yield warning("redirect URIs", f"{uri} is a developer's machine; take it out when the client is in production.")
    elif not is_web and "." not in scheme:
        yield warning(
            "redirect URIs",
            f"{uri}: another app may claim the scheme {scheme}: too; take one of your domain's, such as "
            "com.example.app: (RFC 8252 §7.1).",
        )


def _is_native(subject: Subject) -> bool:
    """Whether it looks like an app on a machine of people: one of its addresses is no web address."""
    return any(uri.partition(":")[0] not in {"http", "https"} for uri in _client(subject).redirect_uris)


def examine_authentication(subject: Subject) -> Iterator[Finding]:
    """How it proves who it is at the token endpoint, and until when."""
    client, now = _client(subject), subject.now
    method = client.token_endpoint_auth_method
    if client.is_public:
        yield well("authentication", "It is public: no secret, PKCE instead.")
    elif method == "private_key_jwt":
        yield from _examine_client_keys(subject)
    else:
        valid = [secret for secret in client.secrets if secret.is_valid_at(now)]
        yield from _examine_secrets(client, [secret.expires_at for secret in valid], now)
    if CODE in client.grant_types and not client.requires_pkce(subject.settings.require_pkce):
        yield warning(
            "PKCE",
            "It may sign people in without PKCE, which keeps a stolen code from being used: idp clients update "
            f"{client.client_id} --pkce",
        )


def _examine_secrets(client: Client, ends: list[int], now: int) -> Iterator[Finding]:
    renew = f"idp clients update {client.client_id} --new-secret --keep-old 86400"
    if not ends:
        yield wrong("authentication", f"It has no secret that is still valid, so it gets no token. Run: {renew}")
        return
    last = 0 if 0 in ends else max(ends)
    if last and last - now < SOON_DAYS * DAY:
        yield warning("authentication", f"Its last secret ends at {iso(last)}. Run in time: {renew}")
    else:
        until = f" until {iso(last)}" if last else ""
        yield well(
            "authentication", f"{client.token_endpoint_auth_method}, with {counted(len(ends), 'valid secret')}{until}."
        )


def _examine_client_keys(subject: Subject) -> Iterator[Finding]:
    client = _client(subject)
    jwks: object = client.jwks
    if client.jwks_uri is not None:
        if subject.offline:
            yield unknown("authentication", f"Its keys at {client.jwks_uri} were not fetched.")
            return
        try:
            jwks = subject.make_fetcher().get_json(client.jwks_uri)
        except FetchRefused as refusal:
            yield wrong("authentication", f"Its keys at {client.jwks_uri} cannot be had: {refusal}.")
            return
    algs = [client.token_endpoint_auth_signing_alg] if client.token_endpoint_auth_signing_alg else list(CLIENT_KEY)
    try:
        usable = [jwk for jwk in load_keys(jwks) if any(is_usable(jwk, CLIENT_KEY[alg]) for alg in algs)]
    except InvalidKeys as error:
        yield wrong("authentication", f"Its keys cannot be used: {error}")
        return
    if usable:
        yield well("authentication", f"private_key_jwt; {len(usable)} of its keys can verify its assertions.")
    else:
        yield wrong("authentication", f"None of its keys can verify an assertion of it ({', '.join(algs)}).")


def examine_scopes(subject: Subject) -> Iterator[Finding]:
    """Whether its access tokens suit an API, and whether it gets the refresh tokens that it is made for."""
    from idp.cli.client_options import has_service_scope

    client = _client(subject)
    apis: Mapping[str, Api] = subject.store.apis.all() if subject.store is not None else {}
    theirs = {scope for api in apis.values() for scope in api.scopes}
    strange = [scope for scope in client.scope if scope not in theirs and scope not in IDENTITY_SCOPES]
    if strange:
        yield warning(
            "scopes", f"{' '.join(strange)}: no API has it, so nobody is ever asked for it. See: idp apis list"
        )
    gone = [name for name in (*client.audience, *client.serves) if name not in apis]
    for name in gone:
        yield wrong("scopes", f"Its tokens are for {name}, but there is no such API. Run: idp apis add {name}")
    if SERVICE in client.grant_types and not has_service_scope(client, apis):
        yield wrong(
            "scopes",
            "Every token in its own name is refused: no API of it has a scope that it may have. Compare: idp apis "
            f"list, idp clients show {client.client_id}",
        )
    elif client.audience:
        yield well("scopes", f"Its access tokens are for {' '.join(client.audience)}.")
    elif not theirs & set(client.scope) and not client.serves:
        yield warning(
            "scopes",
            "Its access tokens suit no API, only /userinfo. If it calls one: idp clients update "
            f"{client.client_id} --api IDENTIFIER",
        )
    yield from _examine_refreshing(client)


def _examine_refreshing(client: Client) -> Iterator[Finding]:
    if CODE not in client.grant_types:
        return
    may_refresh, may_ask = REFRESH in client.grant_types, OFFLINE_ACCESS in client.scope
    always = client.always_issue_refresh_token
    change = f"idp clients update {client.client_id}"
    if may_refresh and not may_ask and not always:
        yield warning(
            "refresh", f"It may not ask for offline_access, so it never gets a refresh token: {change} --scope …"
        )
    elif not may_refresh and (may_ask or always):
        yield warning(
            "refresh", f"Without the grant refresh_token it gets none: {change} --grant-type … for each grant"
        )
    elif may_refresh and not always and not client.first_party:
        yield well("refresh", "It gets a refresh token when it asks for offline_access with prompt=consent.")
    elif may_refresh:
        yield well("refresh", f"It gets refresh tokens{'' if always else ' when it asks for offline_access'}.")
    idle, whole = client.refresh_token_idle_lifetime, client.refresh_token_lifetime
    if idle is not None and whole is not None and idle > whole:
        yield warning("refresh", f"Its idle lifetime ({idle} s) never counts: all ends after {whole} s.")


def examine_upstreams(subject: Subject) -> Iterator[Finding]:
    client = _client(subject)
    known = [each.name for each in subject.settings.upstream]
    for name in client.upstreams:
        if name not in known:
            configured = ", ".join(known) or "none"
            yield wrong("connections", f"It names the connection {name}, which is not configured ({configured} is).")
    if client.upstreams and set(client.upstreams) <= set(known):
        yield well("connections", f"People come over {', '.join(client.upstreams)}, or with a password.")
