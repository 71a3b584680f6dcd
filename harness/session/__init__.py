"""One run from start to end: engine, corpus, image, blocks, and a run folder whatever happens."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import itertools
import resource
import shutil
import signal
import sys
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any

import psutil

from harness import plan
from harness.analysis.planning import NothingToPlan
from harness.engines.base import EngineError
from harness.measure.machine import steal_s
from harness.priority import make_this_thread_ordinary, prefer_this_thread
from harness.runs import State
from harness.session.arm import Findings, Job, run_arm
from harness.session.calibration import calibrate, make_store
from harness.session.prepare import Prepared, Request, prepare
from harness.session.sizing import Sizing
from harness.session.watching import Begun, Progress, Row

__all__ = ["Begun", "Prepared", "Progress", "Request", "Row", "measure", "note_limits", "prepare", "run"]

# Threads that sample, write rows and speak to Docker may hold the interpreter for this long while an item is due. The
# default of 5 ms made the driver up to 4 ms late here; with this it stays around 1 ms.
SWITCH_INTERVAL_S = 0.0005

# The first ends the run in order, the second no longer waits for that.
INTERRUPTIONS_IN_ORDER = 2


def run(request: Request, progress: Progress) -> tuple[Path, State]:
    """Carry out a run; returns its folder and how it ended.

    EngineError or the corpus's own error if it cannot begin, KeyboardInterrupt if it is interrupted before it has.
    An interruption (Ctrl-C, SIGTERM) after that ends it in order, keeping what was measured. A second one cuts short
    what that waits for, and containers are still removed; a third is a KeyboardInterrupt, and some may be left.
    """
    return asyncio.run(measure(prepare(request, progress), progress, _all_blocks))


Body = Callable[[Prepared, Progress, list[str]], Coroutine[Any, Any, None]]


async def measure(prepared: Prepared, progress: Progress, body: Body) -> tuple[Path, State]:
    """Carry out `body`, from quiet to quiet: what is changed of this process for measuring is changed back.

    It may add to the warnings that it is given. SIGINT and SIGTERM cancel it (see `run`); one that ends well all the
    same is complete.
    """
    warnings: list[str] = []
    task = asyncio.ensure_future(body(prepared, progress, warnings))
    with _cancelled_by_signals(task, progress):
        return await _to_the_end(prepared, progress, task, warnings)


async def _to_the_end(
    prepared: Prepared, progress: Progress, task: asyncio.Future[None], warnings: list[str]
) -> tuple[Path, State]:
    """Until nothing runs any more and the run folder is closed."""
    state: State = "failed"
    watching_before_s = progress.cpu_s
    preferred = False
    cpu_before, steal_before_s = psutil.Process().cpu_times(), steal_s()
    try:
        with _measuring() as preferred:
            try:
                prepared.sampler.start()
                await task
                state = "complete"
            except asyncio.CancelledError:
                state = "interrupted"
            except (EngineError, NothingToPlan) as error:
                warnings.append(f"the run failed: {error}")
                progress.say(warnings[-1])
            finally:
                prepared.sampler.stop()
                await prepared.engine.close()
    finally:
        cpu = psutil.Process().cpu_times()
        own_cost = {
            "harness_cpu_s": cpu.user + cpu.system - cpu_before.user - cpu_before.system,
            "driver_cpu_s": prepared.driver.pacer.cpu_s,
            "sampler_cpu_s": prepared.sampler.cpu_s,
            "view_cpu_s": progress.cpu_s - watching_before_s,
            "sampler_rounds": prepared.sampler.rounds,
            "driver_preferred": preferred,
        }
        warnings += [f"{name} could not be sampled: {why}" for name, why in prepared.sampler.failures.items()]
        stolen_s = None if steal_before_s is None else (steal_s() or 0.0) - steal_before_s
        prepared.close()
        prepared.writer.close(state, own_cost=own_cost, warnings=warnings, steal_during_s=stolen_s)
    return prepared.writer.folder, state


async def _all_blocks(prepared: Prepared, progress: Progress, warnings: list[str]) -> None:
    """Calibrate, then run every block; `warnings` grows as they are met."""
    scenario, writer, stage = prepared.request.scenario, prepared.writer, prepared.stage
    arms = plan.arms(scenario)
    keys = prepared.corpus.keys
    request = prepared.request
    sizing = request.sizing or Sizing(scenario, request.precision, request.budget_s)
    progress.step("measuring the harness itself")
    clock = await calibrate(stage, sizing.calibrated(arms), keys[0], writer.folder, scenario.seed)
    writer.update(clock=clock)
    store_out = writer.folder / "objects"
    make_store(store_out)
    logs = writer.folder / "logs"
    logs.mkdir()
    order: list[list[str]] = []
    index = steps = 0
    while index < sizing.blocks and not sizing.out_of_time():
        warmup, chosen = index < sizing.pilot_blocks, sizing.chosen()
        block = plan.block(scenario, index, keys, warmup=warmup, chosen=chosen)
        order.append([arm.name for arm in block.arms])
        writer.update(order=order)
        progress.plan(1 + steps + (sizing.blocks - index) * len(block.arms))
        steps += len(block.arms)
        for arm in block.arms:
            progress.step(f"block {index + 1} of {sizing.blocks}: {arm.name}")
            job = Job(
                block=block.index,
                warmup=block.warmup,
                arm=arm,
                phases=block.phases,
                workload=scenario.workload,
                settings=scenario.settings,
                store_out=store_out,
                seed=scenario.seed,
                logs=logs,
            )
            try:
                found = await run_arm(stage, job)
            except EngineError as error:
                sizing.could_not_run(arm.name, error)
                continue
            warnings += [told for told in found.warnings if told not in warnings]
            note_limits(prepared, arm, found)
        index += 1
        sizing.after_block(writer, index)
    writer.update(sizing=sizing.told())
    warnings += sizing.warnings()
    # The manifests of batch jobs are inputs, not results.
    shutil.rmtree(store_out / "manifests", ignore_errors=True)


def note_limits(prepared: Prepared, arm: plan.Arm, found: Findings) -> None:
    """Put the limits in force into the manifest, once for each arm."""
    arms = prepared.writer.manifest["arms"]
    if found.limits_in_force and not arms[arm.name]["limits_in_force"]:
        arms[arm.name]["limits_in_force"] = found.limits_in_force
        prepared.writer.update(arms=arms)


@contextlib.contextmanager
def _measuring() -> Iterator[bool]:
    """This process as it should be while it measures; yields whether its main thread is preferred."""
    interval_s = sys.getswitchinterval()
    sys.setswitchinterval(SWITCH_INTERVAL_S)
    gc.freeze()
    _allow_many_descriptors()
    preferred = prefer_this_thread()
    try:
        yield preferred
    finally:
        if preferred:
            make_this_thread_ordinary()
        gc.unfreeze()
        sys.setswitchinterval(interval_s)


def _allow_many_descriptors() -> None:
    """Each container holds some ten open, and the usual soft limit of 1,024 is soon reached; the hard one is ours."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.suppress(ValueError, OSError):  # macOS has a lower limit than it says
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


@contextlib.contextmanager
def _cancelled_by_signals(task: asyncio.Future[Any], progress: Progress) -> Iterator[None]:
    """SIGINT and SIGTERM cancel `task`, in place of ending the process; twice, and the third is a KeyboardInterrupt."""
    loop = asyncio.get_running_loop()
    counted = itertools.count(1)

    def interrupt() -> None:
        number = next(counted)
        if number > INTERRUPTIONS_IN_ORDER:
            raise KeyboardInterrupt
        if number == 1:
            progress.ending()
        task.cancel()

    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, interrupt)
    try:
        yield
    finally:
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.remove_signal_handler(number)
