"""The HTTP interface: one small function a route."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request, Response
from prometheus_client import generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST

from twinsign.errors import InputError
from twinsign.serve import bodies, shapes
from twinsign.serve.metrics import Metrics
from twinsign.serve.options import Limits
from twinsign.serve.refusals import RefusedError, refusal_of
from twinsign.serve.service import Service, as_json
from twinsign.serve.turns import Turns

DEFAULT_TOP = 5
REFUSALS: dict[int | str, dict[str, Any]] = {
    code: {"model": shapes.Error, "description": why}
    for code, why in (
        (400, "no JSON"),
        (401, "no token, or another"),
        (408, "a body that takes too long"),
        (413, "too large or too long"),
        (415, "a type that is not taken"),
        (422, "content that is wrong"),
        (429, "too many requests; Retry-After says when"),
        (503, "too many at once; Retry-After says when"),
    )
}


def routes(service: Service, turns: Turns, metrics: Metrics) -> APIRouter:
    """All routes but the page and the live stream."""
    router = APIRouter(responses=REFUSALS)
    _add_predicting(router, service, turns, metrics)
    _add_dictionary(router, service, turns)

    @router.get("/health", tags=["server"])
    async def health() -> dict[str, str]:
        """Whether the server answers."""
        return {"status": "ok"}

    @router.get("/model", tags=["server"])
    async def model() -> dict[str, Any]:
        """The model's glosses, its joints in order, what the server can see, and its limits."""
        return service.about()

    @router.get("/metrics", tags=["server"], response_class=Response)
    async def counts() -> Response:
        """Counters in Prometheus's text format."""
        metrics.waiting.set(turns.present)
        return Response(generate_latest(metrics.registry), media_type=CONTENT_TYPE_LATEST)

    return router


def _add_predicting(router: APIRouter, service: Service, turns: Turns, metrics: Metrics) -> None:
    limits, intake = service.limits, turns.intake

    def name(values: dict[str, Any]) -> dict[str, Any]:
        top, detailed = _wishes(values)
        recording = bodies.as_clip(values, limits)
        return service.answers([recording], top, detailed)[0]

    def name_all(values: dict[str, Any]) -> list[dict[str, Any]]:
        bodies.only_keys(values, ("clips", "top", "detailed"))
        top, detailed = _wishes(values)
        clips = values.get("clips")
        if not isinstance(clips, list) or not clips:
            raise RefusedError(422, "no list of clips", "clips: one or more")
        if len(clips) > limits.clips:
            raise RefusedError(413, f"{len(clips)} clips", f"at most {limits.clips}")
        return [_one_of(service, limits, clip, place, top, detailed) for place, clip in enumerate(clips)]

    def name_file(content: bytes, file: str, top: int, poses: bool) -> dict[str, Any]:
        recording = service.uploads.read(content, file)
        answer = service.answers([recording], top, True)[0]
        return answer | ({"poses": as_json(recording)} if poses else {})

    @router.post("/predict", response_model=shapes.Answer, openapi_extra=_body(shapes.PredictBody), tags=["signs"])
    async def predict(request: Request) -> Any:
        """Name the sign in one clip of poses."""
        values = await intake.read_object(request, limits.body_mb)
        return _counted(metrics, await turns.run(name, values))

    @router.post("/predict/batch", response_model=shapes.Answers, openapi_extra=_body(shapes.BatchBody), tags=["signs"])
    async def predict_batch(request: Request) -> Any:
        """Name the sign in each of several clips; a bad one has an error in its place, and the others their answers."""
        values = await intake.read_object(request, limits.body_mb)
        return {"answers": [_counted(metrics, one) for one in await turns.run(name_all, values)]}

    @router.post("/predict/file", response_model=shapes.Answer, openapi_extra=_FILE, tags=["signs"])
    async def predict_file(request: Request, name: str, top: int = DEFAULT_TOP) -> Any:
        """Name the sign in a pose file or a short video: the file's bytes are the body, `name` tells its ending."""
        _check_top(top)
        content = await intake.read(request, limits.upload_mb)
        return _counted(metrics, await turns.run(name_file, content, name, top, False))

    @router.post("/predict/file/poses", openapi_extra=_FILE, tags=["signs"])
    async def predict_file_and_poses(request: Request, name: str, top: int = DEFAULT_TOP) -> dict[str, Any]:
        """The same, with votes, nearest examples and the poses that were read or seen."""
        _check_top(top)
        content = await intake.read(request, limits.upload_mb)
        answer = _counted(metrics, await turns.run(name_file, content, name, top, True))
        return dict(answer)


def _add_dictionary(router: APIRouter, service: Service, turns: Turns) -> None:
    limits, intake = service.limits, turns.intake

    def keep(values: dict[str, Any]) -> dict[str, Any]:
        bodies.only_keys(values, ("gloss", "signer", "clip"))
        gloss, signer = bodies.as_text(values, "gloss", needed=True), bodies.as_text(values, "signer")
        if "clip" not in values:
            raise RefusedError(422, "no clip", "clip: poses as /predict takes them")
        return service.enrol(bodies.as_clip(values["clip"], limits), gloss, signer)

    @router.get("/dictionary", tags=["dictionary"])
    async def listed() -> dict[str, Any]:
        """Every enrolled recording."""
        return {"signs": await turns.run(service.signs)}

    @router.get("/dictionary/poses", tags=["dictionary"], responses={404: REFUSALS[422]})
    async def poses(id: str) -> dict[str, Any]:
        """One enrolled recording's poses."""
        return await turns.run(service.poses, id)

    kept = _body(shapes.EnrolBody)

    @router.post("/dictionary", response_model=shapes.Enrolled, openapi_extra=kept, tags=["dictionary"])
    async def enrol(request: Request) -> Any:
        """Keep a clip as an example of a sign: the only thing that is ever stored."""
        values = await intake.read_object(request, limits.body_mb)
        return await turns.run(keep, values)

    @router.delete("/dictionary", tags=["dictionary"], responses={404: REFUSALS[422]})
    async def delete(name: str) -> dict[str, list[str]]:
        """Delete one recording by its id, or a gloss with all of its recordings."""
        return {"deleted": await turns.run(service.delete, name)}


def _one_of(service: Service, limits: Limits, clip: Any, place: int, top: int, detailed: bool) -> dict[str, Any]:
    try:
        recording = bodies.as_clip(clip, limits, f"clips[{place}]")
        return service.answers([recording], top, detailed)[0]
    except RefusedError as refusal:
        return refusal.body()
    except InputError as error:
        return refusal_of(error).body()


def _wishes(values: dict[str, Any]) -> tuple[int, bool]:
    """How many guesses, and whether details; taken out of `values`."""
    found = bodies.as_count(values, "top", DEFAULT_TOP, bodies.MOST_GUESSES), bodies.as_flag(values, "detailed")
    values.pop("top", None)
    values.pop("detailed", None)
    return found


def _check_top(top: int) -> None:
    bodies.as_count({"top": top}, "top", DEFAULT_TOP, bodies.MOST_GUESSES)


def _counted(metrics: Metrics, answer: dict[str, Any]) -> dict[str, Any]:
    if "sure" in answer:
        metrics.answered(answer["sure"])
    return answer


def _body(shape: type[shapes.Strict]) -> dict[str, Any]:
    """The description of a body that bodies.py reads itself, so that refusals are short and nothing large is copied."""
    return {"requestBody": {"required": True, "content": {"application/json": {"schema": shape.model_json_schema()}}}}


_FILE = {
    "requestBody": {
        "required": True,
        "content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}},
    }
}
