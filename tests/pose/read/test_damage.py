"""Small valid files of every format, damaged in every way of helpers/mutate.py: read and packed, or an InputError."""

from __future__ import annotations

import contextlib
from pathlib import Path
from random import Random

import pytest
from helpers import fuzz_targets
from hypothesis import given, settings
from hypothesis import strategies as st

from twinsign.errors import InputError


@pytest.mark.parametrize("name", fuzz_targets.READERS)
def test_undamaged(tmp_path: Path, name: str) -> None:
    fuzz_targets.write(fuzz_targets.READERS[name], tmp_path / "case", None)
    fuzz_targets.READERS[name].use(tmp_path / "case")


@pytest.mark.parametrize("name", fuzz_targets.READERS)
@given(rng=st.randoms(use_true_random=False))
@settings(max_examples=60)
def test_damaged(tmp_path_factory: pytest.TempPathFactory, name: str, rng: Random) -> None:
    folder = tmp_path_factory.getbasetemp() / "damaged"
    fuzz_targets.write(fuzz_targets.READERS[name], folder, rng)
    with contextlib.suppress(InputError):
        fuzz_targets.READERS[name].use(folder)
