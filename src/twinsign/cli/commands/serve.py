"""The command that serves the page and the HTTP interface."""

from __future__ import annotations

import os
import socket
from pathlib import Path
from typing import Literal

from twinsign.cli.console import console, print_note
from twinsign.cli.options import Flag, OptionalWords
from twinsign.errors import InputError
from twinsign.extract.config import HOLISTIC, EstimatorConfig
from twinsign.extract.extras import version_of
from twinsign.lazy import quick_imports
from twinsign.runs.shipped import RECOGNISER
from twinsign.serve.options import Access, Limits


def serve(
    names: OptionalWords,
    proxies: OptionalWords,
    insecure: Flag,
    model: Path = RECOGNISER,
    port: int = 8000,
    host: str = "127.0.0.1",
    token: str | None = None,
    dictionary: Path | None = None,
    threads: int = 1,
    pose: Literal["browser", "server"] | None = None,
    assets: Path | None = None,
    limits: Limits = Limits(),  # noqa: B008
    estimator: EstimatorConfig = HOLISTIC,
) -> None:
    """Serve a page and an HTTP interface: sign in front of a camera, drop files, send poses.

    Only this machine can reach it, unless --host says otherwise.

    Args:
        model: RUN of any kind, or a shipped model (twinsign models); an encoder answers by its dictionary alone.
        names: Host names that requests may use, besides localhost and --host; others are refused.
        proxies: Addresses of reverse proxies whose X-Forwarded-For is trusted.
        insecure: Serve other machines without a token.
        port: Port to listen on.
        host: Address to listen on; 127.0.0.1: this machine only. With any other a token is needed.
        token: Token that requests must carry; better set in the environment as TWINSIGN_TOKEN, hidden from other users.
        dictionary: Folder of enrolled signs. Default: `dictionary` in the RUN, or here for a shipped model.
        pose: Who finds the joints in pictures: the browser, which then sends poses alone, or this server, which needs
            the extra `video`. Default: the browser where its files were fetched before (docs/web.md), else the server.
        assets: Folder that `npm ci` filled, for --pose browser without the npm registry.
        limits: Limits on requests.
        estimator: Pose estimator for videos: the one that the model's training poses come from.
    """
    for package in ("fastapi", "uvicorn", "websockets", "prometheus_client"):
        version_of(package, "serve")
    token = token or os.environ.get("TWINSIGN_TOKEN") or None
    access = Access(host, port, token, tuple(names), tuple(proxies), insecure, limits)
    with quick_imports():
        from twinsign.inference.recogniser import use_threads
        from twinsign.serve.app import run
        from twinsign.serve.service import Service, Sources
        from twinsign.web.assets import cached_vendor, prepare_vendor

    use_threads(threads)
    fetched = prepare_vendor(assets, print_note) if pose == "browser" or assets is not None else cached_vendor()
    vendor = None if pose == "server" else fetched
    service = Service(Sources(model, dictionary, estimator, vendor), limits)
    _check_free(host, port)
    address = f"http://{f'[{host}]' if ':' in host else host}:{port}/"
    console.print(f"{model.name} on {address}; press Ctrl-C to stop", soft_wrap=True)
    if service.blind and vendor is None:
        print_note(f"no webcam and no videos, pose files alone: {service.blind}")
    if not access.local and access.token is None:
        print_note(f"whoever reaches {host} may use it and its dictionary")
    run(service, access, estimator)


def _check_free(host: str, port: int) -> None:
    """Raise InputError where a port is in use, or a name is not this machine's."""
    try:
        family, *_, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family) as trial:
            trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            trial.bind(address)
    except OSError as error:
        raise InputError(f"{host}:{port}, which is not available ({error})", "a free --port of this machine") from error
