"""A workload as an HTTP service.

    GET  /healthz                                     200 {"status": "ok"}
    POST /thumbnail  {"item": "photos/0001.jpg"}      the item's result as JSON
    POST /thumbnail  image/* body                     the first output's bytes, nothing stored

Work runs in threads, `SERVICE_WORKERS` at once (default 1), so that health checks are answered meanwhile.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping

import anyio
from anyio.to_thread import run_sync
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from workloads.kit.errors import BadSettings, InvalidKey, ItemError, ObjectNotFound
from workloads.kit.step import Workload, open_early, run_item, settings_from

MAX_BODY_BYTES = 50 * 1024 * 1024
EXPECTED = 'expected a JSON body {"item": "<key>"} or an image with Content-Type: image/*'


def workers_from(environ: Mapping[str, str]) -> int:
    """How many items may be worked on at once; raises BadSettings."""
    text = environ.get("SERVICE_WORKERS", "1")
    if not text.isdecimal() or int(text) < 1:
        raise BadSettings(f"SERVICE_WORKERS={text!r} must be a whole number of at least 1")
    return int(text)


def make_app(work: Workload, environ: Mapping[str, str] = os.environ) -> Starlette:
    """The service of one workload, under the workload's name; raises BadSettings."""
    open_early(environ)
    settings = settings_from(environ)
    limiter = anyio.CapacityLimiter(workers_from(environ))

    async def healthz(request: Request) -> Response:
        return JSONResponse({"status": "ok"})

    async def post(request: Request) -> Response:
        body = await _read(request)
        if request.headers.get("content-type", "").startswith("image/"):
            return await convert(body)
        item = _item_of(body)
        result = await run_sync(run_item, item, work, environ, limiter=limiter)
        return JSONResponse(result.to_json(), _status(result.error))

    async def convert(body: bytes) -> Response:
        try:
            done = await run_sync(work, body, settings, limiter=limiter)
        except ItemError as error:
            return _refusal(422, f"{type(error).__name__}: {error}")
        if not done.outputs:
            return Response(status_code=204)
        return Response(done.outputs[0].data, media_type=done.outputs[0].content_type)

    return Starlette(
        routes=[Route("/healthz", healthz), Route(f"/{work.__name__}", post, methods=["POST"])],
        exception_handlers={HTTPException: _answer},
    )


async def _read(request: Request) -> bytes:
    """The body; 413 as soon as it is known to be too large, before it fills the memory."""
    length = request.headers.get("content-length", "0")
    body = bytearray()
    if not length.isdecimal() or int(length) <= MAX_BODY_BYTES:
        async for chunk in request.stream():
            body += chunk
            if len(body) > MAX_BODY_BYTES:
                break
        else:
            return bytes(body)
    raise HTTPException(413, f"body is larger than {MAX_BODY_BYTES} bytes")


def _item_of(body: bytes) -> str:
    try:
        item = json.loads(body)["item"]
    except (ValueError, KeyError, TypeError):
        item = None
    if not isinstance(item, str):
        raise HTTPException(400, EXPECTED)
    return item


def _status(error: str) -> int:
    """HTTP status for a result's error text."""
    if not error:
        return 200
    codes = {ObjectNotFound.__name__: 404, InvalidKey.__name__: 400}
    return codes.get(error.partition(":")[0], 422)


def _refusal(status: int, message: str) -> Response:
    return JSONResponse({"error": message}, status)


async def _answer(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return JSONResponse({"error": error.detail}, error.status_code, headers=error.headers)
