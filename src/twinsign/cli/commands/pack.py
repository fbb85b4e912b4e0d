"""The commands that pack one's own poses and generated ones; twinsign.packing_corpora has the benchmarks."""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from twinsign.cli.commands.pack_progress import DEFAULT, LISTED, import_corpus
from twinsign.datasets.columns import ALIASES, parse_columns
from twinsign.datasets.folder import SHOWN, folder_corpus
from twinsign.datasets.landmarks import landmark_corpus, set_corpus
from twinsign.datasets.sample import Corpus
from twinsign.datasets.splits import SHARES, lacking, plain_splits, split_by
from twinsign.datasets.tables import NONE
from twinsign.errors import InputError
from twinsign.files import sha256
from twinsign.pack.clip import RESERVED
from twinsign.pack.write import Effort
from twinsign.pose.read import open_set
from twinsign.pose.recording import Unit
from twinsign.synthetic.corpus import SyntheticConfig
from twinsign.synthetic.generated import synthetic_corpus
from twinsign.terminal import errors

CORPUS = SyntheticConfig()
"""The generated corpus unless told otherwise."""
KEPT_BY_PACK = RESERVED - set(ALIASES) - {"frames", "hand_frames", "pose_hash"}
"""Columns of a pack that an annotation's of that name cannot be kept beside, and that say something else."""
Size = tuple[int, int]
Shares = tuple[float, float, float]


def pack_corpus(corpus: Corpus, out: Path, json: Path | None, note: dict[str, Any], effort: Effort = DEFAULT) -> int:
    """Say what was found of the annotation, then pack; a pack's provenance has the notes too (ours)."""
    corpus = plain_splits(corpus)
    replaced = _replaced(corpus, out, note)
    names = {name for sample in corpus.samples for name in sample.row} & KEPT_BY_PACK
    own = [f"column {name!r} is one that a pack keeps itself: not taken" for name in sorted(names)]
    corpus = replace(corpus, notes=[*replaced, *lacking(corpus), *own, *corpus.notes])
    for text in corpus.notes[:LISTED]:
        errors.print(f"note: {text}", markup=False)
    if len(corpus.notes) > LISTED:
        errors.print(f"and {len(corpus.notes) - LISTED} more notes; the pack's provenance has them all")
    return import_corpus(corpus, out, json, {**note, "notes": list(corpus.notes)}, effort)


def _replaced(corpus: Corpus, out: Path, note: dict[str, Any]) -> list[str]:
    """A note on clips that a pack of this name has and the new one lacks.

    InputError where `out` is no pack, or one made of other poses: what one call wrote, another must not lose.
    """
    shards = list(out.iterdir()) if out.is_dir() else []
    if not out.is_file() and not (shards and all(shard.suffix == ".pack" for shard in shards)):
        return []
    from twinsign.pack.open import Pack  # loaded where there is a pack to look at alone

    try:
        there = Pack(out)
        ids = set(there.column("id"))
    except InputError as error:
        wanted = "a new name, or a pack to replace"
        raise InputError("something that is no whole pack", wanted, file=out, hint="Remove it first.") from error
    lost = sorted(ids - {sample.id for sample in corpus.samples})
    old, new = ({_place(one.get(name)) for name in ("poses", "data")} for one in (there.provenance[0], note))
    if old != new and lost:
        sides = " and ".join(", ".join(filter(None, one)) or "generated signs" for one in (old, new))
        hint = "Give each its own --out (--data takes several packs), or remove the old one first."
        raise InputError(f"{sides} for {out}: {len(lost)} clips would be lost", "one --out for each", hint=hint)
    some = ", ".join(lost[:SHOWN])
    if old != new and ids:
        source = ", ".join(filter(None, old)) or "generated signs"
        return [f"{out} is replaced: its {len(ids)} clips were made of {source}"]
    return [f"{out} is replaced: it had {len(lost)} clips that are not there any more, such as {some}"] if lost else []


def _place(given: Any) -> str:
    return str(Path(given).resolve()) if given else ""


def pack_landmarks(data: Path, out: Path, dataset: str = "", json: Path | None = None, effort: Effort = DEFAULT) -> int:
    """Pack a landmark set: NAME.npz with NAME.csv beside it.

    Args:
        data: NAME.npz.
        out: The pack to write; the same command on an interrupted one goes on.
        dataset: Name of the dataset whose ids these are: equal ids of packs of other names are other clips.
        json: Where to write what was packed and what was not.
    """
    note = {"command": "pack landmarks", "data": str(data), "dataset": dataset}
    return pack_corpus(landmark_corpus(data), out, json, note, effort)


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
    effort: Effort = DEFAULT,
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
    return pack_corpus(corpus, out, json, note, effort)


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
    effort: Effort = DEFAULT,
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
    return pack_corpus(_split(corpus, note, split_by, shares, seed), out, json, note, effort)


def _split(corpus: Corpus, note: dict[str, Any], column: str | None, shares: Shares, seed: int) -> Corpus:
    """The corpus with splits by groups where a column was asked for, and the note of it."""
    if not column:
        return corpus
    note |= {"split_by": column, "shares": list(shares), "seed": seed}
    stated = sum((sample.row.get("split") or "") not in NONE for sample in corpus.samples)
    notes = [f"{stated} clips have a split already, which --split_by {column} replaces"] if stated else []
    return split_by(replace(corpus, notes=[*notes, *corpus.notes]), column, shares, seed)


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
    return pack_corpus(synthetic_corpus(corpus), out, json, note, effort)
