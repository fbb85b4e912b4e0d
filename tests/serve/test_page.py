"""The page in a real browser: a pose file in, an answer out; a sign taught, found and deleted (needs Chromium)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2 as httpx
import pytest
from helpers.browsers import watched
from helpers.trained_runs import Trained

from twinsign.inference.recogniser import Recogniser
from twinsign.pack.open import Pack
from twinsign.pose.read import write_npz

pytestmark = pytest.mark.slow


@pytest.fixture
def page(browser: Any, server: httpx.Client) -> Iterator[Any]:
    """The page, opened; every request must be for this server, and nothing may go wrong in the console."""
    with watched(browser, str(server.base_url), "blob:", "data:") as opened:
        yield opened


@pytest.fixture(scope="module")
def file(trained: Trained, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A test clip as a pose file."""
    pack, path = Pack(trained.pack), tmp_path_factory.mktemp("file") / "clip.npz"
    rows = pack.select(["test"])
    write_npz(pack.recording(int(rows[pack.usable[rows]][0])), path)
    return path


def test_a_file_is_named_and_drawn(page: Any, file: Path, trained: Trained) -> None:
    from twinsign.pose.read import read

    wanted = Recogniser.load(trained.finetuned).predict(read(file), 5)
    page.set_input_files("#file", str(file))
    page.wait_for_selector("#guesses li")
    assert page.locator("#guesses li").count() == len(wanted.guesses)
    assert wanted.guesses[0].gloss in page.locator("#guesses li").first.inner_text()
    headline = page.locator("#headline").inner_text()
    assert ("not sure" in headline.lower()) == (not wanted.sure)
    assert page.locator("#votes").inner_text().strip()
    drawn = "c => c.getContext('2d').getImageData(0, 0, c.width, c.height).data.some(v => v > 0)"
    assert page.locator("#overlay").evaluate(drawn)


def test_a_sign_is_taught_found_and_deleted(page: Any, file: Path, server: httpx.Client) -> None:
    page.set_input_files("#file", str(file))
    page.wait_for_selector("#guesses li")
    page.fill("#gloss", "mine")
    page.click("#teach button")
    page.wait_for_selector("#taught:not(:empty)")
    assert [one["gloss"] for one in server.get("/dictionary").json()["signs"]] == ["mine"]
    page.wait_for_selector("#signs [data-gloss=mine]")
    page.once("dialog", lambda dialog: dialog.accept())
    page.locator("#signs [data-gloss=mine]").click()
    page.locator("button", has_text="Delete").first.click()
    page.locator("#signs [data-gloss=mine]").wait_for(state="detached")
    assert server.get("/dictionary").json() == {"signs": []}


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_fits_a_telephone_and_answers_to_the_keyboard(browser: Any, server: httpx.Client, scheme: str) -> None:
    context = browser.new_context(viewport={"width": 390, "height": 800}, color_scheme=scheme, reduced_motion="reduce")
    page = context.new_page()
    page.goto(str(server.base_url))
    page.locator("#about", has_text="Loading").wait_for(state="detached")
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    unnamed = "[...document.querySelectorAll('input, button')].filter(e => !e.labels?.length && !e.textContent.trim())"
    assert page.evaluate(f"{unnamed}.length") == 0
    context.close()
