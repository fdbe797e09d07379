"""What each stand-in says, beside what its original says: bodies, claims, identifiers, errors."""

import base64
import json
import re
import time
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs

import jwt
import pytest
import requests
from authlib.integrations.requests_client import OAuth2Session

from idp.sandbox.clients import OTHER_CLIENT_ID, client_secret
from idp.sandbox.connections import KINDS
from idp.sandbox.microsoft import PERSONAL_TENANT, WORK_TENANT
from idp.sandbox.servers import Sandbox
from tests.sandbox.conftest import MakeVisitor
from tests.sandbox.visitor import CALLBACK, TOKEN, Visitor

every_kind = pytest.mark.parametrize("kind", KINDS)
every_id_token = pytest.mark.parametrize("kind", ["google", "apple", "microsoft", "oidc"])

# --- All of them


@every_kind
@pytest.mark.parametrize("person", ["new", "known", "no-email", "unverified"])
def test_everybody_can_sign_in_everywhere(visitor: MakeVisitor, kind: str, person: str) -> None:
    tokens = visitor(kind).tokens(person)
    assert tokens["access_token"]
    assert tokens["token_type"].lower() == "bearer"


@every_id_token
def test_an_id_token_is_signed_with_a_published_key_and_bound_to_the_request(visitor: MakeVisitor, kind: str) -> None:
    visit = visitor(kind)
    tokens = visit.tokens("known")
    claims = visit.verify(tokens["id_token"])
    now = time.time()
    assert claims["aud"] == visit.settings.client_id
    assert claims["nonce"] == visit.nonce
    assert now - 60 < claims["iat"] <= now
    assert claims["exp"] - claims["iat"] == (86_400 if kind == "apple" else 3600)


def id_of(visit: Visitor, person: str) -> str:
    tokens = visit.tokens(person)
    if "id_token" in tokens:
        return str(visit.verify(tokens["id_token"])["sub"])
    return str(visit.profile(tokens["access_token"]).json()["id"])


@pytest.mark.parametrize(
    ("kind", "shape"),
    [
        ("google", r"\d{21}"),
        ("facebook", r"\d{16}"),
        ("discord", r"\d{18}"),
        ("apple", r"\d{6}\.[0-9a-f]{32}\.\d{4}"),
        ("github", r"\d{7,9}"),
        ("microsoft", r"[\w-]{43}"),
        ("oidc", r"[0-9a-f]{8}-[0-9a-f-]{27}"),
    ],
)
def test_identifiers_look_like_the_originals_and_stay_those_of_the_person(
    visitor: MakeVisitor, kind: str, shape: str
) -> None:
    visit = visitor(kind)
    found = id_of(visit, "known")
    assert re.fullmatch(shape, found)
    assert id_of(visit, "known") == found
    assert re.fullmatch(shape, id_of(visit, "new"))
    assert id_of(visit, "new") != found


