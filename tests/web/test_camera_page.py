"""The page with its camera on, in a real browser: a hidden tab, a telephone that is turned (Chromium, npm's files)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from helpers.browsers import chromium, until, watched
from helpers.camera_page import LOADED, PICTURES, RECORD, TRACK, camera_options, hide_while_signing, see_again
from helpers.tabs import tab

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("data_dir")]
UPRIGHT, LYING = (360, 740), (740, 360)
SHAPE = """(() => {
  const [overlay, video, stage] = ["overlay", "camera", "stage"].map((id) => document.getElementById(id));
  const box = (element) => {
    const { x, y, width, height } = element.getBoundingClientRect();
    return [x, y, width, height];
  };
  return {
    canvas: [overlay.width, overlay.height], video: [video.videoWidth, video.videoHeight],
    boxes: [box(overlay), box(video)], fits: getComputedStyle(overlay).objectFit, stage: box(stage),
    scroll: document.documentElement.scrollWidth,
  };
})()"""
DRAWN = """(() => {
  const overlay = document.getElementById("overlay");
  return overlay.getContext("2d").getImageData(0, 0, overlay.width, overlay.height).data.some((value) => value > 0);
})()"""
TURN = f"([width, height]) => {TRACK}.applyConstraints({{ width, height }})"


@pytest.fixture(scope="module")
def options(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, ...]:
    """A browser's options for a camera that shows a sign."""
    return camera_options(tmp_path_factory.mktemp("camera"), 480)


def test_a_hidden_tab_watches_nobody_and_goes_on_when_seen(
    address: str, options: tuple[str, ...], tmp_path: Path
) -> None:
    with tab(tmp_path, *options) as shown:
        hide_while_signing(shown, address)
        see_again(shown)


@pytest.fixture
def telephone(address: str, options: tuple[str, ...]) -> Iterator[Any]:
    """The page on a telephone held upright, its camera on."""
    with chromium(*options) as browser:
        held = {"viewport": size(UPRIGHT), "is_mobile": True, "has_touch": True}
        with watched(browser, address, f"blob:{address}", **held) as page:
            until(page, LOADED)
            page.evaluate(RECORD)
            page.click("#start")
            until(page, f"{PICTURES} > 0")
            yield page


def size(shape: tuple[int, int]) -> dict[str, int]:
    return dict(zip(("width", "height"), shape, strict=True))


def test_a_telephone_is_turned_and_turned_back(telephone: Any) -> None:
    for held, pictures in ((UPRIGHT, (200, 270)), (LYING, (480, 270)), (UPRIGHT, (200, 270))):
        telephone.set_viewport_size(size(held))
        telephone.evaluate(TURN, pictures)  # telephones turn the camera's pictures, too
        wanted = ",".join(map(str, pictures))
        until(
            telephone,
            f"(({{ canvas, video }}) => canvas.join() === '{wanted}' && video.join() === '{wanted}')({SHAPE})",
        )
        telephone.evaluate("messages.length = 0")
        until(telephone, f"{PICTURES} > 2")
        until(telephone, DRAWN)
        shape = telephone.evaluate(SHAPE)
        assert shape["scroll"] <= held[0]
        assert shape["boxes"][0] == shape["boxes"][1], "the skeleton lies on the picture"
        assert shape["fits"] == "contain"
        assert shape["stage"][3] <= held[1], "the whole picture can be seen at once"
        assert telephone.evaluate(f"{TRACK}.readyState") == "live"
        assert telephone.locator("#problem").inner_text() == ""
        assert telephone.locator("#stop").is_visible()
