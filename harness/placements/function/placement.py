"""Items as invocations of a function: events as S3 sends them, or requests that somebody waits for."""

from __future__ import annotations

import contextlib
import json
from typing import Any
from urllib.parse import quote_plus

from harness.placements.base import Bench, Work
from harness.placements.function.concurrency import Account
from harness.placements.function.invocation import Refused, Request
from harness.placements.function.recorded import RecordedFunction
from harness.scenario import FunctionSettings


class FunctionPlacement:
    """One function, invoked for each item."""

    def __init__(self, bench: Bench, settings: FunctionSettings) -> None:
        self._settings = settings
        self._function = RecordedFunction(bench, settings, Account(settings.account_concurrency))

    async def open(self) -> None:
        """A function scales from zero: nothing, but for what is provisioned."""
        await self._function.open()

    async def run(self, work: Work) -> None:
        """Invoke the function for one item; every try is a row, and so is a refusal."""
        event = s3_event(work.item) if self._settings.payload is None else self._settings.payload
        request = Request(payload=json.dumps(event).encode())
        if self._settings.invocation == "event":
            await self._function.submit(work, request)
        else:
            with contextlib.suppress(Refused):
                await self._function.invoke(work, request)

    async def close(self) -> None:
        """End every environment."""
        await self._function.close()


def s3_event(key: str) -> dict[str, Any]:
    """An S3 notification of a created object, as S3 sends it to Lambda (keys are URL-encoded)."""
    return {
        "Records": [
            {
                "eventVersion": "2.1",
                "eventSource": "aws:s3",
                "awsRegion": "us-east-1",
                "eventName": "ObjectCreated:Put",
                "s3": {
                    "s3SchemaVersion": "1.0",
                    "bucket": {"name": "in", "arn": "arn:aws:s3:::in"},
                    "object": {"key": quote_plus(key, safe="/")},
                },
            }
        ]
    }
