"""How similar a clip is to the training clips: where its joints lie, how long bones are, what is seen.

A clip is described by the mean place of each joint, the mean length of each bone, as cropped for the network, and how
much of a hand's joints is seen where the hand is. The distance is the root mean square, over what the clip shows, of
the deviations of these numbers from the training clips' means, in standard deviations over the training clips.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from twinsign.errors import InputError
from twinsign.pack.open import Indices, Pack
from twinsign.pose.layout import BONES, HANDS, JOINT_COUNT, JOINTS, LEFT_HAND, RIGHT_HAND
from twinsign.runs.run import CONFIG, TRAINING_STATISTICS, Run
from twinsign.views.batches import ClipReader
from twinsign.views.clips import Clips
from twinsign.views.config import ReadConfig

SAMPLE = 1024
"""Clips described at most, drawn with a fixed seed."""
BATCH = 128
FEWEST = 10
"""Training clips that must show a joint for it to be compared."""
LEAST, LEAST_SHARE = 0.01, 0.25
"""Least standard deviations that count: of places and lengths, in crop coordinates; of shares of frames."""
MOST = 8.0
"""Larger deviations are clipped to this: one joint far off is no other kind of clip."""
STILL = 0.25
"""Share of the movement that 99 % of the training clips exceed; clips that move less are still."""
QUANTILE = 0.98
"""Share of the training or held-out clips that count as like the others; no answer is sure for a clip beyond."""
BONE_COLUMN, SEEN_COLUMN = 2 * JOINT_COUNT, 2 * JOINT_COUNT + len(BONES)
COLUMNS = {
    "joints": {name: [2 * joint, 2 * joint + 1] for joint, name in enumerate(JOINTS)},
    "bones": {f"{JOINTS[a]} to {JOINTS[b]}": [BONE_COLUMN + bone] for bone, (a, b) in enumerate(BONES)},
    "seen": {name: [SEEN_COLUMN + joint] for joint, name in enumerate(JOINTS[HANDS])},
}
"""Columns of a description (N): x and y of joints, lengths of bones, shares of hands' joints."""


@dataclass(frozen=True)
class Likeness:
    """Means and standard deviations (N) of training clips' descriptions, and the largest distance of a like clip.

    A deviation of 0 marks what too few clips showed.
    """

    mean: Tensor
    deviation: Tensor
    limit: float
    right_leads: float
    """Share of the training clips in which the right hand leads, of those in which one hand does."""
    least_movement: float = 0.0
    """`movement` below which a clip is a still one, as no training clip is."""

    def distances(self, clips: Clips) -> Tensor:
        """Distance (B) of each clip from the training clips; 0 for a clip that shows nothing that they showed."""
        values, shown = describe(clips)
        compared = shown & (self.deviation > 0)
        deviations = (values - self.mean) / torch.where(self.deviation > 0, self.deviation, 1.0)
        squared = torch.where(compared, deviations.clamp(-MOST, MOST).square(), 0.0)
        return (squared.sum(dim=1) / compared.sum(dim=1).clamp(min=1)).sqrt()

    def as_dict(self) -> dict[str, Any]:
        """Plain values: a line for each joint and bone, means and deviations of its columns."""
        table = torch.stack([self.mean, self.deviation]).double()
        return {
            "limit": round(self.limit, 4),
            "right_leads": round(self.right_leads, 4),
            "least_movement": round(self.least_movement, 5),
        } | {
            section: {
                name: " ".join(f"{value:.4f}" for value in table[:, columns].flatten().tolist())
                for name, columns in names.items()
            }
            for section, names in COLUMNS.items()
        }


def load_likeness(run: Run) -> Likeness | None:
    """The `Likeness` that a RUN keeps; None for RUNs of earlier versions, InputError where it is damaged."""
    kept = (run.about.get(TRAINING_STATISTICS) or {}).get("likeness")
    if kept is None:
        return None
    try:
        table = torch.zeros(2, SEEN_COLUMN + len(JOINTS[HANDS]))
        for section, names in COLUMNS.items():
            for name, columns in names.items():
                numbers = [float(word) for word in str(kept[section][name]).split()]
                if len(numbers) != 2 * len(columns) or not np.isfinite(numbers).all():
                    raise ValueError(f"{kept[section][name]!r} for {2 * len(columns)} numbers")
                table[:, columns] = torch.tensor(numbers).view(2, -1)
        return Likeness(*table, *(float(kept[name]) for name in ("limit", "right_leads", "least_movement")))
    except (KeyError, TypeError, ValueError) as error:
        damage, wanted = f"{TRAINING_STATISTICS}.likeness that is damaged ({error!r})", "what a training wrote"
        raise InputError(damage, wanted, file=run.path / CONFIG) from error


