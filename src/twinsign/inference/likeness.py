"""How like one clip is to those that a network learnt from: where its joints lie, how long bones are, what is seen.

A clip is described by the mean place of each joint, the mean length of each bone, as cropped for the network, and how
much of a hand's joints is seen where the hand is. The distance is the root mean square, over what the clip shows, of
the deviations of these numbers from the training clips' means, in standard deviations over the training clips.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from twinsign.errors import InputError
from twinsign.pack.open import Indices, Pack
from twinsign.pose.layout import BONES, HANDS, JOINT_COUNT, JOINTS, LEFT_HAND, RIGHT_HAND
from twinsign.runs.run import CONFIG, TRAINING_STATISTICS, Run
from twinsign.views.batches import ClipReader
from twinsign.views.clips import Clips
from twinsign.views.config import ReadConfig

SAMPLE = 1024
"""Clips that are described at most, drawn by a fixed seed."""
AT_ONCE = 128
FEWEST = 10
"""Clips that must show a joint before it is compared."""
LEAST, LEAST_SHARE = 0.01, 0.25
"""Least standard deviations that count: of places and lengths, in crop coordinates; of shares of frames."""
MOST = 8.0
"""Deviations beyond this count as this: one joint far off is no other kind of clip."""
STILL = 0.25
"""Of the movement that 99 % of the training clips exceed: clips that move less do not move."""
PLACES, HAND = 2 * JOINT_COUNT, RIGHT_HAND.stop
QUANTILE = 0.98
"""Share of the clips, learnt from or held out, that count as like the others; of clips beyond nothing is sure."""


@dataclass(frozen=True)
class Likeness:
    """Means and standard deviations of the numbers that describe training clips (N), and the largest like distance.

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
        """Distance (B) of each clip from the training clips; 0 of a clip that shows nothing that they showed."""
        values, shown = described(clips)
        compared = shown & (self.deviation > 0)
        apart = (values - self.mean) / torch.where(self.deviation > 0, self.deviation, 1.0)
        squared = torch.where(compared, apart.clamp(-MOST, MOST).square(), 0.0)
        return (squared.sum(dim=1) / compared.sum(dim=1).clamp(min=1)).sqrt()

    def as_dict(self) -> dict[str, Any]:
        """Plain values: a line for each joint and bone, mean and deviation of its numbers."""
        return {
            "limit": round(self.limit, 4),
            "right_leads": round(self.right_leads, 4),
            "least_movement": round(self.least_movement, 5),
            "joints": {name: _line(self, [2 * i, 2 * i + 1]) for i, name in enumerate(JOINTS)},
            "bones": {_bone(i): _line(self, [PLACES + i]) for i in range(len(BONES))},
            "seen": {name: _line(self, [PLACES + len(BONES) + i]) for i, name in enumerate(JOINTS[HANDS])},
        }


def likeness_of(run: Run) -> Likeness | None:
    """What a RUN keeps of `as_dict`; None of earlier versions' RUNs, InputError where it is damaged."""
    known = (run.about.get(TRAINING_STATISTICS) or {}).get("likeness")
    if known is None:
        return None
    try:
        places = [_numbers(known["joints"][name], 4) for name in JOINTS]
        single = [_numbers(known["bones"][_bone(i)], 2) for i in range(len(BONES))]
        single += [_numbers(known["seen"][name], 2) for name in JOINTS[HANDS]]
        mean = [x for line in places for x in line[:2]] + [line[0] for line in single]
        deviation = [x for line in places for x in line[2:]] + [line[1] for line in single]
        numbers = (float(known[name]) for name in ("limit", "right_leads", "least_movement"))
        return Likeness(torch.tensor(mean), torch.tensor(deviation), *numbers)
    except (KeyError, TypeError, ValueError) as error:
        found, wanted = f"{TRAINING_STATISTICS}.likeness that is damaged ({error!r})", "what a training wrote"
        raise InputError(found, wanted, file=run.path / CONFIG) from error


def learn_likeness(pack: Pack, rows: Indices, read: ReadConfig, held_out: Indices | None = None) -> Likeness:
    """Describe training rows; the limit is that of QUANTILE of them and of the rows held out, whichever is larger."""
    learnt = _batches(pack, rows, read)
    values, shown = (torch.cat(parts) for parts in zip(*map(described, learnt), strict=True))
    count = shown.sum(dim=0)
    mean = torch.where(shown, values, 0.0).sum(dim=0) / count.clamp(min=1)
    spread = (torch.where(shown, (values - mean).square(), 0.0).sum(dim=0) / count.clamp(min=1)).sqrt()
    spread[: PLACES + len(BONES)].clamp_(min=LEAST)
    spread[PLACES + len(BONES) :].clamp_(min=LEAST_SHARE)
    leaders, moved = (torch.cat([measure(clips) for clips in learnt]) for measure in (leading, movement))
    leads = float((leaders > 0).sum() / (leaders != 0).sum().clamp(min=1))
    known = Likeness(mean, torch.where(count >= FEWEST, spread, 0.0), 0.0, leads, STILL * float(moved.quantile(0.01)))
    tried = [learnt] if held_out is None or not len(held_out) else [learnt, _batches(pack, held_out, read)]
    each = [torch.cat([known.distances(clips) for clips in batches]) for batches in tried]
    return replace(known, limit=max(float(distances.quantile(QUANTILE)) for distances in each))


