"""Licences of what twinsign needs, and known holes in it: python tools/audit.py [--licences-only | --if-reachable]

Licences are read from the installed packages; one that is unknown, or GPL alone, fails. Holes are looked up by
pip-audit, which asks PyPI; where no answer comes this says so and fails, since nothing was then checked. With
--if-reachable it says so and does not fail: CI may have no network.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
import tempfile
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path

OURS = "twinsign"
EXTRAS = ("", "serve", "hub", "export")
"""What a user may install and `make venv` has; `video` and `rtm` are in an environment of their own."""
SILENT = {
    "pose-format": "MIT (by LICENSE.txt of its repository; the package states none)",
    "pympi-ling": "MIT (by the licence file in the package; its metadata state none)",
}
"""Packages whose metadata have no word on their licence, looked up by hand."""
PATIENCE = 120
"""Seconds for an answer from the advisory service."""
COPYLEFT = re.compile(r"\b(A?GPL|GNU (Affero )?General Public)", re.IGNORECASE)
LESSER = re.compile(r"LGPL|Lesser|Library or", re.IGNORECASE)
_NAME = re.compile(r"^([A-Za-z0-9._-]+)")


def needed() -> dict[str, Distribution]:
    """The installed packages that twinsign and its extras ask for, and those that these ask for."""
    found: dict[str, Distribution] = {}
    asked = [(OURS, extra) for extra in EXTRAS]
    done: set[tuple[str, str]] = set()
    while asked:
        name, extra = asked.pop()
        if (name, extra) in done:
            continue
        done.add((name, extra))
        try:
            package = distribution(name)
        except PackageNotFoundError:  # of another system, or of an extra that is not here
            continue
        if name != OURS:
            found[name] = package
        for requirement in package.requires or []:
            wanted = re.search(r"extra\s*==\s*['\"]([^'\"]+)", requirement)
            if (wanted[1] if wanted else "") in ("", extra):
                inner = re.match(r"[A-Za-z0-9._-]+\[([^\]]+)\]", requirement)
                own = _NAME.match(requirement)
                names = ["", *(inner[1].split(",") if inner else [])]
                asked += [(re.sub(r"[-_.]+", "-", own[1]).lower(), one.strip()) for one in names] if own else []
    return dict(sorted(found.items()))


def licence(package: Distribution) -> str:
    """What a package says of its licence: an SPDX expression, classifiers, or the first line of its text."""
    if package.name.lower().replace("_", "-") in SILENT:
        return SILENT[package.name.lower().replace("_", "-")]
    about = package.metadata
    stated = about.get("License-Expression") or ""
    classed = [one.split(" :: ")[-1] for one in about.get_all("Classifier") or [] if one.startswith("License ::")]
    text = (about.get("License") or "").strip().splitlines()
    return (stated or "; ".join(classed) or (text[0][:80] if text else "")).strip()


def refused(said: str) -> bool:
    """Whether a licence is unknown, or leaves no choice but the GPL."""
    choices = re.split(r"\bOR\b|;", said)
    return (
        not said or said.upper() == "UNKNOWN" or all(COPYLEFT.search(one) and not LESSER.search(one) for one in choices)
    )


def holes(packages: dict[str, Distribution]) -> bool | None:
    """Ask pip-audit: whether any is known, or a package was not looked up; None where the service gave no answer."""
    with tempfile.TemporaryDirectory() as folder:
        listed = Path(folder, "requirements.txt")
        # A build's own suffix, such as torch's +cpu, is unknown to PyPI.
        lines = [f"{name}=={one.version.split('+')[0]}" for name, one in packages.items()]
        listed.write_text("\n".join(lines), encoding="utf-8")
        command = [sys.executable, "-m", "pip_audit", "--no-deps", "--disable-pip", "-f", "json", "-r", str(listed)]
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, check=False)
        except subprocess.TimeoutExpired:
            print(f"audit: no answer from the advisory service in {PATIENCE} s: NO hole was looked for")
            return None
    try:
        answers = json.loads(done.stdout)["dependencies"]
    except (ValueError, KeyError):
        print(f"audit: {(done.stderr.strip().splitlines() or ['pip-audit said nothing'])[-1][:300]}")
        print("audit: the advisory service could not be asked: NO hole was looked for")
        return None
    # pip-audit ends well even where it found nothing of any package.
    unknown = [one["name"] for one in answers if "skip_reason" in one]
    known = [f"{one['name']} {one['version']}: {hole['id']}" for one in answers for hole in one.get("vulns", [])]
    print("\n".join(known) or f"no known hole in the {len(answers) - len(unknown)} packages that were looked up")
    if len(unknown) == len(answers):
        print("audit: the advisory service knew none of the packages, so it was not reached: NO hole was looked for")
        return None
    if unknown:
        print(f"audit: not looked up: {', '.join(unknown)}")
    return bool(known or unknown)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--licences-only", action="store_true")
    parser.add_argument("--if-reachable", action="store_true")
    given = parser.parse_args()
    packages = needed()
    said = {name: licence(one) for name, one in packages.items()}
    for name, one in said.items():
        print(f"{name:28} {packages[name].version:20} {one or 'UNKNOWN'}")
    wrong = [name for name, one in said.items() if refused(one)]
    print(f"audit: {len(said)} packages, {len(wrong)} with a licence that is unknown or GPL alone {wrong or ''}")
    found = False if given.licences_only else holes(packages)
    return int(bool(wrong) or bool(found) or (found is None and not given.if_reachable))


if __name__ == "__main__":
    sys.exit(main())
