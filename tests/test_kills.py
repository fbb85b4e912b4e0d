"""Whatever is killed at whatever moment, nothing is lost, half-written or left lying about, and no folder is blocked.

`python tests/kill_commands.py FOLDER` kills every command before each of its changes to the disk.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from helpers import kill_commands
from helpers.kill_inputs import make_files
from helpers.trained_runs import Trained

from twinsign.cli.main import main


@pytest.fixture
def folder(trained: Trained, tmp_path: Path) -> Path:
    """Inputs for the commands."""
    inputs = tmp_path / "inputs"
    for name in ("P", "pretrained", "linear"):
        copy = shutil.copytree if (trained.folder / name).is_dir() else shutil.copy
        inputs.mkdir(exist_ok=True)
        copy(trained.folder / name, inputs / name)
    shutil.copy(trained.recipe, inputs)
    with kill_commands.at(inputs):
        assert main(["enrol", "--data", "P", "--model", "pretrained", "--dictionary", "D"]) == 0
        shards = ["--workers", "0", "--shard_clips", "16", "--out", "S"]
        assert main([*kill_commands.CORPUS, *shards]) == 0
        for words in kill_commands.SCORES:
            assert main(words) == 0
    make_files(inputs)
    return tmp_path


def kill(folder: Path, *options: str) -> str:
    """What the script says; it forks, which a process with pytest's threads should not."""
    path = os.pathsep.join([str(Path(kill_commands.__file__).parents[1]), *filter(None, sys.path)])
    done = subprocess.run(
        [sys.executable, str(kill_commands.__file__), str(folder), *options],
        env={**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_a_few_kills(folder: Path) -> None:
    said = kill(folder, "--every", "4", "--only", "enrol", "delete", "calibrate", "pack shards over")
    assert int(said.splitlines()[-1].split()[0]) >= 12
    assert said.endswith("kills, 0 ended badly\n")


@pytest.mark.slow
def test_every_command_killed_at_every_fifteenth_change(folder: Path) -> None:
    with kill_commands.at(folder / "inputs"):
        for words in kill_commands.MEMBERS:
            assert main(words) == 0
    assert kill(folder, "--every", "15").endswith("kills, 0 ended badly\n")
