"""Frames of a webcam as they come, the newest first in line; a video file can stand in for the camera."""

from __future__ import annotations

import sys
import threading
import time as clock
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from twinsign.errors import InputError
from twinsign.extract.extras import version_of
from twinsign.extract.video import Image, is_video, open_video
from twinsign.pose.clip_file import ClipFile

SIDE = 640
"""Frames with a longer side, in pixels, are scaled down: hands stay large enough, and estimation keeps up."""
FPS = 25.0
"""Of a video that states no frame rate."""
DRIVERS = {"linux": "v4l2", "darwin": "avfoundation"}
Timed = tuple[float, Image]


@contextmanager
def open_camera(source: str) -> Iterator[Iterator[Timed]]:
    """(seconds, frame (H W 3)) of a camera (/dev/video0; 0 on macOS) or a video file; InputError where there is none.

    Of a camera, frames that come while the last one is being looked at are skipped; of a file, none is.
    """
    version_of("av", "video")
    if is_video(source):
        with open_video(ClipFile(Path(source)), SIDE) as video:
            yield _of_file(video)
        return
    with _device(source) as container:
        newest = _Newest(container)
        try:
            yield newest.frames()
        finally:
            newest.stop()


def _of_file(video: Any) -> Iterator[Timed]:
    for number, image in enumerate(video.frames()):
        shown = video.times[-1]
        yield (number / FPS if shown is None else float(shown)), image


@contextmanager
def _device(source: str) -> Iterator[Any]:
    import av

    driver = DRIVERS.get(sys.platform)
    hint = "`ls /dev/video*` lists cameras on Linux; a video file may stand in for one."
    if driver is None or (driver == "v4l2" and not Path(source).exists()):
        raise InputError(f"no camera {source}", "a camera's device or a video file", hint=hint)
    try:
        container = av.open(source, format=driver, options={"framerate": "30", "video_size": "640x480"})
    except Exception as error:  # FFmpeg's own errors have many bases
        found = f"a camera that cannot be opened ({type(error).__name__}: {error})".splitlines()[0][:200]
        raise InputError(found, "a camera's device or a video file", file=source, hint=hint) from error
    with container:
        yield container


class _Newest:
    """Reads a camera in a thread of its own and keeps the newest frame alone, so that answers do not lag behind."""

    def __init__(self, container: Any) -> None:
        self._container, self._ready = container, threading.Condition()
        self._frame: Timed | None = None
        self._error: Exception | None = None
        self._over = False
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def _read(self) -> None:
        try:
            for frame in self._container.decode(video=0):
                scale = min(1.0, SIDE / max(frame.width, frame.height))
                sides = (round(scale * frame.width), round(scale * frame.height))
                image = np.asarray(frame.to_ndarray(format="rgb24", width=sides[0], height=sides[1]), np.uint8)
                with self._ready:
                    self._frame = clock.monotonic(), image
                    self._ready.notify()
                    if self._over:
                        return
        except Exception as error:
            self._error = error
        with self._ready:
            self._over = True
            self._ready.notify()

    def frames(self) -> Iterator[Timed]:
        """Every frame that was the newest when it was asked for; InputError where the camera fails."""
        while True:
            with self._ready:
                while self._frame is None and not self._over:
                    self._ready.wait()
                frame, self._frame = self._frame, None
            if frame is None:
                if self._error is not None:
                    raise InputError(f"a camera that stopped ({self._error})", "frames") from self._error
                return
            yield frame

    def stop(self) -> None:
        """Let the thread end with its next frame."""
        with self._ready:
            self._over = True
        self._thread.join(timeout=1)
