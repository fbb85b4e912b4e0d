"""Files of enrolled signs that a page exports (`twinsign web`, docs/web.md): poses with gloss and signer, as JSON."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Sequence
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np

from twinsign.dictionary.entries import Sign
from twinsign.errors import InputError
from twinsign.files import parse_json
from twinsign.pose.layout import JOINT_COUNT
from twinsign.pose.recording import FloatArray, Recording

FORMAT, VERSION = "twinsign-signs", 1
SUFFIX = ".json"


def are_signs_files(names: Sequence[str]) -> bool:
    """Whether names are those of files of signs, not of packs."""
    return bool(names) and all(name.lower().endswith(SUFFIX) for name in names)


def read_signs(path: str | PathLike[str]) -> list[Sign]:
    """The signs of a file; InputError where it is another file or damaged."""
    file = Path(path)
    try:
        content = parse_json(file.read_bytes())
        if (content["format"], content["version"]) != (FORMAT, VERSION):
            raise ValueError(f"format {content['format']!r}, version {content['version']!r}")
        signs = list(content["signs"])
        return [_read_sign(file, number, sign) for number, sign in enumerate(signs)]
    except InputError:
        raise
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        problem = f"no file of signs ({error or type(error).__name__})"
        raise InputError(problem, "one that a page of `twinsign web` exported", file=file) from error


def _read_sign(file: Path, number: int, sign: dict[str, Any]) -> Sign:
    gloss, signer = str(sign["gloss"]).strip(), str(sign.get("signer") or "")
    name = str(sign["id"]).removeprefix(f"{gloss}:") or f"sign {number + 1}"
    if not gloss:
        raise InputError("no gloss", "a gloss", file=file, clip=name)
    score = _decode(sign["score"]).reshape(-1, JOINT_COUNT)
    xy = _decode(sign["xy"]).reshape(len(score), JOINT_COUNT, 2)
    width, height = sign.get("size") or (0, 0)
    size = (int(width), int(height)) if width else None
    fps, estimator = sign.get("fps"), str(sign.get("estimator") or "")
    recording = Recording(
        name, xy, score, size=size, fps=float(fps) if fps else None, source=str(file), estimator=estimator
    )
    return Sign(recording, gloss, signer)


def _decode(text: str) -> FloatArray:
    """Little-endian float32 numbers as base64."""
    try:
        return np.frombuffer(base64.b64decode(text, validate=True), "<f4").astype(np.float32)
    except binascii.Error as error:
        raise ValueError(f"numbers that are no base64: {error}") from error
