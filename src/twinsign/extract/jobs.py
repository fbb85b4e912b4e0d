"""Many videos into one folder: which there are, which are done, and what is written of each."""

from __future__ import annotations

import errno
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from pathlib import Path

from twinsign.cluster import as_completed
from twinsign.errors import DiskFullError, InputError
from twinsign.extract.clip import Extraction, Format, extract, write
from twinsign.extract.config import HOLISTIC, EstimatorConfig
from twinsign.extract.estimator import LOADER, Estimator, Loader
from twinsign.extract.ledger import Ledger, Row, same_file, sha256_of, stamp_of
from twinsign.extract.video import MAX_SIDE, is_video
from twinsign.extract.workers import results
from twinsign.files import files_below, locked
from twinsign.pose.layout import LEFT_HAND, RIGHT_HAND, TRUNK
from twinsign.pose.read import VIDEO_ENDINGS

_PARTS = {"right_hand": RIGHT_HAND, "left_hand": LEFT_HAND, "trunk": TRUNK}
UNREAD = (".wmv", ".asf", ".mpg", ".mpeg", ".ts", ".mts", ".m2ts", ".vob", ".flv", ".f4v", ".ogv", ".swf", ".gif")
"""Endings of videos that are not opened: remux or encode them first."""
_FULL = (errno.ENOSPC, errno.EDQUOT)


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
    """Rows of the videos done now, of those done before, and reasons by video, all in the order given."""

    done: list[Row] = field(default_factory=list)
    before: list[Row] = field(default_factory=list)
    anew: list[str] = field(default_factory=list)
    """Outputs of `done` that took the place of an earlier one of the same video."""
    unreadable: dict[str, str] = field(default_factory=dict)


def find_jobs(videos: Iterable[str], form: Format) -> list[Job]:
    """A job a file, and one for each video below a folder, whose subfolders the outputs keep.

    Raises InputError on a folder without a video, and where two videos would have one output, whatever its case.
    """
    jobs: dict[Path, Job] = {}
    outputs: dict[str, Path] = {}
    for given in map(Path, videos):
        for video, name in _listed(given):
            output = f"{name}.{form}"
            first = outputs.setdefault(same_file(output), video)
            if first.resolve() != video.resolve():
                hint = "Give their common folder, so that subfolders are kept, or another --out for one of them."
                raise InputError(f"{first} and {video} for {output}", "videos of different names", hint=hint)
            jobs.setdefault(video.resolve(), Job(video, output))
    return list(jobs.values())


def unread_videos(videos: Iterable[str]) -> list[str]:
    """Files below the folders among these that are videos by their endings, but not of those that are read."""
    folders = (path for path in map(Path, videos) if path.is_dir())
    return [str(file) for path in folders for file in files_below(path) if file.suffix.lower() in UNREAD]


def _listed(given: Path) -> list[tuple[Path, str]]:
    if not given.is_dir():
        return [(given, given.stem)]
    inside = [path for path in files_below(given) if is_video(path) and path.is_file()]
    found = [path for path in inside if not path.name.startswith(".")]
    if not found:
        raise InputError("no video", f"files ending in {', '.join(VIDEO_ENDINGS)}", file=given)
    return [(path, path.relative_to(given).with_name(path.stem).as_posix()) for path in found]


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

    `tick` hears of every video that is finished: how many, and of how many frames that were estimated now.
    """
    if workers < 1:
        raise InputError(f"{workers} workers", "at least 1")
    made = _made(settings, loader.identity(settings.estimator))
    with locked(out):
        ledger = Ledger(out)
        before = {job: row for job in jobs if (row := ledger.finished(job.output, job.video, made))}
        tick(len(before), 0)
        todo, done = [job for job in jobs if job not in before], dict[Job, Row]()
        anew = [job.output for job in todo if ledger.claim(job.output, job.video)]
        ledger.save()
        unreadable: dict[Job, str] = {}
        load = partial(_loaded, out, settings, made, loader)
        team = results(load, todo, workers) if cluster is None else _on_cluster(load, todo, cluster)
        try:
            for job, found in team:
                if isinstance(found, str):
                    unreadable[job] = found if str(job.video) in found else f"{job.video}: {found}"
                else:
                    done[job] = found
                    ledger.add(found)
                tick(1, 0 if isinstance(found, str) else found["video_frames"])
        except DiskFullError as error:
            raise DiskFullError(f"{error}; {_whole(len(done), len(todo))}") from error
        except OSError as error:
            if error.errno not in _FULL:
                raise
            raise DiskFullError(f"{ledger.path}: {error.strerror}; {_whole(len(done), len(todo))}") from error
        ledger.save(ended=True)
    return Outcome(
        [done[job] for job in jobs if job in done],
        [before[job] for job in jobs if job in before],
        [name for name in anew if name in {row["output"] for row in done.values()}],
        {str(job.video): unreadable[job] for job in jobs if job in unreadable},
    )


def _whole(done: int, todo: int) -> str:
    return f"stopped with {done} of {todo} videos written, all of them whole; the same command resumes"


def _on_cluster(
    load: Callable[[], Callable[[Job], Row]], todo: Sequence[Job], address: str
) -> Iterator[tuple[Job, Row | str]]:
    for number, answer in as_completed(load, todo, address):
        if isinstance(answer.error, DiskFullError):
            raise answer.error
        yield todo[number], str(answer.error) if answer.error else answer.result


def _made(settings: Settings, estimator: Mapping[str, str]) -> Row:
    """The settings as they stand in the ledger; models by their hash, not by where they lie."""
    return {**asdict(replace(settings, estimator=HOLISTIC)), "estimator": dict(estimator)}


def _loaded(out: Path, settings: Settings, made: Row, loader: Loader) -> Callable[[Job], Row]:
    return partial(_work, out, settings, made, loader.load(settings.estimator))


def _work(out: Path, settings: Settings, made: Row, estimator: Estimator, job: Job) -> Row:
    """Extract one video, write it, and say what it was made of."""
    started = time.perf_counter()
    if not job.video.is_file():
        raise InputError("no such file", "a video", file=job.video)
    stamp, content = stamp_of(job.video), sha256_of(job.video)
    found = extract(job.video, estimator, trim=settings.trim, max_side=settings.max_side, fps=settings.fps)
    try:
        write(found, out / job.output, settings.format)
    except OSError as error:
        if error.errno in _FULL:
            raise DiskFullError(f"{out / job.output}: {error.strerror}") from error
        raise
    seconds = round(time.perf_counter() - started, 3)
    source = {"output": job.output, "video": str(job.video), "path": str(job.video.resolve()), **stamp}
    source |= {"sha256": content, "made": made}
    return {**source, **_shown(found), "seconds": seconds}


def _shown(found: Extraction) -> Row:
    seen = found.recording.seen
    rates = {part: round(float(seen[:, joints].any(axis=1).mean()), 4) for part, joints in _PARTS.items()}
    return {
        "frames": len(seen),
        "video_frames": found.video_frames,
        "kept": list(found.kept),
        "fps": found.recording.fps,
        "size": list(found.recording.size or ()),
        "seen": rates,
        "notes": list(found.recording.notes),
    }
