"""One run from start to end: engine, corpus, image, blocks, and a run folder whatever happens."""

from __future__ import annotations

import asyncio
import gc
import importlib
import importlib.metadata
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal, Protocol

import psutil

from harness import __version__, plan
from harness.clock import RunClock
from harness.driver import drive
from harness.engines.base import Container, Engine, EngineError
from harness.engines.docker import DockerEngine, connect, container_user
from harness.engines.image import Image, ensure_image
from harness.engines.process import ProcessEngine
from harness.measure.machine import fingerprint
from harness.measure.sampler import Sampler
from harness.placements import registry
from harness.placements.base import Bench
from harness.priority import prefer_this_thread
from harness.runs import RunWriter, State, folder_name, utc_text
from harness.scenario import ROOT, Scenario

EngineChoice = Literal["auto", "docker", "process"]
CACHE = ROOT / ".cache"
PACKAGES = ("aiohttp", "docker", "pandas", "pillow", "psutil", "pyarrow", "awslambdaric", "uvicorn")
NO_DOCKER = (
    "Containers are NOT used: {reason}. Processes stand in for them, without CPU limits. "
    "To get real containers, run `scripts/docker.sh` as root on Debian or Ubuntu, or install Docker and start it."
)
# Threads that sample, write rows and speak to Docker may hold the interpreter for this long while an item is due. The
# default of 5 ms made the driver up to 4 ms late here; with this it stays around 1 ms.
SWITCH_INTERVAL_S = 0.0005
# A limit that reads back further off than this is not the one that was asked for.
LIMIT_TOLERANCE = 0.02


class Corpus(Protocol):
    """What a workload's `corpus` module gives: where the items are, and what they are."""

    @property
    def root(self) -> Path:
        """Folder that the keys are relative to."""
        ...

    @property
    def keys(self) -> tuple[str, ...]:
        """One key an item."""
        ...

    @property
    def digest(self) -> str:
        """Digest of the items."""
        ...

    @property
    def description(self) -> str:
        """One sentence on what they are and where from."""
        ...


class Progress(Protocol):
    """Who watches a run: a progress bar on a terminal, nobody when piped."""

    def say(self, message: str) -> None:
        """Something that a person should know now."""
        ...

    def plan(self, steps: int) -> None:
        """How many steps there will be: one for each arm of each block."""
        ...

    def step(self, what: str) -> None:
        """`what` begins."""
        ...


@dataclass(frozen=True, slots=True)
class Request:
    """What to run, where, and on what."""

    scenario: Scenario
    engine: EngineChoice
    out: Path
    corpus: Path | None = None
    command: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Prepared:
    """Everything that is made before the first block."""

    request: Request
    corpus: Corpus
    image: Image | None
    engine: Engine
    writer: RunWriter
    clock: RunClock
    sampler: Sampler


def run(request: Request, progress: Progress) -> tuple[Path, State]:
    """Carry out a run; returns its folder and how it ended.

    EngineError or the corpus's own error if it cannot begin. An interruption (Ctrl-C, SIGTERM) ends it in
    order, keeping what was measured.
    """
    return asyncio.run(_run(request, progress))


async def _run(request: Request, progress: Progress) -> tuple[Path, State]:
    sys.setswitchinterval(SWITCH_INTERVAL_S)
    prepared = await asyncio.to_thread(_prepare, request, progress)
    writer = prepared.writer
    task = asyncio.ensure_future(_all_blocks(prepared, progress))
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, task.cancel)
    state: State = "failed"
    warnings: list[str] = []
    preferred = prefer_this_thread()
    gc.freeze()
    cpu_before = psutil.Process().cpu_times()
    try:
        prepared.sampler.start()
        warnings = await task
        state = "complete"
    except asyncio.CancelledError:
        state = "interrupted"
    except EngineError as error:
        warnings = [f"the run failed: {error}"]
        progress.say(warnings[0])
    finally:
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.remove_signal_handler(number)
        prepared.sampler.stop()
        await prepared.engine.close()
        cpu = psutil.Process().cpu_times()
        own_cost = {
            "harness_cpu_s": cpu.user + cpu.system - cpu_before.user - cpu_before.system,
            "sampler_cpu_s": prepared.sampler.cpu_s,
            "sampler_rounds": prepared.sampler.rounds,
            "driver_preferred": preferred,
        }
        writer.close(state, own_cost=own_cost, warnings=warnings)
    return writer.folder, state


