"""What a person must still do before a request can be answered: recomputed each time from what is stored.

Owns the table STEPS. Pages return to `/authorize`, never to each other; with `prompt=none` a needed step is its error.
Adding a step is one function, one line, and a page.
"""

from collections.abc import Callable
from dataclasses import dataclass

from idp.authorization.interaction import Progress
from idp.authorization.request import AuthorizationRequest
from idp.protocol.claims import claims_of_scopes
from idp.protocol.client import Client
from idp.protocol.errors import (
    AccountSelectionRequired,
    ConsentRequired,
    InteractionRequired,
    LoginRequired,
    OAuthError,
)
from idp.protocol.findings import Finding
from idp.protocol.identity import Session, User
from idp.protocol.names import ACR_TWO_FACTORS
from idp.protocol.redirect_uri import LOOPBACK_IP_LITERALS, host_of
from idp.protocol.scopes import OPENID
from idp.server import Server


@dataclass(frozen=True, slots=True)
class Standing:
    """Where a request stands: who is signed in in this browser, and what was done for this very request."""

    server: Server
    request: AuthorizationRequest
    session: Session | None
    user: User | None
    progress: Progress
    now: int

    @property
    def has_just_signed_in(self) -> bool:
        """Whether the person of this session proved who they are for this very request."""
        return self.session is not None and self.progress.signed_in_sid == self.session.sid

    @property
    def has_acted(self) -> bool:
        """Whether the person did something here for this very request, and so saw a page that names the client.

        Not when they were sent straight to a provider, as `idp_hint` does: it may know them without a question.
        """
        return self.progress.chose_account or (self.has_just_signed_in and not self.progress.hint_followed)


@dataclass(frozen=True, slots=True)
class Step:
    """`path` of the page that does it; `error` when it may not be shown."""

    name: str
    path: str
    is_needed: Callable[[Standing], bool]
    error: type[OAuthError]


def needs_sign_up(standing: Standing) -> bool:
    """Initiating User Registration 1.0 §4.1: prompt=create shows the form of a new account first, whoever is signed in.
    Whoever says that they have one signs in instead."""
    progress = standing.progress
    if "create" not in standing.request.prompt or progress.has_account or progress.owes_factor:
        return False
    return not standing.has_just_signed_in


def needs_login(standing: Standing) -> bool:
    """Core §3.1.2.1 and §3.1.2.3. Raises LoginRequired when somebody else than the one asked for has just signed in."""
    request, session = standing.request, standing.session
    if standing.progress.owes_factor:
        return False  # somebody has signed in for this request, but for the second factor, which is the next step
    if session is None:
        return True
    if request.required_sub is not None and session.user_id != request.required_sub:
        if standing.has_just_signed_in:
            finding = Finding("person", ("the one of id_token_hint, or of sub in claims",), "another one")
            raise LoginRequired("Another person signed in than the one that the client asked for.", findings=[finding])
        return True
    if not request.client.allows_upstream(session.upstream) or not meets_acr(standing):
        return True
    return not standing.has_just_signed_in and needs_new_proof(standing, session)


def needs_new_proof(standing: Standing, session: Session) -> bool:
    """Core §3.1.2.1: prompt=login, another account, or a `max_age` that this session is too old for."""
    request = standing.request
    if standing.progress.switches_account or "login" in request.prompt:
        return True
    if request.max_age is None:
        return False
    if session.auth_time_unproven:
        return True  # nobody knows when the person proved themselves, so no age is young enough
    return request.max_age == 0 or standing.now - session.auth_time > request.max_age


def meets_acr(standing: Standing) -> bool:
    """Core §5.5.1.1: an essential `acr` is met by this session, or will be once a second factor is given; or else the
    person signs in by other means."""
    wanted = standing.request.essential_acr
    if not wanted or ACR_TWO_FACTORS in wanted:
        return True
    return standing.session is not None and not wanted.isdisjoint(standing.session.acrs)


def needs_second_factor(standing: Standing) -> bool:
    """Whether a sign-in waits for it, or this session lacks one that is required here, or wished for and possible."""
    session, progress = standing.session, standing.progress
    if progress.owes_factor:
        return True
    if session is None or session.acr == ACR_TWO_FACTORS:
        return False
    if requires_second_factor(standing):
        return True
    return wishes_second_factor(standing, session) and not progress.skipped_factor


def requires_second_factor(standing: Standing) -> bool:
    """By the client's registration, a role of the person, or an essential `acr` that nothing less meets."""
    session, user, wanted = standing.session, standing.user, standing.request.essential_acr
    if standing.request.client.require_second_factor or (user is not None and has_strict_role(standing.server, user)):
        return True
    return ACR_TWO_FACTORS in wanted and (session is None or wanted.isdisjoint(session.acrs))