REFUSALS: list[tuple[str, str, int, dict[str, Any]]] = [
    ("google", "unknown client", 401, {"error": "invalid_client"}),
    ("google", "wrong secret", 401, {"error": "invalid_client"}),
    ("google", "unknown code", 400, {"error": "invalid_grant", "error_description": "Malformed auth code."}),
    ("google", "used code", 400, {"error": "invalid_grant", "error_description": "Bad Request"}),
    ("google", "expired code", 400, {"error": "invalid_grant", "error_description": "Bad Request"}),
    ("google", "other client", 401, {"error": "unauthorized_client"}),
    ("google", "wrong redirect_uri", 400, {"error": "redirect_uri_mismatch"}),
    ("google", "wrong verifier", 400, {"error": "invalid_grant", "error_description": "Invalid code verifier."}),
    ("google", "no verifier", 400, {"error": "invalid_grant", "error_description": "Missing code verifier."}),
    ("google", "wrong grant", 400, {"error": "unsupported_grant_type"}),
    ("facebook", "unknown client", 400, {"type": "OAuthException", "code": 101}),
    ("facebook", "wrong secret", 400, {"message": "Error validating client secret.", "code": 1}),
    ("facebook", "unknown code", 400, {"message": "Invalid verification code format.", "code": 100}),
    ("facebook", "used code", 400, {"message": "This authorization code has been used.", "error_subcode": 36009}),
    ("facebook", "expired code", 400, {"message": "This authorization code has expired.", "error_subcode": 36007}),
    ("facebook", "other client", 400, {"type": "OAuthException", "code": 100}),
    ("facebook", "wrong redirect_uri", 400, {"code": 100, "error_subcode": 36008}),
    ("facebook", "wrong verifier", 400, {"code": 100}),
    ("discord", "unknown client", 401, {"error": "invalid_client"}),
    ("discord", "wrong secret", 401, {"error": "invalid_client"}),
    ("discord", "unknown code", 400, {"error": "invalid_grant", "error_description": 'Invalid "code" in request.'}),
    ("discord", "used code", 400, {"error": "invalid_grant", "error_description": 'Invalid "code" in request.'}),
    ("discord", "expired code", 400, {"error": "invalid_grant"}),
    ("discord", "other client", 400, {"error": "invalid_grant"}),
    ("discord", "wrong redirect_uri", 400, {"error": "invalid_grant"}),
    ("discord", "wrong verifier", 400, {"error": "invalid_grant"}),
    ("discord", "wrong grant", 400, {"error": "unsupported_grant_type"}),
    ("apple", "unknown client", 400, {"error": "invalid_client"}),
    ("apple", "wrong secret", 400, {"error": "invalid_client"}),
    ("apple", "unknown code", 400, {"error": "invalid_grant"}),
    ("apple", "used code", 400, {"error": "invalid_grant", "error_description": "The code has already been used."}),
    (
        "apple",
        "expired code",
        400,
        {"error": "invalid_grant", "error_description": "The code has expired or has been revoked."},
    ),
    ("apple", "other client", 400, {"error": "invalid_grant"}),
    ("apple", "wrong redirect_uri", 400, {"error": "invalid_grant"}),
    ("apple", "wrong verifier", 400, {"error": "invalid_grant"}),
    ("apple", "wrong grant", 400, {"error": "unsupported_grant_type"}),
    ("github", "unknown client", 200, {"error": "incorrect_client_credentials"}),
    ("github", "wrong secret", 200, {"error": "incorrect_client_credentials"}),
    ("github", "unknown code", 200, {"error": "bad_verification_code"}),
    ("github", "used code", 200, {"error": "bad_verification_code"}),
    ("github", "expired code", 200, {"error": "bad_verification_code"}),
    ("github", "other client", 200, {"error": "bad_verification_code"}),
    ("github", "wrong redirect_uri", 200, {"error": "redirect_uri_mismatch"}),
    ("github", "wrong verifier", 200, {"error": "bad_verification_code"}),
    ("microsoft", "unknown client", 400, {"error": "unauthorized_client", "error_codes": [700016]}),
    ("microsoft", "wrong secret", 401, {"error": "invalid_client", "error_codes": [7000215]}),
    ("microsoft", "unknown code", 400, {"error": "invalid_grant", "error_codes": [9002313]}),
    ("microsoft", "used code", 400, {"error": "invalid_grant", "error_codes": [54005]}),
    ("microsoft", "expired code", 400, {"error": "invalid_grant", "error_codes": [70008]}),
    ("microsoft", "other client", 400, {"error": "invalid_grant", "error_codes": [700005]}),
    ("microsoft", "wrong redirect_uri", 400, {"error": "invalid_grant", "error_codes": [500112]}),
    ("microsoft", "wrong verifier", 400, {"error": "invalid_grant", "error_codes": [501481]}),
    ("microsoft", "wrong grant", 400, {"error": "unsupported_grant_type", "error_codes": [70003]}),
    ("oidc", "unknown client", 401, {"error": "invalid_client"}),
    ("oidc", "wrong secret", 401, {"error": "invalid_client"}),
    ("oidc", "unknown code", 400, {"error": "invalid_grant"}),
    ("oidc", "used code", 400, {"error": "invalid_grant"}),
    ("oidc", "expired code", 400, {"error": "invalid_grant"}),
    ("oidc", "other client", 400, {"error": "invalid_grant"}),
    ("oidc", "wrong redirect_uri", 400, {"error": "invalid_grant"}),
    ("oidc", "wrong verifier", 400, {"error": "invalid_grant"}),
    ("oidc", "wrong grant", 400, {"error": "unsupported_grant_type"}),
]


