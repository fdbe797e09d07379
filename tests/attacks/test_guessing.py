"""Guessing passwords over HTTP: an attacker with many addresses, many connections and much patience; and the owner,
whom none of it may keep out."""

import random
import re
import secrets
import statistics
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from idp import create_app
from idp.store.sign_in_failures import FREE_TRIES
from idp.store.users import NewUser
from tests.support.accounts import PASSWORD
from tests.support.authorize import signed_in
from tests.support.crowd import at_once
from tests.support.idp_server import ServerUnderTest, TimedServer, make_settings, prepare, running_server, timed_server
from tests.support.mail import mails_to
from tests.support.relying_party import Browser, Page

WRONG, NEW_PASSWORD = "not the password", "seven green umbrellas in the rain"


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory, signing_keys: Path) -> Iterator[TimedServer]:
    """A server whose clock the tests move, shared by them: they keep apart by names."""
    with timed_server(tmp_path_factory.mktemp("guarded"), keys_from=signing_keys) as server:
        yield server


def try_once(server: ServerUnderTest, login: str, password: str = WRONG, browser: Browser | None = None) -> Page:
    browser = browser or Browser(server)
    return Page(browser, browser.open("/login").submit("login", username=login, password=password))


def block(server: ServerUnderTest, login: str) -> None:
    """As a stranger, until nobody unknown may try any more."""
    assert [try_once(server, login).status for _ in range(FREE_TRIES + 1)] == [200] * FREE_TRIES + [429]


def back_again(server: ServerUnderTest, browser: Browser) -> Browser:
    """The same browser after its person has signed out: it has the cookie of a known one, and no session."""
    later = Browser(server)
    later.http.cookies.set("idp_device", browser.http.cookies["idp_device"])
    return later


def plain(body: str, name: str) -> str:
    """A page without what differs each time: the form's secret, the passkey's challenge, and the seconds that pass."""
    body = re.sub(r'(name="csrf_token" value|[a-z-]*options|nonce)="[^"]*"', "", body.replace(name, "NAME"))
    return re.sub(r"\d+ seconds", "", body)


# --- The attacker


@pytest.mark.asvs("6.3.1")
def test_after_a_few_tries_not_even_the_right_password_is_taken_from_a_stranger(guarded: TimedServer) -> None:
    user, began = guarded.add_user(), time.monotonic()
    block(guarded, user.username)
    wrong, right = try_once(guarded, user.username), try_once(guarded, user.username, PASSWORD)
    assert (wrong.status, right.status) == (429, 429)
    assert 29 - (time.monotonic() - began) <= int(right.response.headers["Retry-After"]) <= 30
    assert "idp_session" not in right.browser.http.cookies
    assert right.id == "login-page"
    assert "not even the right password" in right.text
    assert right.soup.find(id="to-recover") is not None
    said = [re.sub(r"\d+ seconds", "", page.soup.find(id="error-summary").get_text()) for page in (wrong, right)]  # type: ignore[union-attr]
    assert said[0] == said[1]
    guarded.forward(31)
    assert try_once(guarded, user.username, PASSWORD).status == 303


def test_a_long_wait_is_told_in_minutes(guarded: TimedServer) -> None:
    name = f"nobody{secrets.token_hex(4)}"
    block(guarded, name)
    for wait in (30, 60, 120):
        guarded.forward(wait + 1)
        try_once(guarded, name)
    assert "Wait 4 minutes." in try_once(guarded, name).text


@pytest.mark.asvs("6.3.1")
def test_stuffing_from_many_addresses_is_caught_at_the_account(tmp_path: Path, signing_keys: Path) -> None:
    limits = {"ratelimit_enabled": "true", "trusted_proxies": "127.0.0.1"}
    with running_server(tmp_path, keys_from=signing_keys, **limits) as server:
        user = server.add_user()
        bots = [Browser(server, **{"X-Forwarded-For": f"198.51.100.{n}"}) for n in range(20)]
        statuses = [try_once(server, user.username, f"guess {n}", bot).status for n, bot in enumerate(bots)]
    assert statuses == [200] * FREE_TRIES + [429] * (20 - FREE_TRIES)


