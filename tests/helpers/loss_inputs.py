"""Random features, banks and masks for the loss tests, and each loss as one call on the package or on the oracles."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple, Self

import numpy as np
import torch
from hypothesis import strategies as st
from numpy.typing import NDArray

VECTORS = ("query_a", "query_b", "key_a", "key_b")
BANKS = ("bank_a", "bank_b")


class Case(NamedTuple):
    """One batch: vectors (B D), banks (K D), valid (K), has (B); a and b are parts or branches."""

    query_a: Any
    query_b: Any
    key_a: Any
    key_b: Any
    bank_a: Any
    bank_b: Any
    valid: Any
    has: Any
    teacher: float = 0.05
    student: float = 0.1
    k: int = 5

    def tensors(self, dtype: torch.dtype = torch.float64, *, grad: bool = False) -> Self:
        """The same batch as fresh tensors; grad: every vector and bank is a leaf that records its gradient."""
        floats: dict[str, Any] = {
            name: torch.tensor(getattr(self, name), dtype=dtype, requires_grad=grad) for name in (*VECTORS, *BANKS)
        }
        return self._replace(**floats, valid=torch.tensor(self.valid), has=torch.tensor(self.has))


def _consistency(module: Any, c: Case, **options: Any) -> Any:
    keys, queries = {"key_hand": c.key_a, "key_trunk": c.key_b}, {"query_hand": c.query_a, "query_trunk": c.query_b}
    banks = {"bank_hand": c.bank_a, "bank_trunk": c.bank_b}
    return module.consistency(**keys, **queries, **banks, valid=c.valid, has=c.has, **options)


def _transfer(call: Callable[..., Any], c: Case, **vectors: Any) -> Any:
    options = {"k": c.k, "teacher_temperature": c.teacher, "student_temperature": c.student}
    return call(**vectors, valid=c.valid, has=c.has, **options)


CALLS: dict[str, Callable[[Any, Case], Any]] = {
    "info_nce": lambda module, c: module.info_nce(
        c.query_a, c.key_a, c.bank_a, valid=c.valid, has=c.has, temperature=c.student
    ),
    "consistency": lambda module, c: _consistency(module, c, temperature=c.student),
    "consistency_top": lambda module, c: _consistency(
        module, c, temperature=c.teacher, temperature_query=c.student, top=c.k
    ),
    "transfer": lambda module, c: _transfer(
        module.transfer, c, key_a=c.key_a, query_b=c.query_b, anchors_a=c.bank_a, anchors_b=c.bank_b
    ),
    "transfer_both": lambda module, c: _transfer(
        module.transfer_both,
        c,
        key_joint=c.key_a,
        query_joint=c.query_a,
        key_motion=c.key_b,
        query_motion=c.query_b,
        anchors_joint=c.bank_a,
        anchors_motion=c.bank_b,
    ),
}


def unit(rng: np.random.Generator, *shape: int) -> NDArray[np.float64]:
    """Rows of length 1, their directions even on the sphere."""
    rows = rng.normal(size=shape)
    return np.asarray(rows / np.linalg.norm(rows, axis=-1, keepdims=True))


def case(seed: int, batch: int, slots: int, dims: int, **changes: Any) -> Case:
    """A random batch; every clip counts and every slot is valid unless changes say otherwise."""
    rng = np.random.default_rng(seed)
    floats: dict[str, Any] = {name: unit(rng, batch, dims) for name in VECTORS}
    floats |= {name: unit(rng, slots, dims) for name in BANKS}
    return Case(**floats, valid=np.ones(slots, dtype=bool), has=np.ones(batch, dtype=bool))._replace(**changes)


@st.composite
def cases(draw: st.DrawFn) -> Case:
    """Any batch of up to 4 clips and 12 slots, any masks; at least 2 dimensions, since in 1 all similarities tie."""
    batch, slots = draw(st.integers(1, 4)), draw(st.integers(1, 12))
    return case(
        draw(st.integers(0, 2**32 - 1)),
        batch,
        slots,
        draw(st.integers(2, 6)),
        valid=np.array(draw(st.lists(st.booleans(), min_size=slots, max_size=slots))),
        has=np.array(draw(st.lists(st.booleans(), min_size=batch, max_size=batch))),
        teacher=draw(st.floats(0.02, 2.0)),
        student=draw(st.floats(0.02, 2.0)),
        k=draw(st.integers(1, 15)),
    )
