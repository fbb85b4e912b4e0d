"""The browser's pose estimator and ONNX runtime: fixed versions from npm, every file checked by its hash.

`assets.json` lists the files. They are taken from a folder, or from npm, and kept in the user's cache.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

from twinsign.errors import InputError
from twinsign.extract.ledger import sha256_of
from twinsign.files import atomic_folder, sha256
from twinsign.web.planes import SUFFIX, split_planes
from twinsign.web.trim import BODY, GRAPH, LOADER, PACKED, graph_without_face, trim_package

HERE = Path(str(resources.files("twinsign") / "web"))
NPM_FILES = ("package.json", "package-lock.json")
NPM_SECONDS = 600
VENDOR = "vendor"
"""Folder of the page that holds these files."""
NOTICE = "NOTICE.txt"
IN_PLANES = (PACKED, BODY)
"""Files of float16 weights, kept as planes of bytes."""


@dataclass(frozen=True)
class Asset:
    """A file of an npm package: where it goes below `vendor`, its hash as npm has it, and what it is."""

    package: str
    version: str
    licence: str
    file: str
    to: str
    sha256: str

    @property
    def path(self) -> Path:
        """Its place in a `node_modules` folder."""
        return Path(self.package) / self.file


def list_assets() -> list[Asset]:
    """All files that a page takes from npm."""
    return [
        Asset(package["package"], package["version"], package["licence"], file, package["to"] + Path(file).name, digest)
        for package in json.loads((HERE / "assets.json").read_text(encoding="utf-8"))
        for file, digest in package["files"].items()
    ]


def cached_vendor() -> Path | None:
    """The prepared folder in the user's cache; None where nothing was prepared by this version yet."""
    folder = _cache()
    return folder if (folder / NOTICE).is_file() else None


def prepare_vendor(assets: Path | None = None, tell: Callable[[str], object] = lambda text: None) -> Path:
    """The checked files in the user's cache: from `assets`, a folder that `npm ci` filled, else from npm.

    InputError where a file is missing or another one, and where npm is missing or fails.
    """
    if assets is None and (ready := cached_vendor()):
        return ready
    if assets is not None:
        return _install(find_modules(assets))
    npm = shutil.which("npm")
    if npm is None:
        hint = "Install Node.js, or give a folder that `npm ci` filled elsewhere: --assets DIR"
        raise InputError("no npm on this machine", "npm, which fetches MediaPipe and onnxruntime", hint=hint)
    with tempfile.TemporaryDirectory(prefix="twinsign-npm-") as temporary:
        for name in NPM_FILES:
            shutil.copy(HERE / "npm" / name, temporary)
        tell("npm ci: MediaPipe Holistic and onnxruntime-web")
        _run_npm(npm, Path(temporary))
        return _install(Path(temporary) / "node_modules")


def find_modules(folder: Path) -> Path:
    """The `node_modules` in or at a folder; InputError where it has none of the packages."""
    package = list_assets()[0].package
    for modules in (folder / "node_modules", folder):
        if (modules / package).is_dir():
            return modules
    hint = f"Run `npm ci` there with the files of {HERE / 'npm'}."
    raise InputError(f"no {package}", "a folder that `npm ci` filled", file=folder, hint=hint)


def vendor_entries(vendor: Path) -> list[dict[str, Any]]:
    """Each vendored file: path below the page, package, version, licence, and whether it was changed."""
    entries = []
    for asset in list_assets():
        name = _kept_as(asset.to)
        changed = sha256_of(vendor / name) != asset.sha256
        source = {"package": asset.package, "version": asset.version, "licence": asset.licence}
        entries.append({"file": f"{VENDOR}/{name}", **source, "changed": changed})
    return entries


def _cache() -> Path:
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    sources = [(HERE / name).read_bytes() for name in ("assets.json", "trim.py", "planes.py", "NOTICE.txt")]
    return Path(base) / "twinsign" / f"vendor-{sha256(*sources)}"


def _run_npm(npm: str, folder: Path) -> None:
    """Install what the lock file says, without running any package's scripts."""
    words = [npm, "ci", "--ignore-scripts", "--omit=dev", "--no-audit", "--no-fund"]
    try:
        done = subprocess.run(words, cwd=folder, capture_output=True, text=True, timeout=NPM_SECONDS, check=False)
        problem = done.stderr.strip().splitlines()[-1:] if done.returncode else []
    except subprocess.TimeoutExpired:
        problem = [f"no end after {NPM_SECONDS} seconds"]
    if problem:
        hint = "Without a registry: --assets DIR, a folder that `npm ci` filled elsewhere."
        raise InputError(f"npm ci that failed ({problem[0][:200]})", "a registry that npm reaches", hint=hint)


def _install(modules: Path) -> Path:
    """Check all files and put them, trimmed, into the cache."""
    contents = {asset.to: _checked(modules, asset) for asset in list_assets()}
    contents[LOADER], contents[PACKED] = trim_package(contents[LOADER], contents[PACKED])
    contents[GRAPH] = graph_without_face(contents[GRAPH])
    target = _cache()
    with atomic_folder(target) as folder:
        for name, content in contents.items():
            file = folder / _kept_as(name)
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(split_planes(content) if name in IN_PLANES else content)
        shutil.copy(HERE / NOTICE, folder / NOTICE)
    return target


def _kept_as(name: str) -> str:
    return name + SUFFIX if name in IN_PLANES else name


def _checked(modules: Path, asset: Asset) -> bytes:
    """A file's bytes; InputError where it is missing or has another hash."""
    file = modules / asset.path
    wanted = f"the file of {asset.package} {asset.version}"
    try:
        content = file.read_bytes()
    except OSError as error:
        raise InputError(f"no readable file ({error.strerror})", wanted, file=file) from error
    digest = hashlib.sha256(content).hexdigest()
    if digest != asset.sha256:
        raise InputError(f"SHA-256 {digest[:16]}…", f"{wanted}, {asset.sha256[:16]}…", file=file)
    return content
