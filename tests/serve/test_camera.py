"""The page with a camera, in a real browser: skeleton, sign, and a camera that is let go (Chromium, extra `video`)."""

from __future__ import annotations

import os
from typing import Any

import httpx2 as httpx
import pytest
from helpers.browsers import PATIENCE, until

pytestmark = pytest.mark.slow
pytest.importorskip("mediapipe", reason="needs the extra `video`: run `make video`")
DRAWN = "document.querySelector('#overlay').getContext('2d').getImageData(0, 0, 640, 480).data.some(v => v > 0)"
ANSWERED = "document.querySelector('#headline').textContent !== 'Nothing signed yet'"
WATCHING = "['Watching', 'Signing', 'Hands held'].includes(document.querySelector('#state').textContent)"
HANDS = "document.querySelector('#state').textContent === 'Signing'"
REAL = "TWINSIGN_DATA" in os.environ


@pytest.mark.parametrize(("scheme", "width"), [("light", 390), ("dark", 1200)])
def test_a_sign_before_the_camera(browser_with_camera: Any, server: httpx.Client, scheme: str, width: int) -> None:
    context = browser_with_camera.new_context(color_scheme=scheme, viewport={"width": width, "height": 900})
    page = context.new_page()
    wrong: list[str] = []
    page.on("console", lambda said: wrong.append(said.text) if said.type == "error" else None)
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.goto(str(server.base_url))
    page.click("#start:enabled")
    page.wait_for_selector("#stop:focus", timeout=PATIENCE)
    until(page, WATCHING)
    if REAL:
        until(page, DRAWN)
        until(page, ANSWERED)
        assert page.locator("#guesses li").count() == 4
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        if page.locator("#headline").inner_text() == "Not sure":
            assert "unsure" in str(page.locator("#headline").get_attribute("class"))
        until(page, HANDS)
        _shot(page, f"live-{scheme}-{width}")
    page.evaluate("window.track = document.querySelector('#camera').srcObject.getTracks()[0]")
    assert page.evaluate("window.track.readyState") == "live"
    page.click("#stop")
    page.wait_for_selector("#start:focus", timeout=PATIENCE)
    assert page.evaluate("window.track.readyState") == "ended", "the camera is free"
    assert page.evaluate("document.querySelector('#camera').srcObject") is None
    assert page.locator("#problem").inner_text() == ""
    assert wrong == []
    _shot(page, f"stopped-{scheme}-{width}")
    context.close()
    page_free(server)


def page_free(server: httpx.Client) -> None:
    """The server let the stream go, too."""
    for _ in range(100):
        if "twinsign_live_streams 0.0" in server.get("/metrics").text:
            return
    raise AssertionError("a stream that nobody looks at is still open")


def _shot(page: Any, name: str) -> None:
    """A screenshot, where a folder is named for it."""
    if folder := os.environ.get("TWINSIGN_SHOTS"):
        page.screenshot(path=f"{folder}/{name}.png", full_page=True)