def wishes_second_factor(standing: Standing, session: Session) -> bool:
    """RFC 9470 §4: the client would rather have it than what is there. A person who has no factor is left alone, and
    so is whoever may not be asked (`prompt=none`)."""
    request = standing.request
    best = next((acr for acr in request.wished_acrs if acr == ACR_TWO_FACTORS or acr in session.acrs), None)
    if best != ACR_TWO_FACTORS or "none" in request.prompt:
        return False
    return has_second_factor(standing.server, session.user_id)


def has_second_factor(server: Server, user_id: str) -> bool:
    store = server.store
    return store.totp.find(user_id) is not None or bool(store.passkeys.list_of(user_id))


def has_strict_role(server: Server, user: User) -> bool:
    """Whether a role of this person demands a second factor (IDP_SECOND_FACTOR_ROLES)."""
    return not set(user.roles).isdisjoint(server.settings.second_factor_roles)


def needs_account_kept(standing: Standing) -> bool:
    """Whether the account is being deleted; nothing is granted in its name unless the person keeps it."""
    return standing.user is not None and standing.user.deletes_at is not None


def needs_link(standing: Standing) -> bool:
    """Whether somebody who came over another provider has signed in the old way, and may link the two now."""
    return standing.progress.pending_link is not None and standing.has_just_signed_in


def needs_account_choice(standing: Standing) -> bool:
    """Core §3.1.2.1 prompt=select_account: a sign-in for this request is a choice as well. Whoever was to make an
    account and has one already is asked which."""
    asked = "select_account" in standing.request.prompt or standing.progress.has_account
    return asked and not standing.has_just_signed_in and not standing.progress.chose_account


def needs_consent(standing: Standing) -> bool:
    """Core §3.1.2.4: asked once for each scope; always with prompt=consent; first-party clients are not asked.

    RFC 8252 §8.6: who may be posed as is asked for each time; a first-party client unless the person has acted already.
    """
    session, client = standing.session, standing.request.client
    if session is None or standing.progress.consented_user_id == session.user_id:
        return False
    if "consent" in standing.request.prompt:
        return True
    if not is_identity_assured(client, standing.request.target.redirect_uri):
        return not (client.first_party and standing.has_acted)
    if client.first_party:
        return False
    known = standing.server.store.consents.find(session.user_id, client.client_id)
    return not consent_items(standing.request, known) <= known


def is_only_confirmed(request: AuthorizationRequest) -> bool:
    """Whether the consent page asks no more than if the person has just opened this application: a first-party client
    has its scopes by its registration, and only whether it is that client is in doubt."""
    return request.client.first_party and "consent" not in request.prompt


def consent_items(request: AuthorizationRequest, known: frozenset[str] = frozenset()) -> frozenset[str]:
    """What the person is asked for, as it is remembered: the scopes, and single claims that none of them delivers.

    A claim is `claim <name>`, which no scope can be (they have no spaces), so that consent to a name alone never
    becomes consent to the whole profile. Claims that a scope in `known` delivers anyway are left out.
    """
    covered = claims_of_scopes((OPENID, *request.scopes, *known))
    single = {claim for claim in request.claims.user_claims() if claim not in covered}
    return frozenset({*request.scopes, *(f"claim {claim}" for claim in single)})


def is_identity_assured(client: Client, redirect_uri: str) -> bool:
    """RFC 8252 §8.6: on a private-use scheme or a loopback port another app can pose as a public client."""
    if not client.is_public:
        return True
    return redirect_uri.startswith(("https:", "http:")) and host_of(redirect_uri) not in LOOPBACK_IP_LITERALS


STEPS: tuple[Step, ...] = (
    Step("sign_up", "/sign-up", needs_sign_up, InteractionRequired),
    Step("login", "/login", needs_login, LoginRequired),
    Step("second_factor", "/second-factor", needs_second_factor, InteractionRequired),
    Step("keep_account", "/keep-account", needs_account_kept, InteractionRequired),
    Step("link", "/link", needs_link, InteractionRequired),
    Step("select_account", "/select-account", needs_account_choice, AccountSelectionRequired),
    Step("consent", "/consent", needs_consent, ConsentRequired),
)


def next_step(standing: Standing) -> Step | None:
    """The first step still needed, or None when the request can be answered. With prompt=none, its error is raised."""
    for step in STEPS:
        if step.is_needed(standing):
            if "none" in standing.request.prompt:
                description = f"prompt=none, but the person would have to go through: {step.name}."
                raise step.error(description, findings=[_unpromptable(standing, step)])
            return step
    return None


def _unpromptable(standing: Standing, step: Step) -> Finding:
    """Why a step was needed although it may not be shown."""
    there = "no session in this browser" if standing.session is None else "a session, which is not enough by itself"
    hint = "That is the answer, not a mistake: ask again without prompt=none, in a window that the person sees."
    if standing.session is None:
        hint += " In an iframe, browsers withhold the cookies of another site."
    return Finding("prompt=none", (f"nothing left to do for the person, but {step.name} is",), there, hint)
