"""What the page of a RUN shows: its tables, pictures and captions."""

from __future__ import annotations

import base64
import re
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
from helpers.trained_runs import Trained

from twinsign.evaluation.metrics import ClipScores, accuracy_report, surest_mistakes
from twinsign.evaluation.selective import selective_report
from twinsign.pack.open import Pack
from twinsign.pack.selection import clip_ids, labelled_rows
from twinsign.report.html import write_report
from twinsign.report.run_page import classifier_figures, evaluation_figures, evaluation_tables, pretraining_figures
from twinsign.runs.run import load_run

NASTY = '<script>alert("x")</script>'


def scored(names=("BOOK", NASTY, "你好", "$5$")) -> ClipScores:
    generator = np.random.default_rng(0)
    labels = np.arange(40) % len(names)
    scores = generator.normal(size=(40, len(names)))
    scores[np.arange(40), labels] += 1
    return ClipScores([f"clip{i}" for i in range(40)], list(names), labels, scores)


def test_the_pictures_of_a_classifier(trained: Trained, tmp_path: Path) -> None:
    run, pack = load_run(trained.finetuned), Pack(trained.pack)
    data = labelled_rows(pack, pack.select(["test"]), run.labels)
    scores = np.random.default_rng(0).normal(size=(len(data.rows), len(run.labels))).astype(np.float32)
    clips = ClipScores(clip_ids(pack, data.rows), run.labels, data.labels, scores)
    worst = surest_mistakes(clips, 6)
    assert len(worst) > 1
    report = accuracy_report(clips, resamples=10)
    figures = classifier_figures(run, pack, data, clips, selective_report(clips, None))
    assert [title for title, _, _ in figures] == [
        "Answering when sure",
        "Learning curves",
        "Confusions",
        "Hardest classes",
        "Accuracy by number of clips",
        "Map of the embeddings",
        *(f"Wrong: {m['truth']} taken for {m['guess']}" for m in worst),
    ]
    assert f"Clip {worst[0]['id']}, confidence {100 * worst[0]['confidence']:.0f} %" in figures[6][1]
    path, tables = tmp_path / "report.html", evaluation_tables(report, clips)
    write_report(path, title="Report", lead="", facts={}, tables=tables, figures=figures)
    page = path.read_text(encoding="utf-8")
    assert page.count("<img ") == len(figures)
    assert "<script" not in page
    pictures = re.findall(r"base64,([^\"]+)", page)
    assert all(ElementTree.fromstring(base64.b64decode(picture)).tag.endswith("svg") for picture in pictures)


def test_the_page_of_a_pretraining_says_what_it_was_made_of(trained: Trained, tmp_path: Path) -> None:
    run = tmp_path / "run"
    assert trained.pretrain(run) == 0
    (run / "report.html").unlink()
    with (run / "metrics.jsonl").open("a") as metrics:
        metrics.write('{"step": 1, "resumed_from_step": 1}\n')
    assert trained.pretrain(run) == 0
    page = (run / "report.html").read_text(encoding="utf-8")
    facts = dict(re.findall(r"<dt>(.*?)</dt>\s*<dd>(.*?)</dd>", page))
    assert facts.keys() == {"Run", "Recipe", "Seed", "Data", "Clips", "Training minutes"}
    assert facts["Data"] == str(trained.pack)
    (_, _, curves), _ = pretraining_figures(load_run(run), Pack(trained.pack))
    titles = {axes.get_title(loc="left") for axes in curves.axes}
    assert "Loss" in titles
    assert "Resumed from step" not in titles


def test_scores_alone_have_three_charts() -> None:
    assert [title for title, _, _ in evaluation_figures(scored())] == [
        "Confusions",
        "Hardest classes",
        "Accuracy by number of clips",
    ]


def test_the_confusion_caption_says_what_is_left_out() -> None:
    names = [f"gloss{c}" for c in range(41)]
    labels = np.arange(82) % 41
    scores = np.eye(41)[(labels + np.arange(82) // 41) % 41]
    clips = ClipScores([str(i) for i in range(82)], names, labels, scores)
    figures = evaluation_figures(clips)
    assert "Shown: 40 of 41 classes" in figures[0][1]
    assert "Shown" not in evaluation_figures(scored())[0][1]


def test_the_tables_of_an_evaluation() -> None:
    clips = scored()
    report = accuracy_report(clips, resamples=50)
    accuracy, classes = evaluation_tables(report, clips)
    low, high = report["interval95"]["per_class.top2"]
    assert list(accuracy.rows[4]) == ["Top-2 per class", report["per_class"]["top2"], low, high]
    assert "40 clips of 4 classes, chosen among 4" in accuracy.caption
    assert [row[0] for row in classes.rows] == clips.glosses
    assert classes.numeric() == [False, True, True, True, False, True]
