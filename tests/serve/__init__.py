"""What tests of the APIs share: a fake function, and a server on a real port for real clients."""

from __future__ import annotations

import asyncio
import http.client
import json
import threading
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from functools import cache
from typing import Any

import boto3
from aiohttp import web
from botocore.config import Config

from harness.placements.function.invocation import EVENT_BYTES, Invoked, Request, Sink, too_large
from harness.placements.function.logs import InvocationLog
from harness.rows import Outcome
from harness.serve.functions import Servable, make_app

Behaviour = Callable[[Request, Sink | None], Awaitable[Invoked]]
INVOCATIONS = "/2015-03-31/functions/thumbnail/invocations"
STREAMING = "/2021-11-15/functions/thumbnail/response-streaming-invocations"


def answered(request: Request, payload: bytes, **more: Any) -> Invoked:
    return Invoked(request_id=request.request_id, outcome=Outcome.OK, payload=payload, **more)


def failed(request: Request, payload: bytes, **more: Any) -> Invoked:
    error = {"outcome": Outcome.ERROR, "function_error": "Unhandled"}
    return Invoked(request_id=request.request_id, payload=payload, **{**error, **more})


async def echo(request: Request, sink: Sink | None) -> Invoked:
    """Answers with the event, in one piece."""
    if sink is None:
        return answered(request, request.payload)
    await sink(request.payload)
    return answered(request, b"")


def complete_log(request: Request, text: bytes) -> InvocationLog:
    log = InvocationLog(request.request_id)
    log.add(text)
    log.complete()
    return log


class Fake:
    """A Servable that behaves as it is told and remembers what it was asked."""

    def __init__(self, behave: Behaviour = echo, name: str = "thumbnail") -> None:
        self.name = name
        self.invoked: list[Request] = []
        self.submitted: list[Request] = []
        self._behave = behave

    async def invoke(self, request: Request, sink: Sink | None = None) -> Invoked:
        self.invoked.append(request)
        return await self._behave(request, sink)

    def submit(self, request: Request) -> object:
        if len(request.payload) > EVENT_BYTES:
            raise too_large(EVENT_BYTES)
        self.submitted.append(request)
        return None

    def configuration(self) -> dict[str, Any]:
        return {"FunctionName": self.name, "State": "Active", "MemorySize": 512, "PackageType": "Image"}


@cache
def session() -> boto3.Session:
    return boto3.Session("any", "credentials", region_name="us-east-1")


class Api:
    """A served API, as clients see it."""

    def __init__(self, port: int, functions: dict[str, Servable]) -> None:
        self.port = port
        self.functions = functions

    def client(self, **config: Any) -> Any:
        settings = Config(**{"retries": {"total_max_attempts": 1}, **config})
        return session().client("lambda", endpoint_url=f"http://127.0.0.1:{self.port}", config=settings)

    def ask(
        self, method: str, path: str, body: bytes | None = None, **headers: str
    ) -> tuple[http.client.HTTPResponse, Any]:
        """Plain HTTP, for what boto3 would not send; underscores in names of headers become dashes."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        try:
            named = {name.replace("_", "-"): value for name, value in headers.items()}
            connection.request(method, path, body, named)
            response = connection.getresponse()
            text = response.read()
            return response, json.loads(text) if text else None
        finally:
            connection.close()


@contextmanager
def serving(*functions: Servable, **runner: Any) -> Iterator[Api]:
    """Serve functions from a loop in a thread of its own."""
    by_name = {function.name: function for function in functions}
    started: Future[tuple[asyncio.AbstractEventLoop, asyncio.Event, int]] = Future()

    async def serve() -> None:
        server = web.AppRunner(make_app(by_name), access_log=None, shutdown_timeout=0.1, **runner)
        await server.setup()
        await web.TCPSite(server, "127.0.0.1", 0).start()
        over = asyncio.Event()
        started.set_result((asyncio.get_running_loop(), over, server.addresses[0][1]))
        await over.wait()
        await server.cleanup()

    thread = threading.Thread(target=asyncio.run, args=(serve(),))
    thread.start()
    loop, over, port = started.result(10)
    try:
        yield Api(port, by_name)
    finally:
        loop.call_soon_threadsafe(over.set)
        thread.join(10)
