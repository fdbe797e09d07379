"""Literal values with a registered or documented meaning, kept once. Discovery is computed from them."""

# Authentication context classes we can vouch for (OpenID Connect Core §2 `acr`), weakest first.
# `federated`: another provider vouched for the person, by means that we have not seen. The other name is that of NIST
# SP 800-63B for one factor, checked here.
ACR_FEDERATED = "federated"
ACR_ONE_FACTOR = "aal1"
ACR_VALUES = (ACR_FEDERATED, ACR_ONE_FACTOR)

# RFC 8176 §2; `fed` is not registered there, and the word that others use for it
AMR_PASSWORD = "pwd"
AMR_FEDERATED = "fed"

DISPLAY_VALUES = ("page",)
# What an authorization request may say; everything else is ignored (RFC 6749 §3.1)
KNOWN_PARAMETERS = frozenset(
    {"client_id", "redirect_uri", "response_type", "response_mode", "scope", "state", "nonce", "prompt", "max_age"}
    | {"display", "login_hint", "id_token_hint", "acr_values", "ui_locales", "claims_locales", "claims", "resource"}
    | {"code_challenge", "code_challenge_method", "request", "request_uri", "registration"}
    | {"idp_hint", "kc_idp_hint"}  # ours, and the spelling that clients of Keycloak have
)
UPSTREAM_HINTS = ("idp_hint", "kc_idp_hint")
PROMPT_VALUES = ("none", "login", "consent", "select_account")
UI_LOCALES = ("en", "fr")

# RFC 9068 §2.1, OpenID Connect Core §2, RFC 9701 §5
ACCESS_TOKEN_TYP = "at+jwt"
ID_TOKEN_TYP = "JWT"

USER_ID_PREFIX = "u_"
