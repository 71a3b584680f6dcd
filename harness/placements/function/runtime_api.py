"""The Lambda Runtime API, version 2018-06-01, for one execution environment.

Source: AWS Lambda Developer Guide, "Using the Lambda runtime API", read 2026-11-23. Each environment has a server on
a port of its own that answers nobody else, so an invocation can only reach the environment that it was meant for. The
poll for the next invocation is tied to its connection: when that closes, no invocation is given to it.
"""

from __future__ import annotations

import asyncio
import json
import secrets
import time
import uuid
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from aiohttp import web

from harness.placements.function.invocation import RESPONSE_BYTES, Sink
from harness.placements.function.streaming import ERROR_TYPE, Connection, Server, collect, forward

ACCOUNT = "000000000000"
REGION = "us-east-1"
PATH = "/2018-06-01/runtime"
INVOCATION_ID = "Lambda-Runtime-Invocation-Id"
RESPONSE_MODE = "Lambda-Runtime-Function-Response-Mode"
# The names and the words that Lambda has for an answer of more than 6 MB.
TOO_LARGE = "Function.ResponseSizeTooLarge"
LIMIT = f"maximum allowed payload size ({RESPONSE_BYTES} bytes)."
ACCEPTED = b'{"status":"OK"}'


def arn(function: str) -> str:
    """The name by which AWS knows a function."""
    return f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:{function}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Invocation:
    """One event as it is given to an environment. `deadline_ms` is Unix time; the id is that of this try alone."""

    request_id: str
    payload: bytes
    deadline_ms: int
    invocation_id: str = field(default_factory=lambda: str(uuid.uuid4()))
    trace_id: str | None = None
    client_context: str | None = None
    sink: Sink | None = None

    def headers(self, function: str) -> dict[str, str]:
        """What the runtime is told beside the payload."""
        found = {
            "Lambda-Runtime-Aws-Request-Id": self.request_id,
            "Lambda-Runtime-Deadline-Ms": str(self.deadline_ms),
            "Lambda-Runtime-Invoked-Function-Arn": arn(function),
            "Lambda-Runtime-Trace-Id": self.trace_id or new_trace_id(),
            INVOCATION_ID: self.invocation_id,
        }
        if self.client_context is not None:
            found["Lambda-Runtime-Client-Context"] = self.client_context
        return found


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What the function answered; with `error_type` it is an error and `body` tells of it."""

    body: bytes
    error_type: str | None = None
    content_type: str = "application/json"

    @property
    def error_text(self) -> str:
        """`Type: message`, from the error document that runtimes send."""
        try:
            document = json.loads(self.body)
            return f"{document['errorType']}: {document['errorMessage']}"
        except (ValueError, KeyError, TypeError):
            return f"{self.error_type}: {self.body[:500].decode(errors='replace')}"


class InitError(RuntimeError):
    """The runtime could not load the function; `answer` is the runtime's own account of it."""

    def __init__(self, answer: Answer) -> None:
        super().__init__(answer.error_text)
        self.answer = answer


Peer = Callable[[], Awaitable[str | None]]