@pytest.mark.asvs("6.3.1")
def test_parallel_guesses_at_several_workers_cannot_exceed_the_limit(tmp_path: Path, signing_keys: Path) -> None:
    enough = {"threads": str(FREE_TRIES + 3)}  # so that no process is too busy for a try that is counted already
    with running_server(tmp_path, keys_from=signing_keys, workers="3", **enough) as server:
        user = server.add_user()
        pages = [Browser(server, Connection="close").open("/login") for _ in range(24)]

        def guess(index: int) -> int:
            return pages[index].submit("login", username=user.username, password=WRONG).status_code

        statuses = at_once(24, guess)
        assert sorted(statuses) == [200] * FREE_TRIES + [429] * (24 - FREE_TRIES)
        failed = [event for event in server.store.audit_events.list(limit=200) if event["event"] == "sign_in.failed"]
        assert len(failed) == FREE_TRIES
        assert '"unexpected"' not in server.log_text()


@pytest.mark.asvs("6.3.8")
def test_a_name_that_nobody_has_is_answered_like_one_that_somebody_has(guarded: TimedServer) -> None:
    user, disabled = guarded.add_user(), guarded.add_user()
    guarded.store.users.set_disabled(disabled.id, True, now=guarded.now)
    nobody = f"ada{secrets.token_hex(5)}"
    seen: list[list[tuple[int, dict[str, str], str]]] = []
    for name in (user.username, nobody, disabled.username, f"{nobody}@example.com"):
        answers = []
        for _ in range(FREE_TRIES + 2):
            response = try_once(guarded, name).response
            answers.append((response.status_code, sorted(response.headers), plain(response.text, name)))
        seen.append(answers)
    assert seen[0] == seen[1] == seen[2] == seen[3]
    assert [status for status, *_ in seen[0]] == [200] * FREE_TRIES + [429] * 2


def test_odd_names_and_cookies_are_no_fault(guarded: TimedServer) -> None:
    for name in ("\0", "\ud800", "😀" * 300, "a" * 10_000, "%00", "İ", "\u202eada"):
        for cookie in ("", "x" * 5000, '"', "a b;c"):
            browser = Browser(guarded)
            page = browser.open("/login")
            url, fields = page.fields("login")
            browser.http.headers["Cookie"] = f"idp_device={cookie}; idp_form={browser.http.cookies['idp_form']}"
            form = fields | {"username": name.encode("utf-8", "surrogatepass"), "password": WRONG}
            assert browser.post(url, data=form).status_code in {200, 429}
    user = guarded.add_user()
    url, fields = Browser(guarded).open("/login").fields("login")
    browser = Browser(guarded)
    url, fields = browser.open("/login").fields("login")
    twice = [*fields.items(), ("username", "other"), ("username", user.username), ("password", WRONG)]
    assert browser.post(url, data=twice).status_code in {200, 400}


# --- The owner


@pytest.mark.asvs("6.1.1", "6.3.1")
def test_nobody_can_lock_the_owner_out_of_a_browser_they_have_used_before(guarded: TimedServer) -> None:
    user = guarded.add_user()
    home = signed_in(guarded, user.username)
    for name in (user.username, user.email or ""):
        block(guarded, name)
        assert try_once(guarded, name, PASSWORD).status == 429
        assert try_once(guarded, name, PASSWORD, back_again(guarded, home)).status == 303
        assert try_once(guarded, name, PASSWORD).status == 429, "strangers go on waiting"


