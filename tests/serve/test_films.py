"""Hostile videos before a real server with MediaPipe: refused at once, and never on the disk."""

from __future__ import annotations

import importlib.util
import signal
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import httpx2 as httpx
import numpy as np
import pytest
from helpers import oversized_files
from helpers.server_process import Watch, family, launched
from helpers.trained_runs import Trained
from helpers.videos import film, make_video

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("mediapipe") is None, reason="needs the extra `video`: run `make video`"
)
SOON, SMALL, PROMPT = 20.0, 200.0, 2.0
"""Seconds and megabytes that a hostile video may take, and seconds for /health meanwhile."""
GREY = np.full((240, 320, 3), 90, np.uint8)


@pytest.fixture(scope="module")
def short() -> Iterator[Path]:
    """A folder for temporary files whose name leaves room for a socket's."""
    with tempfile.TemporaryDirectory() as folder:
        yield Path(folder)


@pytest.fixture(scope="module")
def sighted(
    trained: Trained, tmp_path_factory: pytest.TempPathFactory, short: Path
) -> Iterator[tuple[httpx.Client, int, Path]]:
    """A server that has its models in memory, its process, and the only folder where it may make temporary files."""
    folder = tmp_path_factory.mktemp("films")
    (short / "a").mkdir()
    env = {"TMPDIR": str(short / "a"), "MPLCONFIGDIR": str(folder)}
    options = ["--dictionary", str(folder / "signs"), "--limits.per_minute", "100000"]
    with launched(trained.finetuned, *options, cold=True, **env) as (client, process):
        small = make_video(folder / "small.mp4", 2)
        client.post("/predict/file?name=small.mp4", content=small.read_bytes(), timeout=120)
        yield client, process.pid, short / "a"


def made(folder: Path, name: str) -> bytes:
    """A video of that name."""
    path = folder / name
    if name == "blank.mp4":
        make_video(path, [GREY] * 1000, rate=60)
    elif name == "long.mp4":
        make_video(path, 100, rate=1)
    elif name == "many.mp4":
        make_video(path, [GREY[:16, :16]] * 1100, size=(16, 16), rate=60)
    elif name == "large.mp4":
        oversized_files.large_video(path, 8192, "libx264")
    else:
        oversized_files.large_video(path, 12_000, "png")
    return path.read_bytes()


@pytest.mark.parametrize(
    ("name", "status", "found"),
    [
        ("blank.mp4", 422, "nobody in the first"),
        ("long.mp4", 413, "100 seconds"),
        ("many.mp4", 413, "1,100 frames"),
        ("large.mp4", 413, "67,108,864 pixels"),
        ("large.mov", 422, "damaged"),
    ],
)
def test_videos_that_stand_for_much_work(
    sighted: tuple[httpx.Client, int, Path], tmp_path: Path, name: str, status: int, found: str
) -> None:
    client, pid, _ = sighted
    content = made(tmp_path, name)
    assert len(content) < 10**6
    with Watch(client, pid) as watch:
        begun = time.monotonic()
        answer = client.post("/predict/file", params={"name": name}, content=content)
        spent = time.monotonic() - begun
    assert answer.status_code == status, answer.text
    assert found in answer.json()["error"]["found"]
    assert spent < SOON
    assert watch.grown < SMALL
    assert watch.slow < PROMPT


def on_disk(pid: int, folder: Path) -> list[str]:
    """Temporary files, and files that the server's processes have open for writing."""
    places = [str(path) for path in folder.rglob("*") if "pymp-" not in str(path)]
    for one in family(pid):
        for link in Path(f"/proc/{one}/fd").glob("*"):
            try:
                place = str(link.readlink())
            except OSError:
                continue
            if place.startswith((tempfile.gettempdir(), str(folder))) and place.endswith(".mp4"):
                places.append(place)
    return places


def test_a_video_is_never_on_the_disk(
    sighted: tuple[httpx.Client, int, Path], trained: Trained, tmp_path: Path
) -> None:
    client, pid, folder = sighted
    content, seen = film(tmp_path).read_bytes(), list[str]()
    statuses = list[int]()

    def send() -> None:
        statuses.append(
            httpx.post(f"{client.base_url}/predict/file?name=a.mp4", content=content, timeout=120).status_code
        )

    sender = threading.Thread(target=send)
    sender.start()
    while sender.is_alive():
        seen += on_disk(pid, folder)
        time.sleep(0.02)
    sender.join()
    assert statuses[0] in (200, 422)
    assert not seen


def test_nor_when_the_server_is_ended_meanwhile(trained: Trained, tmp_path: Path, short: Path) -> None:
    folder = short / "b"
    folder.mkdir()
    env = {"TMPDIR": str(folder), "MPLCONFIGDIR": str(tmp_path)}
    content = film(tmp_path).read_bytes()
    with launched(trained.finetuned, "--dictionary", str(tmp_path / "signs"), **env) as (client, process):
        client.post("/predict/file?name=small.mp4", content=make_video(tmp_path / "s.mp4", 2).read_bytes(), timeout=120)
        members = family(process.pid)

        def send() -> None:
            with suppress(httpx.TransportError):
                while True:
                    httpx.post(f"{client.base_url}/predict/file?name=a.mp4", content=content, timeout=120)

        sender = threading.Thread(target=send)
        sender.start()
        time.sleep(0.5)
        process.send_signal(signal.SIGTERM)
        process.wait(30)
        sender.join(30)
    deadline = time.monotonic() + 20
    while any(Path(f"/proc/{pid}").exists() for pid in members):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert not [path for path in folder.rglob("*") if path.is_file()]
