"""One whole life of an authorization, as each deployment must be able to serve it."""

from tests.support.idp_server import ServerUnderTest
from tests.support.relying_party import Browser, Page, RelyingParty, claims_of


def walk_through_everything(server: ServerUnderTest, browser: Browser) -> None:
    """Sign-in, consent, code, userinfo, introspection, refresh, replay, sign-out, and sign-in again."""
    client = RelyingParty(server, server.add_client(always_issue_refresh_token=True, client_name="Zoë’s 👩‍👩‍👧 shop"))
    user = server.add_user(profile={"name": "Zoë 李 👩‍👩‍👧"})
    callback = client.sign_in(browser, user.username, scope="openid profile email", state="s&+%é", nonce="n-é")
    assert (callback.params["state"], callback.params["iss"]) == ("s&+%é", server.issuer)
    first = client.redeem(callback).json()
    assert (claims_of(first["id_token"])["sub"], claims_of(first["id_token"])["nonce"]) == (user.id, "n-é")
    _use(client, first, user.id)
    second = client.refresh(first["refresh_token"]).json()
    assert client.refresh(first["refresh_token"]).json()["refresh_token"] == second["refresh_token"]
    third = client.refresh(second["refresh_token"]).json()
    _use(client, third, user.id)
    _replay_a_refresh_token(client, first, third)
    _replay_a_code(client, browser)
    _sign_out(client, browser, user.username)


def _use(client: RelyingParty, tokens: dict[str, str], user_id: str) -> None:
    claims = client.userinfo(tokens["access_token"]).json()
    assert (claims["sub"], claims["name"]) == (user_id, "Zoë 李 👩‍👩‍👧")
    for kind in ("access_token", "refresh_token"):
        answer = client.introspect(tokens[kind]).json()
        assert (answer["active"], answer["sub"]) == (True, user_id)


def _replay_a_refresh_token(client: RelyingParty, first: dict[str, str], third: dict[str, str]) -> None:
    assert client.refresh(first["refresh_token"]).json()["error"] == "invalid_grant"
    _check_dead(client, third)


def _replay_a_code(client: RelyingParty, browser: Browser) -> None:
    callback = client.sign_in(browser)  # the session and the consent are still there
    tokens = client.redeem(callback).json()
    assert client.userinfo(tokens["access_token"]).status_code == 200
    assert client.redeem(callback).json()["error"] == "invalid_grant"
    _check_dead(client, tokens)


def _sign_out(client: RelyingParty, browser: Browser, username: str) -> None:
    tokens = client.tokens(browser)
    back = client.client.metadata.post_logout_redirect_uris[0]
    params = {"id_token_hint": tokens["id_token"], "post_logout_redirect_uri": back, "state": "bye"}
    assert browser.get("/logout", params=params).headers["Location"] == f"{back}?state=bye"
    _check_dead(client, tokens)
    assert client.callback(client.start(browser, prompt="none"), {}).error == "login_required"
    page = Page(browser, browser.follow(client.start(browser)))
    assert page.id == "login-page"
    assert client.tokens(browser, username)


def _check_dead(client: RelyingParty, tokens: dict[str, str]) -> None:
    assert client.userinfo(tokens["access_token"]).status_code == 401
    for kind in ("access_token", "refresh_token"):
        assert client.introspect(tokens[kind]).json() == {"active": False}
    assert client.refresh(tokens["refresh_token"]).json()["error"] == "invalid_grant"
