"""Annotating many recordings into one folder: which are done, a row of a ledger for each, several processes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from twinsign.annotation.annotate import Annotated, annotate_pieces
from twinsign.annotation.naming import Namer, NamingConfig
from twinsign.annotation.page import PageFrames, write_page
from twinsign.annotation.segmenter import long_segmenter, segmenter_file, segmenter_of
from twinsign.annotation.source import Piece, PoseFile, Source, SourceConfig
from twinsign.annotation.writers import FORMATS, Document, Format, write_document, write_rows
from twinsign.dictionary.store import DictionaryStore
from twinsign.errors import InputError
from twinsign.extract.estimator import identity
from twinsign.extract.ledger import Ledger, Row, claim_of, normalized, sha256_of, stamp_of
from twinsign.extract.video import is_video
from twinsign.extract.workers import run_in_processes
from twinsign.files import locked, sha256
from twinsign.pose.layout import HANDS
from twinsign.pose.read import VIDEO_ENDINGS
from twinsign.pose.trim import FPS
from twinsign.runs.run import load_run

LEDGER = "annotate.jsonl"
"""What was made of which recording how: one JSON line a finished recording."""
ROWS = ".segments.jsonl"
"""Ending of the JSON lines with a recording's segments."""


@dataclass(frozen=True)
class AnnotateConfig:
    """How recordings are annotated, and which files are written beside the JSON lines."""

    naming: NamingConfig
    source: SourceConfig = field(default_factory=SourceConfig)
    segmenter: Path | None = None
    formats: tuple[Format, ...] = FORMATS
    page: bool = True
    media: Path | None = None
    """Folder with the videos of pose files, of the same names; by default that of the pose file."""


@dataclass(frozen=True)
class Job:
    """A recording and its name in the folder."""

    file: Path
    name: str

    def __str__(self) -> str:
        return str(self.file)

    @property
    def output(self) -> str:
        """The file that shows that the job is done."""
        return f"{self.name}{ROWS}"

    def files(self, config: AnnotateConfig) -> list[str]:
        """The names of all files that are written."""
        endings = [*(f".{form}" for form in config.formats), *([".html"] if config.page else [])]
        return [f"{self.name}{ending}" for ending in [*endings, *([".npz"] if self.is_video else []), ROWS]]

    @property
    def is_video(self) -> bool:
        """Whether its poses are still to be estimated."""
        return is_video(self.file) and not self.file.is_dir()


@dataclass(frozen=True)
class Outcome:
    """Ledger rows of the recordings done now and of those done before, and reasons by file."""

    done: list[Row] = field(default_factory=list)
    before: list[Row] = field(default_factory=list)
    unreadable: dict[str, str] = field(default_factory=dict)


def plan_jobs(files: Iterable[str]) -> list[Job]:
    """A job a file; InputError where two would have one name, whatever its case."""
    jobs: dict[str, Job] = {}
    for file in map(Path, files):
        job = Job(file, file.stem if file.suffix and not file.is_dir() else file.name)
        first = jobs.setdefault(normalized(job.name), job)
        if first.file.resolve() != file.resolve():
            raise InputError(f"{first.file} and {file} for {job.output}", "recordings of different names")
    return list(jobs.values())


def run_jobs(
    jobs: Sequence[Job],
    out: Path,
    config: AnnotateConfig,
    workers: int = 1,
    tick: Callable[[int, str], object] = lambda _done, _note: None,
) -> Outcome:
    """Annotate every recording that is not done, or was done from other content or otherwise.

    `tick` is called with the number of recordings that ended, and how far the present one is.
    """
    if workers < 1:
        raise InputError(f"{workers} workers", "at least 1")
    made_with = _identity(config, jobs)
    with locked(out):
        ledger = Ledger(out, LEDGER)
        before = {job: row for job in jobs if (row := ledger.finished(job.output, job.file, made_with))}
        tick(len(before), "")
        todo = [job for job in jobs if job not in before]
        for job in todo:
            _require_own(job, out, ledger, config)
            ledger.claim(job.output, job.file)
        ledger.save()
        done, unreadable = dict[Job, Row](), dict[Job, str]()
        for job, row, error in _answers(todo, out, config, made_with, workers, partial(tick, 0)):
            if row is not None:
                done[job] = row
                ledger.add(row)
            else:
                unreadable[job] = error if str(job) in error else f"{job}: {error}"
            tick(1, "")
        ledger.save(ended=True)
    return Outcome(
        [done[job] for job in jobs if job in done],
        [before[job] for job in jobs if job in before],
        {str(job): unreadable[job] for job in jobs if job in unreadable},
    )


def _require_own(job: Job, out: Path, ledger: Ledger, config: AnnotateConfig) -> None:
    """InputError where a file that would be replaced is not as an earlier call left it, such as a corrected `.eaf`."""
    row = ledger.rows.get(job.output)
    written = {} if row is None else row.get("files", {})
    interrupted = row is not None and "made" not in row
    for name in job.files(config):
        file = out / name
        if not file.is_file() or interrupted or file.resolve() == job.file.resolve():
            continue
        if written.get(name) != sha256_of(file):
            problem = "a file that was changed since" if name in written else "a file that annotate did not write"
            raise InputError(problem, "none of this name", file=file, hint="Move it, or give another --out.")


