"""Out-of-vocabulary signs: slow counts, pairs one by one, and a model whose vocabulary is two of four signs."""

from __future__ import annotations

import html
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from helpers.tiny_configs import pack_of, sample
from helpers.trained_runs import Trained
from hypothesis import given
from hypothesis import strategies as st

from twinsign.cli.main import main
from twinsign.datasets.sample import Sample
from twinsign.errors import InputError
from twinsign.evaluation.calibrate import recalibrate
from twinsign.evaluation.evaluate import split_by_vocabulary
from twinsign.evaluation.metrics import ClipScores
from twinsign.evaluation.selective import describe_unknown, unknown_report
from twinsign.pack.selection import ClipSelection
from twinsign.runs.calibration import NEVER, Calibration, calibration_of
from twinsign.runs.recipe import AbstainConfig
from twinsign.runs.run import load_run
from twinsign.train import protocols

CLASSES = 3
row = st.lists(st.integers(-2, 2), min_size=CLASSES, max_size=CLASSES)


def scored(labels: list[int], scores: list[list[float]]) -> ClipScores:
    names = [f"c{i}" for i in range(len(labels))]
    return ClipScores(names, [f"g{c}" for c in range(CLASSES)], np.asarray(labels), np.asarray(scores, np.float32))


def confidence(scores: list[float], temperature: float) -> float:
    share = np.exp(np.asarray(scores) / temperature)
    return float(share.max() / share.sum())


@given(
    st.lists(st.tuples(st.integers(0, CLASSES - 1), row), min_size=1, max_size=12),
    st.lists(row, min_size=1, max_size=12),
    st.sampled_from([0.5, 1.0, 3.0]),
    st.sampled_from([0.41, 0.63, 0.93, None]),
)
def test_agrees_with_counting(
    known: list[tuple[int, list[float]]], unknown: list[list[float]], temperature: float, threshold: float | None
) -> None:
    labels, scores = [label for label, _ in known], [one for _, one in known]
    fitted = None if threshold is None else Calibration(temperature, threshold)
    found = unknown_report(scored(labels, scores), scored([0] * len(unknown), unknown), fitted)
    temperature, threshold = (temperature, threshold) if threshold is not None else (1.0, 0.5)
    mine, theirs = ([confidence(one, temperature) for one in some] for some in (scores, unknown))
    right = [all(s[c] < s[label] for c in range(CLASSES) if c != label) for label, s in known]
    sure = [one >= threshold - 1e-9 for one in mine]
    strangers = sum(one >= threshold - 1e-9 for one in theirs)
    assert (found["clips"], found["threshold"]) == (len(unknown), threshold), "unfitted: what predict does"
    assert found["answered"] == pytest.approx(100 * strangers / len(unknown), abs=0.006)
    assert found["known_answered"] == pytest.approx(100 * sum(sure) / len(known), abs=0.006)
    if sum(sure) + strangers:
        share = sum(a and b for a, b in zip(sure, right, strict=True)) / (sum(sure) + strangers)
        assert found["right_of_answered"] == pytest.approx(100 * share, abs=0.006)
    else:
        assert found["right_of_answered"] is None
    pairs = [1.0 if a - b > 1e-9 else 0.5 if a - b > -1e-9 else 0.0 for a in mine for b in theirs]
    assert found["auroc"] == pytest.approx(100 * np.mean(pairs), abs=0.006)


def test_the_surest_come_first_with_what_they_were_taken_for() -> None:
    asked: list[list[float]] = [[0, 1, 0], [9, 0, 0], [0, 0, 0], [0, 0, 5], [0, 3, 0], [0, 0, 2], [2, 0, 2]]
    found = unknown_report(scored([0], [[1, 0, 0]]), scored([0] * 7, asked), Calibration(2.0, 0.5))
    assert [(one["id"], one["guess"]) for one in found["surest"]] == [
        ("c1", "g0"), ("c3", "g2"), ("c4", "g1"), ("c5", "g2"), ("c0", "g1"),
    ]  # fmt: skip
    assert [one["confidence"] for one in found["surest"]] == pytest.approx(
        [confidence(asked[number], 2.0) for number in (1, 3, 4, 5, 0)], abs=1e-4
    )


def test_a_threshold_that_nothing_reaches_answers_nothing() -> None:
    found = unknown_report(scored([0], [[5, 0, 0]]), scored([0, 0], [[0, 0, 0]] * 2), Calibration(1.0, NEVER))
    assert (found["answered"], found["right_of_answered"], found["auroc"]) == (0, None, 100)
    assert "none answered; but the model also abstains" in describe_unknown({**found, "glosses": 2})


