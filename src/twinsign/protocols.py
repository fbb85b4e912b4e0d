"""The experiments as functions on files: pre-train, fine-tune, linear, evaluate, k-NN. Each leaves a RUN or a report."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from torch import nn

from twinsign.engine import ClassifyTask, Journal, PretrainTask, Task, fit, load_best
from twinsign.errors import InputError
from twinsign.files import locked, write_json
from twinsign.pack.open import Indices, Pack
from twinsign.recipe import Recipe
from twinsign.recognise.calibrate import calibrate
from twinsign.recognise.classify import Classifier
from twinsign.recognise.evaluate import full_report, in_order, load_classifier, neighbours, score
from twinsign.recognise.health import Monitor
from twinsign.recognise.linear import fit_linear
from twinsign.recognise.metrics import Scored
from twinsign.recognise.rows import Labelled, label_list, labelled, pretraining_rows, share_of_labels
from twinsign.recognise.story import classifier_page, pretraining_page
from twinsign.run import WEIGHTS, Run, load_encoders, load_run, random_encoders, save_config, save_run
from twinsign.ssl.pretrain import Pretrainer
from twinsign.views.batches import Batches, ClipLoader, ClipReader

NOTHING = "none"
"""As --init: encoders without pre-training."""


@dataclass(frozen=True)
class Clips:
    """Which clips take part: packs, conditions COLUMN=VALUE on rows, share of the labels."""

    data: Sequence[str | Path]
    where: list[str] = field(default_factory=list)
    label_fraction: float = 1.0


def pretrain(
    recipe: Recipe,
    data: Sequence[str | Path],
    out: Path,
    *,
    config: str = "",
    seed: int = 0,
    where: Sequence[str] = (),
    keep_out: Sequence[str | Path] = (),
) -> Run:
    """Pre-train on every clip outside val and test; `keep_out` packs' val and test clips stay out too (Sec. IV-A)."""
    pack = Pack(data)
    rows = pretraining_rows(pack, [Pack(path) for path in keep_out])
    if where:
        rows = np.intersect1d(rows, pack.select(where=where))
    about = {"protocol": "pretrain", "config": config, "seed": seed, "data": [str(path) for path in data]}
    about |= {"where": list(where), "clips": len(rows), "rows_hash": pack.split_hash(rows)}
    run = Run(out, "pretrained", recipe, about=about)
    with locked(out):
        if _finished(run):
            return load_run(out)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            model = Pretrainer(recipe.encoder, recipe.objective)
        start = nn.ModuleDict({name: branch.encoder for name, branch in model.query.items()}).state_dict()
        start = {name: value.clone() for name, value in start.items()}
        loader = _training_loader(ClipReader(pack, rows, recipe.read), recipe.pretrain.batch_size, seed, recipe)
        epochs = recipe.pretrain.epochs
        if recipe.pretrain.steps is not None:
            epochs = max(1, round(recipe.pretrain.steps / len(loader)))
        monitor = Monitor(model, pack, rows, recipe)
        journal = Journal(out, monitor, recipe.pretrain.monitor_every)
        task = PretrainTask(model, recipe.pretrain, seed)
        run = _train(run, task, loader, None, epochs, recipe.pretrain.optimiser.clip, journal)
        save_run(run, model.query_weights())
        pretraining_page(run, pack, monitor, start)
    return run


def finetune(recipe: Recipe, init: str | Path, clips: Clips, out: Path, *, config: str = "", seed: int = 0) -> Run:
    """Train all of a classifier from a RUN's encoders or from scratch; keep the best epoch on val (Sec. III-E, IV-A)."""
    pack, train, val, glosses = _labelled_clips(clips, seed)
    chosen = recipe.finetune
    run = _classifier_run(recipe, "finetune", init, clips, out, config, seed, (pack, train, val, glosses))
    with locked(out):
        if _finished(run):
            return load_run(out)
        encoders = _encoders(recipe, init, seed)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            classifier = Classifier(recipe.encoder, chosen.head, len(glosses))
        classifier.encoders.load_state_dict(_state_of(encoders, chosen.head.branches, init))
        reader = ClipReader(pack, train.rows, recipe.read, train.labels.tolist())
        loader = _training_loader(reader, chosen.batch_size, seed, recipe)
        held = in_order(pack, val.rows, recipe, val.labels) if val else None
        task = ClassifyTask(classifier, chosen, seed)
        run = _train(run, task, loader, held, chosen.epochs, chosen.optimiser.clip, Journal(out))
        if val and chosen.select == "best":
            load_best(task, out)
        return _finish_classifier(run, classifier.eval(), pack, val)


