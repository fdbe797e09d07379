"""Literal values with a registered or documented meaning, kept once. Discovery is computed from them."""

# Authentication context classes we can vouch for (OpenID Connect Core §2 `acr`), weakest first.
# `federated`: another provider vouched for the person, by means that we have not seen. The other names are those of
# NIST SP 800-63B: `aal1` for one factor checked here, `aal2` for two, or for one on top of what a provider vouched for.
ACR_FEDERATED = "federated"
ACR_ONE_FACTOR = "aal1"
ACR_TWO_FACTORS = "aal2"
ACR_VALUES = (ACR_FEDERATED, ACR_ONE_FACTOR, ACR_TWO_FACTORS)

# RFC 8176 §2; `fed` is not registered there, and the word that others use for it
AMR_PASSWORD = "pwd"
AMR_FEDERATED = "fed"
AMR_ONE_TIME_PASSWORD = "otp"  # of an authenticator app, or a recovery code
AMR_DEVICE_KEY = "hwk"  # a key that its device says cannot leave it
AMR_SYNCED_KEY = "swk"  # a key that may be copied to the person's other devices
AMR_USER_PRESENT = "user"  # the device has checked who holds it
AMR_MULTIPLE_FACTORS = "mfa"

DISPLAY_VALUES = ("page",)
# What an authorization request may say; everything else is ignored (RFC 6749 §3.1)
KNOWN_PARAMETERS = frozenset(
    {"client_id", "redirect_uri", "response_type", "response_mode", "scope", "state", "nonce", "prompt", "max_age"}
    | {"display", "login_hint", "id_token_hint", "acr_values", "ui_locales", "claims_locales", "claims", "resource"}
    | {"code_challenge", "code_challenge_method", "request", "request_uri", "registration"}
    | {"idp_hint", "kc_idp_hint"}  # ours, and the spelling that clients of Keycloak have
)
UPSTREAM_HINTS = ("idp_hint", "kc_idp_hint")
PROMPT_VALUES = ("none", "login", "consent", "select_account", "create")
UI_LOCALES = ("en", "fr")

# RFC 9068 §2.1, OpenID Connect Core §2, RFC 9701 §5
ACCESS_TOKEN_TYP = "at+jwt"
ID_TOKEN_TYP = "JWT"

USER_ID_PREFIX = "u_"
