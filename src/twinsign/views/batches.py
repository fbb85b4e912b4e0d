"""From a pack's rows to batches of cropped clips: crop, drop idle frames, tensors; and batches in a resumable order."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from twinsign.distributed import share
from twinsign.errors import InputError
from twinsign.pack.clip import check_float16
from twinsign.pack.open import Indices, Pack
from twinsign.pose.layout import HANDS
from twinsign.pose.recording import Recording
from twinsign.views.clips import Clips
from twinsign.views.config import ReadConfig
from twinsign.views.crop import Cropped, as_stored, crop


class ClipReader(Dataset[Clips]):
    """Rows of a pack as whole batches of cropped clips, with a label each."""

    def __init__(self, pack: Pack, rows: Indices, config: ReadConfig, labels: Sequence[int] | None = None) -> None:
        self.pack, self.rows, self.config = pack, np.asarray(rows), config
        self.labels = np.full(len(rows), -1) if labels is None else np.asarray(labels)

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, index: int) -> Clips:
        return self.__getitems__([index])

    def __getitems__(self, indices: Sequence[int]) -> Clips:
        """The clips at these places of `rows`, end to end."""
        rows = self.rows[list(indices)]
        flat = self.pack.flat(rows)
        return _clips(flat.xy, flat.score, flat.size, flat.length, self.config, self.labels[list(indices)], rows)


def clips_of(recordings: Sequence[Recording], config: ReadConfig) -> Clips:
    """Recordings as one batch of clips without labels; InputError for coordinates that a pack cannot hold."""
    fractions = [recording.fractions() for recording in recordings]
    for recording in fractions:
        check_float16(recording)
    length = np.asarray([len(one.xy) for one in fractions])
    size = np.asarray([one.size or (1, 1) for one in fractions], np.float32).repeat(length, axis=0)
    xy, score = (np.concatenate([getattr(one, name) for one in fractions]) for name in ("xy", "score"))
    nothing = np.full(len(length), -1)
    return _clips(xy, score, size, length, config, nothing, nothing)


def _clips(
    xy: NDArray[np.float32],
    score: NDArray[np.float32],
    size: NDArray[np.float32],
    length: Indices,
    config: ReadConfig,
    label: Indices,
    row: Indices,
) -> Clips:
    cropped = crop(*as_stored(torch.from_numpy(xy), torch.from_numpy(score)), torch.from_numpy(size), config.crop)
    owner = torch.repeat_interleave(torch.from_numpy(np.asarray(length, np.int64)))
    keep = kept_frames(active(cropped, config), owner, len(length), config)
    kept = count_frames(keep, owner, len(length))
    return Clips(
        xy=cropped.xy[keep],
        seen=cropped.seen[keep],
        start=kept.cumsum(0) - kept,
        length=kept,
        label=torch.from_numpy(np.ascontiguousarray(label)),
        index=torch.from_numpy(np.ascontiguousarray(row)),
    )


def equal_clips(xy: Tensor, score: Tensor, size: Tensor, config: ReadConfig) -> Clips:
    """Clips of equal length, xy (B T 49 2), score (B T 49), size (B 2), as a batch without labels.

    All shapes follow from B and T, as an exported network needs: frames that do not count come last, beyond every clip.
    """
    clips, frames = score.shape[:2]
    owner = torch.arange(clips, device=xy.device)[:, None].expand(clips, frames).flatten()
    sizes = size[:, None].expand(clips, frames, 2).flatten(0, 1)
    cropped = crop(*as_stored(xy.flatten(0, 1), score.flatten(0, 1)), sizes, config.crop)
    keep = kept_frames(active(cropped, config), owner, clips, config)
    every, last = torch.arange(clips * frames, device=xy.device), clips * frames
    place = torch.where(keep, keep.long().cumsum(0) - 1, last)
    order = every.new_zeros(last + 1).scatter(0, place, every)[:last]
    kept = count_frames(keep, owner, clips)
    nothing = torch.full_like(kept, -1)
    return Clips(cropped.xy[order], cropped.seen[order], kept.cumsum(0) - kept, kept, nothing, nothing)


def active(cropped: Cropped, config: ReadConfig) -> Tensor:
    """Which frames (F) show a hand, as `config.active` has it."""
    return cropped.has_box.any(dim=1) if config.active == "box" else cropped.seen[:, HANDS].any(dim=1)


def kept_frames(active: Tensor, owner: Tensor, clips: int, config: ReadConfig) -> Tensor:
    """Which frames (F) count, of those whose hands are boxed (F) and the clip that each belongs to (F)."""
    keep = torch.ones_like(active)
    if config.idle != "keep":
        keep = active_frames(active, owner, clips, inner=config.idle == "drop")
    return keep if config.longest is None else strided(keep, owner, clips, config.longest)


def active_frames(active: Tensor, owner: Tensor, clips: int, inner: bool) -> Tensor:
    """Frames (F) from each clip's first to last active one, or (`inner`) the active ones alone; all where none is."""
    frames = active.shape[0]  # len() would fix the number of frames in an exported network
    frame = torch.arange(frames, device=active.device)
    none = torch.full((clips,), -1, device=active.device)
    first = (none + 1 + frames).scatter_reduce(0, owner, torch.where(active, frame, frames), "amin")[owner]
    last = none.scatter_reduce(0, owner, torch.where(active, frame, -1), "amax")[owner]
    between = (frame >= first) & (frame <= last)
    return (last < 0) | (between & active if inner else between)


