"""The playground in Chromium, from the form to the sign-out, against real worker processes."""

import pytest
from playwright.sync_api import Page, expect

from idp.cli.demo_data import save_playground_client
from tests.pages.visits import complaints_of, sign_in, width
from tests.support.chromium import DESKTOP, PHONE, Pages
from tests.support.idp_server import ServerUnderTest

STEPS = ["discovery", "authorize", "callback", "token", "check", "userinfo"]


@pytest.fixture(scope="module")
def playground(server: ServerUnderTest) -> str:
    save_playground_client(server.settings, server.store, now=server.now)
    return server.url("/playground")


def shown_steps(page: Page) -> list[str]:
    page.wait_for_load_state()  # the verdict stands above the steps and is there before them
    return [str(each.get_attribute("id")).removeprefix("step-") for each in page.locator(".panel[id^=step-]").all()]


def badge(page: Page, step: str) -> str:
    return page.locator(f"#step-{step} h2 .badge").inner_text()


@pytest.mark.parametrize(
    "screen",
    [
        pytest.param({"viewport": DESKTOP}, id="desktop"),
        pytest.param({"viewport": PHONE, "colour_scheme": "dark", "javascript": False}, id="phone without JavaScript"),
    ],
)
def test_the_whole_walk_shows_every_step_and_every_button_works(
    browser_page: Pages, server: ServerUnderTest, playground: str, screen: dict[str, object]
) -> None:
    page, user = browser_page(**screen), server.add_user()  # type: ignore[arg-type]
    said = complaints_of(page)
    page.goto(server.url("/"))
    page.click("#open-playground")
    page.click("#start")
    sign_in(page, user.username)
    expect(page.locator("#verdict.verdict-good")).to_be_visible()
    assert shown_steps(page) == STEPS
    assert [badge(page, step) for step in STEPS] == ["OK"] * 6
    expect(page.locator("#step-check .token h3").nth(0)).to_contain_text("Verified")
    expect(page.locator("#step-check .token h3").nth(1)).to_contain_text("Verified")
    expect(page.locator("#step-check")).to_contain_text(user.id)
    expect(page.locator("#step-userinfo")).to_contain_text(user.email or "")
    expect(page.locator("#step-token")).to_contain_text("Basic ****")
    assert width(page) == screen["viewport"][0]  # type: ignore[index]

    page.click("#refresh")
    expect(page.locator("#step-refresh_check h2 .badge")).to_have_text("OK")
    assert page.url.endswith("#step-refresh")
    page.click("#introspect")
    expect(page.locator("#step-introspect")).to_contain_text('"active": true')
    page.click("#revoke")
    expect(page.locator("#step-revoke h2 .badge")).to_have_text("OK")
    page.click("#introspect")
    expect(page.locator("#step-introspect")).to_contain_text('"active": false')
    page.click("#userinfo")
    expect(page.locator("#step-userinfo .problem")).to_contain_text("invalid_token")
    expect(page.locator("#verdict.verdict-bad")).to_be_visible()

    page.click("#sign-out")
    expect(page.locator("#playground-page [role=status]")).to_have_text("You are signed out.")
    page.goto(server.url("/"))
    expect(page.locator("#sign-out")).to_have_count(0)
    assert said == []


def test_the_answer_may_come_by_form_post(browser_page: Pages, server: ServerUnderTest, playground: str) -> None:
    page, user = browser_page(), server.add_user()
    said = complaints_of(page)
    page.goto(playground)
    page.select_option("#response_mode", "form_post")
    page.click("#start")
    sign_in(page, user.username)
    expect(page.locator("#verdict.verdict-good")).to_be_visible()
    expect(page.locator("#step-callback .method")).to_have_text("POST")
    assert said == []


def test_what_the_person_refuses_is_shown_as_the_answer_it_was(
    browser_page: Pages, server: ServerUnderTest, playground: str
) -> None:
    page, user = browser_page(), server.add_user()
    page.goto(playground)
    page.select_option("#prompt", "consent")
    page.click("#start")
    sign_in(page, user.username)
    page.click("#deny")
    expect(page.locator("#step-callback .problem")).to_contain_text("access_denied")
    assert shown_steps(page) == STEPS[:3]
    expect(page.locator("#refresh")).to_have_count(0)


def test_nonsense_in_a_field_is_said_beside_it_and_nothing_is_lost(
    browser_page: Pages, server: ServerUnderTest, playground: str
) -> None:
    page = browser_page()
    page.goto(playground)
    page.click("details.more summary")
    page.fill("#claims", "{nonsense")
    page.fill("#login_hint", "ada")
    page.click("#start")
    expect(page.locator("#error-summary")).to_be_focused()
    page.click("#error-summary a[href='#claims']")
    expect(page.locator("#claims")).to_be_focused()
    assert page.input_value("#login_hint") == "ada"
    assert page.input_value("#scope") == "openid profile email offline_access"


def test_two_tabs_show_their_own_walks(browser_page: Pages, server: ServerUnderTest, playground: str) -> None:
    first, user = browser_page(), server.add_user()
    second = first.context.new_page()
    first.goto(playground)
    first.fill("#scope", "openid")
    second.goto(playground)
    second.fill("#scope", "openid email")
    first.click("#start")
    second.click("#start")
    sign_in(first, user.username)
    sign_in(second, user.username)
    expect(first.locator("#step-userinfo pre")).not_to_contain_text("email")
    expect(second.locator("#step-userinfo pre")).to_contain_text(user.email or "")
    first.reload()
    expect(first.locator("#step-userinfo pre")).not_to_contain_text("email")


def test_going_back_and_forward_redeems_no_code_twice(
    browser_page: Pages, server: ServerUnderTest, playground: str
) -> None:
    page, user = browser_page(), server.add_user()
    page.goto(playground)
    page.click("#start")
    sign_in(page, user.username)
    expect(page.locator("#verdict.verdict-good")).to_be_visible()
    page.go_back()
    page.go_forward()
    expect(page.locator("#verdict.verdict-good")).to_be_visible()
    page.click("#introspect")
    expect(page.locator("#step-introspect")).to_contain_text('"active": true')


def test_opened_under_another_name_of_this_machine_it_says_where_to_begin(
    browser_page: Pages, server: ServerUnderTest, playground: str
) -> None:
    page, user = browser_page(), server.add_user()
    said = complaints_of(page)
    page.goto(playground.replace("localhost", "127.0.0.1"))
    page.click("#start")
    sign_in(page, user.username)
    expect(page.locator("#error-advice")).to_contain_text(playground)
    assert [line for line in said if "Content Security Policy" in line] == []


def test_it_speaks_french_also_of_what_happened_before(
    browser_page: Pages, server: ServerUnderTest, playground: str
) -> None:
    page, user = browser_page(viewport=(320, 640)), server.add_user()
    page.goto(playground)
    page.click("#start")
    sign_in(page, user.username)
    expect(page.locator("#verdict")).to_be_visible()
    page.click("a.language[lang=fr]")
    expect(page.locator("#step-token h2")).to_contain_text("Requête de jetons")
    expect(page.locator("#verdict")).to_contain_text("La connexion a réussi")
    assert width(page) == 320
    page.click("#introspect")
    expect(page.locator("#step-introspect")).to_contain_text("Il est valable.")
