"""Score files: a model's scores of every clip as NPZ, or another model's NPZ or CSV, aligned by clip id."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from pyarrow import csv

from twinsign.errors import InputError
from twinsign.evaluation.metrics import ClipScores, check_unique, finite_scores
from twinsign.files import atomic
from twinsign.pose.clip_file import ClipFile

KEYS = {
    "ids": ("ids", "id"),
    "scores": ("scores", "logits", "probabilities"),
    "labels": ("gloss", "labels", "label"),
    "glosses": ("glosses", "classes"),
}
"""Names of the arrays of an NPZ; a CSV has a column `id`, perhaps `gloss` or `label`, and one of scores a class."""
MOST_COLUMNS = 6000
"""Columns of a CSV of scores: each takes 30 kB of memory while it is read."""
LEAST_PROBABILITY = 1e-30
"""Smaller probabilities count as this when a file's probabilities become logits."""
NAMED = 5
"""Ids or glosses named in a message."""

Truth = list[str] | NDArray[np.int64]
"""Each clip's true gloss, or its class number among the file's own columns."""


@dataclass(frozen=True)
class ScoreFile:
    """A file's ids (N) and scores (N C) as logits, with glosses (C) and truth (N, gloss or class number) if present."""

    path: Path
    ids: list[str]
    scores: NDArray[np.float32]
    glosses: list[str] | None
    truth: Truth | None
    probabilities: bool
    splits: tuple[str, ...] = ()
    selected_on: tuple[str, ...] = ()
    split_hash: str | None = None


def write_scores(path: str | PathLike[str], scored: ClipScores, report: dict[str, Any]) -> None:
    """Write ids (N), glosses (C), labels (N) and scores (N C) as NPZ, with the report's splits and split hash."""
    with atomic(path) as temporary, temporary.open("wb") as file:
        np.savez_compressed(
            file,
            ids=np.asarray(scored.ids),
            glosses=np.asarray(scored.glosses),
            labels=scored.labels,
            scores=scored.scores,
            split_hash=np.asarray(report["split_hash"]),
            splits=np.asarray(report["split"] or ["all"]),
            selected_on=np.asarray(report["selected_on"], dtype=str),
        )


def read_scores(path: str | PathLike[str]) -> ScoreFile:
    """Read an NPZ or CSV of scores; raises InputError for what is missing or of the wrong shape."""
    file = Path(path)
    if not file.is_file():
        raise InputError("no file", "a score file: NPZ or CSV", file=file)
    return _read_csv(file) if file.suffix.lower() == ".csv" else _read_npz(file)


def _read_npz(file: Path) -> ScoreFile:
    try:
        arrays = {name: np.atleast_1d(array) for name, array in ClipFile(file).read_arrays().items()}
    except InputError as error:
        raise InputError(f"no readable NPZ ({error.found})", "plain arrays: ids, scores, …", file=file) from error
    columns: dict[str, Any] = {}
    for key, names in KEYS.items():
        columns[key] = next((arrays[name] for name in names if name in arrays), None)
        if key in ("ids", "scores") and columns[key] is None:
            wanted = f"an array named {' or '.join(names)}"
            raise InputError(f"arrays {', '.join(arrays) or 'none'}", wanted, file=file)
    labels, glosses = columns["labels"], columns["glosses"]
    return _score_file(
        file,
        [*map(str, columns["ids"].tolist())],
        columns["scores"],
        None if glosses is None else [*map(str, glosses.tolist())],
        labels if labels is None or labels.dtype.kind in "iu" else [*map(str, labels.tolist())],
        split_hash=str(arrays["split_hash"].flat[0]) if "split_hash" in arrays else None,
        **{name: tuple(arrays[name].tolist()) for name in ("splits", "selected_on") if name in arrays},
    )


def _read_csv(file: Path) -> ScoreFile:
    with file.open("rb") as head:
        commas = head.readline().count(b",")
    if commas > MOST_COLUMNS:
        hint = "Save so many classes as NPZ."
        raise InputError(f"{commas + 1:,} columns", f"at most {MOST_COLUMNS:,}", file=file, hint=hint)
    try:
        with csv.open_csv(file) as stream:
            names = stream.schema.names
        text = [name for name in ("id", *KEYS["labels"]) if name in names]
        convert = csv.ConvertOptions(column_types=dict.fromkeys(text, pa.string()), strings_can_be_null=False)
        table = csv.read_csv(file, convert_options=convert)
    except (pa.ArrowInvalid, UnicodeDecodeError) as error:
        raise InputError(f"no readable CSV ({error})", "a header, a row a clip", file=file) from error
    if len(set(names)) < len(names):
        raise InputError("two columns of one name", "a column a class, named by its gloss", file=file)
    if "id" not in names:
        raise InputError(f"columns {', '.join(names[:5])} …", "a column named id", file=file)
    glosses = [name for name in names if name not in text]
    if not glosses:
        raise InputError("no column of scores", "a column a class, named by its gloss", file=file)
    for name in glosses:
        kind = table[name].type
        if not (pa.types.is_integer(kind) or pa.types.is_floating(kind)) or table[name].null_count:
            raise InputError(f"column {name!r} of {kind}", "a finite number in every row", file=file)
    scores = np.stack([pc.cast(table[name], pa.float64()).to_numpy() for name in glosses], axis=1)
    truth: Truth | None = None
    if text[1:]:
        truth = [label.strip() for label in table[text[1]].to_pylist()]
        is_number = all(label.isdecimal() and len(label) <= 18 for label in truth)  # as 64-bit integers hold
        truth = np.asarray(truth, np.int64) if is_number and not {*truth} <= {*glosses} else truth
    return _score_file(file, table["id"].to_pylist(), scores, glosses, truth)


