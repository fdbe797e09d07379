"""Attacks on the account pages: forms from elsewhere, other people's things by name, sessions that are old, stolen,
fixed or over, addresses lent by a click, and ways out to other sites."""

import re
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from idp.store.users import NewUser
from tests.pages.account_visits import (
    FRESH_SECONDS,
    NEW_PASSWORD,
    is_signed_in,
    mail,
    opened,
    person,
    sent,
    session_cookie,
    templates,
)
from tests.pages.people_elsewhere import csrf_token, later, running_stage
from tests.support.accounts import PASSWORD
from tests.support.authorize import signed_in, third_party
from tests.support.idp_server import TimedServer, timed_server
from tests.support.relying_party import Browser

POSTS = {
    "/account/profile": {"given_name": "Mallory"},
    "/account/email": {"email": "mallory@example.org"},
    "/account/email/confirm": {"code": "123456"},
    "/account/email/undo": {"token": "x"},
    "/account/password": {"current_password": PASSWORD, "password": NEW_PASSWORD, "password_again": NEW_PASSWORD},
    "/account/sessions/end": {"others": "1"},
    "/account/sessions/trust": {"key": "x"},
    "/account/apps/withdraw": {"client_id": "x"},
    "/account/unlink": {"key": "x"},
}
WORDS = ("profile", "email", "password", "factors", "sessions", "apps")
every_post = pytest.mark.parametrize("path", POSTS)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, signing_keys: Path) -> Iterator[TimedServer]:  # type: ignore[override]
    with timed_server(tmp_path_factory.mktemp("attacks"), keys_from=signing_keys) as running:
        yield running


def standing(server: TimedServer, user: NewUser) -> object:
    return server.store.users.find(user.id), server.store.users.find_for_sign_in(user.username)


# --- Forms


@every_post
@pytest.mark.asvs("3.5.1")
def test_a_form_without_our_token_or_from_another_site_changes_nothing(server: TimedServer, path: str) -> None:
    user, browser = person(server)
    other = signed_in(server, user.username)
    before = standing(server, user)
    fields = POSTS[path] | {"account": user.username}
    token = csrf_token(opened(browser, "/account/password"))
    for form, headers in (
        (fields, {}),
        (fields | {"csrf_token": "guessed"}, {}),
        (fields | {"csrf_token": csrf_token(Browser(server).open("/login"))}, {}),
        (fields | {"csrf_token": token}, {"Sec-Fetch-Site": "cross-site"}),
        (fields | {"csrf_token": token}, {"Sec-Fetch-Site": "same-site"}),
    ):
        answer = browser.post(path, data=form, headers=headers)
        assert answer.status_code in {303, 400}
        assert answer.status_code == 400 or path.startswith("/account/email/"), "nothing was under way there"
    assert standing(server, user) == before
    assert is_signed_in(other)


@every_post
def test_whoever_is_not_signed_in_changes_nothing(server: TimedServer, path: str) -> None:
    stranger = Browser(server)
    token = csrf_token(stranger.open("/login"))
    answer = stranger.post(path, data=POSTS[path] | {"csrf_token": token})
    assert answer.status_code in {303, 400}
    if answer.status_code == 303:
        assert urlsplit(answer.headers["Location"]).path in {"/login", "/account", "/account/email"}


@every_post
def test_a_get_changes_nothing(server: TimedServer, path: str) -> None:
    user, browser = person(server)
    before = standing(server, user)
    answer = browser.get(path, params=POSTS[path] | {"csrf_token": csrf_token(opened(browser, "/account/password"))})
    assert answer.status_code in {200, 303, 400, 405}
    assert standing(server, user) == before
    assert "email_change" not in templates(server, "mallory@example.org")


def test_a_form_shown_to_one_person_is_not_taken_from_another_in_the_same_browser(server: TimedServer) -> None:
    first, browser = person(server)
    browser.open("/logout").submit()
    second = server.add_user()
    signed_in(server, second.username, browser)
    token = csrf_token(opened(browser, "/account/profile"))
    form = {"account": first.username, "given_name": "Mallory", "csrf_token": token}
    assert browser.page(browser.post("/account/profile", data=form)).id == "account-profile-page"
    assert [each.claims["given_name"] for each in map(server.store.users.find, (first.id, second.id)) if each] == [
        "Ada"
    ] * 2


