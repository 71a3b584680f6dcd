"""One function: invoked, within the limits of Lambda, in an environment that is free or is made for it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from harness.engines.base import EngineError
from harness.placements.base import Bench
from harness.placements.function.concurrency import Account
from harness.placements.function.definition import define
from harness.placements.function.events import Ending, EventQueue, Retries, Tried
from harness.placements.function.fleet import Fleet
from harness.placements.function.invocation import (
    EVENT_BYTES,
    REQUEST_BYTES,
    VERSION,
    Invoked,
    Refused,
    Request,
    Sink,
    too_large,
)
from harness.placements.function.runtime_api import arn
from harness.scenario import FunctionSettings

# Takes what each try came to, and each event that is given up.
Tell = Callable[[Request, int, Invoked | Refused], None]
GiveUp = Callable[[Request, str, int], None]


class Function:
    """`open`, `invoke` and `submit` as often and as concurrently as you like, `close`."""

    def __init__(
        self, bench: Bench, settings: FunctionSettings, account: Account, tell: Tell, give_up: GiveUp
    ) -> None:
        self.name = bench.arm
        self._bench = bench
        self._settings = settings
        self._account = account
        self._tell = tell
        self._give_up = give_up
        self._fleet: Fleet | None = None
        self._failed: dict[str, Invoked] = {}
        if settings.reserved_concurrency is not None:
            account.reserved[self.name] = settings.reserved_concurrency
        rules = Retries(
            retries=settings.retries, max_age_s=settings.max_event_age_s, time_scale=settings.time_scale
        )
        self._events: EventQueue[Request] = EventQueue(self._try_event, rules, bench.clock, self._letter)

    async def open(self) -> None:
        """Make ready what is provisioned. EngineError if its image or a container is not to be had."""
        definition = await define(self._bench, self._settings)
        self._fleet = Fleet(self._bench, self._settings, definition)
        await self._fleet.open()

    async def invoke(self, request: Request, sink: Sink | None = None) -> Invoked:
        """Invoke it and wait; a streamed answer goes to `sink`. Refused as Lambda would, 500 if the engine fails."""
        try:
            invoked = await self._invoke(request, sink)
        except Refused as refused:
            self._bench.event("throttled" if refused.status == 429 else "refused", reason=refused.reason)
            self._tell(request, 1, refused)
            raise
        self._tell(request, 1, invoked)
        return invoked

    def submit(self, request: Request) -> asyncio.Future[Ending]:
        """Put an event into the queue; the future tells how it ended. Refused if it is too large."""
        if len(request.payload) > EVENT_BYTES:
            raise too_large(EVENT_BYTES)
        return self._events.put(request)

    async def _invoke(self, request: Request, sink: Sink | None) -> Invoked:
        if len(request.payload) > REQUEST_BYTES:
            raise too_large(REQUEST_BYTES)
        assert self._fleet is not None, "it has not been opened"
        asked_ns = self._bench.clock.now_ns()
        with self._account.invocation(self.name):
            try:
                environment = await self._fleet.take()
            except EngineError as error:
                raise Refused(500, "ServiceException", str(error)) from error
            waited_s = (self._bench.clock.now_ns() - asked_ns) / 1e9
            try:
                return await environment.invoke(request, waited_s, sink)
            finally:
                self._fleet.give_back(environment)

    async def _try_event(self, request: Request, number: int) -> Tried:
        """One try at an event; one that was throttled is no try."""
        try:
            invoked = await self._invoke(request, None)
        except Refused as refused:
            if refused.status == 429:
                self._bench.event("throttled", reason=refused.reason)
                return Tried.THROTTLED
            self._tell(request, number, refused)
            return Tried.FAILED
        self._tell(request, number, invoked)
        if invoked.ok:
            self._failed.pop(request.request_id, None)
            return Tried.OK
        self._failed[request.request_id] = invoked
        return Tried.FAILED

    def _letter(self, request: Request, condition: str, tries: int) -> None:
        """An event that is given up goes to the on-failure destination: a line in a file of the run."""
        failed = self._failed.pop(request.request_id, None)
        self._bench.event("dead_letter", request_id=request.request_id, condition=condition, tries=tries)
        self._bench.keep("on-failure.jsonl", destination_record(self.name, request, condition, tries, failed))
        self._give_up(request, condition, tries)

    async def close(self) -> None:
        """End every environment. Events that have not ended are told of: none is lost in silence."""
        for request in await self._events.close():
            self._bench.event("event_left", request_id=request.request_id)
        if self._fleet is not None:
            await self._fleet.close()

    def configuration(self) -> dict[str, Any]:
        """In the shape of GetFunctionConfiguration."""
        settings = self._settings
        return {
            "FunctionName": self.name,
            "FunctionArn": arn(self.name),
            "PackageType": "Image",
            "MemorySize": settings.memory_mb,
            "Timeout": round(settings.timeout_s),
            "EphemeralStorage": {"Size": settings.tmp_mb},
            "Version": VERSION,
            "State": "Active",
        }


def destination_record(
    function: str, request: Request, condition: str, tries: int, failed: Invoked | None
) -> dict[str, Any]:
    """What Lambda sends to an on-failure destination.

    Source: AWS Lambda Developer Guide, "Capturing records of Lambda asynchronous invocations", read 2026-11-23.
    """
    record: dict[str, Any] = {
        "version": "1.0",
        "timestamp": datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "requestContext": {
            "requestId": request.request_id,
            "functionArn": f"{arn(function)}:{VERSION}",
            "condition": condition,
            "approximateInvokeCount": tries,
        },
        "requestPayload": _json_or_text(request.payload),
    }
    if failed is not None:
        record["responseContext"] = {
            "statusCode": 200,
            "executedVersion": VERSION,
            "functionError": failed.function_error,
        }
        record["responsePayload"] = _json_or_text(failed.payload)
    return record


def _json_or_text(payload: bytes) -> Any:
    try:
        return json.loads(payload)
    except ValueError:
        return payload.decode(errors="replace")
