"""What the readers' tests share: a person to find again, and a check that hostile bytes end in InputError alone."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from twinsign.errors import InputError
from twinsign.pose.layout import JOINT_COUNT
from twinsign.pose.read import read
from twinsign.pose.recording import FloatArray

FRAMES = 4
Refused = Callable[[Path], InputError]
Hostile = Callable[[str, bytes], None]


@pytest.fixture
def person() -> FloatArray:
    """(T 49 3): x, y in [0, 1], no two alike, and a score in (0, 1)."""
    values = np.random.default_rng(0).uniform(0.05, 0.95, (FRAMES, JOINT_COUNT, 3))
    return values.astype(np.float32)


@pytest.fixture
def refused() -> Refused:
    """Reads a file that must be refused; the error, which has to name file, clip, found and wanted."""

    def check(path: Path) -> InputError:
        with pytest.raises(InputError) as caught:
            read(path, size=(200, 100))
        error = caught.value
        assert str(error.file).startswith(str(path))
        assert error.clip == path.stem
        assert error.found
        assert error.wanted
        return error

    return check


@pytest.fixture(scope="session")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Hostile:
    """Reads bytes under a name: a Recording or InputError, never another error or a warning."""
    folder = tmp_path_factory.mktemp("hostile")

    def check(name: str, data: bytes) -> None:
        path = folder / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(data)
        target = path if path.parent == folder else path.parent
        with contextlib.suppress(InputError):
            assert np.isfinite(read(target, size=(200, 100)).xy).all()

    return check
