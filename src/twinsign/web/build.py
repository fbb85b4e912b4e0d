"""A RUN as a folder of static files: page, network, pose estimator, manifest.

twinsign web --model RUN --out site/
"""

from __future__ import annotations

import gzip
import hashlib
import json
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from importlib import resources
from os import PathLike
from pathlib import Path
from typing import Any

from twinsign import __version__
from twinsign.errors import InputError
from twinsign.files import atomic_folder, write_json
from twinsign.inference.export import export_run
from twinsign.runs.run import load_run
from twinsign.runs.shipped import LICENCE
from twinsign.web.assets import NOTICE, VENDOR, prepare_vendor, vendor_entries
from twinsign.web.half import halve_exact_weights, strip_notes
from twinsign.web.icons import write_icons
from twinsign.web.network import PageNetwork, describe_network
from twinsign.web.planes import SUFFIX, split_planes

SHARED = Path(str(resources.files("twinsign") / "serve" / "page"))
OWN = Path(str(resources.files("twinsign") / "web" / "page"))
SERVER_ONLY = ("docs.html", "docs.js")
"""Files of `serve`'s page that a tab has no use for."""
MANIFEST, WORKER = "manifest.json", "service-worker.js"
POLICY = (
    "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; style-src 'self'; connect-src 'self' blob:; "
    "img-src 'self' blob:; media-src 'self' blob:; worker-src 'self'; manifest-src 'self'; "
    "base-uri 'none'; form-action 'none'"
)
"""As a <meta> element: static hosts send no headers of one's own. WebAssembly is compiled, no text becomes code."""
OUR_LICENCE = "Apache-2.0"
MODEL_LICENCE = "the RUN's own"


@dataclass(frozen=True)
class Site:
    """What was written: files, bytes as they are and as a host sends them (gzip), largest difference from the RUN."""

    files: int
    size: int
    sent: int
    difference: float


def build_site(
    model: str | PathLike[str],
    out: Path,
    assets: Path | None = None,
    tell: Callable[[str], object] = lambda text: None,
) -> Site:
    """Write the site of a RUN of any kind into a new or empty folder, or over an older site.

    InputError for a folder that holds anything else, without the extra `export`, and where the assets cannot be had.
    """
    _check_target(out)
    run = load_run(model)
    vendor = prepare_vendor(assets, tell)
    with atomic_folder(out) as folder:
        tell("the network as ONNX")
        (folder / "model").mkdir()
        differences = _write_network(model, folder / "model" / f"model.onnx{SUFFIX}")
        if run.shipped:
            shutil.copyfile(run.path.parent / LICENCE, folder / "model" / LICENCE)
        write_json(folder / "model" / "model.json", describe_network(run, PageNetwork(run)))
        tell("the page")
        _copy_page(folder, vendor)
        _write_app(folder, run.path.name)
        files = _list_files(folder, vendor, f"model/{LICENCE}" if run.shipped else MODEL_LICENCE)
        _write_manifest(folder, files)
        size = sum(file["bytes"] for file in files)
        sent = sum(file["gzip"] for file in files)
    return Site(len(files), size, sent, max(value for name, value in differences.items() if name != "has_hand"))


def _write_network(model: str | PathLike[str], file: Path) -> dict[str, float]:
    """Write a RUN's network as planes of bytes, and return how much each output differs from the RUN's."""
    with tempfile.TemporaryDirectory(prefix="twinsign-web-") as temporary:
        onnx = Path(temporary) / "model.onnx"
        differences = export_run(model, onnx, PageNetwork)
        halve_exact_weights(onnx)
        strip_notes(onnx)
        file.write_bytes(split_planes(onnx.read_bytes()))
    return differences


def _check_target(out: Path) -> None:
    if out.exists() and not (out.is_dir() and (not any(out.iterdir()) or _is_site(out))):
        raise InputError("other files", "a new or empty folder, or an earlier site", file=out)


