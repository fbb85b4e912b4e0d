"""The paper's losses as pure functions; banks, masks and temperatures are arguments.

Axes: B clips, D embedding width, K bank slots, k neighbours. Embeddings and valid bank rows are l2-normalised. `valid`
(K) says which slots hold a past key (None: all); `has` (B) which clips show the part at all (None: all): the others add
nothing. Every loss is the mean over the clips that count, and 0 where none does; `count` replaces their number where
these clips are a share of a larger batch. No gradient reaches a key or a bank.

Examples:
    >>> import torch
    >>> import twinsign as ts
    >>> unit = torch.nn.functional.normalize(torch.rand(4, 128), dim=1)
    >>> ts.ssl.losses.info_nce(unit, unit, torch.zeros(0, 128), temperature=0.07).item()  # no negatives
    0.0
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

EMPTY_LOGIT = -1e4
"""Stands for minus infinity where a slot is empty: exp(EMPTY_LOGIT) is exactly 0, yet 0 * EMPTY_LOGIT is 0, not NaN."""


def info_nce(
    query: Tensor,
    key: Tensor,
    bank: Tensor,
    *,
    temperature: float,
    valid: Tensor | None = None,
    has: Tensor | None = None,
    count: Tensor | None = None,
) -> Tensor:
    """Eq. 2, one part: tell a clip's own key (B D) from the bank's negatives (K D) by its query (B D)."""
    positive = (query * key.detach()).sum(dim=1, keepdim=True) / temperature
    negatives = similarity_logits(query, bank, valid, temperature)
    return _mean_of(torch.logsumexp(torch.cat([positive, negatives], dim=1), dim=1) - positive[:, 0], has, count)


def consistency(
    *,
    key_hand: Tensor,
    key_trunk: Tensor,
    query_hand: Tensor,
    query_trunk: Tensor,
    bank_hand: Tensor,
    bank_trunk: Tensor,
    temperature: float,
    temperature_query: float | None = None,
    top: int | None = None,
    valid: Tensor | None = None,
    has: Tensor | None = None,
    count: Tensor | None = None,
) -> Tensor:
    """Eq. 3: KL(P(key of a part) || P(query of the other part)), both ways; P is over past samples, by bank similarity.

    `temperature_query` (None: the same) sharpens the query's side alone; `top` keeps the teacher's nearest slots only.
    """
    student_temperature = temperature if temperature_query is None else temperature_query
    teacher_hand = similarity_logits(key_hand.detach(), bank_hand, valid, temperature)
    teacher_trunk = similarity_logits(key_trunk.detach(), bank_trunk, valid, temperature)
    student_hand = similarity_logits(query_hand, bank_hand, valid, student_temperature)
    student_trunk = similarity_logits(query_trunk, bank_trunk, valid, student_temperature)
    to_trunk = _kl(*_at_nearest(teacher_hand, student_trunk, top))
    to_hand = _kl(*_at_nearest(teacher_trunk, student_hand, top))
    return _mean_of(to_trunk + to_hand, has, count)


def anchors(banks: Sequence[Tensor]) -> Tensor:
    """Eq. 4: a branch's anchors (K D), slot by slot the sum of its parts' past keys (absent parts hold 0)."""
    return torch.stack(list(banks)).sum(dim=0)


def neighbourhood(z: Tensor, anchors: Tensor, temperature: float, index: Tensor, valid: Tensor | None = None) -> Tensor:
    """Eq. 5: log p (B k) of z (B D) over its chosen anchors, index (B k) into anchors (K D)."""
    return similarity_logits(z, anchors, valid, temperature).gather(1, index).log_softmax(dim=1)


def transfer(
    *,
    key_a: Tensor,
    query_b: Tensor,
    anchors_a: Tensor,
    anchors_b: Tensor,
    k: int,
    teacher_temperature: float,
    student_temperature: float,
    valid: Tensor | None = None,
    has: Tensor | None = None,
    count: Tensor | None = None,
) -> Tensor:
    """Eq. 6: branch B's query learns how branch A's key sees its k nearest anchors (all valid ones where fewer)."""
    near = similarity_logits(key_a, anchors_a, valid, 1.0).topk(min(k, len(anchors_a)), dim=1, sorted=False).indices
    teacher = neighbourhood(key_a.detach(), anchors_a, teacher_temperature, near, valid)
    student = neighbourhood(query_b, anchors_b, student_temperature, near, valid)
    return _mean_of(_kl(teacher, student), has, count)


def transfer_both(
    *,
    key_joint: Tensor,
    query_joint: Tensor,
    key_motion: Tensor,
    query_motion: Tensor,
    anchors_joint: Tensor,
    anchors_motion: Tensor,
    **options: Any,
) -> Tensor:
    """Eq. 7: knowledge from joint to motion and from motion to joint; `options` are those of `transfer`."""
    joint, motion = (key_joint, query_joint, anchors_joint), (key_motion, query_motion, anchors_motion)
    directions = [
        transfer(key_a=a[0], query_b=b[1], anchors_a=a[2], anchors_b=b[2], **options)
        for a, b in ((joint, motion), (motion, joint))
    ]
    return directions[0] + directions[1]


def total(
    contrast: Mapping[str, Tensor], agree: Mapping[str, Tensor], knowledge: Tensor, weights: Mapping[str, float]
) -> Tensor:
    """Eq. 8: the branches' contrast and agreement, weighted, plus the knowledge transferred between them."""
    branches = [weights[branch] * (contrast[branch] + agree[branch]) for branch in contrast]
    return torch.stack(branches).sum() + knowledge


def similarity_logits(z: Tensor, bank: Tensor, valid: Tensor | None, temperature: float) -> Tensor:
    """Similarities of z (B D) to a bank (K D) over the temperature, empty slots at EMPTY_LOGIT: (B K)."""
    if valid is None:
        return z @ bank.detach().T / temperature
    filled = torch.where(valid[:, None], bank.detach(), 0.0)
    return (z @ filled.T / temperature).masked_fill(~valid, EMPTY_LOGIT)


def _at_nearest(teacher: Tensor, student: Tensor, top: int | None) -> tuple[Tensor, Tensor]:
    """Log-probabilities (B top) of both logits (B K) over the teacher's `top` largest, or over all where None."""
    if top is not None and top < teacher.shape[1]:
        index = teacher.topk(top, dim=1, sorted=False).indices
        teacher, student = teacher.gather(1, index), student.gather(1, index)
    return teacher.log_softmax(dim=1), student.log_softmax(dim=1)


def _kl(log_p: Tensor, log_q: Tensor) -> Tensor:
    """KL(P || Q) a row, from log-probabilities (B k)."""
    return (log_p.exp() * (log_p - log_q)).sum(dim=1)


def _mean_of(values: Tensor, has: Tensor | None, count: Tensor | None) -> Tensor:
    has = torch.ones_like(values, dtype=torch.bool) if has is None else has
    return torch.where(has, values, 0.0).sum() / (has.sum().clamp(min=1) if count is None else count)
