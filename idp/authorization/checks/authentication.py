"""Rules on how the person is to be authenticated: Core §3.1.2.1 and §5.5, Unmet Authentication Requirements 1.0."""

from idp.authorization.checks.asked import Asked
from idp.protocol.claims import parse_claims
from idp.protocol.errors import InvalidRequest, UnmetAuthenticationRequirements
from idp.protocol.findings import Finding, shown
from idp.protocol.names import ACR_FEDERATED, ACR_VALUES, PROMPT_VALUES
from idp.protocol.params import load_integer
from idp.settings import Settings


def supported_acr_values(settings: Settings) -> tuple[str, ...]:
    """What a session can come to here: `federated` only where there is a provider to come from."""
    return tuple(acr for acr in ACR_VALUES if acr != ACR_FEDERATED or settings.upstream)


def supported_prompts(settings: Settings) -> tuple[str, ...]:
    """`create` only where anybody may make an account (Initiating User Registration 1.0 §4.2)."""
    return tuple(prompt for prompt in PROMPT_VALUES if prompt != "create" or settings.offers_sign_up)


def check_prompt(asked: Asked) -> None:
    """Core §3.1.2.1: known values; none stands alone. Initiating User Registration 1.0 §4.1: create is refused where it
    is not announced, and beside a value that wants an account which is there already."""
    prompts, supported = asked.params.words("prompt"), supported_prompts(asked.server.settings)
    if any(prompt not in supported for prompt in prompts):
        hint = "" if "create" not in prompts else "create is offered where sign-up is open (IDP_SIGN_UP=open)."
        finding = Finding("prompt", supported, shown(" ".join(prompts)), hint)
        raise InvalidRequest(f"prompt must be of: {', '.join(supported)}.", findings=[finding])
    if "none" in prompts and len(prompts) > 1:
        finding = Finding("prompt", ("none alone, or without none",), shown(" ".join(prompts)))
        raise InvalidRequest("prompt=none must stand alone.", findings=[finding])
    if "create" in prompts and not {"login", "select_account"}.isdisjoint(prompts):
        finding = Finding("prompt", ("create without login and select_account",), shown(" ".join(prompts)))
        raise InvalidRequest("prompt=create excludes login and select_account.", findings=[finding])


def check_max_age(asked: Asked) -> None:
    """Core §3.1.2.1: a whole number of seconds."""
    load_integer(asked.params, "max_age")


def check_claims(asked: Asked) -> None:
    """Core §5.5: well-formed JSON of the right shape."""
    parse_claims(asked.params.get("claims"))


def check_acr_can_be_met(asked: Asked) -> None:
    """Core §5.5.1.1: an essential acr that we cannot reach is an error, never a lie. `acr_values` is only a wish."""
    claims = parse_claims(asked.params.get("claims"))
    wanted = claims.wanted_values("acr")
    supported = supported_acr_values(asked.server.settings)
    if claims.is_essential("acr") and wanted and not set(map(str, wanted)) & set(supported):
        finding = Finding("acr", supported, shown(" ".join(map(str, wanted))), "Ask for it as a wish: acr_values.")
        raise UnmetAuthenticationRequirements("None of the essential acr values can be met here.", findings=[finding])
