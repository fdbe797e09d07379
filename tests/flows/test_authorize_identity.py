"""Who must be signed in (`id_token_hint`, the `sub` claim) and what is asked about them (`claims`, `acr`)."""

import json
from pathlib import Path
from typing import Any

import pytest

from idp.jose.key_directory import KeyDirectory
from tests.support.authorize import ask, signed_in, third_party, trusted_party
from tests.support.idp_server import ServerUnderTest, TimedServer
from tests.support.relying_party import Browser, RelyingParty, claims_of

HINT = ("OpenID Connect Core", "3.1.2.1", "MUST")


def tokens_for(client: RelyingParty, browser: Browser, **overrides: str) -> dict[str, Any]:
    return dict(client.redeem(ask(client, browser, **overrides).callback).json())


# --- id_token_hint


@pytest.mark.spec(*HINT)
def test_the_hint_of_who_is_signed_in_is_fine(server: ServerUnderTest) -> None:
    client, browser = trusted_party(server), signed_in(server, server.add_user().username)
    hint = tokens_for(client, browser)["id_token"]
    assert ask(client, browser, prompt="none", id_token_hint=hint).callback.error is None


@pytest.mark.spec(*HINT)
def test_the_hint_of_somebody_else_asks_for_that_person(server: ServerUnderTest) -> None:
    client, ada, ben = trusted_party(server), server.add_user(), server.add_user()
    hint = tokens_for(client, signed_in(server, ada.username))["id_token"]
    browser = signed_in(server, ben.username)
    assert ask(client, browser, prompt="none", id_token_hint=hint).callback.error == "login_required"
    asked = ask(client, browser, id_token_hint=hint)
    assert asked.page.id == "login-page"
    right = asked.log_in(ada.username)
    assert claims_of(client.redeem(right.callback).json()["id_token"])["sub"] == ada.id


@pytest.mark.spec(*HINT)
def test_another_person_than_the_hinted_one_who_signs_in_is_login_required(server: ServerUnderTest) -> None:
    client, ada, ben = trusted_party(server), server.add_user(), server.add_user()
    hint = tokens_for(client, signed_in(server, ada.username))["id_token"]
    asked = ask(client, Browser(server), id_token_hint=hint).log_in(ben.username)
    assert asked.callback.error == "login_required"
    assert "code" not in asked.callback.params


@pytest.mark.spec("OpenID Connect Core", "3.1.2.1", "SHOULD")
def test_an_expired_hint_is_still_a_hint(timed: TimedServer) -> None:
    client, browser = trusted_party(timed), signed_in(timed, timed.add_user().username)
    hint = tokens_for(client, browser)["id_token"]
    timed.forward(3600)
    assert claims_of(hint)["exp"] < timed.now
    assert ask(client, browser, prompt="none", id_token_hint=hint).callback.error is None


@pytest.mark.spec("OpenID Connect Core", "10.1.1", "SHOULD")
def test_a_hint_signed_by_a_retired_key_is_still_a_hint(timed: TimedServer) -> None:
    client, browser = trusted_party(timed), signed_in(timed, timed.add_user().username)
    hint = tokens_for(client, browser)["id_token"]
    KeyDirectory(timed.settings.keys_dir).rotate(timed.now, publish_for=0, immediately=True)
    timed.forward(10)
    import time

    deadline = time.monotonic() + 60
    while header_kid(fresh := tokens_for(client, browser)["id_token"]) == header_kid(hint):
        assert time.monotonic() < deadline, "the rotation was not noticed"
        time.sleep(0.2)
    for known in (hint, fresh):
        assert ask(client, browser, prompt="none", id_token_hint=known).callback.error is None


def header_kid(token: str) -> str:
    from tests.support.relying_party import header_of

    return str(header_of(token)["kid"])


