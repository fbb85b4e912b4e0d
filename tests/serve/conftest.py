"""One server for the tests of this folder, and a clip to send."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from typing import Any

import httpx2 as httpx
import pytest
from helpers.browsers import chromium
from helpers.server_process import served
from helpers.videos import film, y4m

from twinsign.pack.open import Pack


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """A browser without a camera."""
    with chromium() as opened:
        yield opened


@pytest.fixture(scope="module")
def browser_with_camera(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A browser whose camera shows a real video of a sign over and over, where there is one, else a made one."""
    folder = tmp_path_factory.mktemp("camera")
    camera = f"--use-file-for-fake-video-capture={y4m(film(folder), folder / 'camera.y4m')}"
    with chromium("--use-fake-ui-for-media-stream", "--use-fake-device-for-media-stream", camera) as opened:
        yield opened


@pytest.fixture(scope="session")
def server(trained: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    """A server of a fine-tuned RUN of generated signs; what is enrolled goes into a folder of its own."""
    folder = tmp_path_factory.mktemp("served")
    shutil.copytree(trained.finetuned, folder / "run")
    limits = ["--limits.frames", "80", "--limits.body_mb", "1", "--limits.per_minute", "100000", "--limits.clips", "3"]
    with served(folder / "run", "--dictionary", str(folder / "signs"), *limits) as client:
        yield client


@pytest.fixture(scope="session")
def clip(trained: Any) -> dict[str, Any]:
    """A test clip as the server takes it, its sign among its keys as `gloss`."""
    pack = Pack(trained.pack)
    rows = pack.select(["test"])
    row = int(rows[pack.usable[rows]][0])
    recording = pack.recording(row)
    frames = slice(0, 60)
    xy = [[[float(value) for value in joint] for joint in frame] for frame in recording.xy[frames]]
    seen = [[float(value) for value in frame] for frame in recording.score[frames]]
    return {"xy": xy, "seen": seen, "fps": recording.fps, "id": recording.id}
