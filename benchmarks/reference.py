"""The encoder in its usual form, for comparison: images of frames by joints (N C T V), convolved, then mixed.

The same mathematics as twinsign.nn.encoder with the same weights (`reference_of`), written as skeleton networks usually
are: 1x1 convolutions to four times the width, an einsum with the adjacency, 2-d batch norms, 1-d temporal convolutions
and torch's own attention. tests/bench/test_reference.py checks that both agree.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from twinsign.nn.encoder import Encoder, Features
from twinsign.nn.gcn import GraphBlock, GraphConv, PartNet, TemporalBlock
from twinsign.nn.graph import SUBSETS
from twinsign.nn.transformer import AttentionPool, TemporalTransformer
from twinsign.nn.transformer import Block as TransformerBlock
from twinsign.pose.layout import LEFT_HAND, RIGHT_HAND, TRUNK


class ConvolveThenMix(nn.Module):
    """1x1 convolution to a width a subset, then each subset's joints mixed by its adjacency and added."""

    def __init__(self, own: GraphConv) -> None:
        super().__init__()
        width, columns = own.linear.weight.shape
        self.conv = nn.Conv2d(columns // SUBSETS, SUBSETS * width, 1)
        joints = own.mixing.shape[1]
        self.register_buffer("adjacency", own.mixing.view(joints, SUBSETS, joints).permute(1, 2, 0).clone())
        weight = own.linear.weight.detach().view(width, SUBSETS, -1).transpose(0, 1)  # subsets width C
        self.conv.weight.data.copy_(weight.reshape(SUBSETS * width, -1, 1, 1))
        self.conv.bias.data.copy_(own.bias.detach().flatten())  # type: ignore[union-attr]

    def forward(self, x: Tensor) -> Tensor:
        """Joints x (N C T V) to (N width T V)."""
        y = self.conv(x).unflatten(1, (SUBSETS, -1))
        return torch.einsum("nsctv,svw->nctw", y, self.adjacency)


def _norm(own: nn.BatchNorm1d, kind: type[nn.BatchNorm1d | nn.BatchNorm2d] = nn.BatchNorm2d) -> nn.Module:
    made = kind(own.num_features, eps=own.eps)
    made.load_state_dict(own.state_dict())
    return made


def _state(own: nn.Module) -> list[tuple[str, Tensor]]:
    return list(own.state_dict().items())


def _conv(own: nn.Linear) -> nn.Conv2d:
    made = nn.Conv2d(own.in_features, own.out_features, 1, bias=own.bias is not None)
    made.weight.data.copy_(own.weight.detach()[:, :, None, None])
    if own.bias is not None and made.bias is not None:
        made.bias.data.copy_(own.bias.detach())
    return made


class ReferenceBlock(nn.Module):
    """GraphBlock on images (N C T V)."""

    def __init__(self, own: GraphBlock) -> None:
        super().__init__()
        self.conv, self.norm = ConvolveThenMix(own.conv), _norm(own.norm)
        self.linear, self.out_norm = _conv(own.linear), _norm(own.out_norm)
        self.residual: nn.Module | None = own.residual
        if isinstance(own.residual, nn.Sequential):
            self.residual = nn.Sequential(_conv(own.residual[0]), _norm(own.residual[1]))

    def forward(self, x: Tensor) -> Tensor:
        """Joints x (N C T V) to (N width T V)."""
        y = self.out_norm(self.linear(F.relu(self.norm(self.conv(x)))))
        return F.relu(y if self.residual is None else y + self.residual(x))


class ReferenceTemporal(nn.Module):
    """TemporalBlock on sequences (N C T)."""

    def __init__(self, own: TemporalBlock) -> None:
        super().__init__()
        self.paths = nn.ModuleList(
            [self._same(own.five), nn.Sequential(self._same(own.three), nn.ReLU(), self._same(own.three_more))]
        )
        self.join = nn.Conv1d(own.join.in_features, own.join.out_features, 1)
        self.join.weight.data.copy_(own.join.weight.detach()[:, :, None])
        self.join.bias.data.copy_(own.join.bias.detach())  # type: ignore[union-attr]
        self.norm = _norm(own.norm, nn.BatchNorm1d)

    @staticmethod
    def _same(own: nn.Conv1d) -> nn.Conv1d:
        made = nn.Conv1d(own.in_channels, own.out_channels, own.kernel_size[0], padding=own.kernel_size[0] // 2)
        made.load_state_dict(own.state_dict())
        return made

    def forward(self, x: Tensor) -> Tensor:
        """Sequences x (N C T) to (N C T)."""
        joined = torch.cat([F.relu(path(x)) for path in self.paths], dim=1)
        return F.relu(self.norm(self.join(joined)))


class ReferencePartNet(nn.Module):
    """PartNet on images."""

    def __init__(self, own: PartNet) -> None:
        super().__init__()
        self.groups = own.groups
        self.input_norm = _norm(own.input_norm, nn.BatchNorm1d)
        self.joints = nn.Sequential(*map(ReferenceBlock, own.joint_blocks))
        self.parts = nn.Sequential(*map(ReferenceBlock, own.part_blocks))
        self.project = nn.Sequential(_conv(own.project[0]), _norm(own.project[1]), nn.ReLU())  # type: ignore[arg-type]
        self.temporal = nn.Sequential(*map(ReferenceTemporal, own.temporal))

    def forward(self, x: Tensor) -> Tensor:
        """Joints x (N T V 2) to (N width T)."""
        clips, frames, joints, _ = x.shape
        flat = self.input_norm(x.flatten(2).transpose(1, 2))  # N V*2 T
        x = self.joints(flat.view(clips, joints, 2, frames).permute(0, 2, 3, 1))  # N C T V
        x = torch.stack([x[..., group].amax(dim=-1) for group in self.groups], dim=-1)  # N C T parts
        x = self.parts(x).amax(dim=-1, keepdim=True)
        return self.temporal(self.project(x).squeeze(-1))


class ReferenceTransformer(nn.Module):
    """TemporalTransformer by torch's attention."""

    def __init__(self, own: TemporalTransformer) -> None:
        super().__init__()
        self.norm, self.blocks = own.norm, nn.ModuleList(map(self._layer, own.blocks))

    @staticmethod
    def _layer(own: TransformerBlock) -> nn.TransformerEncoderLayer:
        width, wide = own.out.in_features, own.widen.out_features
        made = nn.TransformerEncoderLayer(
            width, own.heads, wide, own.dropout.p, F.gelu, own.norm.eps, batch_first=True, norm_first=False
        )
        pairs = {
            "self_attn.in_proj_": own.qkv,
            "self_attn.out_proj.": own.out,
            "linear1.": own.widen,
            "linear2.": own.narrow,
            "norm1.": own.norm,
            "norm2.": own.out_norm,
        }
        made.load_state_dict(
            {f"{name}{key}": value for name, one in pairs.items() for key, value in one.state_dict().items()}
        )
        return made

    def forward(self, x: Tensor) -> Tensor:
        """Tokens x (N T C) to (N T C)."""
        x = self.norm(x)
        for block in self.blocks:
            x = block(x)
        return x


class Reference(nn.Module):
    """The whole encoder; takes what Encoder takes and gives what it gives."""

    def __init__(self, own: Encoder) -> None:
        super().__init__()
        self.width = own.width
        parts: Sequence[str] = tuple(own.net)
        self.net = nn.ModuleDict({part: ReferencePartNet(_part(own.net[part])) for part in parts})
        self.transformer = nn.ModuleDict({part: ReferenceTransformer(own.transformer[part]) for part in parts})  # type: ignore[arg-type]
        self.pool = nn.ModuleDict({part: AttentionPool(own.pool[part].score.in_features) for part in parts})  # type: ignore[union-attr, arg-type]
        self.pool.load_state_dict(own.pool.state_dict())

    def forward(self, xy: Tensor, seen: Tensor) -> Features:
        """Crop coordinates xy (B T 49 2), seen (B T 49) to features."""
        xy = torch.where(seen[..., None], xy, 0.0)
        both = torch.cat([xy[:, :, side] for side in (RIGHT_HAND, LEFT_HAND)])  # 2B T 21 2: one network, one norm
        sides = self.net["hand"](both).transpose(1, 2).chunk(2)  # B T D each
        shown = [seen[:, :, side].any(dim=-1) for side in (RIGHT_HAND, LEFT_HAND)]
        right, left = self.transformer["hand"](torch.cat(sides, dim=-1)).chunk(2, dim=-1)
        masks = {"hand": torch.cat(shown, dim=1), "trunk": seen[:, :, TRUNK].any(dim=-1)}
        trunk = self.transformer["trunk"](self.net["trunk"](xy[:, :, TRUNK]).transpose(1, 2))
        tokens = {"hand": torch.cat([right, left], dim=1), "trunk": trunk}
        f = {part: self.pool[part](tokens[part], masks[part]) for part in tokens}
        return Features(f, {part: mask.any(dim=1) for part, mask in masks.items()})


def _part(own: nn.Module) -> PartNet:
    assert isinstance(own, PartNet)
    return own


def reference_of(own: Encoder) -> Reference:
    """A reference with an encoder's weights."""
    return Reference(own).train(own.training)
