"""The playground over HTTP: who may see a walk, what is kept of it, and what it says when it cannot work."""

import re
from pathlib import Path

import pytest
import requests
from sqlalchemy import text

from idp.cli.demo_data import save_playground_client
from idp.jose.encryption import SecretBox
from idp.pages.playground.steps import SECRET_PURPOSE
from tests.support.accounts import PASSWORD
from tests.support.idp_server import ServerUnderTest, TimedServer, running_server, timed_server
from tests.support.machine import find_free_port
from tests.support.relying_party import Browser, Page


@pytest.fixture
def playground(server: ServerUnderTest) -> ServerUnderTest:
    save_playground_client(server.settings, server.store, now=server.now)
    return server


def walk_through(browser: Browser, username: str, **fields: str) -> Page:
    """From the form to the result, signing in on the way."""
    page = browser.page(browser.open("/playground").submit("start", **fields))
    assert page.id == "login-page"
    return browser.page(page.submit("login", username=username, password=PASSWORD))


def verdict(page: Page) -> str:
    found = page.soup.find(id="verdict")
    assert found is not None, page.text[:400]
    return str(found["class"])


def test_a_walk_belongs_to_the_browser_that_began_it(playground: ServerUnderTest) -> None:
    mine, theirs = Browser(playground), Browser(playground)
    page = walk_through(mine, playground.add_user().username)
    theirs.open("/playground").submit("start")  # a browser that has begun a walk of its own
    seen = theirs.open(page.response.url)
    assert (seen.status, seen.id) == (400, "error-page")
    assert "eyJ" not in seen.response.text


@pytest.mark.asvs("10.1.2")
@pytest.mark.spec("RFC 6749", "10.12", "MUST")
@pytest.mark.asvs("10.2.1")
def test_an_answer_to_a_request_of_another_browser_is_dropped(playground: ServerUnderTest) -> None:
    """Sign-in CSRF: an attacker's own callback address, opened by somebody else, signs nobody in."""
    attacker, victim = Browser(playground), Browser(playground)
    page = attacker.page(attacker.open("/playground").submit("start"))
    user = playground.add_user()
    response = page.submit("login", username=user.username, password=PASSWORD)
    while "/playground/callback" not in response.headers["Location"]:
        response = attacker.get(response.headers["Location"])
    callback = response.headers["Location"]
    victim.open("/playground").submit("start")  # a browser that has begun a sign-in of its own
    assert victim.open(callback).status == 400
    for state in ("", "&state=", "&state=made-up"):
        assert victim.open(f"/playground/callback?code=c&iss={playground.issuer}{state}").status == 400
    assert "verdict-good" in verdict(attacker.open(callback))


def test_a_callback_loaded_again_shows_the_result_and_redeems_nothing(playground: ServerUnderTest) -> None:
    browser = Browser(playground)
    page = browser.page(browser.open("/playground").submit("start"))
    response = page.submit("login", username=playground.add_user().username, password=PASSWORD)
    while "/playground/callback" not in response.headers["Location"]:
        response = browser.get(response.headers["Location"])
    for _ in range(3):
        result = browser.open(response.headers["Location"])
        assert "verdict-good" in verdict(result)
    introspected = browser.page(result.submit("introspect"))
    assert '"active": true' in introspected.soup.find(id="step-introspect").text  # type: ignore[union-attr]


@pytest.mark.asvs("14.3.1")
def test_whoever_signs_out_leaves_no_tokens_behind_in_the_browser(playground: ServerUnderTest) -> None:
    browser = Browser(playground)
    page = walk_through(browser, playground.add_user().username)
    walk_url = page.response.url
    kept = browser.open(f"/playground?state={walk_url.partition('walk=')[2]}")  # not signed out: nothing is forgotten
    assert kept.soup.find(attrs={"role": "status"}) is None
    back = browser.open(str(page.soup.find(id="sign-out")["href"]))  # type: ignore[index]
    assert back.soup.find(attrs={"role": "status"}).text.strip() == "You are signed out."  # type: ignore[union-attr]
    gone = browser.open(walk_url)
    assert gone.status == 400
    assert "eyJ" not in gone.response.text


