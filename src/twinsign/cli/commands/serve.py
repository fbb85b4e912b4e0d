"""The command that serves the page and the HTTP interface."""

from __future__ import annotations

import os
import socket
from pathlib import Path

from twinsign.errors import InputError
from twinsign.extract.estimator import HOLISTIC, EstimatorConfig
from twinsign.extract.extras import version_of
from twinsign.inference.recogniser import THREADS, use_threads
from twinsign.serve.options import Access, Limits
from twinsign.terminal import console, errors

OK = 0
TOKEN = "TWINSIGN_TOKEN"


def serve(
    model: Path,
    names: list[str],
    proxies: list[str],
    insecure: bool,
    port: int = 8000,
    host: str = "127.0.0.1",
    token: str | None = None,
    dictionary: Path | None = None,
    threads: int = THREADS,
    limits: Limits = Limits(),  # noqa: B008
    estimator: EstimatorConfig = HOLISTIC,
) -> int:
    """Serve the page and the HTTP interface: sign before a webcam, drop files, send poses. Nothing leaves the machine.

    Args:
        model: RUN of any kind; one of pretrain answers by its dictionary alone.
        port: Where to listen.
        host: Where to listen; 127.0.0.1: for this machine alone. Any other needs a token.
        token: What requests must carry; better set in the environment as TWINSIGN_TOKEN, where no other user sees it.
        dictionary: The folder of enrolled signs; `dictionary` in the RUN unless told.
        threads: CPU threads that answer.
        limits: How much is taken.
        estimator: Which pose estimator sees videos: the one that saw what the model learnt from.
    """
    for package in ("fastapi", "uvicorn", "websockets", "prometheus_client"):
        version_of(package, "serve")
    access = Access(host, port, token or os.environ.get(TOKEN) or None, tuple(names), tuple(proxies), insecure, limits)
    use_threads(threads)
    from twinsign.serve.app import run
    from twinsign.serve.service import Service, Sources

    service = Service(Sources(model, dictionary, estimator), limits)
    _free(host, port)
    place = f"http://{f'[{host}]' if ':' in host else host}:{port}/"
    console.print(f"{model.name} on {place}; Ctrl-C ends it", markup=False, soft_wrap=True)
    if service.blind:
        errors.print(f"note: no webcam and no videos, pose files alone: {service.blind}", markup=False)
    if not access.local and access.token is None:
        errors.print(f"note: whoever reaches {host} may use it and its dictionary", markup=False)
    run(service, access, estimator)
    return OK


def _free(host: str, port: int) -> None:
    """InputError where nobody can listen there: a port in use, or a name that is not this machine's."""
    try:
        family, *_, place = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family) as trial:
            trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            trial.bind(place)
    except OSError as error:
        raise InputError(f"{host}:{port}, which is not to be had ({error})", "a free --port of this machine") from error
