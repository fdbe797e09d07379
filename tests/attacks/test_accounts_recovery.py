"""Attacks on making and recovering accounts: links that lead elsewhere, are used twice, or by somebody else; codes that
are guessed; accounts prepared for their victims."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import urlencode, urlsplit

import pytest
import requests

from idp.accounts import email_proofs
from idp.accounts.email_proofs import CODE_TRIES, DAILY_TRIES
from idp.accounts.passwords import Passwords
from idp.store.identities import Key, LinkedIdentity
from tests.support.accounts import PASSWORD
from tests.support.authorize import ask, trusted_party
from tests.support.crowd import at_once, patiently
from tests.support.idp_server import ServerUnderTest, TimedServer
from tests.support.newcomers import NEW_PASSWORD, is_signed_in, newcomer, path_of
from tests.support.relying_party import Browser, Page

ELSEWHERE = "https://evil.example"


def reset_link(server: ServerUnderTest, email: str, browser: Browser | None = None) -> str:
    browser = browser or Browser(server)
    browser.open("/recover").submit("recover", email=email)
    mail = server.mails(email)[-1]
    assert mail.template == "password_reset"
    return path_of(mail.link)


def other_code(code: str, step: int = 1) -> str:
    return f"{(int(code) + step) % 1_000_000:06}"


# --- Links


@pytest.mark.asvs("6.4.3")
@pytest.mark.parametrize(
    "headers",
    [
        {"Host": "evil.example"},
        {"X-Forwarded-Host": "evil.example"},
        {"X-Forwarded-Proto": "https", "X-Forwarded-Host": "evil.example"},
        {"Forwarded": "host=evil.example;proto=https"},
        {"X-Original-Host": "evil.example", "X-Host": "evil.example", "X-Forwarded-Server": "evil.example"},
        {"X-Forwarded-Prefix": "/evil"},
    ],
    ids=lambda headers: " ".join(headers),
)
@pytest.mark.parametrize("page", ["/recover", "/sign-up"])
def test_no_header_changes_where_a_link_in_a_mail_leads(
    server: ServerUnderTest, headers: dict[str, str], page: str
) -> None:
    grace, user = newcomer(server), server.add_user()
    grace.browser.open(page)
    if page == "/sign-up":
        form = grace.browser.open(page)
        url, fields = form.fields("sign-up")
        fields |= {"username": grace.username, "email": grace.email, "password": NEW_PASSWORD}
        fields |= {"password_again": NEW_PASSWORD}
        email = grace.email
    else:
        url, fields = grace.browser.open(page).fields("recover")
        email = user.email or ""
        fields |= {"email": email}
    cookies = "; ".join(f"{cookie.name}={cookie.value}" for cookie in grace.browser.http.cookies)
    answer = grace.browser.post(url, data=fields, headers=headers | {"Cookie": cookies})
    assert (answer.status_code, len(server.mails(email))) == (303, 1)
    for mail in server.mails(email):
        links = [*mail.links, *[part for part in mail.html.split('"') if part.startswith("http")]]
        assert links
        assert all(link.startswith(server.issuer + "/") for link in links), links
        assert "evil" not in mail.text + mail.html


@pytest.mark.asvs("6.4.3")
def test_of_many_who_use_one_link_at_the_same_moment_one_succeeds(server: ServerUnderTest) -> None:
    user = server.add_user()
    link = reset_link(server, user.email or "")
    pages = [Browser(server).open(link) for _ in range(6)]
    passwords = [f"{NEW_PASSWORD} {number}" for number in range(6)]

    def use(number: int) -> int:
        fields = {"password": passwords[number], "password_again": passwords[number]}
        return patiently(lambda: pages[number].submit("reset", **fields)).status_code

    answers = at_once(6, use)
    assert sorted(answers) == [303] + [400] * 5
    found, login = server.store.users.find_for_sign_in(user.username), Browser(server).open("/login")
    assert found is not None
    fits = [Passwords(server.settings).is_right(each, found[1]) for each in passwords]
    assert fits == [answer == 303 for answer in answers]
    assert login.submit("login", username=user.username, password=passwords[fits.index(True)]).status_code == 303


def test_a_token_is_good_in_its_own_place_alone(server: ServerUnderTest) -> None:
    user, grace = server.add_user(), newcomer(server)
    reset = reset_link(server, user.email or "").partition("token=")[2]
    grace.begin()
    proof = path_of(grace.mail.link).partition("token=")[2]
    browser = Browser(server)
    assert browser.open(f"/sign-up/confirm?token={reset}").status == 400
    assert browser.open(f"/recover/reset?token={proof}").status == 400
    assert browser.open(f"/sign-up?invitation={proof}").soup.find(attrs={"name": "invitation"}) is None
    assert browser.open(f"/sign-up?invitation={reset}").soup.find(attrs={"name": "invitation"}) is None
    assert browser.open(f"/recover/reset?token={reset}").status == 200


@pytest.mark.asvs("6.4.3")
def test_programs_that_follow_the_links_of_mails_use_nothing_up(server: ServerUnderTest) -> None:
    user, grace = server.add_user(), newcomer(server)
    reset = reset_link(server, user.email or "")
    waiting = grace.begin()
    for link in (reset, path_of(grace.mail.link)):
        for _ in range(3):
            assert requests.get(server.url(link), timeout=10).status_code == 200
            assert requests.head(server.url(link), timeout=10).status_code in {200, 405}
    assert grace.user_id is None
    assert waiting.submit("confirm", code=grace.mail.code).status_code == 303
    page = Browser(server).open(reset)
    assert page.submit("reset", password=NEW_PASSWORD, password_again=NEW_PASSWORD).status_code == 303


def test_a_link_is_handed_to_nobody_by_the_page_it_leads_to(server: ServerUnderTest) -> None:
    link = reset_link(server, server.add_user().email or "")
    page = Browser(server).open(link)
    assert page.response.headers["Referrer-Policy"] == "no-referrer"
    assert page.response.headers["Cache-Control"] == "no-store"
    token = link.partition("token=")[2]
    assert not [tag for tag in page.soup.find_all("a") if token in str(tag.get("href"))]
    assert token not in server.log_text()


# --- Whose browser it is


@pytest.mark.asvs("7.2.4")
def test_a_link_that_somebody_else_sent_signs_nobody_in_as_them(server: ServerUnderTest) -> None:
    """Login CSRF: the attacker's own link, opened and confirmed by the victim, who was told the password too."""
    mallory, victim = newcomer(server), Browser(server)
    mallory.begin()
    done = victim.page(victim.open(path_of(mallory.mail.link)).submit("confirm", password=mallory.password))
    assert done.id == "message-page"
    assert mallory.user_id is not None
    assert "idp_session" not in victim.http.cookies


