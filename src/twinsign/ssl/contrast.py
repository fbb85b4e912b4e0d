"""Momentum contrast over two modalities: branches, their momentum copies, banks of past keys (Sec. III-A, III-B).

A training loop is three lines, without files, loggers or a trainer:
    out = model(query_view, key_view)
    out.loss.backward(); optimiser.step(); optimiser.zero_grad()
    model.update(out)
"""

from __future__ import annotations

import copy
import math
from collections.abc import Mapping
from typing import NamedTuple, cast

import torch
from torch import Tensor, nn

from twinsign import distributed
from twinsign.nn.config import PARTS
from twinsign.nn.heads import Projector
from twinsign.nn.networks import check_features, feature_width
from twinsign.ssl.config import FUSED
from twinsign.views.clips import View, modality


class Embeddings(NamedTuple):
    """A branch's unit embeddings z by head (B D), 0 where absent, and whether the clip shows the part (B)."""

    z: dict[str, Tensor]
    has: dict[str, Tensor]


class Branch(nn.Module):
    """One modality's encoder with a projection head for each of `heads` (paper, Sec. III-E).

    The encoder is any module that maps a view's xy (B T 49 2) and seen (B T 49) to `Features` of `width` channels.
    """

    def __init__(self, encoder: nn.Module, heads: tuple[str, ...], hidden: int, width: int) -> None:
        super().__init__()
        self.encoder = encoder
        self.heads = nn.ModuleDict({head: Projector(feature_width(encoder), hidden, width) for head in heads})

    def forward(self, view: View) -> Embeddings:
        """A view of the branch's own modality to its embeddings."""
        features = self.encoder(*view)
        check_features(features, self.encoder)
        z, has = {}, {}
        for head, projector in self.heads.items():
            has[head] = features.has[PARTS[0]] | features.has[PARTS[1]] if head == FUSED else features.has[head]
            feature = features.whole() if head == FUSED else features.f[head]
            z[head] = torch.where(has[head][:, None], projector(feature), 0.0)
        return Embeddings(z, has)


class PretrainOutput(NamedTuple):
    """A step's loss, its terms by name (detached), the batch's keys for the banks, and the queries.

    In distributed training each process has its own loss and terms; their mean over the processes is that of the whole
    batch, which has `total` clips (None: as many on each process as on this one).

    Examples:
        >>> import torch
        >>> import twinsign as ts
        >>> view = ts.nn.View(torch.rand(4, 16, 49, 2), torch.ones(4, 16, 49, dtype=torch.bool))
        >>> objective = ts.ssl.ObjectiveConfig(bank_size=64, neighbours=16)
        >>> model = ts.ssl.Pretrainer(ts.load_recipe("demo").encoder, objective)
        >>> out = model(view, view)
        >>> isinstance(out, ts.ssl.PretrainOutput), out.keys["joint"].z["hand"].shape
        (True, torch.Size([4, 128]))
    """

    loss: Tensor
    terms: dict[str, Tensor]
    keys: dict[str, Embeddings]
    queries: dict[str, Embeddings]
    total: int | None = None


class MemoryBank(nn.Module):
    """A first-in-first-out queue of past keys (K D); slot i of equally large banks holds the same past clip.

    Examples:
        >>> import torch
        >>> import twinsign as ts
        >>> bank = ts.ssl.MemoryBank(size=8, width=4)
        >>> bank.write(torch.tensor([0, 1]), torch.ones(2, 4), torch.tensor([True, False]))
        >>> bank.valid.sum().item()
        1
    """

    slots: Tensor
    valid: Tensor

    def __init__(self, size: int, width: int) -> None:
        super().__init__()
        self.register_buffer("slots", torch.zeros(size, width))
        self.register_buffer("valid", torch.zeros(size, dtype=torch.bool))

    @torch.no_grad()
    def write(self, at: Tensor, keys: Tensor, has: Tensor) -> None:
        """Put keys (B D) into slots `at` (B); those without the part are no negatives and no anchors."""
        self.slots[at] = keys.to(self.slots.dtype)
        self.valid[at] = has


