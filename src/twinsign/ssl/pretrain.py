"""The pre-training model: two branches, their losses, and the weighted total (paper, Sec. III-D)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple, cast

import torch
from torch import Tensor, nn

from twinsign import distributed
from twinsign.errors import InputError
from twinsign.nn.encoder import PARTS, EncoderConfig
from twinsign.ssl import losses
from twinsign.ssl.contrast import FUSED, Branch, Embeddings, MomentumPair
from twinsign.views.clips import BRANCHES, View


@dataclass(frozen=True)
class ObjectiveConfig:
    """Heads, banks, temperatures and weights of the objective; the defaults are the paper's (Sec. IV-A)."""

    branches: tuple[str, ...] = ("joint", "motion")
    """Modalities; one alone drops the transfer (Table VII)."""
    heads: tuple[str, ...] = ("hand", "trunk")
    """InfoNCE terms, each with its own projection head and bank (Eq. 2); `fused` is f_hand + f_trunk (released)."""
    hidden: int = 512
    """Hidden width of the projection heads."""
    width: int = 128
    """Embedding width D (Sec. III-E)."""
    bank: int = 16384
    """Slots K of each bank."""
    head_banks: dict[str, int] = field(default_factory=dict)
    """Slots of single heads' banks where they differ (released: hand and trunk 8192)."""
    momentum: float = 0.99
    """Key momentum m."""
    temperature: float = 0.07
    """tau of Eq. 2."""
    consistency: bool = True
    """Whether Eq. 3 takes part (Table IX)."""
    consistency_temperature: float = 0.1
    """tau_c of Eq. 3 on the key's side."""
    consistency_query_temperature: float | None = None
    """tau_c of Eq. 3 on the query's side; None: the same (released: 0.1 beside 0.05)."""
    consistency_top: int | None = None
    """Nearest slots that Eq. 3 looks at; None: all (released: 1024)."""
    transfer: bool = True
    """Whether Eq. 7 takes part (Tables VIII, IX)."""
    anchors: tuple[str, ...] = ("hand", "trunk")
    """Heads whose embeddings and banks are summed in Eq. 4 (released: fused)."""
    neighbours: int = 8192
    """k of Eq. 5."""
    teacher_temperature: float = 0.05
    """tau_t of Eq. 6."""
    student_temperature: float = 0.1
    """tau_s of Eq. 6."""
    weights: dict[str, float] = field(default_factory=lambda: {"joint": 0.5, "motion": 0.5})
    """lambda_1 and lambda_2 of Eq. 8 (Table XI)."""

    def __post_init__(self) -> None:
        choices = {"branches": (self.branches, BRANCHES), "heads": (self.heads, (*PARTS, FUSED))}
        if self.transfer and len(self.branches) > 1:
            choices["anchors"] = self.anchors, self.heads
        for name, (chosen, known) in choices.items():
            if not chosen or len({*chosen}) < len(chosen) or not {*chosen} <= {*known}:
                raise InputError(f"objective.{name} {', '.join(chosen)}", f"one or more of {', '.join(known)}")
        if self.consistency and not {*PARTS} <= {*self.heads}:
            raise InputError(f"objective.heads {', '.join(self.heads)}", "hand and trunk, or consistency: false")
        if not {*self.branches} <= {*self.weights}:
            raise InputError(f"objective.weights of {', '.join(self.weights)}", f"of {', '.join(self.branches)}")


class Outcome(NamedTuple):
    """A step's loss, its terms by name (detached), the batch's keys for the banks, and the queries.

    Of several processes each has its own loss and terms; their mean over the processes is that of the whole batch.
    """

    loss: Tensor
    terms: dict[str, Tensor]
    keys: dict[str, Embeddings]
    queries: dict[str, Embeddings]


class Shown(NamedTuple):
    """Which clips (B) a term averages over, and by what it divides their sum."""

    has: Tensor
    clips: Tensor


