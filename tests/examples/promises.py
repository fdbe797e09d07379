"""What the example APIs promise, over HTTP and with tokens of the real server."""

from contextlib import suppress

import pytest
import requests
from joserfc.jwk import RSAKey

from tests.examples.api_process import ExampleApi
from tests.jose.tokens import forge
from tests.support.assertions import make_key, public_jwk, shared_key
from tests.support.relying_party import claims_of, header_of
from tests.support.scene import fetch_jwks

INVALID = 'Bearer realm="api", error="invalid_token", error_description="The access token is not valid."'


class ApiPromises:
    """Inherited by the tests of each example, which bring the fixture `api`. `said_of_typ` and `said_of_aud`: the words
    of its log."""

    said_of_typ = "access token refused: its typ is not at+jwt"
    said_of_aud = "access token refused: its aud is"

    @pytest.mark.spec("RFC 6750", "3", "MUST")
    def test_without_a_token_there_is_a_challenge_and_nothing_else(self, api: ExampleApi) -> None:
        for path in ("/me", "/orders", "/admin/orders"):
            answer = api.get(path)
            assert (answer.status_code, answer.headers["WWW-Authenticate"]) == (401, 'Bearer realm="api"')

    def test_a_person_is_known_by_the_token_of_the_app(self, api: ExampleApi) -> None:
        person, tokens = api.sign_in(roles=("reader",))
        answer = api.get("/me", tokens["access_token"])
        assert answer.status_code == 200
        assert answer.json()["subject"] == person.id
        assert answer.json()["roles"] == ["reader"]
        assert api.get("/orders", tokens["access_token"]).json() == [{"id": "1", "owner": person.id}]

    @pytest.mark.asvs("10.3.1")
    def test_other_tokens_get_the_same_unrevealing_answer(self, api: ExampleApi) -> None:
        _, tokens = api.sign_in()
        _, other = api.sign_in(audience=(), scope="openid")  # for userinfo alone
        head, payload, signature = tokens["access_token"].split(".")
        for token in (tokens["id_token"], other["access_token"], f"{head}.{payload}.AAAA", f"{head}.{payload}.", "x"):
            answer = api.get("/orders", token)
            assert (answer.status_code, answer.headers["WWW-Authenticate"]) == (401, INVALID)
            assert answer.text == api.get("/orders", "y").text
        said = api.log.read_text()
        assert self.said_of_typ in said
        assert self.said_of_aud in said
        assert signature not in said

    @pytest.mark.asvs("9.1.1", "9.1.2", "9.1.3")
    def test_what_a_stranger_can_forge_with_the_published_keys_is_refused(self, api: ExampleApi) -> None:
        _, tokens = api.sign_in(roles=("reader",))
        header, claims = header_of(tokens["access_token"]), claims_of(tokens["access_token"]) | {"roles": ["Admin"]}
        published = fetch_jwks(api.server)[header["kid"]]
        own = make_key("RS256")
        pem = RSAKey.import_key(published).as_pem(private=False)
        forged = {
            "none": forge(header | {"alg": "none"}, claims),
            "HS256 with the public key": forge(header | {"alg": "HS256"}, claims, shared_key(pem)),
            "a key of its own": forge(header, claims, own),
            "jwk": forge(header | {"jwk": public_jwk(own)}, claims, own),
            "jku": forge(header | {"jku": "http://127.0.0.1:9/jwks"}, claims, own),
            "x5u": forge(header | {"x5u": "http://127.0.0.1:9/cert"}, claims, own),
            "kid is a path": forge(header | {"kid": "../../../dev/null"}, claims, own),
            "crit": forge(header | {"crit": ["b64"], "b64": False}, claims, own),
        }
        for name, token in forged.items():
            answer = api.get("/admin/orders", token)
            assert (answer.status_code, answer.headers["WWW-Authenticate"]) == (401, INVALID), name

    def test_a_token_of_a_megabyte_harms_nobody(self, api: ExampleApi) -> None:
        answer = api.get("/me", "a" * 20_000)
        assert (answer.status_code, answer.headers["WWW-Authenticate"]) == (401, INVALID)
        with suppress(requests.RequestException):  # the HTTP server may hang up on so much
            assert 400 <= api.get("/me", "a" * 1_000_000).status_code < 500
        assert api.get("/health").status_code == 200

    @pytest.mark.spec("RFC 6750", "3.1", "SHOULD")
    @pytest.mark.asvs("10.3.2")
    def test_a_token_without_the_scope_is_told_which_one(self, api: ExampleApi) -> None:
        _, tokens = api.sign_in(scope="openid", roles=("Admin",))
        assert api.get("/me", tokens["access_token"]).status_code == 200
        answer = api.get("/admin/orders", tokens["access_token"])
        assert answer.status_code == 403
        challenge = answer.headers["WWW-Authenticate"]
        assert challenge.startswith('Bearer realm="api", error="insufficient_scope"')
        assert challenge.endswith('scope="orders.read"')

    def test_only_people_with_the_role_are_let_in(self, api: ExampleApi) -> None:
        admin, of_admin = api.sign_in(roles=("Admin",))
        _, of_other = api.sign_in(roles=("reader", "admin"))
        assert api.get("/admin/orders", of_admin["access_token"]).json() == {"seen_by": admin.id}
        answer = api.get("/admin/orders", of_other["access_token"])
        assert answer.status_code == 403
        assert 'error="insufficient_scope"' in answer.headers["WWW-Authenticate"]

    @pytest.mark.asvs("10.3.4")
    def test_what_matters_needs_a_recent_sign_in(self, api: ExampleApi) -> None:
        person, tokens = api.sign_in()
        assert api.call("DELETE", "/me", tokens["access_token"]).json() == {"closed": person.id}
        person, tokens = api.sign_in(ago=301)
        answer = api.call("DELETE", "/me", tokens["access_token"])
        assert answer.status_code == 401
        assert 'error="insufficient_user_authentication"' in answer.headers["WWW-Authenticate"]
        assert answer.headers["WWW-Authenticate"].endswith('max_age="300"')
