"""Attention, Transformer blocks and pooling against torch's own and closed forms."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from twinsign.nn.transformer import NORM_EPS, AttentionPool, Block, TemporalTransformer

TOLERANCE = {"rtol": 1e-5, "atol": 1e-5}


def torch_attention(block: Block, x: Tensor) -> Tensor:
    """The block's attention by scaled_dot_product_attention."""
    clips, frames, width = x.shape
    query, key, value = (
        F.linear(x, weight, bias).view(clips, frames, block.heads, -1).transpose(1, 2)
        for weight, bias in zip(block.qkv.weight.chunk(3), block.qkv.bias.chunk(3), strict=True)
    )
    return F.scaled_dot_product_attention(query, key, value).transpose(1, 2).reshape(clips, frames, width)


@pytest.mark.parametrize(("width", "heads"), [(8, 1), (8, 2), (24, 8)])
@pytest.mark.parametrize("frames", [1, 7])
def test_attention_is_torchs(width: int, heads: int, frames: int) -> None:
    torch.manual_seed(heads)
    block = Block(width, 16, heads, dropout=0.1).eval()
    x = torch.randn(3, frames, width)
    torch.testing.assert_close(block.attend(x), torch_attention(block, x), **TOLERANCE)


def test_a_block_is_torchs_post_norm_encoder_layer() -> None:
    torch.manual_seed(0)
    ours = Block(8, 12, 2, dropout=0.1).eval()
    theirs = nn.TransformerEncoderLayer(8, 2, 12, activation="gelu", layer_norm_eps=NORM_EPS, batch_first=True)
    pairs = {
        "self_attn.in_proj_weight": ours.qkv.weight,
        "self_attn.in_proj_bias": ours.qkv.bias,
        "self_attn.out_proj.weight": ours.out.weight,
        "self_attn.out_proj.bias": ours.out.bias,
        "linear1.weight": ours.widen.weight,
        "linear1.bias": ours.widen.bias,
        "linear2.weight": ours.narrow.weight,
        "linear2.bias": ours.narrow.bias,
    }
    theirs.load_state_dict(pairs, strict=False)
    x = torch.randn(2, 5, 8)
    torch.testing.assert_close(ours(x), theirs.eval()(x), **TOLERANCE)


def test_no_position_is_known() -> None:
    torch.manual_seed(0)
    transformer = TemporalTransformer(8, 12, 2, depth=2, dropout=0.0).eval()
    x, order = torch.randn(2, 6, 8), torch.tensor([3, 1, 5, 0, 4, 2])
    torch.testing.assert_close(transformer(x[:, order]), transformer(x)[:, order], **TOLERANCE)


def test_starts_with_a_norm_and_has_the_asked_depth() -> None:
    transformer = TemporalTransformer(8, 12, 2, depth=0, dropout=0.0)
    x = 5 + 3 * torch.randn(2, 4, 8)
    torch.testing.assert_close(transformer(x), F.layer_norm(x, (8,)), **TOLERANCE)
    assert len(TemporalTransformer(8, 12, 2, depth=3, dropout=0.0).blocks) == 3


def test_dropout_works_in_training_only() -> None:
    torch.manual_seed(0)
    block, x = Block(8, 12, 2, dropout=0.5), torch.randn(2, 4, 8)
    assert not torch.equal(block.train()(x), block(x))
    assert torch.equal(block.eval()(x), block(x))


def test_pooling_is_a_softmax_over_seen_tokens() -> None:
    torch.manual_seed(0)
    pool, tokens = AttentionPool(4), torch.randn(3, 5, 4)
    seen = torch.tensor([[1, 1, 1, 1, 1], [0, 1, 0, 1, 0], [0, 0, 0, 1, 0]], dtype=torch.bool)
    found = pool(tokens, seen)
    for b in range(3):
        mine = tokens[b, seen[b]]
        weights = (mine @ pool.score.weight[0]).softmax(dim=0)
        torch.testing.assert_close(found[b], (weights[:, None] * mine).sum(dim=0), **TOLERANCE)


def test_unseen_tokens_weigh_nothing_and_get_no_gradient() -> None:
    torch.manual_seed(0)
    pool, tokens = AttentionPool(4), torch.randn(2, 5, 4, requires_grad=True)
    seen = torch.tensor([[True, False, True, False, True], [False] * 5])
    found = pool(tokens, seen)
    assert not found[1].any()
    found.sum().backward()
    assert tokens.grad is not None
    assert tokens.grad.isfinite().all()
    assert not tokens.grad[~seen].any()
    assert tokens.grad[0, 0].any()
    changed = torch.where(seen[..., None], tokens, 1e6)
    torch.testing.assert_close(pool(changed, seen), found)
