"""Consent: who is asked, for what, what is remembered, and that no answer of one person counts for another."""

import json
from typing import Any

import pytest

from idp.protocol.scopes import Api
from tests.support.authorize import ask, signed_in, third_party, trusted_party
from tests.support.idp_server import ServerUnderTest, TimedServer
from tests.support.relying_party import Browser, claims_of

CONSENT = ("OpenID Connect Core", "3.1.2.4", "MUST")


@pytest.mark.spec(*CONSENT)
@pytest.mark.asvs("10.7.1")
@pytest.mark.parametrize("scope", ["openid", "openid email", "openid profile phone address"])
def test_a_third_party_is_asked_for_once_and_then_remembered(server: ServerUnderTest, scope: str) -> None:
    client, browser = third_party(server), signed_in(server, server.add_user().username)
    asked = ask(client, browser, scope=scope)
    assert asked.page.id == "consent-page"
    assert asked.then(asked.page.submit("allow")).callback.error is None
    assert ask(client, browser, scope=scope).callback.error is None


@pytest.mark.spec(*CONSENT)
@pytest.mark.asvs("10.7.1")
def test_more_than_was_allowed_is_asked_again_and_less_is_not(server: ServerUnderTest) -> None:
    client, browser = third_party(server), signed_in(server, server.add_user().username)
    client.sign_in(browser, scope="openid email")
    assert ask(client, browser, scope="openid").callback.error is None
    more = ask(client, browser, scope="openid email phone")
    assert more.page.id == "consent-page"
    new = [item["data-scope"] for item in more.page.soup.select("#scopes .grant") if item.select_one(".badge")]
    assert new == ["phone"]
    more.then(more.page.submit("allow"))
    assert ask(client, browser, scope="openid phone email").callback.error is None


@pytest.mark.spec("OpenID Connect Core", "5.5", "MUST")
@pytest.mark.asvs("10.7.1")
def test_consent_to_one_claim_is_no_consent_to_the_whole_scope(server: ServerUnderTest) -> None:
    client, browser = third_party(server), signed_in(server, server.add_user().username)
    name = json.dumps({"userinfo": {"name": None}})
    client.sign_in(browser, claims=name)
    assert ask(client, browser, claims=name).callback.error is None, "the claim itself is remembered"
    assert ask(client, browser, scope="openid profile").page.id == "consent-page"
    birth = json.dumps({"userinfo": {"name": None, "birthdate": None}})
    assert ask(client, browser, claims=birth).page.id == "consent-page"


@pytest.mark.spec("OpenID Connect Core", "5.5", "MAY")
def test_consent_to_a_scope_covers_its_claims(server: ServerUnderTest) -> None:
    client, browser = third_party(server), signed_in(server, server.add_user().username)
    client.sign_in(browser, scope="openid profile")
    wish = json.dumps({"id_token": {"birthdate": None}, "userinfo": {"sub": None}})
    assert ask(client, browser, claims=wish).callback.error is None
    assert ask(client, browser, claims=json.dumps({"id_token": {"email": None}})).page.id == "consent-page"


@pytest.mark.asvs("10.7.1")
def test_consent_holds_for_one_client_and_one_person(server: ServerUnderTest) -> None:
    client, ada, ben = third_party(server), server.add_user(), server.add_user()
    client.sign_in(signed_in(server, ada.username), scope="openid email")
    assert ask(third_party(server), signed_in(server, ada.username), scope="openid email").page.id == "consent-page"
    assert ask(client, signed_in(server, ben.username), scope="openid email").page.id == "consent-page"


@pytest.mark.asvs("10.7.1")
def test_another_person_on_the_same_browser_is_asked_anew(server: ServerUnderTest) -> None:
    client, ada, ben = third_party(server), server.add_user(), server.add_user()
    browser = Browser(server)
    client.sign_in(browser, ada.username, scope="openid email")
    asked = ask(client, browser, scope="openid email", prompt="select_account")
    asked = asked.then(asked.page.submit("switch")).log_in(ben.username)
    assert asked.page.id == "consent-page"
    assert ben.username in asked.page.text
    assert ada.username not in asked.page.text


