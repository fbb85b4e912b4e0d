"""The command that writes a recogniser as static files for any web host."""

from __future__ import annotations

from pathlib import Path

from twinsign.cli.console import console, print_note
from twinsign.runs.shipped import RECOGNISER


def web(out: Path, model: Path = RECOGNISER, assets: Path | None = None) -> None:
    """Write a RUN as a page that recognises signs in the browser: static files for any host, nothing is sent.

    Args:
        model: RUN of any kind, or a shipped model; one of pretrain answers by the signs that users teach it.
        out: Folder to write: a new or empty one, or an earlier site, which is replaced.
        assets: Folder that `npm ci` filled, instead of the npm registry (docs/web.md).
    """
    from twinsign.web.build import build_site

    site = build_site(model, out, assets, print_note)
    mega = 1e6
    console.print(f"{out}: {site.files} files, {site.size / mega:.1f} MB, {site.sent / mega:.1f} MB as hosts send them")
    console.print(f"largest difference of the network from the RUN on generated signs: {site.difference:.1e}")
    console.print(f"to try it: python -m http.server -d {out}", soft_wrap=True)
