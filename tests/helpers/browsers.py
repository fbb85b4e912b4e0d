"""Headless Chromium, and static files served to it on this machine alone."""

from __future__ import annotations

import functools
import http.server
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

QUIET = ("--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking", "--disable-sync")


def find_chromium() -> str:
    """Chromium of the machine; the test is skipped where there is none."""
    executable = shutil.which("chromium") or shutil.which("google-chrome")
    if executable is None:
        pytest.skip("no Chromium on this machine: apt-get install chromium")
    return executable


@contextmanager
def chromium(*options: str) -> Iterator[Any]:
    """Headless Chromium of the machine; the test is skipped where there is none."""
    executable = find_chromium()
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    with playwright.sync_playwright() as driver:
        yield driver.chromium.launch(executable_path=executable, args=[*QUIET, "--disable-component-update", *options])


@contextmanager
def watched(browser: Any, address: str, *elsewhere: str, **options: Any) -> Iterator[Any]:
    """A page, opened: every request must be for its own site or begin like `elsewhere`, and its console stays clean."""
    context = browser.new_context(**options)
    page = context.new_page()
    asked: list[str] = []
    wrong: list[str] = []
    context.on("request", lambda request: asked.append(request.url))
    page.on("console", lambda said: wrong.append(said.text) if said.type == "error" else None)
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.goto(address)
    yield page
    context.close()
    assert all(url.startswith((address, *elsewhere)) for url in asked), asked
    assert wrong == []


PATIENCE = 240_000
"""Milliseconds that a page has on a busy machine."""


def until(page: Any, condition: str) -> None:
    """Wait for it; the page's own rules forbid Playwright's way, which evaluates text within the page."""
    for _ in range(PATIENCE // 200):
        if page.evaluate(condition):
            return
        page.wait_for_timeout(200)
    raise AssertionError(condition)


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_words: Any) -> None:
        pass


@contextmanager
def static(folder: Path) -> Iterator[str]:
    """A folder as `python -m http.server` serves it: the address, until the block ends."""
    handler = functools.partial(_Quiet, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}/"
        finally:
            server.shutdown()
            thread.join()