def _score_file(
    file: Path, ids: list[str], scores: NDArray[Any], glosses: list[str] | None, truth: Truth | None, **about: Any
) -> ScoreFile:
    """The checked content; rows (N C) in [0, 1] that sum to 1 are probabilities, whose logarithms are kept."""
    if scores.ndim != 2 or scores.dtype.kind not in "fiu" or scores.shape[0] != len(ids) or not scores.size:
        raise InputError(f"scores {scores.dtype} of shape {scores.shape}", f"({len(ids)}, classes) numbers", file=file)
    if glosses is not None and len(glosses) != scores.shape[1]:
        raise InputError(f"{len(glosses)} glosses", f"{scores.shape[1]}, one a column of scores", file=file)
    if truth is not None and len(truth) != len(ids):
        raise InputError(f"{len(truth)} labels", f"{len(ids)}, one a clip", file=file)
    check_unique(ids, "clip id", file)
    check_unique(glosses or [], "gloss", file)
    logits = finite_scores(scores, ids, file)
    bounded = scores.shape[1] > 1 and scores.min() >= 0 and scores.max() <= 1.001
    probabilities = bool(bounded and np.abs(scores.sum(axis=1, dtype=np.float64) - 1).max() < 1e-2)
    if probabilities:
        logits = np.log(np.maximum(scores.astype(np.float64), LEAST_PROBABILITY)).astype(np.float32)
    return ScoreFile(file, ids, logits, glosses, truth, probabilities, **about)


def align_scores(files: Sequence[ScoreFile], common: bool = False) -> list[ClipScores]:
    """The files' scores of the same clips and glosses in one order: that of the first file that names both.

    With `common` the clips that all files have. Raises InputError where the clips differ otherwise, and always where
    labels or the sets of glosses do. Class numbers without glosses are trusted only with labels that agree clip by
    clip.
    """
    lead = next((file for file in files if file.glosses is not None and file.truth is not None), None)
    if lead is None or lead.glosses is None:
        raise InputError("glosses and labels together in no file", "a file with both", file=files[0].path)
    glosses = lead.glosses
    for file in files:
        check_same_glosses(lead, file)
        if file.glosses is None and file.truth is None:
            raise InputError("neither glosses nor labels", "one of them, to know its classes by", file=file.path)
        if file.scores.shape[1] != len(glosses):
            unnamed = f"{file.scores.shape[1]} classes without names"
            raise InputError(unnamed, f"the {len(glosses)} glosses of {lead.path}", file=file.path)
        if not common and {*file.ids} != {*lead.ids}:
            clips, hint = difference(lead.ids, file.ids), "--common takes the clips that all files have."
            wanted = f"the {len(lead.ids)} clips of {lead.path}"
            raise InputError(f"other clips: {clips}", wanted, file=file.path, hint=hint)
    shared = set(lead.ids).intersection(*(file.ids for file in files))
    if not shared:
        raise InputError("no clip in common", "score files of the same clips", file=files[-1].path)
    ids = [name for name in lead.ids if name in shared]
    labels, result = _class_numbers(lead, glosses, ids), []
    for file in files:
        own = labels if file.truth is None else _class_numbers(file, glosses, ids)
        wrong = np.flatnonzero(own != labels)
        if len(wrong):
            some = "; ".join(f"{ids[i]}: {glosses[own[i]]}, not {glosses[labels[i]]}" for i in wrong[:NAMED])
            raise InputError(f"other labels of {len(wrong)} clips ({some})", f"those of {lead.path}", file=file.path)
        row = {name: number for number, name in enumerate(file.ids)}
        column = {gloss: number for number, gloss in enumerate(file.glosses or glosses)}
        cells = np.ix_([row[name] for name in ids], [column[gloss] for gloss in glosses])
        result.append(ClipScores(ids, glosses, labels, file.scores[cells]))
    return result


def check_same_glosses(lead: ScoreFile, file: ScoreFile) -> None:
    """Raise InputError where two files that name their classes name different ones."""
    if lead.glosses and file.glosses and {*lead.glosses} != {*file.glosses}:
        classes = f"other classes: {difference(lead.glosses, file.glosses)}"
        raise InputError(classes, f"the {len(lead.glosses)} glosses of {lead.path}", file=file.path)


def difference(wanted: Sequence[str], names: Sequence[str]) -> str:
    """How these names differ from those wanted, in words: "2 missing (a, b), 1 too many (c)"."""
    missing, extra = sorted(set(wanted) - set(names)), sorted(set(names) - set(wanted))
    parts = [
        f"{len(some)} {word} ({', '.join(some[:NAMED])}{', …' if len(some) > NAMED else ''})"
        for some, word in ((missing, "missing"), (extra, "too many"))
        if some
    ]
    return ", ".join(parts) or "nothing"


def _class_numbers(file: ScoreFile, glosses: list[str], ids: list[str]) -> NDArray[np.int64]:
    """The number in `glosses` of each of these clips' true gloss; raises InputError for the first that has none."""
    truth_of = dict(zip(file.ids, file.truth if file.truth is not None else [], strict=True))
    own, number = file.glosses or glosses, {gloss: i for i, gloss in enumerate(glosses)}
    labels = []
    for name in ids:
        truth = truth_of[name]
        gloss = truth if isinstance(truth, str) else own[truth] if 0 <= truth < len(own) else ""
        if gloss not in number:
            raise InputError(f"label {truth}", f"one of the {len(own)} classes", file=file.path, clip=name)
        labels.append(number[gloss])
    return np.asarray(labels, np.int64)