@pytest.mark.asvs("6.3.4", "6.4.1")
def test_nobody_confirms_the_account_of_a_stranger_who_began_it_with_their_address(server: ServerUnderTest) -> None:
    """Pre-hijacking: the owner of the mailbox follows the link without knowing what it is for."""
    mallory, owner = newcomer(server), Browser(server)
    mallory.begin()
    page = owner.open(path_of(mallory.mail.link))
    for password in ("", "my own password", mallory.password.upper()):
        page = owner.page(page.submit("confirm", password=password))
        assert (page.status, page.id) == (400, "confirm-page")
        assert mallory.user_id is None
    for _ in range(8):
        page = owner.page(page.submit("confirm", password="guess"))
    assert owner.page(page.submit("confirm", password=mallory.password)).status == 400, "no more tries"
    assert mallory.user_id is None


@pytest.mark.asvs("6.6.2")
def test_only_the_browser_that_began_may_use_the_code_or_go_on(server: ServerUnderTest) -> None:
    grace, thief = newcomer(server), Browser(server)
    grace.begin()
    page = thief.open("/sign-up")
    token = page.fields("sign-up")[1]["csrf_token"]
    refused = thief.post("/sign-up/confirm", data={"csrf_token": token, "code": grace.mail.code})
    assert refused.status_code == 400
    assert grace.user_id is None
    Browser(server).open(path_of(grace.mail.link)).submit("confirm", password=grace.password)
    assert grace.user_id is not None
    refused = thief.post("/sign-up/confirm", data={"csrf_token": token, "check": "1"})
    assert refused.status_code == 400
    assert not is_signed_in(thief, "Grace Hopper")