def change_for(visit: Visitor, case: str) -> dict[str, str | None]:
    """What is wrong about the token request."""
    if case == "other client":
        secret = visit.apple_secret(sub=OTHER_CLIENT_ID) if visit.kind == "apple" else client_secret("another")
        return {"client_id": OTHER_CLIENT_ID, "client_secret": secret}
    changes: dict[str, dict[str, str | None]] = {
        "unknown client": {"client_id": "nobody"},
        "wrong secret": {"client_secret": "wrong"},
        "unknown code": {"code": "made-up"},
        "wrong redirect_uri": {"redirect_uri": CALLBACK + "/other"},
        "wrong verifier": {"code_verifier": "x" * 43},
        "no verifier": {"code_verifier": None},
        "wrong grant": {"grant_type": "password"},
    }
    return changes.get(case, {})


@pytest.mark.parametrize(("kind", "case", "status", "body"), REFUSALS, ids=[f"{r[0]}-{r[1]}" for r in REFUSALS])
def test_a_wrong_token_request_gets_the_providers_own_error(
    visitor: MakeVisitor, kind: str, case: str, status: int, body: dict[str, Any]
) -> None:
    visit = visitor(kind)
    code = visit.choose("new", fault="code_expired" if case == "expired code" else "")["code"]
    if case == "used code":
        assert "access_token" in visit.redeem(code).json()
    answer = visit.redeem(**{"code": code, **change_for(visit, case)})  # type: ignore[arg-type]
    assert answer.status_code == status
    found = answer.json()
    assert "access_token" not in found
    assert (found["error"] if kind == "facebook" else found).items() >= body.items()


@every_kind
def test_a_code_is_redeemed_once_and_not_spent_by_a_wrong_attempt(visitor: MakeVisitor, kind: str) -> None:
    visit = visitor(kind)
    code = visit.choose("new")["code"]
    assert "access_token" not in visit.redeem(code, code_verifier="x" * 43).json()
    assert "access_token" in visit.redeem(code).json()
    assert "access_token" not in visit.redeem(code).json()


@every_kind
def test_without_pkce_no_verifier_is_wanted(visitor: MakeVisitor, kind: str) -> None:
    visit = visitor(kind)
    code = visit.choose("new", asked={"code_challenge": None, "code_challenge_method": None})["code"]
    assert "access_token" in visit.redeem(code, code_verifier=None).json()


@pytest.mark.parametrize("kind", ["google", "discord", "github", "microsoft", "oidc"])
def test_authlib_signs_in_with_basic_authentication_and_pkce(visitor: MakeVisitor, kind: str) -> None:
    visit = visitor(kind)
    with OAuth2Session(
        visit.settings.client_id, visit.secret, redirect_uri=CALLBACK, token_endpoint_auth_method="client_secret_basic"
    ) as session:
        back = visit.post("known").headers["Location"]
        token = session.fetch_token(
            visit.origin + TOKEN[kind], authorization_response=back, state=visit.state, code_verifier=visit.verifier
        )
    assert token["access_token"]


def test_an_application_that_is_unknown_to_basic_authentication_is_challenged(visitor: MakeVisitor) -> None:
    answer = requests.post(visitor("oidc").origin + "/token", auth=("nobody", "x"), timeout=30)
    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"] == 'Basic realm="sandbox"'


