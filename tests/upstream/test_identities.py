"""How each provider's own words become an Identity: sample wire data in, and nothing believed that it does not own."""

import hashlib
import hmac
import json
from typing import Any

import pytest

from idp.jose.client_keys import verify_with_keys
from idp.jose.pem import load_pem_key
from idp.protocol.identity import Identity
from idp.sandbox.connections import load_apple_key
from idp.upstream import apple, microsoft
from idp.upstream.errors import NotAllowed, Untrustworthy
from idp.upstream.facebook import FIELDS
from idp.upstream.github import EMAILS, choose_email
from idp.upstream.id_token import load_claims
from idp.upstream.state import Pending
from tests.upstream.samples import CLIENT_ID, NOW, SECRET, Answers, endpoints_of, make_answer, make_connection

WORK = "72f988bf-86f1-41af-91ab-2d7cd011db47"
GOOGLE = {
    "iss": "https://accounts.google.com",
    "azp": CLIENT_ID,
    "aud": CLIENT_ID,
    "sub": "110169484474386276334",
    "hd": "example.com",
    "email": "Grace@Example.com",
    "email_verified": True,
    "name": "Grace Hopper",
    "given_name": "Grace",
    "family_name": "Hopper",
    "picture": "https://lh3.googleusercontent.com/a/x=s96-c",
    "locale": "en",
    "iat": NOW,
    "exp": NOW + 3600,
}
MICROSOFT = {
    "iss": f"https://login.microsoftonline.com/{WORK}/v2.0",
    "tid": WORK,
    "sub": "AAAAAAAAAAAAAAAAAAAAAIkzqFVrSaSaFHy782bbtaQ",
    "oid": "00000000-0000-0000-66f3-3332eca7ea81",
    "name": "Grace Hopper",
    "preferred_username": "grace.hopper@contoso.com",
    "email": "grace@contoso.com",
    "iat": NOW,
}
DISCORD = {
    "id": "80351110224678912",
    "username": "grace.h",
    "discriminator": "0",
    "global_name": "Grace",
    "avatar": "8342729096ea3675442027381ff50dfe",
    "verified": True,
    "email": "grace@example.com",
}
FACEBOOK = {
    "id": "10224984374838473",
    "name": "Grace Hopper",
    "first_name": "Grace",
    "last_name": "Hopper",
    "email": "grace@example.com",
    "picture": {"data": {"height": 256, "is_silhouette": False, "url": "https://platform.example/p.jpg", "width": 256}},
}
GITHUB = {
    "id": 583231,
    "login": "ghopper",
    "name": "Grace Hopper",
    "avatar_url": "https://avatars.example/u/1",
    "email": None,
}
APPLE = {
    "iss": "https://appleid.apple.com",
    "sub": "001234.0123456789abcdef0123456789abcdef.0123",
    "email": "grace@icloud.com",
    "email_verified": "true",
    "auth_time": NOW - 5,
    "iat": NOW,
}


def identity_of(kind: str, claims: dict[str, Any], **settings: Any) -> Identity:
    connection = make_connection(kind, **settings)
    return connection.provider.to_identity(make_answer(connection, claims=claims))


def fetched(kind: str, person: Any, more: dict[str, Any] | None = None) -> tuple[Identity, Answers]:
    connection, answers = make_connection(kind), Answers()
    answers.said = {str(endpoints_of(connection).userinfo): person} | (more or {})
    return connection.provider.to_identity(make_answer(connection, fetch=answers)), answers


# --- Google


def test_google_tells_everything_in_its_id_token() -> None:
    assert identity_of("google", GOOGLE) == Identity(
        issuer="https://accounts.google.com",
        subject="110169484474386276334",
        email="Grace@Example.com",
        email_verified=True,
        owns_email=True,
        profile={
            "name": "Grace Hopper",
            "given_name": "Grace",
            "family_name": "Hopper",
            "picture": "https://lh3.googleusercontent.com/a/x=s96-c",
            "locale": "en",
        },
        names=("Grace Hopper", "Grace"),
        auth_time=None,
    )


