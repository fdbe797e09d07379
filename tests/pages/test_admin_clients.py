"""The admin's pages: who may open them, that they show every client and the files of its kind, and never a secret."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import expect

from idp.pages.admin_clients import KINDS
from idp.protocol.client import Client, ClientSecret
from idp.protocol.scopes import Api
from idp.recipes import RECIPES, Answers, snippets_of
from idp.store.database import hashed
from tests.pages.account_visits import person
from tests.pages.visits import complaints_of, sign_in, width
from tests.support.accounts import PASSWORD
from tests.support.authorize import signed_in
from tests.support.chromium import PHONE, Pages
from tests.support.factors import answer_factor, give_app, with_app
from tests.support.idp_server import TimedServer, timed_server
from tests.support.relying_party import Browser, Page

LIST = "/admin/clients"
API = Api("https://api.example.com", "Orders", {"orders.see": "See your orders"})
SECRET = "the-secret-that-nobody-may-see"
HOSTILE = "<b onclick=alert(1)>\"Tools\" & 'Söhne'</b>"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, signing_keys: Path) -> Iterator[TimedServer]:  # type: ignore[override]
    with timed_server(tmp_path_factory.mktemp("admin"), keys_from=signing_keys) as running:
        running.store.apis.save(API, now=running.now)
        yield running


@pytest.fixture(scope="module")
def admin(server: TimedServer) -> Browser:
    """Signed in, with the role."""
    return person(server, roles=("idp-admin",))[1]


def made(server: TimedServer, kind: str, **changes: Any) -> Client:
    """A client as `idp clients add --for` registers it."""
    recipe = RECIPES[kind]
    answers = Answers("Shop", ("https://shop.example.com",), "com.example.shop", (), (API,))
    settings = (
        recipe.settings(answers) if recipe.settings is not None else {"grant_types": (), "serves": (API.identifier,)}
    )
    metadata = dict(settings) | {"client_name": "Shop", "made_for": kind} | changes
    secret = SECRET if metadata.get("token_endpoint_auth_method") != "none" else None
    return server.add_client(secret=secret, **metadata).metadata


def shown(page: Page) -> str:
    return page.response.text


# --- Who may open them


@pytest.mark.asvs("8.2.1", "8.3.1")
@pytest.mark.parametrize("roles", [(), ("admin",), ("idp-admin2", "Idp-Admin", "idp"), ("Admin", "reader")])
def test_other_roles_see_nothing(server: TimedServer, roles: tuple[str, ...]) -> None:
    client = made(server, "authjs")
    _, browser = person(server, roles=roles)
    for path in (LIST, f"{LIST}/{client.client_id}", f"{LIST}/there-is-none"):
        page = browser.open(path)
        assert page.status == 403
        assert client.client_id not in shown(page)
        assert "Shop" not in shown(page)
    assert browser.open("/").soup.find(id="open-admin") is None


@pytest.mark.asvs("8.3.1")
def test_somebody_who_is_not_signed_in_signs_in_first_and_comes_back(server: TimedServer) -> None:
    client = made(server, "authjs")
    user = server.add_user(roles=("idp-admin",))
    for path in (f"{LIST}/{client.client_id}", LIST):
        browser = Browser(server)
        answer = browser.get(path)
        assert answer.status_code == 303
        assert client.client_id not in answer.text
    page = browser.page(browser.open(LIST).submit("login", username=user.username, password=PASSWORD))
    assert page.id == "admin-clients-page"


@pytest.mark.asvs("8.3.2")
def test_a_role_that_is_taken_away_is_gone_at_the_next_request(server: TimedServer) -> None:
    user, browser = person(server, roles=("idp-admin",))
    assert browser.open(LIST).id == "admin-clients-page"
    server.store.users.set_roles(user.id, (), now=server.now)
    assert browser.open(LIST).status == 403


@pytest.mark.asvs("6.3.3")
def test_whoever_has_a_second_factor_must_have_given_it(server: TimedServer) -> None:
    user, browser = person(server, roles=("idp-admin",))
    app = give_app(server, user)  # set up elsewhere, after this sign-in
    asked = browser.open(LIST)
    assert asked.id == "second-factor-page"
    assert browser.page(answer_factor(asked, app.code())).id == "admin-clients-page"


@pytest.mark.asvs("6.3.3")
def test_a_half_done_sign_in_is_none(server: TimedServer) -> None:
    user, _app = with_app(server, roles=("idp-admin",))
    browser = Browser(server)
    page = browser.page(browser.open("/login").submit("login", username=user.username, password=PASSWORD))
    assert page.id == "second-factor-page"
    assert browser.open(LIST).id != "admin-clients-page"


@pytest.mark.asvs("6.3.3")
def test_where_the_role_demands_a_factor_a_session_without_one_signs_in_anew(
    tmp_path: Path, signing_keys: Path
) -> None:
    with timed_server(tmp_path, keys_from=signing_keys, second_factor_roles="idp-admin") as server:
        user = server.add_user(roles=())
        browser = signed_in(server, user.username)
        server.store.users.set_roles(user.id, ("idp-admin",), now=server.now)
        assert browser.open(LIST).id == "login-page"


def test_the_roles_are_a_setting_and_none_means_nobody(tmp_path: Path, signing_keys: Path) -> None:
    with timed_server(tmp_path, keys_from=signing_keys, admin_roles="owner ops") as server:
        for roles, status in ((("ops",), 200), (("idp-admin",), 403)):
            assert person(server, roles=roles)[1].open(LIST).status == status


def test_an_account_that_is_being_deleted_is_kept_first(server: TimedServer) -> None:
    user, browser = person(server, roles=("idp-admin",))
    assert server.store.removal.schedule(user.id, deletes_at=server.now + 1000)
    assert browser.open(LIST).id == "keep-account-page"


# --- What they show


def test_the_home_page_leads_there_and_from_there_to_each_client(server: TimedServer, admin: Browser) -> None:
    client = made(server, "authjs", client_name="Aardvark")
    href = admin.open("/").soup.select_one("#open-admin")
    assert href is not None
    page = admin.open(str(href["href"]))
    first = page.soup.select_one("#client-1")
    assert first is not None
    assert first.get_text() == "Aardvark"
    detail = admin.open(str(first["href"]))
    assert detail.id == "admin-client-page"
    assert client.client_id in detail.text


@pytest.mark.asvs("14.2.6")
@pytest.mark.parametrize("kind", list(RECIPES))
def test_the_files_of_every_kind_are_shown_whole_with_its_values_and_no_secret(
    server: TimedServer, admin: Browser, kind: str
) -> None:
    client = made(server, kind)
    page = admin.open(f"{LIST}/{client.client_id}")
    assert page.status == 200, page.text[:300]
    files = {block["id"]: block.get_text() for block in page.soup.select(".file pre")}
    told = snippets_of(client, {API.identifier: API}, server.issuer)  # what `idp clients show --snippets` prints
    assert list(files.values()) == [file.content for file in told]
    assert len(files) == len(RECIPES[kind].files) > 0
    assert server.issuer in "".join(files.values())
    assert "«" not in "".join(files.values())
    for text in (SECRET, hashed(SECRET)):
        assert text not in shown(page)


@pytest.mark.asvs("1.2.1")
@pytest.mark.parametrize("kind", ["nextauth", "mobile", "service"])
def test_an_odd_name_stays_text(server: TimedServer, admin: Browser, kind: str) -> None:
    client = made(server, kind, client_name=HOSTILE)
    for path in (LIST, f"{LIST}/{client.client_id}"):
        page = admin.open(path)
        assert page.status == 200
        assert page.soup.select_one("main b") is None
        assert HOSTILE in page.soup.get_text()


def test_a_value_that_cannot_stand_in_a_file_is_said_so_and_no_error(server: TimedServer, admin: Browser) -> None:
    client = made(server, "authjs", scope=("openid", "$(id)`x`"))
    page = admin.open(f"{LIST}/{client.client_id}")
    assert page.status == 200
    assert page.soup.find(id="unwritable") is not None


@pytest.mark.parametrize("made_for", [None, "a-kind-of-a-later-version"])
def test_a_client_without_a_known_kind_says_how_to_give_it_one(
    server: TimedServer, admin: Browser, made_for: str | None
) -> None:
    client = server.add_client(made_for=made_for).metadata
    page = admin.open(f"{LIST}/{client.client_id}")
    assert f"idp clients update {client.client_id} --for KIND" in page.text


def test_secrets_that_are_encrypted_or_over_are_not_shown_either(server: TimedServer, admin: Browser) -> None:
    client = made(server, "authjs")
    kept = (ClientSecret(encrypted="sealed-value", created_at=1), ClientSecret(hash="f" * 64, expires_at=2))
    assert server.store.clients.save(replace(client, secrets=kept), now=server.now)
    page = admin.open(f"{LIST}/{client.client_id}")
    assert page.status == 200
    assert "sealed-value" not in shown(page)
    assert "f" * 64 not in shown(page)


@pytest.mark.parametrize("name", ["none", "%00", "%ED%A0%80", "..%2f..", "a" * 3000, "%F0%9F%98%80", "'; drop table"])
def test_a_client_that_is_not_there_is_not_found(admin: Browser, name: str) -> None:
    assert admin.get(f"{LIST}/{name}").status_code == 404


@pytest.mark.asvs("3.5.1")
@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH"])
def test_nothing_can_be_changed_here(server: TimedServer, admin: Browser, method: str) -> None:
    client = made(server, "authjs")
    for path in (LIST, f"{LIST}/{client.client_id}"):
        answer = admin.http.request(method, server.url(path), allow_redirects=False, timeout=30)
        assert answer.status_code in {400, 405}
    assert server.store.clients.find(client.client_id) == client


def test_the_pages_are_kept_by_nobody(server: TimedServer, admin: Browser) -> None:
    client = made(server, "authjs")
    for path in (LIST, f"{LIST}/{client.client_id}"):
        assert admin.get(path).headers["Cache-Control"] == "no-store"


def test_the_pages_are_there_in_french(server: TimedServer, admin: Browser) -> None:
    page = admin.open(f"{LIST}?lang=fr")
    html = page.soup.find("html")
    assert html is not None
    assert html["lang"] == "fr"


def test_a_file_is_copied_whole_and_the_page_fits_a_phone(server: TimedServer, browser_page: Pages) -> None:
    client, user = made(server, "authjs"), server.add_user(roles=("idp-admin",))
    page = browser_page(viewport=PHONE, locale="fr-FR", permissions=["clipboard-read", "clipboard-write"])
    complaints = complaints_of(page)
    page.goto(server.url(LIST))
    sign_in(page, user.username)
    page.click(f"[href$='{client.client_id}']")
    expect(page.locator("#copy-1")).to_be_visible()
    assert width(page) == PHONE[0]
    page.click("#copy-1")
    expect(page.locator("#copy-1 + [role=status]")).not_to_be_empty()
    copied = page.evaluate("navigator.clipboard.readText()")
    assert copied == page.locator("#file-1").text_content()
    assert complaints == []


def test_without_javascript_the_files_are_there_and_no_button_that_does_nothing(
    server: TimedServer, browser_page: Pages
) -> None:
    client, user = made(server, "authjs"), server.add_user(roles=("idp-admin",))
    page = browser_page(javascript=False)
    page.goto(server.url(LIST))
    sign_in(page, user.username)
    page.click(f"[href$='{client.client_id}']")
    expect(page.locator("#file-1")).to_be_visible()
    expect(page.locator("#copy-1")).to_be_hidden()


def test_every_kind_of_recipe_is_called_something_here() -> None:
    assert KINDS.keys() == RECIPES.keys()
