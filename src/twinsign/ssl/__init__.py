"""The paper's section III: losses, momentum contrast with memory banks, and the pre-training model."""

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
