"""The pre-training model: two branches, their losses, and the weighted total (paper, Sec. III-D)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple, cast

import torch
from torch import Tensor, nn

from twinsign import distributed
from twinsign.errors import InputError
from twinsign.nn.config import PARTS, EncoderConfig
from twinsign.nn.networks import build_encoder
from twinsign.ssl import losses
from twinsign.ssl.config import ObjectiveConfig
from twinsign.ssl.contrast import Branch, Embeddings, MomentumPair, PretrainOutput
from twinsign.views.clips import View


class TermMask(NamedTuple):
    """Which clips (B) a term averages over, and by what it divides their sum."""

    has: Tensor
    clips: Tensor


class Pretrainer(MomentumPair):
    """The paper's self-supervised model; usable without any trainer.

    Examples:
        >>> import torch
        >>> import twinsign as ts
        >>> view = ts.nn.View(torch.rand(4, 16, 49, 2), torch.ones(4, 16, 49, dtype=torch.bool))
        >>> objective = ts.ssl.ObjectiveConfig(bank_size=64, neighbours=16)
        >>> model = ts.ssl.Pretrainer(ts.load_recipe("demo").encoder, objective)
        >>> model.update(model(view, view))  # fills the banks
        >>> out = model(view, view)
        >>> sorted(out.terms)
        ['consistency_joint', 'consistency_motion', 'contrast_joint', 'contrast_motion', 'transfer']
    """

    def __init__(
        self, encoders: EncoderConfig | Mapping[str, nn.Module], objective: ObjectiveConfig | None = None
    ) -> None:
        """Take a backbone for each branch, or one config that all are built from.

        A backbone is any module that maps a view's xy (B T 49 2) and seen (B T 49) to `Features`, with an attribute
        `width`: the number of channels. Raises InputError unless there is one for each of `objective.branches`.
        """
        objective = objective or ObjectiveConfig()
        if isinstance(encoders, Mapping) and {*encoders} != {*objective.branches}:
            raise InputError(f"encoders for {', '.join(encoders)}", f"for {', '.join(objective.branches)}")
        shape = (objective.heads, objective.hidden, objective.width)
        branches = {
            name: Branch(encoders[name] if isinstance(encoders, Mapping) else build_encoder(encoders), *shape)
            for name in objective.branches
        }
        super().__init__(branches, objective.bank_size, objective.width, objective.momentum, objective.head_bank_sizes)
        self.objective = objective

    def forward(self, query_view: View, key_view: View) -> PretrainOutput:
        """Two views (B T 49 2), (B T 49) of the same clips to the loss; banks and keys are left as they are."""
        keys, queries = self.embed_keys(key_view), self.embed_queries(query_view)
        masks = self._masks(queries, keys)
        with torch.autocast(query_view.xy.device.type, enabled=False):
            contrast = {name: self._contrast(name, queries[name], keys[name], masks) for name in queries}
            consistency = {name: self._consistency(name, queries[name], keys[name], masks) for name in queries}
            transfer = self._transfer(queries, keys, masks)
            loss = losses.total(contrast, consistency, transfer, self.objective.weights)
        terms = {"transfer": transfer.detach()}
        for name in queries:
            terms[f"contrast_{name}"], terms[f"consistency_{name}"] = (
                contrast[name].detach(),
                consistency[name].detach(),
            )
        return PretrainOutput(loss, terms, keys, queries)

    def query_weights(self) -> nn.ModuleDict:
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

    def _masks(self, queries: Mapping[str, Embeddings], keys: Mapping[str, Embeddings]) -> dict[str, TermMask]:
        """Which clips each term averages over; in distributed training the count is that of all clips a process."""
        has = {
            name: {head: query.has[head] & keys[name].has[head] for head in query.has}
            for name, query in queries.items()
        }
        masks = {f"{name}.{head}": mask for name, heads in has.items() for head, mask in heads.items()}
        if self.objective.consistency:
            masks |= {name: heads["hand"] & heads["trunk"] for name, heads in has.items()}
        if self.objective.transfer and len(queries) > 1:
            shown = [
                torch.stack([embeddings.has[head] for head in self.objective.anchors]).any(dim=0)
                for embeddings in (*queries.values(), *keys.values())
            ]
            masks["transfer"] = torch.stack(shown).all(dim=0)
        sums = distributed.all_reduce_sum(torch.stack([mask.sum() for mask in masks.values()])).clamp(min=1)
        counts = sums / distributed.world_size()
        return {name: TermMask(mask, count) for (name, mask), count in zip(masks.items(), counts, strict=True)}

    def _contrast(self, name: str, query: Embeddings, key: Embeddings, masks: Mapping[str, TermMask]) -> Tensor:
        terms = [
            losses.info_nce(
                query.z[head],
                key.z[head],
                bank.slots,
                temperature=self.objective.temperature,
                valid=bank.valid,
                has=masks[f"{name}.{head}"].has,
                count=masks[f"{name}.{head}"].clips,
            )
            for head, bank in self.banks_of(name).items()
        ]
        return torch.stack(terms).sum()

    def _consistency(self, name: str, query: Embeddings, key: Embeddings, masks: Mapping[str, TermMask]) -> Tensor:
        if not self.objective.consistency:
            return torch.zeros((), device=self.cursor.device)
        hand, trunk = (self.banks_of(name)[part] for part in PARTS)
        return losses.consistency(
            key_hand=key.z["hand"],
            key_trunk=key.z["trunk"],
            query_hand=query.z["hand"],
            query_trunk=query.z["trunk"],
            bank_hand=hand.slots,
            bank_trunk=trunk.slots,
            temperature=self.objective.consistency_temperature,
            temperature_query=self.objective.consistency_query_temperature,
            top=self.objective.consistency_top,
            valid=hand.valid & trunk.valid,
            has=masks[name].has,
            count=masks[name].clips,
        )

    def _transfer(
        self, queries: Mapping[str, Embeddings], keys: Mapping[str, Embeddings], masks: Mapping[str, TermMask]
    ) -> Tensor:
        if "transfer" not in masks:
            return torch.zeros((), device=self.cursor.device)
        heads = self.objective.anchors

        def summed(embeddings: Embeddings) -> Tensor:
            return torch.stack([embeddings.z[head] for head in heads]).sum(dim=0)

        banks = {name: [self.banks_of(name)[head] for head in heads] for name in queries}
        valid = [torch.stack([bank.valid for bank in row]).any(dim=0) for row in banks.values()]
        return losses.transfer_both(
            key_joint=summed(keys["joint"]),
            query_joint=summed(queries["joint"]),
            key_motion=summed(keys["motion"]),
            query_motion=summed(queries["motion"]),
            anchors_joint=losses.anchors([bank.slots for bank in banks["joint"]]),
            anchors_motion=losses.anchors([bank.slots for bank in banks["motion"]]),
            k=self.objective.neighbours,
            teacher_temperature=self.objective.teacher_temperature,
            student_temperature=self.objective.student_temperature,
            valid=torch.stack(valid).all(dim=0),
            has=masks["transfer"].has,
            count=masks["transfer"].clips,
        )
