"""The Lambda Runtime API, version 2018-06-01, for one execution environment.

Source: AWS Lambda Developer Guide, "Using the Lambda runtime API", read 2026-11-23. Each environment has a server on
a port of its own, so an invocation can only reach the environment that it was meant for. The poll for the next
invocation is tied to its connection: when that closes, no invocation is given to it.
"""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass

from aiohttp import web

ARN = "arn:aws:lambda:us-east-1:000000000000:function:"
VERSION = "/2018-06-01/runtime"
# Lambda answers at most 6 MB synchronously; the rest is room for base64 and headers.
MAX_BODY_BYTES = 8 * 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Invocation:
    """One event for a function. `deadline_ms` is Unix time."""

    request_id: str
    payload: bytes
    deadline_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What the function answered; with `error_type` it is an error and `body` tells of it."""

    body: bytes
    error_type: str | None = None

    @property
    def error_text(self) -> str:
        """`Type: message`, from the error document that runtimes send."""
        try:
            document = json.loads(self.body)
            return f"{document['errorType']}: {document['errorMessage']}"
        except (ValueError, KeyError, TypeError):
            return f"{self.error_type}: {self.body[:500].decode(errors='replace')}"


class RuntimeApi:
    """Serves one environment: `start`, `ready`, then `invoke` one event at a time."""

    def __init__(self, function: str) -> None:
        self._function = function
        self._runner: web.AppRunner | None = None
        self._next: asyncio.Future[Invocation] | None = None
        self._current: Invocation | None = None
        self._answer: asyncio.Future[Answer] | None = None
        self._failure: Exception | None = None
        self._ready: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        # An environment that dies before anyone awaits readiness is told to whoever invokes it.
        self._ready.add_done_callback(lambda future: future.cancelled() or future.exception())

    async def start(self, host: str) -> str:
        """Listen on `host`, on a free port; returns `host:port` for AWS_LAMBDA_RUNTIME_API."""
        app = web.Application(client_max_size=MAX_BODY_BYTES)
        app.router.add_get(f"{VERSION}/invocation/next", self._give_next)
        app.router.add_post(f"{VERSION}/invocation/{{request_id}}/response", self._take_response)
        app.router.add_post(f"{VERSION}/invocation/{{request_id}}/error", self._take_error)
        app.router.add_post(f"{VERSION}/init/error", self._take_init_error)
        # With cancellation, a poll whose connection closes ends, and cannot swallow the next invocation.
        self._runner = web.AppRunner(app, access_log=None, handler_cancellation=True, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, host, 0).start()
        address, port = self._runner.addresses[0][:2]
        return f"{address}:{port}"

    async def ready(self) -> None:
        """Wait for the first poll: the runtime has loaded the function. Raises what `fail` was given."""
        await asyncio.shield(self._ready)

    async def invoke(self, invocation: Invocation) -> Answer:
        """Give the environment one event and await its answer. Raises what `fail` was given."""
        await self.ready()
        if self._failure is not None:
            raise self._failure
        self._answer = asyncio.get_running_loop().create_future()
        self._current = invocation
        if self._next is not None and not self._next.done():
            self._next.set_result(invocation)
        try:
            return await self._answer
        finally:
            self._current = self._answer = None

    def fail(self, error: Exception) -> None:
        """The environment has ended: whoever waits for it is told."""
        self._failure = error
        if not self._ready.done():
            self._ready.set_exception(error)
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(error)

    async def close(self) -> None:
        """Stop listening."""
        if self._runner is not None:
            await self._runner.cleanup()

    async def _give_next(self, request: web.Request) -> web.Response:
        if not self._ready.done():
            self._ready.set_result(None)
        invocation = self._unanswered()
        if invocation is None:
            self._next = asyncio.get_running_loop().create_future()
            invocation = await self._next
        headers = {
            "Lambda-Runtime-Aws-Request-Id": invocation.request_id,
            "Lambda-Runtime-Deadline-Ms": str(invocation.deadline_ms),
            "Lambda-Runtime-Invoked-Function-Arn": ARN + self._function,
            "Lambda-Runtime-Trace-Id": f"Root=1-00000000-{invocation.request_id.replace('-', '')[:24]};Sampled=0",
        }
        return web.Response(body=invocation.payload, content_type="application/json", headers=headers)

    def _unanswered(self) -> Invocation | None:
        """The current event, for an environment that polls only after it was given.

        One that polls again without having answered never got it: its poll was lost with its connection before that
        was noticed here, so it is given once more. Runtimes answer before they poll.
        """
        answered = self._answer is None or self._answer.done()
        return None if answered else self._current

    async def _take_response(self, request: web.Request) -> web.Response:
        return await self._settle(request, None)

    async def _take_error(self, request: web.Request) -> web.Response:
        return await self._settle(
            request, request.headers.get("Lambda-Runtime-Function-Error-Type", "Unhandled")
        )

    async def _settle(self, request: web.Request, error_type: str | None) -> web.Response:
        body = await request.read()
        current = self._current
        if current is None or self._answer is None or request.match_info["request_id"] != current.request_id:
            refusal = {"errorMessage": "no such invocation", "errorType": "InvalidRequestID"}
            return web.json_response(refusal, status=400)
        if not self._answer.done():
            self._answer.set_result(Answer(body=body, error_type=error_type))
        return web.json_response({"status": "OK"}, status=202)

    async def _take_init_error(self, request: web.Request) -> web.Response:
        error_type = request.headers.get("Lambda-Runtime-Function-Error-Type", "Runtime.InitError")
        self.fail(InitError(Answer(body=await request.read(), error_type=error_type).error_text))
        return web.json_response({"status": "OK"}, status=202)


class InitError(RuntimeError):
    """The runtime could not load the function; the text is the runtime's own."""
