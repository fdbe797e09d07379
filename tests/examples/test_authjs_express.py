"""`examples/authjs-express` beside the real server and an API: Auth.js on Express, over HTTP."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
import requests
from bs4 import BeautifulSoup

from tests.examples.api_process import ExampleApi, running_api
from tests.examples.authjs_front import (
    COOKIE,
    FrontEnd,
    add_front_end,
    environment_of,
    pass_the_grace_time,
    read_session,
)
from tests.examples.node_app import running_node_app
from tests.support.idp_server import ServerUnderTest
from tests.support.machine import find_free_port
from tests.support.relying_party import TIMEOUT, Browser, RelyingParty

pytestmark = pytest.mark.interop

EXAMPLE = "authjs-express"


@pytest.fixture(scope="module")
def api(server: ServerUnderTest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ExampleApi]:
    with running_api(server, tmp_path_factory.mktemp("api"), "api-flask", "flask", "run") as running:
        yield running


@pytest.fixture(scope="module")
def front(server: ServerUnderTest, api: ExampleApi, tmp_path_factory: pytest.TempPathFactory) -> Iterator[FrontEnd]:
    port = find_free_port()
    front = add_front_end(server, f"http://localhost:{port}")
    log = tmp_path_factory.mktemp("front") / "app.log"
    with running_node_app(EXAMPLE, "app.js", log=log, port=port, **environment_of(front, api)):
        yield front


def text_of(answer: requests.Response, selector: str) -> str | None:
    found = BeautifulSoup(answer.text, "html.parser").select_one(selector)
    return None if found is None else found.get_text()


def test_a_person_signs_in_and_the_tokens_stay_on_the_server(front: FrontEnd, browser: Browser) -> None:
    asked = parse_qs(urlsplit(front.begin(browser).headers["Location"]).query)
    assert asked["code_challenge_method"] == ["S256"]
    assert {"code_challenge", "state", "nonce"} <= set(asked)

    person = front.server.add_user(profile={"name": "<b>Ada</b>"})
    front.sign_in(browser, person.username)
    home = front.get(browser, "/")
    assert text_of(home, "#name") == "<b>Ada</b>"
    assert text_of(home, "#subject") == person.id
    assert front.get(browser, "/orders").json() == [{"id": "1", "owner": person.id}]
    session = front.session(browser)
    told = front.get(browser, "/api/auth/session")
    assert session is not None
    assert told.json()["user"]["id"] == person.id
    assert all(token not in home.text + told.text for token in session["tokens"].values() if isinstance(token, str))


@pytest.mark.spec("RFC 9700", "4.14.2", "MUST")
def test_twenty_requests_at_expiry_leave_the_person_signed_in(front: FrontEnd, browser: Browser) -> None:
    person = front.server.add_user()
    front.sign_in(browser, person.username)
    used = front.make_due(browser)
    cookies = dict(browser.http.cookies)

    def _load(_: int) -> requests.Response:
        return requests.get(f"{front.url}/orders", cookies=cookies, allow_redirects=False, timeout=TIMEOUT)

    with ThreadPoolExecutor(20) as crowd:
        answers = list(crowd.map(_load, range(20)))
    assert [answer.status_code for answer in answers] == [200] * 20
    sessions = [read_session(dict(answer.cookies)) for answer in answers]
    successors = {each["tokens"]["refresh_token"] for each in sessions if each is not None}
    assert len(successors) == 1
    assert successors != {used}

    browser.http.cookies.update(answers[-1].cookies)
    pass_the_grace_time(front)
    front.make_due(browser)
    assert front.get(browser, "/orders").status_code == 200
    assert text_of(front.get(browser, "/"), "#subject") == person.id


def test_a_refused_renewal_signs_out_and_so_does_an_altered_state(front: FrontEnd, browser: Browser) -> None:
    person = front.server.add_user()
    front.sign_in(browser, person.username)
    front.server.store.grants.revoke_for(person.id, now=front.server.now, why="a test")
    front.make_due(browser)
    assert text_of(front.get(browser, "/"), "#signed-out")
    assert front.session(browser) is None

    callback = front.callback(browser, None)
    state = parse_qs(urlsplit(callback).query)["state"][0]
    answer = browser.http.get(callback.replace(state, "another"), allow_redirects=False, timeout=TIMEOUT)
    assert "/api/auth/error" in answer.headers["Location"]
    assert front.session(browser) is None


def test_while_the_server_cannot_be_reached_nobody_is_signed_out(
    front: FrontEnd, api: ExampleApi, browser: Browser, tmp_path: Path
) -> None:
    person = front.server.add_user()
    front.sign_in(browser, person.username)
    front.make_due(browser)
    nowhere = environment_of(front, api) | {"AUTH_IDP_ISSUER": f"http://localhost:{find_free_port()}"}
    with running_node_app(EXAMPLE, "app.js", log=tmp_path / "log", **nowhere) as cut_off:
        answer = browser.http.get(f"http://localhost:{cut_off.port}", allow_redirects=False, timeout=TIMEOUT)
        left = front.leave(browser, f"http://localhost:{cut_off.port}")
    assert (left.status_code, left.headers["Location"]) == (303, "/"), "who wants to leave is signed out here"
    assert f"{COOKIE}.0=;" in left.headers["Set-Cookie"]
    assert text_of(answer, "#subject") == person.id
    assert "Set-Cookie" not in answer.headers
    assert front.get(browser, "/orders").status_code == 200


@pytest.mark.spec("OpenID Connect RP-Initiated Logout", "2", "RECOMMENDED")
def test_signing_out_ends_both_sessions_and_the_refresh_token(front: FrontEnd, browser: Browser) -> None:
    front.sign_in(browser, front.server.add_user().username)
    token = front.make_due(browser)
    answer = browser.http.post(f"{front.url}/sign-out", allow_redirects=False, timeout=TIMEOUT)
    assert front.session(browser) is None
    assert RelyingParty(front.server, front.client).refresh(token).json()["error"] == "invalid_grant"
    back = browser.get(answer.headers["Location"])
    assert back.headers["Location"].rstrip("/") == front.url
    assert browser.page(browser.get(front.begin(browser).headers["Location"])).id == "login-page"
