"""The HTTP interface: one small function a route."""

from __future__ import annotations

import json
from typing import Any, NamedTuple

from fastapi import APIRouter, Request, Response
from prometheus_client import generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST

from twinsign.errors import InputError
from twinsign.pose.recording import Recording
from twinsign.serve import bodies, shapes
from twinsign.serve.intake import Intake
from twinsign.serve.metrics import Metrics
from twinsign.serve.readers import Readers
from twinsign.serve.reading import DEFAULT_TOP, Asked, Task
from twinsign.serve.refusals import refusal_of
from twinsign.serve.service import Service
from twinsign.serve.shapes import as_text
from twinsign.serve.turns import Turns, attended
from twinsign.serve.uploads import check_name

REFUSALS: dict[int | str, dict[str, Any]] = {
    code: {"model": shapes.Error, "description": why}
    for code, why in (
        (400, "no JSON"),
        (401, "no token, or another"),
        (408, "a body that takes too long"),
        (409, "the dictionary is being changed; Retry-After says when"),
        (413, "too large or too long"),
        (415, "a type that is not taken"),
        (422, "content that is wrong"),
        (429, "too many requests; Retry-After says when"),
        (503, "too many at once; Retry-After says when"),
        (507, "no room on the disk, or in the dictionary"),
    )
}


class AtWork(NamedTuple):
    """Who does what for the routes."""

    service: Service
    intake: Intake
    readers: Readers
    turns: Turns
    metrics: Metrics


def routes(at_work: AtWork) -> APIRouter:
    """All routes but the page and the live stream."""
    service, turns, metrics = at_work.service, at_work.turns, at_work.metrics
    router = APIRouter(responses=REFUSALS)
    _add_predicting(router, at_work)
    _add_dictionary(router, at_work)

    @router.get("/health", tags=["server"])
    async def health() -> dict[str, str]:
        """Whether the server answers."""
        return {"status": "ok"}

    @router.get("/model", tags=["server"])
    async def model() -> dict[str, Any]:
        """The model's glosses, its joints in order, what the server can see, and its limits."""
        return await turns.run(service.about)

    @router.get("/metrics", tags=["server"], response_class=Response)
    async def counts() -> Response:
        """Counters in Prometheus's text format."""
        metrics.waiting.set(turns.present + at_work.readers.present)
        return Response(generate_latest(metrics.registry), media_type=CONTENT_TYPE_LATEST)

    return router


def _add_predicting(router: APIRouter, at_work: AtWork) -> None:
    service, intake, metrics = at_work.service, at_work.intake, at_work.metrics

    async def named(task: Task, content: bytearray) -> tuple[list[dict[str, Any]], str]:
        """Each clip's answer, and a file's poses as JSON. Every clip is a turn, so that others come in between."""
        asked: Asked = await at_work.readers.read(task, content)
        answers = [await at_work.turns.run(_answer, service, clip, asked) for clip in asked.clips]
        for answer in answers:
            if "sure" in answer:
                metrics.answered(answer["sure"])
        return answers, asked.poses

    async def of_file(request: Request, name: str, top: int) -> tuple[dict[str, Any], str]:
        bodies.as_count({"top": top}, "top", DEFAULT_TOP, bodies.MOST_GUESSES)
        check_name(name, service.blind)
        async with intake.body(request, service.limits.upload_mb, is_json=name.lower().endswith(".json")) as content:
            answers, poses = await attended(request, named(Task("file", name, top), content))
        return answers[0], poses

    @router.post("/predict", response_model=shapes.Answer, openapi_extra=_body(shapes.PredictBody), tags=["signs"])
    async def predict(request: Request) -> Any:
        """Name the sign in one clip of poses."""
        async with intake.json_body(request) as content:
            answers, _ = await attended(request, named(Task("clip"), content))
        return answers[0]

    @router.post("/predict/batch", response_model=shapes.Answers, openapi_extra=_body(shapes.BatchBody), tags=["signs"])
    async def predict_batch(request: Request) -> Any:
        """Name the sign in each of several clips; a bad one has an error in its place, and the others their answers."""
        async with intake.json_body(request) as content:
            answers, _ = await attended(request, named(Task("batch"), content))
        return {"answers": answers}

    @router.post("/predict/file", response_model=shapes.Answer, openapi_extra=_FILE, tags=["signs"])
    async def predict_file(request: Request, name: str, top: int = DEFAULT_TOP) -> Any:
        """Name the sign in a pose file or a short video: the file's bytes are the body, `name` tells its ending."""
        return (await of_file(request, name, top))[0]

    @router.post("/predict/file/poses", openapi_extra=_FILE, tags=["signs"], response_class=Response)
    async def predict_file_and_poses(request: Request, name: str, top: int = DEFAULT_TOP) -> Response:
        """The same, with votes, nearest examples and the poses that were read or seen."""
        answer, poses = await of_file(request, name, top)
        return _as_it_is(json.dumps(answer)[:-1] + f',"poses":{poses}}}')


def _add_dictionary(router: APIRouter, at_work: AtWork) -> None:
    service, turns, intake = at_work.service, at_work.turns, at_work.intake

    async def kept(content: bytearray) -> dict[str, Any]:
        sign = await at_work.readers.read(Task("sign"), content)
        return await turns.run(service.enrol, sign.recording, sign.gloss, sign.signer)

    @router.get("/dictionary", tags=["dictionary"], response_class=Response)
    async def listed() -> Response:
        """Every enrolled recording."""
        return _as_it_is(await turns.run(lambda: json.dumps({"signs": service.signs()})))

    @router.get("/dictionary/poses", tags=["dictionary"], responses={404: REFUSALS[422]}, response_class=Response)
    async def poses(id: str) -> Response:
        """One enrolled recording's poses."""
        return _as_it_is(await turns.run(lambda: as_text(service.poses(id))))

    body = _body(shapes.EnrolBody)

    @router.post("/dictionary", response_model=shapes.Enrolled, openapi_extra=body, tags=["dictionary"])
    async def enrol(request: Request) -> Any:
        """Keep a clip as an example of a sign: the only thing that is ever stored."""
        async with intake.json_body(request) as content:
            return await attended(request, kept(content))

    @router.delete("/dictionary", tags=["dictionary"], responses={404: REFUSALS[422]})
    async def delete(name: str) -> dict[str, list[str]]:
        """Delete one recording by its id, or a gloss with all of its recordings."""
        return {"deleted": await turns.run(service.delete, name)}


def _answer(service: Service, clip: Recording | dict[str, Any], asked: Asked) -> dict[str, Any]:
    """What is said of one clip; in a batch, what is wrong with it."""
    if not isinstance(clip, Recording):
        return clip
    if not asked.batch:
        return service.answers([clip], asked.top, asked.detailed)[0]
    try:
        return service.answers([clip], asked.top, asked.detailed)[0]
    except InputError as error:
        return refusal_of(error).body()


def _as_it_is(text: str) -> Response:
    """JSON that a thread has written: a long one would hold the loop."""
    return Response(text, media_type="application/json")


def _body(shape: type[shapes.Strict]) -> dict[str, Any]:
    """The description of a body that bodies.py reads itself, so that refusals are short and nothing large is copied."""
    return {"requestBody": {"required": True, "content": {"application/json": {"schema": shape.model_json_schema()}}}}


_FILE = {
    "requestBody": {
        "required": True,
        "content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}},
    }
}
