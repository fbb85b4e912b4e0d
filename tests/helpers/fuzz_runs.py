"""Hostile recipes, runs, checkpoints, scores and dictionaries: further targets for fuzz_targets.py."""

from __future__ import annotations

import io
import json
import tempfile
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch
import yaml

from helpers import mutate, mutate_binary, mutate_text, tiny_configs
from helpers.fuzz_targets import ONES, Target, npz, npz_members
from helpers.recordings import recording
from twinsign.dictionary.entries import Sign
from twinsign.dictionary.lookup import Dictionary
from twinsign.dictionary.store import DictionaryStore
from twinsign.doctor.splits import read_annotations
from twinsign.evaluation.score_files import read_scores
from twinsign.hub.bundle import load_checked_run as whole_run
from twinsign.inference.embeddings import read_embeddings, write_embeddings
from twinsign.inference.recogniser import Recogniser
from twinsign.nn.classifier import Classifier
from twinsign.reproduce.plan import load_experiment
from twinsign.runs.convert import read_checkpoint
from twinsign.runs.models import load_classifier
from twinsign.runs.recipe import load_recipe, recipe_from
from twinsign.runs.run import Run, read_metrics, save_run
from twinsign.runs.training_clips import TRAINING_CLIPS, _read, save_training_clips
from twinsign.ssl.pretrain import Pretrainer


def bytes_of(make: Callable[[Path], object]) -> dict[str, bytes]:
    """The files that `make` writes into a folder, by name; of a RUN those that it needs."""
    with tempfile.TemporaryDirectory() as folder:
        make(Path(folder))
        found = sorted(path for path in Path(folder).rglob("*") if path.is_file() and path.name != ".lock")
        return {path.relative_to(folder).as_posix(): path.read_bytes() for path in found}


def classifier(folder: Path) -> None:
    """A finished, untrained classifier of the smallest size."""
    recipe = recipe_from(yaml.safe_load(tiny_configs.RECIPE))
    about = {"protocol": "finetune", "config": "tiny", "seed": 0, "calibration": {"temperature": 1.5, "threshold": 0.4}}
    run = Run(folder, "classifier", recipe, ["a", "b"], about)
    save_run(run, Classifier(recipe.encoder, recipe.finetune.head, 2))


def pretrained(folder: Path) -> Run:
    """A finished, untrained pre-training of the smallest size."""
    recipe = recipe_from(yaml.safe_load(tiny_configs.RECIPE))
    run = Run(folder, "pretrained", recipe, about={"protocol": "pretrain", "config": "tiny", "seed": 0})
    save_run(run, Pretrainer(recipe.encoder, recipe.objective).query_weights())
    return run


RUN_MUTATORS: dict[str, mutate.Mutator] = {
    "config.yaml": mutate_text.yaml_text,
    "labels.json": mutate_text.json_text,
    "weights.safetensors": mutate_binary.safetensors,
}


def use_run(folder: Path) -> None:
    """A classifier from elsewhere: pulled, looked at and asked."""
    run = whole_run(folder)
    found = Recogniser(run, load_classifier(run)).predict(ONES[0])
    json.dumps([asdict(one) for one in found.guesses], ensure_ascii=False).encode()


def dictionary(folder: Path) -> None:
    """A RUN with a dictionary of two signs."""
    run = pretrained(folder)
    lookup = Dictionary.load(run.path)
    lookup.enrol([Sign(one, gloss) for one, gloss in zip(ONES, "ab", strict=True)])


def use_dictionary(folder: Path) -> None:
    """Open, search, list, add to and delete from a dictionary."""
    lookup = Dictionary.load(folder)
    found = lookup.search(ONES[0])
    listed = lookup.dictionary.listed()
    json.dumps([[asdict(one) for one in found.nearest], [asdict(one) for one in listed]], ensure_ascii=False).encode()
    lookup.enrol([Sign(recording(np.random.default_rng(1), "new", 5), "c")])
    lookup.delete([listed[0].id])
    DictionaryStore.open(folder / "dictionary")


