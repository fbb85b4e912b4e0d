"""Extracting many videos into one folder: which to extract, which are done, and a ledger row for each."""

from __future__ import annotations

import errno
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from pathlib import Path

from twinsign.errors import DiskFullError, InputError
from twinsign.extract.clip import Format, extract, write
from twinsign.extract.config import HOLISTIC, EstimatorConfig
from twinsign.extract.estimator import LOADER, Estimator, Loader
from twinsign.extract.ledger import NAMES_HINT, Ledger, Row, claim_of, normalized, sha256_of, stamp_of
from twinsign.extract.video import MAX_SIDE, is_video
from twinsign.extract.workers import run_in_processes
from twinsign.files import files_below, locked
from twinsign.pose.layout import LEFT_HAND, RIGHT_HAND, TRUNK
from twinsign.pose.read import VIDEO_ENDINGS
from twinsign.ray_cluster import as_completed

_PARTS = {"right_hand": RIGHT_HAND, "left_hand": LEFT_HAND, "trunk": TRUNK}
UNSUPPORTED = (".wmv", ".asf", ".mpg", ".mpeg", ".ts", ".mts", ".m2ts", ".vob", ".flv", ".f4v", ".ogv", ".swf", ".gif")
"""Endings of videos that are not opened: remux or encode them first."""
_NO_SPACE = (errno.ENOSPC, errno.EDQUOT)


@dataclass(frozen=True)
class Settings:
    """What decides an output besides its video."""

    estimator: EstimatorConfig = HOLISTIC
    format: Format = "pose"
    trim: bool = False
    max_side: int = MAX_SIDE
    fps: float | None = None


@dataclass(frozen=True)
class Job:
    """A video and its output's name below the folder."""

    video: Path
    output: str

    def __str__(self) -> str:
        return str(self.video)


@dataclass(frozen=True)
class Outcome:
    """Ledger rows of the videos done now, of those done before, and reasons by video, all in the order of the jobs."""

    done: list[Row] = field(default_factory=list)
    before: list[Row] = field(default_factory=list)
    replaced: list[str] = field(default_factory=list)
    """Outputs of `done` that replaced an earlier one of the same video."""
    unreadable: dict[str, str] = field(default_factory=dict)


def find_jobs(videos: Iterable[str], form: Format) -> list[Job]:
    """A job a file, and one for each video below a folder, whose subfolders the outputs keep.

    Raises InputError on a folder without a video, and where two videos would have one output, whatever its case.
    """
    jobs: dict[Path, Job] = {}
    first_of: dict[str, Path] = {}
    for path in map(Path, videos):
        names = {path: path.stem}
        if path.is_dir():
            inside = [file for file in files_below(path) if is_video(file) and file.is_file() and file.name[0] != "."]
            names = {file: file.relative_to(path).with_name(file.stem).as_posix() for file in inside}
            if not names:
                raise InputError("no video", f"files ending in {', '.join(VIDEO_ENDINGS)}", file=path)
        for video, name in names.items():
            output = f"{name}.{form}"
            first = first_of.setdefault(normalized(output), video)
            if first.resolve() != video.resolve():
                raise InputError(f"{first} and {video} for {output}", "videos of different names", hint=NAMES_HINT)
            jobs.setdefault(video.resolve(), Job(video, output))
    return list(jobs.values())


def unsupported_videos(videos: Iterable[str]) -> list[str]:
    """Files below the folders among these whose endings are those of videos, but not of supported ones."""
    folders = (path for path in map(Path, videos) if path.is_dir())
    return [str(file) for path in folders for file in files_below(path) if file.suffix.lower() in UNSUPPORTED]


def run_jobs(
    jobs: Sequence[Job],
    out: Path,
    settings: Settings,
    workers: int,
    tick: Callable[[int, int], None] = lambda _done, _frames: None,
    loader: Loader = LOADER,
    cluster: str | None = None,
) -> Outcome:
    """Extract every video that is not done, or was done from other content or with other settings.

    `tick` is called for every finished video: how many, and how many frames of them were estimated now.
    """
    if workers < 1:
        raise InputError(f"{workers} workers", "at least 1")
    # Models stand in the ledger by their hash, not by where they lie.
    made_with = {**asdict(replace(settings, estimator=HOLISTIC)), "estimator": loader.identity(settings.estimator)}
    with locked(out):
        ledger = Ledger(out)
        before = {job: row for job in jobs if (row := ledger.finished(job.output, job.video, made_with))}
        tick(len(before), 0)
        todo, done, unreadable = [job for job in jobs if job not in before], dict[Job, Row](), dict[Job, str]()
        replaced = [job.output for job in todo if ledger.claim(job.output, job.video)]
        ledger.save()
        load = partial(_load, out, settings, made_with, loader)
        answers = run_in_processes(load, todo, workers) if cluster is None else as_completed(load, todo, cluster)
        try:
            for number, answer in answers:
                job = todo[number]
                if answer.error is None:
                    done[job] = answer.result
                    ledger.add(answer.result)
                elif isinstance(answer.error, DiskFullError):
                    raise answer.error
                else:
                    reason = str(answer.error)
                    unreadable[job] = reason if str(job.video) in reason else f"{job.video}: {reason}"
                tick(1, 0 if answer.error else answer.result["video_frames"])
        except (DiskFullError, OSError) as error:
            if isinstance(error, OSError) and error.errno not in _NO_SPACE:
                raise
            reason = f"{ledger.path}: {error.strerror}" if isinstance(error, OSError) else str(error)
            written = f"stopped with {len(done)} of {len(todo)} videos written, all of them whole"
            raise DiskFullError(f"{reason}; {written}; the same command resumes") from error
        ledger.save(ended=True)
    return Outcome(
        [done[job] for job in jobs if job in done],
        [before[job] for job in jobs if job in before],
        [job.output for job in todo if job in done and job.output in replaced],
        {str(job.video): unreadable[job] for job in jobs if job in unreadable},
    )


def _load(out: Path, settings: Settings, made_with: Row, loader: Loader) -> Callable[[Job], Row]:
    return partial(_extract, out, settings, made_with, loader.load(settings.estimator))


def _extract(out: Path, settings: Settings, made_with: Row, estimator: Estimator, job: Job) -> Row:
    """Extract one video, write its poses, and return its row of the ledger."""
    started = time.perf_counter()
    if not job.video.is_file():
        raise InputError("no such file", "a video", file=job.video)
    stamp, content = stamp_of(job.video), sha256_of(job.video)
    extraction = extract(job.video, estimator, trim=settings.trim, max_side=settings.max_side, fps=settings.fps)
    try:
        write(extraction, out / job.output, settings.format)
    except OSError as error:
        if error.errno in _NO_SPACE:
            raise DiskFullError(f"{out / job.output}: {error.strerror}") from error
        raise
    recording = extraction.recording
    return {
        **claim_of(job.output, job.video),
        **stamp,
        "sha256": content,
        "made": made_with,
        "frames": len(recording.seen),
        "video_frames": extraction.video_frames,
        "kept": list(extraction.kept),
        "fps": recording.fps,
        "size": list(recording.size or ()),
        "seen": {name: round(float(recording.seen[:, part].any(axis=1).mean()), 4) for name, part in _PARTS.items()},
        "notes": list(recording.notes),
        "seconds": round(time.perf_counter() - started, 3),
    }
