"""Making an account: the form, the proof of the address by code or by link, and the client's request that goes on."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.authorize import ask, third_party, trusted_party
from tests.support.idp_server import ServerUnderTest, TimedServer, timed_server
from tests.support.newcomers import NEW_PASSWORD, is_signed_in, new_email, newcomer, path_of
from tests.support.relying_party import Browser, claims_of

# --- By code, by link


def test_from_the_clients_request_to_tokens_by_the_code(server: ServerUnderTest, browser: Browser) -> None:
    client, grace = trusted_party(server), newcomer(server, browser)
    asked = ask(client, browser, scope="openid profile email")
    page = browser.open(str(asked.page.soup.select_one("#to-sign-up")["href"]))  # type: ignore[index]
    page = grace.begin(page)
    assert grace.email in page.text
    assert grace.user_id is None, "there is no account before the address is proved"
    asked = asked.then(page.submit("confirm", code=grace.mail.code))
    tokens = client.redeem(asked.callback).json()
    claims = claims_of(tokens["id_token"])
    assert claims["sub"] == grace.user_id
    assert (claims["acr"], claims["amr"]) == ("aal1", ["pwd"])
    info = client.userinfo(tokens["access_token"]).json()
    assert (info["email"], info["email_verified"]) == (grace.email, True)
    assert (info["name"], info["given_name"], info["preferred_username"]) == ("Grace Hopper", "Grace", grace.username)


def test_from_the_clients_request_to_tokens_by_the_link(server: ServerUnderTest, browser: Browser) -> None:
    client, grace = third_party(server), newcomer(server, browser)
    asked = ask(client, browser, scope="openid email", prompt="create")
    grace.begin(asked.page)
    page = browser.open(path_of(grace.mail.link))
    assert page.id == "confirm-page"
    assert grace.user_id is None
    consent = asked.then(page.submit("confirm"))
    assert consent.page.id == "consent-page"
    done = asked.then(consent.page.submit("allow"))
    assert claims_of(client.redeem(done.callback).json()["id_token"])["sub"] == grace.user_id


def test_without_a_client_the_new_person_is_at_home(server: ServerUnderTest, browser: Browser) -> None:
    grace = newcomer(server, browser)
    answer = grace.begin().submit("confirm", code=grace.mail.code)
    assert (answer.status_code, answer.headers["Location"]) == (303, "/")
    assert is_signed_in(browser, "Grace Hopper")
    again = Browser(server).open("/login").submit("login", username=grace.email, password=NEW_PASSWORD)
    assert again.status_code == 303


def test_whoever_came_from_the_account_page_returns_to_it(server: ServerUnderTest, browser: Browser) -> None:
    grace = newcomer(server, browser)
    login = browser.open("/account")
    page = browser.open(str(login.soup.select_one("#to-sign-up")["href"]))  # type: ignore[index]
    answer = grace.begin(page).submit("confirm", code=grace.mail.code)
    assert answer.headers["Location"] == "/account"


def test_a_code_may_be_typed_with_spaces_and_hyphens(server: ServerUnderTest, browser: Browser) -> None:
    grace = newcomer(server, browser)
    page = grace.begin()
    code = grace.mail.code
    assert page.submit("confirm", code=f" {code[:3]} - {code[3:]} ").status_code == 303


@pytest.mark.asvs("7.2.4")
def test_another_browser_confirms_and_the_first_one_goes_on(server: ServerUnderTest, browser: Browser) -> None:
    client, grace = trusted_party(server), newcomer(server, browser)
    asked = ask(client, browser, prompt="create")
    waiting = grace.begin(asked.page)
    assert browser.page(waiting.submit("check")).soup.find(id="not-yet") is not None
    phone = Browser(server)
    page = phone.open(path_of(grace.mail.link))
    assert page.soup.find(id="other-browser") is not None
    done = phone.page(page.submit("confirm", password=grace.password))
    assert (done.status, done.id) == (200, "message-page")
    assert "idp_session" not in phone.http.cookies
    assert not is_signed_in(phone, "Grace Hopper")
    on_desk = browser.open("/sign-up/confirm")
    assert on_desk.id == "confirm-page", "a reload alone changes nothing"
    answer = asked.then(on_desk.submit("check"))
    assert claims_of(client.redeem(answer.callback).json()["id_token"])["sub"] == grace.user_id


@pytest.mark.asvs("6.4.3")
def test_the_first_browser_does_not_go_on_once_the_password_is_another(server: ServerUnderTest) -> None:
    """A reset ends what anybody began who knew the former password."""
    grace = newcomer(server)
    waiting = grace.begin()
    phone = Browser(server)
    phone.open(path_of(grace.mail.link)).submit("confirm", password=grace.password)
    server.store.users.set_password_hash(grace.user_id or "", server.password_hash, now=server.now)
    stale = grace.browser.page(waiting.submit("check"))
    assert (stale.status, stale.id) == (400, "message-page")
    assert not is_signed_in(grace.browser, "Grace Hopper")


def test_a_proof_is_good_for_an_hour(timed: TimedServer) -> None:
    grace = newcomer(timed)
    page = grace.begin()
    code, link = grace.mail.code, path_of(grace.mail.link)
    timed.forward(3601)
    assert grace.browser.page(page.submit("confirm", code=code)).id == "message-page"
    assert grace.browser.open(link).status == 400
    assert grace.user_id is None


def test_a_link_works_once(server: ServerUnderTest, browser: Browser) -> None:
    grace = newcomer(server, browser)
    grace.begin()
    link = path_of(grace.mail.link)
    page = browser.open(link)
    assert page.submit("confirm").status_code == 303
    again = Browser(server).open(link)
    assert (again.status, again.id) == (400, "message-page")
    assert browser.page(page.submit("confirm")).status == 400


def test_of_two_who_chose_one_user_name_the_second_is_told(server: ServerUnderTest) -> None:
    first, second = newcomer(server), newcomer(server)
    second.username = first.username.upper()
    pages = first.begin(), second.begin()
    assert pages[0].submit("confirm", code=first.mail.code).status_code == 303
    refused = second.browser.page(pages[1].submit("confirm", code=second.mail.code))
    assert (refused.status, refused.id) == (409, "message-page")
    assert second.user_id is None


def test_signing_up_in_the_browser_of_somebody_else_ends_their_session(server: ServerUnderTest) -> None:
    ada, browser = newcomer(server), Browser(server)
    ada.browser = browser
    ada.begin().submit("confirm", code=ada.mail.code)
    old = browser.http.cookies["idp_session"]
    grace = newcomer(server, browser, email=new_email())
    grace.begin().submit("confirm", code=grace.mail.code)
    assert browser.http.cookies["idp_session"] != old
    stale = Browser(server)
    stale.http.cookies.set("idp_session", old)
    assert stale.open("/login").id == "login-page"


# --- The form


@pytest.mark.parametrize(
    ("field", "value", "says"),
    [
        ("username", "", "Fill in this field"),
        ("username", "ab", "3 to 32 letters"),
        ("username", "a" * 33, "3 to 32 letters"),
        ("username", "ada@example.com", "3 to 32 letters"),
        ("username", "аda", "3 to 32 letters"),
        ("email", "", "Fill in this field"),
        ("email", "ada", "Enter an e-mail address"),
        ("email", "a@b@c.example", "Enter an e-mail address"),
        ("email", "a,b@c.example", "Enter an e-mail address"),
        ("email", "ada@example..com", "Enter an e-mail address"),
        ("email", "x" * 65 + "@example.com", "Enter an e-mail address"),
        ("email", "ada@" + "x" * 300 + ".example", "Enter an e-mail address"),
        ("email", "ada\u202e@example.com", "Enter an e-mail address"),
        ("given_name", "x" * 101, "too long"),
        ("given_name", "Grace\u0000", "cannot be used"),
        ("family_name", "\u202egnihtyreve", "cannot be used"),
        ("password", "", "Choose a password"),
        ("password", "short", "at least 8"),
        ("password_again", "different", "differ"),
    ],
)
def test_a_mistake_is_said_beside_its_field_and_nothing_is_sent(
    server: ServerUnderTest, browser: Browser, field: str, value: str, says: str
) -> None:
    grace = newcomer(server, browser)
    page = browser.page(grace.fill_in(**{field: value}))
    assert (page.status, page.id) == (400, "sign-up-page")
    assert says in page.text
    assert page.soup.find(id=f"{field}-error") is not None
    assert server.mails(grace.email) == []
    kept = page.soup.find(id="given_name" if field != "given_name" else "username")
    assert kept["value"] == ("Grace" if field != "given_name" else grace.username)  # type: ignore[index]
    assert page.soup.find(id="password").get("value") is None  # type: ignore[union-attr]


@pytest.mark.asvs("6.2.4")
@pytest.mark.asvs("6.2.11")
def test_a_password_of_ones_own_names_or_a_common_one_is_refused(server: ServerUnderTest, browser: Browser) -> None:
    grace = newcomer(server, browser)
    own = browser.page(grace.fill_in(password="Hopper-Grace-1", password_again="Hopper-Grace-1"))
    assert "your own name" in own.text
    common = browser.page(grace.fill_in(password="password1234", password_again="password1234"))
    assert "tried first" in common.text


def test_a_user_name_that_is_taken_is_said(server: ServerUnderTest, browser: Browser) -> None:
    grace, taken = newcomer(server, browser), server.add_user()
    page = browser.page(grace.fill_in(username=taken.username.upper()))
    assert "This user name is taken" in page.text


def test_the_address_that_the_client_hints_at_is_filled_in(server: ServerUnderTest, browser: Browser) -> None:
    client = third_party(server)
    page = ask(client, browser, prompt="create", login_hint="grace@mail.example").page
    assert page.soup.find(id="email")["value"] == "grace@mail.example"  # type: ignore[index]
    page = ask(client, Browser(server), prompt="create", login_hint="not an address").page
    assert page.soup.find(id="email")["value"] == ""  # type: ignore[index]


def test_spaces_around_and_between_words_are_one(server: ServerUnderTest, browser: Browser) -> None:
    grace = newcomer(server, browser)
    page = grace.begin(given_name=" Grace\u00a0 Brewster ", email=f" {grace.email} ")
    page.submit("confirm", code=grace.mail.code)
    user = server.store.users.find(grace.user_id or "")
    assert user is not None
    assert user.claims["name"] == "Grace Brewster Hopper"


# --- What a deployment may choose


@pytest.fixture(scope="module")
def lean(tmp_path_factory: pytest.TempPathFactory, signing_keys: Path) -> Iterator[TimedServer]:
    """A form that asks for the address alone, and may be given a telephone number."""
    folder = tmp_path_factory.mktemp("lean")
    with timed_server(folder, keys_from=signing_keys, sign_up_fields="email phone_number?") as server:
        yield server


def test_the_form_asks_for_what_is_configured_and_a_user_name_is_derived(lean: TimedServer) -> None:
    grace = newcomer(lean)
    page = grace.browser.open("/sign-up")
    assert [page.soup.find(id=name) is not None for name in ("given_name", "username", "phone_number")] == [
        False,
        False,
        True,
    ]
    assert page.soup.find(id="email")["autocomplete"] == "username", "what password managers keep"  # type: ignore[index]
    answer = grace.begin(page, phone_number="+33 1 23 45 67 89").submit("confirm", code=grace.mail.code)
    assert answer.status_code == 303
    user = lean.store.users.find(grace.user_id or "")
    assert user is not None
    assert user.username.startswith("person")
    assert user.claims["phone_number"] == "+33 1 23 45 67 89"
    assert user.claims["phone_number_verified"] is False
    assert "given_name" not in user.claims, "what is not asked for is not taken"


@pytest.mark.parametrize(
    "settings", [{"sign_up": "closed"}, {"sign_up": "invitation"}, {"local_passwords": "false"}], ids=str
)
def test_where_sign_up_is_not_open_there_is_neither_form_nor_link(
    tmp_path: Path, signing_keys: Path, settings: dict[str, str]
) -> None:
    with timed_server(tmp_path, keys_from=signing_keys, **settings) as server:
        browser, grace = Browser(server), newcomer(server)
        assert browser.open("/login").soup.find(id="to-sign-up") is None
        page = browser.open("/sign-up")
        assert (page.status, page.id) == (403, "message-page")
        token = ask(trusted_party(server), browser).page.fields("cancel")[1]["csrf_token"]
        form = {"csrf_token": token, "username": grace.username, "email": grace.email}
        form |= {"password": NEW_PASSWORD, "password_again": NEW_PASSWORD}
        assert browser.post("/sign-up", data=form).status_code == 403
        assert server.mails(grace.email) == []


def test_without_local_passwords_nobody_signs_in_or_recovers_by_one(tmp_path: Path, signing_keys: Path) -> None:
    with timed_server(tmp_path, keys_from=signing_keys, local_passwords="false") as server:
        user, browser = server.add_user(), Browser(server)
        page = browser.open("/login")
        assert [page.soup.find(id=name) for name in ("username", "password", "to-recover")] == [None] * 3
        asked = ask(trusted_party(server), browser)
        form = asked.page.fields("cancel")[1] | {"username": user.username, "password": "correct horse battery staple"}
        form.pop("cancel")
        refused = browser.page(browser.post("/login", data=form))
        assert refused.id == "login-page"
        assert "There are no passwords here" in refused.text
        assert "idp_session" not in browser.http.cookies
        assert browser.open("/recover").status == 403
        assert browser.open("/recover/reset?token=x").status == 403


@pytest.mark.asvs("6.3.1")
def test_an_address_begins_only_so_many_accounts_a_minute(tmp_path: Path, signing_keys: Path) -> None:
    limits = {"ratelimit_enabled": "true", "ratelimit_sign_up": "2 per minute"}
    with timed_server(tmp_path, keys_from=signing_keys, **limits) as server:
        grace, taken = newcomer(server), server.add_user()
        for _ in range(3):
            assert grace.fill_in(password="short").status_code == 400, "mistakes do not count"
        assert [newcomer(server, grace.browser).fill_in().status_code for _ in range(3)] == [303, 303, 429]
        page = grace.browser.open("/recover")
        assert page.submit("recover", email=grace.email).status_code == 429, "recoveries count with them"
        for username in (taken.username, grace.username):
            page = grace.browser.page(grace.fill_in(username=username, password="short"))
            assert (page.status, "This user name is taken" in page.text) == (400, False)
            assert grace.fill_in(username=username).status_code == 429


@pytest.mark.asvs("6.3.8")
def test_user_names_are_told_to_be_taken_no_faster_than_accounts_are_begun(tmp_path: Path, signing_keys: Path) -> None:
    limits = {"ratelimit_enabled": "true", "ratelimit_sign_up": "2 per minute"}
    with timed_server(tmp_path, keys_from=signing_keys, **limits) as server:
        grace, taken = newcomer(server), server.add_user()
        answers = [grace.fill_in(username=taken.username) for _ in range(3)]
        assert [answer.status_code for answer in answers] == [400, 400, 429]
        assert ["This user name is taken" in answer.text for answer in answers] == [True, True, False]
