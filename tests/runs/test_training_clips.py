"""What a classifier learnt from is told by its own file or the command's packs; what config.yaml names stays shut."""

from __future__ import annotations

import shutil
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml
from helpers.tiny_configs import pack_of, sample
from helpers.trained_runs import Trained, copy_essentials

from twinsign.cli.main import main
from twinsign.errors import InputError
from twinsign.evaluation.calibrate import recalibrate
from twinsign.evaluation.caveats import identical_ids
from twinsign.evaluation.evaluate import evaluate
from twinsign.hub.bundle import is_shared
from twinsign.pack import locate
from twinsign.pack import open as opening
from twinsign.pack.open import Pack
from twinsign.pack.selection import ClipSelection
from twinsign.runs.recipe import AbstainConfig
from twinsign.runs.run import load_run
from twinsign.runs.training_clips import TRAINING_CLIPS, TrainingClips, load_training_clips


@pytest.fixture
def run(trained: Trained, tmp_path: Path) -> Path:
    """A classifier with all of its files, to be changed."""
    return Path(shutil.copytree(trained.linear, tmp_path / "run"))


def edit(run: Path, **facts: object) -> None:
    """Other facts in config.yaml."""
    values = yaml.safe_load((run / "config.yaml").read_text())
    values["about"] |= facts
    (run / "config.yaml").write_text(yaml.safe_dump(values, sort_keys=False))


def train_ids(pack: Pack) -> list[str]:
    rows = pack.select(["train"])
    found: list[str] = pack.table["id"].take(rows[pack.usable[rows]]).to_pylist()
    return found


def known(run: Path, pack: Pack) -> TrainingClips:
    found = load_training_clips(load_run(run), pack)
    assert found is not None
    return found


def test_trainings_keep_what_they_learnt_from(trained: Trained) -> None:
    pack = Pack(trained.pack)
    for run in (trained.linear, trained.finetuned):
        kept = pq.read_table(run / TRAINING_CLIPS)
        assert kept["id"].to_pylist() == train_ids(pack)
        assert not set(kept["signer"].to_pylist()) & set(pack.column("signer")), "no names"
    assert not is_shared(TRAINING_CLIPS)


def test_the_file_answers_wherever_the_clips_are(trained: Trained, run: Path, tmp_path: Path) -> None:
    pack = Pack(shutil.copy(trained.pack, tmp_path / "other"))
    assert identical_ids(pack, pack.select(), known(run, pack)) == train_ids(pack)
    found = evaluate(run, ClipSelection([tmp_path / "other"]), ["train"]).report
    assert len(found["overlap"]) == found["clips"] - len(found["handless_clips"]) > 0
    assert found["signers"]["shared"] == found["signers"]["evaluated"]
    test = evaluate(run, ClipSelection([tmp_path / "other"]), ["test"]).report
    assert (test["overlap"], test["signers"]["independent"]) == ([], True)


def test_without_the_file_the_packs_of_the_command_answer(trained: Trained, run: Path, tmp_path: Path) -> None:
    before = known(run, Pack(trained.pack))
    (run / TRAINING_CLIPS).unlink()
    assert known(run, Pack(trained.pack)) == before
    assert known(run, Pack(shutil.copy(trained.pack, tmp_path / "other"))) == before, "by its clips, not by its name"
    pack_of(tmp_path / "more", sample("x", "new"), sample("y", "new"))
    assert known(run, Pack([trained.pack, tmp_path / "more"])) == before, "those among them that the RUN names"
    assert load_training_clips(load_run(run), Pack(tmp_path / "more")) is None
    assert load_training_clips(load_run(trained.pretrained), Pack(trained.pack)) is None


