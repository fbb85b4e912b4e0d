"""Eq. 1-8 as slow loops over float64 numbers: what the package's tensor code has to agree with.

Written from the method's formulas alone. Every sum is a for-loop, every softmax a ratio of exponentials, nothing is
stabilised: right by inspection, usable only for small sizes and temperatures of 0.01 or more. Functions share their
names and arguments with the package's, so that one call can be made on either.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]


def dot(one: Floats, other: Floats) -> float:
    """Inner product of two vectors (D)."""
    total = 0.0
    for left, right in zip(one, other, strict=True):
        total += float(left) * float(right)
    return total


def softmax(similarities: Sequence[float], temperature: float) -> list[float]:
    """exp(s_i / temperature) / sum over l of exp(s_l / temperature)."""
    total = 0.0
    for similarity in similarities:
        total += math.exp(similarity / temperature)
    return [math.exp(similarity / temperature) / total for similarity in similarities]


def kl(teacher: Sequence[float], student: Sequence[float]) -> float:
    """KL(teacher || student) = sum of P log(P / Q)."""
    total = 0.0
    for p, q in zip(teacher, student, strict=True):
        if p > 0.0:
            total += p * (math.log(p) - math.log(q))
    return total


def mean(terms: Sequence[float]) -> float:
    """Mean of the terms, 0 where there is none."""
    total = 0.0
    for term in terms:
        total += term
    return total / len(terms) if terms else 0.0


def nearest(z: Floats, rows: Floats, valid: Bools, k: int | None) -> list[int]:
    """Numbers of the k valid rows most similar to z, nearest first; all valid ones where fewer, or where k is None."""
    numbers = [i for i in range(len(rows)) if valid[i]]
    numbers.sort(key=lambda i: -dot(z, rows[i]))
    return numbers if k is None else numbers[:k]


def motion(xy: Floats, seen: Bools) -> tuple[Floats, Bools]:
    """Eq. 1: differences of following frames, (B T V 2) and (B T V); zero motion at the last frame."""
    clips, frames, joints, _ = xy.shape
    out, known = np.zeros(xy.shape), np.zeros(seen.shape, dtype=bool)
    for b in range(clips):
        for v in range(joints):
            known[b, frames - 1, v] = seen[b, frames - 1, v]
            for t in range(frames - 1):
                if seen[b, t, v] and seen[b, t + 1, v]:
                    known[b, t, v] = True
                    for axis in range(2):
                        out[b, t, v, axis] = float(xy[b, t + 1, v, axis]) - float(xy[b, t, v, axis])
    return out, known


def info_nce(query: Floats, key: Floats, bank: Floats, *, valid: Bools, has: Bools, temperature: float) -> float:
    """Eq. 2, one part: the positive against itself and the bank's valid negatives."""
    terms = []
    for b in range(len(query)):
        if not has[b]:
            continue
        positive = math.exp(dot(query[b], key[b]) / temperature)
        negatives = 0.0
        for i in range(len(bank)):
            if valid[i]:
                negatives += math.exp(dot(query[b], bank[i]) / temperature)
        terms.append(-math.log(positive / (positive + negatives)))
    return mean(terms)


def _agreement(
    teacher: Floats, teacher_rows: Floats, student: Floats, student_rows: Floats, chosen: list[int],
    teacher_temperature: float, student_temperature: float,
) -> float:  # fmt: skip
    p = softmax([dot(teacher, teacher_rows[i]) for i in chosen], teacher_temperature)
    q = softmax([dot(student, student_rows[i]) for i in chosen], student_temperature)
    return kl(p, q)


def consistency(
    *, key_hand: Floats, key_trunk: Floats, query_hand: Floats, query_trunk: Floats, bank_hand: Floats,
    bank_trunk: Floats, valid: Bools, has: Bools, temperature: float, temperature_query: float | None = None,
    top: int | None = None,
) -> float:  # fmt: skip
    """Eq. 3: each part's key teaches the other part's query its similarities to the past samples."""
    student = temperature if temperature_query is None else temperature_query
    terms = []
    for b in range(len(key_hand)):
        if has[b]:
            near_hand = nearest(key_hand[b], bank_hand, valid, top)
            near_trunk = nearest(key_trunk[b], bank_trunk, valid, top)
            terms.append(
                _agreement(key_hand[b], bank_hand, query_trunk[b], bank_trunk, near_hand, temperature, student)
                + _agreement(key_trunk[b], bank_trunk, query_hand[b], bank_hand, near_trunk, temperature, student)
            )
    return mean(terms)


def anchors(banks: Sequence[Floats]) -> Floats:
    """Eq. 4: row i is the sum of every part's row i."""
    out = np.zeros(banks[0].shape)
    for bank in banks:
        for i in range(bank.shape[0]):
            for d in range(bank.shape[1]):
                out[i, d] += float(bank[i, d])
    return out


def neighbourhood(z: Floats, anchors: Floats, temperature: float, index: NDArray[np.int64]) -> Floats:
    """Eq. 5: log p over the anchors numbered by index (B k)."""
    out = np.zeros(index.shape)
    for b in range(len(z)):
        p = softmax([dot(z[b], anchors[i]) for i in index[b]], temperature)
        for j in range(len(p)):
            out[b, j] = math.log(p[j])
    return out


def transfer(
    *, key_a: Floats, query_b: Floats, anchors_a: Floats, anchors_b: Floats, valid: Bools, has: Bools, k: int,
    teacher_temperature: float, student_temperature: float,
) -> float:  # fmt: skip
    """Eq. 6: branch A's key teaches branch B's query its similarities to the k anchors nearest the key."""
    terms = []
    for b in range(len(key_a)):
        if has[b]:
            near = nearest(key_a[b], anchors_a, valid, k)
            terms.append(
                _agreement(key_a[b], anchors_a, query_b[b], anchors_b, near, teacher_temperature, student_temperature)
            )
    return mean(terms)


def transfer_both(
    *, key_joint: Floats, query_joint: Floats, key_motion: Floats, query_motion: Floats, anchors_joint: Floats,
    anchors_motion: Floats, valid: Bools, has: Bools, k: int, teacher_temperature: float, student_temperature: float,
) -> float:  # fmt: skip
    """Eq. 7: joint teaches motion, and motion teaches joint."""
    options: Any = {"valid": valid, "has": has, "k": k}
    options |= {"teacher_temperature": teacher_temperature, "student_temperature": student_temperature}
    joint, motion = anchors_joint, anchors_motion
    to_motion = transfer(key_a=key_joint, query_b=query_motion, anchors_a=joint, anchors_b=motion, **options)
    to_joint = transfer(key_a=key_motion, query_b=query_joint, anchors_a=motion, anchors_b=joint, **options)
    return to_motion + to_joint


def total(
    contrast: Mapping[str, float], agree: Mapping[str, float], knowledge: float, weights: Mapping[str, float]
) -> float:
    """Eq. 8: each branch's own losses by its weight, and the transfer between them."""
    out = knowledge
    for branch, weight in weights.items():
        out += weight * (contrast[branch] + agree[branch])
    return out
