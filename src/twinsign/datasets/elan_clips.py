"""ELAN: clips of long recordings, cut by the annotations of a tier; and unlabelled ones from between them."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path, PurePosixPath
from urllib.parse import unquote, urlsplit

import numpy as np

from twinsign.datasets.elan import Mark, Tiers, read_elan
from twinsign.datasets.folder import clip_files
from twinsign.datasets.sample import SUFFIXES, Corpus, Sample, strip_suffixes
from twinsign.datasets.tables import read_csv
from twinsign.errors import InputError
from twinsign.pose.clip_file import ClipFile
from twinsign.pose.layout import HANDS
from twinsign.pose.read import pose_file, read, read_pieces
from twinsign.pose.recording import BoolArray, Recording, Unit

BEYOND = 0.1
"""Seconds by which an annotation may end after its recording does."""
IN_VIEW = 0.5
"""Share of an unlabelled clip's frames that must show a hand."""
PIECE = 5000
"""Frames read at once in search of unlabelled clips."""
NEEDED = "frames a second, by which annotations are placed"
_HINT = "Name pose files as the .eaf files or their videos are named: talk.eaf, talk.mp4, talk.pose."


@dataclass(frozen=True)
class ElanConfig:
    """Which clips are taken.

    Args:
        tier: Names of tiers with the glosses, in which * stands for anything.
        glosses: CSV of value and gloss: what to call an annotation's value; an empty gloss leaves it out.
        unlabelled: Frames of unlabelled clips, for pre-training, from stretches without annotation; 0: none.
        size, fps, unit: What pose files do not state.
    """

    tier: Sequence[str]
    glosses: Path | None = None
    unlabelled: int = 0
    size: tuple[int, int] | None = None
    fps: float | None = None
    unit: Unit | None = None


def elan_corpus(files: Sequence[Path], poses: Path, config: ElanConfig) -> Corpus:
    """The clips of annotated recordings; those without poses are missing, unusable annotations are noted.

    Raises InputError where no file has such a tier, or none has poses.
    """
    read_files = [read_elan(file, config.tier) for file in files]
    if not any(tiers.marks or tiers.labelled for tiers in read_files):
        names = sorted({name for tiers in read_files for name in tiers.names})
        problem = f"no annotation in a tier {' or '.join(config.tier)}"
        raise InputError(problem, f"one of the tiers {', '.join(names[:20]) or '(none)'}", file=files[0])
    find, table = _pose_finder(poses), _read_table(config.glosses)
    samples, missing, notes = list[Sample](), list[Mapping[str, str]](), list[str]()
    for tiers in read_files:
        notes += tiers.problems
        notes += [] if tiers.labelled else [f"{tiers.file}: no annotation in such a tier"]
        file = find(tiers)
        rows = [row for mark in tiers.marks if (row := _row(tiers, mark, table))["gloss"]]
        left_out = len(tiers.marks) - len(rows)
        notes += [f"{tiers.file}: {left_out} annotations left out, as the table says"] if left_out else []
        if file is None:
            missing += rows
            notes.append(f"{tiers.file}: no pose file of its name or its media's")
            continue
        samples += [_sample(file, row, config) for row in rows]
        if config.unlabelled:
            samples += _unlabelled(file, tiers, config)
    if not samples:
        raise InputError("no poses for any of the .eaf files", _HINT, file=poses)
    tables = [config.glosses] if config.glosses else []
    return Corpus(samples, missing, [*files, *tables], notes)


def _row(tiers: Tiers, mark: Mark, table: Mapping[str, str]) -> dict[str, str]:
    recording = tiers.file.stem
    return {
        "id": f"{recording}_{mark.begin}_{mark.end}" + (f"_{mark.tier}" if _many_tiers(tiers) else ""),
        "gloss": table.get(mark.value, mark.value),
        "signer": mark.participant,
        "recording": recording,
        "tier": mark.tier,
        "value": mark.value,
        "begin_ms": str(mark.begin),
        "end_ms": str(mark.end),
    }


def _many_tiers(tiers: Tiers) -> bool:
    return len({mark.tier for mark in tiers.marks}) > 1


def _read_table(file: Path | None) -> dict[str, str]:
    if file is None:
        return {}
    return {row.text("value"): row.optional("gloss") for row in read_csv(file, ("value", "gloss"))}


