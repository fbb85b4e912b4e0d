"""`serve` whose page estimates poses itself: no picture reaches the server (needs Chromium and npm's files)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2 as httpx
import pytest
from helpers.server_process import served
from helpers.trained_runs import Trained
from helpers.videos import film

pytestmark = pytest.mark.slow
PATIENCE = 240_000
"""Milliseconds that the page has on a busy machine."""


@pytest.fixture(scope="module")
def server(vendor: Path, trained: Trained, tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    """A server whose page has the estimator; its own cannot be used."""
    signs = tmp_path_factory.mktemp("signs")
    options = ["--pose", "browser", "--dictionary", str(signs / "d"), "--limits.per_minute", "100000"]
    with served(trained.finetuned, *options, XDG_CACHE_HOME=str(vendor.parents[1])) as client:
        yield client


def test_the_server_gets_poses_alone(browser: Any, server: httpx.Client, tmp_path: Path) -> None:
    context = browser.new_context(permissions=["camera"])
    page = context.new_page()
    sent: list[tuple[str, str, bytes]] = []
    frames: list[str | bytes] = []
    wrong: list[str] = []
    page.on("request", lambda request: sent.append((request.method, request.url, request.post_data_buffer or b"")))
    page.on("websocket", lambda socket: socket.on("framesent", lambda frame: frames.append(frame)))
    page.on("console", lambda said: wrong.append(said.text) if said.type == "error" else None)
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.goto(str(server.base_url))
    page.locator("#about", has_text="signs").wait_for()
    assert server.get("/model").json()["pose"] == "browser"
    page.set_input_files("#file", str(film(tmp_path, "30160")))
    page.locator("#guesses li, #problem:not(:empty)").first.wait_for(timeout=PATIENCE)
    posted = [(url, body) for method, url, body in sent if method == "POST"]
    assert [url.rsplit("/", 1)[1] for url, _ in posted] == ["predict"]
    assert posted[0][1].startswith(b'{"xy":[[[')
    page.click("#start:enabled")
    page.locator("#state", has_text="Watching").wait_for(timeout=PATIENCE)
    page.wait_for_timeout(3000)
    page.click("#stop")
    assert len(frames) > 1
    assert all(isinstance(frame, str) and "jpeg" not in frame for frame in frames)
    assert wrong == []
    context.close()


def test_only_the_page_may_compile_and_only_there(server: httpx.Client) -> None:
    page, model = server.get("/"), server.get("/model")
    assert "'wasm-unsafe-eval'" in page.headers["content-security-policy"]
    assert "wasm" not in model.headers["content-security-policy"]
    kept = server.get("/page/vendor/holistic/holistic.js")
    assert (kept.status_code, kept.headers["cache-control"]) == (200, "max-age=86400")