@pytest.mark.asvs("10.7.1")
@pytest.mark.parametrize("press", ["allow", "deny"])
def test_a_consent_shown_to_one_person_is_not_the_answer_of_another(server: ServerUnderTest, press: str) -> None:
    """Two tabs: one shows Ada's consent page, in the other Ben has signed in meanwhile."""
    client, ada, ben = third_party(server), server.add_user(), server.add_user()
    browser = Browser(server)
    shown_to_ada = ask(client, browser, scope="openid email").log_in(ada.username)
    assert shown_to_ada.page.id == "consent-page"
    ask(trusted_party(server), browser, prompt="login").log_in(ben.username)
    asked = shown_to_ada.then(shown_to_ada.page.submit(press))
    assert asked.page.id == "consent-page", "Ben is asked for himself"
    assert ben.username in asked.page.text
    assert server.store.consents.find(ben.id, client.client.client_id) == frozenset()
    done = asked.then(asked.page.submit("allow"))
    assert claims_of(client.redeem(done.callback).json()["id_token"])["sub"] == ben.id


def test_an_account_chosen_by_one_person_is_not_the_choice_of_another(server: ServerUnderTest) -> None:
    client, ada, ben = trusted_party(server), server.add_user(), server.add_user()
    browser = signed_in(server, ada.username)
    shown_to_ada = ask(client, browser, prompt="select_account")
    ask(client, browser, prompt="login").log_in(ben.username)
    asked = shown_to_ada.then(shown_to_ada.page.submit("continue"))
    assert asked.page.id == "select-account-page"
    assert ben.username in asked.page.text


@pytest.mark.spec("RFC 6749", "4.1.2.1", "MUST")
@pytest.mark.parametrize("mode", ["query", "fragment", "form_post"])
def test_who_refuses_is_reported_as_access_denied(server: ServerUnderTest, mode: str) -> None:
    client, browser = third_party(server), signed_in(server, server.add_user().username)
    asked = ask(client, browser, scope="openid email", response_mode=mode)
    consent = asked.response.url
    asked = asked.then(asked.page.submit("deny"))
    assert asked.callback.error == "access_denied"
    assert asked.callback.params["state"] == asked.params["state"]
    assert "code" not in asked.callback.params
    assert browser.open(consent).status == 400, "a refusal ends the request"
    assert ask(client, browser, scope="openid email").page.id == "consent-page", "and nothing was remembered"


@pytest.mark.spec("RFC 6749", "4.1.2.1", "MUST")
def test_who_cancels_the_sign_in_is_reported_as_access_denied(server: ServerUnderTest, browser: Browser) -> None:
    asked = ask(third_party(server), browser)
    assert asked.then(asked.page.submit("cancel")).callback.error == "access_denied"


def test_a_decision_that_is_none_changes_nothing(server: ServerUnderTest) -> None:
    client, browser = third_party(server), signed_in(server, server.add_user().username)
    asked = ask(client, browser, scope="openid email")
    asked = asked.then(asked.page.submit("allow", decision="perhaps"))
    assert asked.page.id == "consent-page"


def test_whoever_is_the_wrong_person_can_switch_from_the_consent_page(server: ServerUnderTest) -> None:
    client, ada, ben = third_party(server), server.add_user(), server.add_user()
    asked = ask(client, signed_in(server, ada.username))
    asked = asked.then(asked.page.submit("switch")).log_in(ben.username)
    assert asked.page.id == "consent-page"
    assert ben.username in asked.page.text
    done = asked.then(asked.page.submit("allow"))
    assert claims_of(client.redeem(done.callback).json()["id_token"])["sub"] == ben.id


@pytest.mark.spec("OpenID Connect Core", "3.1.2.4", "MAY")
def test_a_first_party_is_not_asked_for_but_with_prompt_consent(server: ServerUnderTest) -> None:
    client, browser = trusted_party(server), signed_in(server, server.add_user().username)
    assert ask(client, browser, scope="openid profile email").callback.error is None
    assert ask(client, browser, scope="openid profile email", prompt="consent").page.id == "consent-page"


@pytest.mark.spec("RFC 8252", "8.6", "SHOULD NOT")
@pytest.mark.asvs("10.7.1")
@pytest.mark.parametrize(
    ("uri", "always"),
    [("com.example.app:/cb", True), ("http://127.0.0.1/cb", True), ("http://[::1]/cb", True),
     ("https://client.example.com/cb", False)],
)  # fmt: skip
def test_a_public_client_whose_identity_nothing_assures_is_asked_for_each_time(
    server: ServerUnderTest, uri: str, always: bool
) -> None:
    client = third_party(server, public=True, redirect_uris=(uri,))
    browser = signed_in(server, server.add_user().username)
    client.sign_in(browser)
    again = ask(client, browser)
    assert (again.response.status_code == 200 and again.page.id == "consent-page") is always
    assert ask(client, browser, prompt="none").callback.error == ("consent_required" if always else None)


