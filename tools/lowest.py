"""The lowest versions that pyproject.toml admits, as pip's constraints: python tools/lowest.py [--torch VERSION]

Only what it names itself is pinned; pip takes the newest of all else that fits, as for a user with old packages.
"""

from __future__ import annotations

import argparse
import re
import tomllib
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[1] / "pyproject.toml"
_BOUND = re.compile(r"([A-Za-z0-9._-]+)(?:\[[^\]]*\])?\s*>=\s*([0-9.]+)")


def lowest(names: list[str]) -> dict[str, str]:
    """The lower bound of every requirement of the core and of these extras; the higher one where both have one."""
    project = tomllib.loads(PROJECT.read_text(encoding="utf-8"))["project"]
    extras = project["optional-dependencies"]
    found: dict[str, str] = {}
    for requirement in [*project["dependencies"], *(one for name in names for one in extras[name])]:
        match = _BOUND.match(requirement)
        if match:
            name, bound = match[1].lower(), match[2]
            found[name] = max(found.get(name, "0"), bound, key=_number)
    return found


def _number(version: str) -> list[int]:
    return [int(part) for part in version.split(".")]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("extras", nargs="*")
    parser.add_argument("--torch", help="another PyTorch, where the lowest one's CPU build is not to be had")
    given = parser.parse_args()
    bounds = lowest(given.extras) | ({"torch": given.torch} if given.torch else {})
    print("\n".join(f"{name}=={version}" for name, version in sorted(bounds.items())))


if __name__ == "__main__":
    main()
