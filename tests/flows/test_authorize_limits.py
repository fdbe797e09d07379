"""Limits per address on sign-in and pages, whose address it is behind a proxy, and what a storm of sign-ins costs."""

import secrets
import statistics
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import requests

from idp.accounts import passwords as accounts_passwords
from idp.accounts.passwords import Passwords
from idp.accounts.sign_in import try_password
from idp.settings import ConfigurationError
from idp.web.proxy import client_address, load_networks
from tests.support.accounts import PASSWORD
from tests.support.authorize import ask, third_party, trusted_party
from tests.support.idp_server import ServerUnderTest, make_settings, running_server
from tests.support.relying_party import Browser, Page


@pytest.fixture(scope="module")
def limited(tmp_path_factory: pytest.TempPathFactory, signing_keys: Path) -> Iterator[ServerUnderTest]:
    """One process that limits, behind a trusted proxy, so that every test can come from addresses of its own."""
    folder = tmp_path_factory.mktemp("limited")
    changes = {"ratelimit_enabled": "true", "workers": "1", "trusted_proxies": "127.0.0.1 10.0.0.0/8"}
    with running_server(folder, keys_from=signing_keys, **changes) as server:
        yield server


def come_from(server: ServerUnderTest, forwarded_for: str) -> Browser:
    return Browser(server, **{"X-Forwarded-For": forwarded_for})


def try_sign_in(browser: Browser, page: Page, **values: str) -> requests.Response:
    return page.submit("login", **({"username": f"nobody{secrets.token_hex(4)}", "password": "wrong"} | values))


def statuses(browser: Browser, times: int) -> list[int]:
    page = browser.open("/login")
    return [try_sign_in(browser, page).status_code for _ in range(times)]


# --- Limits


@pytest.mark.asvs("6.3.1")
def test_the_sixth_sign_in_within_a_minute_is_told_to_wait(limited: ServerUnderTest) -> None:
    browser, user, client = come_from(limited, "192.0.2.1"), limited.add_user(), trusted_party(limited)
    asked = ask(client, browser)
    answers = [try_sign_in(browser, asked.page) for _ in range(5)]
    assert [answer.status_code for answer in answers] == [200] * 5
    sixth = asked.page.submit("login", username=user.username, password=PASSWORD)
    assert (sixth.status_code, Page(browser, sixth).id) == (429, "error-page"), "even the right password has to wait"
    assert 1 <= int(sixth.headers["Retry-After"]) <= 61
    assert sixth.headers["Cache-Control"] == "no-store"
    assert "idp_session" not in sixth.cookies
    assert browser.open(asked.response.url).id == "login-page", "the request itself is none the worse"


@pytest.mark.asvs("6.3.1")
def test_another_address_is_not_limited_with_it(limited: ServerUnderTest) -> None:
    assert statuses(come_from(limited, "192.0.2.2"), 6)[-1] == 429
    assert statuses(come_from(limited, "192.0.2.3"), 5) == [200] * 5


def test_the_sixty_first_page_within_a_minute_is_told_to_wait(limited: ServerUnderTest) -> None:
    browser = come_from(limited, "192.0.2.4")
    answers = [browser.get("/") for _ in range(61)]
    assert {answer.status_code for answer in answers[:60]} == {200}
    assert answers[60].status_code == 429
    assert 1 <= int(answers[60].headers["Retry-After"]) <= 61
    assert Page(browser, answers[60]).id == "error-page"


def test_starting_requests_is_limited_because_it_writes(limited: ServerUnderTest) -> None:
    browser, client = come_from(limited, "192.0.2.5"), third_party(limited)
    params, _ = client.request()
    answers = [browser.get("/authorize", params=params).status_code for _ in range(61)]
    assert set(answers[:60]) == {303}
    assert answers[60] == 429


def test_endpoints_for_machines_are_not_limited_by_address(limited: ServerUnderTest) -> None:
    headers = {"X-Forwarded-For": "192.0.2.6"}
    for path in ("/.well-known/openid-configuration", "/jwks"):
        assert {requests.get(limited.url(path), headers=headers, timeout=15).status_code for _ in range(70)} == {200}


def test_a_limit_is_logged_with_the_address_it_struck(limited: ServerUnderTest) -> None:
    statuses(come_from(limited, "192.0.2.7"), 6)
    lines = [line for line in limited.log_text().splitlines() if '"192.0.2.7"' in line and '"limited"' in line]
    assert lines


# --- Whose address


