"""A single-page application in Chromium, on an origin of its own: what CORS must let through, and what it must not.

The application is oauth4webapi, loaded from the files of its package; the browser enforces the rules.
"""

import json
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest
from playwright.sync_api import Page, expect
from werkzeug import Request, Response
from werkzeug.serving import make_server

from tests.interop.node_clients import FOLDER, find_packages
from tests.support.accounts import PASSWORD
from tests.support.chromium import Pages
from tests.support.idp_server import ServerUnderTest

pytestmark = pytest.mark.interop

FETCH = """([url, options]) => fetch(url, options).then(
  async (response) => ({ status: response.status, type: response.type, text: await response.text() }),
  (error) => ({ failed: error.name }),
)"""
BLOCKED = {"failed": "TypeError"}  # all that a page learns of an answer it may not read
BASIC = {"Authorization": "Basic eDp5"}


@dataclass
class Application:
    """The files of the application on an origin of their own, and the answer to `/configuration.json`."""

    origin: str = ""
    configuration: dict[str, str] = field(default_factory=dict)

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        return self._answer(Request(environ).path)(environ, start_response)

    def _answer(self, path: str) -> Response:
        files = {
            "/application.mjs": FOLDER / "application/application.mjs",
            "/oauth4webapi.js": find_packages() / "oauth4webapi/build/index.js",
        }
        if path == "/configuration.json":
            return Response(json.dumps(self.configuration), mimetype="application/json")
        if path in files:
            return Response(files[path].read_bytes(), mimetype="text/javascript")
        return Response((FOLDER / "application/index.html").read_bytes(), mimetype="text/html")


@contextmanager
def served() -> Iterator[Application]:
    application = Application()
    http = make_server("127.0.0.1", 0, application, threaded=True)
    application.origin = f"http://localhost:{http.server_port}"
    thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield application
    finally:
        http.shutdown()
        http.server_close()
        thread.join(5)


@pytest.fixture(scope="module")
def registered(server: ServerUnderTest) -> Iterator[Application]:
    """The application of a public client, whose origin the server knows from its redirect URI."""
    find_packages()
    with served() as application:
        client = server.add_client(public=True, redirect_uris=(f"{application.origin}/callback",))
        application.configuration = {"issuer": server.issuer, "client_id": client.client_id}
        yield application


@pytest.fixture(scope="module")
def stranger(registered: Application) -> Iterator[Application]:
    """The same files on an origin that nobody registered."""
    with served() as application:
        application.configuration = registered.configuration
        yield application


@pytest.mark.spec("RFC 9700", "2.1.1", "MUST")
@pytest.mark.asvs("3.4.2")
def test_an_application_in_the_browser_signs_in_refreshes_and_revokes_across_origins(
    server: ServerUnderTest, registered: Application, browser_page: Pages
) -> None:
    user, page = server.add_user(), browser_page()
    page.goto(registered.origin)
    page.click("#sign-in")
    sign_in(page, user.username)
    page.click("#allow")
    assert read_outcome(page) == {
        "sub": user.id,
        "name": "Ada Marie Lovelace",
        "nameAfterRefresh": "Ada Marie Lovelace",
        # Refusals can be read as well: the status, the body, and the challenge in its header
        "challenge": {"status": 401, "error": "invalid_token", "error_description": "The access token was revoked."},
        "replay": {"status": 400, "error": "invalid_grant"},
    }


def test_an_application_in_the_browser_reads_that_the_person_refused(
    server: ServerUnderTest, registered: Application, browser_page: Pages
) -> None:
    user, page = server.add_user(), browser_page()
    page.goto(registered.origin)
    page.click("#sign-in")
    sign_in(page, user.username)
    page.click("#deny")
    outcome = read_outcome(page)
    assert outcome["failed"].startswith("AuthorizationResponseError")
    assert "error=access_denied" in outcome["cause"]


@pytest.mark.asvs("3.4.2")
@pytest.mark.parametrize(
    ("path", "options"),
    [
        pytest.param("/.well-known/openid-configuration", {}, id="discovery"),
        pytest.param("/jwks", {}, id="jwks"),
        pytest.param("/token", {"method": "POST", "headers": BASIC}, id="token"),
        pytest.param("/revoke", {"method": "POST", "headers": BASIC}, id="revoke"),
        pytest.param("/userinfo", {"headers": {"Authorization": "Bearer x"}}, id="userinfo"),
    ],
)
def test_only_a_registered_origin_reads(
    server: ServerUnderTest,
    registered: Application,
    stranger: Application,
    browser_page: Pages,
    path: str,
    options: dict[str, Any],
) -> None:
    answer = ask_from(registered, browser_page, server.url(path), options)
    assert answer["type"] == "cors", answer
    assert ask_from(stranger, browser_page, server.url(path), options) == BLOCKED


@pytest.mark.asvs("3.4.2")
@pytest.mark.parametrize("path", ["/.well-known/openid-configuration", "/userinfo", "/token"])
def test_not_even_a_registered_origin_may_send_cookies_along_to(
    server: ServerUnderTest, registered: Application, browser_page: Pages, path: str
) -> None:
    options = {"method": "POST" if path == "/token" else "GET", "credentials": "include"}
    assert ask_from(registered, browser_page, server.url(path), options) == BLOCKED


@pytest.mark.asvs("3.4.2")
@pytest.mark.parametrize("path", ["/", "/login", "/authorize", "/logout", "/introspect", "/health"])
@pytest.mark.parametrize("credentials", ["omit", "include"])
def test_no_application_reads_our_pages_or_what_is_not_for_browsers(
    server: ServerUnderTest, registered: Application, browser_page: Pages, path: str, credentials: str
) -> None:
    options = {"credentials": credentials, "method": "POST" if path == "/introspect" else "GET"}
    assert ask_from(registered, browser_page, server.url(path), options) == BLOCKED


def sign_in(page: Page, username: str) -> None:
    page.fill("#username", username)
    page.fill("#password", PASSWORD)
    page.click("#login")


def read_outcome(page: Page) -> dict[str, Any]:
    expect(page.locator("#outcome")).to_be_visible()
    return dict(json.loads(page.locator("#outcome").text_content() or "{}"))


def ask_from(application: Application, browser_page: Pages, url: str, options: dict[str, Any]) -> Any:
    """What a script of this application learns when it fetches a URL."""
    page = browser_page()
    page.goto(application.origin)
    return page.evaluate(FETCH, [url, options])