def test_going_on_elsewhere_works_once(server: ServerUnderTest) -> None:
    grace = newcomer(server)
    waiting = grace.begin()
    Browser(server).open(path_of(grace.mail.link)).submit("confirm", password=grace.password)
    twin = Browser(server)
    twin.http.cookies.update(grace.browser.http.cookies)
    assert waiting.submit("check").status_code == 303
    url, fields = waiting.fields("check")
    assert twin.post(url, data=fields).status_code == 400


@pytest.mark.asvs("7.2.4")
def test_a_session_id_that_was_there_before_is_not_kept(server: ServerUnderTest) -> None:
    """Session fixation: a cookie that an attacker has planted is not the one that is signed in."""
    grace = newcomer(server)
    grace.browser.http.cookies.set("idp_session", "planted-by-somebody-else", domain="localhost.local")
    page = grace.begin()
    answer = page.submit("confirm", code=grace.mail.code)
    cookies = [part for part in answer.headers["Set-Cookie"].split(", ") if part.startswith("idp_session=")]
    assert len(cookies) == 1
    assert "planted" not in cookies[0]
    planted = Browser(server)
    planted.http.cookies.set("idp_session", "planted-by-somebody-else", domain="localhost.local")
    assert not is_signed_in(planted, "Grace Hopper")


@pytest.mark.asvs("3.5.1")
@pytest.mark.parametrize("path", ["/sign-up", "/sign-up/confirm", "/recover", "/recover/reset"])
@pytest.mark.parametrize(
    "headers", [{}, {"Sec-Fetch-Site": "cross-site"}], ids=["without a token", "from another site"]
)
def test_forms_of_other_sites_are_refused(server: ServerUnderTest, path: str, headers: dict[str, str]) -> None:
    user, grace = server.add_user(), newcomer(server)
    grace.begin()
    sent = len(server.mails(user.email or ""))
    form = {"email": user.email, "username": grace.username, "password": NEW_PASSWORD, "password_again": NEW_PASSWORD}
    link = reset_link(server, user.email or "")
    form |= {"code": grace.mail.code} if "sign-up" in path else {"token": link.partition("token=")[2]}
    if headers:
        form["csrf_token"] = grace.browser.open("/recover").fields("recover")[1]["csrf_token"]
    answer = grace.browser.post(path, data=form, headers=headers)
    assert answer.status_code in {400, 403}
    assert grace.user_id is None
    assert len(server.mails(user.email or "")) == sent + 1
    assert Browser(server).open("/login").submit(
        "login", username=user.username, password=PASSWORD
    ).status_code == 303, "the password is the old one"  # fmt: skip


# --- Guessing