@pytest.mark.spec(*HINT)
@pytest.mark.asvs("9.1.1", "9.2.2")
def test_only_an_id_token_of_ours_for_this_client_is_a_hint(
    server: ServerUnderTest, tmp_path: Path, signing_keys: Path
) -> None:
    from tests.support.idp_server import timed_server

    user = server.add_user()
    client, other, browser = trusted_party(server), trusted_party(server), signed_in(server, user.username)
    tokens = tokens_for(client, browser, scope="openid offline_access")
    header, payload, signature = tokens["id_token"].split(".")
    with timed_server(tmp_path, keys_from=signing_keys) as elsewhere:  # the same keys under another issuer
        theirs = trusted_party(elsewhere, client_id=client.client.client_id)
        foreign = tokens_for(theirs, signed_in(elsewhere, elsewhere.add_user().username))["id_token"]
    for name, hint in {
        "another client's": tokens_for(other, browser)["id_token"],
        "an access token": tokens["access_token"],
        "a refresh token": tokens["refresh_token"],
        "another issuer's": foreign,
        "unsigned": f"eyJhbGciOiJub25lIn0.{payload}.",
        "with a changed signature": f"{header}.{payload}.{'A' * len(signature)}",
        "with changed claims": f"{header}.{payload[:-4]}AAAA.{signature}",
        "rubbish": "a.b.c",
        "not ASCII": "é.é.é",
    }.items():
        for prompt in ("none", "login"):
            answer = ask(client, browser, prompt=prompt, id_token_hint=hint)
            assert answer.callback.error == "invalid_request", name


# --- The sub claim


@pytest.mark.spec("OpenID Connect Core", "5.5.1", "MUST")
@pytest.mark.parametrize("place", ["id_token", "userinfo"])
def test_the_sub_claim_with_a_value_binds_the_request_to_that_person(server: ServerUnderTest, place: str) -> None:
    client, ada, ben = trusted_party(server), server.add_user(), server.add_user()
    claims = json.dumps({place: {"sub": {"value": ada.id}}})
    assert ask(client, signed_in(server, ada.username), prompt="none", claims=claims).callback.error is None
    browser = signed_in(server, ben.username)
    assert ask(client, browser, prompt="none", claims=claims).callback.error == "login_required"
    assert ask(client, browser, claims=claims).log_in(ben.username).callback.error == "login_required"


@pytest.mark.spec("OpenID Connect Core", "5.5.1", "MUST")
def test_a_hint_and_a_sub_claim_that_disagree_are_refused(server: ServerUnderTest) -> None:
    client, ada = trusted_party(server), server.add_user()
    browser = signed_in(server, ada.username)
    hint = tokens_for(client, browser)["id_token"]
    claims = json.dumps({"id_token": {"sub": {"value": server.add_user().id}}})
    assert ask(client, browser, id_token_hint=hint, claims=claims).callback.error == "invalid_request"


# --- The claims parameter


def delivered(server: ServerUnderTest, claims: Any, scope: str = "openid") -> tuple[dict[str, Any], dict[str, Any]]:
    """What a request with these claims puts into the ID token, and into userinfo."""
    client = trusted_party(server)
    browser = signed_in(server, server.add_user().username)
    tokens = tokens_for(client, browser, claims=json.dumps(claims), scope=scope)
    return claims_of(tokens["id_token"]), client.userinfo(tokens["access_token"]).json()


@pytest.mark.spec("OpenID Connect Core", "5.5", "MUST")
def test_a_claim_is_delivered_without_its_scope_and_only_where_it_was_asked_for(server: ServerUnderTest) -> None:
    asked = {"userinfo": {"name": {"essential": True}, "roles": None}, "id_token": {"email": None, "birthdate": None}}
    id_token, userinfo = delivered(server, asked)
    assert set(userinfo) == {"sub", "name", "roles"}
    assert id_token["birthdate"] == "1815-12-10"
    assert id_token["email"].endswith("@example.com")
    assert not {"name", "roles", "given_name", "email_verified"} & set(id_token)