def test_a_model_is_asked_of_signs_that_it_does_not_know(
    trained: Trained, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    learnt = [sample(f"{gloss}{n}", gloss) for gloss in "ab" for n in range(3)]
    learnt += [sample(f"v{gloss}", gloss, "val") for gloss in "ab"]
    asked = [sample(f"t{gloss}{n}", gloss, "test") for gloss in "abcd" for n in range(2)]
    pack = pack_of(tmp_path / "learnt", *learnt)
    both = pack_of(tmp_path / "asked", *asked, sample("bare", "", "test"))
    out, found = tmp_path / "R", tmp_path / "f.json"
    given = ["linear", "--config", str(trained.recipe), "--data", str(pack.paths[0]), "--init", str(trained.pretrained)]
    assert main([*given, "--out", str(out)]) == 0
    question = ["evaluate", "--model", str(out), "--data", str(both.paths[0]), "--split", "test", "--json", str(found)]
    capsys.readouterr()
    assert main(question) != 0, "unknown glosses are refused unless asked for"
    assert "--unknown" in capsys.readouterr().err
    assert main([*question, "--unknown"]) == 0
    report = json.loads(found.read_text())
    assert (report["clips"], report["unknown"]["clips"], report["unknown"]["glosses"]) == (4, 4, 2)
    assert report["unknown"]["split_hash"] == both.split_hash(np.flatnonzero(np.isin(both.column("gloss"), ["c", "d"])))
    assert {one["id"]: one["gloss"] for one in report["unknown"]["surest"]} == {
        f"t{gloss}{n}": gloss for gloss in "cd" for n in range(2)
    }
    assert {one["guess"] for one in report["unknown"]["surest"]} <= {"a", "b"}
    said = describe_unknown(report["unknown"])
    assert said in " ".join(capsys.readouterr().out.split())
    assert said in html.unescape((out / "report.html").read_text())
    (kept,) = (out / "evaluations").glob("*-unknown.json")
    assert json.loads(kept.read_text()) == report
    rows = both.select(["test"])
    for known in ("abcd", "xy"):
        with pytest.raises(InputError, match="no clip of"):
            split_by_vocabulary(both, rows, known)


def test_a_mixture_as_expected() -> None:
    """Of three known clips two are sure and one of these is right; of four unknown ones one is sure."""
    known = scored([0, 0, 0], [[9, 0, 0], [0, 9, 0], [0, 0, 0]])
    unknown = scored([0] * 4, [[0, 9, 0], [0, 0, 0], [0, 0, 0], [0, 0, 0]])
    found = unknown_report(known, unknown, Calibration(1.0, 0.8, unknown=1 / 3))
    assert (found["expected"], found["right_of_answered"]) == (33.33, 33.33)
    assert found["right_if_expected"] == pytest.approx(100 * (2 / 9) / (4 / 9 + 1 / 12), abs=0.006)
    assert f"{found['right_if_expected']} % where 33 % of all clips" in describe_unknown({**found, "glosses": 2})
    earlier = {name: value for name, value in found.items() if "expected" not in name}
    assert describe_unknown({**earlier, "glosses": 2}).endswith("33.33 % are right")


def test_clips_of_other_signs_take_part_in_the_threshold(trained: Trained, tmp_path: Path) -> None:
    """Those of val which show a hand, are new and have another gloss; of test none, whatever split is named."""

    def mine(one: Sample) -> Sample:
        return replace(one, row={**one.row, "mine": "1"})

    known = [sample(f"{gloss}{n}", gloss, look=n if gloss == "a" else None) for gloss in "ab" for n in range(3)]
    known += [sample(f"v{gloss}", gloss, "val") for gloss in "ab"] + [
        sample(f"t{gloss}", gloss, "test") for gloss in "ab"
    ]
    others = [sample(f"v{gloss}{n}", gloss, "val") for gloss in "cd" for n in range(2)]
    others += [
        sample("copy", "c", "val", look=0),
        sample("handless", "c", "val", hand=False),
        sample("none", "", "val"),
    ]
    others += [sample("learnable", "c"), sample("asked", "c", "test"), sample("asked too", "d", "test")]
    pack = pack_of(tmp_path / "P", *map(mine, known), *others)
    clips, recipe = ClipSelection([pack.paths[0]], ["mine=1"]), load_run(trained.pretrained).recipe
    for train in (protocols.linear, protocols.finetune):
        out = tmp_path / train.__name__
        train(recipe, trained.pretrained, clips, out, page=False)
        fitted = calibration_of(load_run(out))
        assert fitted is not None
        assert (fitted.unknown, fitted.unknown_clips) == (1 / 3, 4)

    def anew(splits: list[str] | None, unknown: float) -> int:
        sure = AbstainConfig(unknown_share=unknown)
        fitted = calibration_of(recalibrate(out, clips, splits, sure))
        assert fitted is not None
        return fitted.unknown_clips

    assert anew(["val"], 0.5) == 4
    assert anew(["val"], 0) == 0
    assert anew(None, 0.5) == 5, "of train too, whose labels it never saw"
    with pytest.raises(InputError, match="2 glosses"):
        anew(["test"], 0.5)
