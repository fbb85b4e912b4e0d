"""The pre-training model: two branches, their losses, and the weighted total (paper, Sec. III-D)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple, cast

import torch
from torch import Tensor, nn

from twinsign import distributed
from twinsign.nn.config import EncoderConfig
from twinsign.ssl import losses
from twinsign.ssl.config import ObjectiveConfig
from twinsign.ssl.contrast import Branch, Embeddings, MomentumPair
from twinsign.views.clips import View


class PretrainOutput(NamedTuple):
    """A step's loss, its terms by name (detached), the batch's keys for the banks, and the queries.

    Of several processes each has its own loss and terms; their mean over the processes is that of the whole batch.
    """

    loss: Tensor
    terms: dict[str, Tensor]
    keys: dict[str, Embeddings]
    queries: dict[str, Embeddings]


class TermMask(NamedTuple):
    """Which clips (B) a term averages over, and by what it divides their sum."""

    has: Tensor
    clips: Tensor


class Pretrainer(MomentumPair):
    """The paper's self-supervised model; usable without any trainer."""

    def __init__(self, encoder: EncoderConfig, objective: ObjectiveConfig) -> None:
        branches = {
            name: Branch(encoder, objective.heads, objective.hidden, objective.width) for name in objective.branches
        }
        super().__init__(branches, objective.bank_size, objective.width, objective.momentum, objective.head_bank_sizes)
        self.objective = objective

    def forward(self, query_view: View, key_view: View) -> PretrainOutput:
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
        return PretrainOutput(loss, terms, keys, queries)

    def query_weights(self) -> nn.Module:
        """What later stages need: `encoders` and `heads` of the query branches, by branch (paper, Sec. III-E)."""
        heads = nn.ModuleDict({name: cast(Branch, branch).heads for name, branch in self.query.items()})
        return nn.ModuleDict({"encoders": self.query_encoders(), "heads": heads})

    @torch.no_grad()
    def contrast_accuracy(self, out: PretrainOutput) -> Tensor:
        """Share of (clip, branch, head) whose own key is nearer to the query than any key in the bank."""
        right, count = [], []
        for name, query in out.queries.items():
            for head, bank in self.banks_of(name).items():
                key, has = out.keys[name].z[head], query.has[head] & out.keys[name].has[head]
                rival = losses.similarity_logits(query.z[head], bank.slots, bank.valid, 1.0).amax(dim=1)
                right.append((((query.z[head] * key).sum(dim=1) > rival) & has).sum())
                count.append(has.sum())
        sums = distributed.all_reduce_sum(torch.stack([torch.stack(right).sum(), torch.stack(count).sum()]))
        return sums[0] / sums[1].clamp(min=1)

    def _shown(self, queries: Mapping[str, Embeddings], keys: Mapping[str, Embeddings]) -> dict[str, TermMask]:
        """Which clips each term averages over; of several processes the count is all clips' a process."""
        has = {name: {head: one.has[head] & keys[name].has[head] for head in one.has} for name, one in queries.items()}
        masks = {f"{name}.{head}": mask for name, one in has.items() for head, mask in one.items()}
        if self.objective.consistency:
            masks |= {name: one["hand"] & one["trunk"] for name, one in has.items()}
        if self.objective.transfer and len(queries) > 1:
            tables = [[one.has[head] for head in self.objective.anchors] for one in (*queries.values(), *keys.values())]
            masks["transfer"] = torch.stack([torch.stack(row).any(dim=0) for row in tables]).all(dim=0)
        counts = (
            distributed.all_reduce_sum(torch.stack([mask.sum() for mask in masks.values()])).clamp(min=1)
            / distributed.world_size()
        )
        return {name: TermMask(mask, count) for (name, mask), count in zip(masks.items(), counts, strict=True)}

    def _contrast(self, name: str, query: Embeddings, key: Embeddings, shown: Mapping[str, TermMask]) -> Tensor:
        terms = []
        for head, bank in self.banks_of(name).items():
            mine, temperature = shown[f"{name}.{head}"], self.objective.temperature
            rest = (bank.slots, bank.valid, mine.has, temperature, mine.clips)
            terms.append(losses.info_nce(query.z[head], key.z[head], *rest))
        return torch.stack(terms).sum()

    def _agreement(self, name: str, query: Embeddings, key: Embeddings, shown: Mapping[str, TermMask]) -> Tensor:
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
        self, queries: Mapping[str, Embeddings], keys: Mapping[str, Embeddings], shown: Mapping[str, TermMask]
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
