"""What the page loads in a real browser: all that is shipped and nothing else; and what it says where it cannot run."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from helpers.browsers import PATIENCE
from helpers.videos import film

pytestmark = pytest.mark.slow
FOR_THE_DEVICE = {"app.webmanifest", "page/icon-192.png", "page/icon-512.png", "page/icon.svg"}
"""What a browser asks for when the page is installed as an app."""
FOR_READERS = {"page/vendor/NOTICE.txt"}
UNDECODABLE = "25241.mp4"
"""MPEG-4 Part 2."""


def test_nothing_is_shipped_that_the_page_does_not_load(browser: Any, address: str, site: Path, tmp_path: Path) -> None:
    asked: set[str] = set()
    context = browser.new_context(service_workers="block")
    context.on("request", lambda request: asked.add(request.url))
    page = context.new_page()
    page.goto(address)
    page.locator("#about", has_text="signs").wait_for()
    page.set_input_files("#file", str(film(tmp_path)))
    page.locator("#guesses li, #problem:not(:empty)").first.wait_for(timeout=PATIENCE)
    context.close()
    loaded = {url.removeprefix(address) for url in asked if not url.startswith("blob:")}
    files = json.loads((site / "manifest.json").read_text())["files"]
    shipped = {file["file"] for file in files}
    assert loaded - {""} <= shipped
    assert shipped - loaded - {"index.html"} <= FOR_THE_DEVICE | FOR_READERS
    assert len({file["sha256"] for file in files}) == len(files), "nothing twice"


def test_a_browser_without_simd_is_told_which_one_to_use(browser: Any, address: str) -> None:
    context = browser.new_context()
    context.add_init_script("WebAssembly.validate = () => false;")
    page = context.new_page()
    page.goto(address)
    page.locator("#problem", has_text="no WebAssembly SIMD").wait_for()
    assert "Firefox 89" in page.locator("#problem").inner_text()
    assert page.locator("#start").is_disabled()
    page.locator("#offline", has_text="no WebAssembly SIMD").wait_for()
    assert page.evaluate("navigator.serviceWorker.getRegistrations().then((all) => all.length)") == 0
    context.close()


def test_a_video_that_browsers_do_not_play(page: Any, data_dir: Path) -> None:
    video = data_dir / "videos" / "wlasl" / UNDECODABLE
    if not video.is_file():
        pytest.skip(f"no {video}")
    page.set_input_files("#file", str(video))
    page.locator("#problem", has_text=f"cannot decode {UNDECODABLE}").wait_for(timeout=PATIENCE)
    said = page.locator("#problem").inner_text()
    for what in ("H.264", "WebM", "ffmpeg", f"twinsign predict {UNDECODABLE}"):
        assert what in said
    assert page.locator("#headline").inner_text() == "No answer"
    assert page.locator("#invite").is_visible()
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    page.set_input_files("#file", str(data_dir / "videos" / "wlasl" / "30160.mp4"))
    page.locator("#guesses li").first.wait_for(timeout=PATIENCE)
    assert page.locator("#problem").inner_text() == ""