class Pretrainer(MomentumPair):
    """The paper's self-supervised model; usable without any trainer."""

    def __init__(self, encoder: EncoderConfig, objective: ObjectiveConfig) -> None:
        branches = {
            name: Branch(encoder, objective.heads, objective.hidden, objective.width) for name in objective.branches
        }
        super().__init__(branches, objective.bank, objective.width, objective.momentum, objective.head_banks)
        self.objective = objective

    def forward(self, query_view: View, key_view: View) -> Outcome:
        """Two views (B T 49 2), (B T 49) of the same clips to the loss; banks and keys are left as they are."""
        keys, queries = self.embed_keys(key_view), self.embed_queries(query_view)
        shown = self._shown(queries, keys)
        with torch.autocast(query_view.xy.device.type, enabled=False):
            contrast = {name: self._contrast(name, queries[name], keys[name], shown) for name in queries}
            agree = {name: self._agreement(name, queries[name], keys[name], shown) for name in queries}
            knowledge = self._knowledge(queries, keys, shown)
            loss = losses.total(contrast, agree, knowledge, self.objective.weights)
        terms = {"transfer": knowledge.detach()}
        for name in queries:
            terms[f"contrast_{name}"], terms[f"consistency_{name}"] = contrast[name].detach(), agree[name].detach()
        return Outcome(loss, terms, keys, queries)

    def query_weights(self) -> nn.Module:
        """What later stages need: `encoders` and `heads` of the query branches, by branch (paper, Sec. III-E)."""
        heads = nn.ModuleDict({name: cast(Branch, branch).heads for name, branch in self.query.items()})
        return nn.ModuleDict({"encoders": self.query_encoders(), "heads": heads})

    @torch.no_grad()
    def contrast_accuracy(self, out: Outcome) -> Tensor:
        """Share of (clip, branch, head) whose own key is nearer to the query than any key in the bank (ours)."""
        right, count = [], []
        for name, query in out.queries.items():
            for head, bank in self.banks_of(name).items():
                key, has = out.keys[name].z[head], query.has[head] & out.keys[name].has[head]
                rival = losses.similarity_logits(query.z[head], bank.slots, bank.valid, 1.0).amax(dim=1)
                right.append((((query.z[head] * key).sum(dim=1) > rival) & has).sum())
                count.append(has.sum())
        sums = distributed.summed(torch.stack([torch.stack(right).sum(), torch.stack(count).sum()]))
        return sums[0] / sums[1].clamp(min=1)

    def _shown(self, queries: Mapping[str, Embeddings], keys: Mapping[str, Embeddings]) -> dict[str, Shown]:
        """Which clips each term averages over; of several processes the count is all clips' a process (ours)."""
        has = {name: {head: one.has[head] & keys[name].has[head] for head in one.has} for name, one in queries.items()}
        masks = {f"{name}.{head}": mask for name, one in has.items() for head, mask in one.items()}
        if self.objective.consistency:
            masks |= {name: one["hand"] & one["trunk"] for name, one in has.items()}
        if self.objective.transfer and len(queries) > 1:
            tables = [[one.has[head] for head in self.objective.anchors] for one in (*queries.values(), *keys.values())]
            masks["transfer"] = torch.stack([torch.stack(row).any(dim=0) for row in tables]).all(dim=0)
        counts = (
            distributed.summed(torch.stack([mask.sum() for mask in masks.values()])).clamp(min=1) / distributed.size()
        )
        return {name: Shown(mask, count) for (name, mask), count in zip(masks.items(), counts, strict=True)}

    def _contrast(self, name: str, query: Embeddings, key: Embeddings, shown: Mapping[str, Shown]) -> Tensor:
        terms = []
        for head, bank in self.banks_of(name).items():
            mine, temperature = shown[f"{name}.{head}"], self.objective.temperature
            rest = (bank.slots, bank.valid, mine.has, temperature, mine.clips)
            terms.append(losses.info_nce(query.z[head], key.z[head], *rest))
        return torch.stack(terms).sum()

    def _agreement(self, name: str, query: Embeddings, key: Embeddings, shown: Mapping[str, Shown]) -> Tensor:
        if not self.objective.consistency:
            return torch.zeros((), device=self.cursor.device)
        banks = self.banks_of(name)
        hand, trunk = banks["hand"], banks["trunk"]
        return losses.consistency(
            key.z["hand"],
            key.z["trunk"],
            query.z["hand"],
            query.z["trunk"],
            hand.slots,
            trunk.slots,
            hand.valid & trunk.valid,
            shown[name].has,
            self.objective.consistency_temperature,
            self.objective.consistency_query_temperature,
            self.objective.consistency_top,
            shown[name].clips,
        )

    def _knowledge(
        self, queries: Mapping[str, Embeddings], keys: Mapping[str, Embeddings], shown: Mapping[str, Shown]
    ) -> Tensor:
        if "transfer" not in shown:
            return torch.zeros((), device=self.cursor.device)
        heads = self.objective.anchors

        def whole(embeddings: Embeddings) -> Tensor:
            return torch.stack([embeddings.z[head] for head in heads]).sum(dim=0)

        banks = {name: [self.banks_of(name)[head] for head in heads] for name in queries}
        valid = [torch.stack([bank.valid for bank in row]).any(dim=0) for row in banks.values()]
        return losses.transfer_both(
            whole(keys["joint"]),
            whole(queries["joint"]),
            whole(keys["motion"]),
            whole(queries["motion"]),
            losses.anchors([bank.slots for bank in banks["joint"]]),
            losses.anchors([bank.slots for bank in banks["motion"]]),
            torch.stack(valid).all(dim=0),
            shown["transfer"].has,
            self.objective.neighbours,
            self.objective.teacher_temperature,
            self.objective.student_temperature,
            shown["transfer"].clips,
        )
