"""The steps of a walk, each a real exchange noted in the walk. A step that fails is noted like any other, and ends what
was being done; nothing here raises because of what the server answers.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlencode

from idp.pages.playground import relying_party
from idp.pages.playground.calls import Caller
from idp.pages.playground.relying_party import CheckFailed
from idp.pages.playground.walk import CheckedToken, Step, Walk
from idp.protocol.client import Client
from idp.protocol.pkce import s256
from idp.server import Server
from idp.store.database import hashed

CLIENT_ID = "idp-playground"
CALLBACK = "/playground/callback"
SECRET_PURPOSE = "playground client secret"


class Application:
    """The playground as a relying party of this server: its registration, its secret, and a connection."""

    def __init__(self, server: Server, client: Client, caller: Caller, *, now: int) -> None:
        self.server, self.client, self.caller, self.now = server, client, caller, now

    @property
    def redirect_uri(self) -> str:
        return self.server.endpoint(CALLBACK)


def find_client(server: Server) -> Client | None:
    """The playground's registration; None when it is missing, disabled, or of another issuer."""
    client = server.store.clients.find(CLIENT_ID)
    if client is None or client.disabled or server.endpoint(CALLBACK) not in client.redirect_uris:
        return None
    return client


def client_secret(server: Server, client: Client) -> str:
    """Derived, never stored. After a change of the server's secret key, the one that the registration still knows."""
    derived = list(server.secret_box.derive_all(SECRET_PURPOSE))
    known = {secret.hash for secret in client.secrets}
    return next((secret for secret in derived if hashed(secret) in known), derived[0])


@contextmanager
def noted(walk: Walk, kind: str) -> Iterator[Step]:
    """A new step at the end of the walk; a broken rule is noted in it before it ends what was being done."""
    step = walk.begin(Step(kind))
    try:
        yield step
    except CheckFailed as failed:
        step.problem, step.detail = failed.problem, failed.detail[:200]
        raise


def discover(app: Application, walk: Walk) -> None:
    """Raises CheckFailed, as every step does."""
    with noted(walk, "discovery") as step:
        metadata = app.caller.get(step, app.server.endpoint("/.well-known/openid-configuration"))
        relying_party.check_metadata(metadata, app.server.issuer)
        walk.metadata = {name: metadata[name] for name in relying_party.ENDPOINTS}


def request_authorization(app: Application, walk: Walk, wishes: Mapping[str, str]) -> str:
    """The URL for the browser: the request with PKCE (RFC 7636 §4.3), state and nonce, and what the person chose."""
    params = {
        "client_id": app.client.client_id,
        "response_type": "code",
        "redirect_uri": app.redirect_uri,
        "state": walk.id,
        "nonce": walk.nonce,
        "code_challenge": s256(walk.code_verifier),
        "code_challenge_method": "S256",
        **wishes,
    }
    with noted(walk, "authorize") as step:
        step.method, step.url, step.params = "GET", walk.metadata["authorization_endpoint"], list(params.items())
    return f"{step.url}?{urlencode(params)}"


def receive(app: Application, walk: Walk, method: str, params: Mapping[str, str]) -> None:
    """The callback and all that follows from it: tokens, their check, userinfo."""
    with noted(walk, "callback") as step:
        step.method, step.url, step.params = method, app.redirect_uri, list(params.items())
        relying_party.check_callback(params, app.server.issuer)
    with noted(walk, "token") as step:
        form = [
            ("grant_type", "authorization_code"),
            ("code", params["code"]),
            ("redirect_uri", app.redirect_uri),
            ("code_verifier", walk.code_verifier),
        ]
        answer = app.caller.post(step, walk.metadata["token_endpoint"], form)
        relying_party.check_token_response(
            answer, needs_id_token="openid" in str(answer.get("scope", "openid")).split()
        )
        _keep_tokens(walk, answer)
    with noted(walk, "check") as step:
        _check_tokens(app, walk, step, answer)
    if _grants_openid(answer):
        ask_userinfo(app, walk)


def ask_userinfo(app: Application, walk: Walk) -> None:
    with noted(walk, "userinfo") as step:
        answer = app.caller.get(step, walk.metadata["userinfo_endpoint"], access_token=walk.access_token)
        relying_party.check_userinfo(answer, str(walk.id_token_claims.get("sub", "")))


