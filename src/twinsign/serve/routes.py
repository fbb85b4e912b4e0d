"""The HTTP interface: one small function a route."""

from __future__ import annotations

import json
from functools import partial
from typing import Annotated, Any, NamedTuple

from fastapi import APIRouter, Query, Request, Response
from prometheus_client import generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from pydantic import BaseModel, Field

from twinsign.dictionary.lookup import Match
from twinsign.errors import InputError
from twinsign.inference.recogniser import Guess
from twinsign.pose.recording import Recording
from twinsign.serve import reader_process
from twinsign.serve.admission import BodyReader, ComputeQueue
from twinsign.serve.errors import as_request_error
from twinsign.serve.metrics import Metrics
from twinsign.serve.reader_pool import Readers
from twinsign.serve.reader_process import Task, check_name
from twinsign.serve.schemas import DEFAULT_TOP, BatchBody, Body, EnrolBody, PredictBody, Top, poses_to_json
from twinsign.serve.service import Service


class Guesses(BaseModel):
    """Glosses, best first; not `sure`: the first is not to be trusted."""

    guesses: list[Guess]
    sure: bool


class Answer(Guesses):
    """The answer to one clip."""

    enrolled: Guesses | None = Field(None, description="Among the enrolled signs; absent where there is none.")
    note: str = Field("", description="How the clip differs from those the model learnt from.")
    unlike: bool = Field(False, description="Whether it differs so much that no answer is sure.")
    votes: dict[str, list[Guess]] | None = Field(None, description="hand, trunk, joint, motion; with `detailed`.")
    nearest: list[Match] | None = Field(None, description="The nearest enrolled examples; with `detailed`.")


class Answers(BaseModel):
    """One entry a clip: its answer, or the error that it alone has."""

    answers: list[dict[str, Any]]


class Error(BaseModel):
    """Why a request was refused."""

    error: dict[str, str] = Field(
        examples=[{"found": "xy of shape (3, 48, 2)", "wanted": "xy: (frames, 49 joints, 2)"}]
    )


class Enrolled(BaseModel):
    """Ids of the added recordings, and of those that were enrolled already with the same poses."""

    added: list[str]
    known: list[str]


ERRORS: dict[int | str, dict[str, Any]] = {
    code: {"model": Error, "description": description}
    for code, description in (
        (400, "invalid JSON"),
        (401, "no token, or a wrong one"),
        (408, "a body that takes too long"),
        (409, "the dictionary is being changed; Retry-After says when to try again"),
        (413, "too large or too long"),
        (415, "a type that is not accepted"),
        (422, "wrong content"),
        (429, "too many requests; Retry-After says when to try again"),
        (503, "too many at once; Retry-After says when to try again"),
        (507, "no room on the disk, or in the dictionary"),
    )
}


class Backend(NamedTuple):
    """What the routes work with."""

    service: Service
    bodies: BodyReader
    readers: Readers
    queue: ComputeQueue
    metrics: Metrics


def build_router(backend: Backend) -> APIRouter:
    """All routes but the page and the live stream."""
    service, queue, metrics = backend.service, backend.queue, backend.metrics
    router = APIRouter(responses=ERRORS)
    _add_predict_routes(router, backend)
    _add_dictionary_routes(router, backend)

    @router.get("/health", tags=["server"])
    async def health() -> dict[str, str]:
        """Whether the server answers."""
        return {"status": "ok"}

    @router.get("/model", tags=["server"])
    async def model() -> dict[str, Any]:
        """The model's glosses, its joints in order, what the server can read, and its limits."""
        return await queue.run(service.describe)

    @router.get("/metrics", tags=["server"], response_class=Response)
    async def counts() -> Response:
        """Counters in Prometheus's text format."""
        metrics.waiting.set(queue.pending + backend.readers.pending)
        return Response(generate_latest(metrics.registry), media_type=CONTENT_TYPE_LATEST)

    return router


