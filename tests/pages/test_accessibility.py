"""Every page, judged by axe-core in a real browser, light and dark: WCAG 2.2 A and AA and the advice beyond.

The pages are the samples: every template with values that are hard on it. The judge is an npm package that
`scripts/test` installs with the clients of tests/interop.
"""

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page
from werkzeug.serving import make_server

from tests.pages.samples import SAMPLES, make_samples_app
from tests.support.chromium import DESKTOP, PHONE, Pages

AXE = Path(__file__).parent.parent / "interop" / "node_modules" / "axe-core" / "axe.min.js"
EVERYTHING = {"type": "tag", "values": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]}
COLOURS = {"type": "rule", "values": ["color-contrast"]}
JUDGE = """async (what) => {
  document.querySelectorAll("details").forEach((each) => { each.open = true; });
  const { violations, passes } = await axe.run(document, { runOnly: what, resultTypes: ["violations"] });
  const found = violations.map(({ id, nodes }) => [id, nodes.map((node) => node.html.slice(0, 200))]);
  return [found, passes.length];
}"""


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    """Where the samples are served."""
    if not AXE.is_file():
        pytest.skip("needs axe-core: npm ci --prefix tests/interop")
    server = make_server("127.0.0.1", 0, make_samples_app(), threaded=True)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture(scope="module")
def only_page(chromium: Browser) -> Iterator[Page]:
    """One for all: a new profile for each sample would take longer than the judging."""
    pages = Pages(chromium)
    page = pages(reduced_motion="reduce", bypass_csp=True)
    page.route("**/form_post.js", lambda route: route.abort())  # it would leave the page
    yield page
    pages.close()


@pytest.fixture
def page(only_page: Page) -> Page:
    only_page.emulate_media(color_scheme="light")
    only_page.set_viewport_size({"width": PHONE[0], "height": PHONE[1]})
    return only_page


def judged(page: Page, what: dict[str, Any]) -> list[Any]:
    found, passed = page.evaluate(JUDGE, what)
    assert passed, "something must have been judged"
    return list(found)


@pytest.mark.parametrize("sample", SAMPLES)
def test_nothing_is_found_wanting(page: Page, address: str, sample: str) -> None:
    page.goto(f"{address}/{sample}?lang=fr")
    page.evaluate(AXE.read_text(encoding="utf-8"))
    found = {"light, phone": judged(page, EVERYTHING)}
    page.emulate_media(color_scheme="dark")
    page.set_viewport_size({"width": DESKTOP[0], "height": DESKTOP[1]})
    found["dark, desktop"] = judged(page, COLOURS)
    assert found == {"light, phone": [], "dark, desktop": []}


def test_the_judge_finds_what_is_wrong(page: Page, address: str) -> None:
    page.goto(f"{address}/login")
    page.evaluate(AXE.read_text(encoding="utf-8"))
    page.evaluate("document.querySelector('label[for=username]').remove()")
    assert [name for name, _ in judged(page, EVERYTHING)] == ["label"]
