"""Annotations, recipes, runs, checkpoints, scores and dictionaries, damaged: an InputError or an answer, never else."""

from __future__ import annotations

import contextlib
import os
import pickle
import resource
import zipfile
from pathlib import Path
from random import Random

import numpy as np
import pytest
import torch
import yaml
from helpers import fuzz_datasets, fuzz_runs, fuzz_targets, mutate_text, tiny_configs
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from twinsign.cli.main import main
from twinsign.datasets.folder import folder_corpus
from twinsign.errors import InputError
from twinsign.evaluation.score_files import read_scores
from twinsign.files import parse_json
from twinsign.pose.read import open_set, read
from twinsign.runs.convert import read_checkpoint
from twinsign.runs.models import load_classifier
from twinsign.runs.recipe import load_recipe
from twinsign.runs.run import load_run, read_metrics

TARGETS = fuzz_datasets.TARGETS | fuzz_runs.TARGETS
SLOW = {"recipe": 8, "experiment": 4, "run": 6, "dictionary": 4, "notes.lsa64": 6}
"""Examples where each takes long; others get MANY."""
MANY = 25


@pytest.mark.parametrize("name", TARGETS)
def test_undamaged(tmp_path: Path, name: str) -> None:
    fuzz_targets.write(TARGETS[name], tmp_path / "case", None)
    TARGETS[name].use(tmp_path / "case")


@pytest.mark.parametrize("name", TARGETS)
def test_damaged(tmp_path_factory: pytest.TempPathFactory, name: str) -> None:
    folder, target = tmp_path_factory.mktemp("damaged"), TARGETS[name]

    @given(rng=st.randoms(use_true_random=False))
    @settings(max_examples=SLOW.get(name, MANY), suppress_health_check=list(HealthCheck))
    def tried(rng: Random) -> None:
        fuzz_targets.write(target, folder / "case", rng)
        with contextlib.suppress(InputError):
            target.use(folder / "case")

    tried()


class Touch:
    """Unpickled, it makes a file."""

    def __init__(self, file: Path) -> None:
        self.file = file

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.mkdir, (str(self.file),)


def test_no_pickle_is_run(tmp_path: Path) -> None:
    """Whatever carries it: a clip, a set, an array, a score file, a checkpoint."""
    witness = tmp_path / "ran"
    torch.save({"state_dict": {"a": Touch(witness)}}, tmp_path / "c.pth.tar")
    (tmp_path / "a.pkl").write_bytes(pickle.dumps({"keypoints": Touch(witness)}))
    for name in ("a.npz", "a.npy"):
        (tmp_path / name).write_bytes(pickle.dumps(Touch(witness)))
    np.savez(tmp_path / "s.npz", ids=np.array([Touch(witness)], object), scores=np.eye(1))
    for call in (read, open_set, read_scores, read_checkpoint):
        for name in ("c.pth.tar", "a.pkl", "a.npz", "a.npy", "s.npz"):
            with pytest.raises(InputError):
                call(tmp_path / name)
    assert not witness.exists()


@pytest.mark.parametrize("tag", mutate_text.TAGS[:2])
@pytest.mark.parametrize("name", ["recipe", "config"])
def test_no_yaml_tag_is_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tag: str, name: str
) -> None:
    monkeypatch.chdir(tmp_path)
    if name == "recipe":
        Path("r.yaml").write_text(tiny_configs.RECIPE + f"x: {tag}\n")
        assert main(["pretrain", "--config", "r.yaml", "--data", "P", "--out", "out"]) == 2
        assert "r.yaml: found no YAML" in capsys.readouterr().err
    else:
        Path("config.yaml").write_text(f"kind: {tag}\n")
        with pytest.raises(InputError, match="no YAML"):
            load_run(tmp_path)
    assert not Path("WITNESS").exists()


@pytest.mark.parametrize(
    "text",
    [mutate_text.LAUGHS.decode() + "read: *l11\n", "read: &a {x: *a}\n", 'a: "\\ud800"\n', "read: " + "[" * 5000],
)
def test_yaml_that_stands_for_more_than_it_is(tmp_path: Path, text: str) -> None:
    file = tmp_path / "r.yaml"
    file.write_text(text)
    with pytest.raises(InputError) as caught:
        load_recipe(str(file))
    assert len(str(caught.value)) < 2000


@pytest.mark.parametrize("text", ['"\\ud800"', "[" * 100_000, '{"a": ["\\uDFFFx"]}', b"\xff"])
def test_json_that_no_file_could_hold_again(text: str | bytes) -> None:
    with pytest.raises(ValueError, match=r"deep|surrogates|decode|Expecting"):
        parse_json(text)
    assert parse_json('"\\ud83d\\ude00"') == "😀"


def test_names_that_lead_elsewhere_or_nowhere(tmp_path: Path) -> None:
    (tmp_path / "poses").mkdir()
    for name in ("../a.npz", "/etc/passwd", "a\0b.npz"):
        (tmp_path / "t.csv").write_text(f"file,gloss\n{name},a\n")
        with pytest.raises(InputError):
            folder_corpus(tmp_path / "poses", tmp_path / "t.csv")
    with pytest.raises(InputError, match="too long"):
        read(tmp_path / ("é" * 300 + ".npz"))
    (tmp_path / "poses" / "a").mkdir()
    Path(os.fsdecode(bytes(tmp_path / "poses" / "a") + b"/\xff.npz")).write_bytes(b"")
    with pytest.raises(InputError, match="UTF-8"):
        folder_corpus(tmp_path / "poses")


def test_a_member_that_is_no_array(tmp_path: Path) -> None:
    for name in ("seen", "../evil.npy"):
        np.savez(tmp_path / "a.npz", xy=np.zeros((1, 49, 2)))
        with zipfile.ZipFile(tmp_path / "a.npz", "a") as archive:
            archive.writestr(name, b"no array")
        with pytest.raises(InputError, match="no array"):
            read(tmp_path / "a.npz")
    assert not (tmp_path.parent / "evil.npy").exists()


def test_scores_beyond_32_bits(tmp_path: Path) -> None:
    (tmp_path / "s.csv").write_text("id,A,B\nx,1,1e300\n")
    with pytest.raises(InputError, match="32 bits"):
        read_scores(tmp_path / "s.csv")
    (tmp_path / "s.csv").write_text("id,A,A\nx,1,2\n")
    with pytest.raises(InputError, match="two columns"):
        read_scores(tmp_path / "s.csv")


def test_metrics_of_another_encoding(tmp_path: Path) -> None:
    (tmp_path / "metrics.jsonl").write_bytes(b'{"a": "\xff"}\n{"b": 1}\n')
    with pytest.raises(InputError, match="line 1"):
        read_metrics(tmp_path)


@pytest.mark.parametrize(
    "change",
    [
        {"joint_widths": [16384, 16384, 16384], "part_widths": [16384, 16384]},
        {"depth": 10**9},
        {"joint_widths": []},
        {"part_widths": [-4]},
        {"heads": 0},
        {"dropout": 7.0},
        {"feed_forward": {"hand": 16}},
    ],
)
def test_a_config_of_another_size_takes_no_memory(tmp_path: Path, change: dict[str, object]) -> None:
    fuzz_targets.write(fuzz_runs.TARGETS["run"], tmp_path / "run", None)
    file = tmp_path / "run" / "config.yaml"
    values = yaml.safe_load(file.read_text())
    values["recipe"]["encoder"] |= change
    file.write_text(yaml.safe_dump(values))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(InputError):
        load_classifier(load_run(tmp_path / "run"))
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 200_000
