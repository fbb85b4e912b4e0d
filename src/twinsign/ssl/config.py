"""The objective of pre-training: heads, banks, temperatures and weights."""

from __future__ import annotations

from dataclasses import dataclass, field

from twinsign.errors import InputError
from twinsign.nn.config import PARTS
from twinsign.views.config import BRANCHES

FUSED = "fused"
"""The head on f_hand + f_trunk (released)."""


@dataclass(frozen=True)
class ObjectiveConfig:
    """Heads, banks, temperatures and weights of the objective; the defaults are the paper's (Sec. IV-A).

    Examples:
        >>> import twinsign as ts
        >>> ts.ssl.ObjectiveConfig(weights={"joint": 0.7, "motion": 0.3}, transfer=False).bank_size
        16384
    """

    branches: tuple[str, ...] = ("joint", "motion")
    """Modalities; one alone drops the transfer (Table VII)."""
    heads: tuple[str, ...] = ("hand", "trunk")
    """InfoNCE terms, each with its own projection head and bank (Eq. 2); `fused` is f_hand + f_trunk (released)."""
    hidden: int = 512
    """Hidden width of the projection heads."""
    width: int = 128
    """Embedding width D (Sec. III-E)."""
    bank_size: int = 16384
    """Slots K of each memory bank."""
    head_bank_sizes: dict[str, int] = field(default_factory=dict)
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
        for name, (chosen, allowed) in choices.items():
            if not chosen or len({*chosen}) < len(chosen) or not {*chosen} <= {*allowed}:
                raise InputError(f"objective.{name} {', '.join(chosen)}", f"one or more of {', '.join(allowed)}")
        if self.consistency and not {*PARTS} <= {*self.heads}:
            raise InputError(f"objective.heads {', '.join(self.heads)}", "hand and trunk, or consistency: false")
        if not {*self.branches} <= {*self.weights}:
            raise InputError(f"objective.weights of {', '.join(self.weights)}", f"of {', '.join(self.branches)}")
