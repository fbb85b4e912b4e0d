"""The commands that pack one's own poses and generated ones; twinsign.packing_corpora has the benchmarks."""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from twinsign.cli.packing import DEFAULT, pack_corpus
from twinsign.datasets.columns import parse_columns
from twinsign.datasets.folder import folder_corpus, landmark_corpus, set_corpus
from twinsign.datasets.sample import Corpus
from twinsign.datasets.splits import SHARES, split_by
from twinsign.datasets.tables import NONE
from twinsign.files import sha256
from twinsign.pack.write import PackOptions
from twinsign.pose.read import open_set
from twinsign.pose.recording import Unit
from twinsign.synthetic.corpus import SyntheticConfig, synthetic_corpus

CORPUS = SyntheticConfig()
"""The generated corpus unless told otherwise."""
Size = tuple[int, int]
Shares = tuple[float, float, float]


def pack_landmarks(
    data: Path, out: Path, dataset: str = "", json: Path | None = None, options: PackOptions = DEFAULT
) -> int:
    """Pack a landmark set: NAME.npz with NAME.csv beside it.

    Args:
        data: NAME.npz.
        out: The pack to write; the same command on an interrupted one goes on.
        dataset: Name of the dataset whose ids these are: equal ids of packs of other names are other clips.
        json: Where to write what was packed and what was not.
    """
    note = {"command": "pack landmarks", "data": str(data), "dataset": dataset}
    return pack_corpus(landmark_corpus(data), out, json, note, options)


def pack_set(
    data: Path,
    out: Path,
    size: Size | None = None,
    fps: float | None = None,
    unit: Unit | None = None,
    split_by: str | None = None,
    shares: Shares = SHARES,
    seed: int = 0,
    dataset: str = "",
    json: Path | None = None,
    options: PackOptions = DEFAULT,
) -> int:
    """Pack a file of many clips of any known format, with whatever it says of gloss, split and signer.

    Args:
        data: A landmark set, or a file of PYSKL, NLA-SLR, SAM-SLR, SPOTER or Kaggle's signs (docs/data.md).
        out: The pack to write; the same command on an interrupted one goes on.
        size: Image width and height in pixels, for formats that do not state it.
        fps: Frames a second, for formats that do not state it.
        unit: What the coordinates are, pixels or image fractions, where that is not what the format says.
        split_by: Column whose groups (signers, recording sessions) go to train, val or test as a whole.
        shares: Of train, val and test, with --split_by.
        seed: Of the choice of groups, with --split_by.
        dataset: Name of the dataset whose ids these are: equal ids of packs of other names are other clips.
        json: Where to write what was packed and what was not.
    """
    note: dict[str, Any] = {
        "command": "pack set",
        "data": str(data),
        "dataset": dataset,
        "size": size,
        "fps": fps,
        "unit": unit,
    }
    corpus = _split(set_corpus(open_set(data, size=size, fps=fps, unit=unit)), note, split_by, shares, seed)
    return pack_corpus(corpus, out, json, note, options)


def pack_folder(
    poses: Path,
    out: Path,
    annotations: Path | None = None,
    columns: str | None = None,
    size: Size | None = None,
    fps: float | None = None,
    unit: Unit | None = None,
    split_by: str | None = None,
    shares: Shares = SHARES,
    seed: int = 0,
    dataset: str = "",
    json: Path | None = None,
    options: PackOptions = DEFAULT,
) -> int:
    """Pack one's own pose files: a folder for each gloss, or a CSV of file, gloss, split, signer.

    Args:
        poses: Folder of pose files: GLOSS/clip or SPLIT/GLOSS/clip, or whatever the CSV names.
        out: The pack to write; the same command on an interrupted one goes on.
        annotations: CSV with a column `file`, and gloss, split, signer, or more.
        columns: Which columns those are where they have other names: file=path,gloss=sign,signer=participant_id.
        size: Image width and height in pixels, for formats that do not state it.
        fps: Frames a second, for formats that do not state it.
        unit: What the coordinates are, pixels or image fractions, where that is not what the format says.
        split_by: Column whose groups (signers, recording sessions) go to train, val or test as a whole.
        shares: Of train, val and test, with --split_by.
        seed: Of the choice of groups, with --split_by.
        dataset: Name of the dataset whose ids these are: equal ids of packs of other names are other clips.
        json: Where to write what was packed and what was not.
    """
    note: dict[str, Any] = {
        "command": "pack folder",
        "poses": str(poses),
        "annotations": str(annotations),
        "dataset": dataset,
    }
    note |= {"size": size, "fps": fps, "unit": unit}
    note |= {"columns": columns} if columns else {}
    corpus = folder_corpus(poses, annotations, size=size, fps=fps, unit=unit, columns=parse_columns(columns))
    return pack_corpus(_split(corpus, note, split_by, shares, seed), out, json, note, options)


def _split(corpus: Corpus, note: dict[str, Any], column: str | None, shares: Shares, seed: int) -> Corpus:
    """The corpus with splits by groups where a column was asked for, and the note of it."""
    if not column:
        return corpus
    note |= {"split_by": column, "shares": list(shares), "seed": seed}
    stated = sum((sample.row.get("split") or "") not in NONE for sample in corpus.samples)
    notes = [f"{stated} clips have a split already, which --split_by {column} replaces"] if stated else []
    return split_by(replace(corpus, notes=[*notes, *corpus.notes]), column, shares, seed)


def pack_synthetic(
    out: Path, corpus: SyntheticConfig = CORPUS, json: Path | None = None, options: PackOptions = DEFAULT
) -> int:
    """Pack generated signs: what the demo learns from.

    Args:
        out: The pack to write.
        corpus: Size and nuisance of the corpus.
        json: Where to write what was packed.
    """
    note: dict[str, Any] = {"command": "pack synthetic", "corpus": asdict(corpus)}
    note |= {"dataset": f"synthetic {sha256(repr(corpus))}"}
    return pack_corpus(synthetic_corpus(corpus), out, json, note, options)
