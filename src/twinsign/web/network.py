"""A RUN as the network of a page: `export`'s, with each part's vote and what decides whether an answer may be sure."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any, cast

from torch import Tensor

from twinsign import __version__
from twinsign.dictionary import calibration as open_set
from twinsign.dictionary.held_out import MAX_QUERIES
from twinsign.inference.embedder import Embedder
from twinsign.inference.export_module import INPUTS, Portable
from twinsign.inference.input_check import Noticer
from twinsign.inference.likeness import hands_seen, leading_side, movement
from twinsign.inference.shift import PARTS
from twinsign.nn.classifier import Classifier, all_features
from twinsign.nn.features import embedded
from twinsign.pose.layout import HAND_JOINTS, HAND_WRIST, INDEX, JOINTS, SHOULDER_ELBOW_WRIST, TRUNK
from twinsign.pose.trim import LOWERED
from twinsign.runs.calibration import NEVER, Calibration, calibration_of
from twinsign.runs.recipe import AbstainConfig
from twinsign.runs.run import Run
from twinsign.streaming import segmenter, stream
from twinsign.views.clips import Clips
from twinsign.web.skeleton import skeleton

VOTE = "vote_"
SHOWS = "shows_"
COMPARED = ("distance", "hand_left", "movement", "leading_side")
"""What says whether a clip is like the training clips (`Noticer`)."""


class PageNetwork(Portable):
    """`Portable` with the votes of `explain` and the measures of `Noticer` among its outputs."""

    def __init__(self, run: Run) -> None:
        super().__init__(run)
        head = self.classifier.head if self.classifier else None
        self.branches = head.branches if head and len(head.branches) > 1 else ()
        self.parts = head.parts if head and len(head.parts) > 1 else ()

    @property
    def outputs(self) -> tuple[str, ...]:
        """Names of what `forward` returns."""
        votes = (*(VOTE + name for name in (*self.branches, *self.parts)), *(SHOWS + name for name in self.parts))
        probabilities = ("probabilities",) if self.classifier else ()
        return (*probabilities, "embedding", *votes, "has_hand", *COMPARED)

    def answers(self, clips: Clips) -> tuple[Tensor, ...]:
        """Probabilities (B C), the unit embedding (B D), each vote's probabilities, which parts a clip shows (B)."""
        if self.encoders is not None:
            return super().answers(clips)
        classifier = cast(Classifier, self.classifier)
        branches = all_features(classifier.encoders, self.viewer(clips))
        features = {name: branch.whole(classifier.head.parts) for name, branch in branches.items()}
        logits = classifier.logits(features)
        votes = [logits[name] for name in self.branches]
        votes += [
            classifier.joined(classifier.logits({name: branch.f[part] for name, branch in branches.items()}))
            for part in self.parts
        ]
        probabilities = [
            (each / self.calibration.temperature).softmax(dim=1) for each in (classifier.joined(logits), *votes)
        ]
        has = next(iter(branches.values())).has
        return probabilities[0], embedded(classifier, features), *probabilities[1:], *(has[part] for part in self.parts)

    def compared(self, clips: Clips) -> tuple[Tensor, ...]:
        """Distance, whether a hand is left, movement and leading side (B) of cropped clips."""
        return *super().compared(clips), hands_seen(clips), movement(clips), leading_side(clips)


def describe_network(run: Run, network: PageNetwork) -> dict[str, Any]:
    """All that a page needs to know about the network and the rules around it; numbers stand in Python alone."""
    fitted = calibration_of(run) or Calibration()
    return {
        "twinsign": __version__,
        "model": run.path.name,
        "run_hash": run.digest(),
        "glosses": run.labels,
        "same_signs": run.same_signs(),
        "enrolled": 0,
        "threshold": fitted.threshold if run.kind == "classifier" else None,
        "never": NEVER,
        "network": {"inputs": INPUTS, "outputs": network.outputs, "width": Embedder(run).width},
        "notices": _notices(run),
        "segmenter": describe_segmenter(),
        "stream": {"every": stream.GUESS_SECONDS, "unevenness": stream.MAX_UNEVENNESS},
        "open_set": describe_open_set(),
        **skeleton(),
    }


def _notices(run: Run) -> dict[str, Any]:
    noticer = Noticer(run)
    likeness, ignored = noticer.likeness, list(noticer.read.crop.ignore)
    return {
        "estimators": noticer.estimators,
        "common": {part: list(range(PARTS[part].start, PARTS[part].stop)) for part in noticer.common},
        "ignored": {name: INDEX[name] for name in ignored},
        "no_trunk": {*JOINTS[TRUNK]} <= {*ignored},
        "trunk": JOINTS[TRUNK],
        "limit": likeness.limit if likeness else None,
        "least_movement": likeness.least_movement if likeness else 0.0,
        "leader": noticer.leader,
    }


def describe_segmenter() -> dict[str, Any]:
    """The live segmenter's times, speeds and joints."""
    numbers = {"span": segmenter.SPAN, "palms": segmenter.PALMS, "min_gap": segmenter.MIN_GAP, "lowered": LOWERED}
    sides = {
        side: {
            "hand": [segmenter.SIDES[side].start, segmenter.SIDES[side].stop],
            "wrist": HAND_WRIST[side],
            "middle": HAND_WRIST[side] + HAND_JOINTS.index("middle_1"),
            "arm": SHOULDER_ELBOW_WRIST[side],
        }
        for side in segmenter.SIDES
    }
    return {"config": asdict(segmenter.SegmenterConfig()), **numbers, "sides": sides}


def describe_open_set() -> dict[str, Any]:
    """What a dictionary's confidences are fitted with."""
    abstain = AbstainConfig()
    return {
        "sharpest": open_set.SHARPEST,
        "unfitted": asdict(open_set.OpenCalibration()),
        "fewest": open_set.FEWEST,
        "queries": MAX_QUERIES,
        "target": abstain.target_accuracy,
        "level": abstain.confidence,
        "unknown_share": 0.5,
    }