def _answers(
    todo: Sequence[Job], out: Path, config: AnnotateConfig, made_with: Row, workers: int, note: Callable[[str], object]
) -> Iterator[tuple[Job, Row | None, str]]:
    """Each job with its row, or the reason why it has none."""
    if workers == 1 or len(todo) < 2:
        annotator = Annotator(out, config, made_with, note) if todo else None
        for job in todo:
            try:
                yield job, annotator(job) if annotator else None, ""
            except InputError as error:
                yield job, None, str(error)
        return
    load = partial(Annotator, out, config, made_with)
    for number, answer in run_in_processes(load, todo, workers):
        yield todo[number], answer.result if answer.error is None else None, str(answer.error or "")


def _identity(config: AnnotateConfig, jobs: Sequence[Job]) -> Row:
    """What decides the outputs besides a recording's content."""
    naming = config.naming
    model = naming.model
    network = segmenter_file(config.segmenter, model)
    dictionary = None if naming.dictionary is None else DictionaryStore.open(naming.dictionary)
    videos = any(job.is_video for job in jobs)
    return {
        "model": None if model is None else load_run(model).digest(),
        "dictionary": None if dictionary is None else [str(naming.dictionary), dictionary.metadata.edition],
        "segmenter": sha256_of(network) if network and network.is_file() else None,
        "queries": {name: sha256(vector.tobytes()) for name, vector in naming.queries.items()},
        "find": list(naming.find),
        "top": naming.top,
        "estimator": identity(config.source.estimator) if videos else None,
        "read": [str(value) for value in (config.source.size, config.source.fps, config.source.unit)],
        "formats": list(config.formats),
        "page": config.page,
        "media": config.media and str(config.media),
    }


class Annotator:
    """Annotates one recording after another with models that are loaded once."""

    def __init__(
        self, out: Path, config: AnnotateConfig, made_with: Row, note: Callable[[str], object] = lambda _: None
    ) -> None:
        self.out, self.config, self.made_with, self.note = out, config, made_with, note
        self.namer = Namer(config.naming)
        self.network = segmenter_of(config.segmenter, self.namer.embedder.run.path)
        self.source = Source(config.source)

    def __call__(self, job: Job) -> Row:
        """Annotate a recording, write its files, and return its row of the ledger."""
        if not job.file.exists():
            raise InputError("no such file", "a pose file or a video", file=job.file)
        facts: dict[str, Any] = {"frames": 0, "hand_frames": 0, "seconds": 0.0, "notes": []}
        frames, poses = PageFrames(), PoseFile() if job.is_video else None
        segments: list[Annotated] = []

        def tick(piece: Piece) -> None:
            recording = piece.recording
            facts["frames"] += len(recording.xy)
            facts["hand_frames"] += int(recording.seen[:, HANDS].any(axis=1).sum())
            facts["seconds"] = round(float(piece.times[-1]) + 1 / (recording.fps or FPS), 3)
            facts["notes"] = list(dict.fromkeys([*facts["notes"], *recording.notes]))
            if self.config.page:
                frames.add(piece)
            if poses is not None:
                poses.add(piece)
            self.note(f"{job.name}: {facts['seconds'] / 60:.0f} min")

        segments += annotate_pieces(self.source.pieces(job.file), long_segmenter(self.network), self.namer, tick)
        if not facts["hand_frames"]:
            raise InputError("no hand in any frame", "a recording that shows hands", file=job.file)
        document = Document(job.name, segments, self._media(job))
        if poses is not None:
            poses.write(self.out / f"{job.name}.npz")
        for form in self.config.formats:
            write_document(document, self.out, form)
        if self.config.page:
            write_page(document, frames, self.out / f"{job.name}.html")
        write_rows(document, self.out / job.output)
        return self._row(job, segments, facts, document.media)

    def _row(self, job: Job, segments: Sequence[Annotated], facts: Row, media: Path | None) -> Row:
        content = {} if job.file.is_dir() else {**stamp_of(job.file), "sha256": sha256_of(job.file)}
        sure = sum(segment.name.sure for segment in segments)
        counts: Row = {"segments": len(segments), "sure": sure, "media": media and str(media)}
        counts["files"] = {name: sha256_of(self.out / name) for name in job.files(self.config)}
        return {**claim_of(job.output, job.file), **content, "made": self.made_with, **facts, **counts}

    def _media(self, job: Job) -> Path | None:
        """The recording's video: itself, or that of its name beside it or in the folder of media."""
        if job.is_video:
            return job.file
        folder = self.config.media or job.file.parent
        candidates = (folder / f"{job.name}{ending}" for ending in VIDEO_ENDINGS)
        return next((path for path in candidates if path.is_file()), None)
