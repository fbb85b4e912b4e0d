"""Configs of the networks."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Literal

from twinsign.errors import InputError

PARTS = ("hand", "trunk")
WIDEST, DEEPEST = 2**14, 2**7
"""Channels of a layer and blocks of a kind at most: a config from elsewhere is not to fill the memory."""


@dataclass(frozen=True)
class EncoderConfig:
    """Widths and depths of one branch's encoder; the defaults are the paper's size (method, Encoder).

    Examples:
        >>> import twinsign as ts
        >>> ts.nn.EncoderConfig().width, ts.nn.EncoderConfig(part_widths=(64, 128)).width
        (512, 128)
    """

    joint_widths: tuple[int, ...] = (128, 128, 256)
    """Channels of the graph blocks on joints."""
    part_widths: tuple[int, ...] = (512, 512)
    """Channels of the graph blocks on fingers, palm, arms and nose; the last is the feature width (paper: 512)."""
    temporal_blocks: int = 2
    """Blocks of temporal convolutions."""
    feed_forward: dict[str, int] = field(default_factory=lambda: {"hand": 1536, "trunk": 1024})
    """Hidden width of the Transformer's feed-forward layers, by part."""
    heads: int = 8
    """Attention heads."""
    depth: int = 3
    """Transformer blocks."""
    dropout: float = 0.1
    """In the Transformer: of attention weights and of every sub-layer's output."""
    graph_dropout: float = 0.0
    """In the graph blocks; the paper names none."""
    network: str = "gcn_transformer"
    """The paper's, `conv_gru` or `st_gcn` (supervised baselines, nn/baselines.py), or a registered backbone."""
    beside: EncoderConfig | None = None
    """Another network whose features stand beside this one's (nn/beside.py); `twinsign ensemble` makes such RUNs."""

    def __post_init__(self) -> None:
        widths = [*self.joint_widths, *self.part_widths, *self.feed_forward.values()]
        if not self.joint_widths or not self.part_widths or not all(1 <= width <= WIDEST for width in widths):
            message = f"encoder widths {self.joint_widths}, {self.part_widths}, {self.feed_forward}"
            raise InputError(message, f"one or more of each, from 1 to {WIDEST}")
        if {*self.feed_forward} != {*PARTS}:
            raise InputError(f"encoder.feed_forward of {', '.join(self.feed_forward)}", f"of {', '.join(PARTS)}")
        depths = (len(self.joint_widths), len(self.part_widths), self.temporal_blocks, self.depth)
        if not all(0 <= depth <= DEEPEST for depth in depths):
            raise InputError(f"encoder depths {depths}", f"0 to {DEEPEST} blocks of each kind")
        if self.heads < 1 or self.width % self.heads:
            raise InputError(f"encoder.heads {self.heads}", f"a divisor of the width {self.width}")
        if not all(0 <= share < 1 for share in (self.dropout, self.graph_dropout)):
            raise InputError(f"dropout {self.dropout}, graph_dropout {self.graph_dropout}", "shares in [0, 1)")

    @property
    def width(self) -> int:
        """Width of f_hand and f_trunk."""
        return self.part_widths[-1]


def each_network(config: EncoderConfig) -> list[EncoderConfig]:
    """The configs of the networks that stand side by side, each by itself."""
    return [replace(config, beside=None), *(each_network(config.beside) if config.beside else [])]


@dataclass(frozen=True)
class HeadConfig:
    """Which features the classifier sees, how branches join, and where its layers begin.

    Examples:
        >>> import twinsign as ts
        >>> ts.nn.HeadConfig(branches=("joint",), parts=("hand",)).branches
        ('joint',)
    """

    branches: tuple[str, ...] = ("joint", "motion")
    """Modalities (Table VII)."""
    parts: tuple[str, ...] = PARTS
    """Parts whose features are summed (Table X)."""
    join: Literal["sum", "mean"] = "sum"
    """Of the branches' logits: the paper sums them, the released code takes the mean."""
    start: Literal["random", "means"] = "random"
    """Where the layers' weights start: as PyTorch draws them, or at the classes' mean features (imprint.py)."""
    embed: tuple[str, ...] = ()
    """Branches whose features make a clip's vector in dictionaries and embeddings; empty: all of them."""

    def __post_init__(self) -> None:
        if not {*self.embed} <= {*self.branches}:
            raise InputError(f"embed {', '.join(self.embed)}", f"branches of {', '.join(self.branches)}")