def with_likeness(run: Run, pack: Pack, rows: Indices) -> Run:
    """A RUN of an earlier version with the likeness of these rows, which are like its training clips; others as is."""
    known = run.about.get(TRAINING_STATISTICS) or {}
    if "likeness" in known:
        return run
    known = {**known, "likeness": learn_likeness(pack, rows, run.recipe.read).as_dict()}
    return replace(run, about={**run.about, TRAINING_STATISTICS: known})


def leading(clips: Clips) -> Tensor:
    """The hand that is seen in more frames of each clip (B): 1 the right, -1 the left, 0 neither."""
    member = _member(clips).to(clips.xy.dtype)
    right, left = (member @ clips.seen[:, hand].any(dim=1).to(member.dtype) for hand in (RIGHT_HAND, LEFT_HAND))
    return torch.sign(right - left)


def movement(clips: Clips) -> Tensor:
    """How far the joints of each clip (B) stray from their mean places, on average, in crop coordinates."""
    member = _member(clips).to(clips.xy.dtype)
    seen = clips.seen.to(member.dtype)
    count = (member @ seen).clamp(min=1)
    places = clips.xy.double()
    first, second = (
        (member.double() @ (places**power).flatten(1)).unflatten(1, (-1, 2)) / count[..., None] for power in (1, 2)
    )
    strays = (second - first.square()).clamp(min=0).sum(dim=2).sqrt()
    shown = (member @ seen) > 0
    mean: Tensor = (strays * shown).sum(dim=1) / shown.sum(dim=1).clamp(min=1)
    return mean.to(clips.xy.dtype)


def cropped_hands(clips: Clips) -> list[bool]:
    """Whether any joint of a hand is left of each clip (B), as cropped for the network."""
    shown: list[bool] = (_member(clips) & clips.seen[:, HANDS].any(dim=1)).any(dim=1).tolist()
    return shown


def described(clips: Clips) -> tuple[Tensor, Tensor]:
    """Mean places of joints, lengths of bones and shares of hands' joints of B clips (B N), and which are shown."""
    parents, children = ([bone[end] for bone in BONES] for end in (0, 1))
    lengths = torch.linalg.vector_norm(clips.xy[:, children] - clips.xy[:, parents], dim=2)
    both = clips.seen[:, children] & clips.seen[:, parents]
    hands = [clips.seen[:, hand].any(dim=1, keepdim=True).expand(-1, HAND) for hand in (RIGHT_HAND, LEFT_HAND)]
    values = torch.cat([clips.xy.flatten(1), lengths, clips.seen[:, HANDS].to(lengths.dtype)], dim=1)
    seen = torch.cat([clips.seen.repeat_interleave(2, dim=1), both, *hands], dim=1).to(values.dtype)
    member = _member(clips).to(values.dtype)
    count = member @ seen
    return member @ (values * seen) / count.clamp(min=1), count > 0


def _member(clips: Clips) -> Tensor:
    """Which frames are a clip's own (B F)."""
    frame = torch.arange(clips.xy.shape[0], device=clips.xy.device)
    return (frame >= clips.start[:, None]) & (frame < (clips.start + clips.length)[:, None])


def _batches(pack: Pack, rows: Indices, read: ReadConfig) -> list[Clips]:
    """A sample of these rows, cropped as the network sees them."""
    sample = np.sort(np.random.default_rng(0).permutation(rows)[:SAMPLE])
    reader = ClipReader(pack, sample, read)
    return [
        reader.__getitems__(range(first, min(first + AT_ONCE, len(sample)))) for first in range(0, len(sample), AT_ONCE)
    ]


def _numbers(line: str, count: int) -> list[float]:
    """The finite numbers of a line; ValueError where it holds others."""
    numbers = [float(word) for word in str(line).split()]
    if len(numbers) != count or not np.isfinite(numbers).all():
        raise ValueError(f"{line!r} for {count} numbers")
    return numbers


def _line(known: Likeness, places: list[int]) -> str:
    numbers: NDArray[np.float64] = torch.cat([known.mean[places], known.deviation[places]]).double().numpy()
    return " ".join(f"{value:.4f}" for value in numbers)


def _bone(number: int) -> str:
    return f"{JOINTS[BONES[number][0]]} to {JOINTS[BONES[number][1]]}"