@pytest.mark.asvs("6.1.1")
def test_the_owner_in_a_new_browser_gets_in_by_a_new_password_while_the_attack_goes_on(guarded: TimedServer) -> None:
    user = guarded.add_user()
    block(guarded, user.username)
    browser = Browser(guarded)
    page = try_once(guarded, user.username, PASSWORD, browser)
    link = page.soup.find(id="to-recover")
    assert link is not None
    browser.open(str(link["href"])).submit("recover", email=user.email or "")  # type: ignore[index]
    mail = next(each for each in mails_to(guarded, user.email or "") if each.template == "password_reset")
    answer = browser.open(mail.link).submit("reset", password=NEW_PASSWORD, password_again=NEW_PASSWORD)
    assert answer.status_code == 303
    assert try_once(guarded, user.username, NEW_PASSWORD).status == 429, "still, for strangers"
    assert try_once(guarded, user.username, NEW_PASSWORD, browser).status == 303


def test_a_known_browser_that_guesses_is_slowed_too(guarded: TimedServer) -> None:
    user = guarded.add_user()
    home = signed_in(guarded, user.username)
    statuses = [try_once(guarded, user.username, WRONG, back_again(guarded, home)).status for _ in range(7)]
    assert statuses == [200] * FREE_TRIES + [429] * 2


@pytest.mark.asvs("6.3.1")
def test_whoever_renews_a_stolen_cookie_by_signing_in_themselves_gets_no_more_guesses(guarded: TimedServer) -> None:
    victim = guarded.add_user()
    stolen = signed_in(guarded, victim.username).http.cookies["idp_device"]
    for _ in range(FREE_TRIES):
        assert try_once(guarded, victim.username, WRONG, answer_browser(guarded, stolen)).status == 200
    mine = answer_browser(guarded, stolen)
    renewed = try_once(guarded, guarded.add_user().username, PASSWORD, mine).response.cookies["idp_device"]
    assert renewed != stolen
    assert try_once(guarded, victim.username, WRONG, answer_browser(guarded, renewed)).status == 429


def test_a_browser_known_to_one_person_is_a_stranger_to_others(guarded: TimedServer) -> None:
    mallory, victim = guarded.add_user(), guarded.add_user()
    hers = signed_in(guarded, mallory.username)
    statuses = [try_once(guarded, victim.username, WRONG, back_again(guarded, hers)).status for _ in range(7)]
    assert statuses == [200] * FREE_TRIES + [429] * 2


@pytest.mark.asvs("3.3.1", "3.3.4")
def test_the_cookie_of_a_browser_is_random_hidden_from_scripts_and_never_a_planted_one(guarded: TimedServer) -> None:
    user, other = guarded.add_user(), guarded.add_user()
    browser = Browser(guarded)
    browser.http.cookies.set("idp_device", "planted-by-somebody")
    answer = try_once(guarded, user.username, PASSWORD, browser).response
    written = next(c for c in answer.raw.headers.getlist("Set-Cookie") if c.startswith("idp_device="))
    assert {"HttpOnly", "SameSite=Lax", "Path=/"} <= {part.strip() for part in written.split(";")}
    first = answer.cookies["idp_device"]
    assert first != "planted-by-somebody"
    assert len(first) >= 43
    again = back_again(guarded, answer_browser(guarded, first))
    assert try_once(guarded, user.username, PASSWORD, again).response.cookies["idp_device"] == first
    shared = back_again(guarded, answer_browser(guarded, first))
    second = try_once(guarded, other.username, PASSWORD, shared).response.cookies["idp_device"]
    assert second != first, "new for each person who is new to it"
    now = guarded.now
    assert [guarded.store.devices.is_known(second, each.id, now=now) for each in (user, other)] == [True, True]
    assert not guarded.store.devices.is_known(first, user.id, now=now)
    assert not guarded.store.devices.is_known("planted-by-somebody", user.id, now=now)


def answer_browser(server: ServerUnderTest, device: str) -> Browser:
    browser = Browser(server)
    browser.http.cookies.set("idp_device", device)
    return browser


