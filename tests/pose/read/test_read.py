from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from twinsign.errors import InputError
from twinsign.pose.read import read


@pytest.mark.parametrize("name", ["clip.mp4", "clip", "clip.csv", "clip.json.gz"])
def test_unknown_formats_list_the_known(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"abc")
    with pytest.raises(InputError, match="COCO-WholeBody-133") as caught:
        read(tmp_path / name)
    for known in (".pose", "MediaPipe Holistic", "OpenPose", "49 joints"):
        assert known in caught.value.wanted


def test_arrays_of_no_known_kind_list_the_known(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", features=np.zeros((3, 10)))
    with pytest.raises(InputError, match=r"features \(3, 10\)") as caught:
        read(tmp_path / "a.npz")
    assert "MediaPipe Holistic" in caught.value.wanted


@pytest.mark.parametrize("suffix", [".pose", ".json", ".npz", ".npy", ".pkl", ".PICKLE"])
def test_absent_files(tmp_path: Path, suffix: str) -> None:
    with pytest.raises(InputError, match="no such file"):
        read(tmp_path / f"a{suffix}")


def test_a_clip_id_is_named_in_errors(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="clip 'hello_1'"):
        read(tmp_path / "a.json", clip_id="hello_1")


def test_reading_imports_no_torch() -> None:
    code = "import sys, twinsign.pose.read; sys.exit('torch' in sys.modules or 'tensorflow' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
