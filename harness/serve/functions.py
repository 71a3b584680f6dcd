"""The AWS Lambda Invoke API in front of functions that run here, for boto3 (`endpoint_url`), any SDK, and curl.

Source: AWS Lambda API Reference, "Invoke", "InvokeWithResponseStream", "InvokeAsync", read 2026-11-24; where Lambda is
known to answer otherwise than that says, as Lambda answers. Signatures are not checked: any credentials will do, and so
will any account and region in an ARN. A client that leaves does not end its invocation.
"""

from __future__ import annotations

import asyncio
import base64
import json
import uuid
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

from aiohttp import web

from harness.placements.function.invocation import (
    REQUEST_BYTES,
    VERSION,
    Invoked,
    Request,
    Sink,
)
from harness.placements.function.runtime_api import new_trace_id
from harness.serve import errors
from harness.serve.eventstream import StreamedAnswer
from harness.serve.function_requests import choice, client_context, event, named

INVOKE_ASYNC_BYTES = 256 * 1024


class Servable(Protocol):
    """A function that can be invoked here."""

    @property
    def name(self) -> str:
        """The name that it is invoked by."""

    async def invoke(self, request: Request, sink: Sink | None = None) -> Invoked:
        """Carry out an invocation; a sink is handed the answer as it comes. Raises Refused."""

    def submit(self, request: Request) -> object:
        """Take an event and return at once. Raises Refused."""

    def configuration(self) -> dict[str, Any]:
        """In the shape of GetFunctionConfiguration."""


Handler = Callable[[web.Request, str], Awaitable[web.StreamResponse]]


def make_app(functions: Mapping[str, Servable]) -> web.Application:
    """The API in front of functions by name; those that are added later are served too."""
    api = _Api(functions)
    served: list[tuple[str, str, Handler]] = [
        ("POST", "/2015-03-31/functions/{name}/invocations", api.invoke),
        ("POST", "/2021-11-15/functions/{name}/response-streaming-invocations", api.invoke_streaming),
        ("POST", "/2014-11-13/functions/{name}/invoke-async", api.invoke_async),
        ("GET", "/2015-03-31/functions", api.list_functions),
        ("GET", "/2015-03-31/functions/", api.list_functions),
        ("GET", "/2015-03-31/functions/{name}", api.get_function),
        ("GET", "/2015-03-31/functions/{name}/configuration", api.get_configuration),
    ]
    listed = ", ".join(f"{method} {path}" for method, path, _ in served)

    async def unknown(http: web.Request, request_id: str) -> web.StreamResponse:
        raise errors.unknown_operation(f"{http.method} {http.path}", listed)

    app = web.Application()
    for method, path, handler in [*served, ("*", "/{path:.*}", unknown)]:
        app.router.add_route(method, path, _answering(handler))
    return app


@dataclass(frozen=True, slots=True, kw_only=True)
class _Call:
    """What a client asks for in one of the two ways of invoking."""

    function: Servable
    request: Request
    kind: str
    with_log: bool

    @property
    def headers(self) -> dict[str, str]:
        """What every answer to it has."""
        return {"x-amzn-RequestId": self.request.request_id, "X-Amzn-Trace-Id": self.request.trace_id or ""}

    async def log_result(self, invoked: Invoked) -> str | None:
        """The end of the log in base64, if the client wants it."""
        if not self.with_log or invoked.log is None:
            return None
        return base64.b64encode(await invoked.log.tail()).decode()