def test_strangers_bring_no_captcha_upon_a_known_browser(tmp_path: Path, signing_keys: Path) -> None:
    captcha = {
        "captcha": "proof_of_work",
        "captcha_on": "failures",
        "captcha_failures": "2",
        "trusted_proxies": "127.0.0.1",
    }
    with timed_server(tmp_path, keys_from=signing_keys, **captcha) as server:
        user = server.add_user()
        home = signed_in(server, user.username)
        for number in range(2):
            browser = Browser(server, **{"X-Forwarded-For": f"198.51.100.{number}"})
            try_once(server, user.username, WRONG, browser)
        stranger = Browser(server, **{"X-Forwarded-For": "198.51.100.77"})
        assert try_once(server, user.username, PASSWORD, stranger).soup.find(id="captcha") is not None
        known = back_again(server, home)
        known.http.headers["X-Forwarded-For"] = "203.0.113.5"
        assert try_once(server, user.username, PASSWORD, known).status == 303


# --- What the owner is told


@pytest.mark.asvs("6.3.5")
def test_the_owner_is_told_of_an_attack_and_of_a_new_browser(guarded: TimedServer) -> None:
    user = guarded.add_user()
    home = signed_in(guarded, user.username)
    assert mails_to(guarded, user.email or "") == [], "the first browser ever is no news"
    signed_in(guarded, user.username)
    assert [mail.template for mail in mails_to(guarded, user.email or "")] == ["new_sign_in"]
    assert try_once(guarded, user.username, PASSWORD, back_again(guarded, home)).status == 303
    assert len(mails_to(guarded, user.email or "")) == 1
    block(guarded, user.username)
    guarded.forward(31)
    assert try_once(guarded, user.username, PASSWORD).status == 303
    told = [(mail.template, mail.subject) for mail in mails_to(guarded, user.email or "")]
    assert told[1:] == [
        ("suspicious_sign_in", "Somebody tries to sign in as you at idp"),
        ("suspicious_sign_in", "A sign-in after failed tries at idp"),
    ]


# --- Time


@pytest.mark.asvs("6.3.8")
def test_by_its_time_a_failed_sign_in_does_not_tell_whether_somebody_has_the_name(
    tmp_path: Path, signing_keys: Path
) -> None:
    """In one process, with hashes so cheap that everything else shows: over tries at many names, in random order, a try
    at a known name is as often the quicker one of a pair as a try at an unknown one. Also the try that sends a mail."""
    settings, _ = make_settings(tmp_path, smtp_host="127.0.0.1", smtp_security="none")
    prepare(settings, signing_keys)
    client = create_app(settings).test_client()
    server = ServerUnderTest(settings, {})
    rounds, took = 60, {(kind, turn): list[float]() for kind in ("known", "unknown") for turn in range(FREE_TRIES + 1)}
    names = [(kind, f"ada{secrets.token_hex(6)}") for kind in ("known", "unknown") for _ in range(rounds)]
    for kind, name in names:
        if kind == "known":
            user = NewUser(f"u_{name}", name, f"{name}@example.com", True, password_hash=server.password_hash)
            assert server.store.users.add(user, now=server.now)
    form = re.search(r'name="csrf_token"[^>]* value="([^"]+)"', client.get("/login").text)
    assert form is not None
    for turn in range(FREE_TRIES + 1):
        random.shuffle(names)
        for kind, name in names:
            began = time.perf_counter()
            answer = client.post("/login", data={"csrf_token": form[1], "username": name, "password": WRONG})
            took[kind, turn].append(time.perf_counter() - began)
            assert answer.status_code == (200 if turn < FREE_TRIES else 429)
    server.close_store()
    client.application.extensions["idp"].store.database.dispose()
    for turns in (range(FREE_TRIES - 1), range(FREE_TRIES - 1, FREE_TRIES), range(FREE_TRIES, FREE_TRIES + 1)):
        known, unknown = ([each for turn in turns for each in took[kind, turn]] for kind in ("known", "unknown"))
        quicker = sum(one < other for one in known for other in unknown) / (len(known) * len(unknown))
        allowed = 4 * (1 / (6 * len(known))) ** 0.5 + 0.03  # four deviations, and what reading a person's row costs
        assert abs(quicker - 0.5) < allowed, (turns, quicker, statistics.median(known), statistics.median(unknown))