@pytest.mark.asvs("4.1.3")
def test_entries_that_the_client_forged_do_not_count(limited: ServerUnderTest) -> None:
    """The proxy appends the address it saw; everything to the left of it is hearsay."""
    for number in range(5):
        assert statuses(come_from(limited, f"203.0.113.{number}, 192.0.2.10"), 1) == [200]
    assert statuses(come_from(limited, "203.0.113.99, 192.0.2.10"), 1) == [429]
    assert statuses(come_from(limited, "192.0.2.10, 10.1.2.3"), 1) == [429], "past a second trusted proxy"
    assert statuses(come_from(limited, "192.0.2.11"), 1) == [200]


@pytest.mark.asvs("4.1.3")
def test_without_a_trusted_proxy_nobody_is_believed(tmp_path: Path, signing_keys: Path) -> None:
    with running_server(tmp_path, keys_from=signing_keys, ratelimit_enabled="true", workers="1") as server:
        answers = [statuses(come_from(server, f"203.0.113.{number}"), 1)[0] for number in range(6)]
        assert answers == [200] * 5 + [429]
        assert "203.0.113" not in server.log_text()


@pytest.mark.asvs("4.1.3")
@pytest.mark.parametrize(
    ("peer", "forwarded", "expected"),
    [
        pytest.param("198.51.100.1", "192.0.2.1", "198.51.100.1", id="the peer is no proxy of ours"),
        pytest.param("10.0.0.1", "192.0.2.1", "192.0.2.1", id="one proxy"),
        pytest.param("10.0.0.1", "", "10.0.0.1", id="the proxy says nothing"),
        pytest.param("10.0.0.1", "1.1.1.1, 192.0.2.1", "192.0.2.1", id="a forged entry on the left"),
        pytest.param("10.0.0.1", "192.0.2.1, 10.0.0.2", "192.0.2.1", id="two proxies"),
        pytest.param("10.0.0.1", "10.0.0.3, 10.0.0.2", "10.0.0.3", id="nobody but proxies"),
        pytest.param("10.0.0.1", "192.0.2.1, rubbish", "10.0.0.1", id="rubbish next to us"),
        pytest.param("10.0.0.1", "rubbish, 192.0.2.1", "192.0.2.1", id="rubbish further away"),
        pytest.param("10.0.0.1", " , 192.0.2.1 ,", "192.0.2.1", id="empty entries"),
        pytest.param("10.0.0.1", "2001:db8::1", "2001:db8::1", id="IPv6"),
        pytest.param("fd00::1", "192.0.2.1", "192.0.2.1", id="IPv6 proxy"),
    ],
)
def test_the_address_of_a_request(peer: str, forwarded: str, expected: str) -> None:
    trusted = load_networks(("10.0.0.0/8", "fd00::/8"))
    assert client_address({"REMOTE_ADDR": peer, "HTTP_X_FORWARDED_FOR": forwarded}, trusted) == expected


def test_a_trusted_proxy_that_is_no_address_stops_the_start() -> None:
    with pytest.raises(ConfigurationError, match=r"proxy\.example"):
        load_networks(("10.0.0.1", "proxy.example"))


# --- Several processes


def test_with_redis_a_limit_holds_over_all_workers(redis_url: str, tmp_path: Path, signing_keys: Path) -> None:
    changes = {"ratelimit_enabled": "true", "workers": "2", "redis_url": redis_url}
    with running_server(tmp_path, keys_from=signing_keys, **changes) as server:
        answers = []
        for _ in range(8):  # a connection each, so that both workers have their turn
            answers += statuses(Browser(server), 1)
        assert answers == [200] * 5 + [429] * 3
        assert "Set IDP_REDIS_URL" not in server.log_text()


def test_without_redis_several_workers_are_warned_about(tmp_path: Path, signing_keys: Path) -> None:
    with running_server(tmp_path, keys_from=signing_keys, ratelimit_enabled="true", workers="2") as server:
        warnings = [line for line in server.log_text().splitlines() if "Set IDP_REDIS_URL" in line]
        assert len(warnings) == 1
        assert '"level": "warning"' in warnings[0]


# --- What a password costs


@pytest.fixture
def passwords(tmp_path: Path) -> Passwords:
    """Real Argon2id, cheap enough to be measured often."""
    settings, _ = make_settings(tmp_path, argon2_memory_kib="8192", argon2_iterations="1")
    made = Passwords(settings)
    made.warm_up()
    return made