class _Api:
    def __init__(self, functions: Mapping[str, Servable]) -> None:
        self._functions = functions
        self._under_way: set[asyncio.Task[Invoked]] = set()

    async def invoke(self, http: web.Request, request_id: str) -> web.StreamResponse:
        call = await self._call(http, request_id, ("RequestResponse", "Event", "DryRun"))
        if call.kind == "DryRun":
            return web.Response(status=204, headers=call.headers)
        if call.kind == "Event":
            # Lambda passes the client context in synchronous invocations only.
            call.function.submit(replace(call.request, client_context=None))
            return web.Response(status=202, headers=call.headers)
        invoked = await self._carry_out(call.function.invoke(call.request))
        headers = {**call.headers, "X-Amz-Executed-Version": VERSION, "Content-Type": invoked.content_type}
        if invoked.function_error is not None:
            headers["X-Amz-Function-Error"] = invoked.function_error
        if (log_result := await call.log_result(invoked)) is not None:
            headers["X-Amz-Log-Result"] = log_result
        return web.Response(body=invoked.payload, headers=headers)

    async def invoke_streaming(self, http: web.Request, request_id: str) -> web.StreamResponse:
        call = await self._call(http, request_id, ("RequestResponse", "DryRun"))
        if call.kind == "DryRun":
            return web.Response(status=204, headers=call.headers)
        answer = StreamedAnswer(http, {**call.headers, "X-Amz-Executed-Version": VERSION})
        try:
            invoked = await self._carry_out(call.function.invoke(call.request, answer.send))
        except Exception as error:
            if not answer.begun:
                raise
            refused = errors.as_refused(error)
            return await answer.complete({"ErrorCode": refused.code, "ErrorDetails": str(refused)})
        outcome = {}
        if invoked.function_error is not None:
            details = invoked.payload.decode(errors="replace")
            outcome = {"ErrorCode": invoked.function_error, "ErrorDetails": details}
        if (log_result := await call.log_result(invoked)) is not None:
            outcome["LogResult"] = log_result
        return await answer.complete(outcome)

    async def invoke_async(self, http: web.Request, request_id: str) -> web.StreamResponse:
        function = self._find(http)
        function.submit(Request(payload=await event(http, INVOKE_ASYNC_BYTES), request_id=request_id))
        return web.Response(status=202, headers={"x-amzn-RequestId": request_id})

    async def list_functions(self, http: web.Request, request_id: str) -> web.StreamResponse:
        functions = [_described(function) for function in self._functions.values()]
        return _json({"Functions": functions}, request_id)

    async def get_function(self, http: web.Request, request_id: str) -> web.StreamResponse:
        return _json({"Configuration": _described(self._find(http))}, request_id)

    async def get_configuration(self, http: web.Request, request_id: str) -> web.StreamResponse:
        return _json(_described(self._find(http)), request_id)

    async def _call(self, http: web.Request, request_id: str, kinds: Sequence[str]) -> _Call:
        kind = choice(http, "invocationType", "X-Amz-Invocation-Type", kinds)
        log_type = choice(http, "logType", "X-Amz-Log-Type", ("None", "Tail"))
        function = self._find(http)
        request = Request(
            client_context=client_context(http.headers.get("X-Amz-Client-Context")),
            trace_id=http.headers.get("X-Amzn-Trace-Id") or new_trace_id(),
            payload=await event(http, REQUEST_BYTES),
            request_id=request_id,
        )
        return _Call(function=function, request=request, kind=kind, with_log=log_type == "Tail")

    def _find(self, http: web.Request) -> Servable:
        """The function that a request names, which has one version alone."""
        name, qualifier = named(http)
        function = self._functions.get(name)
        if function is None or qualifier not in (None, "", VERSION):
            raise errors.not_found(name, qualifier)
        return function

    async def _carry_out(self, invocation: Coroutine[Any, Any, Invoked]) -> Invoked:
        """Await an invocation, which goes on if this is cancelled because the client has left."""
        task = asyncio.create_task(invocation)
        self._under_way.add(task)
        task.add_done_callback(self._under_way.discard)
        return await asyncio.shield(task)


def _answering(handler: Handler) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
    """Give a request its id, and tell of what is refused."""

    async def handle(http: web.Request) -> web.StreamResponse:
        request_id = str(uuid.uuid4())
        try:
            return await handler(http, request_id)
        except Exception as error:
            if isinstance(error, ConnectionError) and http.transport is None:
                return web.Response()  # the client left while it sent its event, and nobody reads this
            return errors.answer(errors.as_refused(error), request_id)

    return handle


def _json(document: dict[str, Any], request_id: str) -> web.Response:
    body = json.dumps(document).encode()
    return web.Response(body=body, content_type="application/json", headers={"x-amzn-RequestId": request_id})


def _described(function: Servable) -> dict[str, Any]:
    """A FunctionConfiguration; nothing is ever being updated, so SDKs' waiters go on."""
    return {**function.configuration(), "LastUpdateStatus": "Successful"}