@pytest.mark.spec("OpenID Connect Core", "5.5", "MUST")
def test_unknown_claims_and_claims_without_a_value_are_left_out(server: ServerUnderTest) -> None:
    wish = {"https://example.com/shoe_size": {"essential": True}, "phone": None, "iss": None, "given_name": None}
    id_token, userinfo = delivered(server, {"userinfo": wish, "id_token": wish})
    assert set(userinfo) == {"sub", "given_name"}
    assert id_token["iss"] == server.issuer
    assert "https://example.com/shoe_size" not in id_token


@pytest.mark.spec("OpenID Connect Core", "5.5", "MUST")
def test_a_claims_request_cannot_change_what_the_server_itself_says(server: ServerUnderTest) -> None:
    wish = {"sub": None, "aud": {"value": "evil"}, "iss": {"value": "evil"}, "acr": {"value": "aal9"}, "amr": None,
            "auth_time": {"essential": True}, "exp": {"value": 1}}  # fmt: skip
    id_token, _ = delivered(server, {"id_token": wish})
    assert (id_token["iss"], id_token["acr"]) == (server.issuer, "aal1")
    assert id_token["exp"] > id_token["auth_time"] > 1


@pytest.mark.spec("OpenID Connect Core", "5.4", "MUST")
def test_scopes_and_claims_add_up_in_userinfo(server: ServerUnderTest) -> None:
    id_token, userinfo = delivered(server, {"userinfo": {"birthdate": None}}, scope="openid email")
    assert set(userinfo) == {"sub", "email", "email_verified", "birthdate"}
    assert "email" not in id_token, "lean by default"


# --- acr


@pytest.mark.spec("OpenID Connect Core", "5.5.1.1", "MUST")
@pytest.mark.spec("OpenID Connect Unmet Authentication Requirements", "2", "MUST")
@pytest.mark.parametrize(
    ("wish", "error"),
    [
        pytest.param({"essential": True, "value": "aal3"}, "unmet_authentication_requirements", id="essential value"),
        pytest.param({"essential": True, "values": ["aal4", "aal3"]}, "unmet_authentication_requirements", id="values"),
        pytest.param({"essential": True, "value": 1}, "unmet_authentication_requirements", id="a number"),
        pytest.param({"essential": True, "values": ["aal2", "aal1"]}, None, id="one that can be met"),
        pytest.param({"essential": True, "value": "aal1"}, None, id="met"),
        pytest.param({"essential": True}, None, id="any will do"),
        pytest.param({"value": "aal2"}, None, id="voluntary"),
        pytest.param(None, None, id="null"),
    ],
)
def test_an_essential_acr_is_met_or_an_error_and_never_a_lie(
    server: ServerUnderTest, wish: dict[str, Any] | None, error: str | None
) -> None:
    client, browser = trusted_party(server), signed_in(server, server.add_user().username)
    asked = ask(client, browser, claims=json.dumps({"id_token": {"acr": wish}}))
    assert asked.callback.error == error
    if error is None:
        claims = claims_of(client.redeem(asked.callback).json()["id_token"])
        assert (claims["acr"], claims["amr"]) == ("aal1", ["pwd"])


@pytest.mark.spec("OpenID Connect Core", "3.1.2.1", "MUST NOT")
@pytest.mark.parametrize("acr_values", ["aal2", "aal3 aal2", "aal2 aal1", "urn:mace:incommon:iap:silver"])
def test_acr_values_are_wishes_that_never_fail(server: ServerUnderTest, acr_values: str) -> None:
    client, browser = trusted_party(server), signed_in(server, server.add_user().username)
    assert claims_of(tokens_for(client, browser, acr_values=acr_values)["id_token"])["acr"] == "aal1"


def test_claims_of_a_request_are_consented_to_one_by_one(server: ServerUnderTest, browser: Browser) -> None:
    client = third_party(server)
    claims = json.dumps({"userinfo": {"birthdate": None, "email": None}})
    page = ask(client, browser, scope="openid email", claims=claims).log_in(server.add_user().username).page
    assert [chip.get_text(strip=True) for chip in page.soup.select("#claims .chip")] == ["Your date of birth"]