NATIVE = [
    pytest.param("com.example.app:/cb", id="private-use scheme"),
    pytest.param("http://127.0.0.1/cb", id="loopback"),
]


@pytest.mark.spec("RFC 8252", "8.6", "SHOULD NOT")
@pytest.mark.asvs("10.7.1")
@pytest.mark.parametrize("uri", NATIVE)
def test_a_first_party_app_gets_no_code_of_a_session_alone(server: ServerUnderTest, uri: str) -> None:
    """Whoever has just signed in has seen which application asks; a session that is there answers nothing unseen."""
    client, user = trusted_party(server, public=True, redirect_uris=(uri,)), server.add_user()
    browser = Browser(server)
    assert ask(client, browser).log_in(user.username).callback.code, "the sign-in was for this very request"
    for _ in range(2):
        asked = ask(client, browser, scope="openid profile")
        assert asked.page.id == "consent-page"
        assert client.client.metadata.name in asked.page.text
        assert asked.page.soup.select_one("#confirm-advice") is not None
        assert asked.page.soup.select_one("#scopes") is None
        assert asked.then(asked.page.submit("allow")).callback.code
    assert server.store.consents.find(user.id, client.client.client_id) == frozenset(), "asked again each time"
    refused = ask(client, browser)
    assert refused.then(refused.page.submit("deny")).callback.error == "access_denied"
    assert ask(client, browser, prompt="none").callback.error == "consent_required"
    chosen = ask(client, browser, prompt="select_account")
    assert chosen.then(chosen.page.submit("continue")).callback.code, "one page is enough"
    full = ask(client, browser, scope="openid profile", prompt="consent")
    assert full.page.soup.select_one("#scopes") is not None


@pytest.mark.spec("RFC 8252", "8.6", "SHOULD NOT")
def test_a_first_party_app_whose_identity_is_assured_is_answered_at_once(server: ServerUnderTest) -> None:
    browser = signed_in(server, server.add_user().username)
    claimed = ("https://orders.example.com/cb",)
    assert ask(trusted_party(server, public=True, redirect_uris=claimed), browser).callback.code
    assert ask(trusted_party(server, redirect_uris=("http://127.0.0.1/cb",)), browser).callback.code, "by its secret"


@pytest.mark.asvs("10.7.2")
def test_the_consent_page_says_who_asks_for_what_in_words(timed: TimedServer) -> None:
    api = Api("https://orders.example.com", "Orders", {"orders:read": "Read your orders", "orders:write": ""})
    timed.store.apis.save(api, now=timed.now)
    names = {"client_name": "Shop <b>&</b>", "client_uri": "https://shop.example.com/",
             "logo_uri": "https://shop.example.com/logo.png", "policy_uri": "https://shop.example.com/privacy",
             "tos_uri": "https://shop.example.com/terms"}  # fmt: skip
    client = third_party(timed, scope=("openid", "email", "offline_access", "orders:read", "orders:write"), **names)
    user = timed.add_user()
    asked = ask(client, signed_in(timed, user.username), prompt="consent", resource="https://orders.example.com",
                scope="openid email offline_access orders:read orders:write")  # fmt: skip
    page = asked.page
    shown = {
        item["data-scope"]: item.get_text(" ", strip=True) for item in page.soup.select("#scopes .grant[data-scope]")
    }
    assert set(shown) == {"email", "orders:read", "orders:write"}
    assert "Your e-mail address" in shown["email"]
    assert "Read your orders" in shown["orders:read"]
    assert page.soup.select_one("#offline") is not None
    assert "Orders" in page.soup.select_one("#resources").get_text()  # type: ignore[union-attr]
    assert "Shop <b>&</b>" in page.text, "escaped, hence text"
    assert "client.example.com" in page.text
    assert user.username in page.text
    links = {str(tag.get("id")): tag.get("href") or tag.get("src") for tag in page.soup.select("[id^=client-]")}
    assert links == {
        "client-logo": names["logo_uri"],
        "client-policy": names["policy_uri"],
        "client-tos": names["tos_uri"],
    }


# --- offline_access


def refresh_token_of(client: Any, asked: Any) -> str | None:
    answer = client.redeem(asked.callback).json()
    assert ("offline_access" in answer["scope"].split()) is ("refresh_token" in answer)
    return answer.get("refresh_token")  # type: ignore[no-any-return]


