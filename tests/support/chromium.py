"""Debian's Chromium, driven by Playwright: one browser per test process, a fresh profile per page.

Owns how the browser starts and what a page may be asked to be. The browser resolves no name but localhost, so a page
that reaches for the outside fails as it would on an isolated machine.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from tempfile import TemporaryDirectory
from typing import Any, Literal

from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright

from tests.support.machine import find_needed

DESKTOP = (1280, 800)  # viewport, CSS pixels
PHONE = (390, 844)
PATIENCE = 30_000  # milliseconds Playwright waits for anything before it fails; the machine may be busy
ARGUMENTS = (
    "--no-sandbox",  # Chromium's sandbox does not run as root
    "--disable-gpu",
    "--disable-dev-shm-usage",  # a container's /dev/shm may be small
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE localhost, EXCLUDE *.localhost, EXCLUDE 127.0.0.1, EXCLUDE [::1]",
)

expect.set_options(timeout=PATIENCE)


class Pages:
    """Makes pages, and closes them all at the end of a test."""

    def __init__(self, browser: Browser) -> None:
        self._browser = browser
        self._contexts: list[BrowserContext] = []

    def __call__(
        self,
        *,
        viewport: tuple[int, int] = DESKTOP,
        colour_scheme: Literal["light", "dark"] = "light",
        locale: str = "en-US",
        javascript: bool = True,
        **options: Any,
    ) -> Page:
        """A page with cookies of its own. ``options`` go to Playwright's ``new_context``, such as
        ``ignore_https_errors=True``, ``base_url`` or ``reduced_motion``. For two tabs of one person, use
        ``page.context.new_page()``.
        """
        context = self._browser.new_context(
            viewport={"width": viewport[0], "height": viewport[1]},
            color_scheme=colour_scheme,
            locale=locale,
            java_script_enabled=javascript,
            **options,
        )
        self._contexts.append(context)
        context.set_default_timeout(PATIENCE)
        return context.new_page()

    def close(self) -> None:
        """Close every page made here, and forget their cookies."""
        while self._contexts:
            self._contexts.pop().close()


@contextmanager
def running_chromium() -> Iterator[Browser]:
    """The browser, for as long as the block. Raises ProgramMissing."""
    program = find_needed("chromium", package="chromium")
    with TemporaryDirectory(prefix="idp-chromium-") as home, sync_playwright() as playwright:
        environment: dict[str, str | float | bool] = {**os.environ, "XDG_CONFIG_HOME": home, "XDG_CACHE_HOME": home}
        browser = playwright.chromium.launch(
            executable_path=program, args=list(ARGUMENTS), env=environment, timeout=4 * PATIENCE
        )
        try:
            yield browser
        finally:
            browser.close()