def _is_site(folder: Path) -> bool:
    return (folder / MANIFEST).is_file() and (folder / WORKER).is_file()


def _copy_page(folder: Path, vendor: Path) -> None:
    page = folder / "page"
    page.mkdir()
    own = {file.name for file in OWN.iterdir() if file.is_file()}
    for file in SHARED.iterdir():
        if file.is_file() and file.name not in own and file.name not in SERVER_ONLY:
            shutil.copy(file, page / file.name)
    for name in own - {WORKER}:
        shutil.copy(OWN / name, page / name)
    shutil.copytree(vendor, page / VENDOR)
    text = (page / "index.html").read_text(encoding="utf-8")
    (page / "index.html").unlink()
    (folder / "index.html").write_text(_static_index(text), encoding="utf-8")


def _static_index(text: str) -> str:
    """`serve`'s page without what only a server has, with the policy and the app's manifest."""
    head = (
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">\n'
        '<meta name="referrer" content="no-referrer">\n<meta name="theme-color" content="#0b5c6b">\n'
        '<link rel="manifest" href="app.webmanifest">\n<link rel="apple-touch-icon" href="page/icon-192.png">\n'
    )
    changes = {
        '<meta charset="utf-8">\n': f'<meta charset="utf-8">\n{head}',
        'src="page/main.js"': 'src="page/offline.js"',
        '<span data-server> The interface for programs does not: see <a href="docs">its description</a>.</span>': "",
        '<span data-server> For programs: <a href="docs">the interface</a>.</span>': "",
    }
    for before, after in changes.items():
        if text.count(before) != 1:
            raise InputError(f"{text.count(before)} times {before[:40]!r}", "once", file="index.html")
        text = text.replace(before, after)
    return text


def _write_app(folder: Path, name: str) -> None:
    """The app's manifest and icons, by which telephones install it."""
    sizes = write_icons(folder / "page")
    icons = [{"src": f"page/icon-{side}.png", "sizes": f"{side}x{side}", "type": "image/png"} for side in sizes]
    app = {
        "name": f"twinsign: {name}",
        "short_name": "twinsign",
        "description": "Recognises signs before the camera, on this device alone.",
        "start_url": "./",
        "scope": "./",
        "display": "standalone",
        "background_color": "#f5f6f4",
        "theme_color": "#0b5c6b",
        "icons": [{**icon, "purpose": purpose} for icon in icons for purpose in ("any", "maskable")],
    }
    write_json(folder / "app.webmanifest", app)


def _list_files(folder: Path, vendor: Path, model_licence: str) -> list[dict[str, Any]]:
    """Every file but the manifest and the worker: path, bytes, bytes as gzip, SHA-256, licence and source."""
    sources = {f"page/{entry.pop('file')}": entry for entry in vendor_entries(vendor)}
    sources[f"page/{VENDOR}/{NOTICE}"] = {"licence": "notices of the files beside it"}
    files = []
    for path in sorted(folder.rglob("*")):
        if not path.is_file():
            continue
        name, content = path.relative_to(folder).as_posix(), path.read_bytes()
        source = {"licence": model_licence if name.startswith("model/") else OUR_LICENCE}
        sizes = {"bytes": len(content), "gzip": len(gzip.compress(content, 6, mtime=0))}
        digest = hashlib.sha256(content).hexdigest()
        files.append({"file": name, **sizes, "sha256": digest, **sources.get(name, source)})
    return files


def _write_manifest(folder: Path, files: list[dict[str, Any]]) -> None:
    """The list of all files, and the worker, which keeps those of this version."""
    worker = (OWN / WORKER).read_text(encoding="utf-8")
    listed = json.dumps([(file["file"], file["sha256"]) for file in files])
    version = hashlib.sha256((listed + worker).encode()).hexdigest()[:16]
    write_json(folder / MANIFEST, {"twinsign": __version__, "version": version, "files": files})
    (folder / WORKER).write_text(worker.replace("@VERSION@", version), encoding="utf-8")
