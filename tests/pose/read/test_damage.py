"""Small valid files of every format, damaged in every way of tests/mutate.py: read and packed, or an InputError."""

from __future__ import annotations

import contextlib
from pathlib import Path
from random import Random

import nasty
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from twinsign.errors import InputError


@pytest.mark.parametrize("name", nasty.READERS)
def test_undamaged(tmp_path: Path, name: str) -> None:
    nasty.write(nasty.READERS[name], tmp_path / "case", None)
    nasty.READERS[name].use(tmp_path / "case")


@pytest.mark.parametrize("name", nasty.READERS)
@given(rng=st.randoms(use_true_random=False))
@settings(max_examples=60)
def test_damaged(tmp_path_factory: pytest.TempPathFactory, name: str, rng: Random) -> None:
    folder = tmp_path_factory.getbasetemp() / "damaged"
    nasty.write(nasty.READERS[name], folder, rng)
    with contextlib.suppress(InputError):
        nasty.READERS[name].use(folder)
