"""A missing library is an error that says how to install it."""

from __future__ import annotations

import sys
from importlib.metadata import PackageNotFoundError, version

import pytest

from twinsign.errors import InputError
from twinsign.extract import extras
from twinsign.extract.extras import version_of


def test_the_installed_version() -> None:
    assert version_of("numpy", "video") == version("numpy")


@pytest.mark.parametrize(
    ("package", "python", "said"),
    [
        ("mediapipe", (3, 12), "pip install 'twinsign[video]'"),
        ("mediapipe", (3, 13), "Python 3.11 or 3.12: pip install '.[video]'"),
        ("av", (3, 13), "pip install 'twinsign[video]'"),
    ],
)
def test_a_missing_one(monkeypatch: pytest.MonkeyPatch, package: str, python: tuple[int, int], said: str) -> None:
    def nothing(name: str) -> str:
        raise PackageNotFoundError(name)

    class Info(tuple[int, ...]):
        major, minor = python

    monkeypatch.setattr(extras, "version", nothing)
    monkeypatch.setattr(sys, "version_info", Info((*python, 0)))
    with pytest.raises(InputError) as caught:
        version_of(package, "video")
    assert said in str(caught.value)
    assert (f"Python {python[0]}.{python[1]}" in caught.value.found) == (package == "mediapipe" and python == (3, 13))
