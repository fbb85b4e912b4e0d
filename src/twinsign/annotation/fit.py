"""Fitting the network that finds signs in long recordings, on isolated clips that are joined at random."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.random import Generator
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from twinsign.annotation.decode import targets
from twinsign.annotation.joined import JoinConfig, Sign, join, load_sign
from twinsign.annotation.network import BoundaryNet
from twinsign.annotation.resampling import frame_times, poses_of, resample, steps
from twinsign.annotation.signals import RATE, signals
from twinsign.errors import InputError
from twinsign.pack.open import Indices, Pack
from twinsign.pose.recording import FloatArray, Recording

MOMENTS = 500
"""Moments of a training example: 20 s."""
SIGNS = 12
"""Signs joined for it."""
FEWEST = 20
"""Fewest clips to learn from."""
CLASS_WEIGHTS = (1.0, 2.0, 1.0)
"""Of moments outside, at the begin, inside: begins are rare."""


@dataclass(frozen=True)
class FitConfig:
    """How the network is fitted.

    Args:
        steps: Number of steps.
        batch_size: Stretches of 20 s a step.
        lr: Highest learning rate.
        rests: Share of the stretches with rests between signs.
        seed: Random seed of weights and joins.
    """

    steps: int = 400
    batch_size: int = 8
    lr: float = 4e-3
    rests: float = 0.3
    seed: int = 0


def load_signs(pack: Pack, rows: Indices, tick: Callable[[int], object] = lambda clips: None) -> dict[str, list[Sign]]:
    """The clips' signs by signer, "" where none is named; clips that show too little are left out."""
    signs: defaultdict[str, list[Sign]] = defaultdict(list)
    columns = [pack.table[name].take(rows).to_pylist() for name in ("gloss", "signer")]
    for row, gloss, signer in zip(rows.tolist(), *columns, strict=True):
        sign = load_sign(pack.recording(row), gloss or "") if pack.usable[row] else None
        if sign is not None:
            signs[signer or ""].append(sign)
        tick(1)
    return dict(signs)


def recording_signals(recording: Recording) -> FloatArray:
    """A whole recording's signals (T CHANNELS)."""
    poses, times = poses_of(recording), frame_times(recording)
    return signals(resample(poses, times, steps(times[-1] + 1 / (recording.fps or RATE), RATE)))


def fit_segmenter(
    signs: Mapping[str, Sequence[Sign]], config: FitConfig, tick: Callable[[float], object] = lambda loss: None
) -> BoundaryNet:
    """Fit a network on these signs by signer; the same for the same signs and config. `tick` gets each step's loss."""
    count = sum(map(len, signs.values()))
    if count < FEWEST:
        raise InputError(f"{count} clips that show a sign", f"at least {FEWEST} to learn from")
    if config.steps < 1 or config.batch_size < 1 or config.lr <= 0 or not 0 <= config.rests <= 1:
        raise InputError(f"{config}", "steps and batch_size of at least 1, lr above 0, rests from 0 to 1")
    random = np.random.default_rng(config.seed)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(config.seed)
        network = BoundaryNet()
        values, _ = _batch(signs, replace(config, batch_size=4 * config.batch_size), random)
        network.mean.copy_(values.mean((0, 1)))
        network.scale.copy_(values.std((0, 1)) + 1e-3)
        optimiser = torch.optim.AdamW(network.parameters(), config.lr, weight_decay=1e-2)
        schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, config.lr, config.steps + 1)
        weight = torch.tensor(CLASS_WEIGHTS)
        network.train()
        for _ in range(config.steps):
            values, states = _batch(signs, config, random)
            loss = functional.cross_entropy(network(values).flatten(0, 1), states.flatten(), weight=weight)
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            schedule.step()
            tick(loss.item())
    return network.eval()


def _batch(signs: Mapping[str, Sequence[Sign]], config: FitConfig, random: Generator) -> tuple[Tensor, Tensor]:
    """Signals (B T CHANNELS) of random joins, and each moment's state (B T)."""
    values, states = list[FloatArray](), list[NDArray[np.int64]]()
    names = sorted(signs)
    while len(values) < config.batch_size:
        pool = signs[names[random.integers(len(names))]]
        if len(pool) < 3:  # too few of one signer
            pool = [sign for number in random.integers(len(names), size=4) for sign in signs[names[number]]]
        chosen = [pool[number] for number in random.integers(len(pool), size=SIGNS)]
        recording, spans = join(chosen, _random_join(config, random), random)
        example = recording_signals(recording)
        truth = targets([(span.begin, span.end) for span in spans], len(example))
        if len(example) < MOMENTS:
            padding = MOMENTS - len(example)
            example, truth = np.pad(example, ((0, padding), (0, 0))), np.pad(truth, (0, padding))
        first = int(random.integers(0, len(example) - MOMENTS + 1))
        values.append(example[first : first + MOMENTS])
        states.append(truth[first : first + MOMENTS])
    return torch.from_numpy(np.stack(values)), torch.from_numpy(np.stack(states))


def _random_join(config: FitConfig, random: Generator) -> JoinConfig:
    return JoinConfig(
        rest=(0.2, 2.0) if random.random() < config.rests else None,
        fade=float(random.uniform(0.1, 0.4)),
        trim=0.2 if random.random() < 0.5 else 0.0,
        speed=1.3,
        mirror=0.5,
        fps=(12.0, 15.0, 25.0, 25.0, 30.0, 50.0),
    )