def _prepare(request: Request, progress: Progress) -> Prepared:
    scenario = request.scenario
    client, reason = None, "the process engine was asked for"
    if request.engine != "process":
        try:
            client = connect()
        except EngineError as error:
            if request.engine == "docker":
                raise
            reason = str(error)
    if client is None:
        progress.say(NO_DOCKER.format(reason=reason))
    corpus = load_corpus(request, progress.say)
    image = ensure_image(client, scenario.workload, ROOT, progress.say) if client is not None else None
    clock = RunClock()
    writer = RunWriter(request.out / folder_name(scenario.name), _manifest(request, corpus, image, clock))
    run_id = writer.run.replace(".", "").lower()
    engine: Engine = DockerEngine(client, image, run_id) if client and image else ProcessEngine()
    writer.update(engine=engine.describe())
    sampler = Sampler(writer.run, clock, writer.sample)
    return Prepared(request, corpus, image, engine, writer, clock, sampler)


def load_corpus(request: Request, say: Callable[[str], None]) -> Corpus:
    """The scenario's corpus, built at first use and then reused; or the user's own folder."""
    scenario = request.scenario
    module: Any = importlib.import_module(f"workloads.{scenario.workload}.corpus")
    if request.corpus is not None:
        own: Corpus = module.from_folder(request.corpus)
        return own
    settings = scenario.corpus
    target = CACHE / "corpus" / f"{scenario.workload}-{settings.items}-{settings.seed}"
    if not target.exists():
        say(f"Making the corpus of {settings.items} items (once).")
    made: Corpus = module.build(target, settings.items, settings.seed)
    return made


async def _all_blocks(prepared: Prepared, progress: Progress) -> list[str]:
    """Run every block; returns warnings."""
    scenario = prepared.request.scenario
    blocks = plan.blocks(scenario, prepared.corpus.keys)
    prepared.writer.update(order=[[arm.name for arm in block.arms] for block in blocks])
    progress.plan(sum(len(block.arms) for block in blocks))
    store_out = prepared.writer.folder / "objects"
    store_out.mkdir()
    if os.getuid() == 0 and prepared.image is not None:
        os.chown(store_out, *container_user())
    warnings: list[str] = []
    for block in blocks:
        for arm in block.arms:
            progress.step(f"block {block.index + 1} of {len(blocks)}: {arm.name}")
            in_force = await _one_arm(prepared, block, arm, store_out)
            warnings += [w for w in _limit_warnings(arm, in_force) if w not in warnings]
    # The manifests of batch jobs are inputs, not results.
    shutil.rmtree(store_out / "manifests", ignore_errors=True)
    return warnings


async def _one_arm(prepared: Prepared, block: plan.Block, arm: plan.Arm, store_out: Path) -> dict[str, Any]:
    """One arm of one block, in fresh containers; returns the limits as read back from one of them."""
    watcher = _Watcher(prepared.sampler)
    bench = Bench(
        run=prepared.writer.run,
        block=block.index,
        warmup=block.warmup,
        arm=arm.name,
        workload=prepared.request.scenario.workload,
        engine=prepared.engine,
        clock=prepared.clock,
        recorder=prepared.writer,
        watcher=watcher,
        store_in=prepared.corpus.root,
        store_out=store_out,
        settings=prepared.request.scenario.settings,
    )
    placement = registry.build(bench, arm.settings)
    bench.event("arm_started")
    # A collection of all objects stops every thread for milliseconds: it happens between arms instead.
    gc.collect()
    gc.disable()
    try:
        await placement.open()
        bench.event("arm_ready")
        for phase in block.phases:
            bench.event("phase_started", phase=phase.name)
            start_ns = await drive(phase, placement, prepared.clock)
            bench.event("phase_ended", phase=phase.name, first_due_ns=start_ns, planned=len(phase.items))
    finally:
        gc.enable()
        await placement.close()
        bench.event("arm_ended")
    arms = prepared.writer.manifest["arms"]
    if arms[arm.name]["limits_in_force"] is None and watcher.in_force:
        arms[arm.name]["limits_in_force"] = watcher.in_force
        prepared.writer.update(arms=arms)
    return watcher.in_force


