"""A camera's frames: the newest alone, until it ends, fails or is left."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from twinsign.errors import InputError
from twinsign.extract.camera import SIDE, _newest_frames, open_camera


class Frame:
    """One frame of a single grey."""

    width, height = 2 * SIDE, SIDE

    def __init__(self, grey: int) -> None:
        self.grey = grey

    def to_ndarray(self, format: str, width: int, height: int) -> Any:
        assert format == "rgb24"
        return np.full((height, width, 3), self.grey, np.uint8)


class Camera:
    """Sends frames 0 to 3 while nobody looks, then one for each `go`; fails at last where `error` says so."""

    def __init__(self, error: Exception | None = None) -> None:
        self.error, self.sent, self.go = error, threading.Event(), threading.Semaphore(0)

    def decode(self, video: int) -> Iterator[Frame]:
        assert video == 0
        yield from map(Frame, range(4))
        self.sent.set()
        self.go.acquire(timeout=10)
        yield Frame(4)
        if self.error:
            raise self.error


@pytest.mark.parametrize("error", [None, OSError("unplugged")])
def test_only_the_newest_frame_is_kept(error: Exception | None) -> None:
    camera = Camera(error)
    with _newest_frames(camera) as frames:
        assert camera.sent.wait(10)
        first_time, first = next(frames)
        assert (int(first[0, 0, 0]), first.shape) == (3, (SIDE // 2, SIDE, 3))
        camera.go.release()
        time, last = next(frames)
        assert (int(last[0, 0, 0]), time > first_time) == (4, True)
        if error:
            with pytest.raises(InputError, match=r"a camera that stopped \(unplugged\)"):
                next(frames)
        else:
            assert list(frames) == []


def test_the_thread_ends_with_the_block() -> None:
    before = threading.active_count()
    camera = Camera()
    with _newest_frames(camera):
        assert camera.sent.wait(10)
        camera.go.release()
    assert threading.active_count() == before


def test_a_camera_that_does_not_exist(tmp_path: Path) -> None:
    pytest.importorskip("av")
    with pytest.raises(InputError, match="no camera"), open_camera(str(tmp_path / "video9")):
        pass
