"""The command that makes pose files of videos, and what it prints about them."""

from __future__ import annotations

import time
from pathlib import Path

from twinsign.cli.console import (
    NOTHING_WRITTEN,
    OK,
    SOME_UNREADABLE,
    console,
    errors,
    print_reasons,
    progress_bar,
    shorten,
)
from twinsign.cli.options import Flag, Positionals
from twinsign.extract.clip import Format
from twinsign.extract.config import HOLISTIC, EstimatorConfig
from twinsign.extract.jobs import Outcome, Settings, find_jobs, run_jobs, unsupported_videos
from twinsign.extract.ledger import LEDGER
from twinsign.extract.video import MAX_SIDE
from twinsign.extract.workers import cores


def extract(
    videos: Positionals,
    out: Path,
    trim: Flag,
    estimator: EstimatorConfig = HOLISTIC,
    format: Format = "pose",
    max_side: int = MAX_SIDE,
    fps: float | None = None,
    workers: int | None = None,
    cluster: str | None = None,
) -> int:
    """Estimate the poses in videos, one pose file each; the same command resumes. No video leaves this machine.

    Args:
        videos: Videos, or folders of them; of several persons in a picture Holistic takes one.
        out: Folder for the pose files.
        trim: Leave out frames at both ends in which the hands are out of sight, or lowered and still.
        estimator: Pose estimator.
        format: pose: all points that were found; npz: twinsign's 49 joints.
        max_side: Longest side of a frame in pixels; larger frames are scaled down first.
        fps: Frames per second, for videos that do not state it.
        workers: Number of processes. Default: as many as cores.
    """
    jobs = find_jobs(videos, format)
    if unread := unsupported_videos(videos):
        errors.print(f"not read, endings unknown here: {shorten(unread)}")
    settings = Settings(estimator, format, trim, max_side, fps)
    started, frames = time.monotonic(), 0
    with progress_bar("extracting", len(jobs)) as update:

        def tick(videos: int, estimated: int) -> None:
            nonlocal frames
            frames += estimated
            speed = frames / max(time.monotonic() - started, 1e-9)
            update(advance=videos, note=f"{speed:.0f} frames/s" if frames else "")

        outcome = run_jobs(jobs, out, settings, workers or cores(), tick, cluster=cluster)
    _print_outcome(outcome, out)
    if not outcome.unreadable:
        return OK
    return SOME_UNREADABLE if outcome.done or outcome.before else NOTHING_WRITTEN


def _print_outcome(outcome: Outcome, out: Path) -> None:
    rows = [*outcome.done, *outcome.before]
    if rows:
        frames = sum(row["frames"] for row in rows)
        skipped = f", {len(outcome.before)} of them there before" if outcome.before else ""
        console.print(f"{out}: {len(rows)} videos{skipped}, {frames} frames; {out / LEDGER} says more")
        unseen = {part: sum(row["frames"] * (1 - row["seen"][part]) for row in rows) for part in rows[0]["seen"]}
        console.print(f"frames without {', '.join(f'{part} {100 * n / frames:.1f} %' for part, n in unseen.items())}")
    if outcome.replaced:
        replaced = f"{len(outcome.replaced)} pose files of earlier content or other settings were replaced"
        console.print(f"{replaced}: {shorten(outcome.replaced)}")
    handless = [row["video"] for row in rows if not row["seen"]["right_hand"] and not row["seen"]["left_hand"]]
    if handless:
        console.print(f"{len(handless)} videos show no hand: {shorten(handless)}")
    noted = [row for row in rows if row["notes"]]
    if noted:
        console.print(f"{len(noted)} videos have notes; {noted[0]['video']}: {noted[0]['notes'][0]}")
    if outcome.unreadable:
        print_reasons(f"{len(outcome.unreadable)} videos could not be read", outcome.unreadable.values())
    if not rows:
        errors.print("nothing was written")