class _Watcher:
    """The sampler, which also keeps the limits that a container reads back."""

    def __init__(self, sampler: Sampler) -> None:
        self._sampler = sampler
        self.in_force: dict[str, float | int | None] = {}

    def watch(self, container: Container, arm: str, block: int) -> None:
        """Sample it from now on."""
        self.in_force = container.limits_in_force() or self.in_force
        self._sampler.watch(container, arm, block)

    def unwatch(self, container: Container) -> None:
        """Take a last reading and stop."""
        self._sampler.unwatch(container)


def _limit_warnings(arm: plan.Arm, in_force: dict[str, Any]) -> list[str]:
    """Limits that read back otherwise than asked for."""
    asked = registry.limits(arm.settings)
    wanted = {"memory_bytes": asked.memory_bytes} | ({"vcpu": asked.vcpu} if asked.cpu == "hard" else {})
    return [
        f"{arm.name}: {name} was asked to be {value} and reads back as {in_force[name]}"
        for name, value in wanted.items()
        if name in in_force and not _close(value, in_force[name])
    ]


def _close(asked: float, found: float | None) -> bool:
    return found is not None and abs(found / asked - 1) <= LIMIT_TOLERANCE


def _manifest(request: Request, corpus: Corpus, image: Image | None, clock: RunClock) -> dict[str, Any]:
    scenario = request.scenario
    return {
        "schema": 1,
        "started_utc": utc_text(),
        "clock_offset_ns": clock.offset_ns,
        "command": list(request.command),
        "seed": scenario.seed,
        "scenario": scenario.model_dump(mode="json"),
        "arms": {
            arm.name: {
                "placement": arm.settings.kind,
                "duplicate_of": arm.duplicate_of,
                "parallel": arm.settings.parallel,
                "limits": asdict(registry.limits(arm.settings)),
                "limits_in_force": None,
            }
            for arm in plan.arms(scenario)
        },
        "differences": differences(scenario),
        "corpus": {
            "items": len(corpus.keys),
            "digest": corpus.digest,
            "description": corpus.description,
            "bytes": sum((corpus.root / key).stat().st_size for key in corpus.keys),
        },
        "image": asdict(image) if image else None,
        "git_commit": _git_commit(),
        "machine": fingerprint(),
        "versions": {"harness": __version__} | {name: importlib.metadata.version(name) for name in PACKAGES},
    }


def differences(scenario: Scenario) -> list[str]:
    """What is not equal between the placements, in words; image, code, inputs and store are."""
    told = []
    for name, settings in scenario.placements.items():
        asked = registry.limits(settings)
        limit = "hard limit" if asked.cpu == "hard" else "share"
        size = f"{asked.vcpu:.3f} vCPU ({limit}, {asked.cpu_period_us / 1000:g} ms windows)"
        told.append(
            f"{name}: up to {settings.parallel} containers of {size} and {asked.memory_bytes / 2**20:.0f} MiB; "
            f"{registry.DIFFERENCES[settings.kind]}"
        )
    return told


def _git_commit() -> str | None:
    try:
        answer = subprocess.run(
            ["git", "describe", "--always", "--dirty", "--abbrev=40"],
            cwd=ROOT, capture_output=True, text=True, check=True, timeout=10,
        )  # fmt: skip
    except (OSError, subprocess.SubprocessError):
        return None
    return answer.stdout.strip()
