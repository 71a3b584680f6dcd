"""Attempts at jobs of any definition: one container, one log file, one row each."""

from __future__ import annotations

import asyncio
import itertools
from pathlib import Path

from harness.engines.base import ContainerSpec, EngineError, Exit, Limits
from harness.placements.attempts import ColdParts, attempt
from harness.placements.base import Bench, Launched, Work
from harness.placements.batch.jobs import Job
from harness.placements.capacity import Instance
from harness.rows import Outcome

KIND = "batch"
PHASE = "served"
MB = 1024 * 1024


class ImageRunner:
    """Runs each job's own image and command; a definition without an image runs the scenario's workload."""

    def __init__(self, bench: Bench) -> None:
        self._bench = bench
        self._numbers = itertools.count()
        self._removals: set[asyncio.Task[None]] = set()
        self.attempts = 0

    async def start(self, job: Job, instance: Instance) -> ImageJob:
        """Start a container for the next attempt. EngineError if there can be none; its row is written."""
        bench, definition = self._bench, job.submission.definition
        self.attempts += 1
        name = bench.container_name(f"job{next(self._numbers)}")
        log = Log(bench.log_file(name))
        ours = definition.image is None
        spec = ContainerSpec(
            name=name,
            command=job.command(),
            environment={
                **(bench.environment() if ours else {}),
                **job.environment(),
                "AWS_BATCH_CE_NAME": bench.arm,
            },
            limits=Limits(
                vcpu=job.vcpu,
                memory_bytes=job.memory_mb * MB,
                cpu="hard" if definition.platform == "FARGATE" else "share",
                open_files=definition.open_files,
            ),
            readable=(bench.store_in,) if ours else (),
            writable=(bench.store_out,) if ours else (),
            image=definition.image,
            tmpfs=definition.tmpfs,
            shared_memory_bytes=definition.shared_memory_bytes,
            init=definition.init,
            output=log.write,
        )
        made = ImageJob(self, bench, job, log)
        try:
            made.launched = await bench.launch(spec)
        except EngineError as error:
            made.record(Outcome.ERROR, str(error))
            log.close()
            raise
        return made

    def remove(self, launched: Launched) -> None:
        """Remove an ended container while others work."""
        removal = asyncio.create_task(self._bench.remove(launched))
        self._removals.add(removal)
        removal.add_done_callback(self._removals.discard)

    async def close(self) -> None:
        """Wait until every container is gone."""
        while self._removals:
            await asyncio.gather(*self._removals, return_exceptions=True)


class ImageJob:
    """One attempt, from its container's start."""

    launched: Launched

    def __init__(self, runner: ImageRunner, bench: Bench, job: Job, log: Log) -> None:
        self._runner = runner
        self._bench = bench
        self._job = job
        self._log = log
        self._number = len(job.attempts) + 1

    @property
    def container(self) -> str:
        """Its name."""
        return self.launched.container.name

    async def wait(self) -> Exit:
        """Its end, after which its row is written."""
        try:
            end = await asyncio.shield(self.launched.ended)
        except EngineError as error:
            self.record(Outcome.ERROR, str(error))
            raise
        finally:
            self._log.close()
        if end.out_of_memory:
            self.record(Outcome.OUT_OF_MEMORY, "OutOfMemoryError: Container killed due to memory usage")
        elif end.code == 0:
            self.record(Outcome.OK, "")
        else:
            self.record(Outcome.ERROR, f"Essential container in task exited: exit code {end.code}")
        return end

    async def stop(self, grace_s: float) -> None:
        """SIGTERM, then SIGKILL."""
        await self.launched.container.stop(grace_s)

    def let_go(self) -> None:
        """Remove it, while others work."""
        self._runner.remove(self.launched)

    def record(self, outcome: Outcome, error: str) -> None:
        """The attempt's row. Of a foreign image nothing is known but its start and its end."""
        job, clock = self._job, self._bench.clock
        now_ns = clock.now_ns()
        work = Work(
            item=job.submission.name,
            sequence=job.number,
            phase=PHASE,
            due_ns=job.created_ns,
            sent_ns=job.created_ns,
        )
        launched = getattr(self, "launched", None)
        account, cold, usage = None, None, None
        if launched is not None:
            cold = ColdParts.of(launched, launched.started_ns)
            usage = launched.container.usage()
            offset_ns = clock.from_monotonic(0)
            account = {
                "started_ns": launched.started_ns - offset_ns,
                "done_ns": now_ns - offset_ns,
                "work_s": (now_ns - launched.started_ns) / 1e9,
            }
        row = attempt(
            self._bench, work, KIND, number=self._number, outcome=outcome, error=error, done_ns=now_ns, result=account,
            cold=cold, memory_peak_bytes=usage.memory_peak_bytes if usage else None,
            container_cpu_s=usage.cpu_s if usage else None, container=self.container if launched else "",
        )  # fmt: skip
        self._bench.recorder.attempt(row)


class Log:
    """A file that takes output from any thread; kept nowhere without a path."""

    def __init__(self, path: Path | None) -> None:
        self._file = path.open("ab") if path else None

    def write(self, data: bytes) -> None:
        """Output of the container."""
        if self._file is not None and not self._file.closed:
            self._file.write(data)

    def close(self) -> None:
        """Nothing more comes."""
        if self._file is not None:
            self._file.close()