def _pose_finder(poses: Path) -> Callable[[Tiers], Path | None]:
    """What finds the pose file of an `.eaf`, by its name or its media's; InputError where several are named so."""
    if not poses.is_dir():
        raise InputError("no folder", "the folder of the recordings' pose files", file=poses)
    by_name: dict[str, list[Path]] = {}
    for clip in clip_files(poses):
        by_name.setdefault(PurePosixPath(strip_suffixes(clip.name)).name, []).append(clip)
    if not by_name:
        raise InputError("no pose file", f"files ending in {', '.join(SUFFIXES)}", file=poses)

    def find(tiers: Tiers) -> Path | None:
        media = [PurePosixPath(unquote(urlsplit(url).path)).stem for url in tiers.media]
        for name in (tiers.file.stem, *media):
            files = by_name.get(name, [])
            if len(files) > 1:
                raise InputError(f"{files[0]} and {files[1]} for {tiers.file}", "one pose file a recording", hint=_HINT)
            if files:
                return files[0]
        return None

    return find


def _sample(file: Path, row: Mapping[str, str], config: ElanConfig) -> Sample:
    begin, end = int(row["begin_ms"]) / 1000, int(row["end_ms"]) / 1000
    load = partial(read_clip, file, row["id"], begin, end, config)
    return Sample(row["id"], load, {name: value for name, value in row.items() if name != "id"})


def read_clip(file: Path, id: str, begin: float, end: float, config: ElanConfig) -> Recording:
    """The frames of a recording from `begin` to `end` in seconds; InputError where it is shorter, or states no rate."""
    clip = ClipFile(file, config.size, config.fps, id, config.unit)
    if file.suffix.lower() == ".pose":
        fps, length = pose_file.rate_and_length(clip)
    else:
        whole = _whole(file, config.size, config.fps, config.unit, file.stat().st_mtime_ns if file.exists() else 0)
        fps, length = whole.fps, len(whole.xy)
    if not fps:
        raise clip.error(
            "no frame rate", "frames a second, by which annotations are placed", hint="State it: --fps 25."
        )
    first, stop = (math.ceil((time - 1e-6) * fps) for time in (begin, end))
    if stop > length + BEYOND * fps or first >= length:
        raise clip.error(f"{begin:g} to {end:g} s of a recording of {length / fps:g} s", "a stretch within it")
    stop = min(max(stop, first + 1), length)
    if file.suffix.lower() == ".pose":
        return pose_file.read_part(clip, first, stop)
    notes = (*whole.notes, f"frames {first} to {stop - 1} of {length} taken")
    part = whole.xy[first:stop], whole.score[first:stop]
    return Recording(id, *part, whole.unit, whole.size, whole.fps, whole.source, whole.estimator, notes)


@lru_cache(maxsize=1)
def _whole(file: Path, size: tuple[int, int] | None, fps: float | None, unit: Unit | None, _changed: int) -> Recording:
    """A recording of which many clips are cut one after another."""
    return read(file, size=size, fps=fps, unit=unit)


def _unlabelled(file: Path, tiers: Tiers, config: ElanConfig) -> list[Sample]:
    """Clips of `unlabelled` frames, end to end, of the stretches that no annotation covers and hands are in view."""
    shown, fps = _hands_shown(file, config)
    free = np.ones(len(shown), bool)
    for begin, end in tiers.labelled:
        free[math.floor(begin / 1000 * fps) : math.ceil(end / 1000 * fps)] = False
    samples, length, first = [], config.unlabelled, 0
    people = {mark.participant for mark in tiers.marks}
    while first + length <= len(free):
        covered = np.flatnonzero(~free[first : first + length])
        if len(covered):
            first += int(covered[-1]) + 1
            continue
        if shown[first : first + length].mean() >= IN_VIEW:
            id = f"{tiers.file.stem}_frames_{first}"
            load = partial(read_clip, file, id, first / fps, (first + length) / fps, config)
            row = {"signer": next(iter(people)) if len(people) == 1 else "", "recording": tiers.file.stem}
            samples.append(Sample(id, load, row))
        first += length
    return samples


def _hands_shown(file: Path, config: ElanConfig) -> tuple[BoolArray, float]:
    """(T) bool: whether each frame shows a hand; and frames a second."""
    shown, fps = [], None
    for piece in read_pieces(file, PIECE, size=config.size, fps=config.fps, unit=config.unit):
        shown.append(piece.seen[:, HANDS].any(axis=1))
        fps = piece.fps
    if not fps:
        hint = "State it: --fps 25."
        raise InputError("no frame rate", NEEDED, file=file, hint=hint)
    return np.concatenate(shown), fps
