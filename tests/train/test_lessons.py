"""Learning from other classifiers' answers, on labelled and on unlabelled clips."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from helpers.trained_runs import Trained
from torch.nn import functional as F

import twinsign as ts
from twinsign.cli.main import main
from twinsign.errors import InputError
from twinsign.nn.classifier import Classifier
from twinsign.pack.open import Pack
from twinsign.pack.selection import select_training
from twinsign.runs.models import evaluation_loader, load_classifier, viewer_of
from twinsign.runs.run import load_run, read_metrics
from twinsign.train.lessons import UNLABELLED, Teachers, prepare_lessons
from twinsign.train.tasks import ClassifyModule
from twinsign.views.batches import ClipReader


@pytest.fixture(scope="module")
def unlabelled(trained: Trained, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Clips of other signs and signers, some of them held out."""
    pack = tmp_path_factory.mktemp("unlabelled") / "U"
    corpus = ["--corpus.glosses", "3", "--corpus.signers", "4", "--corpus.clips_per_signer_gloss", "1"]
    assert main(["pack", "synthetic", "--out", str(pack), *corpus, "--corpus.seed", "9"]) == 0
    return pack


def lessons_of(trained: Trained, teachers: Teachers) -> tuple[ts.ClipSelection, ClipReader, list[str], object]:
    clips = ts.ClipSelection([str(trained.pack)])
    pack, train, _, glosses = select_training(clips, 0)
    recipe = load_run(trained.finetuned).recipe
    reader = ClipReader(pack, train.rows, recipe.read, train.labels.tolist())
    return clips, reader, glosses, prepare_lessons(teachers, clips, reader, glosses)


def test_a_lesson_is_the_mean_of_what_the_teachers_answer(trained: Trained, unlabelled: Path) -> None:
    teachers = Teachers([trained.finetuned, trained.linear], [unlabelled])
    clips, reader, _, lessons = lessons_of(trained, teachers)
    pack = Pack([*clips.data, str(unlabelled)])
    rows = lessons.reader.rows
    assert rows[: len(reader)].tolist() == reader.rows.tolist()
    assert lessons.reader.labels[: len(reader)].tolist() == reader.labels.tolist()
    more = rows[len(reader) :]
    assert len(more) > 0
    assert (lessons.reader.labels[len(reader) :] == UNLABELLED).all()
    assert not np.isin(np.asarray(pack.splits)[more], ["val", "test"]).any()
    asked = [0, 5, len(rows) - 1]  # two labelled clips and an unlabelled one
    expected = []
    for model in teachers.models:
        run = load_run(model)
        classifier, viewer = load_classifier(run), viewer_of(run)
        batch = next(iter(evaluation_loader(pack, rows[asked], run.recipe)))
        with torch.no_grad():
            expected.append(classifier(*viewer(batch)).softmax(dim=1))
    wanted = torch.stack(expected).mean(dim=0)
    torch.testing.assert_close(lessons.of(torch.from_numpy(rows[asked])), wanted, atol=1e-5, rtol=1e-4)


def test_the_loss_is_the_weighted_sum_and_unlabelled_clips_add_answers_alone(
    trained: Trained, unlabelled: Path
) -> None:
    *_, lessons = lessons_of(trained, Teachers([trained.linear], [unlabelled]))
    run = load_run(trained.finetuned)
    recipe = replace(run.recipe, finetune=replace(run.recipe.finetune, taught=0.25, label_smoothing=0.1))
    torch.manual_seed(0)
    classifier = Classifier(recipe.encoder, recipe.finetune.head, len(run.labels)).eval()
    task = ClassifyModule(classifier, recipe, 0, lessons)
    count = len(lessons.reader)
    batch = lessons.reader.__getitems__([0, 1, count - 2, count - 1])
    task.place = (0, 4)
    task.report = lambda *_: None  # type: ignore[method-assign]
    task.to_step = lambda loss, _: loss  # type: ignore[method-assign]
    loss = task.training_step(batch, 0)
    (view,) = task.views(batch, recipe.finetune, 1)
    logits = classifier(view)
    hard = F.cross_entropy(logits[:2], batch.label[:2], label_smoothing=0.1, reduction="sum")
    soft = -(lessons.of(batch.index) * logits.log_softmax(dim=1)).sum()
    torch.testing.assert_close(loss, (0.75 * hard + 0.25 * soft) / 4)


def test_the_command_trains_resumes_nothing_and_records_its_teachers(
    trained: Trained, unlabelled: Path, tmp_path: Path
) -> None:
    student, options = tmp_path / "student", ["--teachers", str(trained.finetuned), "--unlabelled", str(unlabelled)]
    assert trained.classify("finetune", student, *options) == 0
    run = load_run(student)
    assert run.about["teachers"] == {
        "digests": [load_run(trained.finetuned).digest()],
        "unlabelled": [str(unlabelled)],
    }
    assert np.isfinite([row["loss"] for row in read_metrics(student)]).all()
    before = (student / "weights.safetensors").read_bytes()
    assert trained.classify("finetune", student, *options) == 0  # the same command finds it finished
    assert (student / "weights.safetensors").read_bytes() == before
    assert trained.classify("finetune", student) == 2  # without teachers it is another run
    assert trained.classify("finetune", tmp_path / "other", "--unlabelled", str(unlabelled)) == 2


def test_a_teacher_of_other_glosses_is_refused(trained: Trained, unlabelled: Path, tmp_path: Path) -> None:
    words = ["--data", str(unlabelled), "--init", "none", "--out", str(tmp_path / "other")]
    assert main(["finetune", "--config", str(trained.recipe), *words]) == 0
    with pytest.raises(InputError, match="a teacher of 3 glosses"):
        lessons_of(trained, Teachers([tmp_path / "other"]))


def test_without_teachers_nothing_changes(trained: Trained, tmp_path: Path) -> None:
    assert trained.classify("finetune", tmp_path / "again") == 0
    one, two = (load_run(path).weights() for path in (trained.finetuned, tmp_path / "again"))
    assert all(torch.equal(value, two[name]) for name, value in one.items())
    assert "teachers" not in load_run(tmp_path / "again").about