@pytest.mark.parametrize(
    ("changes", "owns"),
    [
        ({"email": "grace@gmail.com", "hd": None}, True),
        ({"email": "grace@GMAIL.com", "hd": None}, True),
        ({"email": "grace@example.com", "hd": "example.com"}, True),
        ({"email": "grace@example.com", "hd": None}, False),
        ({"email": "grace@other.example", "hd": "example.com"}, False),
        ({"email": "grace@notgmail.com", "hd": None}, False),
        ({"email": "grace@gmail.com", "hd": None, "email_verified": False}, False),
        ({"email": "grace@example.com", "hd": ["example.com"]}, False),
        ({"email": "grace@gmail.com.evil.example", "hd": None}, False),
        ({"email": None}, False),
    ],
)
def test_google_owns_the_addresses_that_it_hands_out_and_no_others(changes: dict[str, Any], owns: bool) -> None:
    assert identity_of("google", GOOGLE | changes).owns_email is owns


def test_a_google_connection_for_one_domain_takes_it_in_whatever_case_it_is_configured() -> None:
    assert identity_of("google", GOOGLE, hosted_domain="Example.COM").subject == GOOGLE["sub"]
    others: tuple[Any, ...] = (None, "evil.example", "sub.example.com", ["example.com"], True, {})
    for hd in others:
        with pytest.raises(NotAllowed):
            identity_of("google", GOOGLE | {"hd": hd}, hosted_domain="example.com")


@pytest.mark.parametrize(
    ("iss", "is_allowed"),
    [
        ("https://accounts.google.com", True),
        ("accounts.google.com", True),
        ("http://accounts.google.com", False),
        ("//accounts.google.com", False),
        ("https://accounts.google.com/", False),
        (None, False),
        (["accounts.google.com"], False),
        ({"accounts.google.com": 1}, False),
    ],
)
def test_googles_two_issuers(iss: Any, is_allowed: bool) -> None:
    connection = make_connection("google")
    assert connection.provider.allows_issuer("https://accounts.google.com", {"iss": iss}) is is_allowed


# --- Microsoft


@pytest.mark.parametrize(
    ("changes", "settings", "verified", "owns"),
    [
        ({}, {}, False, False),
        ({"xms_edov": True}, {}, True, False),
        ({"xms_edov": "1"}, {"tenant": WORK}, True, True),
        ({"xms_edov": 1}, {"tenant": WORK.upper()}, True, True),
        ({"xms_edov": False}, {"tenant": WORK}, False, False),
        ({}, {"tenant": WORK}, False, False),
        ({"xms_edov": True}, {"tenant": "organizations"}, True, False),
        ({"tid": microsoft.PERSONAL_TENANT}, {}, True, False),
        ({"tid": microsoft.PERSONAL_TENANT}, {"tenant": "consumers"}, True, False),
        ({"xms_edov": True, "email": None}, {"tenant": WORK}, False, False),
    ],
)
def test_microsoft_vouches_for_an_address_only_with_xms_edov_and_owns_it_only_as_one_tenant(
    changes: dict[str, Any], settings: dict[str, str], verified: bool, owns: bool
) -> None:
    identity = identity_of("microsoft", MICROSOFT | changes, **settings)
    assert (identity.email_verified, identity.owns_email) == (verified, owns)


def test_the_address_is_never_taken_from_preferred_username() -> None:
    identity = identity_of("microsoft", {name: value for name, value in MICROSOFT.items() if name != "email"})
    assert identity.email is None
    assert "preferred_username" not in identity.profile
    assert identity.names == ("Grace Hopper", "grace.hopper")


@pytest.mark.parametrize(
    ("tenant", "tid", "is_allowed"),
    [
        ("common", WORK, True),
        ("common", microsoft.PERSONAL_TENANT, True),
        ("organizations", WORK, True),
        ("organizations", microsoft.PERSONAL_TENANT, False),
        ("consumers", microsoft.PERSONAL_TENANT, True),
        ("consumers", WORK, False),
        (WORK, WORK, True),
        (WORK, microsoft.PERSONAL_TENANT, False),
        (WORK, "11111111-2222-4333-8444-555555555555", False),
    ],
)
def test_microsofts_issuer_belongs_to_a_tenant_that_may_sign_in(tenant: str, tid: str, is_allowed: bool) -> None:
    connection = make_connection("microsoft", tenant=tenant)
    expected = str(endpoints_of(connection).issuer)
    claims = {"tid": tid, "iss": f"https://login.microsoftonline.com/{tid}/v2.0"}
    assert connection.provider.allows_issuer(expected, claims) is is_allowed
    assert not connection.provider.allows_issuer(expected, claims | {"iss": f"{claims['iss']}/"})
    assert not connection.provider.allows_issuer(expected, {"iss": claims["iss"]})


