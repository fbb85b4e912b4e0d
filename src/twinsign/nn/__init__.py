"""Networks: the paper's encoder and its parts, the classifier, two supervised baselines; backbones of your own.

Examples:
    >>> import torch
    >>> import twinsign as ts
    >>> model = ts.nn.Classifier(ts.load_recipe("demo").encoder, ts.nn.HeadConfig(), classes=5)
    >>> view = ts.nn.View(torch.rand(2, 16, 49, 2), torch.ones(2, 16, 49, dtype=torch.bool))
    >>> model(view).shape
    torch.Size([2, 5])
"""

from typing import TYPE_CHECKING

from twinsign.lazy import lazy_names

if TYPE_CHECKING:
    from twinsign.nn.baselines import ConvGru as ConvGru
    from twinsign.nn.baselines import StGcn as StGcn
    from twinsign.nn.beside import SideBySide as SideBySide
    from twinsign.nn.classifier import Classifier as Classifier
    from twinsign.nn.config import EncoderConfig as EncoderConfig
    from twinsign.nn.config import HeadConfig as HeadConfig
    from twinsign.nn.encoder import Encoder as Encoder
    from twinsign.nn.encoder import Features as Features
    from twinsign.nn.networks import build_encoder as build_encoder
    from twinsign.nn.networks import register_backbone as register_backbone
    from twinsign.views.clips import View as View

_HOMES = {
    "Classifier": "nn.classifier:Classifier",
    "ConvGru": "nn.baselines:ConvGru",
    "Encoder": "nn.encoder:Encoder",
    "EncoderConfig": "nn.config:EncoderConfig",
    "Features": "nn.encoder:Features",
    "HeadConfig": "nn.config:HeadConfig",
    "SideBySide": "nn.beside:SideBySide",
    "StGcn": "nn.baselines:StGcn",
    "View": "views.clips:View",
    "build_encoder": "nn.networks:build_encoder",
    "register_backbone": "nn.networks:register_backbone",
}
__all__ = sorted(_HOMES)
__getattr__, __dir__ = lazy_names(__name__, _HOMES)