def linear(recipe: Recipe, init: str | Path, clips: Clips, out: Path, *, config: str = "", seed: int = 0) -> Run:
    """Train a linear layer on frozen encoders of a RUN, or of none: the random control (paper, Sec. IV-D)."""
    pack, train, val, glosses = _labelled_clips(clips, seed)
    run = _classifier_run(recipe, "linear", init, clips, out, config, seed, (pack, train, val, glosses))
    with locked(out):
        if _finished(run):
            return load_run(out)
        started = time.monotonic()
        save_config(run)
        encoders = _encoders(recipe, init, seed)
        readers = [
            ClipReader(pack, one.rows, recipe.read, one.labels.tolist()) if one else None for one in (train, val)
        ]
        rows: list[dict[str, Any]] = []
        if recipe.trainer.threads:
            torch.set_num_threads(recipe.trainer.threads)
        if readers[0] is None:
            raise InputError("no training clip", "labelled clips of split train", file=pack.paths[0])
        classifier = fit_linear(encoders, readers[0], readers[1], recipe, len(glosses), seed, rows.append)
        Journal(out).write_all(rows)
        run.about["minutes"] = round((time.monotonic() - started) / 60, 2)
        return _finish_classifier(run, classifier, pack, val)


def evaluate(
    model: str | Path, clips: Clips, splits: list[str] | None, *, page: Path | None = None
) -> tuple[dict[str, Any], Scored]:
    """The contract's report of a classifier on the named splits of a pack (None: all), and its scores."""
    run = load_run(model)
    classifier = load_classifier(run)
    pack = Pack(clips.data)
    data = labelled(pack, pack.select(splits, clips.where), run.labels)
    scored = score(run, classifier, pack, data)
    report = full_report(scored, run, pack, data, splits, clips.where)
    if page is not None:
        classifier_page(page, run, classifier, pack, data, scored, report)
    return report, scored


def knn(
    model: str | Path,
    recipe: Recipe,
    clips: Clips,
    splits: list[str],
    *,
    gallery: str = "train",
    k: int = 5,
    seed: int = 0,
) -> tuple[dict[str, Any], Scored]:
    """k-NN accuracy of a RUN's encoders, or (`none`) of random ones, among the gallery split's clips."""
    if gallery in splits:
        raise InputError(f"split {gallery!r} as gallery and as query", "a gallery apart from the clips it answers")
    if str(model) == NOTHING:
        run = Run(Path(NOTHING), "pretrained", recipe, about={"protocol": "random", "seed": seed})
        encoders = random_encoders(recipe, seed)
    else:
        run = load_run(model)
        encoders = load_encoders(run)
    pack = Pack(clips.data)
    rows = pack.select([gallery], clips.where)
    rows = rows[pack.usable[rows]]
    glosses = label_list(pack, rows)
    stored = share_of_labels(labelled(pack, rows, glosses), clips.label_fraction, seed)
    asked = labelled(pack, pack.select(splits, clips.where), glosses)
    scored = neighbours(encoders, pack, stored, asked, glosses, run.recipe, k)
    report = full_report(scored, run, pack, asked, splits, clips.where)
    return {**report, "protocol": "knn", "neighbours": k, "gallery": gallery, "gallery_clips": len(stored.rows)}, scored


def _labelled_clips(clips: Clips, seed: int) -> tuple[Pack, Labelled, Labelled | None, list[str]]:
    """The pack, its labelled train clips (a share of them), val clips or None, and the label list of train."""
    pack = Pack(clips.data)
    rows = pack.select(["train"], clips.where)
    rows = rows[pack.usable[rows]]
    glosses = label_list(pack, rows)
    train = share_of_labels(labelled(pack, rows, glosses), clips.label_fraction, seed)
    val = None
    with suppress(InputError):
        held: Indices = pack.select(["val"], clips.where)
        val = labelled(pack, held, glosses)
    return pack, train, val, glosses