@pytest.mark.asvs("10.1.1")
@pytest.mark.asvs("14.2.4")
def test_neither_the_store_nor_the_log_nor_the_page_gives_away_what_it_must_not(playground: ServerUnderTest) -> None:
    browser = Browser(playground)
    page = walk_through(browser, playground.add_user().username)
    tokens = re.findall(r"eyJ[\w-]+\.[\w-]+\.[\w-]+|rt_[\w-]+", page.response.text)
    assert len(set(tokens)) >= 3
    with playground.store.database.reading() as connection:
        kept = "".join(connection.execute(text("SELECT value FROM ephemeral")).scalars())
    secret = SecretBox(playground.settings.secret_key).derive(SECRET_PURPOSE)
    assert not [token for token in [*tokens, secret] if token in kept or token in playground.log_text()]
    assert secret not in page.response.text
    assert page.response.headers["Cache-Control"] == "no-store"


@pytest.mark.asvs("3.5.1")
def test_what_the_buttons_do_needs_the_form(playground: ServerUnderTest) -> None:
    browser = Browser(playground)
    page = walk_through(browser, playground.add_user().username)
    url, fields = page.fields("revoke")
    assert browser.post(url, data={"do": "revoke"}).status_code == 400
    assert browser.post(url, data=fields, headers={"Sec-Fetch-Site": "cross-site"}).status_code == 400
    assert browser.post("/playground", data={"scope": "openid"}).status_code == 400
    assert "verdict-good" in verdict(browser.page(page.submit("introspect")))
    assert '"active": true' in browser.open(page.response.url).response.text.replace("&#34;", '"')


def test_a_button_that_is_not_there_does_nothing(playground: ServerUnderTest) -> None:
    browser = Browser(playground)
    page = walk_through(browser, playground.add_user().username, scope="openid")
    assert page.soup.find(id="refresh") is None
    url, fields = page.fields("introspect")
    for action in ("refresh", "__class__", ""):
        answer = browser.page(browser.post(url, data=fields | {"do": action}))
        assert "verdict-good" in verdict(answer)
        assert answer.soup.find(id="step-refresh") is None


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        pytest.param({"claims": "[]"}, "not a JSON object", id="claims that are no object"),
        pytest.param({"claims": "{" * 1000}, "not a JSON object", id="claims that are nonsense"),
        pytest.param({"max_age": "-1"}, "whole number", id="a negative age"),
        pytest.param({"scope": "x" * 2001}, "too long", id="a field too long"),
        pytest.param({"scope": "x " * 900, "resource": "y" * 1900}, "too long", id="an address too long"),
    ],
)
def test_what_would_be_no_request_is_said_at_the_form(
    playground: ServerUnderTest, fields: dict[str, str], said: str
) -> None:
    browser = Browser(playground)
    page = browser.page(browser.open("/playground").submit("start", **fields))
    assert (page.status, page.id) == (200, "playground-page")
    assert said in page.soup.find(id="error-summary").text  # type: ignore[union-attr]


def test_what_the_server_refuses_is_shown_as_its_answer(playground: ServerUnderTest) -> None:
    browser = Browser(playground)
    page = browser.page(browser.open("/playground").submit("start", prompt="none"))
    assert "verdict-bad" in verdict(page)
    assert "login_required" in page.soup.find(id="step-callback").text  # type: ignore[union-attr]


def test_the_claims_parameter_reaches_the_id_token(playground: ServerUnderTest) -> None:
    user = playground.add_user()
    asked = '{"id_token": {"email": {"essential": true}}}'
    page = walk_through(Browser(playground), user.username, scope="openid", claims=asked)
    assert user.email is not None
    assert user.email in page.soup.find(id="step-check").text  # type: ignore[union-attr]


