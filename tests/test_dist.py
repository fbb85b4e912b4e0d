"""Wheel and sdist: the wheel is built from the sdist, holds every file of the package, and works outside the tree.

The environment that it is installed into is new but for what it depends on: that is taken from this one by a path,
since installing PyTorch once more takes minutes and says nothing of ours.
"""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
import tarfile
import venv
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "src" / "twinsign"
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def dist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a wheel and an sdist: $TWINSIGN_DIST, or built here."""
    if "TWINSIGN_DIST" in os.environ:
        return ROOT / os.environ["TWINSIGN_DIST"]
    pytest.importorskip("build", reason="the package `build` is not installed")
    folder = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(folder), str(ROOT)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    return folder


def only(folder: Path, pattern: str) -> Path:
    (found,) = folder.glob(pattern)
    return found


def test_the_wheel_has_all_files_and_the_sdist_what_building_takes(dist: Path) -> None:
    there = {path.relative_to(PACKAGE.parent).as_posix() for path in PACKAGE.rglob("*") if path.is_file()}
    there = {name for name in there if "__pycache__" not in name}
    assert {"twinsign/runs/recipes/small.yaml", "twinsign/report/report.html.j2", "twinsign/py.typed"} <= there
    with zipfile.ZipFile(only(dist, "*.whl")) as wheel:
        inside = set(wheel.namelist())
    assert there <= inside
    assert all(name.startswith("twinsign") for name in inside), "nothing else is installed"
    with tarfile.open(only(dist, "*.tar.gz")) as sdist:
        names = {name.partition("/")[2] for name in sdist.getnames()}
    assert {f"src/{name}" for name in there} | {"pyproject.toml", "README.md", "LICENSE"} <= names


def test_the_wheel_works_where_nothing_of_the_tree_is(dist: Path, tmp_path: Path) -> None:
    home = tmp_path / "env"
    venv.create(home, with_pip=False)
    python = home / "bin" / "python"
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "TWINSIGN"))}
    wheel = str(only(dist, "*.whl"))
    quiet = ["--quiet", "--disable-pip-version-check", "--no-deps", "--no-index"]
    command = [sys.executable, "-m", "pip", "--python", str(python), "install", *quiet, wheel]
    subprocess.run(command, env=clean, check=True)
    (own,) = home.glob("lib/python*/site-packages")
    # A plain path: .pth files inside it, such as that of an editable twinsign, are not followed.
    (own / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n")

    def run(*command: str) -> str:
        done = subprocess.run(command, cwd=tmp_path, env=clean, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    assert Path(run(str(python), "-c", "import twinsign; print(twinsign.__file__)").strip()).is_relative_to(own)
    twinsign = str(home / "bin" / "twinsign")
    assert run(twinsign, "--version").startswith("twinsign ")
    assert "temporal_blocks: 1" in run(twinsign, "pretrain", "--config", "small", "--print_config")
    small = ("--corpus.glosses", "2", "--corpus.signers", "4")
    run(twinsign, "pack", "synthetic", "--out", "signs.pack", *small, "--workers", "0")
    assert (tmp_path / "signs.pack").is_file()