@every_post
@pytest.mark.parametrize("value", ["\x00", "\ud800", "x" * 5000, "\u202e", "' OR 1=1 --"])
def test_odd_values_are_no_trouble(server: TimedServer, path: str, value: str) -> None:
    user, browser = person(server)
    token = csrf_token(opened(browser, "/account/password"))
    form = [(name, value.encode("utf-8", "surrogatepass")) for name in (*POSTS[path], *POSTS[path], "token")]
    answer = browser.post(path, data=[*form, ("csrf_token", token.encode()), ("account", user.username.encode())])
    assert answer.status_code in {303, 400}


# --- Other people's things


@pytest.mark.asvs("8.2.2")
def test_nobody_ends_the_session_of_somebody_else(server: TimedServer) -> None:
    _, attacker = person(server)
    victim, browser = person(server)
    (theirs,) = server.store.sessions.list_live(victim.id, now=server.now)
    form = {"csrf_token": csrf_token(opened(attacker, "/account/password")), "sid": theirs.sid}
    assert attacker.post("/account/sessions/end", data=form).status_code == 303
    assert is_signed_in(browser)
    assert theirs.sid not in opened(attacker, "/account/sessions").response.text


@pytest.mark.asvs("8.2.2")
def test_nobody_takes_an_application_or_a_trusted_browser_away_from_somebody_else(server: TimedServer) -> None:
    _, attacker = person(server)
    victim, browser = person(server)
    party = third_party(server)
    tokens = party.tokens(browser, scope="openid offline_access", prompt="consent")
    server.store.devices.trust(None, f"c{victim.id}", victim.id, until=server.now + 999, now=server.now)
    (device,) = server.store.devices.list_trusted(victim.id, now=server.now)
    token = csrf_token(opened(attacker, "/account/password"))
    attacker.post("/account/apps/withdraw", data={"csrf_token": token, "client_id": party.client.client_id})
    attacker.post("/account/sessions/trust", data={"csrf_token": token, "key": device.key})
    assert party.refresh(tokens["refresh_token"]).status_code == 200
    assert server.store.devices.is_trusted(f"c{victim.id}", victim.id, now=server.now)


def test_a_victim_who_clicks_does_not_lend_their_address_to_the_attackers_account(server: TimedServer) -> None:
    """The attacker asks for the victim's free address; the link reaches the victim, signed in or not."""
    attacker, browser = person(server)
    address = f"free-{attacker.username}@example.org"
    sent(opened(browser, "/account/email"), "change-email", email=address)
    link = mail(server, address, "email_change").link
    _, victims = person(server)
    for innocent in (Browser(server), victims):
        page = innocent.open(link)
        assert page.id == "message-page"
        form = {"csrf_token": csrf_token(opened(victims, "/account/password")), "token": link.partition("token=")[2]}
        assert innocent.post("/account/email/confirm", data=form).status_code in {200, 400}
    found = server.store.users.find(attacker.id)
    assert found is not None
    assert found.email == attacker.email


def test_the_code_is_no_use_in_another_browser(server: TimedServer) -> None:
    user, browser = person(server)
    address = f"new-{user.username}@example.org"
    sent(opened(browser, "/account/email"), "change-email", email=address)
    code = mail(server, address, "email_change").code
    other = signed_in(server, user.username)
    form = {"csrf_token": csrf_token(opened(other, "/account/password")), "account": user.username, "code": code}
    assert other.page(other.post("/account/email/confirm", data=form)).id == "account-email-page"
    found = server.store.users.find(user.id)
    assert found is not None
    assert found.email == user.email


# --- Sessions


@pytest.mark.asvs("7.5.1", "7.5.2")
@pytest.mark.parametrize("path", ["/account/email", "/account/sessions/end", "/account/sessions/trust"])
def test_a_stale_session_changes_nothing_that_matters(server: TimedServer, path: str) -> None:
    user, browser = person(server)
    other, before = signed_in(server, user.username), standing(server, user)
    token = csrf_token(opened(browser, "/account/password"))
    with later(server, FRESH_SECONDS + 2):
        form = POSTS[path] | {"csrf_token": token, "account": user.username}
        answer = browser.post(path, data=form)
        assert answer.status_code == 303
        assert standing(server, user) == before
        assert is_signed_in(other)
    assert templates(server, "mallory@example.org") == []


@pytest.mark.asvs("7.5.1")
def test_a_fresh_password_alone_changes_nothing_where_there_is_a_second_factor(server: TimedServer) -> None:
    user, browser = person(server)
    server.store.totp.save(user.id, "a secret that nobody uses", step=0, now=server.now)
    before = standing(server, user)
    token = csrf_token(browser.open("/logout"))
    for path in ("/account/email", "/account/password", "/account/sessions/end"):
        form = POSTS[path] | {"csrf_token": token, "account": user.username}
        assert browser.post(path, data=form).status_code == 303
    assert standing(server, user) == before
    page = opened(browser, "/account/password")
    again = page.soup.find(id="sign-in-again")
    assert again is not None
    assert urlsplit(str(again["href"])).path == "/second-factor"


