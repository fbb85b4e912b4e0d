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
from dataclasses import replace
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
from twinsign.inference.export_module import INPUTS, Portable, stack_recordings
from twinsign.pose.layout import HANDS, JOINTS
from twinsign.pose.recording import Recording
from twinsign.runs.run import Run, load_run
from twinsign.synthetic.corpus import SyntheticConfig, synthesise

LARGEST_DIFFERENCE = 1e-4
"""Tolerance between a file's answers and torch's; a file that exceeds it is not written."""
Answerer = Callable[[Mapping[str, NDArray[np.float32]]], list[NDArray[Any]]]
"""An exported network: `Portable`'s inputs by name to its outputs in order."""


class ExportError(TwinsignError):
    """The exported network does not answer as the RUN does."""


class Form(NamedTuple):
    """How a RUN is written as a file of one kind, how the file is run, and the packages of the extra that it takes."""

    write: Callable[[Portable, dict[str, str], Path], None]
    load: Callable[[str | PathLike[str]], Answerer]
    packages: tuple[str, ...] = ()


def export_run(
    model: str | PathLike[str], out: str | PathLike[str], make: Callable[[Run], Portable] = Portable
) -> dict[str, float]:
    """Write a RUN as .onnx or .pt2 and return the largest difference of each output from torch's on generated signs.

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
    portable = make(run).eval()
    with atomic(out) as temporary:
        with torch.no_grad(), quiet_exporter():
            form.write(portable, _metadata(run, portable), temporary)
        largest = differences(form.load(temporary), portable, check_batches(run))
        worst = max(largest, key=largest.__getitem__)
        if not largest[worst] <= LARGEST_DIFFERENCE:
            raise ExportError(f"{out}: {worst} differs by {largest[worst]:.1e} from the RUN's; nothing was written")
    return largest


def differences(answer: Answerer, portable: Portable, batches: Sequence[Sequence[Recording]]) -> dict[str, float]:
    """The largest difference of each output of an exported network from torch's own on batches of recordings.

    Where a clip shows no hand only `has_hand` is compared: the others mean nothing.
    """
    largest = dict.fromkeys(portable.outputs, 0.0)
    for recordings in batches:
        answers = answer(stack_recordings(recordings))
        expected = [output.numpy() for output in portable.of_recordings(recordings)]
        hand = expected[portable.outputs.index("has_hand")]
        for name, exported, wanted in zip(portable.outputs, answers, expected, strict=True):
            rows = slice(None) if name == "has_hand" else hand
            difference = np.abs(exported[rows].astype(np.float64) - wanted[rows])
            largest[name] = max(largest[name], float(difference.max(initial=0.0)))
    return largest


def check_batches(run: Run) -> list[list[Recording]]:
    """Generated signs to compare on: one frame, one clip, several of equal or different length, one without a hand."""
    clips = [clip for clip, _ in islice(synthesise(SyntheticConfig()), 6)]
    shortest = min(len(clip.xy) for clip in clips)
    middle = next(frame for frame in range(shortest) if clips[0].seen[frame, HANDS].any())
    score = clips[1].score.copy()
    score[:, HANDS] = 0
    equal = [_cut(clip, slice(0, shortest)) for clip in clips]
    frame, handless = _cut(clips[0], slice(middle, middle + 1)), replace(clips[1], score=score)
    batches = [[frame], *([clip] for clip in clips[:3]), [handless], equal]
    return batches if run.recipe.read.idle == "keep" else [*batches, clips]


def _cut(clip: Recording, frames: slice) -> Recording:
    return replace(clip, xy=clip.xy[frames], score=clip.score[frames])


def load_onnx(file: str | PathLike[str]) -> Answerer:
    """An ONNX file as a function of `Portable`'s inputs, run by onnxruntime."""
    import onnxruntime

    session = onnxruntime.InferenceSession(str(file), providers=["CPUExecutionProvider"])
    return lambda inputs: session.run(None, dict(inputs))


def load_program(file: str | PathLike[str]) -> Answerer:
    """A .pt2 file as a function of `Portable`'s inputs, run by torch."""
    # By stream: torch insists on the ending of a name.
    with Path(file).open("rb") as stream, quiet_exporter():
        module = torch.export.load(stream).module()

    @torch.no_grad()
    def answer(inputs: Mapping[str, NDArray[np.float32]]) -> list[NDArray[Any]]:
        return [output.numpy() for output in module(*(torch.from_numpy(inputs[name]) for name in INPUTS))]

    return answer


def traced_inputs() -> tuple[tuple[torch.Tensor, ...], dict[str, dict[int, Any]]]:
    """Example inputs of `Portable`, and which of their axes may have any length."""
    batch, frames, ones = torch.export.Dim("batch"), torch.export.Dim("frames"), torch.ones(2, 3, len(JOINTS))
    shapes = {"xy": {0: batch, 1: frames}, "seen": {0: batch, 1: frames}, "size": {0: batch}}
    return (torch.rand(2, 3, len(JOINTS), 2), ones, ones[:, 0, :2]), shapes


def _write_onnx(portable: Portable, metadata: dict[str, str], file: Path) -> None:
    example, shapes = traced_inputs()
    program: Any = torch.onnx.export(
        portable,
        example,
        input_names=INPUTS,
        output_names=portable.outputs,
        dynamic_shapes=shapes,
        dynamo=True,
        verbose=False,
    )
    program.model.metadata_props.update(metadata)
    program.save(str(file), external_data=False)


def _write_program(portable: Portable, metadata: dict[str, str], file: Path) -> None:
    example, shapes = traced_inputs()
    content = io.BytesIO()  # torch itself hides why a file cannot be written
    torch.export.save(torch.export.export(portable, example, dynamic_shapes=shapes), content, extra_files=metadata)
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
def quiet_exporter() -> Iterator[None]:
    """Silence the exporter's warnings about packages and shapes, on none of which a user can act."""
    log = logging.getLogger("torch.onnx")
    level = log.level
    log.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings(action="ignore"):
            yield
    finally:
        log.setLevel(level)


FORMS = {
    ".onnx": Form(_write_onnx, load_onnx, ("onnx", "onnxscript", "onnxruntime")),
    ".pt2": Form(_write_program, load_program),
}
