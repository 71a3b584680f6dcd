"""A function whose every try becomes a row, whoever invokes it: a run's items or the clients of a served API."""

from __future__ import annotations

import asyncio
import json
from typing import Any

from harness.placements.attempts import attempt, unreadable
from harness.placements.base import Bench, Work
from harness.placements.function.concurrency import Account
from harness.placements.function.events import Ending
from harness.placements.function.function import Function
from harness.placements.function.invocation import Invoked, Refused, Request, Sink
from harness.rows import Outcome
from harness.scenario import FunctionSettings

KIND = "function"


class RecordedFunction:
    """`open`, `invoke` or `submit` each request with the work that it is part of, `close`."""

    def __init__(self, bench: Bench, settings: FunctionSettings, account: Account) -> None:
        self._bench = bench
        self._settings = settings
        self._works: dict[str, Work] = {}
        self._function = Function(bench, settings, account, self._tried, self._given_up)
        self.name = self._function.name

    async def open(self) -> None:
        """Make ready what is provisioned. EngineError if its image or a container is not to be had."""
        await self._function.open()

    async def invoke(self, work: Work, request: Request, sink: Sink | None = None) -> Invoked:
        """Invoke it and wait. Refused as Lambda would; there is a row of that, too."""
        self._works[request.request_id] = work
        try:
            return await self._function.invoke(request, sink)
        finally:
            del self._works[request.request_id]

    def submit(self, work: Work, request: Request) -> asyncio.Future[Ending]:
        """Put an event into its queue; the future tells how it ended. Refused if it is too large."""
        ending = self._function.submit(request)
        self._works[request.request_id] = work
        ending.add_done_callback(lambda _: self._works.pop(request.request_id))
        return ending

    async def close(self) -> None:
        """End every environment."""
        await self._function.close()

    def configuration(self) -> dict[str, Any]:
        """In the shape of GetFunctionConfiguration."""
        return self._function.configuration()

    def _tried(self, request: Request, number: int, result: Invoked | Refused) -> None:
        """One try at an item, as a row."""
        work = self._works[request.request_id]
        if isinstance(result, Refused):
            self._refused(work, number, result)
            return
        account, wrong = self._account_of(result)
        # A later try has also waited for the earlier ones.
        queue_s = result.queue_s
        if number > 1:
            queue_s = (result.given_ns - work.sent_ns) / 1e9 - (result.cold.total_s if result.cold else 0.0)
        row = attempt(
            self._bench,
            work,
            KIND,
            number=number,
            outcome=Outcome.ERROR if wrong else result.outcome,
            error=wrong or result.error,
            done_ns=result.done_ns,
            result=account,
            queue_s=queue_s,
            cold=result.cold,
            duration_s=result.duration_s,
            billed_s=result.billed_s,
            memory_peak_bytes=result.memory_peak_bytes,
            container_cpu_s=result.container_cpu_s,
            container=result.environment,
        )
        self._bench.recorder.attempt(row)

    def _refused(self, work: Work, number: int, refused: Refused) -> None:
        row = attempt(
            self._bench,
            work,
            KIND,
            number=number,
            outcome=Outcome.THROTTLED if refused.status == 429 else Outcome.ERROR,
            error=f"{refused.code}: {refused.reason or refused}",
            done_ns=self._bench.clock.now_ns(),
        )
        self._bench.recorder.attempt(row)

    def _given_up(self, request: Request, condition: str, tries: int) -> None:
        """An event that was never tried has no row yet."""
        if tries == 0:
            refused = Refused(429, "TooManyRequestsException", condition)
            self._refused(self._works[request.request_id], 1, refused)

    def _account_of(self, result: Invoked) -> tuple[dict[str, Any] | None, str]:
        """The workload's account of the item, or what is wrong with it; a foreign function gives none."""
        if not result.ok:
            return None, ""
        if self._settings.runs_workload:
            return item_result(result.payload)
        duration_s = result.duration_s or 0.0
        offset_ns = self._bench.clock.from_monotonic(0)
        account = {
            "started_ns": result.done_ns - round(duration_s * 1e9) - offset_ns,
            "done_ns": result.done_ns - offset_ns,
            "work_s": duration_s,
        }
        return account, ""


def item_result(payload: bytes) -> tuple[dict[str, Any] | None, str]:
    """The workload's account of the item, or what is wrong with the answer."""
    try:
        result = json.loads(payload)["results"][0]
    except (ValueError, LookupError, TypeError):
        result = payload.decode(errors="replace")
    wrong = unreadable(result)
    return (None, wrong) if wrong else (result, "")
