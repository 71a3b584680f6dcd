"""Serves functions and batch of a scenario until it is interrupted; every try becomes a row of a run folder."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from aiohttp import web

from harness import plan, session
from harness.measure.load import between, read_load
from harness.placements.base import Bench, Work
from harness.placements.batch.control import Batch
from harness.placements.batch.observing import EventObserver
from harness.placements.batch.placement import define, environment
from harness.placements.capacity import Delay
from harness.placements.function.concurrency import Account
from harness.placements.function.invocation import Invoked, Request, Sink
from harness.placements.function.recorded import RecordedFunction
from harness.runs import State
from harness.scenario import BatchSettings, FunctionSettings, Scenario
from harness.scenario.function import CONCURRENCY
from harness.serve.batch import BatchApi
from harness.serve.batch_routes import add_routes
from harness.serve.functions import Servable, make_app
from harness.serve.jobs import ImageRunner
from harness.session.arm import Job, Watcher, findings, make_bench
from harness.session.calibration import make_store

BLOCK = 0
PHASE = "served"


@dataclass(frozen=True, slots=True)
class Address:
    """Where to listen; port 0 takes a free one."""

    host: str
    port: int


def servable(scenario: Scenario) -> list[str]:
    """The names of the placements that can be served: functions, and one batch, as its API has no name for several."""
    functions = [name for name, each in scenario.placements.items() if isinstance(each, FunctionSettings)]
    batches = [name for name, each in scenario.placements.items() if isinstance(each, BatchSettings)]
    return functions + batches[:1]


def serve(request: session.Request, progress: session.Progress, address: Address) -> tuple[Path, State]:
    """Serve until SIGINT or SIGTERM; returns the run folder and how it ended, as `session.run` does.

    EngineError or the corpus's own error if it cannot begin, OSError if the address cannot be used.
    """

    async def body(prepared: session.Prepared, told: session.Progress, warnings: list[str]) -> None:
        await _serve(prepared, told, warnings, address)

    return asyncio.run(session.measure(session.prepare(request, progress), progress, body))


class ServedFunction:
    """A function as the API has it: each request is one item of the phase `served`."""

    def __init__(self, bench: Bench, settings: FunctionSettings, account: Account) -> None:
        self._clock = bench.clock
        self._received = 0
        self._recorded = RecordedFunction(bench, settings, account)

    @property
    def name(self) -> str:
        """The name of its placement."""
        return self._recorded.name

    async def invoke(self, request: Request, sink: Sink | None = None) -> Invoked:
        """Carry out an invocation; Refused as Lambda would."""
        return await self._recorded.invoke(self._work(request), request, sink)

    def submit(self, request: Request) -> object:
        """Take an event and return at once; Refused if it is too large."""
        return self._recorded.submit(self._work(request), request)

    def configuration(self) -> dict[str, Any]:
        """In the shape of GetFunctionConfiguration."""
        return self._recorded.configuration()

    async def open(self) -> None:
        """Make ready what is provisioned."""
        await self._recorded.open()

    async def close(self) -> None:
        """End every environment."""
        await self._recorded.close()

    @property
    def received(self) -> int:
        """How many requests it has been given."""
        return self._received

    def _work(self, request: Request) -> Work:
        now_ns = self._clock.now_ns()
        number, self._received = self._received, self._received + 1
        return Work(item=request.request_id, sequence=number, phase=PHASE, due_ns=now_ns, sent_ns=now_ns)


class ServedBatch:
    """A batch placement as the API has it: a queue and a compute environment of its name, and the workload's job."""

    def __init__(self, bench: Bench, settings: BatchSettings) -> None:
        self.name = bench.arm
        self._bench = bench
        self._settings = settings
        self._runner = ImageRunner(bench)
        self.batch = Batch(self._runner, bench.clock, EventObserver(bench), time_scale=settings.time_scale)

    async def open(self) -> None:
        """Its queue and its compute environment."""
        await self._bench.engine.reserve(self._settings.parallel, network="none")
        self.batch.add_environment(environment(self._bench, self._settings, self.name))
        self.batch.add_queue(self.name, 1, (self.name,))

    async def close(self) -> None:
        """End every job."""
        await self.batch.close()
        await self._runner.close()

    @property
    def received(self) -> int:
        """How many attempts have been made."""
        return self._runner.attempts

    def api(self) -> BatchApi:
        """Its operations."""
        definition = define(self._bench, self._settings)
        launch = self._settings.launch
        return BatchApi(
            self.batch,
            {definition.name: definition},
            Delay(median_s=launch.median_s, spread=launch.spread),
            self._settings.idle_s,
            lambda told: self._bench.event("job_definition_warning", warning=told),
        )


