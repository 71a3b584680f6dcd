"""Runs attempts at jobs in containers, and turns what they told into rows: one for each item of a job's share."""

from __future__ import annotations

import asyncio
import itertools
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from harness.engines.base import ContainerSpec, EngineError, Exit, Limits
from harness.placements.attempts import ColdParts, attempt, unreadable
from harness.placements.base import Bench, Launched, Work
from harness.placements.batch.jobs import Job
from harness.placements.capacity import Instance
from harness.rows import Outcome

KIND = "batch"


@dataclass(frozen=True, slots=True)
class Share:
    """The items of one job, in order, and the manifest that names them."""

    manifest: str
    works: tuple[Work, ...]


class JobRunner:
    """Starts containers for jobs whose shares it was given."""

    def __init__(self, bench: Bench, limits: Limits, name: str) -> None:
        """`name` is that of the compute environment."""
        self._bench = bench
        self._limits = limits
        self._name = name
        self._numbers = itertools.count()
        self._shares: dict[str, Share] = {}
        self._removals: set[asyncio.Task[None]] = set()
        self._abandoned = False

    def abandon(self) -> None:
        """The run ends early: what a job has not done by now is nobody's failure, and has no row."""
        self._abandoned = True

    def share(self, job: Job, share: Share) -> None:
        """What the job is to work through."""
        self._shares[job.id] = share

    async def start(self, job: Job, instance: Instance) -> JobContainer:
        """Start a container for the next attempt. EngineError if there can be none; its items' rows are written."""
        share = self._shares[job.id]
        number = len(job.attempts) + 1
        try:
            launched = await self._bench.launch(self._spec(job, share))
        except EngineError as error:
            self.record_lost(share, number, str(error))
            raise
        foreign = job.submission.definition.image is not None
        return JobContainer(self, launched, share, number, foreign=foreign)

    async def close(self) -> None:
        """Wait until every container is gone."""
        while self._removals:
            await asyncio.gather(*self._removals, return_exceptions=True)

    def remove(self, launched: Launched) -> None:
        """Remove an ended container while others work."""
        removal = asyncio.create_task(self._bench.remove(launched))
        self._removals.add(removal)
        removal.add_done_callback(self._removals.discard)

    def record(
        self, share: Share, number: int, launched: Launched, end: Exit, output: str, *, foreign: bool
    ) -> None:
        """A row for each item of the share."""
        clock = self._bench.clock
        lines = self._of_foreign(share, launched, end) if foreign else parse(output)
        # A job works through its share in order, so the lines pair up with it; an item may occur in it twice.
        told = iter([line for line in lines if line["type"] == "item"])
        ready_ns = next(
            (clock.from_monotonic(line["at_ns"]) for line in lines if line["type"] == "ready"), None
        )
        ended_ns = clock.now_ns()
        cold = ColdParts.of(launched, ready_ns or ended_ns)
        usage = launched.container.usage()
        alone = len(share.works) == 1
        reached = True
        for work in share.works:
            result = next(told, None)
            if result is None and self._abandoned:
                return
            if result is not None and (wrong := unreadable(result)):
                outcome, error, done_ns, result = Outcome.ERROR, wrong, ended_ns, None
            elif result is not None:
                outcome, error = (Outcome.OK, "") if result["ok"] else (Outcome.ERROR, result["error"])
                done_ns = clock.from_monotonic(result["done_ns"])
            else:
                outcome, error = _why_missing(end, output, reached=reached)
                done_ns, reached = ended_ns, False
            row = attempt(
                self._bench,
                work,
                KIND,
                number=number,
                outcome=outcome,
                error=error,
                done_ns=done_ns,
                result=result,
                cold=cold,
                memory_peak_bytes=usage.memory_peak_bytes if usage else None,
                container_cpu_s=usage.cpu_s if usage and alone else None,
                container=launched.container.name,
            )
            self._bench.recorder.attempt(row)

    def _of_foreign(self, share: Share, launched: Launched, end: Exit) -> list[dict[str, Any]]:
        """What a job of the user's own image would have told: it has done all of its items if it ends well."""
        clock = self._bench.clock
        offset_ns = clock.from_monotonic(0)
        began_ns, ended_ns = launched.started_ns - offset_ns, clock.now_ns() - offset_ns
        item = {
            "type": "item", "ok": True, "started_ns": began_ns, "done_ns": ended_ns,
            "work_s": (ended_ns - began_ns) / 1e9,
        }  # fmt: skip
        ready = {"type": "ready", "at_ns": began_ns}
        return [ready, *([item] * len(share.works) if end.code == 0 else [])]

    def record_lost(self, share: Share, number: int, error: str) -> None:
        """Rows for a container that could not be started, or that was lost from sight."""
        now_ns = self._bench.clock.now_ns()
        for work in share.works:
            row = attempt(
                self._bench, work, KIND, number=number, outcome=Outcome.ERROR, error=error, done_ns=now_ns
            )
            self._bench.recorder.attempt(row)

    def _spec(self, job: Job, share: Share) -> ContainerSpec:
        bench, image = self._bench, job.submission.definition.image
        own: Mapping[str, str] = {"AWS_BATCH_CE_NAME": self._name}
        if image is None:
            own = {**bench.environment(), **own, "MANIFEST": share.manifest}
        else:
            own = {**own, "ITEMS": json.dumps([work.item for work in share.works])}
        return ContainerSpec(
            name=bench.container_name(f"job{next(self._numbers)}"),
            command=job.command(),
            environment={**job.environment(), **own},
            limits=self._limits,
            readable=(bench.store_in,) if image is None else (),
            writable=(bench.store_out,) if image is None else (),
            image=image,
        )


class JobContainer:
    """One attempt whose container runs."""

    def __init__(
        self, runner: JobRunner, launched: Launched, share: Share, number: int, *, foreign: bool
    ) -> None:
        self._runner = runner
        self._launched = launched
        self._share = share
        self._number = number
        self._foreign = foreign
        self.container = launched.container.name

    async def wait(self) -> Exit:
        """Its end, after which its items' rows are written. EngineError, and rows that say so, if nobody knows it."""
        try:
            end = await asyncio.shield(self._launched.ended)
            output = await self._launched.container.output()
        except EngineError as error:
            self._runner.record_lost(self._share, self._number, str(error))
            raise
        self._runner.record(self._share, self._number, self._launched, end, output, foreign=self._foreign)
        return end

    async def stop(self, grace_s: float) -> None:
        """SIGTERM, then SIGKILL."""
        await self._launched.container.stop(grace_s)

    def let_go(self) -> None:
        """Remove it, while others work."""
        self._runner.remove(self._launched)


def parse(output: str) -> list[dict[str, Any]]:
    """The job's own lines; whatever else it printed, or a line cut short by a kill, is passed over."""
    found = []
    for line in output.splitlines():
        try:
            value = json.loads(line)
        except ValueError:
            continue
        if isinstance(value, dict) and value.get("type") in {"ready", "item", "done"}:
            found.append(value)
    return found


def _why_missing(end: Exit, output: str, *, reached: bool) -> tuple[Outcome, str]:
    """Outcome of an item that the job did not tell of; `reached` is true for the one it was at."""
    if not reached:
        return Outcome.LOST, f"its job ended before it (exit code {end.code})"
    if end.out_of_memory:
        return Outcome.OUT_OF_MEMORY, "OutOfMemoryError: Container killed due to memory usage"
    last = output.strip().splitlines()[-1:]
    return Outcome.ERROR, f"Essential container in task exited: exit code {end.code}; {' '.join(last)[:500]}"
