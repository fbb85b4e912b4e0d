"""One server for the tests of this folder, and a clip to send."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from typing import Any

import httpx2 as httpx
import pytest
from serving import served

from twinsign.pack.open import Pack


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
    found = pack.recording(row)
    frames = slice(0, 60)
    xy = [[[float(value) for value in joint] for joint in frame] for frame in found.xy[frames]]
    seen = [[float(value) for value in frame] for frame in found.score[frames]]
    return {"xy": xy, "seen": seen, "fps": found.fps, "id": found.id}
