"""The page of devices: where one is signed in, and the end of one of them, or of all others."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from idp.pages.browsers_in_words import shorten_address
from tests.pages.account_visits import FRESH_SECONDS, events, has, is_signed_in, opened, person, says, sent
from tests.pages.people_elsewhere import later
from tests.support.authorize import signed_in, trusted_party
from tests.support.idp_server import TimedServer, timed_server
from tests.support.relying_party import Browser

PATH = "/account/sessions"
FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0"
BROWSERS = [
    (FIREFOX, "Firefox on Linux"),
    ("Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36",
     "Chrome on Windows"),
    ("Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36 "
     "Edg/142.0.0.0", "Edge on Windows"),
    ("Mozilla/5.0 (iPhone; CPU iPhone OS 18_1 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.1 "
     "Mobile/15E148 Safari/604.1", "Safari on iPhone"),
    ("Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.1 "
     "Safari/605.1.15", "Safari on Mac"),
    ("Mozilla/5.0 (Linux; Android 15; SM-S921B) AppleWebKit/537.36 (KHTML, like Gecko) SamsungBrowser/27.0 "
     "Chrome/125.0.0.0 Mobile Safari/537.36", "Samsung Internet on Android"),
    ("<b>Firefox</b> <script>", "Firefox"),
    ("TestBrowser/1.0", "Unknown browser"),
    ("", "Unknown browser"),
]  # fmt: skip


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, signing_keys: Path) -> Iterator[TimedServer]:  # type: ignore[override]
    with timed_server(tmp_path_factory.mktemp("sessions"), keys_from=signing_keys) as running:
        yield running


def elsewhere(server: TimedServer, username: str, user_agent: str = FIREFOX) -> Browser:
    return signed_in(server, username, Browser(server, **{"User-Agent": user_agent}))


@pytest.mark.parametrize(("user_agent", "words"), BROWSERS)
def test_a_browser_is_named_in_words(server: TimedServer, user_agent: str, words: str) -> None:
    user = server.add_user()
    entry = opened(elsewhere(server, user.username, user_agent), PATH).soup.select_one("#sessions li h3")
    assert entry is not None
    assert entry.get_text().strip().startswith(words)
    assert "<script>" not in entry.decode()


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        ("192.0.2.17", "192.0.2.…"),
        ("2001:db8:85a3:8d3:1319:8a2e:370:7348", "2001:db8:85a3:8d3:…"),
        ("::1", "0:0:0:0:…"),
        ("::ffff:192.0.2.17", "192.0.2.…"),
        ("fe80::1%eth0", "fe80:0:0:0:…"),
        ("unknown", None),
        (None, None),
    ],
)
def test_an_address_is_shown_as_its_network(address: str | None, shown: str | None) -> None:
    assert shorten_address(address) == shown


@pytest.mark.asvs("7.5.2")
def test_every_session_is_listed_and_this_one_marked(server: TimedServer) -> None:
    user, browser = person(server)
    elsewhere(server, user.username)
    page = opened(browser, PATH)
    assert len(page.soup.select("#sessions > li")) == 2
    (marked,) = [item for item in page.soup.select("#sessions > li") if item.find(id="this-session")]
    assert "Unknown browser" in marked.get_text()
    assert marked.find("form") is None
    assert "127.0.0.…" in page.text
    assert "127.0.0.1" not in page.text


@pytest.mark.asvs("7.5.2", "7.4.1")
def test_one_session_is_ended_and_what_was_granted_in_it(server: TimedServer) -> None:
    user, browser = person(server)
    other, third = elsewhere(server, user.username), signed_in(server, user.username)
    party = trusted_party(server)
    tokens = party.tokens(other)
    assert party.userinfo(tokens["access_token"]).status_code == 200
    page = opened(browser, PATH)
    (theirs,) = [item for item in page.soup.select("#sessions > li") if "Firefox" in item.get_text()]
    button = theirs.select_one("button")
    assert button is not None
    page = sent(page, str(button["id"]))
    assert "Signed out" in says(page, "notice")
    assert [is_signed_in(each) for each in (browser, other, third)] == [True, False, True]
    assert party.userinfo(tokens["access_token"]).status_code == 401
    assert events(server, user, "session.ended") == [{"count": 1, "by": "account"}]


@pytest.mark.asvs("7.5.2")
def test_all_others_are_ended_at_once(server: TimedServer) -> None:
    user, browser = person(server)
    others = [signed_in(server, user.username) for _ in range(3)]
    half_done = server.store.users.count_sign_outs(user.id)
    page = sent(opened(browser, PATH), "end-others")
    assert server.store.users.count_sign_outs(user.id) > half_done, "a sign-in that owes its second factor"
    assert [is_signed_in(each) for each in others] == [False] * 3
    assert is_signed_in(browser)
    assert not has(page, "end-others")


@pytest.mark.asvs("7.5.2")
def test_ending_one_needs_a_fresh_sign_in_and_looking_does_not(server: TimedServer) -> None:
    user, browser = person(server)
    other = signed_in(server, user.username)
    form = opened(browser, PATH)
    with later(server, FRESH_SECONDS + 2):
        page = opened(browser, PATH)
        assert (has(page, "sign-in-again"), has(page, "end-others")) == (True, False)
        sent(form, "end-others")
        assert is_signed_in(other)


def test_sessions_over_their_limits_are_not_listed(server: TimedServer) -> None:
    user, browser = person(server)
    with later(server, server.settings.session_idle_lifetime + 60):
        assert not is_signed_in(browser)
        again = signed_in(server, user.username)
        assert len(opened(again, PATH).soup.select("#sessions > li")) == 1


def test_a_trusted_browser_is_listed_and_trusted_no_longer(server: TimedServer) -> None:
    user, browser = person(server)
    until = server.now + 86_400
    where = {"address": "192.0.2.17", "user_agent": FIREFOX}
    server.store.devices.trust(None, "a-cookie", user.id, until=until, now=server.now, **where)
    page = opened(browser, PATH)
    assert "192.0.2.…" in page.text
    assert "Firefox on Linux" in page.text
    sent(page, "end-trust-1")
    assert not server.store.devices.is_trusted("a-cookie", user.id, now=server.now)
    assert not has(opened(browser, PATH), "trusted")


@pytest.mark.asvs("7.4.4")
def test_the_way_out_is_on_every_page(server: TimedServer) -> None:
    _, browser = person(server)
    sections = ("profile", "email", "password", "factors", "sessions", "apps", "history", "data", "delete")
    for path in ("/account", *(f"/account/{section}" for section in sections)):
        link = opened(browser, path).soup.find(id="nav-sign-out")
        assert link is not None, path
    assert browser.open(str(link["href"])).id == "logout-page"  # type: ignore[index]
