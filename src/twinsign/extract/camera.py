"""Frames of a webcam as they come, always the newest; a video file can stand in for the camera."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from queue import Empty, Queue
from typing import Any

import numpy as np

from twinsign.errors import InputError
from twinsign.extract.extras import version_of
from twinsign.extract.video import Image, Video, is_video, open_video
from twinsign.pose.clip_file import ClipFile

SIDE = 640
"""Frames with a longer side, in pixels, are scaled down: hands stay large enough, and estimation keeps up."""
Timed = tuple[float, Image]


@contextmanager
def open_camera(source: str) -> Iterator[Iterator[Timed]]:
    """(seconds, frame (H W 3)) of a camera (/dev/video0; 0 on macOS) or a video file; InputError where there is none.

    A camera's frames that come while the last one is being processed are skipped; a file's are not.
    """
    version_of("av", "video")
    if is_video(source):
        with open_video(ClipFile(Path(source)), SIDE) as video:
            yield _video_frames(video)
        return
    import av

    driver = {"linux": "v4l2", "darwin": "avfoundation"}.get(sys.platform)
    wanted = "a camera's device or a video file"
    hint = "`ls /dev/video*` lists cameras on Linux; a video file may stand in for one."
    if driver is None or (driver == "v4l2" and not Path(source).exists()):
        raise InputError(f"no camera {source}", wanted, hint=hint)
    try:
        container = av.open(source, format=driver, options={"framerate": "30", "video_size": "640x480"})
    except Exception as error:  # FFmpeg's own errors have many bases
        problem = f"a camera that cannot be opened ({type(error).__name__}: {error})".splitlines()[0][:200]
        raise InputError(problem, wanted, file=source, hint=hint) from error
    with container, _newest_frames(container) as frames:
        yield frames


def _video_frames(video: Video) -> Iterator[Timed]:
    for number, image in enumerate(video.frames()):
        seconds = video.times[-1]
        yield (number / 25 if seconds is None else float(seconds)), image


@contextmanager
def _newest_frames(container: Any) -> Iterator[Iterator[Timed]]:
    """A camera's frames, read by a thread of its own that keeps only the newest, so that answers do not lag behind."""
    newest: Queue[Timed | Exception | None] = Queue(1)
    stopped = threading.Event()

    def read() -> None:
        end: Exception | None = None
        try:
            for frame in container.decode(video=0):
                scale = min(1.0, SIDE / max(frame.width, frame.height))
                width, height = round(scale * frame.width), round(scale * frame.height)
                image = np.asarray(frame.to_ndarray(format="rgb24", width=width, height=height), np.uint8)
                with suppress(Empty):
                    newest.get_nowait()
                newest.put((time.monotonic(), image))
                if stopped.is_set():
                    return
        except Exception as error:
            end = error
        newest.put(end)

    def frames() -> Iterator[Timed]:
        while isinstance(item := newest.get(), tuple):
            yield item
        if item is not None:
            raise InputError(f"a camera that stopped ({item})", "frames") from item

    thread = threading.Thread(target=read, daemon=True)
    thread.start()
    try:
        yield frames()
    finally:  # the thread ends with its next frame
        stopped.set()
        with suppress(Empty):
            newest.get_nowait()
        thread.join(timeout=1)
