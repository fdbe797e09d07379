"""openid-client (npm), through its whole public interface, against several worker processes.

Each test is one scenario of `openid_client.mjs`, which the library itself must be content with: it checks `iss`,
`state`, `nonce`, `auth_time` and the signatures of ID tokens by its own rules.
"""

import pytest

from tests.interop.node_clients import ScriptRun, promise, run_script
from tests.support.idp_server import ServerUnderTest

pytestmark = pytest.mark.interop

CORE, DISCOVERY = "OpenID Connect Core", "OpenID Connect Discovery"
LOGOUT = "OpenID Connect RP-Initiated Logout"
FORM_POST = "OAuth 2.0 Form Post Response Mode"

SCENARIOS = (
    promise("discovery by OpenID Connect names every endpoint the client uses", DISCOVERY, "4.2", "MUST"),
    promise("discovery by RFC 8414 gives the same server", "RFC 8414", "3", "MUST"),
    promise("client_secret_basic is accepted wherever clients authenticate", "RFC 6749", "2.3.1", "MUST"),
    promise("client_secret_basic with a secret that needs form encoding is accepted", "RFC 6749", "2.3.1", "MUST"),
    promise("client_secret_post is accepted wherever clients authenticate", "RFC 6749", "2.3.1", "MAY"),
    promise("client_secret_jwt is accepted wherever clients authenticate", CORE, "9", "MUST"),
    promise("private_key_jwt with RS256 is accepted wherever clients authenticate", "RFC 7523", "3", "MUST"),
    promise("private_key_jwt with PS256 is accepted wherever clients authenticate", "RFC 7523", "3", "MUST"),
    promise("private_key_jwt with ES256 is accepted wherever clients authenticate", "RFC 7523", "3", "MUST"),
    promise("private_key_jwt with Ed25519 is accepted wherever clients authenticate", "RFC 7523", "3", "MUST"),
    promise("a public client needs its verifier and no secret", "RFC 7636", "4.5", "MUST"),
    promise("the id_token is signed with RS256 unless the client registered otherwise", CORE, "2", "MUST"),
    promise("a client registered for PS256 gets such id_tokens", CORE, "3.1.3.7", "SHOULD"),
    promise("a client registered for ES256 gets such id_tokens", CORE, "3.1.3.7", "SHOULD"),
    promise("a client registered for EdDSA gets such id_tokens", CORE, "3.1.3.7", "SHOULD"),
    promise("a response by form_post is read from the client's own POST", FORM_POST, "2", "MUST"),
    promise("an error by form_post is read from the client's own POST", FORM_POST, "2", "MUST"),
    promise("userinfo delivers the claims of the scopes, for the sub of the id_token only", CORE, "5.3.2", "MUST"),
    promise("userinfo is a JWT for a client registered so, with a signature that verifies", CORE, "5.3.2", "MUST"),
    promise("the claims parameter delivers single claims, each where it was asked for", CORE, "5.5", "OPTIONAL"),
    promise("a refresh rotates the token, and the id_token stays that of the first sign-in", CORE, "12.2", "MUST"),
    promise("parallel tabs that refresh at once all get a working answer and one live branch"),
    promise("a refresh may narrow the scope of one access token", "RFC 6749", "6", "MUST NOT"),
    promise("offline_access without prompt=consent is ignored and gives no refresh token", CORE, "11", "MUST"),
    promise("an API introspects tokens meant for it, and nobody else's", "RFC 7662", "2.2", "SHOULD"),
    promise("revoking the refresh token ends the access token at userinfo too", "RFC 7009", "2.1", "SHOULD"),
    promise("revoking an unknown token succeeds", "RFC 7009", "2.2", "MUST"),
    promise("signing out by the end-session URL returns with the state and ends the session", LOGOUT, "3", "MUST"),
    promise("signing out without a hint asks the person first", LOGOUT, "2", "SHOULD"),
    promise("a wrong code_verifier is invalid_grant and does not spend the code", "RFC 7636", "4.6", "MUST"),
    promise("a missing code_verifier is refused", "RFC 9700", "2.1.1", "MUST", asvs="10.4.6"),
    promise("a code is redeemed once; a second use ends what came of the first", "RFC 6749", "4.1.2", "MUST"),
    promise("a code is worth nothing to another client, and not spent by its attempt", "RFC 6749", "4.1.3", "MUST"),
    promise("a wrong secret is answered 401 with a challenge the client can read", "RFC 6749", "5.2", "MUST"),
    promise("a client that uses another method than the registered one is invalid_client", CORE, "9", "MUST"),
    promise("an assertion signed with a foreign key is invalid_client", "RFC 7523", "3", "MUST"),
    promise(
        "a person who refuses sends the client access_denied with state and iss", "RFC 6749", "4.1.2.1", "REQUIRED"
    ),
    promise("a person who cancels at sign-in sends the client access_denied", "RFC 6749", "4.1.2.1", "REQUIRED"),
    promise("prompt=none without a session is login_required", CORE, "3.1.2.1", "MUST NOT"),
    promise("prompt=none with a session and a consent signs in without a page", CORE, "3.1.2.1", "MUST NOT"),
    promise("prompt=none for a scope never consented to is consent_required", CORE, "3.1.2.1", "MUST NOT"),
    promise("an unknown response_type is answered by redirect with state and iss", "RFC 6749", "3.1.1", "MUST"),
    promise("every response names the issuer, so that a mix-up is found out", "RFC 9207", "2", "MUST"),
    promise("state and nonce come back byte for byte", "RFC 6749", "4.1.2", "REQUIRED"),
    promise("max_age=0 asks for the password again and auth_time moves", CORE, "3.1.2.1", "MUST"),
    promise("within max_age nobody is asked, and auth_time is that of the earlier sign-in", CORE, "3.1.2.1", "MUST"),
    promise("prompt=login asks for the password again", CORE, "3.1.2.1", "SHOULD"),
    promise("an expected sub in id_token_hint lets the same person through silently", CORE, "3.1.2.1", "SHOULD"),
)


@pytest.fixture(scope="module")
def run(server: ServerUnderTest) -> ScriptRun:
    return run_script("openid_client.mjs", server)


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_openid_client_finds_that(scenario: str, run: ScriptRun) -> None:
    run.check(scenario)


def test_every_scenario_for_openid_client_is_a_test(run: ScriptRun) -> None:
    run.check_complete(SCENARIOS)
