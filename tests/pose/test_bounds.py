"""More than a file may hold is refused by its header, before anything is decoded; so are files without a path."""

from __future__ import annotations

import io
import json
from pathlib import Path

import numpy as np
import pytest
from helpers import oversized_files, published_formats

from twinsign.errors import InputError, TooLargeError
from twinsign.pose.bounds import Bounds, count_nodes
from twinsign.pose.read import read, write_npz
from twinsign.pose.recording import Recording

TIGHT = Bounds(frames=5, persons=2, points=10, members=3, values=5000, nodes=2000)


def npz(**arrays: object) -> bytes:
    stream = io.BytesIO()
    np.savez_compressed(stream, **arrays)
    return stream.getvalue()


def mmpose(frames: int, persons: int) -> bytes:
    person = {"keypoints": [[1.0, 2.0]] * 133, "keypoint_scores": [1.0] * 133}
    return json.dumps([{"instances": [person] * persons}] * frames).encode()


@pytest.mark.parametrize("version", [0, 0.1, 0.2])
def test_pose_files(version: float) -> None:
    for frames, persons, points, found in ((2, 3, 1, "3 persons"), (6, 1, 1, "6 frames"), (2, 1, 11, "11 points")):
        content = oversized_files.pose(frames, persons, points, version)
        with pytest.raises(TooLargeError, match=found):
            read("a.pose", content=content, bounds=TIGHT)
    assert len(read("a.pose", content=oversized_files.pose(5, 2, 10, version), bounds=TIGHT).xy) == 5


def test_a_header_of_a_megabyte_is_not_read() -> None:
    with pytest.raises(InputError, match="cannot be decoded"):
        read("a.pose", content=oversized_files.pose(1, 1, points=60_000))


def test_persons_have_a_bound_without_a_server() -> None:
    with pytest.raises(TooLargeError, match="20,000 persons"):
        read("a.pose", content=oversized_files.pose(1, 20_000))


@pytest.mark.parametrize(
    ("name", "content", "found"),
    [
        ("a.npz", oversized_files.archive(4), "4 archive members"),
        ("a.npz", npz(xy=np.zeros((60, 49, 2), np.float32)), "5,880 numbers"),
        ("a.npz", npz(xy=np.zeros((60, 49, 2), "U3")), "numbers"),
        ("a.npy", published_formats.npy(np.zeros((60, 133, 3), np.float32)), "23,940 numbers"),
        ("a.json", mmpose(1, 3), "3 persons"),
        ("a.json", mmpose(6, 0), "6 frames"),
        ("a.json", b"[" + b"[]," * 2000 + b"[]]", "JSON values"),
    ],
)
def test_arrays_and_json(name: str, content: bytes, found: str) -> None:
    with pytest.raises(TooLargeError, match=found):
        read(name, size=(640, 480), content=content, bounds=TIGHT)


def test_a_file_in_memory_is_read_as_from_the_disk(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    one = Recording("a", rng.uniform(0.2, 0.8, (4, 49, 2)).astype(np.float32), np.ones((4, 49), np.float32), fps=25)
    write_npz(one, tmp_path / "a.npz")
    there, here = read(tmp_path / "a.npz"), read("b.npz", content=(tmp_path / "a.npz").read_bytes())
    np.testing.assert_array_equal(there.xy, here.xy)
    assert (there.id, there.fps) == (here.id, here.fps)


@pytest.mark.parametrize("value", [0, [], {}, [1, [2, {"a": [3, 4]}]], {"a": {"b": {}}, "c": [[], []]}, ["[,{"]])
def test_nodes_are_never_counted_too_low(value: object) -> None:
    def nodes(one: object) -> int:
        parts = list(one.values()) if isinstance(one, dict) else one if isinstance(one, list) else []
        return len(parts) + sum(map(nodes, parts))

    assert count_nodes(json.dumps(value).encode()) >= nodes(value) - 1
