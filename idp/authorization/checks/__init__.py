"""The ordered rules on an authorization request whose redirect URI is trusted. Each raises, or says nothing.

This list is the most valuable page of the server: what holds for a request, and in which order it is said.
Adding a rule is one function in a topic's module and one line here.
"""

from collections.abc import Callable

from idp.authorization.checks.asked import Asked
from idp.authorization.checks.authentication import (
    check_acr_can_be_met,
    check_claims,
    check_max_age,
    check_prompt,
)
from idp.authorization.checks.parameters import (
    check_no_registration,
    check_no_request_object,
    check_response_mode,
    check_response_type,
    check_well_formed,
)
from idp.authorization.checks.permissions import (
    check_grant_is_allowed,
    check_pkce,
    check_resources_are_allowed,
    check_scope,
)

CHECKS: tuple[Callable[[Asked], None], ...] = (
    check_well_formed,
    check_no_request_object,
    check_no_registration,
    check_response_type,
    check_response_mode,
    check_grant_is_allowed,
    check_pkce,
    check_resources_are_allowed,
    check_scope,
    check_prompt,
    check_max_age,
    check_claims,
    check_acr_can_be_met,
)
