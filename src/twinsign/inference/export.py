"""A RUN as one file, preprocessing inside: poses in, probabilities and embedding out; ONNX, or torch's own.

twinsign export --model RUN --out model.onnx
twinsign export --model RUN --out model.pt2
"""

from __future__ import annotations

import io
import json
import logging
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from itertools import islice
from os import PathLike
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from twinsign import __version__
from twinsign.errors import InputError, TwinsignError
from twinsign.files import atomic
from twinsign.inference.portable import INPUTS, Portable, stacked
from twinsign.pose.layout import HANDS, JOINTS
from twinsign.pose.recording import Recording
from twinsign.runs.run import Run, load_run
from twinsign.synthetic.corpus import SyntheticConfig, synthesise

PACKAGES = ("onnx", "onnxscript", "onnxruntime")
LARGEST_DIFFERENCE = 1e-4
"""Between a file's answers and torch's; a file beyond it is not written."""
CHECK_CLIPS = 6
"""Generated clips that they are compared on."""


Answerer = Callable[[Mapping[str, NDArray[np.float32]]], list[NDArray[Any]]]
"""An exported network: `Portable`'s inputs by name to its outputs in order."""


class ExportError(TwinsignError):
    """The exported network does not say what the RUN says."""


def export_run(model: str | PathLike[str], out: str | PathLike[str]) -> dict[str, float]:
    """Write a RUN as .onnx or .pt2 and give the largest difference of each output from torch's on generated signs.

    The file is compared before it gets its name; ExportError where it differs, InputError for other endings and, for
    ONNX, without the extra `export`.
    """
    form = FORMS.get(Path(out).suffix.lower())
    if form is None:
        raise InputError(f"a name that ends in {Path(out).suffix or 'nothing'!r}", " or ".join(FORMS), file=out)
    for package in form.packages:
        if find_spec(package) is None:
            hint = "pip install 'twinsign[export]'"
            raise InputError(f"no package {package}", "the packages of the extra `export`", hint=hint)
    run = load_run(model)
    portable = Portable(run).eval()
    with atomic(out) as temporary:
        form.write(portable, _metadata(run, portable), temporary)
        found = differences(form.load(temporary), portable, check_batches(run))
        worst = max(found, key=lambda name: found[name])
        if not found[worst] <= LARGEST_DIFFERENCE:
            raise ExportError(f"{out}: {worst} differs by {found[worst]:.1e} from the RUN's; nothing was written")
    return found


def differences(answer: Answerer, portable: Portable, batches: Sequence[Sequence[Recording]]) -> dict[str, float]:
    """The largest difference of each output of an exported network from torch's own on batches of recordings.

    Where a clip shows no hand only `has_hand` is compared: the others mean nothing.
    """
    worst = dict.fromkeys(portable.outputs, 0.0)
    for recordings in batches:
        answers = answer(stacked(recordings))
        wanted = [one.numpy() for one in portable.of_recordings(recordings)]
        hand = wanted[portable.outputs.index("has_hand")]
        for name, mine, yours in zip(portable.outputs, answers, wanted, strict=True):
            rows = slice(None) if name == "has_hand" else hand
            apart = np.abs(mine[rows].astype(np.float64) - yours[rows])
            worst[name] = max(worst[name], float(apart.max(initial=0.0)))
    return worst


def load_onnx(file: str | PathLike[str]) -> Answerer:
    """An ONNX file as a function of `Portable`'s inputs, run by onnxruntime."""
    import onnxruntime

    session = onnxruntime.InferenceSession(str(file), providers=["CPUExecutionProvider"])
    return lambda inputs: session.run(None, dict(inputs))


def load_program(file: str | PathLike[str]) -> Answerer:
    """A .pt2 file as a function of `Portable`'s inputs, run by torch."""
    # By stream: torch insists on the ending of a name.
    with Path(file).open("rb") as stream, _quiet():
        module = torch.export.load(stream).module()

    def answer(inputs: Mapping[str, NDArray[np.float32]]) -> list[NDArray[Any]]:
        with torch.no_grad():
            return [one.numpy() for one in module(*(torch.from_numpy(inputs[name]) for name in INPUTS))]

    return answer


