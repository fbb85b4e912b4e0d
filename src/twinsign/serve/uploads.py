"""Uploaded files: pose files and short videos, read within limits; nothing of them stays on the disk."""

from __future__ import annotations

import io
import tempfile
import threading
import zipfile
from collections.abc import Iterable, Iterator
from pathlib import Path

from pose_format import Pose

from twinsign.errors import InputError
from twinsign.extract.clip import extract
from twinsign.extract.estimator import Estimator, EstimatorConfig, identity, load_estimator
from twinsign.extract.video import Image, is_video
from twinsign.pose.read import read
from twinsign.pose.recording import Recording
from twinsign.serve.bodies import check_length
from twinsign.serve.intake import MEGABYTE
from twinsign.serve.options import Limits
from twinsign.serve.refusals import RefusedError

POSES = (".pose", ".npz", ".npy", ".json")
"""Endings of pose files that are taken: those whose readers are safe and whose sizes can be told."""
UNPACKED = 20
"""How many times its own size a compressed file may hold."""
SMALL = 10**6
"""Bytes that any compressed file may hold."""
UPLOAD = "upload"


class Uploads:
    """Reads files that were sent; the estimator is loaded with the first video."""

    def __init__(self, config: EstimatorConfig, limits: Limits) -> None:
        self.limits, self._config = limits, config
        self._estimator: Estimator | None = None
        self._turn = threading.Lock()
        self.blind = _why_blind(config)
        """Why no video can be seen; empty where it can."""

    def read(self, content: bytes, name: str) -> Recording:
        """The recording in a pose file or video of that name.

        RefusedError 415 for an ending that is not taken, 501 for a video that cannot be seen here; InputError for
        bad content.
        """
        ending = Path(name).suffix.lower()
        film = is_video(name)
        if not film and ending not in POSES:
            raise RefusedError(415, f"a file that ends in {ending or 'nothing'!r}", f"{', '.join(POSES)} or a video")
        if film and self.blind:
            raise RefusedError(501, self.blind, "a pose file, or a server with the extra `video`")
        with tempfile.TemporaryDirectory(prefix="twinsign-") as folder:
            file = Path(folder) / f"{UPLOAD}{ending}"
            file.write_bytes(content)
            if film:
                return self._seen(file)
            _check_unpacked(content, self.limits)
            recording = read(file)
        check_length(len(recording.xy), recording.fps, self.limits, UPLOAD)
        return recording

    def _seen(self, file: Path) -> Recording:
        with self._turn:
            if self._estimator is None:
                self._estimator = load_estimator(self._config)
            return extract(file, _Patient(self._estimator, self.limits)).recording


def _why_blind(config: EstimatorConfig) -> str:
    try:
        identity(config)
    except InputError as error:
        return f"{error.found}. {error.hint}".strip()
    return ""


def _check_unpacked(content: bytes, limits: Limits) -> None:
    """A small file may unpack into a large one: RefusedError before that is tried."""
    if not content.startswith(b"PK"):
        return
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            size = sum(one.file_size for one in archive.infolist())
    except Exception as error:  # a damaged archive raises anything
        raise InputError(f"a damaged archive ({type(error).__name__})", "a whole .npz file") from error
    most = max(SMALL, int(min(UNPACKED * len(content), MEGABYTE * limits.upload_mb)))
    if size > most:
        raise RefusedError(413, f"{size} bytes in an archive of {len(content)}", f"at most {most}")


class _Patient:
    """An estimator that looks at no more frames of a video than the limits let it."""

    def __init__(self, estimator: Estimator, limits: Limits) -> None:
        self.name, self.version = estimator.name, estimator.version
        self._estimator, self._limits = estimator, limits

    def estimate(self, frames: Iterable[Image], size: tuple[int, int]) -> Pose:
        """As the estimator's own; RefusedError where a frame too many comes."""
        return self._estimator.estimate(self._counted(frames), size)

    def _counted(self, frames: Iterable[Image]) -> Iterator[Image]:
        for number, frame in enumerate(frames, start=1):
            check_length(number, None, self._limits, UPLOAD)
            yield frame
