"""A grid's cells: made once, shared between experiments, gone on with, taken by several processes."""

from __future__ import annotations

import json
import os
import tempfile
from pathlib import Path

import numpy as np
import pytest
from helpers.grids import Sweep, stamps
from helpers.warm_process import WarmProcess

from twinsign.cli.main import main
from twinsign.datasets.sample import Sample
from twinsign.errors import InputError
from twinsign.pack.open import Pack
from twinsign.pack.selection import sample_rows
from twinsign.pack.write import write_pack
from twinsign.runs.run import load_run


def test_every_cell_is_there_once(sweep: Sweep) -> None:
    runs = [load_run(path) for path in sorted((sweep.out / "runs").iterdir())]
    kinds = [run.about["protocol"] for run in runs]
    # two seeds; half of the clips and all of them are pre-trained on; four rows are classifiers of ours
    assert (kinds.count("pretrain"), kinds.count("linear")) == (4, 8)
    assert len(list((sweep.out / "cells").glob("*.json"))) == len(list((sweep.out / "cells").glob("*.npz"))) == 8
    assert not list(sweep.out.rglob("checkpoints"))
    clips = sorted(run.about["clips"] for run in runs if run.kind == "pretrained")
    assert clips[0] == clips[1] == round(0.5 * clips[2]) == round(0.5 * clips[3])
    assert {run.branches() for run in runs if run.kind == "classifier"} == {("joint", "motion"), ("joint",)}


def test_a_finished_grid_is_left_alone(copied: Sweep, sweep: Sweep, capsys: pytest.CaptureFixture[str]) -> None:
    before = stamps(copied.out)
    assert main(copied.words("--rgb", str(copied.rgb()))) == 0
    assert stamps(copied.out) == before
    assert "cell" not in capsys.readouterr().out.split("┏")[0].replace("cells", "")
    assert (copied.out / "sweep.md").read_text() == (sweep.out / "sweep.md").read_text()


def test_what_is_missing_is_made_again_and_the_same(copied: Sweep) -> None:
    lost = sorted((copied.out / "cells").glob("*.json"))[0]
    was, before = json.loads(lost.read_text()), stamps(copied.out)
    lost.unlink()
    lost.with_suffix(".npz").unlink()
    assert main(copied.words("--rgb", str(copied.rgb()))) == 0
    after = stamps(copied.out)
    assert {name for name in before if before[name] != after[name]} == {str(lost.relative_to(copied.out))}
    again = json.loads(lost.read_text())
    assert again["per_instance"] == was["per_instance"]


def test_another_experiment_shares_what_it_has_in_common(copied: Sweep) -> None:
    before = stamps(copied.out)
    own = copied.folder / "other.yaml"
    own.write_text(
        "title: Other\nprotocol: linear\nrows:\n"
        "  - {name: the method}\n  - {name: weights, change: {objective: {temperature: 0.2}}}\n"
    )
    assert main(copied.words(experiment=str(own))) == 0
    after = stamps(copied.out)
    assert {name: after[name] for name in before} == before
    assert len(after) - len(before) == 2 * (1 + 2)  # for each seed a pre-training, its classifier and its report


def test_other_clips_are_other_cells(copied: Sweep) -> None:
    before = stamps(copied.out)
    own = copied.folder / "one.yaml"
    own.write_text("title: One\nprotocol: linear\nrows: [{name: as it is, init: none}]\n")
    gloss = next(one for one in Pack(copied.folder / "P").column("signer") if one)
    assert main(copied.words("--split", "val", experiment=str(own))) == 0
    after = stamps(copied.out)
    assert len(after) - len(before) == 2  # the classifiers are the same, the reports are of another split
    assert main(copied.words("--subsets", f"signer={gloss}", "--split", "test", experiment=str(own))) == 2


def one_row(sweep: Sweep, change: str = "") -> str:
    own = sweep.folder / "row.yaml"
    own.write_text(f"title: Row\nprotocol: linear\nrows: [{{name: as it is{change}}}]\n")
    return str(own)


