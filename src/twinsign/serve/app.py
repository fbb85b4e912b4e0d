"""The application: guard, routes, live stream, page; and the process that serves it."""

from __future__ import annotations

import resource
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
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp

from twinsign import __version__
from twinsign.errors import InputError
from twinsign.extract.config import EstimatorConfig
from twinsign.serve.admission import BodyReader, ComputeQueue
from twinsign.serve.connections import MAX_CONNECTIONS, protocols
from twinsign.serve.errors import RequestError, as_request_error
from twinsign.serve.guard import HEADERS, Guard
from twinsign.serve.live import LiveStreams
from twinsign.serve.metrics import Metrics, RequestCounter
from twinsign.serve.options import MEGA, Access
from twinsign.serve.reader_pool import Readers
from twinsign.serve.routes import Backend, build_router
from twinsign.serve.service import Service
from twinsign.web.assets import VENDOR

PAGE = Path(str(resources.files("twinsign") / "serve" / "page"))


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
        description="Predicts signs from poses and short videos, or abstains. What is sent stays on the server.",
        docs_url=None,
        redoc_url=None,
    )
    metrics, queue = Metrics(), ComputeQueue(access.limits)
    app.include_router(build_router(Backend(service, BodyReader(access.limits), readers, queue, metrics)))
    live = LiveStreams(service, queue, metrics, access)

    @app.websocket("/live")
    async def stream(socket: WebSocket) -> None:
        await live.serve(socket)

    @app.get("/", include_in_schema=False)
    async def page() -> FileResponse:
        return FileResponse(PAGE / "index.html", headers={"Content-Security-Policy": page_policy(service.vendor)})

    @app.get("/docs", include_in_schema=False)
    async def docs() -> FileResponse:
        return FileResponse(PAGE / "docs.html")

    if service.vendor is not None:
        app.mount(f"/page/{VENDOR}", KeptFiles(directory=service.vendor))
    app.mount("/page", StaticFiles(directory=PAGE))
    for error in (RequestError, InputError, RequestValidationError, HTTPException, Exception):
        app.add_exception_handler(error, handle_error)
    return RequestCounter(Guard(app, access), metrics)


class KeptFiles(StaticFiles):
    """Files of fixed versions, which a browser may keep: the pose estimator's megabytes are loaded once."""

    def file_response(self, *arguments: Any, **named: Any) -> Response:
        """The file, to be kept for a day."""
        response = super().file_response(*arguments, **named)
        response.headers["Cache-Control"] = "max-age=86400"
        return response


def page_policy(vendor: Path | None) -> str:
    """The page's content policy: where the browser estimates poses, it compiles WebAssembly and reads its own blobs."""
    policy = HEADERS["Content-Security-Policy"]
    if vendor is None:
        return policy
    policy = policy.replace("script-src 'self'", "script-src 'self' 'wasm-unsafe-eval'")
    return policy.replace("connect-src 'self'", "connect-src 'self' blob:")


def run(service: Service, access: Access, estimator: EstimatorConfig) -> None:
    """Serve until a signal; a crash leaves no core file, which would hold uploads."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
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
        ws_max_size=MEGA,  # bytes: a JPEG of 1280 pixels has a few hundred thousand
        timeout_graceful_shutdown=5,
        limit_concurrency=MAX_CONNECTIONS,
    )
    uvicorn.Server(config).run()


async def handle_error(request: Request, error: Any) -> JSONResponse:
    """The response to a request that raised any error: the application's exception handler."""
    if isinstance(error, RequestError | InputError):
        refusal = as_request_error(error)
    elif isinstance(error, RequestValidationError):
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        refusal = RequestError(422, first["msg"], "parameters as in /docs", where=where)
    elif isinstance(error, HTTPException):
        problem = f"{request.method} {request.url.path}"
        refusal = RequestError(error.status_code, problem, "a route and method of /docs")
    else:
        refusal = RequestError(500, "an error of the server's own; its log has more", "a report of it")
    return refusal.response()
