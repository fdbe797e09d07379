"""The pages in a real browser: readable, wide enough for a finger, never wider than the screen, and usable unscripted.

WCAG 2.2: 1.4.3 and 1.4.6 (contrast of text), 1.4.11 (of controls), 1.4.10 (reflow), 2.5.5 (size of targets).
"""

import threading
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect
from werkzeug.serving import make_server

from tests.pages.samples import SAMPLES, make_samples_app
from tests.support.chromium import PHONE, Pages

MEASURE = """() => {
  const numbers = (colour) => colour.match(/[\\d.]+/g).map(Number);
  const linear = (part) => (part /= 255) <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
  const luminance = ([r, g, b]) => 0.2126 * linear(r) + 0.7152 * linear(g) + 0.0722 * linear(b);
  const behind = (element) => {
    for (let each = element; each; each = each.parentElement) {
      const colour = numbers(getComputedStyle(each).backgroundColor);
      if (colour.length < 4 || colour[3] === 1) return colour;
    }
    return [255, 255, 255];
  };
  const contrast = (one, other) => {
    const [light, dark] = [luminance(one), luminance(other)].sort((a, b) => b - a);
    return (light + 0.05) / (dark + 0.05);
  };
  const isShown = (element) => element.getClientRects().length && !element.closest(".visually-hidden, .skip-link");
  const describe = (element) => `${element.tagName} ${element.className} ${element.id}`;
  document.querySelectorAll("details").forEach((each) => { each.open = true; });

  const faint = [], small = [];
  const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (texts.nextNode()) {
    const element = texts.currentNode.parentElement;
    if (!texts.currentNode.data.trim() || !isShown(element)) continue;
    const ratio = contrast(numbers(getComputedStyle(element).color), behind(element));
    if (ratio < 7) faint.push([describe(element), ratio]);
  }
  for (const control of document.querySelectorAll("input:not([type=hidden]), select, textarea, .choice")) {
    const ratio = contrast(numbers(getComputedStyle(control).borderTopColor), behind(control.parentElement));
    if (ratio < 3) faint.push([describe(control), ratio]);
  }
  for (const target of document.querySelectorAll("a, button, input:not([type=hidden]), select, textarea, summary")) {
    const touched = target.type === "checkbox" ? target.closest("label") : target;
    const { width, height } = touched.getBoundingClientRect();
    if (isShown(target) && (height < 44 || width < 44)) small.push([describe(target), width, height]);
  }
  return { faint, small, width: document.documentElement.scrollWidth };
}"""

every_page = pytest.mark.parametrize("sample", SAMPLES)


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    """Where the samples are served."""
    server = make_server("127.0.0.1", 0, make_samples_app(), threaded=True)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture(scope="module")
def complaints() -> list[str]:
    """What the console of the one page says."""
    return []


@pytest.fixture(scope="module")
def only_page(chromium: Browser, complaints: list[str]) -> Iterator[Page]:
    """One for all: a new profile for each sample would take longer than the looking."""
    pages = Pages(chromium)
    page = pages(viewport=PHONE, reduced_motion="reduce")
    page.route("**/form_post.js", lambda route: route.fulfill(body=""))  # it would leave the page
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    yield page
    pages.close()


@every_page
def test_everything_can_be_seen_and_touched_in_light_and_dark_under_the_content_security_policy(
    only_page: Page, complaints: list[str], address: str, sample: str
) -> None:
    page = only_page
    complaints.clear()
    page.emulate_media(color_scheme="light")
    page.goto(f"{address}/{sample}")
    light = page.evaluate(MEASURE)
    page.emulate_media(color_scheme="dark")
    dark = page.evaluate(MEASURE)
    as_wished = {"faint": [], "small": [], "width": PHONE[0]}
    assert (light, dark) == (as_wished, as_wished)
    assert light_and_dark_differ(page)
    assert complaints == []


def light_and_dark_differ(page: Page) -> bool:
    """Whether the two schemes were really both there to be measured."""
    colours = set()
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
        colours.add(page.evaluate("getComputedStyle(document.body).backgroundColor"))
    return len(colours) == 2


def test_a_page_in_french_fits_a_narrow_screen(browser_page: Pages, address: str) -> None:
    page = browser_page(viewport=(320, 640), javascript=False)
    widths = {}
    for sample in SAMPLES:
        page.goto(f"{address}/{sample}?lang=fr")
        widths[sample] = page.evaluate("document.documentElement.scrollWidth")
    assert widths == dict.fromkeys(SAMPLES, 320)