class MomentumPair(nn.Module):
    """Query branches, their momentum copies (keys) and a bank for each branch and head."""

    cursor: Tensor

    def __init__(
        self,
        branches: Mapping[str, Branch],
        bank_size: int,
        width: int,
        momentum: float,
        head_bank_sizes: Mapping[str, int] | None = None,
    ) -> None:
        super().__init__()
        sizes = {
            head: (head_bank_sizes or {}).get(head, bank_size) for branch in branches.values() for head in branch.heads
        }
        self.momentum, self.cursor_period = momentum, math.lcm(*sizes.values())
        self.query = nn.ModuleDict(dict(branches))
        self.key = copy.deepcopy(self.query).requires_grad_(False)
        self.banks = nn.ModuleDict(
            {
                name: nn.ModuleDict({head: MemoryBank(sizes[head], width) for head in branch.heads})
                for name, branch in branches.items()
            }
        )
        self.register_buffer("cursor", torch.zeros((), dtype=torch.long))

    def banks_of(self, branch: str) -> dict[str, MemoryBank]:
        """A branch's banks by head."""
        heads = cast(nn.ModuleDict, self.banks[branch])
        return {head: cast(MemoryBank, bank) for head, bank in heads.items()}

    def query_encoders(self) -> nn.ModuleDict:
        """The query branches' encoders by branch: what pre-training is for (paper, Sec. III-E)."""
        return nn.ModuleDict({name: cast(Branch, branch).encoder for name, branch in self.query.items()})

    def embed_queries(self, view: View) -> dict[str, Embeddings]:
        """Every branch's embeddings of the query view, with gradient."""
        return {name: branch(modality(name, view)) for name, branch in self.query.items()}

    @torch.no_grad()
    def embed_keys(self, view: View) -> dict[str, Embeddings]:
        """Every branch's embeddings of the key view, by the momentum copies, without gradient."""
        return {name: branch(modality(name, view)) for name, branch in self.key.items()}

    @torch.no_grad()
    def update_keys(self) -> None:
        """k <- m k + (1 - m) q for every parameter (paper, Sec. III-A)."""
        keys: list[Tensor] = list(self.key.parameters())
        queries: list[Tensor] = list(self.query.parameters())
        torch._foreach_lerp_(keys, queries, 1 - self.momentum)

    def update(self, *outputs: PretrainOutput) -> None:
        """Take the keys of a step's batches into the memory banks, then let the key encoders follow (Sec. III-A)."""
        for output in outputs:
            self.enqueue(output.keys, output.total)
        self.update_keys()

    @torch.no_grad()
    def enqueue(self, keys: Mapping[str, Embeddings], total: int | None = None) -> None:
        """Overwrite the oldest slots of all banks with the batch's keys; of a batch larger than the bank, the last.

        Of several processes all keys enter, in the processes' order, so that all hold the same banks (`gather_keys`).
        """
        keys = gather_keys(keys, total)
        count = len(next(iter(next(iter(keys.values())).z.values())))
        place = self.cursor + torch.arange(count, device=self.cursor.device)
        for name, embeddings in keys.items():
            for head, bank in self.banks_of(name).items():
                last = slice(max(0, count - len(bank.slots)), None)
                bank.write(place[last] % len(bank.slots), embeddings.z[head][last], embeddings.has[head][last])
        self.cursor.add_(count).remainder_(self.cursor_period)


def gather_keys(keys: Mapping[str, Embeddings], total: int | None = None) -> Mapping[str, Embeddings]:
    """The keys of all processes in their order, `total` clips in all (None: as many on each as here)."""
    if distributed.world_size() == 1:
        return keys
    places = [(name, head) for name, embeddings in keys.items() for head in embeddings.z]
    z = [keys[name].z[head] for name, head in places]
    shown = torch.stack([keys[name].has[head] for name, head in places], dim=1)
    rows = distributed.all_gather(torch.cat([*z, shown.to(z[0].dtype)], dim=1), total)  # one exchange for all banks
    widths = [embeddings.shape[1] for embeddings in z]
    gathered = {name: Embeddings({}, {}) for name in keys}
    split = rows.split([*widths, len(places)], dim=1)
    for number, (name, head) in enumerate(places):
        gathered[name].z[head], gathered[name].has[head] = split[number], split[-1][:, number] > 0
    return gathered