def strided(keep: Tensor, owner: Tensor, clips: int, longest: int) -> Tensor:
    """Of each clip's kept frames (F) every n-th, with the least n that leaves at most `longest` (method, Input)."""
    kept = count_frames(keep, owner, clips)
    before = kept.cumsum(0) - kept
    order = keep.long().cumsum(0) - 1 - before[owner]
    step = ((kept + longest - 1) // longest).clamp(min=1)
    return keep & (order % step[owner] == 0)


def count_frames(keep: Tensor, owner: Tensor, clips: int) -> Tensor:
    """How many frames of each clip (B) are kept (F)."""
    return torch.zeros(clips, dtype=torch.long, device=keep.device).scatter_add(0, owner, keep.long())


class Batches:
    """Lists of places, reshuffled each epoch from (seed, epoch) alone, so that any epoch can be continued anywhere.

    `part` (rank, processes): each process gets its neighbouring share of every batch of `size`. A last batch of fewer
    clips than processes has nothing for some of them: drop it where they must keep step.
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
        whole, rest = divmod(self.count, self.size)
        mine = share(rest, *self.part)
        return whole + (mine.start < mine.stop and not self.drop_last)

    def place(self, number: int) -> tuple[int, int]:
        """Of an epoch's batch: where in it this process's clips begin, and how many it has for all processes."""
        total = min(self.size, self.count - number * self.size)
        return share(total, *self.part).start, total

    def __iter__(self) -> Iterator[list[int]]:
        order = self._order()
        for number in range(self.done, len(self)):
            batch = order[number * self.size : (number + 1) * self.size]
            yield batch[share(len(batch), *self.part)].tolist()

    def _order(self) -> Indices:
        if self.mixture is not None:
            return self.mixture.order(self.epoch)
        if not self.shuffle:
            return np.arange(self.count)
        return np.random.default_rng([self.seed, self.epoch]).permutation(self.count)


class ClipLoader(DataLoader[Clips]):
    """Batches of clips; its state is the epoch and how many batches of it were handed out."""

    def __init__(self, reader: ClipReader, batches: Batches, *, workers: int = 0, pin: bool = False) -> None:
        super().__init__(
            reader,
            batch_sampler=batches,
            collate_fn=_as_it_is,
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
        """Go on after that many batches in all: a trainer restores the state below within an epoch only."""
        self.batches.epoch, self.batches.done = divmod(number, len(self.batches))

    def state_dict(self) -> dict[str, int]:
        """Where the order stands."""
        return {"epoch": self.batches.epoch, "done": self.batches.done}

    def load_state_dict(self, state: dict[str, int]) -> None:
        """Go on from there."""
        self.batches.epoch, self.batches.done = state["epoch"], state["done"]


def _as_it_is(batch: Any) -> Any:
    return batch


def generator_at(seed: int, *place: int) -> torch.Generator:
    """A generator that depends on (seed, place) alone: what is drawn at a step needs no saved state."""
    word = np.random.SeedSequence([seed, *place]).generate_state(2, np.uint32)
    return torch.Generator().manual_seed(int(word[0]) << 31 | int(word[1]) >> 1)


class Mixture:
    """Each epoch's places, from (seed, epoch) alone: a group of weight 1 comes once, of 0.5 half, of 2 twice.

    Groups are dealt from decks of their own, shuffled anew when used up: after any number of epochs no clip of a group
    has come more than once oftener than another. They are spread evenly, so that each batch holds each group's share.
    """

    def __init__(self, groups: Indices, weights: Sequence[float], seed: int) -> None:
        wrong = [weight for weight in weights if not 0 < weight < np.inf]
        if wrong:
            raise InputError(f"weight {wrong[0]}", "numbers above 0; leave out a pack that is not to take part")
        self.seed = seed
        self.members = [np.flatnonzero(groups == number) for number in range(len(weights))]
        self.counts = [
            max(1, round(weight * len(mine))) if len(mine) else 0
            for weight, mine in zip(weights, self.members, strict=True)
        ]
        """Places of each group in an epoch."""

    def __len__(self) -> int:
        return sum(self.counts)

    def order(self, epoch: int) -> Indices:
        """The places of one epoch."""
        places, keys = [], []
        for number, (mine, count) in enumerate(zip(self.members, self.counts, strict=True)):
            if count:
                places.append(mine[self._dealt(number, len(mine), epoch * count, count)])
                offset = np.random.default_rng([self.seed, number, 1, epoch]).random()
                keys.append((np.arange(count) + offset) / count)
        return np.concatenate(places)[np.argsort(np.concatenate(keys), kind="stable")]

    def _dealt(self, number: int, size: int, first: int, count: int) -> Indices:
        """`count` cards from card `first` of a group's endless row of shuffled decks."""
        decks = range(first // size, (first + count - 1) // size + 1)
        row = [np.random.default_rng([self.seed, number, 0, deck]).permutation(size) for deck in decks]
        start = first - decks[0] * size
        return np.concatenate(row)[start : start + count]


def mixture_of(pack: Pack, rows: Indices, weights: Sequence[float], seed: int) -> Mixture | None:
    """The mixture of these rows, a weight for each pack as it was named; None without weights."""
    if not weights:
        return None
    if len(weights) != len(pack.given):
        raise InputError(f"{len(weights)} weights", f"{len(pack.given)}, one for each pack of --data")
    groups = pack.given_of(rows)
    empty = sorted(set(range(len(weights))) - set(groups.tolist()))
    if empty:
        raise InputError("no clip to learn from", "clips of every weighted pack", file=pack.given[empty[0]])
    return Mixture(groups, weights, seed)