def test_a_logo_that_does_not_load_leaves_the_initial(browser_page: Pages, address: str) -> None:
    page = browser_page()
    page.goto(f"{address}/login")
    page.evaluate("""() => new Promise((failed) => {
      const logo = document.getElementById("client-logo");
      logo.addEventListener("error", failed, { once: true });
      logo.src = "/missing.png";
    })""")
    shown = page.evaluate("getComputedStyle(document.getElementById('client-logo'), '::after').content")
    assert shown.startswith('"D"')


def test_the_password_can_be_looked_at_and_hidden_again(browser_page: Pages, address: str) -> None:
    page = browser_page()
    page.goto(f"{address}/login")
    page.fill("#password", "a secret")
    page.click("#show-password")
    assert page.get_attribute("#password", "type") == "text"
    assert page.inner_text("#show-password") == "Hide"
    page.click("#show-password")
    assert page.get_attribute("#password", "type") == "password"


def test_without_javascript_no_dead_button_is_shown(browser_page: Pages, address: str) -> None:
    page = browser_page(javascript=False)
    page.goto(f"{address}/login")
    assert page.locator("#show-password").is_hidden()
    assert page.locator("#login").is_visible()


def test_form_post_sends_itself_even_when_a_parameter_is_called_submit(browser_page: Pages, address: str) -> None:
    page = browser_page(bypass_csp=True)
    sent: list[str | None] = []

    def receive(route: Any) -> None:
        sent.append(route.request.post_data)
        route.fulfill(body="received")

    page.route("https://rp.example/cb", receive)
    page.goto(f"{address}/form-post")
    page.wait_for_url("https://rp.example/cb")
    assert len(sent) == 1
    assert "submit=a" in str(sent[0])


def test_the_error_summary_has_the_focus_and_leads_to_the_field(browser_page: Pages, address: str) -> None:
    page = browser_page()
    page.goto(f"{address}/login-errors")
    expect(page.locator("#error-summary")).to_be_focused()
    page.click("#error-summary a[href='#password']")
    expect(page.locator("#password")).to_be_focused()


def test_enter_in_the_password_signs_in_and_neither_cancels_nor_goes_elsewhere(
    browser_page: Pages, address: str
) -> None:
    page = browser_page(javascript=False)
    sent: list[tuple[str, str | None]] = []

    def receive(route: Any) -> None:
        if route.request.method == "POST":
            sent.append((route.request.url, route.request.post_data))
            route.fulfill(body="received")
        else:
            route.continue_()

    page.route("**/*", receive)
    page.goto(f"{address}/login-providers")
    page.fill("#username", "ada")
    page.fill("#password", "a secret")
    page.press("#password", "Enter")
    page.wait_for_url(f"{address}/here")
    fields = "csrf_token=a-csrf-token&interaction=i-1&to=&username=ada&password=a+secret"
    assert sent == [(f"{address}/here", fields)]


@pytest.mark.parametrize("sample", ["login-many-providers", "conflict-everything"])
def test_the_ways_in_are_as_wide_as_each_other_however_long_their_names_are(
    browser_page: Pages, address: str, sample: str
) -> None:
    for viewport in ((360, 740), (1280, 800)):
        page = browser_page(viewport=viewport)
        page.goto(f"{address}/{sample}")
        boxes = page.evaluate(
            "[...document.querySelectorAll('.way-list .button')].map((each) => each.getBoundingClientRect().width)"
        )
        assert len(boxes) >= 3
        assert len({round(width) for width in boxes}) == 1


def test_each_kind_of_provider_has_a_colour_of_its_own(browser_page: Pages, address: str) -> None:
    page = browser_page()
    page.goto(f"{address}/login-many-providers")
    colours = page.evaluate(
        "[...document.querySelectorAll('.monogram')].map((each) => getComputedStyle(each).backgroundColor)"
    )
    assert (len(colours), len(set(colours))) == (12, 7)


def test_lines_from_right_to_left_begin_where_the_others_begin(browser_page: Pages, address: str) -> None:
    page = browser_page()
    page.goto(f"{address}/link-right-to-left")
    starts = page.evaluate(
        "[...document.querySelectorAll('.account-text > *')].map((each) => each.getBoundingClientRect().left)"
    )
    assert (len(starts), len(set(starts))) == (3, 1)
