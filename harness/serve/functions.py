"""The AWS Lambda Invoke API in front of functions that run here, for boto3 (`endpoint_url`), any SDK, and curl.

Source: AWS Lambda API Reference, "Invoke", "InvokeWithResponseStream", "InvokeAsync", read 2026-11-24; where Lambda is
known to answer otherwise than that says, as Lambda answers. Signatures are not checked: any credentials will do, and so
will any account and region in an ARN. A client that leaves does not end its invocation.
"""

from __future__ import annotations

import asyncio
import base64
import json
import re
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
    too_large,
)
from harness.placements.function.runtime_api import new_trace_id
from harness.serve import errors
from harness.serve.eventstream import StreamedAnswer

CLIENT_CONTEXT_BYTES = 3583  # in base64
INVOKE_ASYNC_BYTES = 256 * 1024
# What SDKs and `curl --data` call a JSON event, which Lambda takes as such.
MEDIA_TYPES = frozenset(
    {
        "application/json",
        "application/octet-stream",
        "application/x-amz-json-1.0",
        "application/x-amz-json-1.1",
        "application/x-www-form-urlencoded",
        "binary/octet-stream",
    }
)
NAME = re.compile(
    r"(arn:aws[a-z-]*:lambda:)?([a-z]+(-[a-z]+)+-\d:)?(\d{12}:)?(function:)?"
    r"(?P<name>[a-zA-Z0-9._-]+)(:(?P<qualifier>\$LATEST|[a-zA-Z0-9_-]+))?"
)


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
        function.submit(Request(payload=await _event(http, INVOKE_ASYNC_BYTES), request_id=request_id))
        return web.Response(status=202, headers={"x-amzn-RequestId": request_id})

    async def list_functions(self, http: web.Request, request_id: str) -> web.StreamResponse:
        functions = [_described(function) for function in self._functions.values()]
        return _json({"Functions": functions}, request_id)

    async def get_function(self, http: web.Request, request_id: str) -> web.StreamResponse:
        return _json({"Configuration": _described(self._find(http))}, request_id)

    async def get_configuration(self, http: web.Request, request_id: str) -> web.StreamResponse:
        return _json(_described(self._find(http)), request_id)

    async def _call(self, http: web.Request, request_id: str, kinds: Sequence[str]) -> _Call:
        kind = _choice(http, "invocationType", "X-Amz-Invocation-Type", kinds)
        log_type = _choice(http, "logType", "X-Amz-Log-Type", ("None", "Tail"))
        function = self._find(http)
        request = Request(
            client_context=_client_context(http.headers.get("X-Amz-Client-Context")),
            trace_id=http.headers.get("X-Amzn-Trace-Id") or new_trace_id(),
            payload=await _event(http, REQUEST_BYTES),
            request_id=request_id,
        )
        return _Call(function=function, request=request, kind=kind, with_log=log_type == "Tail")

    def _find(self, http: web.Request) -> Servable:
        """The function that a request names, by name or ARN."""
        text = http.match_info["name"]
        named = NAME.fullmatch(text)
        if named is None:
            raise errors.bad_value(text, "functionName", f"regular expression pattern: {NAME.pattern}")
        asked = http.query.get("Qualifier")
        if asked and named["qualifier"] and asked != named["qualifier"]:
            raise errors.contradictory_qualifiers()
        qualifier = asked or named["qualifier"]
        function = self._functions.get(named["name"])
        if function is None or qualifier not in (None, "", VERSION):
            raise errors.not_found(named["name"], qualifier)
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


async def _event(http: web.Request, limit_bytes: int) -> bytes:
    """The body, which has to be JSON and small enough; nothing is an empty object to Lambda."""
    media_type = http.headers.get("Content-Type", "application/json").partition(";")[0].strip().lower()
    if media_type not in MEDIA_TYPES:
        raise errors.unsupported_media_type(media_type)
    body = await _body(http, limit_bytes)
    if not body:
        return b"{}"
    try:
        JSON.decode(body.decode())
    except (ValueError, RecursionError) as error:
        raise errors.not_json(error) from None
    return body


async def _body(http: web.Request, limit_bytes: int) -> bytes:
    """All that was sent, refused as soon as it is known to be too large."""
    if (http.content_length or 0) > limit_bytes:
        raise too_large(limit_bytes)
    body = bytearray()
    while piece := await http.content.readany():
        body += piece
        if len(body) > limit_bytes:
            raise too_large(limit_bytes)
    return bytes(body)


def _client_context(encoded: str | None) -> str | None:
    """The JSON text of a client context."""
    if not encoded:
        return None
    if len(encoded) > CLIENT_CONTEXT_BYTES:
        raise errors.long_client_context(len(encoded), CLIENT_CONTEXT_BYTES)
    try:
        text = base64.b64decode(encoded, validate=True).decode()
        if isinstance(JSON.decode(text), dict):
            return text
    except (ValueError, RecursionError):
        pass
    raise errors.bad_client_context()


def _no_number(name: str) -> None:
    raise ValueError(f"{name} is no JSON number")


JSON = json.JSONDecoder(parse_constant=_no_number)


def _choice(http: web.Request, parameter: str, header: str, values: Sequence[str]) -> str:
    """The value of a header with a fixed set of them, the first of which is the default."""
    value = http.headers.get(header, values[0])
    if value not in values:
        raise errors.bad_value(value, parameter, f"enum value set: [{', '.join(values)}]")
    return value


def _json(document: dict[str, Any], request_id: str) -> web.Response:
    body = json.dumps(document).encode()
    return web.Response(body=body, content_type="application/json", headers={"x-amzn-RequestId": request_id})


def _described(function: Servable) -> dict[str, Any]:
    """A FunctionConfiguration; nothing is ever being updated, so SDKs' waiters go on."""
    return {**function.configuration(), "LastUpdateStatus": "Successful"}