class RuntimeApi:
    """Serves one environment: `start`, then for each life of its runtime `expect`, `ready`, and `invoke` in turn."""

    def __init__(self, function: str, peer: Peer) -> None:
        """`peer` tells the address that may ask, as soon as it is known; None where it is shared with others."""
        self._function = function
        self._peer = peer
        self._runner: web.ServerRunner | None = None
        self._next: asyncio.Future[Invocation] | None = None
        self._current: Invocation | None = None
        self._answer: asyncio.Future[Answer] | None = None
        self._taking: asyncio.Future[Answer] | None = None
        self.expect()

    async def start(self, host: str) -> str:
        """Listen on `host`, on a free port; returns `host:port` for AWS_LAMBDA_RUNTIME_API."""
        # With cancellation, a poll whose connection closes ends, and cannot swallow the next invocation.
        server = Server(self._handle, handler_cancellation=True)
        self._runner = web.ServerRunner(server, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, host, 0).start()
        address, port = self._runner.addresses[0][:2]
        return f"{address}:{port}"

    def expect(self) -> None:
        """A runtime is about to be started: nothing of an earlier one counts any more."""
        self._failure: Exception | None = None
        self._ready = _told_future()

    async def ready(self) -> None:
        """Wait until the runtime polls, with nothing to do. Raises what `fail` was given."""
        await asyncio.shield(self._ready)

    async def invoke(self, invocation: Invocation) -> Answer:
        """Give the environment one event and await its answer. Raises what `fail` was given.

        It takes another only when it polls again: see `ready`.
        """
        await self.ready()
        self._answer = asyncio.get_running_loop().create_future()
        self._current = invocation
        self._ready = _told_future()
        if self._failure is not None:
            raise self._failure
        if self._next is not None and not self._next.done():
            self._next.set_result(invocation)
        return await self._answer

    def fail(self, error: Exception) -> None:
        """The runtime has ended: whoever waits for it is told."""
        self._failure = error
        if not self._ready.done():
            self._ready.set_exception(error)
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(error)

    async def close(self) -> None:
        """Stop listening."""
        if self._runner is not None:
            await self._runner.cleanup()

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        peer = await self._peer()
        if peer is not None and request.remote != peer:
            return refusal(403, "AccessDenied", "this address belongs to another environment")
        match request.method, request.path.removeprefix(PATH).split("/")[1:]:
            case "GET", ["invocation", "next"]:
                return await self._give_next()
            case "POST", ["invocation", request_id, "response"]:
                return await self._take(request, request_id, None)
            case "POST", ["invocation", request_id, "error"]:
                return await self._take(request, request_id, request.headers.get(ERROR_TYPE, "Unhandled"))
            case "POST", ["init", "error"]:
                return await self._take_init_error(request)
        return refusal(404, "InvalidPath", f"no such path: {request.path[:200]}")

    async def _give_next(self) -> web.Response:
        invocation = self._unanswered()
        if invocation is None:
            self._next = asyncio.get_running_loop().create_future()
            if not self._ready.done():
                self._ready.set_result(None)
            invocation = await self._next
        headers = invocation.headers(self._function)
        return web.Response(body=invocation.payload, content_type="application/json", headers=headers)

    def _unanswered(self) -> Invocation | None:
        """The current event, for an environment that polls only after it was given.

        One that polls again without having answered never got it: its poll was lost with its connection before that
        was noticed here, so it is given once more. Runtimes answer before they poll.
        """
        answered = self._answer is None or self._answer.done()
        return None if answered else self._current

    async def _take(self, request: web.BaseRequest, request_id: str, error_type: str | None) -> web.Response:
        """An answer, where one is awaited from this very try."""
        invocation, awaited = self._current, self._answer
        given_id = request.headers.get(INVOCATION_ID)
        if invocation is not None and given_id not in {None, invocation.invocation_id}:
            return refusal(410, "InvalidInvocationID", "that try is over; another one is under way")
        if invocation is None or awaited is None or request_id != invocation.request_id:
            return refusal(400, "InvalidRequestID", "no such invocation is under way")
        if awaited.done() or self._taking is awaited:
            return refusal(403, "InvalidStateTransition", "the invocation has been answered already")
        self._taking = awaited
        try:
            answer = await self._read(request, error_type, invocation.sink)
        except BaseException:  # its connection broke in the middle, so it was no answer
            self._taking = None
            raise
        if not awaited.done():
            awaited.set_result(answer)
        if answer.error_type == TOO_LARGE:
            return refusal(413, "RequestEntityTooLarge", f"Exceeded {LIMIT}")
        return web.Response(body=ACCEPTED, status=202, content_type="application/json")

    async def _read(self, request: web.BaseRequest, error_type: str | None, sink: Sink | None) -> Answer:
        """The body, whole, or handed on as it comes where function and caller stream."""
        streamed = sink is not None and error_type is None
        if streamed and request.headers.get(RESPONSE_MODE) == "streaming":
            assert sink is not None
            whole = await forward(request.content, sink)
            body = b""
            assert isinstance(request.protocol, Connection)
            if (error := request.protocol.trailing_error()) is not None:
                return Answer(body=error[1], error_type=error[0])
        else:
            body = await collect(request.content, RESPONSE_BYTES)
            whole = len(body) <= RESPONSE_BYTES
            if streamed and whole:
                assert sink is not None
                await sink(body)
                body = b""
        if not whole:
            message = f"Response payload size exceeded {LIMIT}"
            return Answer(body=error_document(TOO_LARGE, message), error_type=TOO_LARGE)
        return Answer(body=body, error_type=error_type, content_type=request.content_type)

    async def _take_init_error(self, request: web.BaseRequest) -> web.Response:
        body = await collect(request.content, RESPONSE_BYTES)
        error_type = request.headers.get(ERROR_TYPE, "Runtime.InitError")
        self.fail(InitError(Answer(body=body, error_type=error_type)))
        return web.Response(body=ACCEPTED, status=202, content_type="application/json")


def _told_future() -> asyncio.Future[None]:
    """A future whose exception may go unheard: whoever invokes next is told of it."""
    future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    future.add_done_callback(lambda done: done.cancelled() or done.exception())
    return future


def refusal(status: int, error_type: str, message: str) -> web.Response:
    """As the Runtime API says no."""
    return web.json_response({"errorMessage": message, "errorType": error_type}, status=status)


def error_document(error_type: str, message: str) -> bytes:
    """As runtimes and Lambda itself tell of an error."""
    return json.dumps({"errorType": error_type, "errorMessage": message}, separators=(",", ":")).encode()


def new_trace_id() -> str:
    """An X-Ray trace header of a request that is not sampled."""
    return f"Root=1-{int(time.time()):08x}-{secrets.token_hex(12)};Parent={secrets.token_hex(8)};Sampled=0"
