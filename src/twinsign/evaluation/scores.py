"""Score files: what a model said of every clip. Ours are NPZ; another model's may be NPZ or CSV, joined by clip id."""

from __future__ import annotations

from collections import Counter
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
from twinsign.evaluation.metrics import Scored
from twinsign.files import atomic
from twinsign.pose.clip_file import ClipFile

KEYS = {
    "ids": ("ids", "id"),
    "scores": ("scores", "logits", "probabilities"),
    "labels": ("gloss", "labels", "label"),
    "glosses": ("glosses", "classes"),
}
"""Names of the arrays of an NPZ; a CSV has a column `id`, perhaps `gloss` or `label`, and one of scores a class."""
DIGITS = 18
"""Of a class number at most."""
MOST_COLUMNS = 6000
"""Columns of a CSV of scores: each takes 30 kB of memory while it is read."""
LEAST_PROBABILITY = 1e-30
"""Smaller probabilities count as this when a file's probabilities become logits."""

Truth = list[str] | NDArray[np.int64]
"""Each clip's true gloss, or its class number among the file's own columns."""


@dataclass(frozen=True)
class ScoreFile:
    """A file's content: ids (N), scores (N C) as logits; glosses (C) and truth (N, gloss or class number) if known."""

    path: Path
    ids: list[str]
    scores: NDArray[np.float32]
    glosses: list[str] | None
    truth: Truth | None
    probabilities: bool
    splits: tuple[str, ...] = ()
    selected_on: tuple[str, ...] = ()
    split_hash: str | None = None


def write_scores(path: str | PathLike[str], scored: Scored, report: dict[str, Any]) -> None:
    """Write every clip's scores as NPZ: ids (N), glosses (C), labels (N), scores (N C), and which clips they are."""
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
    """A score file of ours, or another model's NPZ or CSV; InputError says what is missing or ill-shaped."""
    file = Path(path)
    if not file.is_file():
        raise InputError("no file", "a score file: NPZ or CSV", file=file)
    return _from_csv(file) if file.suffix.lower() == ".csv" else _from_npz(file)


def _from_npz(file: Path) -> ScoreFile:
    try:
        arrays = {name: np.atleast_1d(one) for name, one in ClipFile(file).read_arrays().items()}
    except InputError as error:
        raise InputError(f"no readable NPZ ({error.found})", "plain arrays: ids, scores, …", file=file) from error
    found: dict[str, Any] = {}
    for what, names in KEYS.items():
        found[what] = next((arrays[name] for name in names if name in arrays), None)
    for what in ("ids", "scores"):
        if found[what] is None:
            wanted = " or ".join(KEYS[what])
            raise InputError(f"arrays {', '.join(arrays) or 'none'}", f"an array named {wanted}", file=file)
    labels = found["labels"]
    if labels is not None and labels.dtype.kind not in "iu":
        labels = [str(one) for one in labels.tolist()]
    about = {name: tuple(arrays[name].tolist()) for name in ("splits", "selected_on") if name in arrays}
    return _checked(
        file,
        [str(one) for one in found["ids"].tolist()],
        found["scores"],
        None if found["glosses"] is None else [str(one) for one in found["glosses"].tolist()],
        labels,
        split_hash=str(arrays["split_hash"].flat[0]) if "split_hash" in arrays else None,
        **about,
    )


def _from_csv(file: Path) -> ScoreFile:
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
    columns = [pc.cast(table[name], pa.float64()).to_numpy() for name in glosses]
    truth: Truth | None = None
    given = next((name for name in text if name != "id"), None)
    if given is not None:
        truth = [one.strip() for one in table[given].to_pylist()]
        if all(one.isdecimal() and len(one) <= DIGITS for one in truth) and not set(truth) <= set(glosses):
            truth = np.asarray(truth, np.int64)
    return _checked(file, table["id"].to_pylist(), np.stack(columns, axis=1), glosses, truth)


def _checked(
    file: Path,
    ids: list[str],
    scores: NDArray[Any],
    glosses: list[str] | None,
    truth: Truth | None,
    **about: Any,
) -> ScoreFile:
    if scores.ndim != 2 or scores.dtype.kind not in "fiu" or scores.shape[0] != len(ids) or not scores.size:
        raise InputError(f"scores {scores.dtype} of shape {scores.shape}", f"({len(ids)}, classes) numbers", file=file)
    if glosses is not None and len(glosses) != scores.shape[1]:
        raise InputError(f"{len(glosses)} glosses", f"{scores.shape[1]}, one a column of scores", file=file)
    if truth is not None and len(truth) != len(ids):
        raise InputError(f"{len(truth)} labels", f"{len(ids)}, one a clip", file=file)
    for names, what in ((ids, "clip id"), (glosses or [], "gloss")):
        name, times = Counter(names).most_common(1)[0] if names else ("", 0)
        if times > 1:
            raise InputError(f"{what} {name!r} {times} times", f"every {what} once", file=file)
    with np.errstate(over="ignore"):
        wrong = np.flatnonzero(~np.isfinite(scores.astype(np.float32)).all(axis=1))
    if len(wrong):
        raise InputError("NaN or infinity among the scores", "finite numbers of 32 bits", file=file, clip=ids[wrong[0]])
    probabilities = _are_probabilities(scores)
    if probabilities:
        scores = np.log(np.maximum(scores.astype(np.float64), LEAST_PROBABILITY))
    return ScoreFile(file, ids, scores.astype(np.float32), glosses, truth, probabilities, **about)


def _are_probabilities(scores: NDArray[Any]) -> bool:
    """Whether every row (N C) lies in [0, 1] and sums to 1: a softmax's output and no logits."""
    inside = scores.shape[1] > 1 and scores.min() >= 0 and scores.max() <= 1.001
    return bool(inside and np.abs(scores.sum(axis=1, dtype=np.float64) - 1).max() < 1e-2)
