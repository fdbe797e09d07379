"""oauth4webapi (npm), which checks each message of the protocol on its own, against several worker processes.

Each test is one scenario of `oauth4webapi.mjs`: mostly what openid-client does not reach, such as native apps, the
fragment, and an API that verifies access tokens offline.
"""

import pytest

from tests.interop.node_clients import ScriptRun, promise, run_script
from tests.support.idp_server import ServerUnderTest

pytestmark = pytest.mark.interop

CORE = "OpenID Connect Core"
MODES = "OAuth 2.0 Multiple Response Type Encoding Practices"

SCENARIOS = (
    promise("both discovery documents pass the client's checks and agree", "RFC 8414", "3.3", "MUST"),
    promise("client_secret_basic works at token, introspection and revocation", "RFC 6749", "2.3.1", "MUST"),
    promise("client_secret_post works at token, introspection and revocation", "RFC 6749", "2.3.1", "MAY"),
    promise("client_secret_jwt works at token, introspection and revocation", CORE, "9", "MUST"),
    promise("private_key_jwt works at token, introspection and revocation", "RFC 7523", "3", "MUST"),
    promise("an assertion is good for one request", CORE, "9", "MUST"),
    promise("an assertion for another server is refused", "RFC 7523", "3", "MUST"),
    promise("introspection is not for public clients", "RFC 7662", "2.1", "MUST"),
    promise("an id_token by RS256 verifies against the published keys", CORE, "3.1.3.7", "MUST"),
    promise("an id_token by PS256 verifies against the published keys", CORE, "3.1.3.7", "MUST"),
    promise("an id_token by ES256 verifies against the published keys", CORE, "3.1.3.7", "MUST"),
    promise("an id_token by EdDSA verifies against the published keys", CORE, "3.1.3.7", "MUST"),
    promise("a plain OpenID Connect client without PKCE and nonce can be allowed", CORE, "3.1.2.1", "OPTIONAL"),
    promise("a confidential client without PKCE is refused by default", "RFC 9700", "2.1.1", "RECOMMENDED"),
    promise("a native app may receive the response on any loopback port", "RFC 8252", "7.3", "MUST"),
    promise("a native app may receive the response by a private-use scheme", "RFC 8252", "7.1", "MUST"),
    promise("a redirect URI with a query of its own keeps it", "RFC 6749", "3.1.2", "MUST"),
    promise("a response by fragment carries code, state and iss", MODES, "2.1", "MUST"),
    promise("an error by fragment carries state and iss", MODES, "2.1", "MUST"),
    promise("the implicit flow is refused by fragment, where such a client looks", MODES, "2.1", "MUST"),
    promise("a response by form_post carries code, state and iss", "OAuth 2.0 Form Post Response Mode", "2", "MUST"),
    promise("an API verifies an access token offline by RFC 9068", "RFC 9068", "4", "MUST"),
    promise("an API refuses the access token of another API, and an id_token", "RFC 9068", "4", "MUST"),
    promise("an id_token is not an access token at userinfo", "RFC 9068", "2.1", "MUST"),
    promise("a service gets a token in its own name, and an API verifies it offline", "RFC 6749", "4.4", "MUST"),
    promise("resource narrows the audience of an access token", "RFC 8707", "2", "SHOULD"),
    promise("an unknown resource is invalid_target", "RFC 8707", "2", "SHOULD"),
    promise("userinfo without an access token has a bare challenge", "RFC 6750", "3.1", "SHOULD NOT"),
    promise("userinfo with a bad access token has a challenge that says so", "RFC 6750", "3", "MUST"),
    promise("userinfo for a token without openid is insufficient_scope", "RFC 6750", "3.1", "SHOULD"),
    promise("a signed userinfo answer verifies against the published keys", CORE, "5.3.2", "SHOULD"),
    promise("a parameter sent twice to the token endpoint is invalid_request", "RFC 6749", "3.2", "MUST NOT"),
    promise("another redirect URI at the token endpoint is invalid_grant", "RFC 6749", "4.1.3", "MUST"),
    promise("many people at once each get their own tokens"),
)


@pytest.fixture(scope="module")
def run(server: ServerUnderTest) -> ScriptRun:
    return run_script("oauth4webapi.mjs", server)


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_oauth4webapi_finds_that(scenario: str, run: ScriptRun) -> None:
    run.check(scenario)


def test_every_scenario_for_oauth4webapi_is_a_test(run: ScriptRun) -> None:
    run.check_complete(SCENARIOS)
