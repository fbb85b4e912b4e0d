"""The application: guard, routes, live stream, page; and the process that serves it."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib import resources
from pathlib import Path
from typing import Any

import uvicorn
from fastapi import FastAPI, WebSocket
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import FileResponse, Response
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp

from twinsign import __version__
from twinsign.errors import InputError
from twinsign.extract.config import EstimatorConfig
from twinsign.serve.connections import CONNECTIONS, protocols
from twinsign.serve.guard import Guard
from twinsign.serve.intake import Intake
from twinsign.serve.live import Live
from twinsign.serve.metrics import Counted, Metrics
from twinsign.serve.options import MEGA, Access
from twinsign.serve.readers import Readers
from twinsign.serve.refusals import RefusedError, refused
from twinsign.serve.routes import AtWork, routes
from twinsign.serve.service import Service
from twinsign.serve.turns import Turns

log = logging.getLogger("twinsign")
PAGE = Path(str(resources.files("twinsign") / "serve" / "page"))
LARGEST_MESSAGE = MEGA
"""Bytes of one message of a live stream: a JPEG of 1280 pixels has a few hundred thousand."""
PATIENCE = 5
"""Seconds that open requests have when the server is stopped."""


def build(service: Service, access: Access, readers: Readers) -> ASGIApp:
    """The whole application; the readers' processes live as long as it is served."""

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        readers.start()
        yield
        readers.close()

    app = FastAPI(
        lifespan=lifespan,
        title="twinsign",
        version=__version__,
        description="Names signs in poses and short videos, or says that it is not sure. Nothing leaves this machine.",
        docs_url=None,
        redoc_url=None,
    )
    metrics, turns = Metrics(), Turns(access.limits)
    app.include_router(routes(AtWork(service, Intake(access.limits), readers, turns, metrics)))
    live = Live(service, turns, metrics, access)

    @app.websocket("/live")
    async def stream(socket: WebSocket) -> None:
        await live.serve(socket)

    _add_page(app)
    for error in (RefusedError, InputError):
        app.add_exception_handler(error, refused)
    app.add_exception_handler(RequestValidationError, _bad_query)
    app.add_exception_handler(HTTPException, _plain)
    app.add_exception_handler(Exception, _broken)
    return Counted(Guard(app, access), metrics)


def run(service: Service, access: Access, estimator: EstimatorConfig) -> None:
    """Serve until a signal."""
    http, socket = protocols(access)
    config = uvicorn.Config(
        build(service, access, Readers(access.limits, estimator, service.blind)),
        host=access.host,
        port=access.port,
        log_level="warning",
        server_header=False,
        http=http,
        ws=socket,
        proxy_headers=bool(access.proxies),
        forwarded_allow_ips=list(access.proxies),
        ws_max_size=LARGEST_MESSAGE,
        timeout_graceful_shutdown=PATIENCE,
        limit_concurrency=CONNECTIONS,
    )
    uvicorn.Server(config).run()


def _add_page(app: FastAPI) -> None:
    @app.get("/", include_in_schema=False)
    async def page() -> FileResponse:
        return FileResponse(PAGE / "index.html")

    @app.get("/docs", include_in_schema=False)
    async def docs() -> FileResponse:
        return FileResponse(PAGE / "docs.html")

    app.mount("/page", StaticFiles(directory=PAGE))


async def _bad_query(_request: Request, error: Any) -> Response:
    first = error.errors()[0]
    where = ".".join(str(place) for place in first.get("loc", ()))
    return RefusedError(422, f"{first.get('msg', 'a wrong value')}", "parameters as in /docs", where=where).response()


async def _plain(request: Request, error: Any) -> Response:
    found = f"{request.method} {request.url.path}"
    wanted = "a route and method of /docs"
    return RefusedError(error.status_code, found, wanted).response()


async def _broken(_request: Request, _error: Exception) -> Response:
    return RefusedError(500, "an error of the server's own, which its log has", "to hear of it").response()
