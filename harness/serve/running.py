"""Serves the functions of a scenario until it is interrupted; every invocation becomes a row of a run folder."""

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
from harness.placements.function.concurrency import Account
from harness.placements.function.invocation import Invoked, Request, Sink
from harness.placements.function.recorded import RecordedFunction
from harness.runs import State
from harness.scenario import FunctionSettings, Scenario
from harness.serve.functions import make_app
from harness.session.arm import Job, Watcher, findings, make_bench
from harness.session.calibration import make_store

BLOCK = 0
PHASE = "served"


@dataclass(frozen=True, slots=True)
class Address:
    """Where to listen; port 0 takes a free one."""

    host: str
    port: int


def functions_of(scenario: Scenario) -> dict[str, FunctionSettings]:
    """The placements that can be served, by name."""
    return {name: s for name, s in scenario.placements.items() if isinstance(s, FunctionSettings)}


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
        self.recorded = RecordedFunction(bench, settings, account)

    @property
    def name(self) -> str:
        """The name of its placement."""
        return self.recorded.name

    async def invoke(self, request: Request, sink: Sink | None = None) -> Invoked:
        """Carry out an invocation; Refused as Lambda would."""
        return await self.recorded.invoke(self._work(request), request, sink)

    def submit(self, request: Request) -> object:
        """Take an event and return at once; Refused if it is too large."""
        return self.recorded.submit(self._work(request), request)

    def configuration(self) -> dict[str, Any]:
        """In the shape of GetFunctionConfiguration."""
        return self.recorded.configuration()

    @property
    def received(self) -> int:
        """How many requests it has been given."""
        return self._received

    def _work(self, request: Request) -> Work:
        now_ns = self._clock.now_ns()
        number, self._received = self._received, self._received + 1
        return Work(item=request.request_id, sequence=number, phase=PHASE, due_ns=now_ns, sent_ns=now_ns)


async def _serve(
    prepared: session.Prepared, progress: session.Progress, warnings: list[str], address: Address
) -> None:
    """Open every function, listen, and wait to be cancelled."""
    scenario, writer = prepared.request.scenario, prepared.writer
    chosen = functions_of(scenario)
    store_out, logs = writer.folder / "objects", writer.folder / "logs"
    make_store(store_out)
    logs.mkdir()
    writer.update(order=[list(chosen)])
    account = Account(min(settings.account_concurrency for settings in chosen.values()))
    arms = [plan.Arm(name, settings) for name, settings in chosen.items()]
    watchers = {arm.name: Watcher(prepared.sampler) for arm in arms}
    served: dict[str, ServedFunction] = {}
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
            function = ServedFunction(bench, chosen[arm.name], account)
            await stack.enter_async_context(_open(bench, function))
            served[arm.name] = function
        runner = web.AppRunner(make_app(served), access_log=None, shutdown_timeout=1.0)
        await runner.setup()
        stack.push_async_callback(runner.cleanup)
        await web.TCPSite(runner, address.host, address.port).start()
        host, port = runner.addresses[0][:2]
        writer.update(serving={"host": host, "port": port, "functions": list(served)})
        progress.step("serving")
        url, name = f"http://{host}:{port}", next(iter(chosen))
        progress.say(f"serving {', '.join(chosen)} at {url}; end with Ctrl-C. Any credentials will do:")
        progress.say(_hint(url, name, _example(chosen[name], prepared.corpus.keys[0])))
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:  # Ctrl-C is how serving ends
            progress.step("ending")
    for arm in arms:
        found = findings(arm, watchers[arm.name])
        warnings += found.warnings
        session.note_limits(prepared, arm, found)


@asynccontextmanager
async def _open(bench: Bench, function: ServedFunction) -> AsyncIterator[None]:
    """From nothing to ready and back, with the events by which reports know when it was measured."""
    bench.event("arm_started")
    try:
        await function.recorded.open()
        bench.event("arm_ready")
        bench.event("phase_started", phase=PHASE)
        before, begun_ns = read_load(), bench.clock.now_ns()
        yield
        load = between(before, read_load())
        bench.event(
            "phase_ended", phase=PHASE, first_due_ns=begun_ns, planned=function.received, **asdict(load)
        )
    finally:
        await function.recorded.close()
        bench.event("arm_ended")


def _hint(url: str, name: str, event: str) -> str:
    """What a person can type now."""
    return (
        f"  curl {url}/2015-03-31/functions/{name}/invocations -d '{event}'\n"
        f"  aws lambda invoke --endpoint-url {url} --function-name {name} --cli-binary-format raw-in-base64-out "
        f"--payload '{event}' answer.json"
    )


def _example(settings: FunctionSettings, key: str) -> str:
    """An event that the function understands, as far as that is known."""
    if settings.runs_workload:
        return json.dumps({"Records": [{"s3": {"bucket": {"name": "in"}, "object": {"key": key}}}]})
    return json.dumps(settings.payload or {})
