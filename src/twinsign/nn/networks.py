"""Which network a config's encoder is."""

from __future__ import annotations

from torch import nn

from twinsign.nn.baselines import ConvGru, StGcn
from twinsign.nn.config import EncoderConfig
from twinsign.nn.encoder import Encoder

NETWORKS = {"gcn_transformer": Encoder, "conv_gru": ConvGru, "st_gcn": StGcn}


def build_encoder(config: EncoderConfig) -> nn.Module:
    """A new network: crop coordinates xy (B T 49 2), seen (B T 49) to `Features`."""
    return NETWORKS[config.network](config)


def compile_encoders(module: nn.Module) -> None:
    """Have torch compile every encoder within, in place: names and weights stay as they are."""
    for one in module.modules():
        if isinstance(one, tuple(NETWORKS.values())):
            one.compile()
