"""The paper's section III: losses, momentum contrast with memory banks, and the pre-training model.

Examples:
    >>> import torch
    >>> import twinsign as ts
    >>> view = ts.nn.View(torch.rand(4, 16, 49, 2), torch.ones(4, 16, 49, dtype=torch.bool))
    >>> objective = ts.ssl.ObjectiveConfig(bank_size=64, neighbours=16)
    >>> model = ts.ssl.Pretrainer(ts.load_recipe("demo").encoder, objective)
    >>> out = model(view, view)
    >>> out.loss.backward()
    >>> model.update(out)  # memory banks and momentum encoders
"""

from typing import TYPE_CHECKING

from twinsign.lazy import lazy_names

if TYPE_CHECKING:
    from twinsign.ssl import losses as losses
    from twinsign.ssl.config import ObjectiveConfig as ObjectiveConfig
    from twinsign.ssl.contrast import MemoryBank as MemoryBank
    from twinsign.ssl.contrast import PretrainOutput as PretrainOutput
    from twinsign.ssl.pretrain import Pretrainer as Pretrainer

_HOMES = {
    "MemoryBank": "ssl.contrast:MemoryBank",
    "ObjectiveConfig": "ssl.config:ObjectiveConfig",
    "PretrainOutput": "ssl.contrast:PretrainOutput",
    "Pretrainer": "ssl.pretrain:Pretrainer",
    "losses": "ssl.losses",
}
__all__ = sorted(_HOMES)
__getattr__, __dir__ = lazy_names(__name__, _HOMES)