@pytest.mark.parametrize("tenant", ["contoso.onmicrosoft.com", "common2", "../common", f"{WORK}x"])
def test_a_tenant_that_has_no_known_issuer_is_a_sentence_at_the_start(tenant: str) -> None:
    connection = make_connection("microsoft", tenant=tenant)
    with pytest.raises(ValueError, match="IDP_UPSTREAM_MICROSOFT_TENANT must be common, organizations, consumers"):
        connection.provider.check_settings(connection.settings)


@pytest.mark.parametrize("tenant", ["common", "organizations", "consumers", WORK, WORK.upper(), None])
def test_tenants_that_can_be_checked_are_taken(tenant: str | None) -> None:
    connection = make_connection("microsoft", tenant=tenant)
    connection.provider.check_settings(connection.settings)


# --- Facebook


def test_facebook_is_asked_for_these_fields_with_a_proof_of_the_secret() -> None:
    identity, answers = fetched("facebook", FACEBOOK)
    ((url, query),) = answers.asked
    assert url == "https://graph.facebook.com/v23.0/me"
    proof = hmac.new(SECRET.encode(), b"an-access-token", hashlib.sha256).hexdigest()
    assert query == {"fields": FIELDS, "appsecret_proof": proof}
    assert identity == Identity(
        issuer="https://www.facebook.com",
        subject="10224984374838473",
        email="grace@example.com",
        email_verified=False,
        owns_email=False,
        profile={
            "name": "Grace Hopper",
            "given_name": "Grace",
            "family_name": "Hopper",
            "picture": "https://platform.example/p.jpg",
        },
        names=("Grace Hopper", "Grace"),
    )


def test_facebook_without_an_address_and_with_a_silhouette() -> None:
    silhouette = {"picture": {"data": {"is_silhouette": True, "url": "https://platform.example/nobody.jpg"}}}
    identity, _ = fetched("facebook", {"id": "1", "name": "Grace"} | silhouette)
    assert (identity.email, identity.profile) == (None, {"name": "Grace"})


@pytest.mark.parametrize("picture", [None, "x", [], {"data": None}, {"data": {"url": "javascript:x()"}}, {"data": {}}])
def test_facebooks_picture_of_another_shape_is_none(picture: Any) -> None:
    identity, _ = fetched("facebook", FACEBOOK | {"picture": picture})
    assert "picture" not in identity.profile


# --- Discord


def test_discords_user_object() -> None:
    identity, _ = fetched("discord", DISCORD)
    assert identity == Identity(
        issuer="https://discord.com",
        subject="80351110224678912",
        email="grace@example.com",
        email_verified=True,
        owns_email=False,
        profile={
            "name": "Grace",
            "nickname": "grace.h",
            "picture": "https://cdn.discordapp.com/avatars/80351110224678912/8342729096ea3675442027381ff50dfe.png",
        },
        names=("grace.h", "Grace"),
    )


@pytest.mark.parametrize("verified", [False, None, "true", 1])
def test_discords_verified_is_a_boolean_or_nothing(verified: Any) -> None:
    assert fetched("discord", DISCORD | {"verified": verified})[0].email_verified is False


def test_a_discord_account_without_global_name_is_called_by_its_user_name() -> None:
    assert fetched("discord", DISCORD | {"global_name": None})[0].profile["name"] == "grace.h"


@pytest.mark.parametrize("number", [80351110224678912, "8035x", "", None, "-1", "1.5"])
def test_a_discord_id_is_a_text_of_digits(number: Any) -> None:
    with pytest.raises(ValueError, match="snowflake"):
        fetched("discord", DISCORD | {"id": number})


# --- GitHub


def test_github_is_asked_for_the_person_and_for_the_addresses() -> None:
    addresses = [{"email": "grace@example.com", "primary": True, "verified": True, "visibility": "private"}]
    identity, answers = fetched("github", GITHUB, {EMAILS: addresses})
    assert [url for url, _ in answers.asked] == ["https://api.github.com/user", "https://api.github.com/user/emails"]
    assert identity == Identity(
        issuer="https://github.com",
        subject="583231",
        email="grace@example.com",
        email_verified=True,
        owns_email=False,
        profile={"name": "Grace Hopper", "nickname": "ghopper", "picture": "https://avatars.example/u/1"},
        names=("ghopper", "Grace Hopper"),
    )


