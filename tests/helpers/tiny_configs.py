"""Smallest sizes of everything that trains: configs, random views, and a recipe file with a pack to train on."""

from __future__ import annotations

import zlib
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from twinsign.datasets.sample import Sample
from twinsign.nn.config import EncoderConfig
from twinsign.pack.open import Pack
from twinsign.pack.write import write_pack
from twinsign.pose.layout import HANDS, JOINT_COUNT
from twinsign.pose.recording import Recording
from twinsign.ssl.config import ObjectiveConfig
from twinsign.views.clips import Clips, View

ENCODER = EncoderConfig((8, 8, 8), (16, 16), 1, {"hand": 16, "trunk": 16}, heads=2, depth=1, dropout=0.0)
OBJECTIVE = ObjectiveConfig(hidden=16, width=8, bank_size=24, neighbours=8)
RECIPE = """\
windows: {share: 0.8, count: 2}
encoder:
  joint_widths: [8, 8, 8]
  part_widths: [16, 16]
  temporal_blocks: 1
  feed_forward: {hand: 16, trunk: 16}
  heads: 2
  depth: 1
objective: {hidden: 16, width: 8, bank_size: 64, neighbours: 16}
pretrain: {frames: 8, epochs: 2, batch_size: 8, monitor_every: 1}
finetune: {frames: 8, epochs: 2, batch_size: 8}
linear: {frames: 8, epochs: 2, batch_size: 8}
trainer: {accelerator: cpu, devices: 1, threads: 1, progress: false}
"""
CORPUS = ("--corpus.glosses", "4", "--corpus.signers", "10", "--corpus.clips_per_signer_gloss", "1")


def random_view(clips: int, frames: int, seed: int = 0, seen_rate: float = 0.8) -> View:
    """Even coordinates in [0, 1], each joint seen with that probability; unseen ones hold 0."""
    generator = torch.Generator().manual_seed(seed)
    xy = torch.rand(clips, frames, JOINT_COUNT, 2, generator=generator)
    seen = torch.rand(clips, frames, JOINT_COUNT, generator=generator) < seen_rate
    return View(torch.where(seen[..., None], xy, 0.0), seen)


def clips_of_view(view: View, labels: Tensor | None = None) -> Clips:
    """A view's rows as ragged clips of equal length."""
    count, frames = view.seen.shape[:2]
    start = torch.arange(count) * frames
    label = torch.full((count,), -1) if labels is None else labels
    whole = torch.full((count,), frames)
    return Clips(view.xy.flatten(0, 1), view.seen.flatten(0, 1), start, whole, label, torch.arange(count))


def write_recipe(folder: Path, changes: str = "") -> Path:
    """The tiny recipe as a file, with further YAML lines behind it."""
    file = folder / "tiny.yaml"
    file.write_text(RECIPE + changes, encoding="utf-8")
    return file


def sample(id: str, gloss: str = "", split: str = "train", *, look: int | None = None, hand: bool = True) -> Sample:
    """A short random clip; clips of the same `look` are identical, and without a hand only the trunk is seen."""
    rng = np.random.default_rng(zlib.crc32(id.encode()) if look is None else look)
    xy = rng.uniform(0.2, 0.8, (6, JOINT_COUNT, 2)).astype(np.float32)
    score = np.ones((6, JOINT_COUNT), np.float32)
    if not hand:
        score[:, HANDS] = 0
    recording = Recording(id, xy, score)
    return Sample(id, lambda: recording, {"gloss": gloss, "split": split})


def pack_of(path: Path, *samples: Sample) -> Pack:
    """Those samples as a pack, opened."""
    write_pack(samples, path)
    return Pack(path)