Served = ServedFunction | ServedBatch


async def _serve(
    prepared: session.Prepared, progress: session.Progress, warnings: list[str], address: Address
) -> None:
    """Open every placement, listen, and wait to be cancelled."""
    scenario, writer = prepared.request.scenario, prepared.writer
    store_out, logs = writer.folder / "objects", writer.folder / "logs"
    make_store(store_out)
    logs.mkdir()
    arms = [plan.Arm(name, scenario.placements[name]) for name in servable(scenario)]
    writer.update(order=[[arm.name for arm in arms]])
    limits = [arm.settings.account_concurrency for arm in arms if isinstance(arm.settings, FunctionSettings)]
    account = Account(min(limits, default=CONCURRENCY))
    watchers = {arm.name: Watcher(prepared.sampler) for arm in arms}
    functions: dict[str, Servable] = {}
    app = make_app(functions)
    async with AsyncExitStack() as stack:
        for arm in arms:
            job = Job(
                block=BLOCK,
                warmup=False,
                arm=arm,
                phases=(),
                workload=scenario.workload,
                settings=scenario.settings,
                store_out=store_out,
                seed=scenario.seed,
                logs=logs,
            )
            bench = make_bench(prepared.stage, job, watchers[arm.name])
            if isinstance(arm.settings, FunctionSettings):
                function = ServedFunction(bench, arm.settings, account)
                await stack.enter_async_context(_open(bench, function))
                functions[arm.name] = function
            elif isinstance(arm.settings, BatchSettings):
                batch = ServedBatch(bench, arm.settings)
                await stack.enter_async_context(_open(bench, batch))
                add_routes(app, batch.api())
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=1.0)
        await runner.setup()
        stack.push_async_callback(runner.cleanup)
        await web.TCPSite(runner, address.host, address.port).start()
        host, port = runner.addresses[0][:2]
        url = f"http://{host}:{port}"
        writer.update(serving={"host": host, "port": port, "placements": [arm.name for arm in arms]})
        progress.step("serving")
        names = ", ".join(arm.name for arm in arms)
        progress.say(f"serving {names} at {url}; end with Ctrl-C. Any credentials will do:")
        for arm in arms:
            progress.say(_hint(url, arm, scenario.workload, prepared.corpus.keys[0]))
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:  # Ctrl-C is how serving ends
            progress.step("ending")
    for arm in arms:
        found = findings(arm, watchers[arm.name])
        warnings += found.warnings
        session.note_limits(prepared, arm, found)


@asynccontextmanager
async def _open(bench: Bench, served: Served) -> AsyncIterator[None]:
    """From nothing to ready and back, with the events by which reports know when it was measured."""
    bench.event("arm_started")
    try:
        await served.open()
        bench.event("arm_ready")
        bench.event("phase_started", phase=PHASE)
        before, begun_ns = read_load(), bench.clock.now_ns()
        yield
        load = between(before, read_load())
        bench.event(
            "phase_ended", phase=PHASE, first_due_ns=begun_ns, planned=served.received, **asdict(load)
        )
    finally:
        await served.close()
        bench.event("arm_ended")


def _hint(url: str, arm: plan.Arm, workload: str, key: str) -> str:
    """What a person can type now."""
    if isinstance(arm.settings, FunctionSettings):
        event = _example(arm.settings, key)
        return (
            f"  curl {url}/2015-03-31/functions/{arm.name}/invocations -d '{event}'\n"
            f"  aws lambda invoke --endpoint-url {url} --function-name {arm.name} "
            f"--cli-binary-format raw-in-base64-out --payload '{event}' answer.json"
        )
    return f"  aws batch describe-job-queues --endpoint-url {url}   # {arm.name}, with the job definition {workload}"


def _example(settings: FunctionSettings, key: str) -> str:
    """An event that the function understands, as far as that is known."""
    if settings.runs_workload:
        return json.dumps({"Records": [{"s3": {"bucket": {"name": "in"}, "object": {"key": key}}}]})
    return json.dumps(settings.payload or {})