def test_without_its_client_it_says_what_to_run(timed: TimedServer) -> None:
    page = Browser(timed).open("/playground")
    assert (page.status, page.id) == (503, "error-page")
    assert "idp init" in page.text
    elsewhere = timed.settings.model_copy(update={"issuer": "http://localhost:1"})
    save_playground_client(elsewhere, timed.store, now=timed.now)
    assert Browser(timed).open("/playground").status == 503


def test_an_hour_later_a_walk_is_forgotten(timed: TimedServer) -> None:
    save_playground_client(timed.settings, timed.store, now=timed.now)
    browser = Browser(timed)
    page = walk_through(browser, timed.add_user().username)
    timed.forward(3601)
    assert browser.open(page.response.url).status == 400


def test_where_it_is_switched_off_there_is_no_such_page(tmp_path: Path, signing_keys: Path) -> None:
    with timed_server(tmp_path, keys_from=signing_keys, playground="false") as server:
        save_playground_client(server.settings, server.store, now=server.now)
        browser = Browser(server)
        for path in ("/playground", "/playground/callback?state=x", "/playground/result"):
            assert browser.open(path).status == 404
        assert browser.post("/playground/do").status_code == 404
        assert browser.open("/").soup.find(id="open-playground") is None


def test_it_works_below_the_path_of_an_issuer(tmp_path: Path, signing_keys: Path) -> None:
    port = find_free_port()
    issuer = f"http://localhost:{port}/id"
    with timed_server(tmp_path, keys_from=signing_keys, port=port, issuer=issuer) as server:
        save_playground_client(server.settings, server.store, now=server.now)
        browser, user = Browser(server), server.add_user()
        page = browser.page(browser.open(f"{issuer}/playground").submit("start"))
        page = browser.page(page.submit("login", username=user.username, password=PASSWORD))
        assert page.response.url.startswith(f"{issuer}/playground/result")
        assert "verdict-good" in verdict(browser.page(page.submit("refresh")))


def test_it_is_limited_like_every_other_page(tmp_path: Path, signing_keys: Path) -> None:
    limits = {"ratelimit_enabled": "true", "ratelimit_pages": "3 per minute"}
    with timed_server(tmp_path, keys_from=signing_keys, **limits) as server:
        save_playground_client(server.settings, server.store, now=server.now)
        browser = Browser(server)
        assert [browser.get("/playground").status_code for _ in range(4)] == [200, 200, 200, 429]


def start_by_itself(server: ServerUnderTest, address: str) -> str:
    """The text of the page that follows the start button, at this address of the server."""
    with requests.Session() as http:
        form = http.get(f"{address}/playground", timeout=30).text
        token = re.search(r'name="csrf_token" value="([^"]+)"', form)
        assert token is not None, form
        return http.post(f"{address}/playground", data={"csrf_token": token[1], "scope": "openid"}, timeout=30).text


def test_an_issuer_that_cannot_be_reached_from_here_is_a_failed_step_that_says_so(
    tmp_path: Path, signing_keys: Path
) -> None:
    nobody = f"http://localhost:{find_free_port()}"
    with timed_server(tmp_path, keys_from=signing_keys, issuer=nobody) as server:
        save_playground_client(server.settings, server.store, now=server.now)
        page = start_by_itself(server, f"http://127.0.0.1:{server.settings.port}")
    assert "IDP_ISSUER" in page
    assert nobody.removeprefix("http://") in page
    assert 'id="step-discovery"' in page
    assert 'id="step-authorize"' not in page


def test_one_worker_of_one_thread_says_that_it_cannot_speak_to_itself_and_goes_on_serving(
    tmp_path: Path, signing_keys: Path
) -> None:
    alone = {"workers": "1", "threads": "1", "outbound_timeout": "1"}
    with running_server(tmp_path, keys_from=signing_keys, **alone) as server:
        save_playground_client(server.settings, server.store, now=server.now)
        page = start_by_itself(server, server.issuer)
        assert "IDP_WORKERS or IDP_THREADS" in page
        assert requests.get(server.url("/health"), timeout=30).status_code == 200