def test_a_basic_header_that_is_not_base64_is_nobody(visitor: MakeVisitor) -> None:
    headers = {"Authorization": "Basic é!".encode("latin-1").decode("latin-1")}
    assert requests.post(visitor("oidc").origin + "/token", headers=headers, timeout=30).status_code == 401


# --- Google


def test_google_tells_who_it_is_in_the_redirect_and_the_granted_scopes(visitor: MakeVisitor) -> None:
    back = visitor("google").choose("new")
    assert back["iss"] == "https://accounts.google.com"
    assert back["scope"].split()[0] == "openid"
    assert "https://www.googleapis.com/auth/userinfo.email" in back["scope"].split()


def test_google_id_token_has_the_profile_and_the_hash_of_the_access_token(visitor: MakeVisitor) -> None:
    visit = visitor("google")
    tokens = visit.tokens("new", name="Ada Lovelace", email="ada@example.com")
    claims = visit.verify(tokens["id_token"], issuer="https://accounts.google.com")
    assert claims["azp"] == visit.settings.client_id
    assert (claims["email"], claims["email_verified"]) == ("ada@example.com", True)
    assert (claims["name"], claims["given_name"], claims["family_name"]) == ("Ada Lovelace", "Ada", "Lovelace")
    digest = jwt.get_algorithm_by_name("RS256").compute_hash_digest(tokens["access_token"].encode())
    assert claims["at_hash"] == base64.urlsafe_b64encode(digest[:16]).rstrip(b"=").decode()
    assert "hd" not in claims
    assert requests.get(claims["picture"], timeout=30).headers["Content-Type"].startswith("image/svg+xml")


def test_google_names_the_workspace_of_the_known_person_and_of_the_domain_that_was_asked_for(
    visitor: MakeVisitor,
) -> None:
    visit = visitor("google")
    assert visit.verify(visit.tokens("known")["id_token"])["hd"] == "example.com"
    code = visit.choose("new", asked={"hd": "staff.example"}, email="a@staff.example")["code"]
    assert visit.verify(visit.redeem(code).json()["id_token"])["hd"] == "staff.example"
    assert "hd" not in visit.verify(visit.tokens("known", claims='{"hd": null}')["id_token"])


def test_google_gives_a_refresh_token_only_for_offline_access(visitor: MakeVisitor) -> None:
    visit = visitor("google")
    assert "refresh_token" not in visit.tokens("new")
    assert "refresh_token" in visit.redeem(visit.choose("new", asked={"access_type": "offline"})["code"]).json()


def test_google_userinfo_refuses_a_token_it_did_not_give(visitor: MakeVisitor) -> None:
    answer = visitor("google").profile("made-up")
    assert answer.status_code == 401
    assert answer.json() == {"error": "invalid_request", "error_description": "Invalid Credentials"}


# --- Facebook


def facebook_me(visit: Visitor, person: str, fields: str, **form: str) -> requests.Response:
    return visit.profile(visit.tokens(person, **form)["access_token"], fields=fields)


def test_facebook_gives_the_fields_that_were_asked_for_and_the_id(visitor: MakeVisitor) -> None:
    visit = visitor("facebook")
    assert facebook_me(visit, "known", "").json().keys() == {"id", "name"}
    body = facebook_me(visit, "known", "first_name,last_name,email,picture.type(large){url,width}").json()
    assert body.keys() == {"id", "first_name", "last_name", "email", "picture"}
    assert body["email"] == "demo@example.com"
    assert body["picture"]["data"].keys() == {"height", "is_silhouette", "url", "width"}


@pytest.mark.parametrize("person", ["no-email", "unverified"])
def test_facebook_gives_no_address_that_is_not_confirmed(visitor: MakeVisitor, person: str) -> None:
    assert "email" not in facebook_me(visitor("facebook"), person, "id,email").json()


