"""`make models`, whole, on a few signs of the real pose sets: every step works, and what it makes can be used."""

from __future__ import annotations

import csv
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from twinsign.runs.run import WEIGHTS, load_run

pytestmark = pytest.mark.slow
DATA = Path(os.environ.get("TWINSIGN_DATA", ""))
ROOT = Path(__file__).parents[1]
KNOWN, OTHERS, ANY = 14, 16, 48
"""Signs of WLASL-300, other signs, and clips of every other pose set."""
Row = dict[str, str]


def rows_of(table: Path) -> list[Row]:
    with table.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def part_of(name: str, to: Path, kept: Callable[[Row], bool], tables: tuple[str, ...] = ("",)) -> None:
    """A pose set of the rows of its last table that are wanted, with all its tables."""
    rows = rows_of(DATA / f"{name}{tables[-1]}.csv")
    places = [place for place, row in enumerate(rows) if kept(row)]
    with np.load(DATA / f"{name}.npz") as arrays:
        offsets = arrays["offsets"]
        frames = np.concatenate([np.arange(offsets[place], offsets[place + 1]) for place in places])
        ends = np.cumsum([0, *(offsets[place + 1] - offsets[place] for place in places)]).astype(offsets.dtype)
        np.savez(to / f"{name}.npz", xy=arrays["xy"][frames], seen=arrays["seen"][frames], offsets=ends)
    for table in tables:
        rows = rows_of(DATA / f"{name}{table}.csv")
        with (to / f"{name}{table}.csv").open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, list(rows[0]))
            writer.writeheader()
            writer.writerows(rows[place] for place in places)


def small_data(to: Path) -> None:
    """Few signs of WLASL, the words of the same signs among them, and some clips of every other set."""
    to.mkdir()
    rows = rows_of(DATA / "wlasl300_hands.csv")
    asked = {row["gloss"] for row in rows if row["split"] == "test" and row["wlasl100"] == "0"}
    known = {*sorted(asked)[:KNOWN], "doctor", "wrong", "now"}
    others = {"physician", "mistake", "today", "post"}  # the last has val clips alone: asl2000 cannot know it
    others |= {*sorted({row["gloss"] for row in rows_of(DATA / "wlasl2000_more_hands.csv")} - others)[:OTHERS]}
    part_of("wlasl300_hands", to, lambda row: row["gloss"] in known)
    part_of("wlasl_body_hands", to, lambda row: row["gloss"] in known)
    part_of("wlasl2000_more_hands", to, lambda row: row["gloss"] in others)
    part_of("wlasl_unlabelled_hands", to, lambda row: row["gloss"] in others, ("", ".labelled"))
    for name in ("webcam", "webcam2", "signdict3k", "spelling19", "aslwords"):
        rows = rows_of(DATA / f"{name}.csv")
        some = {row["id"] for row in rows[:: len(rows) // ANY]}
        part_of(name, to, lambda row, some=some: row["id"] in some)  # type: ignore[misc]


@pytest.mark.skipif(not (DATA / "wlasl300_hands.npz").is_file(), reason="$TWINSIGN_DATA has no wlasl300_hands")
def test_every_step_from_pose_sets_to_shipped_models(tmp_path: Path) -> None:
    small_data(tmp_path / "data")
    shipped = tmp_path / "shipped"
    command = [sys.executable, "tools/models.py", "--data", str(tmp_path / "data"), "--work", str(tmp_path / "work")]
    command += ["--rehearse", "--shipped", str(shipped)]
    environment = {**os.environ, "PYTHONWARNINGS": "default"}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    assert {path.name for path in shipped.iterdir()} == {"encoder", "asl300", "asl2000"}
    assert load_run(shipped / "encoder").kind == "pretrained"
    small, large = load_run(shipped / "asl300"), load_run(shipped / "asl2000")
    assert {"doctor", "wrong", "now"} <= {*small.labels} < {*large.labels}
    assert "physician" in large.labels
    for model in (small, large):
        assert [member["config"] for member in model.about["ensemble"]] == ["conv_gru", "small"]
        assert model.recipe.encoder.beside is not None
        assert (model.path / WEIGHTS).stat().st_size < 12e6
    assert [entry["seed"] for entry in load_run(tmp_path / "work/runs/asl2000_small").about["averaged"]] == [0, 1]
    assert {*small.same_signs()} <= {*small.labels}
    assert small.about["calibration"]["unknown_clips"] > 0
    for name in ("encoder", "asl300", "asl2000"):
        assert (shipped / name / "model.json").is_file()
        text = "".join(file.read_text() for file in (shipped / name).glob("*.*") if file.suffix in (".yaml", ".json"))
        assert str(tmp_path) not in text
    again = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert again.returncode == 0, again.stderr[-3000:]
    assert load_run(shipped / "asl300").digest() == small.digest()


def test_a_rehearsal_does_not_touch_the_package() -> None:
    command = [sys.executable, "tools/models.py", "--rehearse", "--data", "nowhere"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "--shipped" in done.stderr