def embedded(folder: Path) -> None:
    """Embeddings of a pack of two clips."""
    run = pretrained(folder / "run")
    pack = tiny_configs.pack_of(folder / "P", tiny_configs.sample("one", "a"), tiny_configs.sample("two", "b"))
    write_embeddings(folder / "f.parquet", run, pack, np.arange(2))


def learnt(folder: Path) -> None:
    """What a classifier learnt from, of two clips."""
    pack = tiny_configs.pack_of(folder / "P", tiny_configs.sample("one", "a"), tiny_configs.sample("two", "b"))
    save_training_clips(folder, pack, np.arange(2))


def checkpoint(zipped: bool) -> bytes:
    """A checkpoint as torch.save writes it today, and as it did before."""
    table = {"module.encoder_q.proj.fc.weight": torch.zeros(2, 3), "module.queue": torch.arange(4)}
    stream = io.BytesIO()
    torch.save({"epoch": 3, "state_dict": table}, stream, _use_new_zipfile_serialization=zipped)
    return stream.getvalue()


def scores() -> bytes:
    """A score file of ours."""
    return npz(
        ids=["07069", "x y"],
        glosses=["BOOK", "go"],
        labels=[1, 0],
        scores=np.eye(2),
        splits=["val"],
        split_hash="a" * 16,
    )


EXPERIMENT = Path(__file__).parents[2] / "src" / "twinsign" / "reproduce" / "experiments" / "table6.yaml"
TARGETS: dict[str, Target] = {
    "recipe": Target(
        {"tiny.yaml": tiny_configs.RECIPE.encode()},
        {"tiny.yaml": mutate_text.yaml_text},
        lambda folder: load_recipe(str(folder / "tiny.yaml")),
    ),
    "experiment": Target(
        {"plan.yaml": EXPERIMENT.read_bytes()},
        {"plan.yaml": mutate_text.yaml_text},
        lambda folder: load_experiment(str(folder / "plan.yaml")),
    ),
    "run": Target(bytes_of(classifier), RUN_MUTATORS, use_run),
    "metrics": Target(
        {"metrics.jsonl": b'{"epoch": 0, "loss": 1.5}\n{"epoch": 1, "loss": 1.25}\n'},
        {"metrics.jsonl": mutate_text.json_lines},
        read_metrics,
    ),
    "checkpoint": Target(
        {"c.pth.tar": checkpoint(True)},
        {"c.pth.tar": mutate.archive(mutate.raw)},
        lambda folder: read_checkpoint(folder / "c.pth.tar"),
    ),
    "old_checkpoint": Target(
        {"c.pth.tar": checkpoint(False)},
        {"c.pth.tar": mutate.raw},
        lambda folder: read_checkpoint(folder / "c.pth.tar"),
    ),
    "scores.npz": Target({"s.npz": scores()}, {"s.npz": npz_members}, lambda folder: read_scores(folder / "s.npz")),
    "scores.csv": Target(
        {"s.csv": b'id,gloss,BOOK,"$5, $6"\n07069,BOOK,1.5,2\nx,BOOK,-1,3e2\n'},
        {"s.csv": mutate_text.table},
        lambda folder: read_scores(folder / "s.csv"),
    ),
    "listed": Target(
        {"list.json": json.dumps({"missing": [{"id": "a", "gloss": "b", "split": "val"}]}).encode()},
        {"list.json": mutate_text.json_text},
        lambda folder: read_annotations(folder / "list.json"),
    ),
}
ENROLLED = bytes_of(dictionary)
TARGETS["dictionary"] = Target(
    ENROLLED,
    {"dictionary/dictionary.json": mutate_text.json_text, "dictionary/000001.pack": mutate_binary.pack},
    use_dictionary,
)
EMBEDDED = {name: content for name, content in bytes_of(embedded).items() if name == "f.parquet"}
TARGETS["embeddings"] = Target(
    EMBEDDED, {"f.parquet": mutate_binary.parquet_file}, lambda folder: read_embeddings(folder / "f.parquet")
)
TARGETS["learnt"] = Target(
    {TRAINING_CLIPS: bytes_of(learnt)[TRAINING_CLIPS]},
    {TRAINING_CLIPS: mutate_binary.parquet_file},
    lambda folder: _read(folder / TRAINING_CLIPS),
)