@pytest.mark.parametrize(
    ("addresses", "chosen"),
    [
        ([], (None, False)),
        ([{"email": "a@x.example", "primary": False, "verified": True}], (None, False)),
        (
            [
                {"email": "a@x.example", "primary": False, "verified": True},
                {"email": "b@x.example", "primary": True, "verified": True},
            ],
            ("b@x.example", True),
        ),
        (
            [
                {"email": "a@x.example", "primary": True, "verified": False},
                {"email": "b@x.example", "primary": False, "verified": True},
            ],
            ("a@x.example", False),
        ),
        ([{"email": "a@x.example", "primary": "true", "verified": True}], (None, False)),
        ([{"email": "a@x.example", "primary": True, "verified": "true"}], ("a@x.example", False)),
        ([{"email": None, "primary": True, "verified": True}], (None, False)),
    ],
)
def test_githubs_address_is_the_primary_one_and_confirmed_when_it_says_so(
    addresses: list[dict[str, Any]], chosen: tuple[str | None, bool]
) -> None:
    assert choose_email(addresses) == chosen


@pytest.mark.parametrize("number", [True, "583231", None, 1.0])
def test_a_github_id_is_a_number(number: Any) -> None:
    with pytest.raises(ValueError, match="an id is a number"):
        fetched("github", GITHUB | {"id": number}, {EMAILS: []})


# --- Apple


@pytest.fixture(scope="module")
def key(tmp_path_factory: pytest.TempPathFactory) -> str:
    return load_apple_key(tmp_path_factory.mktemp("apple"))


def test_apple_tells_the_address_in_the_token_and_the_name_beside_it() -> None:
    connection = make_connection("apple")
    user = json.dumps({"name": {"firstName": "Grace", "lastName": "Hopper"}, "email": "ignored@example.com"})
    identity = connection.provider.to_identity(make_answer(connection, claims=APPLE, callback={"user": user}))
    assert identity == Identity(
        issuer="https://appleid.apple.com",
        subject=APPLE["sub"],  # type: ignore[arg-type]
        email="grace@icloud.com",
        email_verified=True,
        owns_email=True,
        profile={"name": "Grace Hopper", "given_name": "Grace", "family_name": "Hopper"},
        names=("Grace Hopper", "Grace"),
        auth_time=NOW - 5,
    )


@pytest.mark.parametrize(
    ("email", "verified", "expected"),
    [
        ("x@privaterelay.appleid.com", "true", (True, True)),
        ("x@privaterelay.appleid.com", True, (True, True)),
        ("grace@example.com", "true", (True, False)),
        ("grace@icloud.com", "false", (False, False)),
        ("grace@icloud.com", None, (False, False)),
        ("grace@icloud.com.evil.example", True, (True, False)),
        (None, "true", (False, False)),
    ],
)
def test_apple_owns_its_own_addresses_and_the_relay(email: Any, verified: Any, expected: tuple[bool, bool]) -> None:
    identity = identity_of("apple", APPLE | {"email": email, "email_verified": verified})
    assert (identity.email_verified, identity.owns_email) == expected


@pytest.mark.parametrize("user", [None, "", "{", "[]", "7", '{"name": 7}', '{"name": {"firstName": []}}', "[" * 9999])
def test_an_unreadable_name_is_none(user: str | None) -> None:
    assert apple.read_name(user) == {}


def test_one_half_of_a_name_is_enough() -> None:
    assert apple.read_name('{"name": {"firstName": "  Grace "}}') == {"name": "Grace", "given_name": "Grace"}


def test_apples_secret_is_a_token_signed_with_the_key_of_the_team(key: str) -> None:
    connection = make_connection(
        "apple", client_secret=None, team_id="TEAM123456", key_id="KEY1234567", private_key=key
    )
    connection.provider.check_settings(connection.settings)
    secret = apple.make_secret(connection.settings, NOW)
    public = load_pem_key(key, "ES256").as_dict(private=False)
    jwk = {name: public[name] for name in ("kty", "crv", "x", "y")} | {"kid": "KEY1234567"}
    assert verify_with_keys(secret, {"keys": [jwk]}, algs=["ES256"]) == {
        "iss": "TEAM123456",
        "sub": CLIENT_ID,
        "aud": "https://appleid.apple.com",
        "iat": NOW,
        "exp": NOW + 300,
    }