@pytest.mark.spec("OpenID Connect Core", "11", "MUST")
@pytest.mark.asvs("10.7.3")
def test_offline_access_of_a_third_party_needs_prompt_consent_and_is_else_ignored(server: ServerUnderTest) -> None:
    client, browser = third_party(server), signed_in(server, server.add_user().username)
    without = ask(client, browser, scope="openid offline_access")
    assert without.page.soup.select_one("#offline") is None
    assert refresh_token_of(client, without.then(without.page.submit("allow"))) is None
    asked = ask(client, browser, scope="openid offline_access", prompt="consent")
    assert asked.page.soup.select_one("#offline") is not None
    assert refresh_token_of(client, asked.then(asked.page.submit("allow"))) is not None
    assert refresh_token_of(client, ask(client, browser, scope="openid offline_access")) is None


@pytest.mark.spec("OpenID Connect Core", "11", "MUST")
def test_offline_access_of_a_first_party_needs_no_prompt(server: ServerUnderTest) -> None:
    browser = signed_in(server, server.add_user().username)
    client = trusted_party(server)
    assert refresh_token_of(client, ask(client, browser, scope="openid offline_access")) is not None
    assert refresh_token_of(client, ask(client, browser, scope="openid")) is None
    none = trusted_party(server, grant_types=("authorization_code",))
    assert refresh_token_of(none, ask(none, browser, scope="openid offline_access")) is None


# --- Resources (RFC 8707)

ORDERS, MAIL = "https://orders.example.com", "https://mail.example.com"


@pytest.fixture
def apis(timed: TimedServer) -> TimedServer:
    timed.store.apis.save(Api(ORDERS, "Orders", {"orders:read": "", "shared": ""}), now=timed.now)
    timed.store.apis.save(Api(MAIL, "Mail", {"mail:read": "", "shared": ""}), now=timed.now)
    return timed


SCOPES = ("openid", "email", "orders:read", "mail:read")


@pytest.mark.spec("RFC 8707", "2", "MUST")
@pytest.mark.asvs("10.4.11")
@pytest.mark.parametrize(
    ("scope", "resources", "audience", "granted"),
    [
        pytest.param("openid", [], None, "openid", id="none: userinfo alone"),
        pytest.param("openid orders:read", [ORDERS], [ORDERS, None], "openid orders:read", id="one"),
        pytest.param("orders:read", [ORDERS], ORDERS, "orders:read", id="one, without openid"),
        pytest.param(
            "openid orders:read mail:read",
            [ORDERS, MAIL],
            [ORDERS, MAIL, None],
            "openid orders:read mail:read",
            id="RFC 8707 §2 several",
        ),
        pytest.param(
            "openid orders:read mail:read",
            [ORDERS],
            [ORDERS, None],
            "openid orders:read",
            id="RFC 8707 §2.2 a scope of another API is left out",
        ),
        pytest.param("orders:read", [], ORDERS, "orders:read", id="none: the API of the scope"),
        pytest.param("openid orders:read", [ORDERS, ORDERS], [ORDERS, None], "openid orders:read", id="the same twice"),
    ],
)
def test_tokens_are_for_the_resources_asked_for(
    apis: TimedServer, scope: str, resources: list[str], audience: Any, granted: str
) -> None:
    from tests.support.authorize import ask_with

    client, browser = trusted_party(apis, scope=SCOPES), signed_in(apis, apis.add_user().username)
    answer = client.redeem(ask_with(client, browser, [("resource", uri) for uri in resources], scope=scope).callback)
    assert answer.json()["scope"] == granted
    expected = [entry or apis.issuer for entry in audience] if isinstance(audience, list) else audience or apis.issuer
    assert claims_of(answer.json()["access_token"])["aud"] == expected


@pytest.mark.spec("RFC 8707", "2", "MUST")
@pytest.mark.parametrize(
    "resources",
    [
        pytest.param(["https://unknown.example"], id="unknown"),
        pytest.param([ORDERS, "https://unknown.example"], id="one of two unknown"),
        pytest.param([MAIL], id="not allowed to this client"),
        pytest.param([ORDERS + "#x"], id="RFC 8707 §2 with a fragment"),
        pytest.param(["orders"], id="RFC 8707 §2 relative"),
        pytest.param([ORDERS + "/"], id="differing by a slash"),
    ],
)
def test_a_resource_that_is_unknown_or_not_allowed_is_invalid_target(apis: TimedServer, resources: list[str]) -> None:
    from tests.support.authorize import ask_with

    client = trusted_party(apis, scope=("openid", "orders:read"))
    asked = ask_with(client, Browser(apis), [("resource", uri) for uri in resources], scope="openid orders:read")
    assert asked.callback.error == "invalid_target"
