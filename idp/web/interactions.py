"""A request that waits for a person, as the pages and `/authorize` see it: read anew from what is stored."""

from dataclasses import dataclass

from flask import url_for

from idp.authorization.interaction import Interaction, Progress, find_interaction
from idp.authorization.request import AuthorizationRequest, load_request, load_target, reported_to
from idp.authorization.steps import Standing
from idp.protocol.params import Params
from idp.server import Server
from idp.web.current import current_server, request_time
from idp.web.forms import REPEATABLE
from idp.web.locale import wish_for_locales
from idp.web.security_headers import allow_form_target
from idp.web.session_cookie import current_session, known_browser


@dataclass(frozen=True, slots=True)
class Waiting:
    """An interaction of this browser with its request, checked anew."""

    interaction: Interaction
    request: AuthorizationRequest

    @property
    def resume_url(self) -> str:
        """Where every page returns to: `/authorize`, which works out what comes next."""
        return url_for("authorize.resume", interaction_id=self.interaction.id)


def find_waiting(interaction_id: str | None) -> Waiting | None:
    """None when it has ended, never was, or belongs to another browser. Lets the page's forms end at the client."""
    if not interaction_id:
        return None
    server, now = current_server(), request_time()
    interaction = find_interaction(server, interaction_id, known_browser(), now=now)
    if interaction is None:
        return None
    request = load_checked(server, interaction.params(REPEATABLE), now=now)
    allow_form_target(request.target.redirect_uri)
    return Waiting(interaction, request)


def load_checked(server: Server, params: Params, *, now: int) -> AuthorizationRequest:
    """Both stages: an error of the first is shown, of the second delivered to the client."""
    wish_for_locales(params.get("ui_locales"))
    target = load_target(server, params)
    with reported_to(target):
        return load_request(server, target, params, now=now)


def standing_of(request: AuthorizationRequest, progress: Progress) -> Standing:
    session, user = current_session()
    return Standing(current_server(), request, session, user, progress, request_time())