def test_facebook_gives_no_address_without_the_permission(visitor: MakeVisitor) -> None:
    visit = visitor("facebook")
    token = visit.redeem(visit.choose("known", asked={"scope": "public_profile"})["code"]).json()["access_token"]
    assert "email" not in visit.profile(token, fields="id,email").json()


@pytest.mark.parametrize(
    ("proof", "message"),
    [
        ("", "API calls from the server require an appsecret_proof argument"),
        ("0" * 64, "Invalid appsecret_proof provided in the API argument"),
    ],
)
def test_facebook_wants_every_call_proven_with_the_secret(visitor: MakeVisitor, proof: str, message: str) -> None:
    visit = visitor("facebook")
    answer = visit.profile(visit.tokens("known")["access_token"], appsecret_proof=proof)
    assert answer.status_code == 400
    error = answer.json()["error"]
    assert (error["message"], error["type"], error["code"]) == (message, "GraphMethodException", 100)
    assert error["fbtrace_id"]


def test_facebook_knows_no_other_fields_and_no_other_tokens(visitor: MakeVisitor) -> None:
    visit = visitor("facebook")
    assert facebook_me(visit, "known", "id,shoe_size").json()["error"]["message"] == (
        "(#100) Tried accessing nonexisting field (shoe_size) on node type (User)"
    )
    assert visit.profile("made-up").json()["error"]["code"] == 190
    assert requests.get(f"{visit.origin}/graph.facebook.com/v23.0/me", timeout=30).json()["error"]["code"] == 2500


def test_facebook_answers_under_every_version_and_appends_its_fragment(visitor: MakeVisitor) -> None:
    visit = visitor("facebook")
    back = visit.choose("known")
    assert back["#"] == "_=_"
    params = {
        "client_id": visit.settings.client_id,
        "client_secret": visit.secret,
        "redirect_uri": CALLBACK,
        "code": back["code"],
        "code_verifier": visit.verifier,
    }
    url = f"{visit.origin}/graph.facebook.com/v19.0/oauth/access_token"
    token = requests.get(url, params=params, timeout=30).json()["access_token"]
    assert visit.profile(token, "/graph.facebook.com/v24.0/me").status_code == 200
    assert requests.get(visit.url().replace("v23.0", "latest"), timeout=30).status_code == 400


# --- Discord


def test_discord_ids_are_strings_too_large_for_a_float_and_names_have_no_discriminator(visitor: MakeVisitor) -> None:
    visit = visitor("discord")
    user = visit.profile(visit.tokens("known")["access_token"]).json()
    assert isinstance(user["id"], str)
    assert int(user["id"]) > 2**53
    assert (user["discriminator"], user["global_name"]) == ("0", "Kim Known")
    assert re.fullmatch(r"[a-z0-9]{2,32}", user["username"])
    assert re.fullmatch(r"[0-9a-f]{32}", user["avatar"])
    picture = f"{visit.origin}/cdn.discordapp.com/avatars/{user['id']}/{user['avatar']}.png"
    assert requests.get(picture, timeout=30).status_code == 200


@pytest.mark.parametrize(
    ("person", "email", "verified"),
    [
        ("known", "demo@example.com", True),
        ("unverified", "ulysse.unverified@example.com", False),
        ("no-email", None, False),
    ],
)
def test_discord_tells_the_address_and_whether_it_is_verified(
    visitor: MakeVisitor, person: str, email: str | None, verified: bool
) -> None:
    visit = visitor("discord")
    user = visit.profile(visit.tokens(person)["access_token"]).json()
    assert (user["email"], user["verified"]) == (email, verified)


def test_discord_tells_no_address_without_its_scope_and_nothing_without_identify(visitor: MakeVisitor) -> None:
    visit = visitor("discord")
    token = visit.redeem(visit.choose("known", asked={"scope": "identify"})["code"]).json()["access_token"]
    assert not {"email", "verified"} & visit.profile(token).json().keys()
    token = visit.redeem(visit.choose("known", asked={"scope": "email"})["code"]).json()["access_token"]
    answer = visit.profile(token)
    assert (answer.status_code, answer.json()) == (401, {"message": "401: Unauthorized", "code": 0})


