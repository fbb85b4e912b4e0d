"""Small files that stand for a great deal of work."""

from __future__ import annotations

import io
import struct
import zipfile
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from pose_format.pose_header import PoseHeader, PoseHeaderComponent, PoseHeaderDimensions


def pose(frames: int, persons: int, points: int = 1, version: float = 0.2) -> bytes:
    """A `.pose` file of so many persons, one point of each a nose."""
    names = ["NOSE", *(f"p{number}" for number in range(points - 1))]
    component = PoseHeaderComponent("POSE_LANDMARKS", names, [], [(1, 2, 3)], "XYC")
    stream = io.BytesIO()
    PoseHeader(0.2, PoseHeaderDimensions(640, 480, 0), [component]).write(stream)
    head = struct.pack("<f", version) + stream.getvalue()[4:]
    values = np.random.default_rng(0).uniform(1, 400, frames * persons * points * 3).astype("<f4")
    if version:
        layout = "<HHH" if version < 0.15 else "<fIH"
        return head + struct.pack(layout, 25, frames, persons) + values.tobytes()
    person = struct.pack("<H", 0) + values[: 3 * points].tobytes()
    return head + struct.pack("<HH", 25, frames) + (struct.pack("<H", persons) + person * persons) * frames


def archive(members: int) -> bytes:
    """An `.npz` of so many arrays of one number."""
    one, stream = io.BytesIO(), io.BytesIO()
    np.save(one, np.zeros(1, np.float32))
    with zipfile.ZipFile(stream, "w") as whole:
        for number in range(members):
            whole.writestr(f"a{number}.npy", one.getvalue())
    return stream.getvalue()


def nested(size: int) -> bytes:
    """JSON of lists in lists, of about so many bytes."""
    one = b"[" * 10 + b"]" * 10 + b","
    return b"[" + one * (size // len(one)) + b"[]]"


def large_video(path: Path, side: int, codec: str) -> Path:
    """A video of one frame of so many pixels a side, in a file of less than a megabyte."""
    with av.open(str(path), "w") as out:
        stream = out.add_stream(codec, rate=25)
        stream.width = stream.height = side
        stream.pix_fmt = "rgb24" if codec == "png" else "yuv420p"
        if codec != "png":
            stream.options = {"preset": "ultrafast"}
        frame = av.VideoFrame(side, side, stream.pix_fmt)
        for plane in frame.planes:
            plane.update(bytes(plane.buffer_size))
        frame.pts, frame.time_base = 0, Fraction(1, 25)
        out.mux(stream.encode(frame))
        out.mux(stream.encode())
    return path
