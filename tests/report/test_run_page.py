"""What a classifier's page shows: its tables, pictures and captions."""

from __future__ import annotations

import base64
import re
from pathlib import Path
from xml.etree import ElementTree

import numpy as np

from twinsign.evaluation.metrics import Scored, accuracy_report, mistakes
from twinsign.pose.layout import JOINT_COUNT
from twinsign.report.html import write_report
from twinsign.report.run_page import evaluation_figures, evaluation_tables
from twinsign.report.skeletons import clip_panel

NASTY = '<script>alert("x")</script>'


def scored(names=("BOOK", NASTY, "你好", "$5$")) -> Scored:
    generator = np.random.default_rng(0)
    labels = np.arange(40) % len(names)
    scores = generator.normal(size=(40, len(names)))
    scores[np.arange(40), labels] += 1
    return Scored([f"clip{i}" for i in range(40)], list(names), labels, scores)


def test_the_pictures_of_an_evaluation(tmp_path: Path) -> None:
    clips = scored()
    worst = mistakes(clips, 2)
    panel = clip_panel(np.full((4, JOINT_COUNT, 2), 0.5), np.ones((4, JOINT_COUNT), bool))
    features = np.random.default_rng(0).normal(size=(40, 6))
    figures = evaluation_figures(
        clips,
        curves=[{"step": 1, "loss": 2.0}, {"step": 2, "loss": 1.0}],
        embeddings={"before": features, "after": features + 1},
        embedding_labels=[clips.glosses[label] for label in clips.labels],
        wrong=[(mistake, panel) for mistake in worst],
    )
    assert [title for title, _, _ in figures] == [
        "Learning curves",
        "Confusions",
        "Hardest classes",
        "Accuracy by number of clips",
        "Map of the embeddings",
        *(f"Wrong: {m['truth']} taken for {m['guess']}" for m in worst),
    ]
    assert f"Clip {worst[0]['id']}, confidence {100 * worst[0]['confidence']:.0f} %" in figures[5][1]
    report = accuracy_report(clips, resamples=10)
    path, tables = tmp_path / "report.html", evaluation_tables(report, clips)
    write_report(path, title="Report", lead="", facts={}, tables=tables, figures=figures)
    page = path.read_text(encoding="utf-8")
    assert page.count("<img ") == 7
    assert "<script" not in page
    pictures = re.findall(r"base64,([^\"]+)", page)
    assert all(ElementTree.fromstring(base64.b64decode(picture)).tag.endswith("svg") for picture in pictures)


def test_an_evaluation_without_extras_has_the_three_charts() -> None:
    assert [title for title, _, _ in evaluation_figures(scored())] == [
        "Confusions",
        "Hardest classes",
        "Accuracy by number of clips",
    ]


def test_the_confusion_caption_says_what_is_left_out() -> None:
    names = [f"gloss{c}" for c in range(41)]
    labels = np.arange(82) % 41
    scores = np.eye(41)[(labels + np.arange(82) // 41) % 41]
    clips = Scored([str(i) for i in range(82)], names, labels, scores)
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