# --- Apple


def test_apple_tells_the_name_the_first_time_only_and_never_in_the_id_token(visitor: MakeVisitor) -> None:
    visit = visitor("apple")
    first = visit.choose("new", sub="apple-first", name="Grace Hopper", email="grace@example.com")
    assert json.loads(first["user"]) == {
        "name": {"firstName": "Grace", "lastName": "Hopper"},
        "email": "grace@example.com",
    }
    assert "name" not in visit.verify(visit.redeem(first["code"]).json()["id_token"])
    assert "user" not in visit.choose("apple-first")


@pytest.mark.parametrize(
    ("person", "expected"),
    [
        ("known", {"email": "demo@example.com", "email_verified": True}),
        ("unverified", {"email": "ulysse.unverified@example.com", "email_verified": "false"}),
        ("relay", {"email_verified": "true", "is_private_email": "true"}),
        ("no-email", {}),
    ],
)
def test_apple_says_what_the_address_is_in_text_or_in_booleans(
    visitor: MakeVisitor, person: str, expected: dict[str, Any]
) -> None:
    visit = visitor("apple")
    claims = visit.verify(visit.tokens(person)["id_token"], issuer="https://appleid.apple.com")
    told = {name: claims[name] for name in ("email", "email_verified", "is_private_email") if name in claims}
    if person == "relay":
        assert told.pop("email").endswith("@privaterelay.appleid.com")
    assert told == expected
    assert claims["nonce_supported"] is True
    assert claims["auth_time"] <= claims["iat"]


@pytest.mark.parametrize(
    "changed",
    [
        pytest.param(lambda _: {"iss": "OTHERTEAM1"}, id="another team"),
        pytest.param(lambda _: {"sub": "com.example.other"}, id="another application"),
        pytest.param(lambda _: {"aud": "https://example.com"}, id="another audience"),
        pytest.param(lambda _: {"exp": 1}, id="expired"),
        pytest.param(lambda now: {"exp": now + 200 * 86_400}, id="longer than six months"),
        pytest.param(lambda now: {"iat": now + 600}, id="from the future"),
        pytest.param(lambda _: {"kid": "OTHERKEY01"}, id="another kid"),
    ],
)
def test_apple_refuses_a_client_secret_that_is_not_as_it_wants_it(
    visitor: MakeVisitor, changed: Callable[[int], dict[str, Any]]
) -> None:
    visit = visitor("apple")
    secret = visit.apple_secret(**changed(int(time.time())))
    answer = visit.redeem(visit.choose("new")["code"], client_secret=secret)
    assert (answer.status_code, answer.json()) == (400, {"error": "invalid_client"})


def test_apple_refuses_a_client_secret_signed_with_another_key(visitor: MakeVisitor) -> None:
    from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key

    visit = visitor("apple")
    forged = visit.apple_secret(key=generate_private_key(SECP256R1()))
    assert visit.redeem(visit.choose("new")["code"], client_secret=forged).json() == {"error": "invalid_client"}


def test_apple_wants_form_post_for_name_and_address_and_redirects_without_them(visitor: MakeVisitor) -> None:
    visit = visitor("apple")
    assert requests.get(visit.url(response_mode=None), timeout=30).status_code == 400
    assert requests.get(visit.url(response_mode="query"), timeout=30).status_code == 400
    answer = visit.post("new", asked={"scope": None, "response_mode": None})
    assert answer.status_code == 303
    assert "user" not in visit.choose("new", asked={"scope": None})


# --- GitHub