def _classifier_run(
    recipe: Recipe,
    protocol: Literal["finetune", "linear"],
    init: str | Path,
    clips: Clips,
    out: Path,
    config: str,
    seed: int,
    made_of: tuple[Pack, Labelled, Labelled | None, list[str]],
) -> Run:
    pack, train, val, glosses = made_of
    about: dict[str, Any] = {"protocol": protocol, "config": config, "init": str(init), "seed": seed}
    about |= {"data": [str(path) for path in clips.data], "where": clips.where}
    about |= {"label_fraction": clips.label_fraction, "clips": len(train.rows), "classes": len(glosses)}
    about |= {"rows_hash": pack.split_hash(train.rows), "selected_on": ["train", "val"] if val else ["train"]}
    return Run(out, "classifier", recipe, glosses, about)


def _finished(run: Run) -> bool:
    """Whether the folder holds this very run, finished; InputError where it holds another one."""
    if not (run.path / "config.yaml").is_file():
        if run.path.is_dir() and (run.path / WEIGHTS).exists():
            raise InputError("weights without a config", "an empty or new folder", file=run.path)
        return False
    there = load_run(run.path)
    ignored = {"minutes", "calibration"}
    one, other = ({k: v for k, v in about.items() if k not in ignored} for about in (there.about, run.about))
    same_recipe = replace(there.recipe, trainer=run.recipe.trainer) == run.recipe
    if one != other or not same_recipe or there.labels != run.labels:
        keys = sorted(k for k in one.keys() | other.keys() if one.get(k) != other.get(k)) or ["recipe"]
        found = f"a run that differs in {', '.join(keys)}"
        raise InputError(
            found, "the same run, to go on with, or a new folder", file=run.path, hint="Choose another --out."
        )
    return (run.path / WEIGHTS).is_file()


def _train(
    run: Run, task: Task, train: ClipLoader, val: ClipLoader | None, epochs: int, clip: float | None, journal: Journal
) -> Run:
    started = time.monotonic()
    save_config(run)
    fit(task, train, val, run.path, run.recipe.trainer, epochs, clip, journal)
    return replace(run, about={**run.about, "minutes": round((time.monotonic() - started) / 60, 2)})


def _training_loader(reader: ClipReader, size: int, seed: int, recipe: Recipe) -> ClipLoader:
    batches = Batches(len(reader), size, seed=seed, shuffle=True, drop_last=True)
    return ClipLoader(reader, batches, workers=recipe.trainer.workers, pin=torch.cuda.is_available())


def _encoders(recipe: Recipe, init: str | Path, seed: int) -> nn.ModuleDict:
    if str(init) == NOTHING:
        return random_encoders(recipe, seed)
    source = load_run(init)
    if source.recipe.encoder != recipe.encoder:
        found, wanted = asdict(source.recipe.encoder), asdict(recipe.encoder)
        differs = ", ".join(f"{name}={found[name]}" for name in found if found[name] != wanted[name])
        wish = ", ".join(f"{name}={wanted[name]}" for name in found if found[name] != wanted[name])
        raise InputError(
            f"an encoder of {differs}", wish, file=source.path, hint="Use the config it was pre-trained with."
        )
    if source.recipe.read != recipe.read:
        print(f"note: {source.path} was pre-trained with other crop settings than this run's", file=sys.stderr)
    return load_encoders(source)


def _state_of(encoders: nn.ModuleDict, branches: tuple[str, ...], init: str | Path) -> dict[str, Any]:
    missing = [name for name in branches if name not in encoders]
    if missing:
        raise InputError(f"no {missing[0]} branch", "every branch of the head", file=str(init))
    return nn.ModuleDict({name: encoders[name] for name in branches}).state_dict()


def _finish_classifier(run: Run, classifier: Classifier, pack: Pack, val: Labelled | None) -> Run:
    """Calibrate on val, write the run and its page."""
    if val is None:
        save_run(run, classifier)
        return run
    scored = score(run, classifier, pack, val)
    run = replace(run, about={**run.about, "calibration": asdict(calibrate(scored))})
    save_run(run, classifier)
    report = full_report(scored, run, pack, val, ["val"], run.about["where"])
    classifier_page(run.path / "report.html", run, classifier, pack, val, scored, report)
    write_json(run.path / "val.json", report)
    return run
