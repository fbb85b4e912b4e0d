"""Which network a config's encoder is: the paper's, a baseline, or a backbone of your own."""

from __future__ import annotations

import os
from collections.abc import Callable
from importlib import import_module

from torch import nn

from twinsign.errors import InputError
from twinsign.nn.baselines import ConvGru, StGcn
from twinsign.nn.beside import SideBySide, side_by_side
from twinsign.nn.config import PARTS, EncoderConfig
from twinsign.nn.encoder import Encoder, Features

NETWORKS: dict[str, Callable[[EncoderConfig], nn.Module]] = {
    "gcn_transformer": Encoder,
    "conv_gru": ConvGru,
    "st_gcn": StGcn,
}
PLUGINS = "TWINSIGN_PLUGINS"
"""Environment variable: modules, separated by commas, that register backbones when they are imported."""


def register_backbone(name: str, build: Callable[[EncoderConfig], nn.Module]) -> None:
    """Make a backbone available as `encoder.network: name`, in recipes and in RUNs that were trained with it.

    `build` takes the EncoderConfig and returns a module that maps xy (B T 49 2) and seen (B T 49) to `Features`.
    A RUN stores the name alone, never code. Raises InputError if the name belongs to another backbone.

    Examples:
        >>> import twinsign as ts
        >>> def shallow(config):
        ...     return ts.nn.Encoder(ts.nn.EncoderConfig(depth=1, temporal_blocks=1))
        >>> ts.nn.register_backbone("shallow", shallow)
        >>> ts.nn.build_encoder(ts.nn.EncoderConfig(network="shallow")).width
        512
    """
    if NETWORKS.get(name, build) is not build:
        raise InputError(f"a second backbone called {name!r}", "a name of its own")
    NETWORKS[name] = build


def build_encoder(config: EncoderConfig) -> nn.Module:
    """Return a new network that maps xy (B T 49 2) and seen (B T 49) to `Features`; InputError for an unknown name.

    Where the config names another one `beside` it, both (or more) as one.

    Examples:
        >>> import twinsign as ts
        >>> type(ts.nn.build_encoder(ts.nn.EncoderConfig(network="st_gcn"))).__name__
        'StGcn'
    """
    if config.network not in NETWORKS:
        for module in filter(None, os.environ.get(PLUGINS, "").split(",")):
            _import_plugin(module.strip())
    if config.network not in NETWORKS:
        hint = f"Call twinsign.nn.register_backbone first, or name the module that does so in ${PLUGINS}."
        raise InputError(f"encoder.network {config.network!r}", f"one of {', '.join(NETWORKS)}", hint=hint)
    network = NETWORKS[config.network](config)
    return network if config.beside is None else SideBySide([network, *side_by_side(build_encoder(config.beside))])


def _import_plugin(name: str) -> None:
    try:
        import_module(name)
    except ModuleNotFoundError as error:
        hint = "If it lies in the current folder, set PYTHONPATH=."
        raise InputError(f"no module {error.name!r}", f"the modules that ${PLUGINS} names", hint=hint) from error


def check_features(features: object, encoder: nn.Module) -> None:
    """InputError unless a backbone has returned `Features` of hand and trunk, as wide as it states."""
    name, width = type(encoder).__name__, feature_width(encoder)
    if not isinstance(features, Features):
        raise InputError(f"a {type(features).__name__} from {name}", "twinsign.nn.Features(f, has)")
    for part in PARTS:
        if part not in features.f or part not in features.has:
            raise InputError(f"no {part} in the Features from {name}", f"f and has of {', '.join(PARTS)}")
        if features.f[part].shape[-1] != width:
            raise InputError(f"{part} of {features.f[part].shape[-1]} channels from {name}", f"its width, {width}")


def feature_width(encoder: nn.Module) -> int:
    """Return the number of channels of an encoder's features; InputError if it does not state them."""
    width = getattr(encoder, "width", None)
    if not isinstance(width, int) or width < 1:
        name = type(encoder).__name__
        found = f"{name}.width = {width!r}" if hasattr(encoder, "width") else f"no attribute {name}.width"
        raise InputError(found, "the number of channels of its features")
    return width


def compile_encoders(module: nn.Module) -> None:
    """Have torch compile every encoder within a module, in place; names and weights stay as they are."""
    encoders = tuple(network for network in NETWORKS.values() if isinstance(network, type))
    for part in module.modules():
        if isinstance(part, encoders):
            part.compile()
