"""A workload as an HTTP service; `workloads.kit.server` serves it, set by the variables of ServiceSettings.

    GET  /healthz                                     200 {"status": "ok"}; 503 while stopping, or when stuck
    GET  /metrics                                     Prometheus metrics
    POST /thumbnail  {"item": "photos/0001.jpg"}      the item's result as JSON
    POST /thumbnail  any other body, such as image/*  the first output's bytes, nothing stored

Work runs in threads, so that probes are answered meanwhile. An answer's X-Queue-S tells how long it waited for one.
"""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any, TypeVar

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from workloads.kit.balance import Load
from workloads.kit.bodies import Bodies, BodiesFull
from workloads.kit.errors import InvalidKey, ItemError, ObjectNotFound
from workloads.kit.pool import Pool, QueueFull
from workloads.kit.service_settings import ServiceSettings
from workloads.kit.step import Workload, open_early, run_item, settings_from

T = TypeVar("T")
EXPECTED = (
    'expected a JSON body {"item": "<key>"}, or the bytes of an item with a Content-Type such as image/jpeg'
)
# What curl and other clients call a body of which they were told nothing is JSON here.
_JSON = ("", "application/json", "application/x-www-form-urlencoded")


def make_app(work: Workload, environ: Mapping[str, str] = os.environ) -> Starlette:
    """The service of one workload, under the workload's name; raises BadSettings.

    `app.state.draining`, once true, makes it unhealthy and closes connections; `app.state.pool` is its Pool,
    and `app.state.load` what its workers have in hand.
    """
    # Imported late: see there.
    from workloads.kit.telemetry import PROBES, Metrics, Telemetry  # noqa: PLC0415

    settings = ServiceSettings.parse(environ)
    metrics = Metrics()
    pool = Pool(settings.threads, settings.queue, metrics.watch)
    endpoint = Endpoint(work, environ, settings, pool, metrics.item)

    async def healthz(request: Request) -> Response:
        status = "draining" if app.state.draining else "stuck" if pool.stuck else "ok"
        return JSONResponse({"status": status}, 200 if status == "ok" else 503)

    async def exposition(request: Request) -> Response:
        body, media_type = metrics.exposition()
        return Response(body, headers={"Content-Type": media_type})

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        open_early(environ)  # in each worker process: neither SQLite nor S3 connections survive a fork
        yield

    path = f"/{work.__name__}"
    app = Starlette(
        routes=[
            Route("/healthz", healthz),
            Route("/metrics", exposition),
            Route(path, endpoint.post, methods=["POST"]),
        ],
        exception_handlers={HTTPException: _answer, QueueFull: _busy, BodiesFull: _busy},
        lifespan=lifespan,
    )
    app.state.draining = False
    app.state.load = Load(settings.workers, settings.threads)
    app.state.pool = pool
    app.add_middleware(
        Telemetry, metrics=metrics, paths=(*PROBES, path), log=settings.access_log, state=app.state
    )
    return app


class Endpoint:
    """Where items arrive."""

    def __init__(
        self,
        work: Workload,
        environ: Mapping[str, str],
        settings: ServiceSettings,
        pool: Pool,
        count: Callable[[bool], None],
    ) -> None:
        self._work = work
        self._environ = environ
        self._work_settings = settings_from(environ)
        self._timeout_s = settings.timeout_s
        self._pool = pool
        self._count = count
        # One body more than are worked on, so that no thread waits for one to be sent.
        self._bodies = Bodies(settings.max_body_bytes, settings.max_body_bytes * (settings.threads + 1))

    async def post(self, request: Request) -> Response:
        """Answer one request within the time limit."""
        self._pool.check()  # before the body is read
        phase = "body"
        try:
            async with asyncio.timeout(self._timeout_s), self._bodies.held(request) as body:
                phase = "work"
                if request.headers.get("content-type", "").partition(";")[0].strip().lower() in _JSON:
                    return await self._item(request, _item_of(body))
                return await self._convert(request, body)
        except TimeoutError:
            if phase == "body":
                raise HTTPException(408, f"the body did not arrive within {self._timeout_s:g} s") from None
            self._count(False)
            raise HTTPException(504, f"no result within {self._timeout_s:g} s") from None

    async def _item(self, request: Request, item: str) -> Response:
        result = await self._run(request, run_item, item, self._work, self._environ)
        self._count(result.ok)
        return JSONResponse(result.to_json(), _status(result.error), headers=_waited(request))

    async def _convert(self, request: Request, body: bytes) -> Response:
        try:
            done = await self._run(request, self._work, body, self._work_settings)
        except ItemError as error:
            self._count(False)
            return JSONResponse({"error": f"{type(error).__name__}: {error}"}, 422)
        self._count(True)
        if not done.outputs:
            return Response(status_code=204, headers=_waited(request))
        first = done.outputs[0]
        return Response(first.data, media_type=first.content_type, headers=_waited(request))

    async def _run(self, request: Request, function: Callable[..., T], *args: Any) -> T:
        result, request.state.queue_s = await self._pool.run(function, *args)
        return result


def _waited(request: Request) -> dict[str, str]:
    return {"X-Queue-S": f"{request.state.queue_s:.6f}"}


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


async def _answer(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return JSONResponse({"error": error.detail}, error.status_code, headers=error.headers)


async def _busy(request: Request, error: Exception) -> Response:
    retry_after_s = error.retry_after_s if isinstance(error, QueueFull) else 1
    return JSONResponse(
        {"error": str(error) or "the bodies in hand leave no room for another"},
        503,
        headers={"Retry-After": str(retry_after_s)},
    )