def _add_predict_routes(router: APIRouter, backend: Backend) -> None:
    service, bodies, metrics = backend.service, backend.bodies, backend.metrics

    async def predict_all(task: Task, content: bytearray) -> tuple[list[dict[str, Any]], str]:
        """Each clip's answer, and a file's poses as JSON. Every clip queues, so that others come in between."""
        query: reader_process.Query = await backend.readers.read(task, content)
        answers = [await backend.queue.run(_answer, service, clip, query) for clip in query.clips]
        for answer in answers:
            if "sure" in answer:
                metrics.count_answer(answer["sure"])
        return answers, query.poses

    async def predict_upload(request: Request, name: str, top: int) -> tuple[dict[str, Any], str]:
        check_name(name, service.blind)
        answer, is_json = partial(predict_all, Task("file", name, top)), name.lower().endswith(".json")
        answers, poses = await bodies.answer(request, answer, service.limits.upload_mb, is_json=is_json)
        return answers[0], poses

    @router.post("/predict", response_model=Answer, openapi_extra=_describe(PredictBody), tags=["signs"])
    async def predict(request: Request) -> Any:
        """Predict the sign in one clip of poses."""
        answers, _ = await bodies.answer_json(request, partial(predict_all, Task("clip")))
        return answers[0]

    @router.post("/predict/batch", response_model=Answers, openapi_extra=_describe(BatchBody), tags=["signs"])
    async def predict_batch(request: Request) -> Any:
        """Predict the sign in each of several clips; a bad clip has an error in its place."""
        answers, _ = await bodies.answer_json(request, partial(predict_all, Task("batch")))
        return {"answers": answers}

    @router.post("/predict/file", response_model=Answer, openapi_extra=_FILE, tags=["signs"])
    async def predict_file(request: Request, name: str, top: Annotated[Top, Query()] = DEFAULT_TOP) -> Any:
        """Predict the sign in a pose file or a short video: the body is the file, the ending of `name` its format."""
        return (await predict_upload(request, name, top))[0]

    @router.post("/predict/file/poses", openapi_extra=_FILE, tags=["signs"], response_class=Response)
    async def predict_file_and_poses(
        request: Request, name: str, top: Annotated[Top, Query()] = DEFAULT_TOP
    ) -> Response:
        """As /predict/file, with votes, nearest examples and the poses that were read or estimated."""
        answer, poses = await predict_upload(request, name, top)
        return _json_response(json.dumps(answer)[:-1] + f',"poses":{poses}}}')


def _add_dictionary_routes(router: APIRouter, backend: Backend) -> None:
    service, queue = backend.service, backend.queue

    @router.get("/dictionary", tags=["dictionary"], response_class=Response)
    async def signs() -> Response:
        """Every enrolled recording."""
        return _json_response(await queue.run(lambda: json.dumps({"signs": service.signs()})))

    @router.get("/dictionary/poses", tags=["dictionary"], responses={404: ERRORS[422]}, response_class=Response)
    async def poses(id: str) -> Response:
        """One enrolled recording's poses."""
        return _json_response(await queue.run(lambda: poses_to_json(service.recording(id))))

    async def enrol_body(content: bytearray) -> dict[str, Any]:
        return await queue.run(service.enrol, *await backend.readers.read(Task("sign"), content))

    @router.post("/dictionary", response_model=Enrolled, openapi_extra=_describe(EnrolBody), tags=["dictionary"])
    async def enrol(request: Request) -> Any:
        """Keep a clip as an example of a sign: nothing else is ever stored."""
        return await backend.bodies.answer_json(request, enrol_body)

    @router.delete("/dictionary", tags=["dictionary"], responses={404: ERRORS[422]})
    async def delete(name: str) -> dict[str, list[str]]:
        """Delete one recording by its id, or a gloss with all of its recordings."""
        return {"deleted": await queue.run(service.delete, name)}


def _answer(service: Service, clip: Recording | dict[str, Any], query: reader_process.Query) -> dict[str, Any]:
    """The answer to one clip; in a batch, its error."""
    if not isinstance(clip, Recording):
        return clip
    try:
        return service.predict([clip], query.top, query.detailed)[0]
    except InputError as error:
        if not query.batch:
            raise
        return as_request_error(error).body


def _json_response(text: str) -> Response:
    """JSON that a thread has encoded: a long one would block the event loop."""
    return Response(text, media_type="application/json")


def _describe(model: type[Body]) -> dict[str, Any]:
    """The OpenAPI description of a body that a reader process validates, so that no large body is parsed here."""
    return {"requestBody": {"required": True, "content": {"application/json": {"schema": model.model_json_schema()}}}}


_FILE = {
    "requestBody": {
        "required": True,
        "content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}},
    }
}
