from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from twinsign.annotation.annotate import Annotated
from twinsign.annotation.naming import Name
from twinsign.annotation.page import MOST_FRAMES, PageFrames, write_page
from twinsign.annotation.source import Piece
from twinsign.annotation.writers import Document
from twinsign.inference.recogniser import Guess
from twinsign.pose.layout import JOINT_COUNT
from twinsign.pose.recording import Recording

SEGMENTS = [
    Annotated(1.0, 2.0, 25, 50, Name([Guess("<b>house</b> & </script>", 0.9)], True)),
    Annotated(2.5, 4.0, 62, 100, Name([Guess("tree", 0.4), Guess("wood", 0.3)], False, "unlike")),
]


def piece(seconds: float, fps: float = 25.0, first: float = 0.0) -> Piece:
    count = round(seconds * fps)
    xy = np.random.default_rng(0).random((count, JOINT_COUNT, 2)).astype(np.float32)
    recording = Recording("a", xy, np.ones((count, JOINT_COUNT), np.float32), fps=fps)
    return Piece(recording, first + np.arange(count) / fps)


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """Headless Chromium of the machine."""
    executable = shutil.which("chromium") or shutil.which("google-chrome")
    if executable is None:
        pytest.skip("no Chromium on this machine: apt-get install chromium")
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    with playwright.sync_playwright() as driver:
        yield driver.chromium.launch(executable_path=executable, args=["--no-sandbox", "--disable-gpu"])


def test_long_recordings_are_thinned_out() -> None:
    frames = PageFrames()
    for number in range(14):
        frames.add(piece(600, 12.5, 600.0 * number))
    assert MOST_FRAMES / 2 <= len(frames._frames) <= MOST_FRAMES
    assert np.all(np.diff(frames._times) > 0)
    assert frames._times[-1] > 8390
    gaps = np.diff(frames._times)
    assert gaps.max() <= 2.1 * np.median(gaps)


def test_the_page_plays_and_its_captions_are_read(tmp_path: Path, browser: Any) -> None:
    frames = PageFrames()
    frames.add(piece(5))
    write_page(Document("A & <talk>", SEGMENTS), frames, tmp_path / "a.html")
    page, problems = browser.new_page(), []
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.goto((tmp_path / "a.html").as_uri())
    assert page.title() == "A & <talk>"
    assert page.locator("tbody tr").count() == 2
    page.wait_for_function("track.track.cues && track.track.cues.length === 2")
    assert page.evaluate("track.track.cues[0].getCueAsHTML().textContent") == "<b>house</b> & </script>"
    assert page.evaluate("times.length") == 63
    page.click("tbody tr:nth-child(2)")
    assert page.inner_text("#now") == "tree?"
    assert page.evaluate("time") == 2.5
    drawn = page.evaluate("canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data.some(Boolean)")
    assert drawn
    page.click("#play")
    page.wait_for_function("time > 2.6")
    page.click("#play")
    page.fill("#filter", "WOOD")
    assert page.locator("tbody tr").count() == 1
    page.check("#sure")
    assert page.locator("tbody tr").count() == 0
    assert not problems
