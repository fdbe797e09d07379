"""One authorization request, in two stages.

Stage one (`load_target`) finds the client and trusts the redirect URI; its errors are shown to the person, never
redirected (RFC 6749 §4.1.2.1). Stage two (`load_request`) runs CHECKS; its errors travel to the client as
`AuthorizationFailed`.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from idp.authorization.checks import CHECKS
from idp.authorization.checks.asked import Asked, resources_asked, scopes_asked
from idp.authorization.response_modes import RESPONSE_MODES
from idp.protocol.claims import ClaimsRequest, claims_of_scopes, parse_claims
from idp.protocol.client import Client
from idp.protocol.differences import redirect_uri_finding
from idp.protocol.errors import InvalidClient, InvalidRequest, OAuthError
from idp.protocol.findings import Finding, expect, shown
from idp.protocol.params import Params, is_clean, load_integer
from idp.protocol.redirect_uri import matches_redirect_uri
from idp.server import Server
from idp.tokens.id_token import read_id_token_hint


@dataclass(frozen=True, slots=True)
class Target:
    """Where the answer goes: a client and a redirect URI that may be trusted, and how to answer there."""

    client: Client
    redirect_uri: str
    redirect_uri_sent: bool
    state: str | None
    response_mode: str


class AuthorizationFailed(Exception):
    """An error to deliver to the client at its redirect URI."""

    def __init__(self, target: Target, error: OAuthError) -> None:
        self.target = target
        self.error = error
        super().__init__(error.description)


@dataclass(frozen=True, slots=True)
class AuthorizationRequest:
    """A request that has passed all CHECKS. `scopes` and `resources` are what would be granted, not merely asked."""

    target: Target
    params: Params
    scopes: tuple[str, ...]
    resources: tuple[str, ...]
    prompt: tuple[str, ...]
    claims: ClaimsRequest
    max_age: int | None
    required_sub: str | None

    @property
    def client(self) -> Client:
        return self.target.client

    @property
    def essential_acr(self) -> frozenset[str]:
        """The values of which one must be met (Core §5.5.1.1); empty when none is essential."""
        return frozenset(map(str, self.claims.wanted_values("acr"))) if self.claims.is_essential("acr") else frozenset()

    @property
    def wished_acrs(self) -> tuple[str, ...]:
        """What the client would like, best first, and can do without (Core §3.1.2.1, §5.5.1.1)."""
        return self.params.words("acr_values") or tuple(map(str, self.claims.wanted_values("acr")))

    @property
    def nonce(self) -> str | None:
        return self.params.get("nonce")

    @property
    def code_challenge(self) -> str | None:
        return self.params.get("code_challenge")


def load_target(server: Server, params: Params) -> Target:
    """Stage one. Raises InvalidClient or InvalidRequest, to be shown on a page."""
    for name in ("client_id", "redirect_uri"):
        if params.is_repeated(name):
            raise InvalidRequest(f"{name} is there more than once.")
    client_id = params.get("client_id")
    if client_id is None:
        raise InvalidRequest("client_id is missing.")
    client = server.store.clients.find(client_id) if is_clean(client_id) and len(client_id) <= 128 else None
    if client is None or client.disabled:
        findings = [_unknown(server, client_id, client)]
        raise InvalidClient(
            "This application is not known here; check client_id.",
            detail=f"client_id {shown(client_id)!r}",
            findings=findings,
        )
    redirect_uri = _trusted_redirect_uri(client, params.get("redirect_uri"))
    state = params.get("state")
    return Target(
        client=client,
        redirect_uri=redirect_uri,
        redirect_uri_sent="redirect_uri" in params,
        state=state if state is not None and is_clean(state) and not params.is_repeated("state") else None,
        response_mode=_answerable_mode(params),
    )


def _unknown(server: Server, client_id: str, client: Client | None) -> Finding:
    """What is said of a client that cannot be found; other ids are named in development alone."""
    if client is not None:
        return Finding("client_id", ("an active client",), "disabled", "idp clients update --enable")
    near = () if server.settings.is_production else server.store.clients.nearest(client_id)
    hint = "Compare it with: idp clients list. Is this the server, and the database, that the client was added to?"
    return Finding("client_id", near, shown(client_id), hint, is_compared=True)


def _trusted_redirect_uri(client: Client, sent: str | None) -> str:
    """RFC 6749 §3.1.2.3: exactly a registered one; it may be left out only when one single URI is registered."""
    if sent is None:
        if len(client.redirect_uris) != 1:
            hint = "Send it: it may be left out only by a client that has registered a single one."
            finding = Finding("redirect_uri", expect(client.redirect_uris), None, hint)
            raise InvalidRequest("redirect_uri is missing; this application has to send it.", findings=[finding])
        return client.redirect_uris[0]
    if not matches_redirect_uri(sent, client.redirect_uris):
        finding = redirect_uri_finding("redirect_uri", sent, client.redirect_uris)
        description = "redirect_uri is not one that is registered for this application; it must be the same string."
        raise InvalidRequest(description, detail=finding.received, findings=[finding])
    return sent


def _answerable_mode(params: Params) -> str:
    """The mode that errors use as well; a mode we do not have is answered in the default one of the response type:
    the fragment where a token was asked for (Multiple Response Types §5), though we only refuse it."""
    default = "fragment" if {"token", "id_token"} & set(params.words("response_type")) else "query"
    mode = params.get("response_mode", default)
    return mode if mode in RESPONSE_MODES and not params.is_repeated("response_mode") else default


@contextmanager
def reported_to(target: Target) -> Iterator[None]:
    """From here on, an OAuth error belongs to the client."""
    try:
        yield
    except OAuthError as error:
        raise AuthorizationFailed(target, error) from error


def load_request(server: Server, target: Target, params: Params, *, now: int) -> AuthorizationRequest:
    """Stage two: all CHECKS, in order, then the typed request. Raises OAuthError; call it inside `reported_to`."""
    asked = Asked(server, target.client, params)
    for check in CHECKS:
        check(asked)
    claims = parse_claims(params.get("claims")).limited_to(claims_of_scopes(target.client.scope))
    max_age = load_integer(params, "max_age")
    return AuthorizationRequest(
        target=target,
        params=params,
        scopes=scopes_asked(asked),
        resources=resources_asked(asked),
        prompt=params.words("prompt"),
        claims=claims,
        max_age=target.client.default_max_age if max_age is None else max_age,
        required_sub=_required_sub(asked, claims, now),
    )


def _required_sub(asked: Asked, claims: ClaimsRequest, now: int) -> str | None:
    """Who must be signed in: by `id_token_hint` (Core §3.1.2.1) or by the `sub` claim's value (Core §5.5.1)."""
    wanted = claims.required_sub()
    hint = asked.params.get("id_token_hint")
    if hint is None:
        return wanted
    hinted = read_id_token_hint(asked.server, hint, now=now)
    if hinted is None or hinted["aud"] != asked.client.client_id:
        received = "not an ID token of this server" if hinted is None else f"issued to {shown(str(hinted['aud']))}"
        finding = Finding("id_token_hint", (f"an ID token issued to {asked.client.client_id}",), received)
        raise InvalidRequest(
            "id_token_hint is not an ID token that this server issued to this client.", findings=[finding]
        )
    subject = str(hinted["sub"])
    if wanted is not None and wanted != subject:
        raise InvalidRequest("id_token_hint and the claims parameter name different people.")
    return subject