@pytest.mark.asvs("7.2.4")
def test_a_cookie_value_that_was_planted_is_never_taken_over(server: TimedServer) -> None:
    user = server.add_user()
    browser = Browser(server)
    browser.http.cookies.set("idp_session", "planted-by-somebody")
    signed_in(server, user.username, browser)
    thief = Browser(server)
    thief.http.cookies.set("idp_session", "planted-by-somebody")
    assert not is_signed_in(thief)


@pytest.mark.asvs("7.4.1")
def test_a_session_that_was_ended_elsewhere_is_over_for_every_page_and_for_the_client(server: TimedServer) -> None:
    user, browser = person(server)
    stolen = signed_in(server, user.username)
    cookie = session_cookie(stolen)
    sent(opened(browser, "/account/sessions"), "end-others")
    for word in WORDS:
        assert stolen.open(f"/account/{word}").id == "login-page"
    again = Browser(server)
    again.http.cookies.set("idp_session", cookie)
    assert not is_signed_in(again)
    party = third_party(server)
    params, _ = party.request(prompt="none")
    assert "login_required" in stolen.get("/authorize", params=params).headers["Location"]


@pytest.mark.asvs("7.4.2")
def test_a_person_who_is_disabled_is_out_of_these_pages(server: TimedServer) -> None:
    user, browser = person(server)
    server.store.users.set_disabled(user.id, True, now=server.now)
    assert not is_signed_in(browser)


# --- Ways out


@pytest.mark.parametrize(
    "to",
    [
        "https://evil.example",
        "//evil.example",
        "/account/email",
        "account-email@evil.example",
        "account-emai",
        "\x00",
        "account",
        "",
    ],
)
def test_no_sign_in_leads_to_an_address_that_somebody_chose(server: TimedServer, to: str) -> None:
    user = server.add_user()
    page = (
        Browser(server).open(f"/login?again=1&to={to}") if "\x00" not in to else Browser(server).open("/login?to=%00")
    )
    answer = page.submit("login", username=user.username, password=PASSWORD)
    assert answer.headers["Location"] in {"/", "/account"}


@pytest.mark.parametrize(
    "query", ["saved=<b>x", "ended=<script>", "changed=%00", "to=https://evil.example", "next=//evil"]
)
def test_the_address_puts_no_words_on_the_pages(server: TimedServer, query: str) -> None:
    _, browser = person(server)
    for word in WORDS:
        page = opened(browser, f"/account/{word}")
        with_query = browser.open(f"/account/{word}?{query}")
        assert with_query.status == 200
        value = query.partition("=")[2]
        shown = re.sub(r"<nav aria-label=\"Language\">.*?</nav>", "", with_query.response.text, flags=re.DOTALL)
        assert value not in shown or value in page.response.text


def test_links_in_mails_come_from_the_issuer_whatever_the_request_says(server: TimedServer) -> None:
    user, browser = person(server)
    address = f"hosts-{user.username}@example.org"
    page = opened(browser, "/account/email")
    url, values = page.fields("change-email")
    cookies = "; ".join(f"{cookie.name}={cookie.value}" for cookie in browser.http.cookies)
    poison = {"Host": "evil.example", "X-Forwarded-Host": "evil.example", "Forwarded": "host=evil.example"}
    poison["Cookie"] = cookies  # which a browser would not send to that host
    browser.post(url, data=values | {"email": address}, headers=poison)
    assert mail(server, address, "email_change").link.startswith(server.issuer + "/account/email/confirm?token=")


def test_an_answer_of_these_pages_is_kept_by_nobody(server: TimedServer) -> None:
    _, browser = person(server)
    for word in WORDS:
        headers = browser.get(f"/account/{word}").headers
        assert (headers["Cache-Control"], headers["Referrer-Policy"]) == ("no-store", "no-referrer")


@pytest.mark.asvs("7.5.1")
def test_another_way_in_is_not_added_by_a_password_alone_where_there_is_a_second_factor(
    tmp_path: Path, signing_keys: Path
) -> None:
    with running_stage(tmp_path, signing_keys) as stage:
        user, browser = person(stage)
        form = opened(browser, "/account").fields("link-google")[1]
        stage.store.totp.save(user.id, "a secret that nobody uses", step=0, now=stage.now)
        refused = browser.post("/upstream/google", data=form)
        assert (refused.status_code, refused.headers["Location"]) == (303, "/account")