def refresh(app: Application, walk: Walk) -> None:
    walk.steps = [step for step in walk.steps if step.kind != "refresh_check"]  # the check of the refresh before
    with noted(walk, "refresh") as step:
        form = [("grant_type", "refresh_token"), ("refresh_token", walk.refresh_token or "")]
        answer = app.caller.post(step, walk.metadata["token_endpoint"], form)
        relying_party.check_token_response(answer, needs_id_token=False)
        _keep_tokens(walk, answer)
    with noted(walk, "refresh_check") as step:
        _check_tokens(app, walk, step, answer, is_refreshed=True)


def introspect(app: Application, walk: Walk) -> None:
    with noted(walk, "introspect") as step:
        form = [("token", walk.access_token or ""), ("token_type_hint", "access_token")]
        answer = app.caller.post(step, walk.metadata["introspection_endpoint"], form)
        step.note = "active" if answer.get("active") is True else "inactive"


def revoke(app: Application, walk: Walk) -> None:
    """RFC 7009: the refresh token where there is one, which takes the rest with it."""
    with noted(walk, "revoke") as step:
        name = "refresh_token" if walk.refresh_token else "access_token"
        form = [("token", walk.refresh_token or walk.access_token or ""), ("token_type_hint", name)]
        app.caller.post(step, walk.metadata["revocation_endpoint"], form)


ACTIONS: Mapping[str, Callable[[Application, Walk], None]] = {
    "userinfo": ask_userinfo,
    "refresh": refresh,
    "introspect": introspect,
    "revoke": revoke,
}


def actions_for(walk: Walk) -> list[str]:
    """What can be done now; also what the server will refuse, because that is worth seeing."""
    needed = {"refresh": walk.refresh_token}
    return [name for name in ACTIONS if needed.get(name, walk.access_token)]


def sign_out_url(app_client: Client, server: Server, walk: Walk) -> str | None:
    """RP-Initiated Logout §2: with the ID token as a hint, so that nobody is asked. `state` says which walk ends."""
    if walk.id_token is None:
        return None
    params = {
        "id_token_hint": walk.id_token,
        "client_id": app_client.client_id,
        "post_logout_redirect_uri": server.endpoint("/playground"),
        "state": walk.id,
    }
    return f"{walk.metadata['end_session_endpoint']}?{urlencode(params)}"


def _grants_openid(answer: Mapping[str, Any]) -> bool:
    """RFC 6749 §5.1: what was granted, where the answer says it."""
    return "openid" in str(answer.get("scope", "openid")).split()


def _keep_tokens(walk: Walk, answer: Mapping[str, Any]) -> None:
    for name in ("access_token", "refresh_token", "id_token"):
        if isinstance(answer.get(name), str):
            setattr(walk, name, answer[name])


def _check_tokens(
    app: Application, walk: Walk, step: Step, answer: Mapping[str, Any], *, is_refreshed: bool = False
) -> None:
    """Fetch the keys and check what just came; each token bears its own result, the step fails with any of them."""
    access = CheckedToken("access_token", str(answer["access_token"]))
    token = CheckedToken("id_token", answer["id_token"]) if isinstance(answer.get("id_token"), str) else None
    step.tokens = [each for each in (token, access) if each is not None]
    jwks = _fetch_keys(app, walk, step)
    expected = relying_party.Expected(app.server.issuer, app.client.client_id, app.now)
    with _judged(access):
        relying_party.check_access_token(access.raw, jwks, expected)
    if token is not None:
        with _judged(token):
            claims = relying_party.check_id_token(
                token.raw,
                jwks,
                expected,
                alg=app.client.id_token_signed_response_alg,
                nonce=walk.nonce,
                access_token=access.raw,
                is_refreshed=is_refreshed,
            )
            if is_refreshed:
                relying_party.check_refreshed(claims, walk.id_token_claims)
            walk.id_token_claims = claims
    if not step.is_ok:
        raise CheckFailed("tokens")


def _fetch_keys(app: Application, walk: Walk, step: Step) -> Mapping[str, Any]:
    """The server's key set; without it, no token of this step counts as checked."""
    try:
        return app.caller.get(step, walk.metadata["jwks_uri"])
    except CheckFailed:
        for each in step.tokens:
            each.problem = "unchecked"
        raise


@contextmanager
def _judged(token: CheckedToken) -> Iterator[None]:
    try:
        yield
    except CheckFailed as failed:
        token.problem = failed.problem