def check_batches(run: Run) -> list[list[Recording]]:
    """Generated signs to compare on: one frame, one clip, several of one length and of many, one without a hand."""
    clips = [one for one, _ in islice(synthesise(SyntheticConfig()), CHECK_CLIPS)]
    shortest = min(len(one.xy) for one in clips)
    middle = next(frame for frame in range(shortest) if clips[0].seen[frame, HANDS].any())
    handless = Recording("handless", clips[1].xy, np.where(np.isin(np.arange(len(JOINTS)), _HANDS), 0, clips[1].score))
    equal = [_part(one, slice(0, shortest)) for one in clips]
    batches = [[_part(clips[0], slice(middle, middle + 1))], *([one] for one in clips[:3]), [handless], equal]
    return batches if run.recipe.read.idle == "keep" else [*batches, clips]


_HANDS = range(len(JOINTS))[HANDS]


def _part(one: Recording, frames: slice) -> Recording:
    return Recording(one.id, one.xy[frames], one.score[frames], one.unit, one.size)


def _example() -> tuple[torch.Tensor, ...]:
    ones = torch.ones(2, 3, len(JOINTS))
    return torch.rand(2, 3, len(JOINTS), 2), ones, ones[:, 0, :2]


def _shapes() -> dict[str, dict[int, Any]]:
    batch, frames = torch.export.Dim("batch"), torch.export.Dim("frames")
    return {"xy": {0: batch, 1: frames}, "seen": {0: batch, 1: frames}, "size": {0: batch}}


def _write_onnx(portable: Portable, metadata: dict[str, str], file: Path) -> None:
    with torch.no_grad(), _quiet():
        program: Any = torch.onnx.export(
            portable,
            _example(),
            input_names=INPUTS,
            output_names=portable.outputs,
            dynamic_shapes=_shapes(),
            dynamo=True,
            verbose=False,
        )
    program.model.metadata_props.update(metadata)
    program.save(str(file), external_data=False)


def _write_program(portable: Portable, metadata: dict[str, str], file: Path) -> None:
    with torch.no_grad(), _quiet():
        program = torch.export.export(portable, _example(), dynamic_shapes=_shapes())
        content = io.BytesIO()  # to a file that cannot be written torch would fail in words of its own
        torch.export.save(program, content, extra_files=metadata)
        file.write_bytes(content.getbuffer())


def _metadata(run: Run, portable: Portable) -> dict[str, str]:
    """What a user of the file needs beside it, as text; lists and the recipe as JSON."""
    facts: dict[str, Any] = {
        "twinsign": __version__,
        "kind": run.kind,
        "joints": JOINTS,
        "frames": portable.frames,
        "recipe": run.recipe.as_dict(),
        "config": run.about.get("config") or "",
        "run_hash": run.digest(),
        "inputs": "xy (B T 49 2): image fractions; seen (B T 49): 1 or a score in (0, 1], 0 for a joint not found; "
        "size (B 2): image width and height in pixels, ones where unknown",
    }
    if portable.likeness is not None:
        facts |= {"largest_distance": portable.likeness.limit}
    if portable.classifier is not None:
        facts |= {"labels": run.labels, "threshold": portable.calibration.threshold}
        facts |= {"temperature": portable.calibration.temperature, "selected_on": run.about.get("selected_on", [])}
    return {
        name: value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
        for name, value in facts.items()
    }


@contextmanager
def _quiet() -> Iterator[None]:
    """Without the exporter's remarks on packages and shapes, none of which a user can act on."""
    log = logging.getLogger("torch.onnx")
    level = log.level
    log.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings(action="ignore"):
            yield
    finally:
        log.setLevel(level)


class Form(NamedTuple):
    """How a RUN is written as files of one kind, how these are run, and the packages of the extra that it takes."""

    write: Callable[[Portable, dict[str, str], Path], None]
    load: Callable[[str | PathLike[str]], Answerer]
    packages: tuple[str, ...] = ()


FORMS = {".onnx": Form(_write_onnx, load_onnx, PACKAGES), ".pt2": Form(_write_program, load_program)}