def test_github_answers_with_a_form_unless_json_is_asked_for(visitor: MakeVisitor) -> None:
    visit = visitor("github")
    form = {
        "client_id": visit.settings.client_id,
        "client_secret": visit.secret,
        "code": visit.choose("known")["code"],
        "redirect_uri": CALLBACK,
        "code_verifier": visit.verifier,
    }
    answer = requests.post(visit.origin + TOKEN["github"], data=form, timeout=30)
    body = parse_qs(answer.text)
    assert answer.headers["Content-Type"].startswith("application/x-www-form-urlencoded")
    assert body["token_type"] == ["bearer"]
    assert body["access_token"][0].startswith("gho_")
    assert body["scope"] == ["read:user,user:email"]


def test_github_wants_neither_response_type_nor_a_second_redirect_uri(visitor: MakeVisitor) -> None:
    visit = visitor("github")
    code = visit.choose("known", asked={"response_type": None})["code"]
    assert "access_token" in visit.redeem(code, redirect_uri=None, grant_type=None).json()


def test_github_ids_are_numbers_and_the_public_address_is_empty(visitor: MakeVisitor) -> None:
    visit = visitor("github")
    user = visit.profile(visit.tokens("known")["access_token"]).json()
    assert isinstance(user["id"], int)
    assert (user["name"], user["email"]) == ("Kim Known", None)
    assert user["login"]


@pytest.mark.parametrize(
    ("person", "primary"),
    [
        ("known", ("demo@example.com", True)),
        ("unverified", ("ulysse.unverified@example.com", False)),
        ("no-email", None),
    ],
)
def test_github_lists_addresses_with_the_primary_one_marked(
    visitor: MakeVisitor, person: str, primary: tuple[str, bool] | None
) -> None:
    visit = visitor("github")
    emails = visit.profile(visit.tokens(person)["access_token"], "/api.github.com/user/emails").json()
    found = [(each["email"], each["verified"]) for each in emails if each["primary"]]
    assert found == ([primary] if primary else [])
    assert all(each.keys() == {"email", "primary", "verified", "visibility"} for each in emails)


def test_github_hides_addresses_without_the_scope_and_refuses_strangers(visitor: MakeVisitor) -> None:
    visit = visitor("github")
    token = visit.redeem(visit.choose("known", asked={"scope": "read:user"})["code"]).json()["access_token"]
    assert visit.profile(token, "/api.github.com/user/emails").status_code == 404
    stranger = visit.profile("made-up")
    assert (stranger.status_code, stranger.json()["message"]) == (401, "Bad credentials")
    headers = {"Authorization": f"Bearer {token}", "User-Agent": ""}
    nameless = requests.get(visit.origin + "/api.github.com/user", headers=headers, timeout=30)
    assert nameless.status_code == 403


# --- Microsoft


def microsoft_claims(visit: Visitor, person: str, tenant: str = "common", **form: str) -> dict[str, Any]:
    url = visit.url().replace("/common/", f"/{tenant}/")
    back = requests.post(url, data={"person": person, **form}, allow_redirects=False, timeout=30).headers["Location"]
    code = parse_qs(back.partition("?")[2])["code"][0]
    return visit.verify(visit.redeem(code).json()["id_token"])