def test_clips_that_moved_to_another_split_are_not_the_same(copied: Sweep, tmp_path: Path) -> None:
    pack, moved = Pack(copied.folder / "P"), tmp_path / "moved"
    splits = {"train": "test", "test": "train"}
    write_pack(
        (
            Sample(
                row["id"],
                lambda number=number: pack.recording(number),
                {"gloss": row["gloss"], "signer": row["signer"], "split": splits.get(row["split"], row["split"])},
            )
            for number, row in enumerate(pack.table.select(["id", "gloss", "signer", "split"]).to_pylist())
        ),
        moved,
    )
    before = stamps(copied.out)
    assert main(copied.words("--data", str(moved), experiment=one_row(copied))) == 0
    new = {name for name in stamps(copied.out) if name not in before}
    assert len(new) == 2 * 3  # a pre-training, a classifier and a report a seed
    rows = json.loads((copied.out / "row.json").read_text())["rows"][0]["ours"]["all"]
    assert rows["clips"] == 24


def test_what_decides_a_training_decides_its_cell(copied: Sweep) -> None:
    before = stamps(copied.out)
    assert main(copied.words("--trainer.accumulate", "2", "--seeds", "0", experiment=one_row(copied))) == 0
    assert len(stamps(copied.out)) - len(before) == 3
    assert main(copied.words("--trainer.progress", "true", "--seeds", "0", experiment=one_row(copied))) == 0
    assert len(stamps(copied.out)) - len(before) == 3


def test_a_cell_has_the_recipes_windows_and_threshold(copied: Sweep) -> None:
    before = stamps(copied.out)
    options = ("--sure.trusted", "0.7", "--windows.share", "0.9", "--seeds", "0")
    assert main(copied.words(*options, experiment=one_row(copied))) == 0
    new = [copied.out / name for name in stamps(copied.out) if name not in before]
    runs = [load_run(one.parent) for one in new if one.name == "weights.safetensors"]
    assert [run.recipe.windows.share for run in runs] == [0.9, 0.9]
    assert [run.recipe.abstain.target_accuracy for run in runs if run.kind == "classifier"] == [0.7]
    (report,) = (json.loads(one.read_text()) for one in new if one.suffix == ".json" and one.parent.name == "cells")
    assert report["windows"]["share"] == 0.9
    assert main(copied.words(*options, "--sure.confidence", "0.95", experiment=one_row(copied))) == 0
    assert len(stamps(copied.out)) == len(before) + 3


def test_an_unfinished_cell_goes_on_whatever_else_differs(
    copied: Sweep, sweep: Sweep, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [name for name in stamps(copied.out) if "pretrain" in name]:
        (copied.out / name).unlink()
    for file in (copied.out / "cells").glob("*.json"):
        file.unlink()
    monkeypatch.chdir(copied.folder)
    other = [word.replace(str(copied.folder) + "/tiny.yaml", "../copy/tiny.yaml") for word in copied.words()]
    assert main([*other, "--finetune.epochs", "1", "--data", str(sweep.folder / "P")]) == 0
    assert len(list((copied.out / "cells").glob("*.json"))) == 8


@pytest.mark.slow
def test_two_processes_share_the_work(copied: Sweep, tmp_path: Path) -> None:
    out = tmp_path / "shared"
    words = copied.words(out=out)
    with tempfile.TemporaryFile() as log:
        both = [WarmProcess(words, log.fileno()) for _ in range(2)]
        codes = [one.wait(300) for one in both]
        assert codes == [0, 0], os.pread(log.fileno(), 1 << 20, 0)
    assert {path.name for path in (out / "runs").iterdir()} == {path.name for path in (copied.out / "runs").iterdir()}
    first = [json.loads((folder / "sweep.json").read_text()) for folder in (out, copied.out)]
    for one, other in zip(first[0]["rows"], first[1]["rows"], strict=True):
        if one["name"] != "with RGB":
            assert one["ours"] == other["ours"]


def test_shares_of_rows_are_nested_and_seeded() -> None:
    rows = np.arange(100, 200)
    shares = [set(sample_rows(rows, fraction, 7).tolist()) for fraction in (0.001, 0.25, 0.5, 1.0)]
    assert [len(share) for share in shares] == [1, 25, 50, 100]
    assert shares[0] < shares[1] < shares[2] < shares[3] == set(rows.tolist())
    assert set(sample_rows(rows, 0.25, 8).tolist()) != shares[1]
    assert np.array_equal(sample_rows(rows, 1.0, 3), rows)
    for wrong in (0.0, 1.5, -1.0):
        with pytest.raises(InputError, match="fraction"):
            sample_rows(rows, wrong, 0)
