"""twinsign: recognise signs from pose sequences, learning mostly from unlabelled recordings.

The public API; every name loads what it needs when it is first used. docs/python.md has examples.
"""

import os
from typing import TYPE_CHECKING

from twinsign.lazy import lazy_names

if TYPE_CHECKING:
    from twinsign import nn as nn
    from twinsign import ssl as ssl
    from twinsign.dictionary.entries import Sign as Sign
    from twinsign.dictionary.lookup import Dictionary as Dictionary
    from twinsign.errors import InputError as InputError
    from twinsign.evaluation.evaluate import evaluate as evaluate
    from twinsign.inference.embedder import Embedder as Embedder
    from twinsign.inference.load import load as load
    from twinsign.inference.recogniser import Guess as Guess
    from twinsign.inference.recogniser import Prediction as Prediction
    from twinsign.inference.recogniser import Recogniser as Recogniser
    from twinsign.pack.open import Pack as Pack
    from twinsign.pack.selection import ClipSelection as ClipSelection
    from twinsign.pose.read import read as read
    from twinsign.pose.recording import Recording as Recording
    from twinsign.report.skeletons import draw as draw
    from twinsign.runs.recipe import Recipe as Recipe
    from twinsign.runs.recipe import load_recipe as load_recipe
    from twinsign.train.average import average as average
    from twinsign.train.ensemble import ensemble as ensemble
    from twinsign.train.protocols import finetune as finetune
    from twinsign.train.protocols import linear as linear
    from twinsign.train.protocols import pretrain as pretrain
    from twinsign.views.two_view import TwoViewLoader as TwoViewLoader

# Threads that wait by spinning starve each other beside a busy neighbour (docs/design.md). Your own setting wins.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

__version__ = "0.2.0"
_HOMES = {
    "ClipSelection": "pack.selection:ClipSelection",
    "Dictionary": "dictionary.lookup:Dictionary",
    "Embedder": "inference.embedder:Embedder",
    "Guess": "inference.recogniser:Guess",
    "InputError": "errors:InputError",
    "Pack": "pack.open:Pack",
    "Prediction": "inference.recogniser:Prediction",
    "Recipe": "runs.recipe:Recipe",
    "Recogniser": "inference.recogniser:Recogniser",
    "Recording": "pose.recording:Recording",
    "Sign": "dictionary.entries:Sign",
    "TwoViewLoader": "views.two_view:TwoViewLoader",
    "average": "train.average:average",
    "draw": "report.skeletons:draw",
    "ensemble": "train.ensemble:ensemble",
    "evaluate": "evaluation.evaluate:evaluate",
    "finetune": "train.protocols:finetune",
    "linear": "train.protocols:linear",
    "load": "inference.load:load",
    "load_recipe": "runs.recipe:load_recipe",
    "nn": "nn",
    "pretrain": "train.protocols:pretrain",
    "read": "pose.read:read",
    "ssl": "ssl",
}
__all__ = sorted(_HOMES)
__getattr__, __dir__ = lazy_names(__name__, _HOMES)
