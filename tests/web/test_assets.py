"""Files from npm: exact versions, wrong or missing ones refused by name, Holistic trimmed to what signs need."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from twinsign.errors import InputError
from twinsign.web.assets import HERE, cached_vendor, list_assets, prepare_vendor, vendor_entries
from twinsign.web.planes import SUFFIX
from twinsign.web.trim import BODY, GRAPH, LOADER, PACKED, graph_without_face, trim_package

NODE = 1


def field(number: int, value: bytes) -> bytes:
    """A short protobuf field of text."""
    return bytes([number << 3 | 2, len(value)]) + value


def node(calculator: bytes, *inputs: bytes) -> bytes:
    """A node of a graph with its inputs."""
    return field(NODE, field(2, calculator) + b"".join(field(3, name) for name in inputs))


def test_lock_file_and_list_name_the_same_versions() -> None:
    wanted = json.loads((HERE / "npm" / "package.json").read_text())["dependencies"]
    assert {asset.package: asset.version for asset in list_assets()} == wanted
    locked = json.loads((HERE / "npm" / "package-lock.json").read_text())["packages"]
    for name, version in wanted.items():
        assert locked[f"node_modules/{name}"]["version"] == version
    assert all(entry["integrity"].startswith("sha512-") for path, entry in locked.items() if path)
    notice = (HERE / "NOTICE.txt").read_text()
    assert all(f"{name} {version}" in notice for name, version in wanted.items())


def test_a_folder_without_the_packages_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no @mediapipe/holistic"):
        prepare_vendor(tmp_path)


def test_another_file_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    first = tmp_path / "node_modules" / list_assets()[0].path
    first.parent.mkdir(parents=True)
    with pytest.raises(InputError, match="no readable file"):
        prepare_vendor(tmp_path)
    first.write_bytes(b"another")
    with pytest.raises(InputError, match="SHA-256"):
        prepare_vendor(tmp_path)
    assert cached_vendor() is None


def test_without_npm_it_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(InputError, match="--assets"):
        prepare_vendor()


def test_npm_that_fails_is_quoted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    npm = tmp_path / "npm"
    npm.write_text("#!/bin/sh\necho 'npm error no registry' >&2\nexit 1\n")
    npm.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(InputError, match="npm error no registry"):
        prepare_vendor()


def test_packed_files_that_no_graph_opens_are_left_out() -> None:
    files = [("models/face.tflite", 0, 3), ("models/hand_recrop.tflite", 3, 5), ("models/handedness.txt", 5, 9)]
    listed = [{"filename": name, "start": start, "end": end} for name, start, end in files]
    loader = f"before loadPackage({json.dumps({'files': listed, 'remote_package_size': 9})}) after".encode()
    text, content = trim_package(loader, b"fffrrhhhh")
    assert content == b"rrhhhh"
    kept = json.loads(text.decode().removeprefix("before loadPackage(").removesuffix(") after"))
    assert [(file["filename"], file["start"], file["end"]) for file in kept["files"]] == [
        ("models/hand_recrop.tflite", 0, 2),
        ("models/handedness.txt", 2, 6),
    ]
    assert kept["remote_package_size"] == 6
    with pytest.raises(InputError, match="no list of packed files"):
        trim_package(b"another loader", b"")


def test_the_graph_has_body_and_hands_in_place_of_the_whole() -> None:
    scaler, tick = node(b"GlScalerCalculator"), node(b"SidePacketToStreamCalculator", b"TICK:face_landmarks")
    queue = bytes([11 << 3, 100])  # max_queue_size
    graph = graph_without_face(scaler + node(b"HolisticLandmarkGpu", b"IMAGE:image_transformed") + tick + queue)
    assert graph.startswith(scaler)
    assert graph.endswith(node(b"SidePacketToStreamCalculator", b"TICK:pose_landmarks") + queue)
    assert b"HolisticLandmarkGpu" not in graph
    for calculator in (b"PoseLandmarkGpu", b"HandLandmarksLeftAndRightGpu", b"GateCalculator"):
        assert graph.count(field(2, calculator)) == 1
    with pytest.raises(InputError, match="wire type"):
        graph_without_face(bytes([1 << 3 | 5, 0, 0, 0, 0]))


@pytest.mark.slow
def test_the_real_files_are_prepared(vendor: Path) -> None:
    entries = {entry["file"]: entry for entry in vendor_entries(vendor)}
    changed = {name for name, entry in entries.items() if entry["changed"]}
    assert changed == {f"vendor/{name}" for name in (GRAPH, LOADER, PACKED + SUFFIX, BODY + SUFFIX)}
    assert (vendor / (PACKED + SUFFIX)).stat().st_size < 9e6
    assert {entry["licence"] for entry in entries.values()} == {"Apache-2.0", "MIT"}