@pytest.mark.parametrize(
    ("tenant", "person", "tid"),
    [
        ("common", "known", PERSONAL_TENANT),
        ("common", "unverified", WORK_TENANT),
        ("common", "no-email", WORK_TENANT),
        ("consumers", "unverified", PERSONAL_TENANT),
        ("organizations", "known", WORK_TENANT),
        ("11111111-2222-4333-8444-555555555555", "known", "11111111-2222-4333-8444-555555555555"),
    ],
)
def test_microsoft_issuers_name_the_tenant_of_the_person(
    visitor: MakeVisitor, tenant: str, person: str, tid: str
) -> None:
    claims = microsoft_claims(visitor("microsoft"), person, tenant)
    assert claims["tid"] == tid
    assert claims["iss"] == f"https://login.microsoftonline.com/{tid}/v2.0"
    assert claims["ver"] == "2.0"
    assert re.fullmatch(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", claims["oid"])
    assert claims["preferred_username"]


def test_microsoft_says_of_work_accounts_whether_the_domain_is_proven(visitor: MakeVisitor) -> None:
    visit = visitor("microsoft")
    assert "xms_edov" not in microsoft_claims(visit, "known")
    assert microsoft_claims(visit, "known", "organizations")["xms_edov"] is True
    assert microsoft_claims(visit, "unverified", "organizations")["xms_edov"] is False
    assert "email" not in microsoft_claims(visit, "no-email", "organizations")


def test_microsoft_object_ids_stay_and_a_tenant_of_ones_own_fits_its_issuer(visitor: MakeVisitor) -> None:
    visit = visitor("microsoft")
    assert microsoft_claims(visit, "known")["oid"] == microsoft_claims(visit, "known")["oid"]
    tid = "22222222-2222-4333-8444-555555555555"
    claims = microsoft_claims(visit, "new", claims=json.dumps({"tid": tid, "acct": 0}))
    assert (claims["tid"], claims["iss"]) == (tid, f"https://login.microsoftonline.com/{tid}/v2.0")
    assert claims["acct"] == 0


def test_microsoft_errors_carry_numbers_and_traces(visitor: MakeVisitor) -> None:
    body = visitor("microsoft").redeem("made-up").json()
    assert body["error_description"].startswith("AADSTS9002313: ")
    assert {"error", "error_codes", "timestamp", "trace_id", "correlation_id", "error_uri"} <= body.keys()


# --- OpenID Connect


def test_the_plain_provider_is_found_by_discovery(sandbox: Sandbox) -> None:
    origin = sandbox.origins["oidc"]
    document = requests.get(f"{origin}/.well-known/openid-configuration", timeout=30).json()
    assert document["issuer"] == origin
    assert document["authorization_response_iss_parameter_supported"] is True
    assert document["code_challenge_methods_supported"] == ["S256"]
    assert requests.get(document["jwks_uri"], timeout=30).json()["keys"][0]["alg"] == "RS256"
    assert all(document[name].startswith(origin) for name in document if name.endswith("_endpoint"))


def test_the_plain_provider_names_itself_in_every_redirect(visitor: MakeVisitor) -> None:
    visit = visitor("oidc")
    assert visit.choose("new")["iss"] == visit.origin
    assert visit.choose("", cancel="yes")["iss"] == visit.origin


def test_the_plain_provider_tells_the_profile_at_userinfo_alone(visitor: MakeVisitor) -> None:
    visit = visitor("oidc")
    tokens = visit.tokens("known")
    claims = visit.verify(tokens["id_token"], issuer=visit.origin)
    assert not {"email", "name"} & claims.keys()
    told = visit.profile(tokens["access_token"]).json()
    assert told["sub"] == claims["sub"]
    assert (told["email"], told["email_verified"], told["name"]) == ("demo@example.com", True, "Kim Known")
    assert visit.profile("made-up").status_code == 401


@pytest.mark.parametrize(
    ("asked", "expected"), [({"max_age": "0"}, True), ({"prompt": "login"}, True), ({}, False)], ids=str
)
def test_the_time_of_the_sign_in_is_told_when_it_was_asked_for(
    visitor: MakeVisitor, asked: dict[str, str], expected: bool
) -> None:
    visit = visitor("oidc")
    claims = visit.verify(visit.redeem(visit.choose("new", asked=asked)["code"]).json()["id_token"])
    assert ("auth_time" in claims) is expected


def test_without_the_scope_openid_there_is_no_id_token(visitor: MakeVisitor) -> None:
    for kind in ("google", "microsoft", "oidc"):
        visit = visitor(kind)
        assert "id_token" not in visit.redeem(visit.choose("new", asked={"scope": "email"})["code"]).json()


def test_the_plain_provider_answers_by_form_post_when_asked(visitor: MakeVisitor) -> None:
    back = visitor("oidc").choose("new", asked={"response_mode": "form_post"})
    assert {"code", "state", "iss"} <= back.keys()
