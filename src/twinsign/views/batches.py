"""From a pack's rows to batches of cropped clips, in an order that can be resumed and that may mix packs by weight."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, default_convert

from twinsign.distributed import share
from twinsign.errors import InputError
from twinsign.pack.clip import check_float16
from twinsign.pack.open import FlatClips, Indices, Pack
from twinsign.pose.recording import Recording
from twinsign.views.clips import Clips
from twinsign.views.config import ReadConfig
from twinsign.views.crop import as_stored, crop, select_frames


class ClipReader(Dataset[Clips]):
    """Rows of a pack as whole batches of cropped clips, each with a label."""

    def __init__(self, pack: Pack, rows: Indices, config: ReadConfig, labels: Sequence[int] | None = None) -> None:
        self.pack, self.rows, self.config = pack, np.asarray(rows), config
        self.labels = np.full(len(rows), -1) if labels is None else np.asarray(labels)

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, index: int) -> Clips:
        return self.__getitems__([index])

    def __getitems__(self, indices: Sequence[int]) -> Clips:
        """The clips at these positions of `rows`, end to end."""
        rows = self.rows[list(indices)]
        return _crop_clips(self.pack.flat(rows), self.config, self.labels[list(indices)], rows)


def collate_recordings(recordings: Sequence[Recording], config: ReadConfig) -> Clips:
    """Collate recordings into one batch of clips without labels; InputError for coordinates that a pack cannot hold."""
    fractions = [recording.fractions() for recording in recordings]
    for recording in fractions:
        check_float16(recording)
    length = np.asarray([len(recording.xy) for recording in fractions])
    size = np.asarray([recording.size or (1, 1) for recording in fractions], np.float32).repeat(length, axis=0)
    xy, score = (np.concatenate([getattr(recording, name) for recording in fractions]) for name in ("xy", "score"))
    none = np.full(len(length), -1)
    return _crop_clips(FlatClips(xy, score, size, length), config, none, none)


def _crop_clips(flat: FlatClips, config: ReadConfig, label: Indices, row: Indices) -> Clips:
    xy, score, size = (torch.from_numpy(values) for values in flat[:3])
    cropped = crop(*as_stored(xy, score), size, config.crop)
    owner = torch.repeat_interleave(torch.from_numpy(np.asarray(flat.length, np.int64)))
    keep, length = select_frames(cropped, owner, len(flat.length), config)
    labels, index = (torch.from_numpy(np.ascontiguousarray(values)) for values in (label, row))
    return Clips(cropped.xy[keep], cropped.seen[keep], length.cumsum(0) - length, length, labels, index)


def collate_equal_length(xy: Tensor, score: Tensor, size: Tensor, config: ReadConfig) -> Clips:
    """Crop clips of equal length, xy (B T 49 2), score (B T 49), size (B 2), into a batch without labels.

    All shapes follow from B and T, as an exported network needs: frames that are dropped come last, beyond every clip.
    """
    clips, frames = score.shape[:2]
    owner = torch.arange(clips, device=xy.device)[:, None].expand(clips, frames).flatten()
    sizes = size[:, None].expand(clips, frames, 2).flatten(0, 1)
    cropped = crop(*as_stored(xy.flatten(0, 1), score.flatten(0, 1)), sizes, config.crop)
    keep, length = select_frames(cropped, owner, clips, config)
    every, last = torch.arange(clips * frames, device=xy.device), clips * frames
    place = torch.where(keep, keep.long().cumsum(0) - 1, last)
    order = every.new_zeros(last + 1).scatter(0, place, every)[:last]
    none = torch.full_like(length, -1)
    return Clips(cropped.xy[order], cropped.seen[order], length.cumsum(0) - length, length, none, none)


class Mixture:
    """Positions of each epoch, from (seed, epoch) alone, where a group of weight 0.5 comes half as often as one of 1.

    Each group is dealt from a deck of its own, which is reshuffled when it is used up: after any number of epochs no
    clip of a group has come more than once more often than another. Groups are spread evenly over each epoch, so that
    each batch holds each group's share.
    """

    def __init__(self, groups: Indices, weights: Sequence[float], seed: int) -> None:
        wrong = [weight for weight in weights if not 0 < weight < np.inf]
        if wrong:
            raise InputError(f"weight {wrong[0]}", "numbers above 0; leave out a pack that is not to take part")
        self.seed = seed
        self.members = [np.flatnonzero(groups == number) for number in range(len(weights))]
        self.counts = [
            max(1, round(weight * len(members))) if len(members) else 0
            for weight, members in zip(weights, self.members, strict=True)
        ]
        """Positions of each group in an epoch."""

    def __len__(self) -> int:
        return sum(self.counts)

    def order(self, epoch: int) -> Indices:
        """The positions of one epoch."""
        places, keys = [], []
        for number, (members, count) in enumerate(zip(self.members, self.counts, strict=True)):
            if count:
                size, first = len(members), epoch * count
                decks = range(first // size, (first + count - 1) // size + 1)
                dealt = [np.random.default_rng([self.seed, number, 0, deck]).permutation(size) for deck in decks]
                places.append(members[np.concatenate(dealt)[first % size :][:count]])
                offset = np.random.default_rng([self.seed, number, 1, epoch]).random()
                keys.append((np.arange(count) + offset) / count)
        return np.concatenate(places)[np.argsort(np.concatenate(keys), kind="stable")]


def build_mixture(pack: Pack, rows: Indices, weights: Sequence[float], seed: int) -> Mixture | None:
    """The mixture of these rows with a weight for each pack as it was given; None without weights."""
    if not weights:
        return None
    if len(weights) != len(pack.given):
        raise InputError(f"{len(weights)} weights", f"{len(pack.given)}, one for each pack of --data")
    groups = pack.given_of(rows)
    empty = sorted(set(range(len(weights))) - set(groups.tolist()))
    if empty:
        raise InputError("no clip to learn from", "clips of every weighted pack", file=pack.given[empty[0]])
    return Mixture(groups, weights, seed)


class ClipBatchSampler:
    """Batches of positions, reshuffled each epoch from (seed, epoch) alone, so that any epoch can be resumed anywhere.

    `part` (rank, processes): each process gets a contiguous share of every batch of `size`. A last batch of fewer clips
    than processes has none for some of them: drop it where processes run in step.
    """

    def __init__(
        self,
        count: int,
        size: int,
        *,
        seed: int = 0,
        shuffle: bool,
        drop_last: bool = False,
        part: tuple[int, int] = (0, 1),
        mixture: Mixture | None = None,
    ) -> None:
        if count < 1 or size < 1:
            raise InputError(f"batches of {size} out of {count} clips", "at least one clip, and one a batch")
        self.count, self.size, self.seed, self.mixture = count, min(size, count), seed, mixture
        self.shuffle, self.drop_last, self.part = shuffle, drop_last, part
        self.epoch, self.done = 0, 0
        if self.size < part[1]:
            raise InputError(f"{self.size} clips in a batch", f"at least one for each of {part[1]} processes")

    def __len__(self) -> int:
        whole, remainder = divmod(self.count, self.size)
        last = share(remainder, *self.part)
        return whole + (last.start < last.stop and not self.drop_last)

    def place(self, number: int) -> tuple[int, int]:
        """Where this process's clips begin in an epoch's batch, and how many clips all processes have in it."""
        total = min(self.size, self.count - number * self.size)
        return share(total, *self.part).start, total

    def __iter__(self) -> Iterator[list[int]]:
        if self.mixture is not None:
            order = self.mixture.order(self.epoch)
        elif self.shuffle:
            order = np.random.default_rng([self.seed, self.epoch]).permutation(self.count)
        else:
            order = np.arange(self.count)
        for number in range(self.done, len(self)):
            batch = order[number * self.size : (number + 1) * self.size]
            yield batch[share(len(batch), *self.part)].tolist()


class ClipLoader(DataLoader[Clips]):
    """Loads batches of clips; its state is the epoch and the number of its batches that were yielded."""

    def __init__(self, reader: ClipReader, batches: ClipBatchSampler, *, workers: int = 0, pin: bool = False) -> None:
        super().__init__(
            reader,
            batch_sampler=batches,
            collate_fn=default_convert,  # clips come collated
            num_workers=workers,
            pin_memory=pin,
            persistent_workers=workers > 0,
        )
        self.reader, self.batches = reader, batches

    def __iter__(self) -> Any:
        for batch in super().__iter__():
            self.batches.done += 1
            if self.batches.done == len(self.batches):  # before the last batch is out: trainers may never ask for more
                self.batches.epoch, self.batches.done = self.batches.epoch + 1, 0
            yield batch

    def go_to(self, number: int) -> None:
        """Resume after `number` batches in all; a trainer restores the state below within an epoch only."""
        self.batches.epoch, self.batches.done = divmod(number, len(self.batches))

    def state_dict(self) -> dict[str, int]:
        """The epoch, and the number of its batches that were yielded."""
        return {"epoch": self.batches.epoch, "done": self.batches.done}

    def load_state_dict(self, state: dict[str, int]) -> None:
        """Resume from a state."""
        self.batches.epoch, self.batches.done = state["epoch"], state["done"]


def seeded_generator(seed: int, *place: int) -> torch.Generator:
    """A generator seeded by (seed, place) alone, so that what is drawn at a step needs no saved state."""
    word = np.random.SeedSequence([seed, *place]).generate_state(2, np.uint32)
    return torch.Generator().manual_seed(int(word[0]) << 31 | int(word[1]) >> 1)