def fit_likeness(pack: Pack, rows: Indices, read: ReadConfig, held_out: Indices | None = None) -> Likeness:
    """Describe training rows; the limit is the QUANTILE of their or the held-out rows' distances, the larger one."""
    batches = _sampled(pack, rows, read)
    values, shown = (torch.cat(parts) for parts in zip(*map(describe, batches), strict=True))
    count = shown.sum(dim=0)
    mean = torch.where(shown, values, 0.0).sum(dim=0) / count.clamp(min=1)
    spread = (torch.where(shown, (values - mean).square(), 0.0).sum(dim=0) / count.clamp(min=1)).sqrt()
    spread[:SEEN_COLUMN].clamp_(min=LEAST)
    spread[SEEN_COLUMN:].clamp_(min=LEAST_SHARE)
    leaders, moved = (torch.cat([measure(clips) for clips in batches]) for measure in (leading_side, movement))
    leads = float((leaders > 0).sum() / (leaders != 0).sum().clamp(min=1))
    least_movement = STILL * float(moved.quantile(0.01))
    likeness = Likeness(mean, torch.where(count >= FEWEST, spread, 0.0), 0.0, leads, least_movement)
    tried = [batches] if held_out is None or not len(held_out) else [batches, _sampled(pack, held_out, read)]
    distances = [torch.cat([likeness.distances(clips) for clips in clip_set]) for clip_set in tried]
    return replace(likeness, limit=max(float(each.quantile(QUANTILE)) for each in distances))


def add_likeness(run: Run, pack: Pack, rows: Indices) -> Run:
    """Add the likeness of these rows, which are like its training clips, to a RUN of an earlier version."""
    statistics = run.about.get(TRAINING_STATISTICS) or {}
    if "likeness" in statistics:
        return run
    statistics = {**statistics, "likeness": fit_likeness(pack, rows, run.recipe.read).as_dict()}
    return replace(run, about={**run.about, TRAINING_STATISTICS: statistics})


def leading_side(clips: Clips) -> Tensor:
    """The hand that is seen in more frames of each clip (B): 1 the right, -1 the left, 0 neither."""
    member = _member(clips).to(clips.xy.dtype)
    right, left = (member @ clips.seen[:, hand].any(dim=1).to(member.dtype) for hand in (RIGHT_HAND, LEFT_HAND))
    return torch.sign(right - left)


def movement(clips: Clips) -> Tensor:
    """How far the joints of each clip (B) stray from their mean places, on average, in crop coordinates."""
    member = _member(clips).to(clips.xy.dtype)
    count = member @ clips.seen.to(member.dtype)
    first, second = (
        (member.double() @ (clips.xy.double() ** power).flatten(1)).unflatten(1, (-1, 2))
        / count.clamp(min=1)[..., None]
        for power in (1, 2)
    )
    strays = (second - first.square()).clamp(min=0).sum(dim=2).sqrt()
    mean: Tensor = (strays * (count > 0)).sum(dim=1) / (count > 0).sum(dim=1).clamp(min=1)
    return mean.to(clips.xy.dtype)


def hands_seen(clips: Clips) -> Tensor:
    """Whether any joint of a hand is left of each clip (B), as cropped for the network."""
    return (_member(clips) & clips.seen[:, HANDS].any(dim=1)).any(dim=1)


def describe(clips: Clips) -> tuple[Tensor, Tensor]:
    """Descriptions (B N) of B clips, in the order of `COLUMNS`, and which of their numbers a clip shows (B N)."""
    parents, children = ([bone[end] for bone in BONES] for end in (0, 1))
    lengths = torch.linalg.vector_norm(clips.xy[:, children] - clips.xy[:, parents], dim=2)
    bones = clips.seen[:, children] & clips.seen[:, parents]
    hands = [
        clips.seen[:, hand].any(dim=1, keepdim=True).expand(-1, len(JOINTS[hand])) for hand in (RIGHT_HAND, LEFT_HAND)
    ]
    values = torch.cat([clips.xy.flatten(1), lengths, clips.seen[:, HANDS].to(lengths.dtype)], dim=1)
    seen = torch.cat([clips.seen.repeat_interleave(2, dim=1), bones, *hands], dim=1).to(values.dtype)
    member = _member(clips).to(values.dtype)
    count = member @ seen
    return member @ (values * seen) / count.clamp(min=1), count > 0


def _member(clips: Clips) -> Tensor:
    """Which frames are a clip's own (B F)."""
    frame = torch.arange(clips.xy.shape[0], device=clips.xy.device)
    return (frame >= clips.start[:, None]) & (frame < (clips.start + clips.length)[:, None])


def _sampled(pack: Pack, rows: Indices, read: ReadConfig) -> list[Clips]:
    """A sample of these rows, cropped as the network sees them."""
    return cropped_batches(pack, np.sort(np.random.default_rng(0).permutation(rows)[:SAMPLE]), read, BATCH)


def cropped_batches(pack: Pack, rows: Indices, read: ReadConfig, size: int) -> list[Clips]:
    """These rows in batches of `size`, cropped as the network sees them."""
    reader = ClipReader(pack, rows, read)
    return [reader.__getitems__(range(len(rows))[first : first + size]) for first in range(0, len(rows), size)]
