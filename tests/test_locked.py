"""The locked files hold what pyproject.toml asks for, in the versions of the constraints, with hashes."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
from packaging.markers import Marker
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[1]
FILES = {"core": "constraints.txt", "dev": "constraints.txt", "video": "constraints-video.txt"}
EXTRAS = {"core": (), "dev": ("dev",), "video": ("dev-video",)}
LEFT_OUT = re.compile(r"torch|triton|nvidia-.*|cuda-.*")


def pins(text: str) -> dict[str, str]:
    """Versions by name."""
    return dict(re.findall(r"^([a-z0-9-]+)==([^\s;\\]+)", text, re.MULTILINE))


def constraints(name: str) -> dict[str, str]:
    return pins((ROOT / FILES[name]).read_text(encoding="utf-8"))


def locked(name: str) -> str:
    return (ROOT / "locked" / f"{name}.txt").read_text(encoding="utf-8")


def asked(extra: str, extras: dict[str, list[str]]) -> list[Requirement]:
    """What an extra asks for, with the extras that it names."""
    whole = []
    for one in map(Requirement, extras[extra]):
        whole += [more for name in one.extras for more in asked(name, extras)] if one.name == "twinsign" else [one]
    return whole


@pytest.mark.parametrize("name", FILES)
def test_versions_are_those_of_the_constraints(name: str) -> None:
    versions = constraints(name)
    assert pins(locked(name)) == {one: versions.get(one) for one in pins(locked(name))}


@pytest.mark.parametrize("name", ["dev", "video"])
def test_nothing_but_pytorch_is_left_out(name: str) -> None:
    assert constraints(name).keys() - pins(locked(name)).keys() == {"torch"}


@pytest.mark.parametrize("name", FILES)
def test_whatever_is_asked_for_is_there(name: str) -> None:
    project: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = project["optional-dependencies"]
    wanted = [Requirement(one) for one in project["dependencies"]]
    wanted += [one for extra in EXTRAS[name] for one in asked(extra, extras)]
    versions = pins(locked(name))
    for one in wanted:
        needed = one.marker is None or Marker(str(one.marker)).evaluate({"python_version": "3.11"})
        if needed and one.name != "torch":
            assert versions.get(canonicalize_name(one.name)) in one.specifier, one


@pytest.mark.parametrize("name", FILES)
def test_every_package_has_hashes_and_none_is_pytorch(name: str) -> None:
    blocks = re.split(r"\n(?=\S)", locked(name).rstrip())
    packages = [one for one in blocks if not one.startswith("#")]
    assert len(packages) == len(pins(locked(name)))
    for one in packages:
        lines = one.split("\n")[1:]
        assert lines, one
        for line in lines:
            assert re.fullmatch(r"    --hash=sha256:[0-9a-f]{64}( \\)?", line), one
    assert not [one for one in pins(locked(name)) if LEFT_OUT.fullmatch(one)]
