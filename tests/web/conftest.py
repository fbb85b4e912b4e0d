"""A site of a tiny RUN, with the browser's real pose estimator from npm, and a page of it."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest
from helpers.browsers import chromium, static, watched
from helpers.trained_runs import Trained
from helpers.videos import film, y4m

from twinsign.errors import InputError
from twinsign.web.assets import cached_vendor, prepare_vendor


@pytest.fixture(scope="session")
def vendor(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Holistic and onnxruntime, from the user's cache or npm; the test is skipped where npm has them not."""
    if ready := cached_vendor():
        return ready
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        try:
            return prepare_vendor()
        except InputError as error:
            pytest.skip(f"the browser's files cannot be had here: {error}")


@pytest.fixture(scope="session")
def site(vendor: Path, trained: Trained, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site of the fine-tuned RUN, written by the command."""
    for package in ("onnx", "onnxscript", "onnxruntime"):
        pytest.importorskip(package, reason="the extra `export` is not installed")
    from twinsign.cli.main import main

    out = tmp_path_factory.mktemp("web") / "site"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(vendor.parents[1]))
        assert main(["web", "--model", str(trained.finetuned), "--out", str(out)]) == 0
    return out


@pytest.fixture(scope="module")
def address(site: Path) -> Iterator[str]:
    """Where the site is served."""
    with static(site) as found:
        yield found


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A browser whose camera shows a real video of a sign over and over, where there is one, else a made one."""
    folder = tmp_path_factory.mktemp("camera")
    camera = f"--use-file-for-fake-video-capture={y4m(film(folder), folder / 'camera.y4m', 480)}"
    with chromium("--use-fake-device-for-media-stream", camera) as opened:
        yield opened


@contextmanager
def opened(browser: Any, address: str) -> Iterator[Any]:
    """The page on a telephone at night, ready; every request must be for its own site."""
    options = {"viewport": {"width": 360, "height": 780}, "color_scheme": "dark", "accept_downloads": True}
    with watched(browser, address, f"blob:{address}", **options) as page:
        page.locator("#about", has_text="Loading").wait_for(state="detached")
        yield page
        if folder := os.environ.get("TWINSIGN_SHOTS"):
            name = os.environ["PYTEST_CURRENT_TEST"].split("::")[-1].split(" ")[0]
            page.screenshot(path=f"{folder}/{name}.png", full_page=True)


@pytest.fixture
def page(browser: Any, address: str) -> Iterator[Any]:
    """The site's page."""
    with opened(browser, address) as found:
        yield found


@pytest.fixture
def vanishing(browser: Any, site: Path) -> Iterator[tuple[Any, Callable[[], object]]]:
    """The site's page, and what stops its server."""
    with ExitStack() as server:
        address = server.enter_context(static(site))
        with opened(browser, address) as found:
            yield found, server.close
