"""The commands that pack a corpus."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

from twinsign.corpora.folder import folder_corpus
from twinsign.corpora.generated import synthetic_corpus
from twinsign.corpora.landmarks import landmark_corpus
from twinsign.corpora.synthetic import SyntheticConfig
from twinsign.files import sha256
from twinsign.importing import DEFAULT, import_corpus
from twinsign.pack.write import Effort
from twinsign.pose.recording import Unit

CORPUS = SyntheticConfig()
"""The generated corpus unless told otherwise."""


def pack_landmarks(data: Path, out: Path, dataset: str = "", json: Path | None = None, effort: Effort = DEFAULT) -> int:
    """Pack a landmark set: NAME.npz with NAME.csv beside it.

    Args:
        data: NAME.npz.
        out: The pack to write; the same command on an interrupted one goes on.
        dataset: Name of the dataset whose ids these are: equal ids of packs of other names are other clips.
        json: Where to write what was packed and what was not.
    """
    note = {"command": "pack landmarks", "data": str(data), "dataset": dataset}
    return import_corpus(landmark_corpus(data), out, json, note, effort)


def pack_folder(
    poses: Path,
    out: Path,
    annotations: Path | None = None,
    size: tuple[int, int] | None = None,
    fps: float | None = None,
    unit: Unit | None = None,
    dataset: str = "",
    json: Path | None = None,
    effort: Effort = DEFAULT,
) -> int:
    """Pack one's own pose files: a folder for each gloss, or a CSV of file, gloss, split, signer.

    Args:
        poses: Folder of pose files: GLOSS/clip or SPLIT/GLOSS/clip, or whatever the CSV names.
        out: The pack to write; the same command on an interrupted one goes on.
        annotations: CSV with a column `file`, and gloss, split, signer, or more.
        size: Image width and height in pixels, for formats that do not state it.
        fps: Frames a second, for formats that do not state it.
        unit: What the coordinates are, pixels or image fractions, where that is not what the format says.
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
    return import_corpus(folder_corpus(poses, annotations, size=size, fps=fps, unit=unit), out, json, note, effort)


def pack_synthetic(
    out: Path, corpus: SyntheticConfig = CORPUS, json: Path | None = None, effort: Effort = DEFAULT
) -> int:
    """Pack generated signs: what the demo learns from.

    Args:
        out: The pack to write.
        corpus: Size and nuisance of the corpus.
        json: Where to write what was packed.
    """
    note: dict[str, Any] = {"command": "pack synthetic", "corpus": asdict(corpus)}
    note |= {"dataset": f"synthetic {sha256(repr(corpus))}"}
    return import_corpus(synthetic_corpus(corpus), out, json, note, effort)