@pytest.mark.parametrize("pem", ["not a key", "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"])
def test_an_unusable_apple_key_is_a_sentence_at_the_start_that_does_not_show_it(pem: str) -> None:
    connection = make_connection("apple", client_secret=None, private_key=pem)
    with pytest.raises(ValueError, match="IDP_UPSTREAM_APPLE_PRIVATE_KEY") as caught:
        connection.provider.check_settings(connection.settings)
    assert "AAAA" not in str(caught.value)


# --- Any OpenID Connect provider


def test_a_rich_id_token_makes_userinfo_unnecessary() -> None:
    claims = {
        "sub": "s",
        "iat": NOW,
        "name": "Grace",
        "email": "g@example.com",
        "email_verified": True,
        "auth_time": NOW,
    }
    identity = identity_of("oidc", claims, issuer="https://op.example")
    assert (identity.issuer, identity.subject, identity.auth_time) == ("https://op.example", "s", NOW)
    assert (identity.email, identity.email_verified, identity.owns_email) == ("g@example.com", True, True)


def test_a_lean_id_token_is_completed_by_userinfo_and_wins_where_both_speak() -> None:
    connection, answers = make_connection("oidc", issuer="https://op.example"), Answers()
    answers.said = {"https://op.example/userinfo": {"sub": "s", "name": "Grace", "email": "g@example.com", "iat": 1}}
    claims = {"sub": "s", "iat": NOW, "name": "Grace H."}
    identity = connection.provider.to_identity(make_answer(connection, claims=claims, fetch=answers))
    assert (identity.profile["name"], identity.email, identity.email_verified) == ("Grace H.", "g@example.com", False)


@pytest.mark.parametrize("sub", ["another", None, 7, "S"])
@pytest.mark.spec("OpenID Connect Core", "5.3.2", "MUST")
def test_userinfo_must_be_about_the_same_subject(sub: Any) -> None:
    connection, answers = make_connection("oidc", issuer="https://op.example"), Answers()
    answers.said = {"https://op.example/userinfo": {"sub": sub, "email": "victim@example.com"}}
    with pytest.raises(Untrustworthy):
        connection.provider.to_identity(make_answer(connection, claims={"sub": "s", "iat": NOW}, fetch=answers))


# --- Claims of any shape

OIDC = {
    "iss": "https://op.example",
    "sub": "s",
    "iat": NOW,
    "name": "G",
    "email": "g@example.com",
    "picture": "https://x.y",
}
ODD: tuple[Any, ...] = (None, True, False, 0, -1, 1.5, 1e308, float("nan"), 2**70, "", "x", "\0", "\ud800", "x" * 9999)
ODDER: tuple[Any, ...] = ([], {}, ["x"], {"a": 1}, [[]], [None], {"a": {"b": []}})


class Signed:
    """Keys with which everything is signed."""

    def __init__(self, claims: dict[str, Any]) -> None:
        self.claims = claims

    def verify(self, *_: Any, **__: Any) -> dict[str, Any]:
        return self.claims


@pytest.mark.parametrize(
    ("kind", "sample"), [("google", GOOGLE), ("microsoft", MICROSOFT), ("apple", APPLE), ("oidc", OIDC)]
)
@pytest.mark.asvs("16.5.3")
def test_a_claim_of_any_type_is_taken_or_refused_and_never_an_error_of_ours(kind: str, sample: dict[str, Any]) -> None:
    connection = make_connection(kind, **({"issuer": "https://op.example"} if kind == "oidc" else {}))
    more = {"aud": CLIENT_ID, "azp": CLIENT_ID, "exp": NOW + 60, "nbf": NOW, "nonce": "n", "xms_edov": True}
    good, taken = sample | more | {"email_verified": True, "preferred_username": "g", "locale": "en"}, 0
    for claim in [*good, "auth_time", "hd", "tid"]:
        for odd in (*ODD, *ODDER):
            keys: Any = Signed(good | {claim: odd})
            try:
                claims = load_claims(
                    "a.b.c", connection, endpoints_of(connection), Pending("x", "n", "v", NOW), keys, now=NOW
                )
            except Untrustworthy:
                continue
            answer = make_answer(connection, claims=claims, fetch=lambda *_: {"sub": "s"})
            try:
                identity = connection.provider.to_identity(answer)
            except (Untrustworthy, KeyError, TypeError, AttributeError, ValueError):  # as `load_identity` has them
                continue
            taken += 1
            said = [identity.subject, identity.email or "", *identity.names, *map(str, identity.profile.values())]
            assert all(text.isprintable() for text in said)
    assert taken > 50, "the odd ones that do no harm"