@pytest.mark.asvs("6.3.8")
def test_an_unknown_name_costs_what_a_known_one_costs(
    server: ServerUnderTest, passwords: Passwords, monkeypatch: pytest.MonkeyPatch
) -> None:
    user = server.add_user()
    server.store.users.set_password_hash(user.id, passwords.hash(PASSWORD), now=server.now)
    disabled = server.add_user()
    server.store.users.set_password_hash(disabled.id, passwords.hash(PASSWORD), now=server.now)
    server.store.users.set_disabled(disabled.id, True, now=server.now)
    verify, checked = accounts_passwords.is_match, list[str]()

    def counting(password_hash: str, password: bytes) -> bool:
        checked.append(password_hash.rsplit("$", 2)[0])
        return verify(password_hash, password)

    monkeypatch.setattr(accounts_passwords, "is_match", counting)
    took: dict[str, list[float]] = {}
    for _ in range(15):
        for name, password in [("nobody", PASSWORD), (user.username, "wrong"), (disabled.username, PASSWORD),
                               (user.username, "x" * 5000)]:  # fmt: skip
            began = time.perf_counter()
            assert try_password(server.store, passwords, name, password).user is None
            took.setdefault(name + password[:5], []).append(time.perf_counter() - began)
    assert len(checked) == 60, "one hash for each attempt"
    assert len(set(checked)) == 1, "with the same parameters"
    medians = [statistics.median(times) for times in took.values()]
    assert max(medians) < 2 * min(medians), medians


@pytest.mark.asvs("11.4.2")
def test_a_hash_made_with_old_parameters_is_renewed_at_sign_in(server: ServerUnderTest, passwords: Passwords) -> None:
    user = server.add_user()
    assert try_password(server.store, passwords, user.username, PASSWORD).user is not None
    found = server.store.users.find_for_sign_in(user.username)
    assert found is not None
    assert "m=8192" in str(found[1])
    assert try_password(server.store, passwords, user.username, PASSWORD).user is not None


@pytest.mark.asvs("6.2.9")
def test_passwords_are_compared_as_typed_on_any_system(passwords: Passwords) -> None:
    composed, decomposed = "p\u00e9ch\u00e9 \ufb01n", "pe\u0301che\u0301 fin"
    assert passwords.is_right(decomposed, passwords.hash(composed))
    assert not passwords.is_right("Pe\u0301che\u0301 fin", passwords.hash(composed))
    assert not passwords.is_right("anything", "not a hash")
    assert not passwords.is_right("a password that nobody has", None), "the decoy opens nothing"


def test_the_parameters_are_those_of_the_settings_and_the_type_is_argon2id(tmp_path: Path) -> None:
    settings, _ = make_settings(tmp_path, argon2_memory_kib="65536", argon2_iterations="3", argon2_parallelism="2")
    assert Passwords(settings).hash("x").startswith("$argon2id$v=19$m=65536,t=3,p=2$")


@pytest.mark.asvs("2.4.1")
def test_a_storm_of_sign_ins_is_told_to_come_back_and_starves_nobody(tmp_path: Path, signing_keys: Path) -> None:
    slow = {"argon2_memory_kib": "65536", "argon2_iterations": "8", "workers": "1", "threads": "5",
            "password_hashing_concurrency": "1"}  # fmt: skip
    with running_server(tmp_path, keys_from=signing_keys, **slow) as server:
        client = trusted_party(server)
        browsers = [Browser(server) for _ in range(10)]
        pages = [browser.open("/login") for browser in browsers]

        def attempt(index: int) -> requests.Response:
            """A name of its own: many tries at one would have to wait, and never get to the password."""
            return try_sign_in(browsers[index], pages[index])

        with ThreadPoolExecutor(10) as pool:
            storm = [pool.submit(attempt, index) for index in range(10)]
            time.sleep(0.2)
            began = time.monotonic()
            answer = client.post("/token", {"grant_type": "authorization_code", "code": "unknown"})
            took, still_raging = time.monotonic() - began, not all(one.done() for one in storm)
            answers = [one.result() for one in storm]
        assert (answer.status_code, answer.json()["error"]) == (400, "invalid_grant")
        assert still_raging, f"the token endpoint waited for the passwords ({took:.1f} s)"
        turned_away = [response for response in answers if response.status_code == 503]
        assert turned_away
        assert {response.status_code for response in answers} == {200, 503}
        for response in turned_away:
            assert int(response.headers["Retry-After"]) >= 1
            assert Page(browsers[0], response).id == "error-page"