def codes_looked_at(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """From now on, every code that is compared in this process."""
    looked: list[str] = []
    original = email_proofs._code_hashes

    def counting(server: Any, proof_id: str, code: str) -> list[str]:
        looked.append(code)
        return original(server, proof_id, code)

    monkeypatch.setattr(email_proofs, "_code_hashes", counting)
    return looked


@pytest.mark.asvs("6.6.3")
def test_five_wrong_codes_end_it_also_when_sent_at_once_to_several_workers(server: ServerUnderTest) -> None:
    grace = newcomer(server)
    page = grace.begin()
    code, (url, fields) = grace.mail.code, page.fields("confirm")
    twins = []
    for _ in range(12):
        twin = Browser(server)
        twin.http.cookies.update(grace.browser.http.cookies)
        twins.append(twin)
    tried = [other_code(code, step) for step in range(1, 12)] + [code]

    def guess(number: int) -> int:
        return twins[number].post(url, data=fields | {"code": tried[number]}).status_code

    with ThreadPoolExecutor(11) as pool:
        assert set(pool.map(guess, range(11))) == {400}
    assert guess(11) == 400, "the right one comes too late"
    assert grace.user_id is None
    answer = grace.browser.open(path_of(grace.mail.link)).submit("confirm")
    assert answer.status_code == 303, "the link is no guess"


@pytest.mark.asvs("6.6.3")
def test_of_all_guesses_at_once_no_more_than_five_are_looked_at(
    timed: TimedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked = codes_looked_at(monkeypatch)
    grace = newcomer(timed)
    url, fields = grace.begin().fields("confirm")
    cookies, code = dict(grace.browser.http.cookies), grace.mail.code

    def guess(number: int) -> int:
        data = fields | {"code": other_code(code, number + 1)}
        return requests.post(url, data=data, cookies=cookies, timeout=60, allow_redirects=False).status_code

    with ThreadPoolExecutor(10) as pool:
        assert set(pool.map(guess, range(20))) == {400}
    assert len(looked) == CODE_TRIES


@pytest.mark.asvs("6.6.3")
def test_beginning_again_and_again_gives_no_more_than_twenty_guesses_a_day(
    timed: TimedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked = codes_looked_at(monkeypatch)
    mallory = newcomer(timed)
    for _ in range(6):
        page = mallory.begin()
        for step in range(1, CODE_TRIES + 1):
            page.submit("confirm", code=other_code(mallory.mail.code, step))
    assert len(looked) == DAILY_TRIES
    timed.forward(3601)
    owner = newcomer(timed, email=mallory.email)
    owner.begin()
    assert owner.browser.open(path_of(owner.mail.link)).submit("confirm").status_code == 303
    assert is_signed_in(owner.browser, "Grace Hopper"), "the owner of the address is not locked out by it"


def test_after_six_mails_in_an_hour_to_one_address_no_proof_can_succeed(server: ServerUnderTest) -> None:
    grace = newcomer(server)
    for _ in range(5):
        grace.begin()
    page = grace.begin()
    assert len(server.mails(grace.email)) == 5
    assert page.submit("confirm", code=grace.mail.code).status_code == 400


# --- Accounts prepared for a victim


@pytest.mark.asvs("6.4.3")
def test_an_unproved_sign_up_leaves_nothing_that_waits_for_its_victim(server: ServerUnderTest) -> None:
    """Pre-hijacking: an account begun with the victim's address and the attacker's password never comes to be."""
    mallory = newcomer(server)
    mallory.begin()
    victim = newcomer(server, email=mallory.email)
    victim.username, victim.password = mallory.username, "the victim chooses this one"
    page = victim.begin()
    page.submit("confirm", code=victim.mail.code)
    login = Browser(server).open("/login")
    assert login.submit("login", username=victim.email, password=mallory.password).status_code == 200
    assert login.submit("login", username=victim.email, password=victim.password).status_code == 303
    links = [path_of(mail.link) for mail in server.mails(mallory.email) if mail.template == "verify_email"]
    late = mallory.browser.page(mallory.browser.open(links[0]).submit("confirm"))
    assert late.status == 409, "the older link makes no second account"


def test_recovery_shuts_out_whoever_entered_an_unconfirmed_address_first(server: ServerUnderTest) -> None:
    trap = server.add_user(email_verified=False)
    key = Key("google", "https://accounts.google.com", f"mallory-{trap.id}")
    server.store.identities.add(LinkedIdentity(key, trap.id, "sign_up"))
    page = Browser(server).open(reset_link(server, trap.email or ""))
    page.submit("reset", password=NEW_PASSWORD, password_again=NEW_PASSWORD)
    assert server.store.identities.find(key) is None
    login = Browser(server).open("/login")
    assert login.submit("login", username=trap.username, password=PASSWORD).status_code == 200


# --- Redirects


@pytest.mark.asvs("3.7.2")
@pytest.mark.parametrize(
    "name", ["to", "next", "interaction", "return_to", "return", "redirect_uri", "url", "continue"]
)
@pytest.mark.parametrize("value", [ELSEWHERE, "//evil.example", "/\\evil.example", "javascript:alert(1)"])
def test_no_parameter_leads_elsewhere(server: ServerUnderTest, name: str, value: str) -> None:
    browser, user = Browser(server), server.add_user()
    for path in ("/sign-up", "/recover", "/login"):
        page = browser.open(f"{path}?{urlencode({name: value})}")
        assert_stays(page, value)
    grace = newcomer(server)
    answer = grace.fill_in(**{name: value}) if name not in {"interaction"} else None
    if answer is not None:
        assert_local(answer)
        page = grace.browser.page(answer)
        assert_local(page.submit("confirm", code=grace.mail.code, **{name: value}))
    answer = browser.open("/recover").submit("recover", email=user.email or "", **{name: value})
    assert_local(answer) if answer.status_code == 303 else None
    for mail in server.mails(user.email or ""):
        assert "evil" not in mail.text
        page = browser.open(path_of(mail.link))
        fields = {"password": NEW_PASSWORD, "password_again": NEW_PASSWORD, name: value}
        assert_local(page.submit("reset", **fields))


def assert_local(answer: requests.Response) -> None:
    assert answer.status_code == 303, answer.text[:300]
    parts = urlsplit(answer.headers["Location"])
    assert (parts.scheme, parts.netloc) == ("", ""), answer.headers["Location"]
    assert parts.path.startswith("/")
    assert "evil" not in answer.headers["Location"]


def assert_stays(page: Page, value: str) -> None:
    assert urlsplit(page.response.url).netloc == urlsplit(page.browser.server.issuer).netloc
    targets = [str(tag.get("href") or tag.get("action") or "") for tag in page.soup.find_all(["a", "form"])]
    assert not [target for target in targets if target.startswith((ELSEWHERE, "//", "/\\", "javascript:"))], value


def test_an_interaction_of_another_browser_is_not_taken_over(server: ServerUnderTest) -> None:
    asked = ask(trusted_party(server), Browser(server))
    interaction = asked.page.fields("cancel")[1]["interaction"]
    thief = Browser(server)
    assert thief.open(f"/sign-up?interaction={interaction}").status == 400
    assert thief.open(f"/recover?interaction={interaction}").status == 400


# --- What can be typed


ODD = ["\x00", "a\r\nBcc: victim@mail.example", "\u202e", "\ud800", "😀" * 300, "x" * 20_000, "%0d%0aBcc:x", "{{7*7}}",
       "<script>alert(1)</script>", "'; DROP TABLE users; --", "\u0130\u0131", "a\u0301" * 80]  # fmt: skip


@pytest.mark.parametrize("value", ODD, ids=lambda value: ascii(value[:20]))
@pytest.mark.parametrize("field", ["given_name", "username", "email", "password", "code", "token", "invitation"])
def test_nothing_that_can_be_typed_is_an_error_of_the_server(server: ServerUnderTest, field: str, value: str) -> None:
    grace = newcomer(server)
    text: Any = value.encode("utf-8", "surrogatepass")
    form = {"username": grace.username, "email": grace.email, "password": NEW_PASSWORD, "password_again": NEW_PASSWORD}
    for path in ("/sign-up", "/sign-up/confirm", "/recover", "/recover/reset"):
        token = grace.browser.open("/recover").fields("recover")[1]["csrf_token"]
        answer = grace.browser.post(path, data=form | {"csrf_token": token, field: text})
        assert answer.status_code in {200, 303, 400, 403, 413}, (path, answer.status_code)
    assert server.mails("victim@mail.example") == []
    for mail in server.mails(grace.email):
        assert "Bcc" not in mail.subject
        assert "<script>alert" not in mail.html


def test_fields_that_come_twice_are_no_error_of_the_server(server: ServerUnderTest) -> None:
    grace = newcomer(server)
    url, fields = grace.browser.open("/sign-up").fields("sign-up")
    pairs = [*fields.items(), ("email", grace.email), ("email", "second@mail.example"), ("password", "x")]
    assert grace.browser.post(url, data=pairs).status_code == 400


@pytest.mark.parametrize("email", ["a@b.example\r\nBcc: victim@mail.example", "a@b.example, victim@mail.example",
                                   "a@b.example\nSubject: x", '"a\r\n"@b.example', "<a@b.example>"])  # fmt: skip
@pytest.mark.parametrize("path", ["/sign-up", "/recover"])
def test_an_address_is_one_address(server: ServerUnderTest, path: str, email: str) -> None:
    grace = newcomer(server)
    if path == "/sign-up":
        assert grace.fill_in(email=email).status_code == 400
    else:
        assert grace.browser.open(path).submit("recover", email=email).status_code == 400
    assert server.mails("victim@mail.example") == []