def test_a_file_of_other_clips_counts_as_none_and_a_damaged_one_is_named(trained: Trained, run: Path) -> None:
    edit(run, rows_hash="0" * 16)
    assert load_training_clips(load_run(run), Pack(trained.pack)) is None
    table = pq.read_table(run / TRAINING_CLIPS)
    no_text = pa.array([b"\x80"] * len(table), pa.binary()).view(pa.string())
    pq.write_table(table.set_column(2, table.schema.field("signer"), no_text), run / TRAINING_CLIPS)
    with pytest.raises(InputError, match=r"learnt\.parquet: found a damaged file.*utf-8"):
        load_training_clips(load_run(run), Pack(trained.pack))
    (run / TRAINING_CLIPS).write_bytes(b"PAR1")
    with pytest.raises(InputError, match=r"learnt\.parquet: found a damaged file"):
        load_training_clips(load_run(run), Pack(trained.pack))


@pytest.mark.parametrize("url", ["http://127.0.0.1:9/x.pack", "reference::http://127.0.0.1:9/x", "memory://x.pack"])
def test_packs_that_a_run_names_are_never_opened(
    trained: Trained, run: Path, tmp_path: Path, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    secret = pack_of(tmp_path / "secret", sample("x", "a"), sample("y", "b")).paths[0]
    (run / TRAINING_CLIPS).unlink()
    edit(run, data=[str(secret), url], init=url, rows_hash="0" * 16)
    opened: list[str] = []
    real = opening.locate

    def spy(name: str | Path) -> list[locate.Place]:
        opened.append(str(name))
        return real(name)

    monkeypatch.setattr(opening, "locate", spy)
    monkeypatch.setattr(locate, "url_to_fs", lambda url: pytest.fail(f"opened {url}"))
    assert evaluate(run, ClipSelection([trained.pack]), ["test"]).report["overlap"] is None
    fitted = recalibrate(run, ClipSelection([trained.pack]), ["val"], AbstainConfig())
    assert fitted.about["calibrated"]["left_out"] is None
    assert {*opened} == {str(trained.pack)}


@pytest.mark.parametrize(
    ("facts", "said"),
    [
        ({"data": 5}, r"about\.data = 5; wanted a list of texts"),
        ({"data": [5]}, r"about\.data = \[5\]"),
        ({"seed": "abc"}, r"about\.seed = 'abc'; wanted a whole number or null"),
        ({"seed": -1}, r"about\.seed = -1"),
        ({"where": "a=1"}, r"about\.where"),
        ({"label_fraction": "x"}, r"about\.label_fraction"),
        ({"labels_per_class": 1.5}, r"about\.labels_per_class"),
        ({"selected_on": "val"}, r"about\.selected_on"),
        ({"rows_hash": 1}, r"about\.rows_hash"),
        ({"calibration": 3}, r"about\.calibration = 3"),
        ({"calibration": {"temperature": 0}}, r"calibration\.temperature = 0; wanted a number above 0"),
        ({"calibration": {"warm": 1.0}}, r"calibration\.warm"),
        ({"calibrated": {"data": 1}}, r"about\.calibrated\.data"),
        ({"calibrated": {"split": "val"}}, r"about\.calibrated\.split"),
        ({"learnt_from": {"joints": {}}}, r"about\.learnt_from\.joints"),
        ({"learnt_from": {"packs": [1]}}, r"about\.learnt_from\.packs"),
        ({"started_from": {"packs": 1}}, r"about\.started_from\.packs"),
        ({"clips": "many"}, r"about\.clips"),
    ],
)
def test_facts_of_a_wrong_type_are_named(
    trained: Trained, tmp_path: Path, facts: dict[str, object], said: str, capfd: pytest.CaptureFixture[str]
) -> None:
    run = copy_essentials(trained.linear, tmp_path / "run")
    edit(run, **facts)
    with pytest.raises(InputError, match=said):
        evaluate(run, ClipSelection([trained.pack]), ["test"])
    assert main(["evaluate", "--model", str(run), "--data", str(trained.pack)]) == 2
    assert "config.yaml: found" in capfd.readouterr().err
