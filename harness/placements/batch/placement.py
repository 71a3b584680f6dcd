"""The batch placement: items that arrive together become one array job, whose children are containers that end.

A job waits for a slot of the vCPU budget, is started, works through its share of the manifest and exits. It tells of
each item on its standard output, so a job that is killed has lost nothing that it had finished.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import uuid
from dataclasses import dataclass, field
from typing import Any

from harness.engines.base import ContainerSpec, EngineError, Exit, Limits
from harness.placements.attempts import ColdParts, attempt, unreadable
from harness.placements.base import Bench, Launched, Work
from harness.rows import Outcome
from harness.scenario import BatchSettings

KIND = "batch"
MB = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Job:
    """One child of an array job and the items that are its share, in order."""

    job_id: str
    index: int
    size: int
    manifest: str
    share: tuple[Work, ...]


@dataclass(slots=True)
class BatchPlacement:
    """A queue of jobs over a budget of vCPUs."""

    bench: Bench
    settings: BatchSettings
    _pending: list[Work] = field(default_factory=list)
    _flushed: asyncio.Future[None] | None = None
    _window: asyncio.TimerHandle | None = None
    _slots: asyncio.Semaphore = field(init=False)
    _numbers: itertools.count[int] = field(default_factory=itertools.count)
    _jobs: dict[int, asyncio.Task[None]] = field(default_factory=dict)
    _removals: set[asyncio.Task[None]] = field(default_factory=set)

    def __post_init__(self) -> None:
        self._slots = asyncio.Semaphore(self.settings.parallel)

    async def open(self) -> None:
        """A queue stands by at no cost; only what the engine can make ahead is made."""
        await self.bench.engine.reserve(self.settings.parallel, network=False)

    async def run(self, work: Work) -> None:
        """Put the item into the job that is being collected; return when that job has told of it."""
        self._pending.append(work)
        if self._flushed is None:
            loop = asyncio.get_running_loop()
            self._flushed = loop.create_future()
            self._window = loop.call_later(self.settings.window_s, self._submit)
        # Both are shared with other items: cancelling one item must not cancel them.
        await asyncio.shield(self._flushed)
        await asyncio.shield(self._jobs[id(work)])
        del self._jobs[id(work)]

    async def close(self) -> None:
        """Cancel jobs that still run, and remove their containers."""
        if self._window is not None:
            self._window.cancel()
        tasks = set(self._jobs.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await asyncio.gather(*self._removals)

    def _submit(self) -> None:
        """Turn everything collected into one array job."""
        collected, self._pending = self._pending, []
        flushed, self._flushed = self._flushed, None
        job_id = str(uuid.uuid4())
        manifest = f"manifests/{job_id}.json"
        path = self.bench.store_out / manifest
        path.parent.mkdir(exist_ok=True)
        path.write_text(json.dumps([work.item for work in collected]))
        size = min(self.settings.array_size, len(collected))
        self.bench.event(
            "job_submitted", phase=collected[0].phase, job=job_id, items=len(collected), size=size
        )
        for index in range(size):
            job = Job(job_id, index, size, manifest, tuple(collected[index::size]))
            task = asyncio.create_task(self._run_job(job))
            self._jobs |= {id(work): task for work in job.share}
        if flushed is not None and not flushed.done():
            flushed.set_result(None)

    async def _run_job(self, job: Job) -> None:
        """One job from the queue to its end; every item of its share becomes an attempt."""
        async with self._slots:
            try:
                launched = await self.bench.launch(self._spec(job))
            except EngineError as error:
                self._record_unstarted(job, str(error))
                return
            try:
                end = await asyncio.shield(launched.ended)
                output = await launched.container.output()
            except asyncio.CancelledError:
                await self.bench.remove(launched)
                raise
        self.bench.event(
            "job_ended", launched.container.name, job=job.job_id, index=job.index, exit_code=end.code
        )
        self._record(job, launched, end, output)
        # The slot is free by now: removing overlaps with the next job.
        removal = asyncio.create_task(self.bench.remove(launched))
        self._removals.add(removal)
        removal.add_done_callback(self._removals.discard)

    def _record(self, job: Job, launched: Launched, end: Exit, output: str) -> None:
        clock = self.bench.clock
        lines = parse(output)
        # A job works through its share in order, so the lines pair up with it; an item may occur in it twice.
        told = iter([line for line in lines if line["type"] == "item"])
        ready_ns = next(
            (clock.from_monotonic(line["at_ns"]) for line in lines if line["type"] == "ready"), None
        )
        ended_ns = clock.now_ns()
        cold = ColdParts.of(launched, ready_ns or ended_ns)
        usage = launched.container.usage()
        alone = len(job.share) == 1
        reached = True
        for work in job.share:
            result = next(told, None)
            if result is not None and (wrong := unreadable(result)):
                outcome, error, done_ns, result = Outcome.ERROR, wrong, ended_ns, None
            elif result is not None:
                outcome, error = (Outcome.OK, "") if result["ok"] else (Outcome.ERROR, result["error"])
                done_ns = clock.from_monotonic(result["done_ns"])
            else:
                outcome, error = _why_missing(end, output, reached=reached)
                done_ns, reached = ended_ns, False
            row = attempt(
                self.bench,
                work,
                KIND,
                outcome=outcome,
                error=error,
                done_ns=done_ns,
                result=result,
                cold=cold,
                memory_peak_bytes=usage.memory_peak_bytes if usage else None,
                container_cpu_s=usage.cpu_s if usage and alone else None,
                container=launched.container.name,
            )
            self.bench.recorder.attempt(row)

    def _record_unstarted(self, job: Job, error: str) -> None:
        now_ns = self.bench.clock.now_ns()
        for work in job.share:
            row = attempt(self.bench, work, KIND, outcome=Outcome.ERROR, error=error, done_ns=now_ns)
            self.bench.recorder.attempt(row)

    def _spec(self, job: Job) -> ContainerSpec:
        bench = self.bench
        own = {
            "MANIFEST": job.manifest,
            "AWS_BATCH_JOB_ID": job.job_id if job.size == 1 else f"{job.job_id}:{job.index}",
            "AWS_BATCH_JOB_ATTEMPT": "1",
            "AWS_BATCH_JQ_NAME": bench.arm,
            "AWS_BATCH_CE_NAME": bench.engine.name,
        }
        if job.size > 1:  # as on AWS: an array has at least two children, and a plain job has no index
            own |= {"AWS_BATCH_JOB_ARRAY_INDEX": str(job.index), "AWS_BATCH_JOB_ARRAY_SIZE": str(job.size)}
        return ContainerSpec(
            name=bench.container_name(f"job{next(self._numbers)}"),
            command=("python3", "-m", f"workloads.{bench.workload}.job"),
            environment=bench.environment() | own,
            limits=limits(self.settings),
            readable=(bench.store_in,),
            writable=(bench.store_out,),
        )


def limits(settings: BatchSettings) -> Limits:
    """What each job may use."""
    return Limits(vcpu=settings.vcpu, memory_bytes=settings.memory_mb * MB, cpu=settings.cpu)


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
