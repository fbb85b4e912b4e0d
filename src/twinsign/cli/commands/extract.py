"""The command that makes pose files of videos, and what it says of them."""

from __future__ import annotations

import time
from pathlib import Path

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from twinsign.extract.clip import Format
from twinsign.extract.estimator import HOLISTIC, EstimatorConfig
from twinsign.extract.jobs import Outcome, Settings, find_jobs, run_jobs, unread_videos
from twinsign.extract.ledger import LEDGER, Row
from twinsign.extract.video import MAX_SIDE
from twinsign.extract.workers import cores
from twinsign.terminal import console, errors

OK, NOTHING_WRITTEN, SOME_UNREADABLE = 0, 2, 3
LISTED = 10
"""Names shown of a longer list; the ledger has all."""


def extract(
    videos: list[str],
    out: Path,
    trim: bool,
    estimator: EstimatorConfig = HOLISTIC,
    format: Format = "pose",
    max_side: int = MAX_SIDE,
    fps: float | None = None,
    workers: int | None = None,
    cluster: str | None = None,
) -> int:
    """Poses from videos: a pose file each. The same command goes on where it stopped; nothing leaves the machine.

    Args:
        out: The folder for the pose files.
        estimator: Which pose estimator.
        format: pose: all points that were found; npz: twinsign's 49 joints.
        max_side: Frames with a longer side, in pixels, are scaled down first.
        fps: Frames a second, for videos that do not state it.
        workers: Processes; as many as cores unless told.
        cluster: A Ray cluster whose processes do it instead: local, auto or ray://HOST:PORT (docs/scaling.md).
    """
    jobs = find_jobs(videos, format)
    unread = unread_videos(videos)
    if unread:
        errors.print(f"not read, for their endings are not known here: {_some(unread)}", markup=False)
    settings = Settings(estimator, format, trim, max_side, fps)
    started, frames = time.monotonic(), 0
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[speed]}"),
    )
    with Progress(*columns, console=errors) as progress:
        bar = progress.add_task("extracting", total=len(jobs), speed="")

        def tick(videos: int, estimated: int) -> None:
            nonlocal frames
            frames += estimated
            speed = frames / max(time.monotonic() - started, 1e-9)
            progress.update(bar, advance=videos, speed=f"{speed:.0f} frames/s" if frames else "")

        outcome = run_jobs(jobs, out, settings, workers or cores(), tick, cluster=cluster)
    _show(outcome, out)
    if not outcome.unreadable:
        return OK
    return SOME_UNREADABLE if outcome.done or outcome.before else NOTHING_WRITTEN


def _show(outcome: Outcome, out: Path) -> None:
    rows = [*outcome.done, *outcome.before]
    if rows:
        frames = sum(row["frames"] for row in rows)
        skipped = f", {len(outcome.before)} of them there before" if outcome.before else ""
        console.print(f"{out}: {len(rows)} videos{skipped}, {frames} frames; {out / LEDGER} says more", markup=False)
        rates = ", ".join(f"{part} {_missing(rows, part):.1f} %" for part in rows[0]["seen"])
        console.print(f"frames without {rates}")
    if outcome.anew:
        console.print(
            f"{len(outcome.anew)} pose files were of earlier content or other settings and were replaced: "
            f"{_some(outcome.anew)}",
            markup=False,
        )
    handless = [row["video"] for row in rows if not row["seen"]["right_hand"] and not row["seen"]["left_hand"]]
    if handless:
        console.print(f"{len(handless)} videos show no hand: {_some(handless)}", markup=False)
    noted = [row for row in rows if row["notes"]]
    if noted:
        console.print(f"{len(noted)} videos have notes; {noted[0]['video']}: {noted[0]['notes'][0]}", markup=False)
    if outcome.unreadable:
        errors.print(f"{len(outcome.unreadable)} videos could not be read:")
        for reason in outcome.unreadable.values():
            errors.print(f"  {reason}", markup=False)
    if not rows:
        errors.print("nothing was written")


def _missing(rows: list[Row], part: str) -> float:
    """Percent of all frames without this part."""
    frames = sum(row["frames"] for row in rows)
    return float(100 * sum(row["frames"] * (1 - row["seen"][part]) for row in rows) / frames)


def _some(names: list[str]) -> str:
    return ", ".join(names[:LISTED]) + (f" and {len(names) - LISTED} more" if len(names) > LISTED else "")
